"""JSONPath to many places (RFC 9535) in json_get and json_delete."""

import itertools
import json
import math
import os
import pathlib
import random
import signal
import threading
import time

import json_random
import pytest
from conftest import IS_MODEL, SEED
from stratadb import ConstraintError, Strata, ValidationError
from support import conflict, refused, scaled

SUITE = pathlib.Path(
    os.environ.get("STRATA_CONFORMANCE") or pathlib.Path(__file__).parents[3] / "shared" / "conformance"
)
STORE = {
    "store": {
        "book": [
            {"category": "reference", "author": "Nigel Rees", "title": "Sayings of the Century", "price": 8.95},
            {"category": "fiction", "author": "Evelyn Waugh", "title": "Sword of Honour", "price": 12.99},
            {"category": "fiction", "author": "Herman Melville", "title": "Moby Dick", "isbn": "0-553", "price": 8.99},
            {"category": "fiction", "author": "J. R. R. Tolkien", "title": "The Lord", "isbn": "0-395", "price": 22.99},
        ],
        "bicycle": {"color": "red", "price": 399},
    }
}
BOOKS = STORE["store"]["book"]


def test_the_compliance_suite():
    """All of jsonpath-cts.json, found by STRATA_CONFORMANCE or in ../shared/conformance beside the project."""
    file = SUITE / "jsonpath-cts.json"
    if not file.is_file():
        print(f"no compliance suite at {file}: set STRATA_CONFORMANCE")
        pytest.skip("the compliance suite is not there")
    answered = refusals = 0
    wrong = []
    with Strata.cache() as db:
        for case in json.loads(file.read_text())["tests"]:
            if "document" in case:
                db.json_set("d", "$", case["document"])
            try:
                found = db.json_get("d", case["selector"])
            except ValidationError as error:
                refusals += 1
                if error.code != "invalid_path" or not case.get("invalid_selector"):
                    wrong.append((case["name"], case["selector"], str(error)))
                continue
            results = case["results"] if "results" in case else [case.get("result")]
            # A path to one place answers with the value itself.
            singular = len(results) == 1 and (found in (results[0] or [None]) and (len(results[0] or [None])) == 1)
            if case.get("invalid_selector") or not (found in results or singular):
                wrong.append((case["name"], case["selector"], found))
            places = case.get("results_paths", [case.get("result_paths", [])])
            if "document" in case and "$" not in places[0]:
                removed = db.json_delete("d", case["selector"])
                if removed not in {len(set(paths)) for paths in places}:
                    wrong.append((case["name"], case["selector"], "removed", removed))
            answered += 1
    print(f"counted: {answered} paths answered, {refusals} refused")
    assert not wrong
    assert answered > 400
    assert refusals > 200


@pytest.mark.parametrize(
    ("path", "found"),
    [  # RFC 9535, section 1.5
        ("$.store.book[*].author", [book["author"] for book in BOOKS]),
        ("$..author", [book["author"] for book in BOOKS]),
        ("$.store.*", [BOOKS, STORE["store"]["bicycle"]]),
        ("$.store..price", [8.95, 12.99, 8.99, 22.99, 399]),
        ("$..book[2]", [BOOKS[2]]),
        ("$..book[2].author", ["Herman Melville"]),
        ("$..book[2].publisher", []),
        ("$..book[-1]", [BOOKS[3]]),
        ("$..book[0,1]", BOOKS[:2]),
        ("$..book[:2]", BOOKS[:2]),
        ("$..book[?@.isbn]", BOOKS[2:]),
        ("$..book[?@.price<10]", [BOOKS[0], BOOKS[2]]),
        ("$..book[?@.price<10 && @.category=='fiction'].title", ["Moby Dick"]),
        ("$..book[?match(@.author, '.*[Rr]ees')].title", ["Sayings of the Century"]),
        ("$..book[?search(@.title, '^S')].price", [8.95, 12.99]),
        ("$..book[?length(@.title) > 15].price", [8.95]),
        ("$..[?count(@.*) == 2].color", ["red"]),
        ("$..[?@.color == 'red'].price", [399]),
        ("$.store.book[::-2].price", [22.99, 12.99]),
        ("$['store']['book'][?value(@..isbn) == '0-553'].price", [8.99]),
        ("$.none.*", []),
    ],
)
def test_the_store(db, path, found):
    db.json_set("d", "$", STORE)
    assert db.json_get("d", path) == found


