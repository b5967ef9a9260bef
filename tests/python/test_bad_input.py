"""Every method with every odd argument: an answer or a typed error, nothing changed, and the process goes on."""

import datetime
import inspect
import math
import pathlib
import random

import pytest
from conftest import IS_MODEL, SEED
from stratadb import Strata, StrataError
from support import contents, in_thread, scaled


class Odd(str):
    """A str that says it is something else."""

    def __eq__(self, other):
        return True

    def __hash__(self):
        return 0

    def __len__(self):
        return 2**40


def cycle():
    loop = []
    loop.append(loop)
    return loop


def deep():
    value = {}
    for _ in range(100_000):
        value = {"a": value}
    return value


ODD = {
    "None": None, "True": True, "False": False, "0": 0, "1": 1, "-1": -1, "2**31": 2**31, "2**63-1": 2**63 - 1,
    "2**63": 2**63, "-2**63-1": -(2**63) - 1, "10**400": 10**400, "1.5": 1.5, "nan": math.nan, "inf": math.inf,
    "empty": "", "NUL": "a\0b", "1024": "x" * 1024, "1025": "x" * 1025, "1 MB": "x" * 10**6, "surrogate": "\ud800",
    "blank": " ", "newline": "a\n", "dots": "../..", "quote": "'\"\\", "percent": "%s%n{}", "emoji": "😀",
    "rtl": "\u202e",
    "nowhere": "nowhere", "bytes": b"x", "bytearray": bytearray(b"x"), "list": [], "tuple": ("a", "b"), "set": {"a"},
    "list of str": ["a", "b"], "list of int": [1], "list of bad keys": ["", "a\0"], "nested list": [["a"]], "dict": {},
    "dict of bad keys": {"": 1, "a": 2}, "dict of int": {1: 2}, "dict of object": {"a": object()}, "object": object(),
    "type": dict, "function": len, "lambda": lambda *_: None, "generator": (n for n in (1, 2)), "range": range(3),
    "date": datetime.date(2024, 1, 1), "datetime": datetime.datetime(2024, 1, 1),
    "aware": datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc), "year 2": datetime.datetime(2, 1, 1),
    "datetime.max": datetime.datetime.max, "timedelta": datetime.timedelta(1), "negative": datetime.timedelta(-1),
    "timedelta.max": datetime.timedelta.max, "timedelta.min": datetime.timedelta.min, "cycle": cycle(), "deep": deep(),
    "path": pathlib.Path("x"), "str subclass": Odd("k"), "int subclass": type("I", (int,), {})(3),
    "exception": ValueError("x"),
    "complex": 1j, "memoryview": memoryview(b"x"), "ellipsis": ...,
}  # fmt: skip

