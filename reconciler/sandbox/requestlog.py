"""One record a request, kept in memory and, if asked for, as a line of JSON in a file."""

from __future__ import annotations

from collections import deque
from datetime import datetime
from pathlib import Path
from threading import Lock
from typing import BinaryIO

import msgspec

_KEPT_RECORDS = 100_000


class RequestRecord(msgspec.Struct, frozen=True):
    """What was asked, when it arrived, and what was answered; scripts rely on these fields and their order.

    ``query`` is as it came, ``symbols`` as they were asked for, ``bars`` counts those in the answer,
    ``token`` says whether a next page follows.
    """

    time: datetime
    path: str
    query: str
    symbols: tuple[str, ...]
    status: int
    bars: int
    token: bool


class RequestLog:
    """Records in the order of their answers, the latest 100,000 in memory.

    The file is appended to, each line whole and flushed at once.
    """

    def __init__(self, path: Path | None) -> None:
        self._file: BinaryIO | None = None if path is None else path.open("ab")
        self._records: deque[RequestRecord] = deque(maxlen=_KEPT_RECORDS)
        self._lock = Lock()

    def append(self, record: RequestRecord) -> None:
        with self._lock:
            self._records.append(record)
            if self._file is not None:
                self._file.write(msgspec.json.encode(record) + b"\n")
                self._file.flush()

    def records(self) -> list[RequestRecord]:
        with self._lock:
            return list(self._records)

    def close(self) -> None:
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None
