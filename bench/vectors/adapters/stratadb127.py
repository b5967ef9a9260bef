"""StrataDB 1.2.7 from PyPI, an earlier and different engine of the same name: a search compares all rows."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version as installed
from typing import Any

import stratadb

from vectors.adapters.base import Array, Metadata

BREADTHS = (0,)
BATCH = 1000
MOST_ROWS = 10_000  # a search of all rows takes seconds
ROWS = "rows"


def version() -> str:
    return installed("stratadb")


class Store:
    def __init__(self, folder: str, dimension: int) -> None:
        self._folder = folder
        self._open()
        self._db.vectors.create_collection(ROWS, dimension, metric="cosine")

    def _open(self) -> None:
        self._db: Any = stratadb.open(self._folder, durability="standard", ipc="off")

    def load(self, vectors: Array, metadata: Metadata) -> None:
        for first in range(0, len(vectors), BATCH):
            self._db.vectors.upsert_many(
                ROWS,
                [
                    (str(row), vectors[row].tolist(), {field: int(values[row]) for field, values in metadata.items()})
                    for row in range(first, min(first + BATCH, len(vectors)))
                ],
            )

    def search(self, query: Array, k: int, breadth: int) -> list[int]:
        return [int(match.key) for match in self._db.vectors.query(ROWS, query.tolist(), k=k)]

    def filtered(self, query: Array, k: int, field: str, value: int) -> list[int]:
        wanted = stratadb.filters.eq(field, value)
        return [int(match.key) for match in self._db.vectors.query(ROWS, query.tolist(), k=k, filter=wanted)]

    def upsert_one(self, row: int, vector: Array) -> None:
        self._db.vectors.upsert(ROWS, str(row), vector.tolist())

    def overwrite(self, rows: Sequence[int], vectors: Array) -> None:
        self._db.vectors.upsert_many(
            ROWS, [(str(row), vector.tolist()) for row, vector in zip(rows, vectors, strict=True)]
        )

    def close(self) -> None:
        self._db.close()

    def reopen(self) -> None:
        self._db.close()
        self._open()
