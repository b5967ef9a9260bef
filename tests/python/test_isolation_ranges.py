"""Phantoms: what appears, disappears or changes in a range that a transaction read, and where a range ends."""

import pytest
from stratadb import Strata
from support import conflict

TOP = "\U0010ffff"  # sorts behind every other character


@pytest.fixture
def db(each_mode):
    return each_mode


@pytest.fixture
def pair(db):
    """Two sessions on {"x": 10, "x3": 13, "y": 20}."""
    db.kv_batch_put({"x": 10, "x3": 13, "y": 20})
    with db.session() as one, db.session() as other:
        yield one, other


# What reads the range of "x", or that "x5" is not there.
READS = {
    "list": lambda db: db.kv_list("x"),
    "count": lambda db: db.kv_count("x"),
    "scan": lambda db: db.kv_scan("x"),
    "scan in bounds": lambda db: db.kv_scan(start="x", end="y"),
    "scan in bounds within a prefix": lambda db: db.kv_scan("x", start="x1", end="x7"),
    "scan in reverse": lambda db: db.kv_scan("x", reverse=True),
    "scan with a limit not reached": lambda db: db.kv_scan("x", limit=10),
    "page": lambda db: db.kv_list_paginated("x"),
    "second page": lambda db: db.kv_list_paginated("x", cursor=db.kv_list_paginated("x", 1)["cursor"]),
    "missing key": lambda db: db.kv_get("x5"),
    "missing key by exists": lambda db: db.kv_exists("x5"),
    "missing key by history": lambda db: db.kv_history("x5"),
    "missing key by version": lambda db: db.kv_get_versioned("x5"),
    "missing keys of a batch": lambda db: db.kv_batch_get(["x", "x5"]),
    "deletion of nothing": lambda db: db.kv_delete("x5"),
    "deletion of nothing in a batch": lambda db: db.kv_batch_delete(["x5"]),
    "as_of now": lambda db: db.kv_list("x", as_of=db.info()["commit_timestamp"]),
    "count as_of now": lambda db: db.kv_count("x", as_of=db.info()["commit_timestamp"]),
}


@pytest.mark.parametrize("name", READS)
def test_phantom(pair, name):
    """G2: what appears in a range that was read, or where nothing was found."""
    one, other = pair
    one.begin()
    READS[name](one)
    other.kv_put("x5", 1)
    one.kv_put("result", 1)
    conflict(one)
    assert not one.kv_exists("result")


@pytest.mark.parametrize("name", READS)
def test_phantom_of_a_deletion(pair, name):
    one, other = pair
    other.kv_put("x5", 1)
    one.begin()
    READS[name](one)
    other.kv_delete("x5")
    one.kv_put("result", 1)
    conflict(one)


@pytest.mark.parametrize("name", READS)
def test_phantom_that_came_and_went(pair, name):
    """The range looks as it did, but what was read of it is no longer the last state of it."""
    one, other = pair
    one.begin()
    READS[name](one)
    other.kv_put("x5", 1)
    other.kv_delete("x5")
    one.kv_put("result", 1)
    conflict(one)


@pytest.mark.parametrize("name", READS)
def test_phantom_of_a_batch_and_of_a_transaction(pair, name):
    one, other = pair
    one.begin()
    READS[name](one)
    with other.transaction(isolation="snapshot"):
        other.kv_batch_put({"a": 1, "x5": 1, "z": 1})
    one.kv_put("result", 1)
    conflict(one)


@pytest.mark.parametrize("name", READS)
def test_phantom_is_what_snapshot_allows(pair, name):
    one, other = pair
    one.begin(isolation="snapshot")
    READS[name](one)
    other.kv_put("x5", 1)
    one.kv_put("result", 1)
    one.commit()
    assert one.kv_exists("result")


@pytest.mark.parametrize("name", READS)
def test_phantom_is_not_seen_before_the_end(pair, isolation, name):
    """P3: a range read twice is the same twice."""
    one, other = pair
    one.begin(isolation=isolation)
    before = READS[name](one)
    with other.transaction():
        other.kv_batch_put({"x4": 1, "x5": 1})
        other.kv_delete("x3")
    assert READS[name](one) == before
    one.rollback()


