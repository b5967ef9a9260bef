"""What a workload may ask of a store.

An adapter is a module with `version() -> str`, `open_store(path, mode) -> Store` and, where it means something,
`log_bytes(path) -> int`, the bytes of log that an opening may have to replay. A store sets those of the methods
below that its system can do; a workload that needs one that is missing is skipped for that system and the report says
so. The hot ones (`put`, `get`, `delete`, `page`) are instance attributes rather than methods where that saves a Python
frame, because the caller of the real library would not pay for one either.

Modes, equal for all: "memory" nothing on disk; "buffered" each commit is handed to the operating system before the
call returns, so that killing the process loses nothing; "strict" each commit is synced to the device before that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

Key = str
Value = dict[str, Any]
Pair = tuple[Key, Value]


class Unsupported(Exception):
    """This system, or this version of it, cannot do what was asked."""


class Store(Protocol):
    put: Callable[[Key, Value], Any]
    get: Callable[[Key], Any]  # the decoded value, None when absent
    delete: Callable[[Key], Any]

    def close(self) -> None: ...

    def transaction(self, pairs: list[Pair]) -> None:
        """Writes all pairs atomically, the fastest way that the system has for separate calls."""

    def list_prefix(self, prefix: str) -> list[Key]:
        """All keys that begin with the prefix, as str, in order."""

    def page(self, cursor: Any, limit: int) -> tuple[list[Key], Any]:
        """The next keys after the cursor (None: from the start) and the cursor behind them."""


class OptionalStore(Store, Protocol):
    def batch(self, pairs: dict[Key, Value]) -> None:
        """Writes all pairs atomically by one call."""

    def handle(self) -> Store:
        """Another handle on the same database for another thread; the store itself where that is enough."""

    def put_version(self, key: Key, value: Value) -> None:
        """Like put, in a form that keeps the history (`history` reads it)."""

    def history(self, key: Key) -> list[Any]:
        """Every version of the key, newest first, decoded."""

    def compact(self) -> None:
        """Gives back what is not needed for the present state."""

    def fork(self, source: str, dest: str) -> None: ...

    def use(self, branch: str) -> None: ...

    def diff(self, a: str, b: str) -> int:
        """How many keys differ, after their values were decoded."""

    def merge(self, source: str, target: str) -> None:
        """Brings what source changed into target."""

    def set_cell(self, key: Key, value: Value) -> None:
        """What `cas` is tried on; `put` where this is missing."""

    def cas(self, key: Key, expected: Value, value: Value) -> None:
        """Replaces the value if it is what was expected; raises if it is not."""

    def put_document(self, key: Key, value: Value) -> None:
        """What the two below are tried on; `put` where this is missing."""

    def set_nested(self, key: Key, value: Any) -> None:
        """Sets the place `data.NESTED_PATH`; a read and a write of the whole where this is missing."""

    def get_nested(self, key: Key) -> Any:
        """What lies there."""

    def append_event(self, event_type: str, payload: Value) -> None: ...

    def append_events(self, events: list[tuple[str, Value]]) -> None: ...

    def events_of_type(self, event_type: str, limit: int) -> list[Any]: ...


def pages_by_key(scan: Callable[[Key | None, int], Iterable[Key]]) -> Callable[[Any, int], tuple[list[Key], Any]]:
    """A `page` for a store whose cursor is the last key seen; `scan(after, limit)` yields keys behind it."""

    def page(cursor: Any, limit: int) -> tuple[list[Key], Any]:
        keys = list(scan(cursor, limit))
        return keys, keys[-1] if len(keys) == limit else None

    return page


def next_prefix(prefix: bytes) -> bytes | None:
    """The smallest byte string above every string that begins with the prefix; None when there is no such string."""
    trimmed = prefix.rstrip(b"\xff")
    return trimmed[:-1] + bytes([trimmed[-1] + 1]) if trimmed else None
