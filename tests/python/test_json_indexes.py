"""Indexes of documents: their definitions, and that no answer depends on them."""

import datetime
import random
import time

import pytest
from bundling import now
from conftest import IS_MODEL, SEED
from stratadb import AccessDeniedError, ConstraintError, NotFoundError, StateError, Strata, ValidationError
from support import conflict, refused, scaled

BY_AGE = {"name": "by_age", "path": "$.age"}


def found(db, *args, **kwargs):
    return [row["key"] for row in db.json_find(*args, **kwargs)]


@pytest.fixture
def people(db):
    """A thousand documents, those of whole tens without an age."""
    db.json_batch_set([(f"p{n:03}", "$", {"age": n, "city": "abc"[n % 3]} if n % 10 else {}) for n in range(1000)])
    return db


# ---- definitions ----


def test_create_list_and_drop(db):
    assert db.json_list_indexes() == []
    assert db.json_create_index("by_age", "$.age") is None
    db.json_create_index("é", "$['first name'][0]")
    db.json_create_index("all", "$")
    assert db.json_list_indexes() == [
        {"name": "all", "path": "$"},
        BY_AGE,
        {"name": "é", "path": "$['first name'][0]"},
    ]
    assert db.json_drop_index("all") is True
    assert db.json_drop_index("all") is False
    assert db.json_drop_index("é")
    assert db.json_list_indexes() == [BY_AGE]
    db.json_create_index("all", "$.other")  # the name is free again
    assert db.json_list_indexes()[0]["path"] == "$.other"


@pytest.mark.parametrize("name", ["", "a\0b", "x" * 1025])
def test_names_are_as_keys(db, name):
    for call in (lambda: db.json_create_index(name, "$.a"), lambda: db.json_drop_index(name)):
        with refused(ValidationError, "invalid_key"):
            call()
    assert db.json_list_indexes() == []


def test_paths_lead_to_one_place(db):
    for path in ("$.*", "$..a", "$[1:2]", "$.a[?@.b]", "$['a','b']"):
        with refused(ValidationError, "path_not_singular"):
            db.json_create_index("i", path)
    for path in ("", "a", "$.", "$.a[", "@.a", " $.a"):
        with refused(ValidationError, "invalid_path"):
            db.json_create_index("i", path)
    assert db.json_list_indexes() == []
    long = "$." + "a" * 60_000
    db.json_create_index("long", long)
    assert db.json_list_indexes() == [{"name": "long", "path": long}]


def test_a_name_is_taken_once(db):
    db.json_create_index("by_age", "$.age")
    for path in ("$.age", "$.other"):
        with refused(ConstraintError, "index_exists"):
            db.json_create_index("by_age", path)
    db.json_create_index("by_age too", "$.age")
    db.space_use("s")
    db.json_create_index("by_age", "$.years")
    assert db.json_list_indexes() == [{"name": "by_age", "path": "$.years"}]
    db.space_use("default")
    assert [index["path"] for index in db.json_list_indexes()] == ["$.age", "$.age"]


def test_definitions_are_data_of_the_branch(people):
    before = now(people)
    people.json_create_index("by_age", "$.age")
    with_index = now(people)
    people.branch_fork("default", "work")
    people.branch_fork("default", "early", as_of=before)
    assert people.json_drop_index("by_age")
    with people.session() as other:
        other.branch_use("work")
        assert other.json_list_indexes() == [BY_AGE]
        assert found(other, "@.age == 7") == ["p007"]
        other.branch_use("early")
        assert other.json_list_indexes() == []
    assert people.json_list_indexes() == []
    assert people.json_list_indexes(as_of=before) == []
    assert people.json_list_indexes(as_of=with_index) == [BY_AGE]
    people.branch_revert("default", with_index)
    assert people.json_list_indexes() == [BY_AGE]
    people.branch_revert("default", before)
    assert people.json_list_indexes() == []


def test_definitions_take_part_in_transactions(people):
    with people.session() as other:
        people.begin()
        people.json_create_index("by_age", "$.age")
        assert people.json_list_indexes() == [BY_AGE]
        assert found(people, "@.age == 7") == ["p007"]
        assert other.json_list_indexes() == []
        people.rollback()
        assert people.json_list_indexes() == []
        people.begin()
        people.json_create_index("by_age", "$.age")
        other.json_create_index("by_age", "$.other")
        conflict(people)
        people.begin()
        assert people.json_list_indexes() == [{"name": "by_age", "path": "$.other"}]
        people.kv_put("seen", 1)
        assert other.json_drop_index("by_age")
        conflict(people)
        # A question has read documents, not indexes.
        people.begin()
        assert found(people, "@.age == 7") == ["p007"]
        people.kv_put("seen", 1)
        other.json_create_index("by_age", "$.age")
        people.commit()
    with people.transaction(read_only=True):
        for call in (
            lambda: people.json_create_index("new", "$.a"),
            lambda: people.json_drop_index("by_age"),
            lambda: people.json_drop_index("none"),
        ):
            with refused(AccessDeniedError, "read_only"):
                call()
        with refused(ConstraintError, "index_exists"):
            people.json_create_index("by_age", "$.a")


