"""Every kv_* call: what it returns, and what it leaves alone."""

import pytest
from stratadb import ValidationError
from support import refused


def fill(db, *keys):
    db.kv_batch_put({key: key.upper() for key in keys})


# ---- put, get, delete ----


def test_put_returns_the_version_and_get_the_value(db):
    assert db.kv_put("k", {"a": [1, 2]}) == 1
    assert db.kv_put("k", "again") == 2
    assert db.kv_put("other", 1) == 1
    assert db.kv_get("k") == "again"


def test_get_of_a_missing_key_is_none_or_the_default(db):
    assert db.kv_get("nothing") is None
    assert db.kv_get("nothing", default=7) == 7
    marker = object()
    assert db.kv_get("nothing", default=marker) is marker


def test_a_stored_none_is_not_a_missing_key(db):
    db.kv_put("k", None)
    assert db.kv_get("k", default=7) is None
    assert db.kv_exists("k")
    assert db.kv_count() == 1


def test_arguments_by_name(db):
    assert db.kv_put(key="k", value=1) == 1
    assert db.kv_get(key="k") == 1
    assert db.kv_delete(key="k") is True
    for call in (
        lambda: db.kv_get("k", 7),  # default is keyword-only
        lambda: db.kv_put("k"),
        lambda: db.kv_put("k", 1, 2),
        lambda: db.kv_put("k", value=1, ttl=3),
    ):
        with pytest.raises(TypeError):
            call()


def test_delete_says_whether_there_was_something(db):
    db.kv_put("k", 1)
    assert db.kv_delete("k") is True
    assert db.kv_delete("k") is False
    assert db.kv_delete("never") is False
    assert db.kv_get("k") is None
    assert db.kv_get("k", default=7) == 7
    assert not db.kv_exists("k")


def test_deleting_nothing_writes_nothing(db):
    db.kv_put("k", 1)
    before = db.info()["commit_timestamp"]
    db.kv_delete("never")
    assert db.kv_batch_delete(["a", "b"]) == [False, False]
    assert db.info()["commit_timestamp"] == before
    assert db.kv_history("never") is None


def test_exists(db):
    assert db.kv_exists("k") is False
    db.kv_put("k", 0)
    assert db.kv_exists("k") is True


def test_what_comes_back_is_not_shared_with_the_database(db):
    value = {"list": [1]}
    db.kv_put("k", value)
    value["list"].append(2)
    db.kv_get("k")["list"].append(3)
    db.kv_scan()[0][1]["list"].append(4)
    db.kv_history("k")[0]["value"]["list"].append(5)
    assert db.kv_get("k") == {"list": [1]}


# ---- keys ----


@pytest.mark.parametrize(
    "key", [" ", "a b", "/", "a/../b", "\n", "\x01", "\x7f", "é", "漢字", "😀", "\uffff", "\U0010ffff", "x" * 1024]
)
def test_any_character_but_nul_is_a_key(db, key):
    db.kv_put(key, key)
    assert db.kv_get(key) == key
    assert db.kv_list() == [key]
    assert db.kv_list(key[:1]) == [key]


def test_the_limit_of_a_key_counts_bytes(db):
    assert db.kv_put("é" * 512, 1) == 1
    for key in ("", "x" * 1025, "é" * 513, "a\0b", "\0"):
        for call, *args in ((db.kv_put, 1), (db.kv_get,), (db.kv_delete,), (db.kv_history,), (db.kv_exists,)):
            with refused(ValidationError, "invalid_key"):
                call(key, *args)
    assert db.kv_count() == 1


def test_keys_are_not_normalised(db):
    db.kv_put("é", "one character")
    db.kv_put("e\u0301", "two characters")
    assert db.kv_count() == 2
    assert db.kv_get("é") == "one character"


def test_keys_sort_by_their_utf8_bytes(db):
    keys = ["a", "B", "b", "é", "z", "zz", "\uffff", "\U00010000", "😀", "~", "a\x01", "a/b", "aa", "1", "10", "2"]
    fill(db, *keys)
    ordered = sorted(keys, key=lambda k: k.encode())
    assert db.kv_list() == ordered
    assert [key for key, _ in db.kv_scan()] == ordered
    assert db.kv_list_paginated(limit=None)["keys"] == ordered
    assert [key for key, _ in db.kv_scan(reverse=True)] == ordered[::-1]


# ---- listing ----


def test_list_by_prefix(db):
    fill(db, "user:1", "user:2", "user", "users", "item:1")
    assert db.kv_list() == ["item:1", "user", "user:1", "user:2", "users"]
    assert db.kv_list(None) == db.kv_list("") == db.kv_list()
    assert db.kv_list("user:") == ["user:1", "user:2"]
    assert db.kv_list(prefix="user") == ["user", "user:1", "user:2", "users"]
    assert db.kv_list("nobody") == []


