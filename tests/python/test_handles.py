"""Handles: opening, closing, sessions, and what the package is like from outside."""

import copy
import datetime
import gc
import os
import pathlib
import pickle
import sys
import weakref

import pytest
import stratadb
from stratadb import AccessDeniedError, NotFoundError, StateError, Strata, ValidationError
from support import in_thread, refused, run


def fill(path, **options):
    with Strata.open(path, **options) as db:
        db.kv_put("k", 1)
        db.kv_put("k", 2)
        db.branch_fork("default", "f")
        db.branch_use("f")
        db.space_use("notes")
        db.kv_put("n", [1, {"a": b"x"}])


# ---- open ----


@pytest.mark.parametrize("durability", ["buffered", "strict"])
def test_what_is_closed_is_there_when_it_is_opened_again(tmp_path, durability):
    path = tmp_path / "db"
    fill(path, durability=durability)
    for _ in range(3):
        with Strata.open(path, durability=durability) as db:
            assert (db.current_branch(), db.current_space()) == ("default", "default")
            assert db.info()["durability"] == durability
            assert db.kv_get("k") == 2
            assert [row["value"] for row in db.kv_history("k")] == [2, 1]
            assert db.branch_list() == ["default", "f"]
            db.branch_use("f")
            assert db.space_list() == ["default", "notes"]
            db.space_use("notes")
            assert db.kv_get("n") == [1, {"a": b"x"}]
            assert db.verify() == {**db.verify(), "ok": True, "problems": []}


@pytest.mark.parametrize("kind", [str, pathlib.Path])
def test_a_path_is_a_str_or_a_path(tmp_path, kind):
    with Strata.open(kind(tmp_path / "db")) as db:
        db.kv_put("k", 1)
    assert (tmp_path / "db").is_dir()
    with Strata.open(path=kind(tmp_path / "db")) as db:
        assert db.kv_get("k") == 1


@pytest.mark.parametrize("path", [None, 5, 1.5, ["x"], object()])
def test_other_things_are_no_path(path):
    with pytest.raises(TypeError):
        Strata.open(path)


def test_missing_folders_are_made(tmp_path):
    path = tmp_path / "a" / "b c" / "é 漢"
    with Strata.open(path) as db:
        db.kv_put("k", 1)
    with Strata.open(path) as db:
        assert db.kv_get("k") == 1


def test_an_empty_folder_becomes_a_database(tmp_path):
    with Strata.open(tmp_path) as db:
        db.kv_put("k", 1)
    with Strata.open(tmp_path) as db:
        assert db.kv_get("k") == 1


def test_a_relative_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fill("db")
    (tmp_path / "elsewhere").mkdir()
    with Strata.open("db") as db:
        monkeypatch.chdir(tmp_path / "elsewhere")
        db.kv_put("k", 3)
        with Strata.open("../db") as again:
            assert again.kv_get("k") == 3
    assert os.listdir(tmp_path / "elsewhere") == []


def test_options_of_open(tmp_path):
    with refused(ValidationError, "unknown_durability"):
        Strata.open(tmp_path / "db", durability="eventually")
    with refused(ValidationError, "out_of_range"):
        Strata.open(tmp_path / "db", cache_bytes=-1)
    with refused(ValidationError, "out_of_range"):
        Strata.open(tmp_path / "db", keep_history=datetime.timedelta(-1))
    for options in ({"cache_bytes": 1.5}, {"cache_bytes": "1"}, {"cache_bytes": True}, {"keep_history": 5}):
        with pytest.raises(TypeError):
            Strata.open(tmp_path / "db", **options)
    with pytest.raises(TypeError):
        Strata.open(tmp_path / "db", "strict")
    assert not (tmp_path / "db").exists()
    with Strata.open(tmp_path / "db", cache_bytes=2**23, keep_history=datetime.timedelta(days=1)) as db:
        db.kv_put("k", 1)


def test_opens_of_one_path_share_one_engine(tmp_path):
    path = tmp_path / "db"
    link = tmp_path / "link"
    with Strata.open(path) as one:
        link.symlink_to(path)
        with Strata.open(str(path) + "/.") as two, Strata.open(link) as three:
            one.kv_put("k", 1)
            assert two.kv_get("k") == three.kv_get("k") == 1
            three.kv_put("k", 2)
            assert one.kv_get("k") == 2
        one.kv_put("k", 3)  # the engine closes with the last handle
    with Strata.open(path) as db:
        assert db.kv_get("k") == 3