def test_definitions_show_in_no_count_diff_or_conflict(people):
    keys = people.info()["total_keys"]
    people.branch_fork("default", "work")
    with people.session() as work:
        work.branch_use("work")
        work.json_create_index("by_age", "$.theirs")
        work.json_create_index("by_city", "$.city")
        people.json_create_index("by_age", "$.age")
        assert people.branch_diff("default", "work")["entries"] == []
        merged = people.branch_merge("work", "default", "strict")
        assert (merged["keys_applied"], merged["conflicts"]) == (0, [])
        assert people.json_list_indexes() == [BY_AGE, {"name": "by_city", "path": "$.city"}]
        work.json_drop_index("by_city")
        people.branch_merge("work", "default")
        assert people.json_list_indexes() == [BY_AGE]
    assert people.branch_get("default")["key_count"] == keys
    assert people.branch_log("default", 1)[0]["changes"] == {}


def test_definitions_and_spaces(db):
    db.space_use("s")
    db.json_create_index("by_age", "$.age")
    assert db.space_list() == ["default", "s"]
    db.space_use("default")
    db.space_delete("s")  # an index is no entry
    db.space_use("s")
    assert db.json_list_indexes() == []
    db.json_create_index("by_age", "$.age")
    db.json_set("d", "$.age", 1)
    db.space_use("default")
    with refused(ConstraintError, "space_not_empty") as caught:
        db.space_delete("s")
    assert IS_MODEL or "holds 1 entries" in str(caught.value)
    db.space_delete("s", force=True)
    db.space_use("s")
    assert (db.json_list_indexes(), found(db, "@.age == 1")) == ([], [])
    db.json_set("d", "$.age", 2)
    db.json_create_index("by_age", "$.age")
    assert (found(db, "@.age == 1"), found(db, "@.age == 2")) == ([], ["d"])


def test_bundles_have_them(people, tmp_path):
    people.json_create_index("by_age", "$.age")
    people.json_create_index("gone", "$.gone")
    people.json_drop_index("gone")
    since = now(people)
    bundle = tmp_path / "bundle"
    people.branch_export("default", bundle)
    assert people.branch_validate_bundle(bundle)["checksums_valid"]
    people.branch_import(bundle, name="copy")
    people.branch_fork("default", "old")
    people.json_create_index("by_city", "$.city")
    people.json_drop_index("by_age")
    delta = tmp_path / "delta"
    people.branch_export("default", delta, since=since)
    with people.session() as other:
        other.branch_use("copy")
        assert other.json_list_indexes() == [BY_AGE]
        assert [index["name"] for index in other.json_list_indexes(as_of=since - 1)] == ["by_age", "gone"]
        assert found(other, "@.age == 7") == ["p007"]
        other.branch_import(delta, name="old")
        other.branch_use("old")
        assert other.json_list_indexes() == [{"name": "by_city", "path": "$.city"}]


@pytest.mark.engine
def test_they_survive_reopening(tmp_path):
    with Strata.open(tmp_path / "db") as db:
        db.json_batch_set([(f"p{n}", "$.age", n) for n in range(500)])
        db.json_create_index("by_age", "$.age")
        assert found(db, "@.age == 7") == ["p7"]
    for read_only in (True, False):
        with Strata.open(tmp_path / "db", read_only=read_only) as db:
            assert db.json_list_indexes() == [BY_AGE]
            assert found(db, "@.age == 7") == ["p7"]
            if read_only:
                with refused(AccessDeniedError, "read_only"):
                    db.json_create_index("new", "$.a")
    db = Strata.open(tmp_path / "db")
    db.close()
    for call in (
        lambda: db.json_create_index("i", "$.a"),
        lambda: db.json_list_indexes(),
        lambda: db.json_drop_index("i"),
    ):
        with refused(StateError, "closed"):
            call()


# ---- answers ----


def test_answers_are_by_key_whatever_the_order_of_the_index(people):
    people.json_create_index("by_age", "$.age")
    people.json_set("a", "$", {"age": 999.5})
    people.json_set("z", "$", {"age": -1})
    assert found(people, "@.age > 997 || @.age < 2") == ["a", "p001", "p998", "p999", "z"]
    assert found(people, "@.age > 997 || @.age < 2", 2) == ["a", "p001"]
    assert found(people, "@.age > 997 || @.age < 2", limit=0) == []
    assert found(people, "@.age > 100", 2) == ["a", "p101"]


