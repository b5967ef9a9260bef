"""Embedders: functions that make vectors of texts, called when a search needs vectors, and in the background.

The engine keeps vectors by text and says which texts have none; it never calls into Python. `Embedder` is one function,
which is called by one thread at a time. A `Follower` belongs to the handles of one `open` and embeds what they write:
its thread knows it by a weak reference, so that handles are collected as any, and it holds a handle of its own only
for as long as it asks the engine, never while the function runs.
"""

from __future__ import annotations

import atexit
import contextlib
import itertools
import os
import threading
import time
import weakref
from types import MethodType

from stratadb import _native
from stratadb.errors import NotFoundError, StateError, ValidationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any, TypeAlias

    from stratadb._handle import Strata
    from stratadb.types import SearchHit

    Function: TypeAlias = Callable[[list[str]], Any]
    Primitives: TypeAlias = Iterable[str] | None

BATCH = 64  # texts a call
POLL_SECS = 0.1  # how long a commit waits for the background
MOST_DELAY_SECS = 60.0  # between attempts with an embedder that fails
MOST_EXIT_SECS = 5.0

_numbers = itertools.count(1)
_embedders: weakref.WeakSet[Embedder] = weakref.WeakSet()
_followers: weakref.WeakSet[Follower] = weakref.WeakSet()


class Embedder:
    """A function from a list of str to one vector for each, and the number that the engine knows it by."""

    def __init__(self, function: Function) -> None:
        self.function = function
        self.number = next(_numbers)
        self.one_at_a_time = threading.RLock()  # held from a call until the engine has what it made
        self.filled = 0  # how often documents were embedded
        self.searching: set[int] = set()  # threads that wait for their turn, before which the background has none
        self._caller: int | None = None

    def search(
        self, db: Strata, query: str, k: int, primitives: Primitives, spaces: Primitives, mode: str, as_of: Any
    ) -> list[SearchHit]:
        """The hits; whatever lacks a vector gets one first."""
        self._refuse_itself()
        primitives, spaces = repeatable(primitives), repeatable(spaces)
        run = db._embedding_run(self.number, True)

        def attempt() -> list[SearchHit] | None:
            return db._search_by_meaning(run, query, k, primitives, spaces, mode, as_of)

        only_query = 1  # is what the first attempt wants where all documents have vectors
        while (hits := attempt()) is None:
            with self._my_turn():
                texts = db._embedding_wanted(run)
                if len(texts) > only_query:
                    if (hits := attempt()) is not None:  # somebody else has embedded them meanwhile
                        return hits
                    texts = db._embedding_wanted(run)
                for first in range(0, len(texts), BATCH):
                    batch = texts[first : first + BATCH]
                    keep(db, run, first, len(batch), self.call(batch))
                self.filled += len(texts) > only_query
                only_query = 0
        return hits

    @contextlib.contextmanager
    def _my_turn(self) -> Iterator[None]:
        thread = threading.get_ident()
        self.searching.add(thread)
        try:
            self.one_at_a_time.acquire()
        finally:
            self.searching.discard(thread)
        try:
            yield
        finally:
            self.one_at_a_time.release()

    def call(self, texts: list[str]) -> Any:
        """What the function makes of them, unchecked. REQUIRES: one_at_a_time is held. StateError `embedder_failed`."""
        self._caller = threading.get_ident()
        try:
            return self.function(texts)
        except Exception as error:
            raise StateError(
                f"the embedder raised {in_words(error)}",
                code="embedder_failed",
                hint="see __cause__; search again when it works",
            ) from error
        finally:
            self._caller = None

    def _refuse_itself(self) -> None:
        if self._caller == threading.get_ident():
            raise StateError(
                "the embedder searches with an embedder itself",
                code="embedder_failed",
                hint="inside it use mode='keyword', or vector and collection",
            )