def test_a_query_answers_a_list_and_a_path_a_value(db):
    db.json_set("d", "$", {"a": [1]})
    assert db.json_get("d", "$.a[0]") == 1
    assert db.json_get("d", "$.a[:1]") == [1]
    assert db.json_get("d", "$.a[0,0]") == [1, 1]
    assert db.json_get("d", "$.b") is None
    assert db.json_get("d", "$.b.*") == db.json_get("none", "$.*") == db.json_get("none", "$..*") == []


def test_values_come_back_as_they_are(db):
    values = [None, True, 1, 1.0, -0.0, "é", b"\x00", [], {}, {"a": [1]}, 2**63 - 1]
    db.json_set("d", "$", values)
    assert list(map(repr, db.json_get("d", "$[*]"))) == list(map(repr, values))
    db.json_set("d", "$", [math.nan, math.inf])
    assert list(map(repr, db.json_get("d", "$.*"))) == ["nan", "inf"]
    assert db.json_get("d", "$[?@ == @]") == [math.inf]


@pytest.mark.parametrize(
    ("path", "count", "left"),
    [
        ("$.*", 2, {}),
        ("$..*", 8, {}),
        ("$.l[*]", 3, {"l": [], "o": {"a": 1, "b": {"a": 2}}}),
        ("$.l[0,2,0]", 2, {"l": [2], "o": {"a": 1, "b": {"a": 2}}}),
        ("$.l[::-2]", 2, {"l": [2], "o": {"a": 1, "b": {"a": 2}}}),
        ("$..a", 2, {"l": [1, 2, 3], "o": {"b": {}}}),
        ("$.o['b','a']", 2, {"l": [1, 2, 3], "o": {}}),
        ("$.o..*", 3, {"l": [1, 2, 3], "o": {}}),
        ("$..[?@ > 1]", 3, {"l": [1], "o": {"a": 1, "b": {}}}),
        ("$.l[?@ > 5]", 0, {"l": [1, 2, 3], "o": {"a": 1, "b": {"a": 2}}}),
    ],
)
def test_delete(db, path, count, left):
    db.json_set("d", "$", {"l": [1, 2, 3], "o": {"a": 1, "b": {"a": 2}}})
    before = db.info()["commit_timestamp"]
    assert db.json_delete("none", path) == 0
    assert db.json_delete("d", path) == count
    assert db.json_get("d") == left
    assert (db.info()["commit_timestamp"] == before) == (count == 0)
    assert db.json_get_versioned("d")["version"] == (2 if count else 1)
    assert db.json_history("d")[-1]["value"] == {"l": [1, 2, 3], "o": {"a": 1, "b": {"a": 2}}}


def test_time_and_transactions(db):
    db.json_set("d", "$", {"n": [1, 2, 3]})
    then = db.info()["commit_timestamp"]
    assert db.json_delete("d", "$.n[?@ > 1]") == 2
    assert db.json_get("d", "$.n[*]") == [1]
    assert db.json_get("d", "$.n[*]", as_of=then) == [1, 2, 3]
    assert db.json_get("d", "$.n[*]", as_of=then - 1) == []
    with db.session() as other:
        db.begin()
        assert db.json_set("d", "$.n[1]", 9) == 3
        assert db.json_get("d", "$.n[*]") == [1, 9]
        assert other.json_get("d", "$.n[*]") == [1]
        assert db.json_delete("d", "$.n[?@ == 9]") == 1
        db.rollback()
        assert db.json_get("d", "$.n[*]") == [1]
        db.begin()
        assert db.json_get("d", "$..none") == []
        db.kv_put("seen", 1)
        other.json_set("d", "$.none", 1)
        conflict(db)
        db.begin()
        assert db.json_delete("d", "$.n[*]") == 1
        other.json_set("d", "$.other", 1)
        conflict(db)
    assert db.json_get("d") == {"n": [1], "none": 1, "other": 1}


