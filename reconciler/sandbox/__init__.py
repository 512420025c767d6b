"""A stand-in for the provider's HTTP API, serving real daily bars and finer ones derived from them."""

from reconciler.sandbox.history import (
    Bar,
    DailyHistory,
    History,
    RecordedHistory,
    SyntheticHistory,
    recorded_history,
)
from reconciler.sandbox.requestlog import RequestRecord
from reconciler.sandbox.server import END_OF_DATA, Sandbox, serve

__all__ = [
    "END_OF_DATA",
    "Bar",
    "DailyHistory",
    "History",
    "RecordedHistory",
    "RequestRecord",
    "Sandbox",
    "SyntheticHistory",
    "recorded_history",
    "serve",
]
