"""The checker of histories, on histories made by hand: each anomaly is found, and what is none passes."""

import pytest
from history_checker import NOTHING, Transaction, problem_of


def history(*lines, isolation="serializable"):
    """`name began-ended steps`, a step `r:x1` (read version 1 of x) or `w:x2` (wrote version 2 of x).

    The value of a version is its name and number, unless it is given: `r:x1=other`.
    """
    transactions = []
    for line in lines:
        name, times, *steps = line.split()
        began, ended = map(int, times.split("-"))
        each = Transaction(name, began, ended, isolation)
        for step in steps:
            what, _, value = step[2:].partition("=")
            item, version = what[0], int(what[1:])
            if step[0] == "r":
                each.read(item, version, value or (what if version else NOTHING))
            else:
                each.writes[item] = version, value or what
        transactions.append(each)
    return transactions


GOOD = {
    "nothing": [],
    "one after the other": ["a 1-2 w:x1", "b 3-4 r:x1 w:x2", "c 5-6 r:x2"],
    "at once, on different items": ["a 1-3 r:x0 w:x1", "b 2-4 r:y0 w:y1"],
    "a reader of the past of a writer": ["a 1-9 r:x0 r:y0", "b 2-3 w:x1 w:y1", "c 4-5 r:x1 r:y1"],
    "blind writes one after the other": ["a 1-4 w:x1 w:y1", "b 2-5 w:x2 w:y2"],
    "a ring of two that is none": ["a 1-4 r:x0 w:y1", "b 2-5 r:x0 w:x1 r:y1"],
}
BAD = {
    "dirty write": ["a 1-4 w:x1 w:y2", "b 2-5 w:x2 w:y1"],
    "two writers of one version": ["a 1-4 w:x1", "b 2-5 w:x1=other"],
    "aborted read": ["a 1-2 w:x1", "b 3-4 r:x2"],
    "aborted read of a value": ["a 1-2 r:x0=ghost"],
    "intermediate read": ["a 1-4 w:x1", "b 2-3 r:x1=first"],
    "circular information flow": ["a 1-4 w:x1 r:y1", "b 2-5 w:y1 r:x1"],
    "lost update": ["z 1-2 w:x1", "a 3-6 r:x1 w:x2", "b 4-7 r:x1 w:x3"],
    "fuzzy read": ["a 1-4 r:x0 r:x1", "b 2-3 w:x1"],
    "read skew": ["a 1-4 r:x0 r:y1", "b 2-3 w:x1 w:y1"],
    "read skew with write": ["a 1-4 r:x0 w:z1", "b 2-3 w:x1 w:y1", "c 5-6 r:y0 r:z1"],
    "write skew": ["a 1-4 r:x0 r:y0 w:x1", "b 2-5 r:x0 r:y0 w:y1"],
    "write skew of three": ["a 1-7 r:x0 w:y1", "b 2-8 r:y0 w:z1", "c 3-9 r:z0 w:x1"],
    "read-only anomaly": ["w 1-8 r:c0 r:s0 w:c1", "d 2-3 r:s0 w:s1", "r 4-5 r:c0 r:s1"],
    "long fork": ["a 1-8 w:x1", "b 2-9 w:y1", "c 3-6 r:x1 r:y0", "d 4-7 r:x0 r:y1"],
    "stale read": ["a 1-2 w:x1", "b 3-4 r:x0"],
    "read from the future": ["a 1-2 r:x1", "b 3-4 w:x1"],
    "lost write": ["a 1-2 w:x1", "b 3-4 w:x3"],
}
SNAPSHOT_ALLOWS = {"write skew", "write skew of three", "read-only anomaly"}


@pytest.mark.parametrize("isolation", ["serializable", "snapshot"])
@pytest.mark.parametrize("name", GOOD)
def test_passes(name, isolation):
    assert problem_of(history(*GOOD[name], isolation=isolation)) is None


@pytest.mark.parametrize("name", BAD)
def test_is_found(name):
    assert problem_of(history(*BAD[name]))


@pytest.mark.parametrize("name", BAD)
def test_is_found_under_snapshot_unless_it_is_allowed_there(name):
    problem = problem_of(history(*BAD[name], isolation="snapshot"))
    assert (problem is None) == (name in SNAPSHOT_ALLOWS)


def test_a_serializable_transaction_among_snapshots():
    """A write skew needs both to read the past of the other: one of them may ask for less."""
    skew = history(*BAD["write skew"], isolation="snapshot")
    skew[1].isolation = "serializable"
    assert problem_of(skew) is None  # b may stand before a, whose own reads do not count
    skew[0].isolation = "serializable"
    assert "a -rw-> b -rw-> a" in problem_of(skew)


def test_the_cycle_is_told():
    assert problem_of(history(*BAD["long fork"])) == "no order explains: a -wr-> c -rw-> b -wr-> d -rw-> a"