# Good arguments for every public method, by name; each is replaced by every odd one in turn.
METHODS = {
    "kv_put": {"key": "k", "value": 1},
    "search": {"query": "text", "k": 1, "primitives": ["kv"], "spaces": ["default"], "mode": "keyword", "as_of": None},
    "kv_get": {"key": "k", "default": 1, "as_of": None},
    "kv_get_versioned": {"key": "k", "as_of": None},
    "kv_exists": {"key": "k", "as_of": None},
    "kv_delete": {"key": "k"},
    "kv_history": {"key": "k", "as_of": None},
    "kv_list": {"prefix": None, "as_of": None},
    "kv_count": {"prefix": None, "as_of": None},
    "kv_list_paginated": {"prefix": None, "limit": 1, "cursor": None, "as_of": None},
    "kv_scan": {"prefix": None, "start": None, "end": None, "limit": 2, "reverse": False, "as_of": None},
    "kv_batch_put": {"entries": {"a": 1}, "progress": None},
    "kv_batch_get": {"keys": ["k"], "as_of": None},
    "kv_batch_delete": {"keys": ["k"]},
    "state_set": {"cell": "k", "value": 1},
    "state_get": {"cell": "k", "default": 1, "as_of": None},
    "state_get_versioned": {"cell": "k", "as_of": None},
    "state_init": {"cell": "new", "value": 1},
    "state_cas": {"cell": "k", "value": 1, "expected": 1, "expected_version": None},
    "state_delete": {"cell": "k"},
    "state_list": {"prefix": None, "as_of": None},
    "state_history": {"cell": "k", "as_of": None},
    "event_append": {"event_type": "t", "payload": {"a": 1}},
    "event_batch_append": {"entries": [("t", {"a": 1})], "progress": None},
    "event_get": {"sequence": 0, "as_of": None},
    "event_list": {
        "event_type": "t",
        "limit": 1,
        "after": None,
        "reverse": False,
        "since": None,
        "until": None,
        "as_of": None,
    },
    "event_len": {"as_of": None},
    "event_types": {"as_of": None},
    "event_verify": {"as_of": None},
    "json_set": {"key": "d", "path": "$.a", "value": 1},
    "json_get": {"key": "d", "path": "$.a", "as_of": None},
    "json_get_versioned": {"key": "d", "as_of": None},
    "json_delete": {"key": "d", "path": "$.a"},
    "json_list": {"prefix": None, "limit": 1, "as_of": None},
    "json_history": {"key": "d", "as_of": None},
    "json_merge": {"key": "d", "patch": {"a": 2}, "path": "$.l"},
    "json_patch": {"key": "d", "operations": [{"op": "add", "path": "/x", "value": 1}]},
    "json_batch_set": {"entries": [("d", "$.a", 2)], "progress": None},
    "json_find": {"query": "@.a", "limit": 1, "as_of": None},
    "json_create_index": {"name": "i", "path": "$.a"},
    "json_list_indexes": {"as_of": None},
    "json_drop_index": {"name": "there"},
    "vector_create_collection": {"name": "new", "dim": 2, "metric": None},
    "vector_delete_collection": {"name": "v"},
    "vector_list_collections": {"as_of": None},
    "vector_upsert": {"coll": "v", "key": "k", "vector": [1, 2], "metadata": {"a": 1}},
    "vector_batch_upsert": {
        "coll": "v", "entries": None, "keys": ["k"], "vectors": [[1, 2]], "metadata": None, "progress": None,
    },
    "vector_get": {"coll": "v", "key": "k", "as_of": None},
    "vector_delete": {"coll": "v", "key": "k"},
    "vector_list": {"coll": "v", "prefix": None, "limit": 1, "as_of": None},
    "vector_history": {"coll": "v", "key": "k", "as_of": None},
    "vector_search": {
        "coll": "v", "query": [1, 0], "k": 1, "metric": None, "filters": None, "exact": False, "ef": 9,
        "as_of": None,
    },
    "vector_batch_search": {
        "coll": "v", "queries": [[1, 0]], "k": 1, "metric": None, "filters": None, "exact": False, "ef": 9,
        "as_of": None,
    },
    "branch_create": {"name": "new"},
    "branch_get": {"name": "b"},
    "branch_list": {},
    "branch_exists": {"name": "b"},
    "branch_delete": {"name": "b"},
    "branch_fork": {"source": "b", "dest": "new", "as_of": None},
    "branch_use": {"name": "b"},
    "branch_diff": {"a": "default", "b": "b", "limit": 1, "as_of": None},
    "branch_merge": {"source": "b", "target": "default", "strategy": "source", "dry_run": True},
    "branch_log": {"name": "b", "limit": 1},
    "branch_revert": {"name": "b", "to": 4 * 10**15},
    "branch_export": {"name": "b", "path": "bundle", "since": None, "progress": None},
    "branch_import": {"path": "bundle", "name": "new", "progress": None},
    "branch_validate_bundle": {"path": "bundle"},
    "current_branch": {},
    "space_create": {"name": "new"},
    "space_list": {"as_of": None},
    "space_exists": {"name": "s", "as_of": None},
    "space_delete": {"name": "s", "force": True},
    "space_use": {"name": "s"},
    "current_space": {},
    "begin": {"read_only": False, "isolation": "serializable", "message": None},
    "commit": {"message": None},
    "rollback": {},
    "in_transaction": {},
    "transaction": {"read_only": False, "isolation": "serializable", "message": None},
    "run": {"fn": lambda db: None, "retries": 1},
    "session": {},
    "ping": {},
    "info": {},
    "flush": {},
    "compact": {"keep_history": None, "progress": None},
    "verify": {"progress": None},
    "backup": {"path": "copy", "progress": None},
    "time_range": {},
    "close": {},
}  # fmt: skip
FACTORIES = {
    "open": {
        "path": "db", "durability": "buffered", "read_only": False, "cache_bytes": 2**24, "keep_history": None,
        "embedder": None,
    },
    "cache": {"keep_history": None, "embedder": None},
}  # fmt: skip


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    """Odd paths are looked for, and made, in here."""
    (tmp_path / "in" / "here").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "in" / "here")


def fill(db):
    db.kv_batch_put({"k": 1, "l": [1, {"a": None}]})
    db.kv_put("k", 2)
    db.state_set("k", 1)
    db.event_batch_append([("t", {"a": 1}), ("u", {}), ("t", {"b": [1]})])
    db.json_set("d", "$", {"a": 1, "l": {}})
    db.json_create_index("there", "$.a")
    db.vector_create_collection("v", 2)
    db.vector_batch_upsert("v", keys=["k", "l"], vectors=[[1, 2], [3, 4]], metadata=[{"n": 1}, None])
    db.space_use("s")
    db.kv_put("k", "s")
    db.space_use("default")
    db.branch_fork("default", "b")
    db.branch_export("b", "bundle")


