"""Lets `python -m reconciler` do what `reconciler` does."""

from reconciler.cli.main import main

main()
