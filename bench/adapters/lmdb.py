"""LMDB through py-lmdb: one read or write transaction a call, as its users write it."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from typing import Any

import data
import lmdb
from orjson import dumps, loads

from adapters.base import Key, Pair, Unsupported, Value

MAP_BYTES = 32 << 30


def version() -> str:
    return f"{'.'.join(map(str, lmdb.version()))} (py-lmdb {lmdb.__version__})"


def open_store(path: str, mode: str) -> LmdbStore:
    if mode == "memory":
        raise Unsupported("has no memory mode")
    os.makedirs(path, exist_ok=True)
    # Without writemap a commit writes its pages and its meta page by pwrite, so sync=False survives a kill.
    return LmdbStore(lmdb.open(path, map_size=MAP_BYTES, max_dbs=4, sync=mode == "strict"))


class LmdbStore:
    put: Callable[[Key, Value], None]
    get: Callable[[Key], Any]
    delete: Callable[[Key], None]

    def __init__(self, env: Any) -> None:
        self._env = env
        self._kv = env.open_db(b"kv")
        self._events = env.open_db(b"events", integerkey=True)
        self._by_type = env.open_db(b"by_type")
        begin, kv = env.begin, self._kv

        def put(key: Key, value: Value) -> None:
            txn = begin(db=kv, write=True)
            txn.put(key.encode(), dumps(value))
            txn.commit()

        def get(key: Key) -> Any:
            txn = begin(db=kv)
            found = txn.get(key.encode())
            txn.abort()
            return None if found is None else loads(found)

        def delete(key: Key) -> None:
            txn = begin(db=kv, write=True)
            txn.delete(key.encode())
            txn.commit()

        self.put, self.get, self.delete = put, get, delete

    def close(self) -> None:
        self._env.close()

    def transaction(self, pairs: list[Pair]) -> None:
        with self._env.begin(db=self._kv, write=True) as txn:
            put = txn.put
            for key, value in pairs:
                put(key.encode(), dumps(value))

    def batch(self, pairs: dict[Key, Value]) -> None:
        with self._env.begin(db=self._kv, write=True) as txn, txn.cursor() as cursor:
            cursor.putmulti([(key.encode(), dumps(value)) for key, value in pairs.items()])

    def list_prefix(self, prefix: str) -> list[Key]:
        start = prefix.encode()
        with self._env.begin(db=self._kv) as txn, txn.cursor() as cursor:
            if not start:
                cursor.first()
                return [key.decode() for key in cursor.iternext(values=False)]
            keys: list[Key] = []
            if cursor.set_range(start):
                for key in cursor.iternext(values=False):
                    if not key.startswith(start):
                        break
                    keys.append(key.decode())
            return keys

    def page(self, cursor: Any, limit: int) -> tuple[list[Key], Any]:
        txn = self._env.begin(db=self._kv)
        position = txn.cursor()
        found = position.first() if cursor is None else position.set_range(cursor + b"\0")
        keys = []
        if found:
            for key in position.iternext(values=False):
                keys.append(key)
                if len(keys) == limit:
                    break
        position.close()
        txn.abort()
        return [key.decode() for key in keys], keys[-1] if len(keys) == limit else None

    def compact(self) -> None:
        path = self._env.path()
        self._env.copy(path_made(path + ".compact"), compact=True)
        self._env.close()
        os.replace(os.path.join(path + ".compact", "data.mdb"), os.path.join(path, "data.mdb"))
        os.rmdir(path + ".compact")
        self._env = lmdb.open(path, map_size=MAP_BYTES, max_dbs=4)

    def cas(self, key: Key, expected: Value, value: Value) -> None:
        txn = self._env.begin(db=self._kv, write=True)
        raw = key.encode()
        found = txn.get(raw)
        if found is None or loads(found) != expected:
            txn.abort()
            raise RuntimeError("the value has changed")
        txn.put(raw, dumps(value))
        txn.commit()

    def set_nested(self, key: Key, value: Any) -> None:
        txn = self._env.begin(db=self._kv, write=True)
        raw = key.encode()
        document = loads(txn.get(raw))
        data.nested_parent(document)["limit"] = value
        txn.put(raw, dumps(document))
        txn.commit()

    def append_event(self, event_type: str, payload: Value) -> None:
        self.append_events([(event_type, payload)])

    def append_events(self, events: list[tuple[str, Value]]) -> None:
        with self._env.begin(write=True) as txn:
            with txn.cursor(db=self._events) as cursor:
                sequence = struct.unpack("=Q", cursor.key())[0] + 1 if cursor.last() else 0
            for event_type, payload in events:
                txn.put(struct.pack("=Q", sequence), dumps([event_type, payload]), db=self._events, append=True)
                txn.put(event_type.encode() + b"\0" + struct.pack(">Q", sequence), b"", db=self._by_type)
                sequence += 1

    def events_of_type(self, event_type: str, limit: int) -> list[Any]:
        start = event_type.encode() + b"\0"
        found: list[Any] = []
        with self._env.begin() as txn, txn.cursor(db=self._by_type) as cursor:
            if cursor.set_range(start):
                for key in cursor.iternext(values=False):
                    if len(found) == limit or not key.startswith(start):
                        break
                    sequence = struct.unpack(">Q", key[len(start) :])[0]
                    found.append(loads(txn.get(struct.pack("=Q", sequence), db=self._events)))
        return found


def path_made(path: str) -> str:
    os.makedirs(path)
    return path