def typed(call, *args, **kwargs):
    """Runs the call. True if it answered, False if it refused in the way that is promised."""
    try:
        call(*args, **kwargs)
    except StrataError as error:
        assert error.code and error.code.replace("_", "").isalpha() and error.code.islower(), error
        assert isinstance(error.hint, str)
        assert error.message
        assert IS_MODEL or len(str(error)) < 2000  # a name of a megabyte is shortened
        str(error).encode()
        return False
    except TypeError as error:
        assert str(error)
        return False
    except (RecursionError, ValueError):
        if IS_MODEL:  # which lets a few of Python's own errors through
            return False
        raise
    return True


def test_the_table_names_every_method():
    public = {name for name in dir(Strata) if not name.startswith("_") and callable(getattr(Strata, name))}
    later = {name for name in public if name.split("_")[0] == "search"}
    assert public - later <= set(METHODS) | set(FACTORIES)
    assert set(METHODS) | set(FACTORIES) <= public


@pytest.mark.parametrize("method", METHODS)
def test_odd_arguments(db, method):
    """One argument is odd, the others are good, outside and inside of a transaction."""
    fill(db)
    for inside in (False, True):
        for argument, odd in [(a, o) for a in METHODS[method] for o in ODD]:
            with db.session() as s:
                before = contents(db), db.branch_list(), db.info()["commit_timestamp"]
                if inside:
                    s.begin()
                answered = typed(getattr(s, method), **{**METHODS[method], argument: ODD[odd]})
                ended = method in ("commit", "rollback", "close")
                assert not inside or s.in_transaction() or ended, (argument, odd)
                s.close()
                if inside or not answered:
                    now = contents(db), db.branch_list(), db.info()["commit_timestamp"]
                    assert now == before, (argument, odd)
            for name in set(db.branch_list()) - {"default", "b"}:
                db.branch_delete(name)
            if not db.branch_exists("b"):
                db.branch_fork("default", "b")
    assert db.verify()["ok"]


@pytest.mark.parametrize("method", METHODS)
def test_too_many_too_few_and_unknown_arguments(db, method):
    fill(db)
    good = METHODS[method]
    before = contents(db), db.branch_list()
    call = getattr(db, method)
    with pytest.raises(TypeError):
        call(*([None] * 12))
    with pytest.raises(TypeError):
        call(**good, unheard_of=1)
    with pytest.raises(TypeError):
        call(**good, **{"\ud800": 1})
    for required in [
        name
        for name in good
        if good[name] is not None  # else it is one of several ways to say it
        and name
        in (
            "key",
            "value",
            "name",
            "source",
            "dest",
            "entries",
            "keys",
            "fn",
            "cell",
            "event_type",
            "payload",
            "sequence",
        )
        and (method, name) != ("branch_import", "name")  # which the bundle gives
    ]:
        with pytest.raises(TypeError):
            call(**{name: value for name, value in good.items() if name != required})
    assert (contents(db), db.branch_list()) == before
    assert not db.in_transaction()


@pytest.mark.parametrize("method", [name for name, arguments in METHODS.items() if len(arguments) > 1])
def test_two_odd_arguments(db, method):
    """Random combinations: which of two errors comes first is free here, that it is one of them is not."""
    rng = random.Random(f"{SEED}:{method}")
    names = list(METHODS[method])
    fill(db)
    for _ in range(scaled(60)):
        first, second = rng.sample(names, 2)
        odd = rng.choice(list(ODD)), rng.choice(list(ODD))
        with db.session() as s:
            before = contents(db), db.branch_list()
            arguments = {**METHODS[method], first: ODD[odd[0]], second: ODD[odd[1]]}
            if not typed(getattr(s, method), **arguments):
                assert (contents(db), db.branch_list()) == before, (first, second, odd)


@pytest.mark.parametrize("factory", FACTORIES)
def test_odd_arguments_of_factories(factory):
    call = getattr(Strata, factory)

    def make(opened, **arguments):
        opened.append(call(**arguments))

    for argument in FACTORIES[factory]:
        for odd, value in ODD.items():
            opened = []
            typed(make, opened, **{**FACTORIES[factory], argument: value})
            for db in opened:
                assert type(db) is Strata, (argument, odd)
                db.kv_list()
                db.close()
    with pytest.raises(TypeError):
        call(*[None] * 9)
    with pytest.raises(TypeError):
        call(unheard_of=1)


