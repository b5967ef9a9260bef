"""branch_merge: what one branch changed, brought into another."""

import os
import signal
import threading

import pytest
from merging import STRATEGIES, On, conflicting, conflicts, merge, scan, sound, stamp
from stratadb import AccessDeniedError, ConflictError, NotFoundError, StateError, Strata, ValidationError
from support import contents, refused

# ---- what a merge brings ----


def test_the_shape_of_the_answer(forked):
    db = forked
    On(db, "b").kv_put("theirs", 1)
    report = merge(db)
    assert list(report) == [
        "source", "target", "strategy", "keys_applied", "spaces_merged", "conflicts", "version", "timestamp",
    ]  # fmt: skip
    assert report == {
        "source": "b",
        "target": "default",
        "strategy": "last_writer_wins",
        "keys_applied": 1,
        "spaces_merged": 1,
        "conflicts": [],
        "version": db.branch_get("default")["version"],
        "timestamp": stamp(db),
    }


@pytest.mark.parametrize("strategy", [None, *STRATEGIES, lambda conflict: 1 / 0])
def test_what_one_side_changed_is_no_conflict(forked, strategy):
    db = forked
    b = On(db, "b")
    b.kv_put("theirs", 1)
    b.kv_delete("gone")
    b.kv_put("new", [1])
    db.kv_put("mine", 2)
    db.kv_put("own", 3)
    before = scan(db, "b")
    report = merge(db, strategy=strategy)
    assert report["conflicts"] == [] and report["keys_applied"] == 3
    assert report["strategy"] == ("callable" if callable(strategy) else strategy or "last_writer_wins")
    assert scan(db, "default") == {"both": 0, "mine": 2, "theirs": 1, "left": 0, "new": [1], "own": 3}
    assert scan(db, "b") == before


def test_versions_go_on_on_the_target(forked):
    db = forked
    for n in range(5):
        On(db, "b").kv_put("theirs", n)
    On(db, "b").kv_delete("gone")
    report = merge(db)
    assert db.kv_get_versioned("theirs") == {"value": 4, "version": 2, "timestamp": report["timestamp"]}
    assert [(h["version"], h["value"], h["deleted"]) for h in db.kv_history("theirs")] == [(2, 4, False), (1, 0, False)]
    assert [(h["version"], h["deleted"]) for h in db.kv_history("gone")] == [(2, True), (1, False)]


def test_one_commit(forked):
    db = forked
    On(db, "b").kv_batch_put({f"k{n}": n for n in range(50)})
    On(db, "b", "s").state_set("c", 1)
    version = db.branch_get("default")["version"]
    before = stamp(db)
    report = merge(db)
    assert report["version"] == db.branch_get("default")["version"] == version + 1
    assert db.kv_list("k", as_of=before) == []
    assert len(db.kv_list("k", as_of=report["timestamp"])) == 50
    assert db.space_list() == ["default", "s"]


def test_the_same_change_on_both_sides_is_no_conflict(forked):
    db = forked
    for side in [On(db, "b"), db]:
        side.kv_put("both", {"a": 1, "b": 2} if side is db else {"b": 2, "a": 1})
        side.kv_delete("gone")
        side.kv_put("new", float("nan"))
    version = db.kv_get_versioned("both")
    report = merge(db, strategy="strict")
    assert (report["keys_applied"], report["conflicts"]) == (0, [])
    assert db.kv_get_versioned("both") == version


def test_changed_and_changed_back_is_no_change(forked):
    db = forked
    On(db, "b").kv_put("both", 1)
    On(db, "b").kv_put("both", 0)
    db.kv_put("both", 2)
    assert merge(db, strategy="strict")["keys_applied"] == 0
    assert db.kv_get("both") == 2