@pytest.mark.parametrize("name", READS)
def test_what_lies_outside_of_a_range_does_not_conflict(pair, name):
    one, other = pair
    one.begin()
    READS[name](one)
    other.kv_batch_put({"a": 1, "w": 1, "z": 1})
    other.kv_delete("y")
    one.kv_put("result", 1)
    one.commit()
    assert one.kv_exists("result")


# Each read with keys that just belong to what it read and keys that just do not.
EDGES = {
    "prefix": (lambda db: db.kv_list("k"), ["k", "k\1", "k0", "kz", "k" + TOP, "k" + TOP * 3], ["j" + TOP, "l", "K"]),
    "prefix that ends in the last character": (
        lambda db: db.kv_count("k" + TOP),
        ["k" + TOP, "k" + TOP + "a"],
        ["k", "k\uffff", "l"],
    ),
    "prefix of several bytes": (lambda db: db.kv_list("é"), ["é", "éa", "é" + TOP], ["è" + TOP, "ê", "e", "\u00ea"]),
    "bounds": (
        lambda db: db.kv_scan(start="k2", end="k4"),
        ["k2", "k2\1", "k3", "k3" + TOP],
        ["k1" + TOP, "k4", "k4\1"],
    ),
    "bounds in reverse": (
        lambda db: db.kv_scan(start="k2", end="k4", reverse=True),
        ["k2", "k3" + TOP],
        ["k1" + TOP, "k4"],
    ),
    "bound that is no key": (
        lambda db: db.kv_scan(start="k25", end="k35"),
        ["k25", "k3", "k34"],
        ["k2", "k24", "k35", "k4"],
    ),
    "start alone": (lambda db: db.kv_scan(start="k5"), ["k5", "z", TOP], ["k4" + TOP, "a"]),
    "end alone": (lambda db: db.kv_scan(end="k5"), ["a", "k4" + TOP], ["k5", "z"]),
    "prefix and start": (lambda db: db.kv_scan("k", start="k5"), ["k5", "kz"], ["k4", "l", "z"]),
    "prefix and end": (lambda db: db.kv_scan("k", end="k5"), ["k", "k4" + TOP], ["j", "k5", "l"]),
    "bounds wider than the prefix": (lambda db: db.kv_scan("k", start="a", end="z"), ["k", "k9"], ["j", "l", "a", "y"]),
    "everything": (lambda db: db.kv_list(), ["\1", "a", TOP], []),
    "key": (lambda db: db.kv_get("k3"), ["k3"], ["k", "k2", "k3\1", "k30", "k4"]),
    "limit": (lambda db: db.kv_scan("k", limit=3), ["k", "k0", "k1" + TOP, "k2"], ["k3", "k9", "j"]),
    "limit in reverse": (
        lambda db: db.kv_scan("k", limit=3, reverse=True),
        ["k7", "k7\1", "k9", "kz"],
        ["k6", "k", "l"],
    ),
    "limit within bounds": (lambda db: db.kv_scan(start="k3", limit=2), ["k3", "k3\1", "k4"], ["k2", "k5", "k6"]),
    "limit of nothing": (lambda db: db.kv_scan("k", limit=0), [], ["k", "k0", "k5"]),
    "page": (lambda db: db.kv_list_paginated("k", 3), ["k", "k0", "k1\1", "k2"], ["k5", "k9", "j", "l"]),
    "next page": (
        lambda db: db.kv_list_paginated("k", 3, db.kv_list_paginated("k", 1)["cursor"]),
        ["k0\1", "k1", "k3"],
        ["k6", "k9", "j"],
    ),
    "last page": (
        lambda db: db.kv_list_paginated("k8", 3),
        ["k8", "k8" + TOP],
        ["k7", "k9"],
    ),
}
INSIDE = [(name, key) for name, (_, inside, _) in EDGES.items() for key in inside]
OUTSIDE = [(name, key) for name, (_, _, outside) in EDGES.items() for key in outside]


