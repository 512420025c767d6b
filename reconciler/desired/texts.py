"""Reading text files, with what to do about it when that fails."""

from __future__ import annotations

import sys
from pathlib import Path

from reconciler.desired.problems import Code, Position

STDIN_NAME = "<stdin>"


class UnreadableTextError(Exception):
    """A file that gives no text; ``at`` is where in that file (1:1 when it could not be opened)."""

    def __init__(self, at: Position, code: Code, message: str) -> None:
        self.at = at
        self.code = code
        self.message = message
        super().__init__(message)


def read_stdin() -> str:
    """All of standard input as UTF-8 text; raises ``UnreadableTextError``."""
    return _decode(sys.stdin.buffer.read(), STDIN_NAME)


def read_text(path: Path) -> str:
    """The whole file as UTF-8 text, without a byte order mark; raises ``UnreadableTextError``."""
    try:
        content = path.read_bytes()
    except (OSError, ValueError) as error:
        at = Position(str(path), 1, 1)
        raise UnreadableTextError(at, Code.UNREADABLE, _reason(error)) from error
    return _decode(content, str(path))


def _reason(error: OSError | ValueError) -> str:
    match error:
        case FileNotFoundError():
            return "no such file; check the path"
        case IsADirectoryError():
            return "is a folder; name a file in it"
        case PermissionError():
            return "permission denied; let this account read the file"
        case OSError():
            return f"cannot be read: {error.strerror or error}"
        case _:  # a path with a NUL character never reaches the operating system
            return "not a lawful file name"


def _decode(content: bytes, file: str) -> str:
    body = content.removeprefix(b"\xef\xbb\xbf")
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        before = body[: error.start].decode()  # the codec stops at the first byte that does not fit
        at = Position(file, before.count("\n") + 1, len(before) - before.rfind("\n"))
        raise UnreadableTextError(at, Code.NOT_UTF8, "not UTF-8 text; save the file as UTF-8") from error
