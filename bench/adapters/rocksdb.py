"""RocksDB through rocksdict in raw mode (bytes in, bytes out)."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version as installed
from typing import Any

from orjson import dumps, loads
from rocksdict import BlockBasedOptions, Cache, Env, Options, Rdict, ReadOptions, WriteBatch, WriteOptions

from adapters.base import Key, Pair, Value, next_prefix


def version() -> str:
    return f"as in rocksdict {installed('rocksdict')}"


def open_store(path: str, mode: str) -> RocksDbStore:
    return RocksDbStore(path, mode)


def make_options(mode: str) -> Options:
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    options.set_write_buffer_size(64 << 20)
    options.increase_parallelism(2)
    tables = BlockBasedOptions()
    tables.set_block_cache(Cache(256 << 20))
    tables.set_bloom_filter(10, False)
    options.set_block_based_table_factory(tables)
    if mode == "memory":
        options.set_env(Env.mem_env())
    return options


class RocksDbStore:
    put: Callable[[Key, Value], None]
    get: Callable[[Key], Any]
    delete: Callable[[Key], None]

    def __init__(self, path: str, mode: str) -> None:
        self._mode = mode
        self._db = db = Rdict(path, make_options(mode))
        writes = WriteOptions()
        writes.sync = mode == "strict"
        if mode == "memory":
            writes.disable_wal = True
        self._writes = writes
        db.set_write_options(writes)
        raw_put, raw_get, raw_delete = db.put, db.get, db.delete

        def put(key: Key, value: Value) -> None:
            raw_put(key.encode(), dumps(value))

        def get(key: Key) -> Any:
            found = raw_get(key.encode())
            return None if found is None else loads(found)

        def delete(key: Key) -> None:
            raw_delete(key.encode())

        self.put, self.get, self.delete = put, get, delete

    def close(self) -> None:
        # Closing syncs the log, which the memory environment refuses; there the database goes with its handle.
        if self._mode != "memory":
            self._db.close()

    def transaction(self, pairs: list[Pair]) -> None:
        writes = WriteBatch(raw_mode=True)
        put = writes.put
        for key, value in pairs:
            put(key.encode(), dumps(value))
        self._db.write(writes, self._writes)

    def list_prefix(self, prefix: str) -> list[Key]:
        start = prefix.encode()
        bounds = ReadOptions()
        end = next_prefix(start)
        if end is not None:
            bounds.set_iterate_upper_bound(end)
        found = self._db.keys(from_key=start or None, read_opt=bounds)
        return [key.decode() for key in found]

    def page(self, cursor: Any, limit: int) -> tuple[list[Key], Any]:
        position = self._db.iter()
        if cursor is None:
            position.seek_to_first()
        else:
            position.seek(cursor + b"\0")
        found = []
        while position.valid():
            found.append(position.key())
            if len(found) == limit:
                break
            position.next()
        return [key.decode() for key in found], found[-1] if len(found) == limit else None

    def compact(self) -> None:
        self._db.flush()
        self._db.compact_range(None, None)