def test_the_stricter_durability_holds(tmp_path):
    with Strata.open(tmp_path / "db") as db:
        assert db.info()["durability"] == "buffered"
        with Strata.open(tmp_path / "db", durability="strict"):
            assert db.info()["durability"] == "strict"
            db.kv_put("k", 1)
        assert db.info()["durability"] == "buffered"
        db.kv_put("k", 2)


# ---- read only ----


def test_read_only(tmp_path):
    path = tmp_path / "db"
    fill(path)
    with Strata.open(path, read_only=True) as db:
        assert db.kv_get("k") == 2
        assert len(db.kv_history("k")) == 2
        writes = (
            lambda: db.kv_put("k", 3),
            lambda: db.kv_delete("k"),
            lambda: db.kv_batch_put({"a": 1}),
            lambda: db.kv_batch_delete(["k"]),
            lambda: db.branch_create("b"),
            lambda: db.branch_fork("default", "b"),
            lambda: db.branch_delete("f"),
            lambda: db.space_create("s"),
            lambda: db.compact(),
        )
        for write in writes:
            with refused(AccessDeniedError, "read_only"):
                write()
        db.branch_use("f")
        db.space_use("notes")
        assert db.kv_list() == ["n"]
        with db.session() as other, refused(AccessDeniedError, "read_only"):
            other.space_use("default")
            other.space_delete("notes", force=True)
        with db.transaction():
            assert db.kv_list() == ["n"]
            with refused(AccessDeniedError, "read_only"):
                db.kv_put("k", 3)
        with db.session() as other, refused(AccessDeniedError, "read_only"):
            other.kv_put("k", 3)
        assert db.verify()["ok"]
        db.flush()
    with Strata.open(path) as db:
        assert db.kv_get("k") == 2
        assert db.branch_list() == ["default", "f"]


def test_read_only_of_a_missing_database(tmp_path):
    with refused(NotFoundError, "database_not_found"):
        Strata.open(tmp_path / "db", read_only=True)
    assert not (tmp_path / "db").exists()
    with refused(NotFoundError, "database_not_found"):
        Strata.open(tmp_path, read_only=True)
    assert list(tmp_path.iterdir()) == []


def test_read_only_beside_a_writer_of_the_same_process(tmp_path):
    with Strata.open(tmp_path / "db") as db:
        db.kv_put("k", 1)
        with Strata.open(tmp_path / "db", read_only=True) as reader:
            assert reader.kv_get("k") == 1
            db.kv_put("k", 2)
            assert reader.kv_get("k") == 2
            with refused(AccessDeniedError, "read_only"):
                reader.kv_put("k", 3)
        db.kv_put("k", 4)


# ---- cache ----


def test_a_cache_leaves_nothing_on_disk(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Strata.cache() as db:
        assert db.info()["path"] is None
        db.kv_put("k", 1)
        db.flush()
        db.compact()
        assert db.kv_get("k") == 1
    assert list(tmp_path.iterdir()) == []


def test_each_cache_is_its_own():
    with Strata.cache() as one, Strata.cache() as two:
        one.kv_put("k", 1)
        assert two.kv_get("k") is None


# ---- close ----


def test_close_is_idempotent(db):
    s = db.session()
    assert s.close() is None
    s.close()
    with refused(StateError, "closed"):
        s.kv_get("k")
    db.kv_put("k", 1)  # other handles stay open


def test_with_closes(db):
    with db.session() as s:
        assert s.kv_get("k") is None
    with refused(StateError, "closed"):
        s.kv_get("k")
    with pytest.raises(KeyError), db.session() as s:
        raise KeyError
    with refused(StateError, "closed"):
        s.kv_get("k")


def test_close_rolls_back(db):
    s = db.session()
    s.begin()
    s.kv_put("k", 1)
    s.close()
    assert db.kv_get("k") is None
    assert db.kv_put("k", 2) == 1


def test_a_session_outlives_its_parent(tmp_path):
    db = Strata.open(tmp_path / "db")
    s = db.session()
    db.close()
    s.kv_put("k", 1)
    s.close()
    with Strata.open(tmp_path / "db") as db:
        assert db.kv_get("k") == 1


def test_a_collected_handle_closes_itself(tmp_path):
    db = Strata.open(tmp_path / "db", durability="strict")
    gone = weakref.ref(db)
    db.begin()
    db.kv_put("k", 1)
    with Strata.open(tmp_path / "db") as other:
        assert other.info()["durability"] == "strict"
        del db
        gc.collect()
        assert gone() is None
        assert other.info()["durability"] == "buffered"
        assert other.kv_get("k") is None
        other.kv_put("k", 2)


def test_a_handle_in_a_cycle_is_collected():
    class Agent:
        pass

    agent = Agent()
    agent.db = Strata.cache()
    agent.self = agent
    gone = weakref.ref(agent.db)
    del agent
    gc.collect()
    assert gone() is None


# ---- sessions ----


def test_a_session_starts_where_its_parent_is(db):
    db.branch_create("b")
    db.branch_use("b")
    db.space_use("notes")
    with db.session() as s:
        assert type(s) is type(db) is Strata
        assert (s.current_branch(), s.current_space()) == ("b", "notes")
        s.branch_use("default")
        s.space_use("other")
        assert (db.current_branch(), db.current_space()) == ("b", "notes")


def test_a_session_has_a_transaction_of_its_own(db):
    db.begin()
    db.kv_put("k", 1)
    with db.session() as s:
        assert not s.in_transaction()
        assert s.kv_get("k") is None
        s.kv_put("l", 1)
    db.commit()
    assert db.kv_list() == ["k", "l"]


def test_subclasses():
    class Mine(Strata):
        def put_twice(self, key, value):
            return [self.kv_put(key, value) for _ in range(2)]

    with Mine.cache() as db:
        assert type(db) is Mine
        with db.session() as s:
            assert type(s) is Mine
            assert s.put_twice("k", 1) == [1, 2]


# ---- what a handle is ----


def test_a_handle_is_neither_copied_nor_pickled(db):
    for make in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="session"):
            make(db)


