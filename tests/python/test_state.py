"""State cells: comparing by value and by version, in and out of transactions, by many threads."""

import math
import threading

import pytest
from stratadb import ConflictError, Strata, ValidationError
from support import code_of, refused, scaled


def mismatch(db, *args, **kwargs):
    """What a compare-and-swap that fails says is there: (current, current_version)."""
    before = db.state_history(args[0])
    with refused(ConflictError, "cas_mismatch") as caught:
        db.state_cas(*args, **kwargs)
    assert isinstance(caught.value, RuntimeError)
    assert db.state_history(args[0]) == before
    return caught.value.current, caught.value.current_version


def test_the_example_of_the_reference(db):
    db.state_init("counter", 0)
    current = db.state_get("counter")
    try:
        db.state_cas("counter", current + 1, expected=current)
    except RuntimeError:
        pytest.fail("Concurrent modification!")
    assert db.state_get("counter") == 1


def test_set_get_delete(db):
    assert db.state_get("c") is None
    assert db.state_get("c", default=5) == 5
    assert db.state_get_versioned("c") is None
    assert db.state_history("c") is None
    assert db.state_delete("c") is False
    assert db.state_set("c", {"a": [1]}) == 1
    assert db.state_set("c", None) == 2
    assert db.state_get("c", default=5) is None
    assert db.state_delete("c") is True
    assert db.state_set("c", b"x") == 4
    found = db.state_get_versioned("c")
    assert list(found) == ["value", "version", "timestamp"]
    assert found == {"value": b"x", "version": 4, "timestamp": db.info()["commit_timestamp"]}
    assert [(row["version"], row["value"], row["deleted"]) for row in db.state_history("c")] == [
        (4, b"x", False),
        (3, None, True),
        (2, None, False),
        (1, {"a": [1]}, False),
    ]


def test_cells_are_no_keys(db):
    db.state_set("c", 1)
    db.kv_put("k", 1)
    assert (db.state_list(), db.kv_list()) == (["c"], ["k"])
    assert db.kv_get("c") is None
    assert db.branch_get("default")["key_count"] == 2


def test_list_is_sorted_and_of_its_time(db):
    for cell in ("b", "a/2", "a/10", "é", "a"):
        db.state_set(cell, 1)
    then = db.info()["commit_timestamp"]
    db.state_delete("a/2")
    assert db.state_list() == ["a", "a/10", "b", "é"]
    assert db.state_list("a/") == ["a/10"]
    assert db.state_list("a/", as_of=then) == ["a/10", "a/2"]
    assert db.state_get("a/2", as_of=then) == 1
    assert db.state_get_versioned("a/2", as_of=then)["timestamp"] < then
    assert len(db.state_history("a/2", as_of=then)) == 1


def test_init_writes_once(db):
    assert db.state_init("c", 0) == 1
    assert db.state_init("c", 9) == 1
    assert db.state_get("c") == 0
    db.state_set("n", None)
    assert db.state_init("n", 1) == 1
    assert db.state_get("n", default="none") is None
    db.state_delete("c")
    assert db.state_init("c", 5) == 3
    commits = db.branch_get("default")["version"]
    db.state_init("c", 6)
    assert db.branch_get("default")["version"] == commits


SAME = [
    (None, None),
    (True, True),
    (1, 1),
    (1.0, 1.0),
    (-0.0, -0.0),
    (math.nan, float("nan")),
    (math.inf, math.inf),
    ("é", "é"),
    (b"x", bytearray(b"x")),
    ([1, (2, 3)], (1, [2, 3])),
    ({"a": 1, "b": {"c": [math.nan], "d": None}}, {"b": {"d": None, "c": [math.nan]}, "a": 1}),
    (list(range(100)), list(range(100))),
    ({str(n): n for n in range(50)}, {str(n): n for n in reversed(range(50))}),
]
DIFFERENT = [
    (1, 1.0),
    (1, True),
    (0, False),
    (0.0, -0.0),
    ("x", b"x"),
    ([], {}),
    ([1, 2], [2, 1]),
    ({"a": 1}, {"a": 1.0}),
    ({"a": 1}, {"a": 1, "b": None}),
    ("", None),
    (None, False),
    (2**62, 2**62 + 1),
]


