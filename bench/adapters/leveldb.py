"""LevelDB through plyvel."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from importlib.metadata import version as installed
from typing import Any

import plyvel
from orjson import dumps, loads

from adapters.base import Key, Pair, Unsupported, Value


def version() -> str:
    return f"as in plyvel {installed('plyvel')}"


def open_store(path: str, mode: str) -> LevelDbStore:
    if mode == "memory":
        raise Unsupported("has no memory mode")
    return LevelDbStore(path, mode == "strict")


class LevelDbStore:
    put: Callable[[Key, Value], None]
    get: Callable[[Key], Any]
    delete: Callable[[Key], None]

    def __init__(self, path: str, sync: bool) -> None:
        self._db = db = plyvel.DB(
            path, create_if_missing=True, write_buffer_size=64 << 20, lru_cache_size=256 << 20, bloom_filter_bits=10
        )
        self._sync = sync
        raw_put, raw_get, raw_delete = db.put, db.get, db.delete
        if sync:

            def put(key: Key, value: Value) -> None:
                raw_put(key.encode(), dumps(value), sync=True)

            def delete(key: Key) -> None:
                raw_delete(key.encode(), sync=True)
        else:

            def put(key: Key, value: Value) -> None:
                raw_put(key.encode(), dumps(value))

            def delete(key: Key) -> None:
                raw_delete(key.encode())

        def get(key: Key) -> Any:
            found = raw_get(key.encode())
            return None if found is None else loads(found)

        self.put, self.get, self.delete = put, get, delete
        last = self._last_sequence()
        self._next_sequence = last + 1

    def close(self) -> None:
        self._db.close()

    def transaction(self, pairs: list[Pair]) -> None:
        with self._db.write_batch(sync=self._sync) as writes:
            put = writes.put
            for key, value in pairs:
                put(key.encode(), dumps(value))

    def list_prefix(self, prefix: str) -> list[Key]:
        if not prefix:
            return [key.decode() for key in self._db.iterator(include_value=False, stop=b"\xff")]
        return [key.decode() for key in self._db.iterator(prefix=prefix.encode(), include_value=False)]

    def page(self, cursor: Any, limit: int) -> tuple[list[Key], Any]:
        with self._db.iterator(start=cursor, stop=b"\xff", include_start=False, include_value=False) as keys:
            found = list(itertools.islice(keys, limit))
        return [key.decode() for key in found], found[-1] if len(found) == limit else None

    def compact(self) -> None:
        self._db.compact_range()

    # Events: the one writer knows the next sequence, as a program on LevelDB would keep it.
    def append_event(self, event_type: str, payload: Value) -> None:
        self.append_events([(event_type, payload)])

    def append_events(self, events: list[tuple[str, Value]]) -> None:
        with self._db.write_batch(sync=self._sync) as writes:
            for event_type, payload in events:
                number = self._next_sequence.to_bytes(8, "big")
                writes.put(b"\xffe" + number, dumps([event_type, payload]))
                writes.put(b"\xfft" + event_type.encode() + b"\0" + number, b"")
                self._next_sequence += 1

    def events_of_type(self, event_type: str, limit: int) -> list[Any]:
        start = b"\xfft" + event_type.encode() + b"\0"
        with self._db.iterator(prefix=start, include_value=False) as keys:
            numbers = [key[-8:] for key in itertools.islice(keys, limit)]
        return [loads(self._db.get(b"\xffe" + number)) for number in numbers]

    def _last_sequence(self) -> int:
        with self._db.iterator(prefix=b"\xffe", reverse=True, include_value=False) as keys:
            for key in keys:
                return int.from_bytes(key[-8:], "big")
        return -1
