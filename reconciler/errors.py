"""Every error that we raise, with the exit code a command ends with when nobody handles it.

ReconcilerError                    1
├── ConfigError                    1   the desired-state file is wrong; carries every problem found
├── UsageError                    64   a command was called wrongly
├── StoreError                     1   the database refused or could not be reached
│   ├── SchemaError                1   the database's schema does not fit this program
│   └── LeaseLostError             1   another runner owns the run now; nothing was written
├── PolicyError                    3   lawful SQL, but refused: conflict, ownership, dataset binding
├── StalePlanError                 4   the rows moved between plan and apply
├── LockTimeoutError               5   another apply holds the lock
├── CalendarEndError               1   a time outside the packaged trading calendar
└── ProviderError                  1   the provider's HTTP API
    ├── AuthenticationError        1   401: keys missing or wrong
    ├── EntitlementError           1   403: the plan does not include what was asked
    ├── BadRequestError            1   400 and alike: repeating it cannot help
    │   └── InvalidSymbolError     1   400 that names one malformed symbol
    ├── RateLimitedError           1   429: wait, not an attempt
    ├── PagingError                1   a token chain that repeats or never ends
    └── TransientError             1   5xx, time-outs, resets, broken JSON: try again later
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class ReconcilerError(Exception):
    """Base of all errors a user can cause; its text says what happened and what to do."""

    exit_code = 1


@dataclass(frozen=True, order=True)
class Problem:
    """One mistake in a file; ``line`` and ``column`` count from 1."""

    file: str
    line: int
    column: int
    code: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.code} {self.message}"


class ConfigError(ReconcilerError):
    """The desired-state file cannot be used; ``problems`` holds every mistake found, in file order."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(problems))
        super().__init__("\n".join(map(str, self.problems)))


class UsageError(ReconcilerError):
    exit_code = 64


class StoreError(ReconcilerError):
    pass


class SchemaError(StoreError):
    pass


class LeaseLostError(StoreError):
    pass


class PolicyError(ReconcilerError):
    exit_code = 3


class StalePlanError(ReconcilerError):
    exit_code = 4


class LockTimeoutError(ReconcilerError):
    exit_code = 5


class CalendarEndError(ReconcilerError):
    pass


class ProviderError(ReconcilerError):
    """An answer (or none) of the provider's API; ``code`` is stored in ``job_runs.error_code``."""

    code = "PROVIDER"


class AuthenticationError(ProviderError):
    code = "AUTH"


class EntitlementError(ProviderError):
    code = "ENTITLEMENT"


class BadRequestError(ProviderError):
    code = "BAD_REQUEST"


class InvalidSymbolError(BadRequestError):
    """The provider refused the whole request because of ``symbol``."""

    code = "INVALID_SYMBOL"

    def __init__(self, message: str, *, symbol: str) -> None:
        self.symbol = symbol
        super().__init__(message)


class RateLimitedError(ProviderError):
    code = "RATE_LIMITED"


class PagingError(ProviderError):
    code = "PAGING"


class TransientError(ProviderError):
    code = "TRANSIENT"
