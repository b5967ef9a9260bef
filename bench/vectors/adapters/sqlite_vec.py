"""sqlite-vec: every search scans all rows of a table of SQLite."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib.metadata import version as installed

import pysqlite3 as sqlite3  # not every Python's own takes extensions
import sqlite_vec

from vectors.adapters.base import Array, Metadata

BREADTHS = (0,)
BATCH = 1000


def version() -> str:
    return installed("sqlite-vec")


class Store:
    def __init__(self, folder: str, dimension: int) -> None:
        self._file = os.path.join(folder, "db")
        self._dimension = dimension
        self._open()

    def _open(self) -> None:
        self._db = sqlite3.connect(self._file, isolation_level=None, check_same_thread=False)
        self._db.enable_load_extension(True)
        sqlite_vec.load(self._db)
        self._db.execute("pragma journal_mode=wal")
        self._db.execute("pragma synchronous=full")

    def load(self, vectors: Array, metadata: Metadata) -> None:
        fields = list(metadata)
        columns = ", ".join(f"{field} integer" for field in fields)
        self._db.execute(
            f"create virtual table rows using vec0(id integer primary key, "
            f"embedding float[{self._dimension}] distance_metric=cosine, {columns})"
        )
        self._insert = f"insert into rows values (?, ?, {', '.join('?' for _ in fields)})"
        for first in range(0, len(vectors), BATCH):
            rows = range(first, min(first + BATCH, len(vectors)))
            self._db.execute("begin")
            self._db.executemany(
                self._insert,
                [(row, vectors[row].tobytes(), *(int(metadata[field][row]) for field in fields)) for row in rows],
            )
            self._db.execute("commit")

    def exact(self, query: Array, k: int) -> list[int]:
        found = self._db.execute(
            "select id from rows where embedding match ? and k = ? order by distance", (query.tobytes(), k)
        )
        return [row for (row,) in found]

    def search(self, query: Array, k: int, breadth: int) -> list[int]:
        return self.exact(query, k)

    def filtered(self, query: Array, k: int, field: str, value: int) -> list[int]:
        found = self._db.execute(
            f"select id from rows where embedding match ? and k = ? and {field} = ? order by distance",
            (query.tobytes(), k, value),
        )
        return [row for (row,) in found]

    def upsert_one(self, row: int, vector: Array) -> None:
        self._db.execute("update rows set embedding = ? where id = ?", (vector.tobytes(), row))

    def overwrite(self, rows: Sequence[int], vectors: Array) -> None:
        for first in range(0, len(rows), BATCH):
            part = zip(vectors[first : first + BATCH], rows[first : first + BATCH], strict=True)
            self._db.execute("begin")
            self._db.executemany(
                "update rows set embedding = ? where id = ?", [(vector.tobytes(), row) for vector, row in part]
            )
            self._db.execute("commit")

    def close(self) -> None:
        self._db.close()

    def reopen(self) -> None:
        self._db.close()
        self._open()
