"""SQLite through the standard library: write-ahead log, statements prepared once, text keys."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable
from typing import Any

from orjson import dumps, loads

from adapters.base import Key, Pair, Value, next_prefix

SCHEMA = """
CREATE TABLE IF NOT EXISTS kv (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS history (
    key TEXT, version INTEGER, timestamp INTEGER, value BLOB, PRIMARY KEY (key, version)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS event (sequence INTEGER PRIMARY KEY, type TEXT NOT NULL, payload BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS event_by_type ON event (type, sequence);
"""
PUT = "INSERT INTO kv VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
LAST_TEXT = "\U0010ffff"


def version() -> str:
    return sqlite3.sqlite_version


def open_store(path: str, mode: str) -> SqliteStore:
    if mode == "memory":
        return SqliteStore(":memory:", mode)
    os.makedirs(path, exist_ok=True)
    return SqliteStore(os.path.join(path, "data.sqlite"), mode)


class SqliteStore:
    put: Callable[[Key, Value], None]
    get: Callable[[Key], Any]
    delete: Callable[[Key], None]

    def __init__(self, file: str, mode: str) -> None:
        self._file, self._mode = file, mode
        self._db = db = sqlite3.connect(file, isolation_level=None, check_same_thread=False, timeout=60)
        if mode != "memory":
            db.execute("PRAGMA journal_mode = WAL")
            db.execute(f"PRAGMA synchronous = {'FULL' if mode == 'strict' else 'NORMAL'}")
            db.execute(f"PRAGMA mmap_size = {1 << 30}")
        db.execute("PRAGMA cache_size = -262144")
        db.executescript(SCHEMA)
        execute = db.execute

        def put(key: Key, value: Value) -> None:
            execute(PUT, (key, dumps(value)))

        def get(key: Key) -> Any:
            row = execute("SELECT value FROM kv WHERE key = ?", (key,)).fetchone()
            return None if row is None else loads(row[0])

        def delete(key: Key) -> None:
            execute("DELETE FROM kv WHERE key = ?", (key,))

        self.put, self.get, self.delete = put, get, delete

    def close(self) -> None:
        self._db.close()

    def handle(self) -> SqliteStore:
        return SqliteStore(self._file, self._mode)

    def transaction(self, pairs: list[Pair]) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        self._db.executemany(PUT, ((key, dumps(value)) for key, value in pairs))
        self._db.execute("COMMIT")

    def list_prefix(self, prefix: str) -> list[Key]:
        if not prefix:
            return [key for (key,) in self._db.execute("SELECT key FROM kv ORDER BY key")]
        above = next_prefix(prefix.encode())
        end = above.decode() if above is not None else LAST_TEXT
        rows = self._db.execute("SELECT key FROM kv WHERE key >= ? AND key < ? ORDER BY key", (prefix, end))
        return [key for (key,) in rows]

    def page(self, cursor: Any, limit: int) -> tuple[list[Key], Any]:
        rows = self._db.execute("SELECT key FROM kv WHERE key > ? ORDER BY key LIMIT ?", (cursor or "", limit))
        keys = [key for (key,) in rows]
        return keys, keys[-1] if len(keys) == limit else None

    def put_version(self, key: Key, value: Value) -> None:
        data = dumps(value)
        self._db.execute("BEGIN IMMEDIATE")
        self._db.execute(PUT, (key, data))
        self._db.execute(
            "INSERT INTO history SELECT ?, 1 + coalesce(max(version), 0), ?, ? FROM history WHERE key = ?",
            (key, time.time_ns() // 1000, data, key),
        )
        self._db.execute("COMMIT")

    def history(self, key: Key) -> list[Any]:
        rows = self._db.execute(
            "SELECT value, version, timestamp FROM history WHERE key = ? ORDER BY version DESC", (key,)
        )
        return [{"value": loads(value), "version": number, "timestamp": when} for value, number, when in rows]

    def compact(self) -> None:
        self._db.execute("VACUUM")
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def cas(self, key: Key, expected: Value, value: Value) -> None:
        # One statement, comparing the stored bytes: orjson keeps the order of names, so equal dicts are equal bytes.
        changed = self._db.execute(
            "UPDATE kv SET value = ? WHERE key = ? AND value = ?", (dumps(value), key, dumps(expected))
        )
        if changed.rowcount != 1:
            raise RuntimeError("the value has changed")

    def append_event(self, event_type: str, payload: Value) -> None:
        self._db.execute("INSERT INTO event (type, payload) VALUES (?, ?)", (event_type, dumps(payload)))

    def append_events(self, events: list[tuple[str, Value]]) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        self._db.executemany(
            "INSERT INTO event (type, payload) VALUES (?, ?)", ((name, dumps(payload)) for name, payload in events)
        )
        self._db.execute("COMMIT")

    def events_of_type(self, event_type: str, limit: int) -> list[Any]:
        rows = self._db.execute(
            "SELECT sequence, type, payload FROM event WHERE type = ? ORDER BY sequence LIMIT ?", (event_type, limit)
        )
        return [(sequence, name, loads(payload)) for sequence, name, payload in rows]
