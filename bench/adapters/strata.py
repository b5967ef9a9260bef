"""This project's StrataDB: values go in and come out as Python objects, history and branches are on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import data
import stratadb

from adapters.base import Key, Pair, Value

Strata: Any = stratadb.Strata


def version() -> str:
    with Strata.cache() as db:
        return str(db.ping())


def open_store(path: str, mode: str) -> StrataStore:
    if mode == "memory":
        return StrataStore(Strata.cache())
    return StrataStore(Strata.open(path, durability=mode))


def log_bytes(path: str) -> int:
    """Bytes of the commit log below the path, without the space that is only reserved (zeros at a segment's end)."""
    return sum(len(file.read_bytes().rstrip(b"\0")) for file in Path(path).glob("log-*.strata"))


class StrataStore:
    put: Callable[[Key, Value], Any]
    get: Callable[[Key], Any]
    delete: Callable[[Key], Any]

    def __init__(self, db: Any) -> None:
        self._db = db
        self.put, self.get, self.delete = db.kv_put, db.kv_get, db.kv_delete
        self.put_version, self.history = db.kv_put, db.kv_history
        self.batch: Callable[[dict[Key, Value]], Any] = db.kv_batch_put
        self.list_prefix: Callable[[str], list[Key]] = db.kv_list
        self.fork: Callable[[str, str], Any] = db.branch_fork
        self.use: Callable[[str], Any] = db.branch_use
        self.close: Callable[[], None] = db.close
        if hasattr(db, "branch_merge"):
            self.merge: Callable[[str, str], Any] = db.branch_merge
            self.diff = lambda a, b: len(db.branch_diff(a, b)["entries"])
        if hasattr(db, "state_cas"):
            self.set_cell: Callable[[Key, Value], Any] = db.state_set
            self.cas = self._cas
        if hasattr(db, "json_set"):
            get, change, path = db.json_get, db.json_set, data.NESTED_PATH
            self.put_document = lambda key, value: change(key, "$", value)
            self.set_nested = lambda key, value: change(key, path, value)
            self.get_nested = lambda key: get(key, path)
        if hasattr(db, "event_append"):
            self.append_event: Callable[[str, Value], Any] = db.event_append
            self.append_events: Callable[[list[tuple[str, Value]]], Any] = db.event_batch_append
            self.events_of_type: Callable[[str, int], Any] = db.event_list

    def handle(self) -> StrataStore:
        return StrataStore(self._db.session())

    def transaction(self, pairs: list[Pair]) -> None:
        with self._db.transaction():
            put = self._db.kv_put
            for key, value in pairs:
                put(key, value)

    def page(self, cursor: Any, limit: int) -> tuple[list[Key], Any]:
        page = self._db.kv_list_paginated(None, limit, cursor)
        return page["keys"], page["cursor"]

    def compact(self) -> None:
        self._db.compact(keep_history=timedelta(0))

    def _cas(self, key: Key, expected: Value, value: Value) -> None:
        self._db.state_cas(key, value, expected)