def test_deleting_conflicts_with_nothing_outside_of_a_transaction(db):
    """Also where the query takes so long that it is worked out aside."""
    db.json_set("d", "$", {"n": list(range(60_000)), "m": []})
    with db.session() as other:
        thread = threading.Thread(target=lambda: [other.json_set("d", f"$.m[{n}]", n) for n in range(20)])
        thread.start()
        for n in range(5):
            assert db.json_delete("d", f"$..[?@ == {30_000 + n} && $.n[0] == 0]") in (1, 2)
        thread.join()
    assert db.json_get("d", "$.m") == list(range(20))
    assert db.json_get("d", "$.n[30000]") == 30_005


# ---- json_find ----


def found(db, *args, **kwargs):
    return [row["key"] for row in db.json_find(*args, **kwargs)]


def test_find(db):
    people = {
        "ann": {"age": 3, "city": "Rome"},
        "ben": {"age": 5},
        "eve": {"age": 7.5, "tags": ["x"]},
        "odd": [1],
        "é": 4,
    }
    assert db.json_find("@") == []
    for key, value in people.items():
        db.json_set(key, "$", value)
    assert db.json_find("@.age > 3") == [{"key": key, "value": people[key]} for key in ("ben", "eve")]
    assert db.json_find("$[?@.age > 3]") == db.json_find(" \n@.age > 3\t") == db.json_find("@.age > 3")
    assert found(db, "@") == found(db, "@ == @") == ["ann", "ben", "eve", "odd", "é"]
    assert found(db, "@.age > 3", 1) == found(db, "@.age > 3", limit=1) == ["ben"]
    assert found(db, "@.age > 3", limit=0) == []
    assert found(db, "@ == 4") == ["é"]
    assert found(db, "@[0] == 1") == ["odd"]
    assert found(db, "!@.age && !@[0]") == ["é"]
    assert found(db, "@.tags[?@ == 'x'] || match(@.city, 'R.*')") == ["ann", "eve"]
    assert found(db, "$[0].age == @.age && @.age < 4") == ["ann"]
    assert found(db, "count($[*]) == 1 && @.age == 5") == ["ben"]
    assert found(db, "$[0]") == ["ann", "ben", "eve", "odd", "é"]
    assert found(db, "$[1]") == []
    db.json_delete("ben", "$")
    db.json_set("eve", "$.age", 1)
    assert found(db, "@.age > 3") == []


def test_find_in_spaces_time_and_transactions(db):
    db.json_set("a", "$.n", 1)
    then = db.info()["commit_timestamp"]
    db.json_set("a", "$.n", 2)
    db.json_set("b", "$.n", 1)
    assert found(db, "@.n == 1") == ["b"]
    assert db.json_find("@.n == 1", as_of=then) == [{"key": "a", "value": {"n": 1}}]
    assert found(db, "@.n == 1", as_of=then - 1) == []
    db.space_use("other")
    assert found(db, "@.n") == []
    db.space_use("default")
    with db.session() as other:
        db.begin()
        db.json_set("c", "$.n", 1)
        db.json_delete("b", "$")
        assert found(db, "@.n == 1") == ["c"]
        assert found(other, "@.n == 1") == ["b"]
        other.json_set("z", "$", 1)
        conflict(db)
        db.begin()
        assert found(db, "@.n == 1", 0) == []
        db.kv_put("seen", 1)
        other.json_delete("z", "$")
        conflict(db)
        db.begin()
        assert found(db, "@.n == 1", as_of=then) == ["a"]
        db.kv_put("seen", 1)
        other.json_set("z", "$", 1)
        db.commit()


def test_find_among_many(db):
    db.json_batch_set([(f"k{n:04}", "$", {"n": n, "large": "x" * (5000 if n % 100 == 0 else 5)}) for n in range(2000)])
    assert found(db, "@.n >= 1990") == [f"k{n:04}" for n in range(1990, 2000)]
    assert found(db, "length(@.large) > 100", 3) == ["k0000", "k0100", "k0200"]
    assert len(db.json_find("@.n < 1000")) == 1000
    with db.transaction():
        db.json_set("k1995", "$.n", 0)
        assert found(db, "@.n >= 1990") == [f"k{n:04}" for n in range(1990, 2000) if n != 1995]