@pytest.mark.parametrize(("stored", "expected"), SAME, ids=repr)
def test_what_is_the_same(db, stored, expected):
    db.state_set("c", stored)
    assert db.state_cas("c", "new", expected=expected) == 2
    db.state_set("c", stored)
    assert db.state_cas("c", "new", expected=db.state_get("c")) == 4


@pytest.mark.parametrize(("stored", "expected"), DIFFERENT + [(b, a) for a, b in DIFFERENT], ids=repr)
def test_what_is_different(db, stored, expected):
    db.state_set("c", stored)
    current, version = mismatch(db, "c", "new", expected=expected)
    assert (repr(current), version) == (repr(stored), 1)


def test_numpy_values_are_converted_first(db):
    numpy = pytest.importorskip("numpy")
    db.state_set("c", 5)
    assert db.state_cas("c", numpy.array([1.5, 2]), expected=numpy.int64(5)) == 2
    assert db.state_cas("c", 1, expected=numpy.array([1.5, 2])) == 3


def test_none_matches_what_is_absent_deleted_or_none(db):
    assert db.state_cas("c", None) == 1
    assert db.state_cas("c", None, None) == 2
    db.state_delete("c")
    assert db.state_cas("c", 1, expected=None) == 4
    assert mismatch(db, "c", 2) == (1, 4)
    assert mismatch(db, "missing", 2, "x") == (None, 0)


def test_by_version(db):
    assert db.state_cas("c", 1, expected_version=0) == 1
    assert mismatch(db, "c", 2, expected_version=0) == (1, 1)
    assert db.state_cas("c", None, expected_version=1) == 2
    assert mismatch(db, "c", 2, expected_version=0) == (None, 2)  # a stored None is there
    db.state_delete("c")
    assert mismatch(db, "c", 2, expected_version=3) == (None, 0)
    assert db.state_cas("c", 2, None, expected_version=0) == 4


def test_refused(db):
    db.state_set("c", 1)
    with refused(ValidationError, "invalid_argument"):
        db.state_cas("c", 2, expected=1, expected_version=1)
    for version in (-1, 2**63):
        with refused(ValidationError, "out_of_range"):
            db.state_cas("c", 2, expected_version=version)
    for version in (1.0, True, "1"):
        with pytest.raises(TypeError):
            db.state_cas("c", 2, expected_version=version)
    with pytest.raises(TypeError, match=r"\$\.a"):
        db.state_cas("c", 2, expected={"a": {1}})
    for cell in ("", "a\0", "x" * 1025):
        for call in (db.state_set, db.state_init, db.state_cas):
            with refused(ValidationError, "invalid_key"):
                call(cell, 1)
        for call in (db.state_get, db.state_delete, db.state_history, db.state_get_versioned):
            with refused(ValidationError, "invalid_key"):
                call(cell)
    assert db.state_history("c") == [{**db.state_get_versioned("c"), "deleted": False}]


def test_inside_a_transaction(db):
    db.state_set("c", 1)
    with db.transaction():
        assert db.state_cas("c", 2, expected=1) == 2
        assert mismatch(db, "c", 3, expected=1) == (2, 2)
        assert db.state_get_versioned("c") == {"value": 2, "version": 2, "timestamp": None}
        assert db.state_init("c", 9) == 2
        assert db.state_init("new", 9) == 1
        assert db.state_list() == ["c", "new"]
        assert db.state_delete("new") is True
        assert mismatch(db, "new", 3, expected_version=1) == (None, 0)
    assert db.state_get("c") == 2
    assert db.state_history("new") is None


@pytest.mark.parametrize(
    "read",
    [
        lambda db: db.state_get("c"),
        lambda db: db.state_get_versioned("c"),
        lambda db: db.state_init("c", 5),
        lambda db: db.state_history("c"),
        lambda db: db.state_list(),
        lambda db: mismatch(db, "c", 1, expected="other"),
        lambda db: db.state_delete("c"),
    ],
    ids=["get", "get_versioned", "init", "history", "list", "cas", "delete"],
)
def test_every_read_counts(db, read):
    db.state_set("c", 1)
    with db.session() as other:
        db.begin()
        read(db)
        db.state_set("result", 1)
        other.state_delete("c")
        with refused(ConflictError, "transaction_conflict"):
            db.commit()
    assert db.state_list() == []


