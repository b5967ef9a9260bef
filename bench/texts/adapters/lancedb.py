"""LanceDB's own full-text index with stemming."""

from __future__ import annotations

from importlib.metadata import version as installed
from typing import Any

import lancedb

from texts.adapters.base import Document

BATCH = 10_000


def version() -> str:
    return installed("lancedb")


class Store:
    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._db: Any = lancedb.connect(folder)

    def load(self, documents: list[Document]) -> None:
        rows = [{"key": key, "body": text} for key, text in documents]
        self._table = self._db.create_table("docs", rows[:BATCH])
        for first in range(BATCH, len(rows), BATCH):
            self._table.add(rows[first : first + BATCH])
        self._table.create_fts_index("body", use_tantivy=False, stem=True, remove_stop_words=True)

    def search(self, query: str, k: int) -> list[str]:
        found = self._table.search(query, query_type="fts").select(["key"]).limit(k).to_list()
        return [row["key"] for row in found]

    def put(self, key: str, text: str) -> None:
        self._table.add([{"key": key, "body": text}])

    def close(self) -> None:
        pass

    def reopen(self) -> None:
        self._db = lancedb.connect(self._folder)
        self._table = self._db.open_table("docs")
