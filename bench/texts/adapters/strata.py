"""This project's StrataDB: documents are values, each hit brings its snippet, history and branches are on."""

from __future__ import annotations

import os
from typing import Any

import disk
import stratadb

from texts.adapters.base import Document

BATCH = 1000
Strata: Any = stratadb.Strata


def version() -> str:
    return str(stratadb.__version__)


class Store:
    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._db = Strata.open(folder)

    def load(self, documents: list[Document]) -> None:
        for first in range(0, len(documents), BATCH):
            self._db.kv_batch_put(dict(documents[first : first + BATCH]))
        self.search("x", 1)

    def search(self, query: str, k: int) -> list[str]:
        return [hit["entity"] for hit in self._db.search(query, k=k)]

    def put(self, key: str, text: str) -> None:
        self._db.kv_put(key, text)

    def close(self) -> None:
        self._db.close()

    def index_bytes(self) -> int:
        """What the index's files take; the texts lie in the database."""
        return disk.allocated_bytes(os.path.join(self._folder, "index"))

    def reopen(self) -> None:
        self._db.close()
        self._db = Strata.open(self._folder)

    def fork(self, name: str) -> None:
        self._db.branch_fork("default", name)

    def use(self, name: str) -> None:
        self._db.branch_use(name)
