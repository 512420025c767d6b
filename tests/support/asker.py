"""Requests to the stand-in provider without a network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import msgspec

from reconciler.sandbox.api import Answer, BarsApi, Request
from reconciler.sandbox.history import History, recorded_history
from reconciler.sandbox.server import END_OF_DATA

KEYS = {"apca-api-key-id": "key", "apca-api-secret-key": "secret"}


@dataclass
class Asker:
    """Puts requests to the API without a network."""

    api: BarsApi

    def answer(self, path: str = "/v2/stocks/bars", **parameters: object) -> Answer:
        query = str(httpx.QueryParams({name: str(text) for name, text in parameters.items()}))
        return self.api.answer(Request(path, query, KEYS, now=0.0))

    def json(self, path: str = "/v2/stocks/bars", **parameters: object) -> Any:
        answer = self.answer(path, **parameters)
        assert answer.status == 200, answer.body
        return msgspec.json.decode(answer.body)

    def refusal(self, path: str = "/v2/stocks/bars", **parameters: object) -> tuple[int, str]:
        answer = self.answer(path, **parameters)
        return answer.status, msgspec.json.decode(answer.body)["message"]

    def walk(self, **parameters: Any) -> list[Mapping[str, Any]]:
        """Every page of a chain."""
        pages = [self.json(**parameters)]
        while (token := pages[-1]["next_page_token"]) is not None:
            pages.append(self.json(**parameters, page_token=token))
        return pages


def make_asker(history: History | None = None, **changes: Any) -> Asker:
    settings: dict[str, Any] = {"as_of": END_OF_DATA, "limiter": None, "requests_per_minute": None} | changes
    return Asker(BarsApi(history or recorded_history(), **settings))