class Follower:
    """Embeds in the background what is committed, until the last handle that it serves is gone."""

    def __init__(self, embedder: Embedder, background: bool) -> None:
        self.embedder = embedder
        self._background = background
        self._handles: weakref.WeakSet[Strata] = weakref.WeakSet()
        # Held while the thread has a handle, which would keep the database open. A finalizer may close another handle
        # in the thread at any time.
        self._gate = threading.RLock()
        self._process = os.getpid()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._seen: dict[str, tuple[str, int]] = {}  # of each branch: its id and version, when all had vectors
        self._seen_commit = (-1, 0)  # the same of the database: the last commit and the number of branches

    def add(self, db: Strata) -> None:
        self._handles.add(db)
        if self._background and self._thread is None:
            name = "stratadb-embedder"
            self._thread = threading.Thread(target=follow, args=(weakref.ref(self), self._stop), name=name, daemon=True)
            _followers.add(self)
            weakref.finalize(self, self._stop.set).atexit = False
            self._thread.start()

    def close(self, db: Strata) -> None:
        """Closes a handle; when it returns, nothing of this keeps the database open."""
        if os.getpid() != self._process:
            _native.Session.close(db)
            return
        with self._gate:
            self._handles.discard(db)
            if not self._handles:
                self._stop.set()
            _native.Session.close(db)

    def stop(self) -> None:
        """Has the thread end as soon as the function returns."""
        self._stop.set()

    def join(self, timeout: float) -> None:
        if self._thread is not None:
            self._thread.join(timeout)

    def step(self) -> bool:
        """Embeds what one space lacks, or some of it. False: nothing is lacking."""
        filled = self.embedder.filled
        work = self._next_texts()
        if work is None:
            return False
        run, texts = work
        for first in range(0, len(texts), BATCH):
            while self.embedder.searching and not self._stop.wait(0.001):
                pass
            with self.embedder.one_at_a_time:
                if self._stop.is_set() or self.embedder.filled != filled:  # somebody else has embedded them meanwhile
                    break
                batch = texts[first : first + BATCH]
                vectors = self.embedder.call(batch)
                with self._gate, self._handle() as db:
                    keep(db, run, first, len(batch), vectors)
                filled = self.embedder.filled = filled + 1
        return True

    def _handle(self) -> _native.Session:
        """A handle of the thread's own. Raises StateError `closed` when there is none to make it from."""
        for db in list(self._handles):
            try:
                return _native.Session.session(db)
            except StateError:
                self._handles.discard(db)
        raise StateError("all handles are closed", code="closed")

    def _next_texts(self) -> tuple[object, list[str]] | None:
        with self._gate, self._handle() as db:
            about = db.info()
            commit = (about["commit_timestamp"], about["branch_count"])
            if commit == self._seen_commit:
                return None
            names = db.branch_list()
            for name in names:
                try:
                    work = self._texts_of(db, name)
                except NotFoundError:  # deleted meanwhile
                    continue
                if work is not None:
                    return work
            self._seen = {name: seen for name, seen in self._seen.items() if name in names}
            self._seen_commit = commit
            return None

    def _texts_of(self, db: _native.Session, branch: str) -> tuple[object, list[str]] | None:
        about = db.branch_get(branch)
        if about is None or self._seen.get(branch) == (about["id"], about["version"]):
            return None
        db.branch_use(branch)
        run = db._embedding_run(self.embedder.number, False)
        for space in db.space_list():
            db.space_use(space)
            db._embedding_follow(run)
            texts = db._embedding_wanted(run)
            if texts:
                return run, texts
        self._seen[branch] = about["id"], about["version"]
        return None


def follow(reference: weakref.ref[Follower], stop: threading.Event) -> None:
    """What the thread does. An embedder that fails is tried again, after a while that doubles."""
    delay = POLL_SECS
    while not stop.wait(delay):
        follower = reference()
        if follower is None:
            return
        try:
            while follower.step() and not stop.is_set():
                delay = POLL_SECS
            delay = POLL_SECS
        except BaseException as error:
            if isinstance(error, StateError) and error.code in ("closed", "forked"):
                return
            # A search that needs the embedder says what is wrong with it.
            delay = min(max(2 * delay, 1.0), MOST_DELAY_SECS)
        del follower


def keep(db: _native.Session, run: object, first: int, count: int, vectors: Any) -> None:
    """Gives the engine what an embedder made. Raises ValidationError `invalid_embedding`."""
    try:
        db._embedding_add(run, first, count, vectors)
    except (TypeError, ValidationError) as error:
        if getattr(error, "code", None) == "invalid_embedding":
            raise
        raise ValidationError(
            f"what the embedder returned are no vectors: {getattr(error, 'message', error)}",
            code="invalid_embedding",
            hint="an embedder returns one vector of finite numbers for each text, all of one length",
        ) from error


def in_words(error: Exception) -> str:
    name = type(error).__name__
    try:
        return f"{name}: {error}"[:500]
    except Exception:  # which has no words
        return name


def repeatable(names: Primitives) -> Primitives:
    """An iterable that can be gone through again; what is no iterable stays, to be refused."""
    return tuple(names) if names is not None and hasattr(names, "__next__") else names


def follower_of(function: Function, background: bool) -> Follower:
    """Of the handles of one `open`. The same function is the same embedder."""
    for embedder in list(_embedders):
        if embedder.function is function or (isinstance(function, MethodType) and embedder.function == function):
            return Follower(embedder, background)
    embedder = Embedder(function)
    _embedders.add(embedder)
    return Follower(embedder, background)


def check_embedder(embedder: object) -> Function:
    if not callable(embedder):
        raise TypeError(f"embedder must be callable or None, not {type(embedder).__name__}")
    return embedder


def _end_all() -> None:
    """Before the interpreter goes: waits for the threads, but not long for a function that does not return."""
    followers = list(_followers)
    for follower in followers:
        follower.stop()
    last = time.monotonic() + MOST_EXIT_SECS
    for follower in followers:
        follower.join(max(0.0, last - time.monotonic()))


def _forget_all() -> None:
    """In a child made by os.fork: locks may be held by threads that do not exist there."""
    _embedders.clear()
    _followers.clear()


atexit.register(_end_all)
os.register_at_fork(after_in_child=_forget_all)