def test_comparisons_are_those_of_the_standard(db):
    big = 2**53
    values = [0, -0.0, 1, 1.0, big, big + 1, float(big), float("nan"), float("inf"), True, False, None, "1", "", b"1",
              [1], {"a": 1}, "x" * 100, "x" * 100 + "y", "é", "a\0", "a\0b", "a"]  # fmt: skip
    db.json_batch_set([(f"k{n:02}", "$.v", value) for n, value in enumerate(values)])
    db.json_set("none", "$", {"w": 1})
    queries = ["@.v"]
    for literal in (
        "0",
        "1",
        str(big + 1),
        "1e400",
        "true",
        "null",
        "'1'",
        "''",
        "'x'",
        f"'{'x' * 100}'",
        "'é'",
        "'a'",
    ):
        for comparison in ("==", "!=", "<", "<=", ">", ">="):
            queries += [f"@.v {comparison} {literal}", f"{literal} {comparison} @.v"]
    before = {}
    for query in queries:
        try:
            before[query] = found(db, query)
        except ValidationError:
            continue
    assert len(before) > 100
    db.json_create_index("i", "$.v")
    for query, keys in before.items():
        assert found(db, query) == keys, query


def test_an_index_changes_no_error(people):
    people.json_create_index("by_age", "$.age")
    for query in ("@.age ==", "@.age == 7 &&", "@.* == 1", "@.age]"):
        with refused(ValidationError, "invalid_path"):
            people.json_find(query)
    with refused(ValidationError, "out_of_range"):
        people.json_find("@.age == 7", -1)
    people.branch_fork("default", "work")
    with people.session() as other:
        other.branch_use("work")
        assert found(other, "@.age == 7") == ["p007"]
        people.branch_delete("work")
        with refused(NotFoundError, "branch_not_found"):
            other.json_find("@.age == 7")


def test_a_question_by_an_index_reads_all_documents(people):
    people.json_create_index("by_age", "$.age")
    with people.session() as other:
        people.begin()
        assert found(people, "@.age == 7") == ["p007"]
        people.kv_put("seen", 1)
        other.json_set("p500", "$.other", 1)
        conflict(people)


def test_large_documents(db):
    """Their values lie in the log, those of replaced versions, too."""
    db.json_create_index("i", "$.n")
    for round_ in range(3):
        db.json_batch_set([(f"k{n:03}", "$", {"n": n + round_, "x": "x" * 5000}) for n in range(400)])
        assert found(db, "@.n == 7 || @.n == 401") == [f"k{7 - round_:03}"] + (["k399"] if round_ == 2 else [])
    if not IS_MODEL:
        db.compact(keep_history=datetime.timedelta(0))
    db.json_batch_set([(f"k{n:03}", "$.n", n) for n in range(400)])
    assert found(db, "@.n == 7") == ["k007"]


