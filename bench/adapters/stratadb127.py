"""StrataDB 1.2.7 from PyPI, an earlier and different engine of the same name: values are bytes, by orjson."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version as installed
from typing import Any

import stratadb
from orjson import dumps, loads

from adapters.base import Key, Pair, Value

DURABILITY = {"buffered": "standard", "strict": "always"}


def version() -> str:
    return installed("stratadb")


def open_store(path: str, mode: str) -> Strata127Store:
    if mode == "memory":
        return Strata127Store(stratadb.open(cache=True))
    return Strata127Store(stratadb.open(path, durability=DURABILITY[mode], ipc="off"))


class Strata127Store:
    put: Callable[[Key, Value], Any]
    get: Callable[[Key], Any]
    delete: Callable[[Key], Any]

    def __init__(self, db: Any) -> None:
        self._root = db
        self._bind(db)

    def _bind(self, db: Any) -> None:
        self._db = db
        kv = db.kv
        raw_put, raw_get = kv.put, kv.get

        def put(key: Key, value: Value) -> None:
            raw_put(key, dumps(value))

        def get(key: Key) -> Any:
            found = raw_get(key)
            return None if found is None else loads(found)

        self.put, self.get, self.delete = put, get, kv.delete
        self.put_version = put

    def close(self) -> None:
        self._root.close()

    def transaction(self, pairs: list[Pair]) -> None:
        self._db.kv.put_many([(key, dumps(value)) for key, value in pairs])

    def list_prefix(self, prefix: str) -> list[Key]:
        return [key.decode() for key in self._db.kv.iter_keys(prefix or None)]

    def page(self, cursor: Any, limit: int) -> tuple[list[Key], Any]:
        page = self._db.kv.keys(limit=limit, cursor=cursor)
        return [key.decode() for key in page.items], page.cursor if page.has_more else None

    def history(self, key: Key) -> list[Any]:
        items = self._db.kv.history(key)
        return [{"value": loads(item.value), "version": item.version, "timestamp": item.timestamp} for item in items]

    def fork(self, source: str, dest: str) -> None:
        self._root.branches.fork(source, dest)

    def use(self, branch: str) -> None:
        self._bind(self._root.at(branch=branch))

    def diff(self, a: str, b: str) -> int:
        spaces = self._root.branches.diff(a, b).spaces
        return sum(len(space.added) + len(space.removed) + len(space.modified) for space in spaces)

    def merge(self, source: str, target: str) -> None:
        self._root.branches.merge(source, target)

    def append_event(self, event_type: str, payload: Value) -> None:
        self._db.events.append(event_type, payload)

    def append_events(self, events: list[tuple[str, Value]]) -> None:
        self._db.events.append_many(events)

    def events_of_type(self, event_type: str, limit: int) -> list[Any]:
        return [item.event.payload for item in self._db.events.list(event_type, limit=limit).items]