def test_a_prefix_need_not_be_a_possible_key(db):
    fill(db, "a", "b")
    assert db.kv_list("\0") == []
    assert db.kv_list("a\0") == []
    assert db.kv_list("x" * 5000) == []
    assert db.kv_count("x" * 5000) == 0
    assert db.kv_scan(start="\0", end="b\0") == [("a", "A"), ("b", "B")]
    assert db.kv_scan(start="x" * 5000) == []


def test_a_prefix_at_the_end_of_the_alphabet(db):
    fill(db, "\U0010ffff", "\U0010ffff\U0010ffff", "z", "\U0010fffe")
    assert db.kv_list("\U0010ffff") == ["\U0010ffff", "\U0010ffff\U0010ffff"]
    assert db.kv_count("\U0010ffff") == 2
    assert [k for k, _ in db.kv_scan("\U0010ffff", reverse=True)] == ["\U0010ffff\U0010ffff", "\U0010ffff"]


def test_deleted_keys_are_not_listed(db):
    fill(db, "a", "b", "c")
    db.kv_delete("b")
    assert db.kv_list() == ["a", "c"]
    assert db.kv_count() == 2
    assert db.kv_scan() == [("a", "A"), ("c", "C")]
    assert db.kv_list_paginated() == {"keys": ["a", "c"], "cursor": None}


def test_count(db):
    assert db.kv_count() == 0
    fill(db, *(f"k{n:03}" for n in range(250)), "other")
    assert db.kv_count() == 251
    assert db.kv_count("k") == 250
    assert db.kv_count("k1") == 100
    assert db.kv_count("k249") == 1
    assert db.kv_count("x") == 0
    db.kv_batch_delete([f"k{n:03}" for n in range(100, 200)])
    assert db.kv_count("k1") == 0
    assert db.kv_count() == 151


# ---- pages ----


def pages(db, prefix=None, limit=100, between=lambda page: None):
    """All keys page by page; `between` runs after each page."""
    keys, cursor = [], None
    while True:
        page = db.kv_list_paginated(prefix, limit, cursor)
        assert set(page) == {"keys", "cursor"}
        keys += page["keys"]
        cursor = page["cursor"]
        if cursor is None:
            return keys
        assert isinstance(cursor, str)
        assert len(page["keys"]) == limit
        between(page)


@pytest.mark.parametrize("limit", [1, 3, 9, 10, 11, 100])
def test_pages_give_every_key_once(db, limit):
    keys = [f"k{n}" for n in range(10)]
    fill(db, *keys, "a", "z")
    assert pages(db, "k", limit) == keys


def test_the_default_page_has_a_hundred_keys(db):
    fill(db, *(f"{n:03}" for n in range(101)))
    page = db.kv_list_paginated()
    assert len(page["keys"]) == 100
    assert db.kv_list_paginated(cursor=page["cursor"]) == {"keys": ["100"], "cursor": None}


def test_the_cursor_is_none_exactly_if_nothing_follows(db):
    fill(db, "a", "b", "c")
    assert db.kv_list_paginated(limit=3)["cursor"] is None
    cursor = db.kv_list_paginated(limit=2)["cursor"]
    assert cursor is not None
    db.kv_delete("c")
    assert db.kv_list_paginated(limit=2)["cursor"] is None
    assert db.kv_list_paginated(limit=2, cursor=cursor) == {"keys": [], "cursor": None}
    fill(db, "d", "e")
    assert db.kv_list_paginated(limit=2, cursor=cursor) == {"keys": ["d", "e"], "cursor": None}


def test_an_empty_database_has_one_empty_page(db):
    assert db.kv_list_paginated() == {"keys": [], "cursor": None}
    assert db.kv_list_paginated(limit=0) == {"keys": [], "cursor": None}


def test_a_page_of_nothing_continues_at_the_same_place(db):
    fill(db, "a", "b", "c")
    nothing = db.kv_list_paginated(limit=0)
    assert nothing["keys"] == []
    assert db.kv_list_paginated(limit=2, cursor=nothing["cursor"])["keys"] == ["a", "b"]
    cursor = db.kv_list_paginated(limit=2)["cursor"]
    again = db.kv_list_paginated(limit=0, cursor=cursor)
    assert again["keys"] == []
    assert db.kv_list_paginated(limit=5, cursor=again["cursor"]) == {"keys": ["c"], "cursor": None}


def test_a_page_without_limit_gives_the_rest(db):
    fill(db, "a", "b", "c")
    cursor = db.kv_list_paginated(limit=1)["cursor"]
    assert db.kv_list_paginated(limit=None, cursor=cursor) == {"keys": ["b", "c"], "cursor": None}


