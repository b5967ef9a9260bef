"""The handle on a database: what the compiled class has, and what is better said in Python."""

from __future__ import annotations

from stratadb import _native
from stratadb._progress import resolve
from stratadb.errors import ConflictError, ValidationError

# What only annotations need is not imported when the program runs.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime, timedelta
    from os import PathLike
    from types import TracebackType
    from typing import Any, Literal, NoReturn, TypeAlias, TypeVar

    from typing_extensions import Self

    from stratadb._embedding import Follower
    from stratadb.types import (
        BackupReport,
        CompactReport,
        ExportReport,
        ImportReport,
        SearchHit,
        VectorItem,
        VerifyReport,
    )

    S = TypeVar("S", bound="Strata")
    T = TypeVar("T")
    Isolation: TypeAlias = Literal["serializable", "snapshot"]
    Progress: TypeAlias = Callable[[int, int], object] | bool | None


class TransactionBlock:
    """What `Strata.transaction` returns: begins on entering, commits or rolls back on leaving."""

    __slots__ = ("_began", "_db", "_isolation", "_message", "_read_only")

    def __init__(self, db: Strata, read_only: bool, isolation: Isolation, message: str | None) -> None:
        self._db = db
        self._read_only = read_only
        self._isolation: Isolation = isolation
        self._message = message
        self._began = 0

    def __enter__(self) -> Strata:
        self._db.begin(self._read_only, isolation=self._isolation, message=self._message)
        self._began = self._db._transaction_id()
        return self._db

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # The body may have ended the transaction itself, closed the handle or forked: then nothing is left to do.
        if self._db._transaction_id() != self._began:
            return
        if kind is None:
            self._db.commit()
        else:
            self._db.rollback()