class Walk:
    """Random changes of documents and questions about them, everywhere that data can be."""

    PLACES = ("@.n", "@.s", "@.a.b", "@.l[0]", "@.l[-1]", "@.none", "@")
    LITERALS = ("1", "2", "17", "40", "2.5", "'a'", "'b'", "'long" + "g" * 90 + "'", "null", "true", "-1")
    PATHS = ("$.n", "$.s", "$.a.b", "$.l[0]", "$['l'][-1]", "$")

    def __init__(self, rng, db):
        self.rng, self.db, self.asked, self.hits = rng, db, 0, 0

    def scalar(self):
        rng = self.rng
        return rng.choice([rng.randrange(50), rng.randrange(50), rng.choice("abc"), 2.5, None, True, "long" + "g" * 90])

    def document(self):
        rng = self.rng
        made = {"n": rng.randrange(50), "s": self.scalar()}
        if rng.random() < 0.3:
            made["a"] = rng.choice([{"b": self.scalar()}, self.scalar()])
        if rng.random() < 0.3:
            made["l"] = [self.scalar() for _ in range(rng.randrange(3))]
        if rng.random() < 0.05:
            made["x"] = "x" * 3000
        return made if rng.random() < 0.95 else self.scalar()

    def condition(self, depth=0):
        rng = self.rng
        if depth < 2 and rng.random() < 0.5:
            parts = [self.condition(depth + 1) for _ in range(rng.choice([2, 2, 3]))]
            return "(" + rng.choice([" && ", " || "]).join(parts) + ")"
        if rng.random() < 0.15:
            return rng.choice(["", "!"]) + rng.choice(self.PLACES)
        sides = [rng.choice(self.PLACES), rng.choice(self.LITERALS)]
        rng.shuffle(sides)
        return rng.choice(["==", "==", "<", "<=", ">", ">=", "!="]).join(sides)

    def ask(self, handle, **then):
        condition, limit = self.condition(), self.rng.choice([None, None, 0, 1, 5])
        answer = handle.json_find(condition, limit, **then)
        assert answer == handle.json_find(f"!(!({condition}))", limit, **then), (condition, limit, then)
        self.asked += 1
        self.hits += bool(answer)

    def change(self, handle):
        rng = self.rng
        key = f"k{rng.randrange(120)}"
        kind = rng.random()
        if kind < 0.5:
            handle.json_set(key, "$", self.document())
        elif kind < 0.65:
            handle.json_delete(key, rng.choice(["$", "$.n", "$.a"]))
        elif kind < 0.8:
            handle.json_merge(key, {"n": rng.randrange(50)})
        elif kind < 0.9:
            handle.json_batch_set([(f"k{rng.randrange(400)}", "$", self.document()) for _ in range(200)])
        elif kind < 0.95:
            if handle.json_list_indexes() and rng.random() < 0.3:
                handle.json_drop_index(rng.choice(handle.json_list_indexes())["name"])
            else:
                name, path = f"i{rng.randrange(1000)}", rng.choice(self.PATHS)
                if name not in [index["name"] for index in handle.json_list_indexes()]:
                    handle.json_create_index(name, path)
        else:
            handle.space_use(rng.choice(["default", "default", "s"]))

    def branch(self, handle):
        rng = self.rng
        known = handle.branch_list()
        kind = rng.random()
        if kind < 0.3 and len(known) < 5:
            handle.branch_fork(rng.choice(known), f"b{rng.randrange(10**6)}")
        elif kind < 0.7:
            handle.branch_use(rng.choice(known))
        elif kind < 0.85:
            one, other = rng.choice(known), rng.choice(known)
            if one != other:
                handle.branch_merge(one, other, rng.choice(["source", "target"]))
        else:
            unused = [name for name in known if name not in ("default", handle.current_branch())]
            if unused:
                handle.branch_delete(rng.choice(unused))

    def steps(self, count):
        rng = self.rng
        handles = [self.db.session(), self.db.session()]
        moments = []
        for _ in range(count):
            handle = rng.choice(handles)
            if not handle.branch_exists(handle.current_branch()):
                if handle.in_transaction():
                    handle.rollback()
                handle.branch_use("default")
            kind = rng.random()
            if kind < 0.4:
                self.ask(handle)
            elif kind < 0.45 and moments:
                then = rng.choice(moments)
                if then >= handle.time_range()["oldest_ts"]:
                    self.ask(handle, as_of=then)
            elif kind < 0.85:
                self.change(handle)
            elif kind < 0.92:
                if not handle.in_transaction():
                    handle.begin()
                elif rng.random() < 0.3:
                    handle.rollback()
                else:
                    try:
                        handle.commit()
                    except RuntimeError as error:
                        assert error.code in ("transaction_conflict", "branch_not_found")
            elif not handle.in_transaction():
                self.branch(handle)
                moments.append(now(handle))
        for handle in handles:
            handle.close()


@pytest.mark.parametrize("place", ["memory", "disk"])
def test_answers_do_not_depend_on_indexes(tmp_path, place, count):
    if IS_MODEL and place == "disk":
        pytest.skip("the model has no files")
    seed = f"{SEED}:indexes:{place}"
    print("seed", seed)
    rng = random.Random(seed)
    asked = hits = 0
    kept = Strata.cache() if place == "memory" else None
    for _ in range(3):
        with kept.session() if kept else Strata.open(tmp_path / "db") as db:
            walk = Walk(rng, db)
            walk.steps(scaled(400))
            asked, hits = asked + walk.asked, hits + walk.hits
            if kept is None and rng.random() < 0.5:
                db.compact()
    if kept:
        kept.close()
    assert hits * 5 > asked
    count("questions with and without indexes", asked)


@pytest.mark.engine
def test_a_question_that_an_index_fits_is_quick(count):
    """Far from what is measured, so that it holds on any machine: a walk of so many takes tens of milliseconds."""
    with Strata.cache() as db:
        for start in range(0, 50_000, 10_000):
            db.json_batch_set([(f"p{n}", "$", {"age": n, "text": "t"}) for n in range(start, start + 10_000)])

        def quickest(query):
            times = []
            for _ in range(5):
                begin = time.perf_counter()
                assert found(db, query) == ["p777"]
                times.append(time.perf_counter() - begin)
            return min(times)

        walking = quickest("@.age == 777")
        db.json_create_index("by_age", "$.age")
        assert found(db, "@.age == 777") == ["p777"]
        by_index = quickest("@.age == 777")
        for n in range(50):
            db.json_set(f"p{n}", "$.text", "changed")
        after_changes = quickest("@.age == 777")
        assert by_index * 10 < walking
        assert after_changes * 5 < walking
        assert db.info()["memory_bytes"] > 0