def test_a_cursor_survives_what_is_written_between_pages(db, rng):
    keys = [f"{n:04}" for n in range(200)]
    fill(db, *keys)
    gone = set()

    def disturb(page):
        for key in page["keys"][-1:] + rng.sample(keys, 3):  # the very key the cursor stands on, too
            if db.kv_delete(key):
                gone.add(key)
        fill(db, *(f"{rng.randrange(200):04}new" for _ in range(5)))

    seen = pages(db, limit=7, between=disturb)
    assert len(seen) == len(set(seen))
    assert [key for key in seen if key in keys and key not in gone] == [key for key in keys if key not in gone]


def test_a_cursor_works_with_keys_that_extend_it(db):
    fill(db, "a", "a\x01", "aa", "b")
    assert pages(db, limit=1) == ["a", "a\x01", "aa", "b"]


def test_a_cursor_of_another_session(db):
    fill(db, "a", "b")
    cursor = db.kv_list_paginated(limit=1)["cursor"]
    with db.session() as other:
        assert other.kv_list_paginated(cursor=cursor)["keys"] == ["b"]


@pytest.mark.parametrize("cursor", ["", "a", "nonsense", "====", "é", "x" * 5000, "a" * 16, "\0"])
def test_what_is_no_cursor_is_refused(db, cursor):
    fill(db, "a", "b")
    with refused(ValidationError, "invalid_cursor"):
        db.kv_list_paginated(cursor=cursor)


# ---- scans ----


def test_scan_gives_keys_with_values(db):
    fill(db, "a", "b", "c", "d")
    everything = [("a", "A"), ("b", "B"), ("c", "C"), ("d", "D")]
    assert db.kv_scan() == everything
    assert all(type(row) is tuple for row in db.kv_scan())
    assert db.kv_scan(reverse=True) == everything[::-1]
    assert db.kv_scan(limit=2) == everything[:2]
    assert db.kv_scan(limit=2, reverse=True) == everything[:1:-1]
    assert db.kv_scan(limit=0) == []
    assert db.kv_scan(limit=100) == everything


def test_scan_includes_start_and_excludes_end_in_both_directions(db):
    fill(db, "a", "b", "c", "d")
    assert [k for k, _ in db.kv_scan(start="b", end="d")] == ["b", "c"]
    assert [k for k, _ in db.kv_scan(start="b", end="d", reverse=True)] == ["c", "b"]
    assert [k for k, _ in db.kv_scan(start="aa", end="cc")] == ["b", "c"]
    assert [k for k, _ in db.kv_scan(start="b", reverse=True)] == ["d", "c", "b"]
    assert [k for k, _ in db.kv_scan(end="c", reverse=True)] == ["b", "a"]
    assert [k for k, _ in db.kv_scan(end="c", reverse=True, limit=1)] == ["b"]
    assert db.kv_scan(start="c", end="b") == db.kv_scan(start="c", end="c") == []
    assert db.kv_scan(start="", end="") == []
    assert len(db.kv_scan(start="")) == 4


def test_scan_of_a_prefix_within_bounds(db):
    fill(db, "a1", "b1", "b2", "b3", "c1")
    assert [k for k, _ in db.kv_scan("b")] == ["b1", "b2", "b3"]
    assert [k for k, _ in db.kv_scan("b", start="b2")] == ["b2", "b3"]
    assert [k for k, _ in db.kv_scan("b", end="b3")] == ["b1", "b2"]
    assert [k for k, _ in db.kv_scan("b", start="a")] == ["b1", "b2", "b3"]
    assert [k for k, _ in db.kv_scan("b", end="z", reverse=True, limit=2)] == ["b3", "b2"]
    assert db.kv_scan("b", start="c") == db.kv_scan("b", end="b") == []


@pytest.mark.parametrize("reverse", [False, True])
def test_scan_against_sorting_in_python(db, rng, reverse):
    keys = {"".join(rng.choices("ab\x01é\U0001f600", k=rng.randrange(1, 6))) for _ in range(120)}
    fill(db, *keys)
    ordered = sorted(keys, key=str.encode, reverse=reverse)
    for _ in range(60):
        prefix, start, end = (rng.choice([None, "", *keys]) for _ in range(3))
        prefix = prefix and prefix[: rng.randrange(3)]
        limit = rng.choice([None, 0, 1, 5, 1000])
        expected = [
            key
            for key in ordered
            if key.startswith(prefix or "")
            and (start is None or key.encode() >= start.encode())
            and (end is None or key.encode() < end.encode())
        ][:limit]
        found = db.kv_scan(prefix, start=start, end=end, limit=limit, reverse=reverse)
        assert [key for key, _ in found] == expected, (prefix, start, end, limit)


# ---- batches ----