def read_and_write(read, key):
    """A transaction that read and then wrote, while `key` was changed. Ready to be committed."""
    one = Strata.cache()
    one.kv_batch_put({f"k{n}": n for n in range(10)})
    with one.session() as other:
        one.begin()
        read(one)
        other.kv_put(key, "changed")
        one.kv_put("result of a transaction", 1)
    return one


@pytest.mark.parametrize(("name", "key"), INSIDE, ids=ascii)
def test_the_last_key_inside_of_an_edge_conflicts(name, key):
    one = read_and_write(EDGES[name][0], key)
    conflict(one)
    one.close()


@pytest.mark.parametrize(("name", "key"), OUTSIDE, ids=ascii)
def test_the_first_key_outside_of_an_edge_does_not_conflict(name, key):
    one = read_and_write(EDGES[name][0], key)
    one.commit()
    one.close()


@pytest.mark.parametrize("reverse", [False, True])
def test_a_limit_that_tombstones_and_own_writes_moved(db, reverse):
    """How far a limit went depends on what was seen: deleted keys do not count, own new ones do."""
    db.kv_batch_put({f"k{n}": n for n in range(9)})
    for n in (1, 7):
        db.kv_delete(f"k{n}")
    with db.session() as other:
        passed, beyond = ("k5", "k3") if reverse else ("k3", "k5")
        for key, loses in ((passed, True), (beyond, False)):
            db.begin()
            db.kv_put("k4x" if reverse else "k3x", "mine")
            found = [k for k, _ in db.kv_scan("k", limit=4, reverse=reverse)]
            assert found == (["k8", "k6", "k5", "k4x"] if reverse else ["k0", "k2", "k3", "k3x"])
            other.kv_put(key, "changed")
            if loses:
                conflict(db)
            else:
                db.commit()


def test_a_tombstone_in_a_range(pair):
    """What was deleted before belongs to the range as what never was: putting it again is a phantom."""
    one, other = pair
    other.kv_put("x5", 1)
    other.kv_delete("x5")
    one.begin()
    assert one.kv_list("x") == ["x", "x3"]
    other.kv_put("x5", 2)
    one.kv_put("result", 1)
    conflict(one)


def test_deleting_what_a_range_did_not_show_is_no_phantom(pair):
    one, other = pair
    one.begin()
    assert one.kv_list("x") == ["x", "x3"]
    assert not other.kv_delete("x5")
    one.kv_put("result", 1)
    one.commit()


def test_phantom_in_another_space(pair):
    one, other = pair
    one.begin()
    one.kv_list()
    other.space_use("notes")
    other.kv_put("x5", 1)
    one.kv_put("result", 1)
    one.commit()
    one.begin()
    one.space_use("notes")
    one.kv_list()
    one.space_use("default")
    other.kv_put("x6", 1)
    one.kv_put("result", 2)
    conflict(one)


def test_phantom_space(pair):
    """The list of spaces is a range too."""
    one, other = pair
    one.begin()
    assert one.space_list() == ["default"]
    other.space_create("notes")
    one.kv_put("result", 1)
    conflict(one)
    one.begin()
    assert one.space_exists("notes")
    other.space_delete("notes")
    one.kv_put("result", 1)
    conflict(one)


def test_many_ranges_and_keys_are_all_remembered(db):
    """A transaction that read thousands of places loses for each of them alike."""
    db.kv_batch_put({f"k{n:04}": n for n in range(3000)})
    with db.session() as other:
        for late in ("k0000", "k0500x", "k1499", "k2999", "p7/new"):
            db.begin()
            for n in range(0, 3000, 2):
                db.kv_get(f"k{n:04}")
                db.kv_scan(start=f"k{n:04}", limit=2)
            for n in range(20):
                db.kv_count(f"p{n}/")
            db.kv_put("result", late)
            other.kv_put(late, "changed")
            conflict(db)
        for late in ("k", "k3", "p20/", "q"):
            db.begin()
            for n in range(0, 3000, 2):
                db.kv_scan(start=f"k{n:04}", limit=2)
            db.kv_put("result", late)
            other.kv_put(late, "changed")
            db.commit()