@pytest.mark.parametrize("method", [name for name in METHODS if name not in ("close", "transaction")])
def test_a_closed_handle(db, method):
    fill(db)
    s = db.session()
    s.close()
    for _ in range(2):
        with pytest.raises(StrataError) as caught:
            getattr(s, method)(**METHODS[method])
        assert caught.value.code == "closed"
        assert type(caught.value).__name__ == "StateError"
    s.close()
    with pytest.raises(StrataError) as caught:
        s.transaction().__enter__()
    assert caught.value.code == "closed"
    with pytest.raises(StrataError) as caught:
        s.__enter__()
    assert caught.value.code == "closed"
    assert "closed" in repr(s)
    assert db.kv_get("k") == 2


@pytest.mark.parametrize("make", [lambda: Strata(), lambda: Strata("path"), lambda: Strata.__new__(Strata)])
def test_a_handle_is_made_by_open_or_cache(make):
    with pytest.raises(TypeError, match="open"):
        make()


def test_not_a_mapping(db):
    db.kv_put("k", 1)
    for call in (
        lambda: db["k"],
        lambda: db.__setitem__("k", 2),
        lambda: len(db),
        lambda: "k" in db,
        lambda: list(db),
        lambda: db < db,
        lambda: db + db,
        lambda: db(),
    ):
        with pytest.raises((TypeError, AttributeError)):
            call()
    with pytest.raises(AttributeError):
        db.no_such_method()
    assert inspect.isclass(type(db))
    assert db == db
    assert db != db.session()
    assert isinstance(hash(db), int)


# ---- callbacks and iterators that use the database themselves ----


def test_progress_that_uses_the_handle(db):
    seen = []

    def progress(done, total):
        seen.append(db.kv_list())
        db.kv_get("k")
        db.info()

    db.kv_batch_put({"a": 1}, progress=progress)
    db.compact(progress=progress)
    db.verify(progress=progress)
    assert seen
    assert db.kv_list() == ["a"]


@pytest.mark.engine
@pytest.mark.parametrize("call", ["kv_batch_put", "compact", "verify"])
def test_progress_that_writes(db, call):
    """By itself and from another thread, through handles of its own."""
    db.kv_batch_put({f"k{n}": n for n in range(5000)})
    other = db.session()

    def progress(done, total):
        other.kv_put("b", done)
        in_thread(other.kv_put, "c", total)

    arguments = [{"a": 1}] if call == "kv_batch_put" else []
    options = {"keep_history": datetime.timedelta(0)} if call == "compact" else {}
    getattr(db, call)(*arguments, progress=progress, **options)
    assert db.kv_exists("b")
    assert db.kv_exists("c")
    assert db.verify()["ok"]


def test_progress_that_empties_what_is_being_written(db):
    entries = {f"k{n}": [n] * 10 for n in range(100)}
    db.kv_batch_put(entries, progress=lambda done, total: entries.clear())
    assert db.kv_count() == 100


def test_progress_that_closes_the_handle(db):
    s = db.session()
    typed(lambda: s.kv_batch_put({"a": 1}, progress=lambda done, total: s.close()))
    typed(lambda: s.kv_get("a"))
    s = db.session()
    typed(lambda: s.verify(progress=lambda done, total: s.close()))
    s = db.session()
    typed(lambda: s.compact(progress=lambda done, total: s.close()))
    assert db.kv_list() in ([], ["a"])


def test_keys_that_change_while_they_are_read(db):
    db.kv_batch_put({f"k{n}": n for n in range(10)})
    keys = [f"k{n}" for n in range(10)]

    def shrinking():
        for key in list(keys):
            keys.clear()
            yield key

    assert db.kv_batch_get(shrinking()) == list(range(10))

    def failing():
        yield "k0"
        raise KeyError("mine")

    for call in (db.kv_batch_get, db.kv_batch_delete):
        with pytest.raises(KeyError, match="mine"):
            call(failing())

    s = db.session()

    def closing():
        yield "k0"
        s.close()
        yield "k1"

    typed(lambda: s.kv_batch_delete(closing()))
    assert db.kv_count() >= 8


def test_a_time_zone_that_fails(db):
    class Broken(datetime.tzinfo):
        def utcoffset(self, moment):
            raise KeyError("mine")

    db.kv_put("k", 1)
    with pytest.raises(KeyError, match="mine"):
        db.kv_get("k", as_of=datetime.datetime(2024, 1, 1, tzinfo=Broken()))
    assert db.kv_get("k") == 1
