"""This project's StrataDB: metadata comes back with every hit, history and branches are on."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import stratadb

from vectors.adapters.base import Array, Metadata

BREADTHS = (16, 24, 32, 48, 64, 96, 128, 192)  # 96 unless said
BATCH = 1000
COLLECTION = "vectors"
GRAPH_ROWS = 8_000  # fewer are scanned, and never get a graph
Strata: Any = stratadb.Strata


def version() -> str:
    return str(stratadb.__version__)


def key_of(row: int) -> str:
    return f"{row:08d}"


class Store:
    def __init__(self, folder: str, dimension: int) -> None:
        self._folder = folder
        self._db = Strata.open(folder)
        self._db.vector_create_collection(COLLECTION, dimension)
        self.acknowledged_s = 0.0

    def load(self, vectors: Array, metadata: Metadata) -> None:
        start = time.perf_counter()
        for first in range(0, len(vectors), BATCH):
            rows = range(first, min(first + BATCH, len(vectors)))
            self._db.vector_batch_upsert(
                COLLECTION,
                keys=[key_of(row) for row in rows],
                vectors=vectors[first : first + BATCH],
                metadata=[{field: int(values[row]) for field, values in metadata.items()} for row in rows],
            )
        self.acknowledged_s = time.perf_counter() - start
        # A search begins the making of the index; its graph comes in the background.
        self.search(vectors[0], 1, 0)
        deadline = time.monotonic() + 600
        while len(vectors) >= GRAPH_ROWS and self._index() != "hnsw" and time.monotonic() < deadline:
            time.sleep(0.01)

    def _index(self) -> str:
        """What searches are answered from."""
        return str(self._db.vector_list_collections()[0]["index"])

    def search(self, query: Array, k: int, breadth: int) -> list[int]:
        return [int(hit["key"]) for hit in self._db.vector_search(COLLECTION, query, k, ef=breadth or None)]

    def exact(self, query: Array, k: int) -> list[int]:
        return [int(hit["key"]) for hit in self._db.vector_search(COLLECTION, query, k, exact=True)]

    def filtered(self, query: Array, k: int, field: str, value: int) -> list[int]:
        wanted = [{"field": field, "op": "eq", "value": value}]
        return [int(hit["key"]) for hit in self._db.vector_search(COLLECTION, query, k, filters=wanted)]

    def batch(self, queries: Array, k: int, breadth: int) -> list[list[int]]:
        found = self._db.vector_batch_search(COLLECTION, queries, k, ef=breadth or None)
        return [[int(hit["key"]) for hit in hits] for hits in found]

    def upsert_one(self, row: int, vector: Array) -> None:
        self._db.vector_upsert(COLLECTION, key_of(row), vector)

    def durable(self, folder: str) -> Store:
        """An empty one whose every write is synced."""
        other = object.__new__(Store)
        other._db = Strata.open(folder, durability="strict")
        other._db.vector_create_collection(COLLECTION, self._db.vector_list_collections()[0]["dimension"])
        return other

    def overwrite(self, rows: Sequence[int], vectors: Array) -> None:
        for first in range(0, len(rows), BATCH):
            keys = [key_of(row) for row in rows[first : first + BATCH]]
            self._db.vector_batch_upsert(COLLECTION, keys=keys, vectors=vectors[first : first + BATCH])
        self.search(vectors[0], 1, 0)

    def handle(self) -> Store:
        """Another one for another thread."""
        other = object.__new__(Store)
        other._db = self._db.session()
        return other

    def close(self) -> None:
        self._db.close()

    def reopen(self) -> None:
        self._db.close()
        self._db = Strata.open(self._folder)

    def open_again(self) -> None:
        """What `reopen` does after the close."""
        self._db = Strata.open(self._folder)

    def fork(self, name: str) -> None:
        self._db.branch_fork("default", name)

    def use(self, name: str) -> None:
        self._db.branch_use(name)