@pytest.mark.engine
def test_repr(tmp_path):
    with Strata.cache() as db:
        db.kv_put("k", 1)
        assert repr(db) == "<Strata in memory default:default, branches 1, keys 1>"
    assert repr(db) == "<Strata in memory closed>"
    with Strata.open(tmp_path / "db") as db:
        db.branch_create("b")
        db.branch_use("b")
        db.space_use("notes")
        assert repr(db) == f"<Strata {tmp_path / 'db'} b:notes, branches 2, keys 0>"
        with db.transaction():
            assert in_thread(repr, db) == repr(db)
        with db.session() as other:
            other.branch_use("default")
            other.branch_delete("b")
        assert repr(db) == f"<Strata {tmp_path / 'db'} b:notes, branches 1, keys 0>"


@pytest.mark.engine
def test_repr_in_a_notebook(tmp_path):
    with Strata.open(tmp_path / "<b>") as db:
        db.kv_put("k", 1)
        shown = db._repr_html_()
        assert "&lt;b&gt;" in shown
        assert "<b>" not in shown
        assert "<th>keys</th><td>1</td>" in shown
    assert "closed" in db._repr_html_()


def test_any_thread_may_call_a_handle(db):
    in_thread(db.kv_put, "k", 1)
    assert in_thread(db.kv_get, "k") == 1
    in_thread(db.close)
    with refused(StateError, "closed"):
        db.kv_get("k")


# ---- the package ----


def test_the_version():
    with Strata.cache() as db:
        assert db.ping() == db.info()["version"] == stratadb.__version__
        assert type(db.ping()) is str


def test_what_the_package_offers():
    for name in stratadb.__all__:
        assert hasattr(stratadb, name)
    assert {"Strata", "StrataError", "ConflictError"} <= set(stratadb.__all__)


@pytest.mark.engine
def test_importing_is_light():
    """Neither NumPy nor asyncio comes with it, and not many modules of the standard library."""
    output = run("import sys; before = set(sys.modules); import stratadb; print(*sorted(set(sys.modules) - before))")
    imported = set(output.split())
    assert "stratadb" in imported
    assert not {"numpy", "asyncio", "json", "subprocess", "inspect", "ctypes", "doctest"} & imported
    assert len(imported) < 60, sorted(imported)


@pytest.mark.engine
def test_the_stubs_name_what_the_compiled_class_has():
    from stratadb import _native

    stubs = (pathlib.Path(stratadb.__file__).parent / "_native.pyi").read_text()
    names = {line.split("(")[0].split()[-1] for line in stubs.splitlines() if line.startswith("    def ")}
    has = {name for name in vars(_native.Session) if not name.startswith("__")}
    assert has == {name for name in names if not name.startswith("__")}
    assert sys.modules["stratadb._native"].__version__ == stratadb.__version__