def test_merging_again_applies_nothing_but_is_a_commit(forked):
    db = forked
    On(db, "b").kv_put("theirs", 1)
    first = merge(db)
    second = merge(db)
    assert (second["keys_applied"], second["spaces_merged"], second["conflicts"]) == (0, 0, [])
    assert second["version"] == first["version"] + 1 and second["timestamp"] > first["timestamp"]
    assert stamp(db) == second["timestamp"]


@pytest.mark.parametrize("strategy", STRATEGIES[:3])
def test_merging_both_ways_converges(forked, strategy):
    db = forked
    On(db, "b").kv_batch_put({"both": 1, "theirs": 1, "new": 1})
    On(db, "b").kv_delete("gone")
    db.kv_batch_put({"both": 2, "mine": 2, "gone": 2})
    merge(db, "b", "default", strategy)
    merge(db, "default", "b", strategy)
    assert scan(db, "default") == scan(db, "b")
    assert db.branch_diff("default", "b")["entries"] == []
    for pair in [("b", "default"), ("default", "b")]:
        assert merge(db, *pair, "strict")["keys_applied"] == 0


def test_empty_and_unrelated_branches(db):
    db.kv_put("k", 1)
    db.branch_create("b")
    assert merge(db, strategy="strict")["keys_applied"] == 0
    assert scan(db, "default") == {"k": 1}
    db.branch_create("c")
    On(db, "c").kv_put("k", 2)
    On(db, "c").kv_put("l", 2)
    with refused(ConflictError, "merge_conflict"):
        merge(db, "c", "default", "strict")
    report = merge(db, "c", "default", "source")
    assert report["conflicts"] == [
        {"space": "default", "primitive": "kv", "key": "k", "base": None, "source": 2, "target": 1,
         "resolution": "source"},
    ]  # fmt: skip
    assert scan(db, "default") == {"k": 2, "l": 2}


# ---- conflicts ----


@pytest.mark.parametrize(
    ("strategy", "resolutions", "after", "applied"),
    [
        (None, ["source", "target", "source"], {"both": "source"}, 2),
        ("last_writer_wins", ["source", "target", "source"], {"both": "source"}, 2),
        ("source", ["source"] * 3, {"both": "source", "gone": "source"}, 3),
        ("target", ["target"] * 3, {"both": "target", "left": "target"}, 0),
        (lambda c: c["source"], ["source"] * 3, {"both": "source", "gone": "source"}, 3),
        (lambda c: [c["base"]], ["value"] * 3, {"both": [0], "gone": [0], "left": [0]}, 3),
        (lambda c: None, ["value", "target", "source"], {"both": None}, 2),
    ],
)
def test_conflicts(forked, strategy, resolutions, after, applied):
    db = forked
    conflicting(db)
    expected = conflicts(resolutions)
    dry = merge(db, strategy=strategy, dry_run=True)
    assert dry["conflicts"] == expected and dry["keys_applied"] == applied
    report = merge(db, strategy=strategy)
    assert report["conflicts"] == expected
    assert list(report["conflicts"][0]) == ["space", "primitive", "key", "base", "source", "target", "resolution"]
    assert report["keys_applied"] == applied
    assert scan(db, "default") == {"mine": 0, "theirs": 0, **after}
    assert merge(db, strategy="strict")["conflicts"] == []


def test_strict_is_all_or_nothing(forked):
    db = forked
    conflicting(db)
    On(db, "b").kv_put("theirs", 1)
    before = contents(db, history=True), stamp(db)
    with refused(ConflictError, "merge_conflict") as caught:
        merge(db, strategy="strict")
    assert caught.value.conflicts == conflicts([None] * 3)
    assert "'both'" in str(caught.value) and "3 conflicts" in str(caught.value)
    assert (contents(db, history=True), stamp(db)) == before
    dry = merge(db, strategy="strict", dry_run=True)
    assert dry["conflicts"] == conflicts([None] * 3)
    assert (contents(db, history=True), stamp(db)) == before


