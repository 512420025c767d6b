"""What the environment says. Secrets never appear in a repr, a message or a log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

from reconciler.errors import ReconcilerError, UsageError

PROVIDER_URL = "https://data.alpaca.markets"

_NEW_YORK = ZoneInfo("America/New_York")
_KEY_NAMES = (("APCA_API_KEY_ID", "APCA_API_SECRET_KEY"), ("ALPACA_API_KEY", "ALPACA_API_SECRET"))


class MissingKeysError(ReconcilerError):
    """No pair of keys in the environment."""


@dataclass(frozen=True)
class Keys:
    """The account's key pair."""

    key_id: str = field(repr=False)
    secret: str = field(repr=False)


@dataclass(frozen=True)
class Settings:
    """The environment, read once at the start of a command."""

    database_url: str | None = field(repr=False)
    keys: Keys | None
    provider_url: str
    git_sha: str | None
    actor: str

    def check_keys(self) -> Keys:
        """The keys; raises MissingKeysError with the two ways out."""
        if self.keys is None:
            raise MissingKeysError(
                "no API keys: set APCA_API_KEY_ID and APCA_API_SECRET_KEY. To try without an account, start "
                "`reconciler sandbox` and set APCA_API_DATA_URL to the address it prints (any keys will do)"
            )
        return self.keys


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Settings from environment variables; an empty variable counts as not set. Raises ReconcilerError."""
    return Settings(
        database_url=environment.get("DATABASE_URL") or None,
        keys=_read_keys(environment),
        provider_url=(environment.get("APCA_API_DATA_URL") or PROVIDER_URL).rstrip("/"),
        git_sha=environment.get("GITHUB_SHA") or environment.get("CI_COMMIT_SHA") or None,
        actor=environment.get("GITHUB_ACTOR") or environment.get("USER") or environment.get("LOGNAME") or "",
    )


def _read_keys(environment: Mapping[str, str]) -> Keys | None:
    for id_name, secret_name in _KEY_NAMES:
        # A key pasted with its line break would otherwise fail as a malformed header.
        key_id, secret = (environment.get(name, "").strip() for name in (id_name, secret_name))
        if key_id and secret:
            return Keys(key_id, secret)
        if key_id or secret:
            missing = secret_name if key_id else id_name
            raise MissingKeysError(f"half a pair of API keys: {missing} is not set")
    return None


def parse_as_of(text: str) -> datetime:
    """A moment from ``2010-08-20`` (23:59 in New York) or an ISO instant with its offset. Raises UsageError."""
    try:
        if len(text) == len("2010-08-20"):
            return datetime.combine(date.fromisoformat(text), time(23, 59), _NEW_YORK)
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"--as-of {text}: write 2010-08-20 or 2010-08-20T15:30:00-04:00") from error
    if moment.tzinfo is None:
        raise UsageError(f"--as-of {text}: say the offset, as in {text}Z or {text}-05:00")
    return moment
