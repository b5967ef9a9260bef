"""The compiled part of the package. `stratadb.Strata` is the class to use; it inherits everything from `Session`.

What the compiled module takes from the package: the error classes of `stratadb.errors`, looked up once when it is
loaded and raised as `cls(message, code=code, hint=hint)`. It imports nothing else, NumPy and asyncio in particular
only if `sys.modules` holds them already.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from os import PathLike
from types import TracebackType
from typing import Any, Literal, overload

from typing_extensions import Self

from stratadb.types import (
    BackupReport,
    BranchInfo,
    BundleVerdict,
    Collection,
    CompactReport,
    DiffReport,
    Event,
    EventVerdict,
    ExportReport,
    ForkReport,
    Found,
    HistoryEntry,
    ImportReport,
    Index,
    Info,
    LoggedCommit,
    MergeReport,
    Page,
    RankedHit,
    RevertReport,
    SearchHit,
    TimeRange,
    Vector,
    VectorFilter,
    VectorHit,
    VectorItem,
    VectorVersion,
    VerifyReport,
    Versioned,
)

__version__: str

class Session:
    # Handles. Both factories are class methods: they make an instance of the class they are called on without calling
    # its __new__ or __init__ (which refuse), and `session` makes an instance of type(self).
    @classmethod
    def open(
        cls,
        path: str | PathLike[str],
        *,
        durability: Literal["buffered", "strict"] = "buffered",
        read_only: bool = False,
        cache_bytes: int = 268_435_456,
        keep_history: timedelta | None = None,
    ) -> Self: ...
    @classmethod
    def cache(cls, *, keep_history: timedelta | None = None) -> Self: ...
    def session(self) -> Self: ...
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...

    # Key-value.
    def kv_put(self, key: str, value: Any) -> int: ...
    def kv_get(self, key: str, *, default: Any = None, as_of: int | datetime | None = None) -> Any: ...
    def kv_get_versioned(self, key: str, *, as_of: int | datetime | None = None) -> Versioned | None: ...
    def kv_exists(self, key: str, *, as_of: int | datetime | None = None) -> bool: ...
    def kv_delete(self, key: str) -> bool: ...
    def kv_history(self, key: str, *, as_of: int | datetime | None = None) -> list[HistoryEntry] | None: ...
    def kv_list(self, prefix: str | None = None, *, as_of: int | datetime | None = None) -> list[str]: ...
    def kv_count(self, prefix: str | None = None, *, as_of: int | datetime | None = None) -> int: ...
    def kv_list_paginated(
        self,
        prefix: str | None = None,
        limit: int | None = 100,
        cursor: str | None = None,
        *,
        as_of: int | datetime | None = None,
    ) -> Page: ...
    def kv_scan(
        self,
        prefix: str | None = None,
        *,
        start: str | None = None,
        end: str | None = None,
        limit: int | None = None,
        reverse: bool = False,
        as_of: int | datetime | None = None,
    ) -> list[tuple[str, Any]]: ...
    def kv_batch_put(
        self, entries: dict[str, Any], *, progress: Callable[[int, int], object] | bool | None = None
    ) -> list[int]: ...
    def kv_batch_get(self, keys: Iterable[str], *, as_of: int | datetime | None = None) -> list[Any]: ...
    def kv_batch_delete(self, keys: Iterable[str]) -> list[bool]: ...

    # State cells.
    def state_set(self, cell: str, value: Any) -> int: ...
    def state_get(self, cell: str, *, default: Any = None, as_of: int | datetime | None = None) -> Any: ...
    def state_get_versioned(self, cell: str, *, as_of: int | datetime | None = None) -> Versioned | None: ...
    def state_init(self, cell: str, value: Any) -> int: ...
    def state_cas(self, cell: str, value: Any, expected: Any = None, *, expected_version: int | None = None) -> int: ...
    def state_delete(self, cell: str) -> bool: ...
    def state_list(self, prefix: str | None = None, *, as_of: int | datetime | None = None) -> list[str]: ...
    def state_history(self, cell: str, *, as_of: int | datetime | None = None) -> list[HistoryEntry] | None: ...

    # The event log.
    def event_append(self, event_type: str, payload: dict[str, Any]) -> int: ...
    def event_batch_append(
        self,
        entries: Iterable[tuple[str, dict[str, Any]]],
        *,
        progress: Callable[[int, int], object] | bool | None = None,
    ) -> list[int]: ...
    def event_get(self, sequence: int, *, as_of: int | datetime | None = None) -> Event | None: ...
    def event_list(
        self,
        event_type: str | None,
        limit: int | None = None,
        after: int | None = None,
        *,
        reverse: bool = False,
        since: int | datetime | None = None,
        until: int | datetime | None = None,
        as_of: int | datetime | None = None,
    ) -> list[Event]: ...
    def event_len(self, *, as_of: int | datetime | None = None) -> int: ...
    def event_types(self, *, as_of: int | datetime | None = None) -> list[str]: ...
    def event_verify(self, *, as_of: int | datetime | None = None) -> EventVerdict: ...

    # JSON documents.
    def json_set(self, key: str, path: str, value: Any) -> int: ...
    def json_get(self, key: str, path: str = "$", *, as_of: int | datetime | None = None) -> Any: ...
    def json_get_versioned(self, key: str, *, as_of: int | datetime | None = None) -> Versioned | None: ...
    def json_delete(self, key: str, path: str) -> int: ...
    def json_list(
        self, prefix: str | None = None, limit: int | None = None, *, as_of: int | datetime | None = None
    ) -> list[str]: ...
    def json_history(self, key: str, *, as_of: int | datetime | None = None) -> list[HistoryEntry] | None: ...
    def json_merge(self, key: str, patch: Any, path: str = "$") -> int: ...
    def json_patch(self, key: str, operations: list[dict[str, Any]]) -> int: ...
    def json_batch_set(
        self,
        entries: Iterable[tuple[str, str, Any]],
        *,
        progress: Callable[[int, int], object] | bool | None = None,
    ) -> list[int]: ...
    def json_find(
        self, query: str, limit: int | None = None, *, as_of: int | datetime | None = None
    ) -> list[Found]: ...
    def json_create_index(self, name: str, path: str) -> None: ...
    def json_list_indexes(self, *, as_of: int | datetime | None = None) -> list[Index]: ...
    def json_drop_index(self, name: str) -> bool: ...

    # Vectors.
    def vector_create_collection(
        self, name: str, dim: int, metric: Literal["cosine", "euclidean", "dot_product"] | None = None
    ) -> int: ...
    def vector_delete_collection(self, name: str) -> bool: ...
    def vector_list_collections(self, *, as_of: int | datetime | None = None) -> list[Collection]: ...
    def vector_upsert(self, coll: str, key: str, vector: Any, metadata: dict[str, Any] | None = None) -> int: ...
    def vector_batch_upsert(
        self,
        coll: str,
        entries: Iterable[VectorItem] | None = None,
        *,
        keys: Iterable[str] | None = None,
        vectors: Any = None,
        metadata: Iterable[dict[str, Any] | None] | None = None,
        progress: Callable[[int, int], object] | bool | None = None,
    ) -> list[int]: ...
    def vector_get(self, coll: str, key: str, *, as_of: int | datetime | None = None) -> Vector | None: ...
    def vector_delete(self, coll: str, key: str) -> bool: ...
    def vector_list(
        self, coll: str, prefix: str | None = None, *, limit: int | None = None, as_of: int | datetime | None = None
    ) -> list[str]: ...
    def vector_history(
        self, coll: str, key: str, *, as_of: int | datetime | None = None
    ) -> list[VectorVersion] | None: ...
    def vector_search(
        self,
        coll: str,
        query: Any,
        k: int,
        metric: Literal["cosine", "euclidean", "dot_product"] | None = None,
        filters: Sequence[VectorFilter] | None = None,
        *,
        exact: bool = False,
        ef: int | None = None,
        as_of: int | datetime | None = None,
    ) -> list[VectorHit]: ...
    def vector_batch_search(
        self,
        coll: str,
        queries: Any,
        k: int,
        metric: Literal["cosine", "euclidean", "dot_product"] | None = None,
        filters: Sequence[VectorFilter] | None = None,
        *,
        exact: bool = False,
        ef: int | None = None,
        as_of: int | datetime | None = None,
    ) -> list[list[VectorHit]]: ...

    # Branches.
    def branch_create(self, name: str) -> None: ...
    def branch_get(self, name: str) -> BranchInfo | None: ...
    def branch_list(self) -> list[str]: ...
    def branch_exists(self, name: str) -> bool: ...
    def branch_delete(self, name: str) -> None: ...
    def branch_fork(self, source: str, dest: str, *, as_of: int | datetime | None = None) -> ForkReport: ...
    def branch_log(self, name: str, limit: int | None = None) -> list[LoggedCommit]: ...
    def branch_revert(self, name: str, to: int | datetime) -> RevertReport: ...
    def branch_export(
        self,
        name: str,
        path: str | PathLike[str],
        *,
        since: int | datetime | None = None,
        progress: Callable[[int, int], object] | None = None,
    ) -> ExportReport: ...
    def branch_import(
        self,
        path: str | PathLike[str],
        *,
        name: str | None = None,
        progress: Callable[[int, int], object] | None = None,
    ) -> ImportReport: ...
    def branch_validate_bundle(self, path: str | PathLike[str]) -> BundleVerdict: ...
    def branch_use(self, name: str) -> None: ...
    def branch_diff(
        self, a: str, b: str, *, limit: int | None = None, as_of: int | datetime | None = None
    ) -> DiffReport: ...
    def branch_merge(
        self,
        source: str,
        target: str,
        strategy: Literal["last_writer_wins", "source", "target", "strict"]
        | Callable[[dict[str, Any]], Any]
        | None = None,
        *,
        dry_run: bool = False,
    ) -> MergeReport: ...
    def current_branch(self) -> str: ...

    # Spaces.
    def space_create(self, name: str) -> None: ...
    def space_list(self, *, as_of: int | datetime | None = None) -> list[str]: ...
    def space_exists(self, name: str, *, as_of: int | datetime | None = None) -> bool: ...
    def space_delete(self, name: str, *, force: bool = False) -> None: ...
    def space_use(self, name: str) -> None: ...
    def current_space(self) -> str: ...

    # Search.
    @overload
    def search(
        self,
        query: str,
        k: int = 10,
        primitives: Iterable[str] | None = None,
        *,
        spaces: Iterable[str] | None = None,
        mode: Literal["hybrid", "semantic"],
        vector: Any = None,
        collection: str | None = None,
        as_of: int | datetime | None = None,
    ) -> list[RankedHit]: ...
    @overload
    def search(
        self,
        query: str,
        k: int = 10,
        primitives: Iterable[str] | None = None,
        *,
        spaces: Iterable[str] | None = None,
        mode: Literal["keyword", "hybrid", "semantic"] = "keyword",
        vector: Any = None,
        collection: str | None = None,
        as_of: int | datetime | None = None,
    ) -> list[SearchHit]: ...

    # Transactions.
    def begin(
        self,
        read_only: bool = False,
        *,
        isolation: Literal["serializable", "snapshot"] = "serializable",
        message: str | None = None,
    ) -> None: ...
    def commit(self, message: str | None = None) -> int: ...
    def rollback(self) -> None: ...
    def in_transaction(self) -> bool: ...

    # The database. `progress` is None, False, True (the same as None here: bars are drawn in Python) or a callable.
    def ping(self) -> str: ...
    def info(self) -> Info: ...
    def flush(self) -> None: ...
    def compact(
        self,
        *,
        keep_history: timedelta | None = None,
        progress: Callable[[int, int], object] | bool | None = None,
    ) -> CompactReport: ...
    def verify(self, *, progress: Callable[[int, int], object] | bool | None = None) -> VerifyReport: ...
    def backup(
        self, path: str | PathLike[str], *, progress: Callable[[int, int], object] | bool | None = None
    ) -> BackupReport: ...
    def time_range(self) -> TimeRange: ...

    # For the Python part of the package. Neither ever raises, whatever the state of the handle, in whatever process.
    def _transaction_id(self) -> int:
        """0 without a transaction, on a closed handle and in a forked child; else a number no other one ever had."""

    def _state(self) -> tuple[Literal["open", "closed", "forked"], str | None, str, str]:
        """(state, path or None in memory, branch, space)."""

    # For embedders, see stratadb._embedding. A run is an opaque object.
    def _embedding_run(self, embedder: int, keep: bool) -> object:
        """A new run for the embedder of that number. `keep`: it searches, and keeps the database open as it lives."""

    def _embedding_wanted(self, run: object) -> list[str]:
        """The texts that need a vector."""

    def _embedding_add(self, run: object, first: int, count: int, vectors: Any) -> None:
        """The vectors of `count` wanted texts, from `first` on. TypeError, ValidationError."""

    def _embedding_follow(self, run: object) -> None:
        """Has the run want what documents of the current space lack."""

    def _search_by_meaning(
        self,
        run: object,
        query: str,
        k: int,
        primitives: Iterable[str] | None,
        spaces: Iterable[str] | None,
        mode: str,
        as_of: int | datetime | None,
    ) -> list[SearchHit] | None:
        """As search; None while the run wants vectors of texts."""