@pytest.mark.parametrize("strategy", [*STRATEGIES, lambda conflict: "mine"])
def test_a_dry_run_changes_nothing_and_tells_all(forked, strategy):
    db = forked
    conflicting(db)
    On(db, "b", "s").kv_put("theirs", 1)
    before = contents(db, history=True), stamp(db)
    about = db.branch_get("default")
    dry = merge(db, strategy=strategy, dry_run=True)
    assert (contents(db, history=True), stamp(db)) == before
    assert (dry["version"], dry["timestamp"]) == (about["version"], about["updated_at"])
    if strategy != "strict":
        done = merge(db, strategy=strategy)
        for name in ["conflicts", "keys_applied", "spaces_merged", "strategy"]:
            assert done[name] == dry[name]


def test_conflicts_come_by_space_primitive_and_key(db):
    def fill(handle, n):
        for space in ["z", "default"]:
            handle.space_use(space)
            handle.state_set("b", n)
            handle.kv_batch_put({"k": n, "a": n})
            handle.json_set("j", "$", {"y": n, "x": {"b": n, "a": n}})

    db.branch_fork("default", "b")
    with db.session() as other:
        other.branch_use("b")
        fill(other, 1)
    fill(db, 2)
    seen = [(c["space"], c["primitive"], c["key"], c.get("path")) for c in merge(db)["conflicts"]]
    assert seen == [
        (space, *rest)
        for space in ["default", "z"]
        for rest in [
            ("json", "j", "$['y']"),
            ("json", "j", "$['x']['b']"),
            ("json", "j", "$['x']['a']"),
            ("kv", "a", None),
            ("kv", "k", None),
            ("state", "b", None),
        ]
    ]


# ---- spaces ----


def test_spaces(db):
    for space in ["kept", "emptied", "filled", "dropped"]:
        db.space_create(space)
    On(db, "default", "emptied").kv_put("k", 1)
    db.branch_fork("default", "b")
    with db.session() as b:
        b.branch_use("b")
        b.space_create("new")
        b.space_delete("emptied", force=True)
        b.space_delete("filled")
        b.space_delete("dropped")
        b.space_use("written")
        b.kv_put("k", 1)
    On(db, "default", "filled").kv_put("k", 1)
    report = merge(db, strategy="strict")
    assert db.space_list() == ["default", "filled", "kept", "new", "written"]
    assert report["keys_applied"] == 2  # a key that went, and one that came
    assert report["spaces_merged"] == 4  # dropped, emptied, new, written
    assert merge(db)["spaces_merged"] == 0


def test_a_space_that_the_target_deleted_comes_back_with_what_is_written_into_it(db):
    On(db, "default", "s").kv_batch_put({"a": 1, "b": 1})
    db.branch_fork("default", "b")
    db.space_delete("s", force=True)
    On(db, "b", "s").kv_put("c", 1)
    assert merge(db, strategy="strict")["keys_applied"] == 1
    assert db.space_list() == ["default", "s"]
    assert On(db, "default", "s").kv_list() == ["c"]


# ---- what is refused ----


def test_what_is_refused(forked):
    db = forked
    conflicting(db)
    before = contents(db, history=True), stamp(db)
    for pair in [("no", "b"), ("b", "no"), ("B", "default"), ("", "b")]:
        for strategy in [*STRATEGIES, print]:
            with refused(NotFoundError, "branch_not_found"):
                merge(db, *pair, strategy)
    for name in ["default", "b"]:
        for options in [{}, {"dry_run": True}]:
            with refused(ValidationError, "merge_into_itself"):
                merge(db, name, name, **options)
    for strategy in ["", "Source", "ours", "x" * 1000, "last-writer-wins"]:
        with refused(ValidationError, "unknown_strategy"):
            merge(db, strategy=strategy)
    for strategy in [1, b"source", ["source"]]:
        with pytest.raises(TypeError):
            merge(db, strategy=strategy)
    for wrong in [None, 1, b"b"]:
        with pytest.raises(TypeError):
            merge(db, wrong)
        with pytest.raises(TypeError):
            merge(db, "b", wrong)
    with pytest.raises(TypeError):
        db.branch_merge("b")
    with pytest.raises(TypeError):
        db.branch_merge("b", "default", "source", True)
    with db.transaction(), refused(StateError, "in_transaction"):
        merge(db)
    assert (contents(db, history=True), stamp(db)) == before