@pytest.mark.parametrize("query", ["", " ", "@.", "@.a >", "4", "$.a]", "$..[?@.a]", "$[?@.a].b", "@.a]", "[?@.a]",
                                   "@.a == ", "@.* == 1", "length(@)", "x" * 70_000, "$[?@.a"])  # fmt: skip
def test_conditions_that_are_refused(db, query):
    db.json_set("a", "$", {"a": 1})
    with refused(ValidationError, "invalid_path"):
        db.json_find(query)
    with refused(ValidationError, "out_of_range"):
        db.json_find("@.a", -1)


@pytest.mark.engine
def test_find_ends_when_a_document_is_too_costly():
    with Strata.cache() as db:
        db.json_set("a", "$", deep(120))
        with refused(ConstraintError, "query_too_costly"):
            db.json_find("count($..*..*..*..*..*..*) == 1")


# ---- what is refused ----


@pytest.mark.parametrize("path", ["$.*x", "$[*", "$..", "$[1:x]", "$[?]", "$[?@.a==]", "$[?@.*==1]", "$[?length(@.a)]",
                                  "$[?nope(@)]", "$[?@.a=='b]", "$[?true]", "$[?(@.a]", "$.a[?@ > 1e999]", "$[?!1]",
                                  "$[?" + "(" * 100 + "@" + ")" * 100 + "]", "$" + ".*" * 40_000])  # fmt: skip
def test_malformed_queries(db, path):
    db.json_set("d", "$", {"a": [1]})
    for call in (
        lambda: db.json_get("d", path),
        lambda: db.json_get("none", path),
        lambda: db.json_delete("d", path),
        lambda: db.json_set("d", path, 1),
    ):
        with refused(ValidationError, "invalid_path"):
            call()
    assert db.json_get_versioned("d")["version"] == 1


def deep(depth):
    value = 0
    for n in range(depth):
        value = [n, value]
    return value


@pytest.mark.engine
def test_hostile_queries_end():
    with Strata.cache() as db:
        db.json_set("d", "$", deep(120))
        for path in ("$..[?count($..*..*..*)>1]", "$[?search('a','((a{99}){99}){99}')]"):
            with refused(ConstraintError, "query_too_costly"):
                db.json_get("d", path)
        with refused(ConstraintError, "query_too_costly"):
            db.json_delete("d", "$..*..*..*..*..*..*")
        assert db.json_get("d") == deep(120)
        db.json_set("e", "$", ["a" * 100_000])
        assert db.json_get("e", "$[?match(@, '(a*)*b')]") == []
        assert db.json_get("e", "$[?search(@, '(a|a)+$')]") == ["a" * 100_000]


@pytest.mark.engine
def test_more_than_256_mib_is_not_returned(db):
    db.json_set("d", "$", ["x" * (1 << 20), 1])
    with refused(ConstraintError, "query_too_costly"):
        db.json_get("d", "$[" + ",".join(["0"] * 300) + "]")
    assert len(db.json_get("d", "$[0,0,0]")) == 3


@pytest.mark.engine
def test_ctrl_c_ends_a_query():
    if threading.current_thread() is not threading.main_thread():
        pytest.skip("signals come to the main thread")
    with Strata.cache() as db:
        db.json_set("d", "$", deep(120))
        for call in (db.json_get, db.json_delete):
            timer = threading.Timer(0.1, signal.raise_signal, [signal.SIGINT])
            begin = time.perf_counter()
            timer.start()
            try:
                with pytest.raises(KeyboardInterrupt):
                    call("d", "$..[?@..[?@..[?@..[?@=='x']]]]")
            except ConstraintError:
                pytest.skip("this machine is faster than the timer")
            finally:
                timer.join()
            assert time.perf_counter() - begin < 30
        assert db.json_get("d", "$[0]") == 119


# ---- beside the model ----


def literal(rng):
    return rng.choice(
        ["1", "0", "-9", "1.0", "0.5", "55", "300", "9223372036854775807", "'text'", '""', "true", "false", "null"]
    )


def operand(rng, depth):
    kind = rng.random()
    if kind < 0.35:
        return literal(rng)
    here = rng.choice("@@@$") + "".join(singular(rng) for _ in range(rng.randrange(3)))
    if kind < 0.75:
        return here
    if kind < 0.85:
        return f"length({here})"
    return rng.choice(["count", "value"]) + f"({rng.choice('@@$')}[*]{segments(rng, depth + 1)})"


