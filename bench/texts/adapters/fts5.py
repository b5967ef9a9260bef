"""SQLite FTS5 with its Porter stemmer."""

from __future__ import annotations

import os
import re
import sqlite3

from texts.adapters.base import Document

BATCH = 1000
_WORD = re.compile(r"\w+")


def version() -> str:
    return sqlite3.sqlite_version


class Store:
    def __init__(self, folder: str) -> None:
        self._file = os.path.join(folder, "db")
        self._open()
        self._db.execute("create virtual table docs using fts5(key unindexed, body, tokenize='porter unicode61')")

    def _open(self) -> None:
        self._db = sqlite3.connect(self._file, isolation_level=None)
        self._db.execute("pragma journal_mode=wal")
        self._db.execute("pragma synchronous=normal")

    def load(self, documents: list[Document]) -> None:
        for first in range(0, len(documents), BATCH):
            self._db.execute("begin")
            self._db.executemany("insert into docs values (?, ?)", documents[first : first + BATCH])
            self._db.execute("commit")
        self._db.execute("insert into docs(docs) values ('optimize')")

    def search(self, query: str, k: int) -> list[str]:
        asked = " OR ".join(f'"{word}"' for word in _WORD.findall(query))
        found = self._db.execute("select key from docs where docs match ? order by rank limit ?", (asked, k))
        return [key for (key,) in found]

    def put(self, key: str, text: str) -> None:
        self._db.execute("insert into docs values (?, ?)", (key, text))

    def close(self) -> None:
        self._db.close()

    def reopen(self) -> None:
        self._db.close()
        self._open()
