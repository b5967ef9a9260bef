"""StrataDB 0.14.5 from PyPI, an earlier and different engine of the same name, the last that searches texts."""

from __future__ import annotations

from importlib.metadata import version as installed
from typing import Any

import stratadb

from texts.adapters.base import Document

BATCH = 1000


def version() -> str:
    return installed("stratadb")


class Store:
    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._db: Any = stratadb.Strata.open(folder)

    def load(self, documents: list[Document]) -> None:
        for first in range(0, len(documents), BATCH):
            self._db.kv.batch_put([{"key": key, "value": text} for key, text in documents[first : first + BATCH]])
        self.search("x", 1)

    def search(self, query: str, k: int) -> list[str]:
        return [hit["entity"] for hit in self._db.search(query, k=k, mode="keyword")]

    def put(self, key: str, text: str) -> None:
        self._db.kv.put(key, text)

    def close(self) -> None:
        del self._db

    def fork(self, name: str) -> None:
        self._db.fork(name)

    def use(self, name: str) -> None:
        self._db.checkout(name)