def singular(rng):
    if rng.random() < 0.3:
        return f"[{rng.choice([0, 1, -1, 2, 16, -17])}]"
    return json_random.written(rng, rng.choice(json_random.NAMES))


def condition(rng, depth):
    kind = rng.random()
    if kind < 0.2 and depth < 3:
        return f" {rng.choice(['&&', '||'])} ".join(condition(rng, depth + 1) for _ in range(2))
    if kind < 0.3 and depth < 3:
        return f"{rng.choice(['!', ''])}({condition(rng, depth + 1)})"
    if kind < 0.5:
        return rng.choice(["", "!"]) + "@" + singular(rng) + segments(rng, depth + 1)
    if kind < 0.6:
        pattern = rng.choice(["te.t", ".*", "[a-z]+", "x{2,}", "\\\\p{L}*", "(t|e|x)+", "", "^t", "t$", "["])
        return f"{rng.choice(['match', 'search'])}({operand(rng, depth)}, '{pattern}')"
    sign = rng.choice(["==", "!=", "<", "<=", ">", ">="])
    return f"{operand(rng, depth)} {sign} {operand(rng, depth)}"


def selector(rng, depth, alone=True):
    """Filters alone: the model misreads some of them in a list."""
    kind = rng.random() * (1 if alone else 0.75)
    if kind < 0.25:
        return json.dumps(rng.choice(json_random.NAMES))
    if kind < 0.4:
        return str(rng.choice([0, 1, -1, 2, 15, 16, -17]))
    if kind < 0.55:
        return "*"
    if kind < 0.75 or depth > 2:
        part = [rng.choice(["", "0", "1", "-1", "-3", "16", "40"]) for _ in range(3)]
        return ":".join([*part[:2], part[2] or "1"] if rng.random() < 0.5 else part[:2])
    return "?" + condition(rng, depth)


def segments(rng, depth=0):
    text = ""
    for _ in range(rng.choice([1, 1, 2, 2, 3]) if depth == 0 else rng.choice([0, 1, 1, 2])):
        if rng.random() < (0.2 if depth == 0 else 0.1):
            text += ".."
            text += rng.choice(["*", "a", "name", f"[{selector(rng, depth)}]"])
        elif rng.random() < 0.4:
            text += singular(rng)
        else:
            many = rng.choice([1, 1, 1, 2])
            text += "[" + ", ".join(selector(rng, depth, many == 1) for _ in range(many)) + "]"
    return text


@pytest.mark.parametrize("round_", range(3))
def test_random_queries_beside_the_model(strata_model, count, round_):
    if IS_MODEL:
        pytest.skip("it would be compared with itself")
    seed = f"{SEED}:queries:{round_}"
    print("seed", seed)
    rng = random.Random(seed)
    model = strata_model.Strata.cache()
    found = 0
    with Strata.cache() as db:
        for _ in range(scaled(60)):
            document = json_random.document(rng, 1)
            for each in (db, model):
                each.json_set("d", "$", document)
            for _ in range(8):
                path = "$" + segments(rng)
                answers = [repr(each.json_get("d", path)) for each in (db, model)]
                assert answers[0] == answers[1], (path, document)
                found += answers[0] != "[]"
            path = "$" + segments(rng)
            assert db.json_delete("d", path) == model.json_delete("d", path), (path, document)
            assert repr(db.json_get("d")) == repr(model.json_get("d")), (path, document)
            count("queries beside the model", 9)
    assert found > scaled(60)


def test_every_short_path_beside_the_model(strata_model):
    """All texts of a few characters that begin with $: both refuse the same, and answer the same."""
    model = strata_model.Strata.cache()
    with Strata.cache() as db:
        for each in (db, model):
            each.json_set("d", "$", {"a": [1, {"a": 2}], "b": "a"})
        for length in range(5):
            for letters in itertools.product(".[]*a0:?@", repeat=length):
                path = "$" + "".join(letters)
                answers = []
                for each in (db, model):
                    try:
                        answers.append(repr(each.json_get("d", path)))
                    except ValueError as error:
                        answers.append(error.code)
                assert answers[0] == answers[1], path