class Strata(_native.Session):
    """A handle on a database: `Strata.open(path)` for one on disk, `Strata.cache()` for one in memory.

    A handle has a current branch, a current space and at most one transaction. Threads may share it; a thread that
    wants a transaction of its own takes `db.session()`. It closes itself when it is collected.

    >>> db = Strata.cache()
    >>> db.kv_put("greeting", {"text": "Hello", "times": 3})
    1
    >>> db.kv_get("greeting")
    {'text': 'Hello', 'times': 3}
    """

    if not TYPE_CHECKING:  # where it would say that nothing returns a Strata

        def __new__(cls, *_, **__):
            raise TypeError("use Strata.open(path) or Strata.cache()")

    _follower: Follower | None = None  # of a database opened with an embedder

    @classmethod
    def open(
        cls,
        path: str | PathLike[str],
        *,
        durability: Literal["buffered", "strict"] = "buffered",
        read_only: bool = False,
        cache_bytes: int = 268_435_456,
        keep_history: timedelta | None = None,
        embedder: Callable[[list[str]], Any] | None = None,
    ) -> Self:
        """Opens the database in the folder `path` (str or os.PathLike), which is made if it is missing.

        `durability`: "buffered" (a commit survives the death of the process at once and a power cut 100 ms later) or
        "strict" (a power cut at once). `read_only=True` refuses writes and makes nothing. `cache_bytes` bounds the
        memory for data and indexes. `keep_history`: a timedelta, older versions are dropped in the background; None
        keeps all. `embedder`, for `search` by meaning: a function of a list of str that returns one vector for each,
        called in one thread at a time. Opens of one folder in one process share one engine.

        Raises NotFoundError `database_not_found` (read_only); StateError `database_locked` (another process has it),
        `format_too_new`; ValidationError `invalid_path_name`, `unknown_durability`, `out_of_range`; AccessDeniedError
        `permission_denied`; CorruptionError `not_a_database`, `corruption`; IoError.

        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with Strata.open(folder) as disk:
        ...         disk.kv_put("a", 1)
        1
        """
        return with_embedder(
            embedder,
            not read_only,
            lambda: super(Strata, cls).open(
                path,
                durability=durability,
                read_only=read_only,
                cache_bytes=cache_bytes,
                keep_history=keep_history,
            ),
        )

    @classmethod
    def cache(
        cls, *, keep_history: timedelta | None = None, embedder: Callable[[list[str]], Any] | None = None
    ) -> Self:
        """Opens an empty database in memory, which is gone with its last handle. Otherwise the same as one on disk.

        >>> memory = Strata.cache(embedder=lambda texts: [[len(text), 1] for text in texts])
        >>> memory.kv_put("a", "four")
        1
        >>> memory.search("five", mode="semantic")[0]["entity"]
        'a'
        >>> memory.close()
        """
        return with_embedder(embedder, True, lambda: super(Strata, cls).cache(keep_history=keep_history))

    def session(self) -> Self:
        """Returns another handle on the same database, with a transaction of its own: one for each thread or agent.

        It begins on this one's branch and space. Raises StateError `closed`, `forked`.

        >>> with db.session() as other:
        ...     other.branch_create("mine")
        ...     other.branch_use("mine")
        >>> db.current_branch()
        'default'
        """
        other = super().session()
        if self._follower is not None:
            other._follower = self._follower
            self._follower.add(other)
        return other

    def close(self) -> None:
        """Closes this handle and rolls its transaction back; the database closes with its last handle.

        Closing again is allowed. Any later call raises StateError `closed`. In a child made by os.fork it does nothing.
        Raises IoError if what was acknowledged could not be made durable.

        >>> other = db.session()
        >>> other.close()
        """
        if self._follower is None:
            super().close()
        else:
            self._follower.close(self)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self.close()

    def _search_with_embedder(
        self, query: str, k: int, primitives: Any, spaces: Any, mode: str, as_of: Any
    ) -> list[SearchHit]:
        """What `search` calls without a vector."""
        if self._follower is None:
            raise ValidationError(
                f"mode='{mode}' needs an embedder, or vector and collection",
                code="invalid_argument",
                hint="open the database with embedder=",
            )
        return self._follower.embedder.search(self, query, k, primitives, spaces, mode, as_of)

    def transaction(
        self, *, read_only: bool = False, isolation: Isolation = "serializable", message: str | None = None
    ) -> TransactionBlock:
        """A block that commits when it ends and rolls back when an exception leaves it.

        Raises ConflictError `transaction_conflict` at the end of the block if a later commit changed what was read or
        written; nothing of it remains then. `isolation="snapshot"` checks only what was written. `message` is kept
        with the commit. The errors of `begin` come when the block is entered.

        >>> with db.transaction():
        ...     a = db.kv_put("a", 1)
        ...     b = db.kv_put("b", 2)
        >>> db.kv_list()
        ['a', 'b']
        """
        return TransactionBlock(self, read_only, isolation, message)

    def run(self, fn: Callable[[Strata], T], retries: int = 10) -> T:
        """Calls `fn(db)` in a transaction and returns what it returns, once more after each `transaction_conflict`.

        `fn` must bear being called again: what it does outside the database is not undone. After `retries` further
        attempts the ConflictError goes to the caller; any other exception does so at once.

        >>> def withdraw(db):
        ...     left = db.kv_get("balance", default=100) - 30
        ...     db.kv_put("balance", left)
        ...     return left
        >>> db.run(withdraw)
        70
        """
        for _ in range(check_retries(retries)):
            try:
                with self.transaction():
                    return fn(self)
            except ConflictError as error:
                if error.code != "transaction_conflict":
                    raise
        with self.transaction():
            return fn(self)

    def kv_batch_put(self, entries: dict[str, Any], *, progress: Progress = None) -> list[int]:
        """Stores all of `entries` in one commit, all or nothing, and returns their versions in the same order.

        `progress(done, total)` is called before it takes effect; an exception in it ends the call and nothing is
        changed. `True` draws a bar on a terminal. Errors as for `kv_put`, none of the entries is then stored.

        >>> db.kv_batch_put({"a": 1, "b": [2, 3]})
        [1, 1]
        """
        return super().kv_batch_put(entries, progress=resolve(progress, "writing"))  # type: ignore[arg-type]

    def event_batch_append(
        self, entries: Iterable[tuple[str, dict[str, Any]]], *, progress: Progress = None
    ) -> list[int]:
        """Appends all of `entries`, an iterable of `(event_type, payload)`, in one commit and returns their sequences.

        All or nothing. `progress(done, total)` is called before it takes effect; an exception in it ends the call and
        nothing is appended. `True` draws a bar on a terminal. Errors as for `event_append`.

        >>> db.event_batch_append([("step", {"n": 1}), ("step", {"n": 2})])
        [0, 1]
        """
        return super().event_batch_append(entries, progress=resolve(progress, "appending"))  # type: ignore[arg-type]

    def json_batch_set(self, entries: Iterable[tuple[str, str, Any]], *, progress: Progress = None) -> list[int]:
        """Does what `json_set` does for each `(key, path, value)` of `entries`, in one commit, all or nothing.

        Returns the versions in the same order: one new version a document, however many entries change it. Later
        entries see what earlier ones did. `progress(done, total)` is called before it takes effect; an exception in it
        ends the call and nothing is changed. `True` draws a bar on a terminal. Errors as for `json_set`.

        >>> db.json_batch_set([("a", "$.x", 1), ("b", "$", []), ("a", "$.y", 2)])
        [1, 1, 1]
        >>> db.json_get("a"), db.json_get("b")
        ({'x': 1, 'y': 2}, [])
        """
        return super().json_batch_set(entries, progress=resolve(progress, "writing"))  # type: ignore[arg-type]

    def vector_batch_upsert(
        self,
        coll: str,
        entries: Iterable[VectorItem] | None = None,
        *,
        keys: Iterable[str] | None = None,
        vectors: Any = None,
        metadata: Iterable[dict[str, Any] | None] | None = None,
        progress: Progress = None,
    ) -> list[int]:
        """Stores many vectors in one commit, all or nothing, and returns their versions in the same order.

        Either `entries`, a list of `{"key", "vector", "metadata"?}`, or `keys` (a list of str), `vectors` (an array of
        n rows) and perhaps `metadata` (a list of dict or None), which is quicker. Of a key given twice the last entry
        counts, and both get its version. `progress(done, total)` is called before it takes effect; an exception in it
        ends the call and nothing is changed. `True` draws a bar on a terminal. Errors as for `vector_upsert`, and
        ValidationError `invalid_entry`, `length_mismatch`, `invalid_argument`; they name the entry.

        >>> db.vector_create_collection("docs", 2)
        1
        >>> db.vector_batch_upsert("docs", [{"key": "a", "vector": [1, 0]}, {"key": "b", "vector": [0, 1]}])
        [1, 1]
        >>> db.vector_batch_upsert("docs", keys=["a", "c"], vectors=[[1, 1], [2, 3]], metadata=[{"n": 2}, None])
        [2, 1]
        """
        return super().vector_batch_upsert(
            coll,
            entries,
            keys=keys,
            vectors=vectors,
            metadata=metadata,
            progress=resolve(progress, "writing"),  # type: ignore[arg-type]
        )

    def branch_export(
        self,
        name: str,
        path: str | PathLike[str],
        *,
        since: int | datetime | None = None,
        progress: Progress = None,
    ) -> ExportReport:
        """Writes a branch with its history into one file, a bundle.

        The file is written under a temporary name and takes the place of an existing one when it is complete. With
        `since` (a timestamp or datetime) the bundle is a delta: what was committed later. `progress(done, total)` is
        called while it is written; `True` draws a bar on a terminal. Returns `{"branch", "branch_id", "path",
        "entry_count", "bundle_size"}`. Raises NotFoundError `branch_not_found`; ConstraintError `history_trimmed`;
        StateError `in_transaction`; IoError.

        >>> db.kv_put("a", 1)
        1
        >>> db.branch_export("default", "default.bundle")["entry_count"]
        1
        """
        return super().branch_export(name, path, since=since, progress=resolve(progress, "exporting"))  # type: ignore[arg-type]

    def branch_import(
        self, path: str | PathLike[str], *, name: str | None = None, progress: Progress = None
    ) -> ImportReport:
        """Makes the branch of a bundle, with its history, timestamps included; or adds a delta to its branch.

        `name`: another one than in the bundle. The whole file is checked first, and the branch is there whole or not
        at all. Returns `{"branch", "entry_count", "keys_written"}`. Raises NotFoundError `bundle_not_found`, of a delta
        `branch_not_found`; CorruptionError `bundle_damaged`; ConstraintError `branch_exists`, of a delta
        `delta_mismatch`; ValidationError `invalid_branch_name`; StateError `in_transaction`, `format_too_new`;
        AccessDeniedError `read_only`; IoError.

        >>> db.kv_put("a", 1)
        1
        >>> report = db.branch_export("default", "default.bundle")
        >>> db.branch_import("default.bundle", name="copy")["keys_written"]
        1
        >>> db.branch_use("copy")
        >>> db.kv_get("a")
        1
        """
        return super().branch_import(path, name=name, progress=resolve(progress, "importing"))  # type: ignore[arg-type]

    def compact(self, *, keep_history: timedelta | None = None, progress: Progress = None) -> CompactReport:
        """Gives space back, and forgets the versions replaced longer ago than `keep_history`.

        Counted back from the last commit, on all branches. None means the `keep_history` of `open`; when that is None
        too, no version is forgotten. Returns `{"bytes_before", "bytes_after", "versions_removed"}`. Raises StateError
        `in_transaction`, AccessDeniedError `read_only`, ValidationError `out_of_range` for a negative time.

        >>> from datetime import timedelta
        >>> for n in range(3):
        ...     version = db.kv_put("k", n)
        >>> db.compact(keep_history=timedelta(0))["versions_removed"]
        2
        """
        return super().compact(
            keep_history=keep_history,
            progress=resolve(progress, "compacting"),  # type: ignore[arg-type]
        )

    def verify(self, *, progress: Progress = None) -> VerifyReport:
        """Reads every page and record and checks that they fit together.

        Returns `{"ok", "pages", "problems"}`: damage is an answer here, not an error.

        >>> db.verify()["ok"]
        True
        """
        return super().verify(progress=resolve(progress, "verifying"))  # type: ignore[arg-type]

    def backup(self, path: str | PathLike[str], *, progress: Progress = None) -> BackupReport:
        """Copies the whole database into the folder `path`, while others go on reading and writing.

        The copy is the state of one commit: all branches, spaces and history. `Strata.open(path)` opens it. The folder
        must not exist or be empty. Works for databases in memory too. What the open transaction of another handle has
        not committed is not part of it. An error, Ctrl-C or an exception in `progress(done, total)` removes what was
        copied; after a crash the folder is no database, and opening it says so.

        Returns `{"path", "bytes", "timestamp"}`, the bytes written and the commit that it stands at. Raises
        ConstraintError `backup_exists`; StateError `in_transaction`, `compaction_active` (from a progress callback);
        CorruptionError `corruption` for damage in what was to be copied; ValidationError `invalid_path_name`; IoError.

        >>> db.kv_put("k", 1)
        1
        >>> report = db.backup("copy")
        >>> report["timestamp"] == db.info()["commit_timestamp"]
        True
        >>> with Strata.open("copy") as copy:
        ...     copy.kv_get("k")
        1
        """
        return super().backup(path, progress=resolve(progress, "copying"))  # type: ignore[arg-type]

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a Strata handle cannot be copied or pickled; use session()")

    def _about(self) -> dict[str, object]:
        """What a handle is, in words; what cannot be found out is left out. Never raises."""
        state, path, branch, space = self._state()
        about: dict[str, object] = {"path": path or "in memory", "state": state}
        if state == "open":
            about |= {"branch": branch, "space": space}
            try:
                numbers = self.info()
                about |= {"branches": numbers["branch_count"], "keys": numbers["total_keys"]}
            except Exception:
                pass  # closed meanwhile, or damaged: a repr is no place to say so
        return about

    def __repr__(self) -> str:
        about = self._about()
        where = f"{about['branch']}:{about['space']}" if "branch" in about else about["state"]
        counts = f", branches {about['branches']}, keys {about['keys']}" if "keys" in about else ""
        return f"<Strata {about['path']} {where}{counts}>"

    def _repr_html_(self) -> str:
        """The same for notebooks."""
        from html import escape  # which would make the import of the package slower

        rows = (f"<tr><th>{name}</th><td>{escape(str(text))}</td></tr>" for name, text in self._about().items())
        return f"<table><caption>StrataDB</caption>{''.join(rows)}</table>"


def with_embedder(embedder: object, background: bool, open_handle: Callable[[], S]) -> S:
    """The handle that `open_handle` makes, with an embedder if one is given."""
    if embedder is None:
        return open_handle()
    from stratadb._embedding import check_embedder, follower_of  # and threading, which most programs need not load

    function = check_embedder(embedder)
    db = open_handle()
    db._follower = follower_of(function, background)
    db._follower.add(db)
    return db


def check_retries(retries: object) -> int:
    if isinstance(retries, bool) or not hasattr(retries, "__index__"):
        raise TypeError(f"retries must be int, not {type(retries).__name__}")
    number = retries.__index__()
    if not isinstance(number, int) or not 0 <= number < 2**63:
        raise ValidationError(
            f"retries is {str(number)[:30]}; 0 to {2**63 - 1} is allowed",
            code="out_of_range",
            hint="give a number in that range",
        )
    return number