def test_a_handle_that_only_reads_may_only_try(tmp_path):
    with Strata.open(tmp_path / "db") as db:
        db.kv_put("k", 0)
        db.branch_fork("default", "b")
        On(db, "b").kv_put("k", 1)
    with Strata.open(tmp_path / "db", read_only=True) as db:
        with refused(AccessDeniedError, "read_only"):
            merge(db)
        assert merge(db, dry_run=True)["keys_applied"] == 1


# ---- beside others ----


@pytest.mark.engine
def test_merges_make_progress_beside_a_busy_writer(each_mode):
    db = each_mode
    db.kv_batch_put({f"k{n}": 0 for n in range(500)})
    db.branch_fork("default", "b")
    busy, stop = threading.Event(), threading.Event()
    written = []

    def write():
        with db.session() as session:
            while not stop.is_set():
                written.append(session.kv_put("own", len(written)))
                busy.set()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert busy.wait(60)
        for round_ in range(20):
            On(db, "b").kv_batch_put({f"k{n}": round_ for n in range(0, 500, 5)})
            assert merge(db, strategy="strict")["conflicts"] == []
    finally:
        stop.set()
        writer.join()
    assert {value for key, value in scan(db, "default").items() if key in ("k0", "k495")} == {19}
    assert db.kv_get("own") == len(written) - 1


@pytest.mark.engine
def test_many_merges_at_once(each_mode):
    db = each_mode
    names = [f"b{n}" for n in range(4)]
    for name in names:
        db.branch_fork("default", name)
    errors = []

    def work(name):
        try:
            with db.session() as session:
                session.branch_use(name)
                for n in range(15):
                    session.kv_put(f"{name}/{n}", n)
                    session.event_append(name, {"n": n})
                    session.branch_merge(name, "default", "strict")
                    session.branch_merge("default", name, "strict")
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    for name in names:
        merge(db, "default", name, "strict")
        assert scan(db, name) == scan(db, "default")
    assert len(scan(db, "default")) == 60
    assert db.event_len() == 60
    sound(db)


@pytest.mark.engine
@pytest.mark.slow
@pytest.mark.parametrize("what", ["merge", "diff"])
def test_ctrl_c_leaves_all_or_nothing(db, what):
    """The signal comes at any time: in the middle, if not at the first attempt, then at a later one."""
    keys = [f"k{n:06}" for n in range(60_000)]
    db.branch_fork("default", "b")
    stopped = False
    for attempt in range(20):
        On(db, "b").kv_batch_put({key: attempt for key in keys})
        before, shown = stamp(db), scan(db, "default")
        ctrl_c = threading.Timer(0.002, os.kill, (os.getpid(), signal.SIGINT))
        try:
            ctrl_c.start()
            if what == "merge":
                merge(db)
            else:
                db.branch_diff("default", "b")
            ctrl_c.join()
        except KeyboardInterrupt:
            stopped = stamp(db) == before
        after = scan(db, "default")
        assert after == shown if stamp(db) == before else after == dict.fromkeys(keys, attempt)
        if stopped:
            break
    assert stopped
    assert merge(db)["keys_applied"] == len(keys)


def test_a_hundred_thousand_keys(db):
    with db.session() as b:
        db.branch_fork("default", "b")
        b.branch_use("b")
        b.kv_batch_put({f"k{n:06}": {"n": n, "text": "some text"} for n in range(100_000)})
    report = merge(db)
    assert report["keys_applied"] == 100_000
    assert db.kv_count() == 100_000
    assert db.kv_get("k099999") == {"n": 99_999, "text": "some text"}
    assert merge(db, "default", "b")["keys_applied"] == 0
