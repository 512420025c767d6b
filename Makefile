# Two commands for a fresh machine: `make demo` and `make test`. Each sets itself up.
PY := .venv/bin/python

.PHONY: demo test lint format pins clean

demo: .venv/.installed
	@$(PY) -m reconciler demo

test: .venv/.installed
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy
	@.venv/bin/lint-imports
	@$(PY) -m pytest

lint: .venv/.installed
	@$(PY) -m ruff check . && $(PY) -m ruff format --check . && $(PY) -m mypy && .venv/bin/lint-imports

format: .venv/.installed
	@$(PY) -m ruff check --fix . ; $(PY) -m ruff format .

# Pins for all platforms, with hashes and without any registry's address. Needs uv.
pins:
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-annotate --no-header --all-extras --group dev pyproject.toml -o requirements/dev.txt

clean:
	rm -rf .venv .reconciler .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis build dist

.venv/.installed: requirements/dev.txt pyproject.toml tools/bootstrap
	@tools/bootstrap