def test_a_comparison_outside_of_a_transaction_never_conflicts(db):
    """The value is what a later commit made it, not what an open transaction sees."""
    with db.session() as other:
        db.state_set("c", 1)
        other.begin()
        assert other.state_get("c") == 1
        assert db.state_cas("c", 2, expected=1) == 2
        assert mismatch(other, "c", 3, expected=2) == (1, 1)
        other.rollback()
        assert other.state_cas("c", 3, expected=2) == 3


def test_cells_of_branches_and_spaces(db):
    db.state_set("c", 1)
    db.branch_fork("default", "b")
    db.branch_use("b")
    assert db.state_cas("c", 2, expected=1) == 2
    db.branch_use("default")
    assert db.state_get("c") == 1
    db.space_use("s")
    assert db.state_init("c", "s") == 1
    assert db.space_list() == ["default", "s"]
    with refused(ConflictError, "cas_mismatch"):
        db.state_cas("c", 1, expected=1)


def test_a_mismatch_makes_no_space(db):
    db.space_use("s")
    mismatch(db, "c", 1, expected=1)
    assert db.space_list() == ["default"]


@pytest.mark.parametrize("how", ["value", "version", "transaction"])
@pytest.mark.parametrize("durability", ["memory", "buffered", "strict"])
def test_a_counter_loses_nothing(tmp_path, durability, how):
    """Eight threads increment one counter; of those that start together one succeeds, so it goes on."""
    each, threads = scaled(60), 8
    db = Strata.cache() if durability == "memory" else Strata.open(tmp_path / "db", durability=durability)
    db.state_init("counter", 0)
    errors = []

    def by_value(s):
        seen = s.state_get("counter")
        while True:
            try:
                return s.state_cas("counter", seen + 1, expected=seen)
            except ConflictError as error:
                seen = error.current

    def by_version(s):
        seen = s.state_get_versioned("counter")
        value, version = seen["value"], seen["version"]
        while True:
            try:
                return s.state_cas("counter", value + 1, expected_version=version)
            except ConflictError as error:
                value, version = error.current, error.current_version

    def by_transaction(s):
        return s.run(lambda t: t.state_set("counter", t.state_get("counter") + 1), retries=10_000)

    increment = {"value": by_value, "version": by_version, "transaction": by_transaction}[how]

    def work():
        try:
            with db.session() as s:
                versions = [increment(s) for _ in range(each)]
                assert versions == sorted(set(versions))
        except BaseException as error:
            errors.append(error)

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not errors, errors[0]
    assert db.state_get_versioned("counter")["version"] == each * threads + 1
    values = [row["value"] for row in db.state_history("counter")]
    assert values == list(range(each * threads, -1, -1))
    db.close()
    if durability != "memory":
        with Strata.open(tmp_path / "db") as again:
            assert again.state_get("counter") == each * threads


@pytest.mark.engine
def test_reading_only(tmp_path):
    """Comparing is allowed; what would write is refused."""
    with Strata.open(tmp_path / "db") as db:
        db.state_set("c", 1)
        with db.transaction(read_only=True):
            assert mismatch(db, "c", 2, expected=5) == (1, 1)
            assert db.state_init("c", 2) == 1
            assert code_of(db.state_cas, "c", 2, 1) == "read_only"
    with Strata.open(tmp_path / "db", read_only=True) as db:
        for call in (lambda: db.state_set("c", 2), lambda: db.state_delete("c"), lambda: db.state_init("new", 2)):
            assert code_of(call) == "read_only"
        assert code_of(db.state_cas, "c", 2, 1) == "read_only"
        assert mismatch(db, "c", 2, expected=5) == (1, 1)
        assert db.state_init("c", 2) == 1
        assert db.state_get("c") == 1
