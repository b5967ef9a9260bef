"""Ctrl-C while much is read: the call ends soon, nothing is changed, the handle goes on."""

import gc
import os
import signal
import threading
import time

import numpy as np
import pytest
from stratadb import Strata

KEYS = 400_000


@pytest.fixture(scope="module")
def db():
    with Strata.cache() as database:
        for start in range(0, KEYS, 50_000):
            database.kv_batch_put({f"k{n:07}": n for n in range(start, start + 50_000)})
        database.event_batch_append([("tick", {"n": n}) for n in range(100_000)])
        yield database


def interrupted(call):
    """How long `call`, made again and again, went on behind the signal."""
    sent = []

    def send():
        sent.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Timer(0.01, send)
    gc.disable()  # Python drops what is raised while a callback of a collection runs, and tools have such callbacks
    try:
        timer.start()
        while True:
            call()
    except KeyboardInterrupt:
        timer.join()
        return time.perf_counter() - sent[0]
    finally:
        gc.enable()


READS = {
    "kv_scan": lambda db: db.kv_scan(),
    "kv_list": lambda db: db.kv_list(),
    "event_list": lambda db: db.event_list(None),
    "event_verify": lambda db: db.event_verify(),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", READS)
def test_a_long_read_ends_soon(db, name):
    before = db.branch_get("default")["version"]
    assert interrupted(lambda: READS[name](db)) < 2
    assert db.kv_count() == KEYS
    assert db.branch_get("default")["version"] == before


@pytest.mark.slow
def test_a_transaction_stays_open(db):
    with pytest.raises(ZeroDivisionError), db.transaction() as open_one:
        open_one.kv_put("k", 1)
        assert interrupted(db.kv_scan) < 2
        assert open_one.kv_get("k") == 1
        raise ZeroDivisionError
    assert not db.kv_exists("k")


@pytest.mark.slow
def test_a_handler_that_does_not_raise_changes_nothing(db):
    seen = []
    before = signal.signal(signal.SIGINT, lambda number, frame: seen.append(number))
    try:
        timer = threading.Timer(0.01, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        rows = db.kv_scan()
        timer.join()
    finally:
        signal.signal(signal.SIGINT, before)
    assert len(rows) == KEYS
    assert rows[-1] == (f"k{KEYS - 1:07}", KEYS - 1)
    assert seen == [signal.SIGINT]


@pytest.fixture(scope="module")
def texts():
    """Much that was never searched, and a moment before the last change to it."""
    with Strata.cache() as database:
        for start in range(0, 60_000, 10_000):
            database.kv_batch_put({f"k{n}": f"fox number {n} " * 30 for n in range(start, start + 10_000)})
        then = database.info()["commit_timestamp"]
        database.kv_put("late", "hen")
        yield database, then


SEARCHES = {
    "the first search": lambda db, then: db.search("fox"),
    "a search of the past": lambda db, then: db.search("fox", as_of=then),
    "many words": lambda db, then: db.search(" ".join(f"w{n}" for n in range(1_000_000)) + " fox"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SEARCHES)
def test_a_long_search_ends_soon(texts, name):
    over = []
    assert interrupted(lambda: over.append(SEARCHES[name](*texts))) < 1
    assert over == []
    if name == "the first search":
        assert len(texts[0].search("fox", k=100_000)) == 60_000


@pytest.mark.slow
def test_who_waits_for_another_search_can_be_interrupted():
    with Strata.cache() as db:
        db.kv_batch_put({f"k{n}": f"fox number {n} " * 300 for n in range(6_000)})
        found = []
        begun = threading.Event()

        def first():
            with db.session() as s:
                begun.set()
                found.extend(s.search("fox", k=10_000))

        thread = threading.Thread(target=first)
        thread.start()
        begun.wait()
        over = []
        assert interrupted(lambda: over.append(db.search("fox"))) < 1
        thread.join()
        assert len(found) == 6_000


@pytest.mark.slow
def test_a_batch_of_vector_searches_ends_soon():
    rng = np.random.default_rng(3)
    with Strata.cache() as db:
        db.vector_create_collection("c", 64)
        vectors = rng.standard_normal((20_000, 64), dtype=np.float32)
        db.vector_batch_upsert("c", keys=[f"{n:05}" for n in range(len(vectors))], vectors=vectors)
        queries = np.tile(vectors[:1000], (300, 1))
        assert db.vector_search("c", queries[0], 1)[0]["key"] == "00000"
        assert interrupted(lambda: db.vector_batch_search("c", queries, 1, exact=True)) < 2
        assert db.vector_search("c", queries[7], 1)[0]["key"] == "00007"