def test_batch_put(db):
    assert db.kv_batch_put({"b": 1, "a": 2, "c": 3}) == [1, 1, 1]
    assert db.kv_batch_put(entries={"a": 4, "d": 5}) == [2, 1]
    assert db.kv_scan() == [("a", 4), ("b", 1), ("c", 3), ("d", 5)]


def test_a_batch_is_one_commit(db):
    db.kv_batch_put({"a": 1, "b": 2})
    stamps = {db.kv_get_versioned(key)["timestamp"] for key in "ab"}
    assert stamps == {db.info()["commit_timestamp"]}
    db.kv_batch_delete(["a", "b"])
    assert db.kv_history("a")[0]["timestamp"] == db.kv_history("b")[0]["timestamp"]


def test_an_empty_batch_writes_nothing(db):
    db.kv_put("k", 1)
    before = db.info()["commit_timestamp"]
    assert db.kv_batch_put({}) == []
    assert db.kv_batch_get([]) == []
    assert db.kv_batch_delete([]) == []
    assert db.info()["commit_timestamp"] == before


def test_a_batch_is_all_or_nothing(db):
    fill(db, "a")
    before = db.info()["commit_timestamp"]
    with pytest.raises(TypeError, match=r"\$"):
        db.kv_batch_put({"b": 1, "c": object()})
    with refused(ValidationError, "invalid_key"):
        db.kv_batch_put({"b": 1, "": 1})
    with pytest.raises(TypeError):
        db.kv_batch_put({"b": 1, 5: 1})
    with refused(ValidationError, "invalid_key"):
        db.kv_batch_delete(["a", ""])
    assert db.kv_scan() == [("a", "A")]
    assert db.info()["commit_timestamp"] == before


def test_batch_get(db):
    fill(db, "a", "b")
    assert db.kv_batch_get(["b", "nothing", "a", "b"]) == ["B", None, "A", "B"]
    assert db.kv_batch_get(keys=("a",)) == ["A"]
    assert db.kv_batch_get(key for key in "ab") == ["A", "B"]


def test_batch_delete(db):
    fill(db, "a", "b", "c")
    assert db.kv_batch_delete(["a", "nothing", "c", "a"]) == [True, False, True, False]
    assert db.kv_list() == ["b"]
    assert db.kv_history("a")[0] == {**db.kv_history("a")[0], "version": 2, "deleted": True}


@pytest.mark.parametrize("keys", ["abc", b"abc", {"a": 1}, 5, None])
def test_keys_of_a_batch_are_a_list(db, keys):
    for call in (db.kv_batch_get, db.kv_batch_delete):
        with pytest.raises(TypeError):
            call(keys)


@pytest.mark.parametrize("entries", [[("a", 1)], "ab", None, 5])
def test_entries_of_a_batch_are_a_dict(db, entries):
    with pytest.raises(TypeError):
        db.kv_batch_put(entries)


def test_progress_of_a_batch(db):
    calls = []
    db.kv_batch_put({"a": 1, "b": 2}, progress=lambda done, total: calls.append((done, total)))
    assert calls[-1] == (2, 2)
    assert calls == sorted(calls)
    assert db.kv_batch_put({"a": 1}, progress=False) == db.kv_batch_put({"b": 1}, progress=None) == [2]


def test_an_exception_in_progress_ends_the_batch(db):
    def stop(done, total):
        raise KeyError("enough")

    with pytest.raises(KeyError, match="enough"):
        db.kv_batch_put({"a": 1, "b": 2}, progress=stop)
    assert db.kv_list() == []
    with pytest.raises(TypeError):
        db.kv_batch_put({"a": 1}, progress=3)
    assert db.kv_list() == []


def test_a_library_call_draws_nothing_by_itself(db, capfd):
    db.kv_batch_put({str(n): n for n in range(2000)}, progress=True)
    db.verify(progress=True)
    db.compact(progress=True)
    assert capfd.readouterr() == ("", "")


# ---- large ----


def test_thousands_of_keys(db, rng):
    entries = {f"key:{rng.randrange(10**9):09}": {"n": n, "text": "x" * (n % 200)} for n in range(3000)}
    db.kv_batch_put(entries)
    assert dict(db.kv_scan()) == entries
    assert db.kv_list() == sorted(entries)
    assert pages(db, limit=97) == sorted(entries)
    half = rng.sample(sorted(entries), 1500)
    assert db.kv_batch_delete(half) == [True] * 1500
    assert db.kv_list() == sorted(set(entries) - set(half))


@pytest.mark.parametrize("size", [0, 1, 900, 1100, 4096, 70_000, 3_000_000])
def test_values_of_all_sizes(db, size):
    value = {"text": "x" * size, "bytes": bytes(size), "end": 1}
    db.kv_put("k", value)
    db.kv_put("after", 1)
    assert db.kv_get("k") == value
    assert db.kv_scan() == [("after", 1), ("k", value)]
