"""Every json_* call: what it returns, and what it leaves alone."""

import json

import pytest
from conftest import IS_MODEL
from stratadb import ConflictError, NotFoundError, Strata, ValidationError
from support import in_thread, refused

USER = {"name": "Ann", "tags": ["new", "vip"], "address": {"city": "Rome", "zip": None}}


@pytest.fixture
def user(db):
    db.json_set("user", "$", USER)
    return db


def unchanged(db, key="user", value=USER, version=1):
    row = db.json_get_versioned(key)
    return (row["value"], row["version"]) == (value, version)


# ---- set and get ----


def test_the_reference_example(db):
    db.json_set("config", "$", {"debug": True, "timeout": 30})
    db.json_set("config", "$.timeout", 60)
    assert db.json_get("config", "$.timeout") == 60
    assert db.json_get("config") == {"debug": True, "timeout": 60}


def test_set_returns_the_version_of_the_document(db):
    assert [db.json_set("d", "$.a", 1), db.json_set("d", "$.b", 2), db.json_set("e", "$", 3)] == [1, 2, 1]
    assert db.json_set("d", "$.b", 2) == 3  # the same value is a version, too


@pytest.mark.parametrize("value", [None, True, 0, 1.5, "text", b"\x00", [], {}, [1, [2]], {"a": {"b": None}}])
def test_any_value_is_a_document(db, value):
    db.json_set("d", "$", value)
    assert db.json_get("d") == value
    assert type(db.json_get("d")) is type(value)
    assert db.json_get_versioned("d")["value"] == value
    assert db.json_list() == ["d"]


def test_paths(user):
    assert user.json_get("user", "$") == USER
    assert user.json_get("user", "$.address.city") == "Rome"
    assert user.json_get("user", "$['address'][\"city\"]") == "Rome"
    assert user.json_get("user", "$ . address\n['\\u0063ity']".replace(" . ", " .")) == "Rome"
    assert user.json_get("user", "$.tags[1]") == user.json_get("user", "$.tags[-1]") == "vip"
    for nothing in ("$.tags[2]", "$.tags[-3]", "$.tags.name", "$.name[0]", "$[0]", "$.missing", "$.name.x.y[7]"):
        assert user.json_get("user", nothing) is None
    assert user.json_get("missing") is user.json_get("missing", "$.a") is None


def test_names_that_need_quotes(db):
    names = ["", " ", "a b", "it's", '"', "\\", "/", "\n", "\x7f", "é", "漢", "😀", "$", "*", "0", "\x00", "x" * 300]
    db.json_set("d", "$", {})
    for number, name in enumerate(names):
        for quoted in (json.dumps(name), json.dumps(name, ensure_ascii=False)):
            db.json_set("d", f"$[{quoted}]", number)
            assert db.json_get("d", f"$[{quoted}]") == number
    assert db.json_get("d") == {name: number for number, name in enumerate(names)}


def test_missing_objects_are_made_on_the_way(db):
    db.json_set("d", "$.a.b.c", 1)
    db.json_set("d", "$.a.x['y z']", 2)
    assert db.json_get("d") == {"a": {"b": {"c": 1}, "x": {"y z": 2}}}


def test_an_index_at_the_length_appends(db):
    db.json_set("d", "$.list", [])
    for number in range(40):
        db.json_set("d", f"$.list[{number}]", number)
    db.json_set("d", "$.list[40].deep.er", 40)
    assert db.json_get("d", "$.list") == [*range(40), {"deep": {"er": 40}}]


@pytest.mark.parametrize(
    "path", ["$[0]", "$.name.x", "$.name[0]", "$.tags.x", "$.tags[3]", "$.tags[-3]", "$.none[0]", "$.address.zip.x",
             "$.new[0]", "$.new.x[0]", "$.tags[2][0]", "$.address[0]"]
)  # fmt: skip
def test_what_does_not_fit_changes_nothing(user, path):
    for change in (
        lambda: user.json_set("user", path, 1),
        lambda: user.json_merge("user", {"a": 1}, path),
        lambda: user.json_batch_set([("other", "$", 1), ("user", "$.name", "Ben"), ("user", path, 1)]),
    ):
        before = user.info()["commit_timestamp"]
        with refused(ValidationError, "path_conflict"):
            change()
        assert unchanged(user)
        assert user.json_list() == ["user"]
        assert user.info()["commit_timestamp"] == before


def test_set_into_a_missing_document(db):
    with refused(ValidationError, "path_conflict"):
        db.json_set("d", "$[0]", 1)
    assert db.json_list() == []
    assert db.json_set("d", "$.a", 1) == 1


def test_members_keep_their_order(db):
    db.json_set("d", "$", {"z": 1, "a": 2, "m": 3})
    db.json_set("d", "$.a", {"long": "x" * 300})
    db.json_set("d", "$.new", 1)
    db.json_delete("d", "$.z")
    assert list(db.json_get("d")) == ["a", "m", "new"]


@pytest.mark.parametrize("count", [15, 16, 17, 255, 256, 1000, 70_000])
def test_large_containers(db, count):
    """Around the sizes where the stored form changes: members added, replaced by larger ones, removed."""
    items, members = list(range(count)), {f"k{n}": n for n in range(count)}
    db.json_set("d", "$", {"items": items, "members": members})
    for where in {0, count // 2, count - 1}:
        for value in ("x" * 200, "x" * 300, {"a": ["x" * 70_000]}, None):
            db.json_set("d", f"$.items[{where}]", value)
            db.json_set("d", f"$.members.k{where}", value)
            items[where] = members[f"k{where}"] = value
        assert db.json_get("d", f"$.members.k{where}") is None
    db.json_set("d", f"$.items[{count}]", "end")
    db.json_set("d", "$.members.end", "end")
    items.append("end")
    members["end"] = "end"
    assert db.json_get("d") == {"items": items, "members": members}
    for where in (count, count // 2, 0):
        assert db.json_delete("d", f"$.items[{where}]") == 1
        assert db.json_delete("d", f"$.members.k{where % count}") == (where != 0)
        del items[where]
        members.pop(f"k{where % count}", None)
    assert db.json_get("d") == {"items": items, "members": members}
    for where in range(0, count - 2, max(1, count // 7)):
        assert db.json_get("d", f"$.items[{where}]") == items[where]
        assert db.json_get("d", f"$.members.k{where}") == members.get(f"k{where}")


# ---- paths that are refused ----


@pytest.mark.parametrize("path", ["", "a", "a.b", "$.", "$x", " $", "$ ", "$.a ", "$[", "$[]", "$['a'", "$['a]", "$[a]",
                                  "$['\\x']", "$['\\ud800']", "$['\\udc00\\ud800']", '$["\\\'"]', "$['\\\"']",
                                  "$['\n']", "$[01]", "$[-0]", "$[1.0]", "$[+1]", "$[9007199254740992]",
                                  f"$[{10**400}]", "$.1", "$.a-b", "$.[0]", "$...a", "$..", "$[1:x]", "$[1,]", "$[,1]",
                                  "$['a' 'b']", "$" + ".a" * 40_000])  # fmt: skip
def test_malformed_paths(user, path):
    for call in (
        lambda: user.json_get("user", path),
        lambda: user.json_set("user", path, 1),
        lambda: user.json_delete("user", path),
        lambda: user.json_merge("user", {}, path),
        lambda: user.json_batch_set([("user", path, 1)]),
    ):
        with refused(ValidationError, "invalid_path"):
            call()
    assert unchanged(user)


@pytest.mark.engine
def test_a_malformed_path_names_the_offset(user):
    with refused(ValidationError, "invalid_path") as caught:
        user.json_get("user", "$.tags[x]")
    assert "offset 7" in str(caught.value)


@pytest.mark.parametrize("path", ["$.*", "$[*]", "$..name", "$..*", "$[0,1]", "$['a','b']", "$[0:2]", "$[::-1]", "$[:]",
                                  "$[?@.a]", "$.tags[?@ == 'vip']"])  # fmt: skip
def test_paths_to_many_places(user, path):
    for call in (
        lambda: user.json_set("user", path, 1),
        lambda: user.json_merge("user", {}, path),
        lambda: user.json_batch_set([("user", path, 1)]),
    ):
        with refused(ValidationError, "path_not_singular"):
            call()
    assert unchanged(user)


# ---- limits ----


def nested(depth):
    value = 0
    for _ in range(depth):
        value = {"a": value}
    return value


def test_the_limit_of_nesting_holds_for_the_whole_document(db):
    db.json_set("d", "$", nested(128))
    with refused(ValidationError, "nesting_too_deep"):
        db.json_set("d", "$" + ".a" * 128, {})
    assert db.json_set("d", "$" + ".a" * 128, 1) == 2
    with refused(ValidationError, "nesting_too_deep"):
        db.json_set("d", "$.a", nested(128))
    assert db.json_set("d", "$.a", nested(127)) == 3
    with refused(ValidationError, "nesting_too_deep"):
        db.json_set("e", "$" + ".a" * 129, 1)
    with refused(ValidationError, "nesting_too_deep"):
        db.json_set("e", "$" + ".a" * 100, [nested(28)])
    assert db.json_set("e", "$" + ".a" * 100, nested(28)) == 1
    with refused(ValidationError, "nesting_too_deep"):
        db.json_merge("e", nested(29), "$" + ".a" * 100)
    with refused(ValidationError, "nesting_too_deep"):
        db.json_patch("d", [{"op": "copy", "from": "", "path": "/b"}])
    with refused(ValidationError, "nesting_too_deep"):
        db.json_set("d", "$", nested(129))
    assert db.json_get("d") == nested(128)
    assert db.json_get("d", "$" + ".a" * 500) is None
    assert db.json_delete("d", "$" + ".a" * 500) == 0


@pytest.mark.engine
def test_the_limit_of_size_holds_for_the_whole_document(db):
    db.json_set("d", "$.a", b"x" * (40 << 20))
    with refused(ValidationError, "value_too_large"):
        db.json_set("d", "$.b", b"x" * (30 << 20))
    with refused(ValidationError, "value_too_large"):
        db.json_patch("d", [{"op": "copy", "from": "/a", "path": "/b"}])
    with refused(ValidationError, "value_too_large"):
        db.json_merge("d", {"b": b"x" * (30 << 20)})
    with refused(ValidationError, "value_too_large"):
        db.json_batch_set([("d", "$.b", b"x" * (20 << 20)), ("d", "$.c", b"x" * (20 << 20))])
    assert db.json_get_versioned("d")["version"] == 1
    assert db.json_merge("d", {"b": b"x" * (20 << 20)}) == 2
    assert len(db.json_get("d", "$.b")) == 20 << 20


@pytest.mark.parametrize("value", [2**63, {1}, ["\ud800"], {"a": {2: 1}}, object()])
def test_values_that_are_refused(user, value):
    for call in (
        lambda: user.json_set("user", "$.name", value),
        lambda: user.json_merge("user", {"name": value}),
        lambda: user.json_batch_set([("user", "$.name", 1), ("user", "$.name", value)]),
        lambda: user.json_patch("user", [{"op": "add", "path": "/x", "value": value}]),
    ):
        with pytest.raises((TypeError, ValidationError)):
            call()
    assert unchanged(user)


@pytest.mark.parametrize("key", ["", "x" * 1025, "a\0b", "\ud800"])
def test_keys_that_are_refused(db, key):
    for call in (
        lambda: db.json_set(key, "$", 1),
        lambda: db.json_get(key),
        lambda: db.json_get_versioned(key),
        lambda: db.json_delete(key, "$"),
        lambda: db.json_history(key),
        lambda: db.json_merge(key, {}),
        lambda: db.json_patch(key, []),
        lambda: db.json_batch_set([("good", "$", 1), (key, "$", 1)]),
    ):
        with refused(ValidationError, "invalid_unicode" if key == "\ud800" else "invalid_key"):
            call()
    assert db.json_list() == []


def test_documents_and_keys_do_not_meet(db):
    db.kv_put("k", 1)
    assert db.json_get("k") is None
    db.json_set("k", "$", 2)
    assert db.kv_get("k") == 1
    db.kv_delete("k")
    assert db.json_get("k") == 2
    assert db.kv_list() == []


# ---- delete ----


def test_delete_counts_what_it_removes(user):
    assert user.json_delete("user", "$.tags[0]") == 1
    assert user.json_delete("user", "$.address.zip") == 1
    assert user.json_get("user") == {"name": "Ann", "tags": ["vip"], "address": {"city": "Rome"}}
    before = user.info()["commit_timestamp"]
    for nothing in ("$.tags[1]", "$.tags.x", "$.missing", "$.name[0]", "$[0]"):
        assert user.json_delete("user", nothing) == 0
    assert user.json_delete("missing", "$.a") == user.json_delete("missing", "$") == 0
    assert user.info()["commit_timestamp"] == before
    assert user.json_get_versioned("user")["version"] == 3
    with pytest.raises(TypeError):
        user.json_delete("user")


def test_delete_of_the_root_removes_the_document(user):
    assert user.json_delete("user", "$") == 1
    assert user.json_get("user") is None
    assert user.json_get_versioned("user") is None
    assert user.json_list() == []
    assert user.json_delete("user", "$") == 0
    assert user.json_set("user", "$.back", 1) == 3
    assert [(row["version"], row["value"], row["deleted"]) for row in user.json_history("user")] == [
        (3, {"back": 1}, False),
        (2, None, True),
        (1, USER, False),
    ]


# ---- list, history, as_of ----


def test_list(db):
    db.json_batch_set([(key, "$", key) for key in ("b", "a:2", "a:10", "é", "a")])
    assert db.json_list() == ["a", "a:10", "a:2", "b", "é"]
    assert db.json_list("a:") == ["a:10", "a:2"]
    assert db.json_list("a", 2) == db.json_list(prefix="a", limit=2) == ["a", "a:10"]
    assert db.json_list("") == db.json_list(None, None) == db.json_list()
    assert db.json_list(limit=0) == db.json_list("q") == []
    with refused(ValidationError, "out_of_range"):
        db.json_list(limit=-1)


def test_history_and_as_of(db):
    stamps = []
    for change in (
        lambda: db.json_set("d", "$.a", 1),
        lambda: db.json_set("d", "$.b", 2),
        lambda: db.json_delete("d", "$.a"),
        lambda: db.json_delete("d", "$"),
        lambda: db.json_set("d", "$", [1]),
    ):
        change()
        stamps.append(db.info()["commit_timestamp"])
    states = [{"a": 1}, {"a": 1, "b": 2}, {"b": 2}, None, [1]]
    assert [db.json_get("d", as_of=stamp) for stamp in stamps] == states
    assert db.json_get("d", as_of=stamps[0] - 1) is None
    assert db.json_get("d", "$.b", as_of=stamps[1]) == 2
    assert db.json_list(as_of=stamps[3]) == []
    assert db.json_get_versioned("d", as_of=stamps[2]) == {"value": {"b": 2}, "version": 3, "timestamp": stamps[2]}
    rows = db.json_history("d")
    assert [row["value"] for row in rows] == states[::-1]
    assert [row["timestamp"] for row in rows] == stamps[::-1]
    assert [row["version"] for row in db.json_history("d", as_of=stamps[1])] == [2, 1]
    assert db.json_history("never") is None


def test_a_document_of_many_versions(db):
    for n in range(300):
        db.json_set("d", "$.n", n)
    stamps = {row["version"]: row["timestamp"] for row in db.json_history("d")}
    for version in (1, 2, 63, 64, 65, 299, 300):
        assert db.json_get("d", "$.n", as_of=stamps[version]) == version - 1


# ---- merge ----


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [  # RFC 7396, appendix A
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge(db, target, patch, result):
    db.json_batch_set([("d", "$", target), ("e", "$.x", target)])
    assert db.json_merge("d", patch) == 2
    assert db.json_get("d") == result
    assert db.json_merge("e", patch, "$.x") == db.json_merge("f", patch, path="$.x.y") + 1 == 2
    assert db.json_get("e") == {"x": result}


def test_merge_makes_what_is_missing(db):
    assert db.json_merge("d", {"a": {"b": None, "c": [None]}}, "$.x.y") == 1
    assert db.json_get("d") == {"x": {"y": {"a": {"c": [None]}}}}


def test_merge_keeps_the_order_of_members(db):
    db.json_set("d", "$", {"z": 1, "y": {"q": 1}, "a": 2})
    db.json_merge("d", {"new": 1, "a": 3, "y": {"p": 1}, "b": 0})
    assert json.dumps(db.json_get("d")) == json.dumps({"z": 1, "y": {"q": 1, "p": 1}, "a": 3, "new": 1, "b": 0})


def test_merge_of_many_members(db):
    db.json_set("d", "$", {f"k{n}": n for n in range(5000)})
    db.json_merge("d", {f"k{n}": None if n % 2 else -n for n in range(4000, 9000)})
    expected = {f"k{n}": n for n in range(4000)} | {f"k{n}": -n for n in range(4000, 9000, 2)}
    assert db.json_get("d") == expected


# ---- patch ----


def apply(db, document, *operations):
    db.json_set("d", "$", document)
    version = db.json_get_versioned("d")["version"]
    assert db.json_patch("d", list(operations)) == version + 1
    return db.json_get("d")


def op(kind, path, *value, **more):
    return {"op": kind, "path": path, **({"value": value[0]} if value else {}), **more}


def test_patch_examples_of_the_rfc(db):
    """RFC 6902, appendix A."""
    assert apply(db, {"foo": "bar"}, op("add", "/baz", "qux")) == {"foo": "bar", "baz": "qux"}
    assert apply(db, {"foo": ["bar", "baz"]}, op("add", "/foo/1", "qux")) == {"foo": ["bar", "qux", "baz"]}
    assert apply(db, {"baz": "qux", "foo": "bar"}, op("remove", "/baz")) == {"foo": "bar"}
    assert apply(db, {"foo": ["bar", "qux", "baz"]}, op("remove", "/foo/1")) == {"foo": ["bar", "baz"]}
    assert apply(db, {"baz": "qux"}, op("replace", "/baz", "boo")) == {"baz": "boo"}
    moved = {"foo": {"bar": "baz", "waldo": "fred"}, "qux": {"corge": "grault"}}
    assert apply(db, moved, {"op": "move", "from": "/foo/waldo", "path": "/qux/thud"}) == {
        "foo": {"bar": "baz"},
        "qux": {"corge": "grault", "thud": "fred"},
    }
    eaten = {"foo": ["all", "grass", "cows", "eat"]}
    moved = apply(db, eaten, {"op": "move", "from": "/foo/1", "path": "/foo/3"})
    assert moved == {"foo": ["all", "cows", "eat", "grass"]}
    apply(db, {"baz": "qux", "foo": ["a", 2, "c"]}, op("test", "/baz", "qux"), op("test", "/foo/1", 2))
    assert apply(db, {"foo": "bar"}, op("add", "/child", {"g": {}})) == {"foo": "bar", "child": {"g": {}}}
    assert apply(db, {"foo": "bar"}, op("add", "/baz", "qux", xyz=123)) == {"foo": "bar", "baz": "qux"}
    assert apply(db, {"/": 9, "~1": 10}, op("test", "/~01", 10)) == {"/": 9, "~1": 10}
    assert apply(db, {"foo": ["bar"]}, op("add", "/foo/-", ["abc", "def"])) == {"foo": ["bar", ["abc", "def"]]}


def test_patch_in_order(db):
    assert apply(db, {"a": [1]}, op("copy", "/b", **{"from": "/a"}), op("add", "/b/0", 0), op("remove", "/a")) == {
        "b": [0, 1]
    }
    assert apply(db, {"a": 1}, op("add", "", [1]), op("add", "/1", 2), op("replace", "/0", 0)) == [0, 2]
    assert apply(db, {"a": 1}, op("replace", "", None)) is None
    assert apply(db, {"": {"a/b": 1}}, op("move", "/x", **{"from": "//a~1b"})) == {"": {}, "x": 1}
    assert apply(db, {"a": 1}, op("move", "/a", **{"from": "/a"})) == {"a": 1}
    assert apply(db, {"0": 1}, op("replace", "/0", 2), op("add", "/-", 3)) == {"0": 2, "-": 3}
    assert apply(db, {"a": 1}) == {"a": 1}


@pytest.mark.parametrize(
    "operation",
    [
        op("add", "/x/y", 1), op("add", "/tags/3", 1), op("add", "/tags/-1", 1), op("add", "/tags/01", 1),
        op("add", "/tags/1e0", 1), op("add", "/name/x", 1), op("remove", "/x"), op("remove", "/tags/2"),
        op("remove", "/tags/-"), op("remove", ""), op("replace", "/x", 1), op("replace", "/tags/-", 1),
        op("test", "/x", None), op("copy", "/y", **{"from": "/x"}), op("move", "/y", **{"from": "/x"}),
        op("move", "/address/city/x", **{"from": "/address"}), op("move", "/tags/5", **{"from": "/name"}),
        op("test", "/tags/99999999999999999999", 1),
    ],
)  # fmt: skip
def test_patches_that_do_not_fit(user, operation):
    before = user.info()["commit_timestamp"]
    with refused(ValidationError, "path_conflict"):
        user.json_patch("user", [op("replace", "/name", "Ben"), operation])
    assert unchanged(user)
    assert user.info()["commit_timestamp"] == before


@pytest.mark.parametrize(
    ("there", "asked", "same"),
    [
        (1, 1.0, True), (1.0, 1, True), (0, -0.0, True), (True, 1, False), (1, True, False), (None, False, False),
        (2**53 + 1, float(2**53), False), (2**63 - 1, float(2**63), False), (-(2**63), -float(2**63), True),
        (1, 1.5, False), (1, "1", False), ("a", "a", True), (b"a", b"a", True), (b"a", "a", False),
        ([1, 2], [1.0, 2], True), ([1], [1, 2], False), ([], {}, False), (float("inf"), float("inf"), True),
        (1, float("nan"), False), ({"a": 1, "b": [2]}, {"b": [2.0], "a": 1}, True), ({"a": 1}, {"b": 1}, False),
        ({"a": 1}, {"a": 1, "b": 2}, False),
    ],
)  # fmt: skip
def test_what_a_patch_tests(db, there, asked, same):
    db.json_set("d", "$.x", [there])
    if same:
        assert db.json_patch("d", [op("test", "/x/0", asked)]) == 2
    else:
        with refused(ConflictError, "patch_test_failed"):
            db.json_patch("d", [op("add", "/y", 1), op("test", "/x/0", asked)])
        assert db.json_get("d") == {"x": [there]}


@pytest.mark.parametrize(
    "operation",
    [
        {}, {"op": "add"}, op("add", "/x"), op("test", "/x"), op("replace", "/x"), op("unknown", "/x", 1),
        op(None, "/x", 1), op("add", "x", 1), op("add", None, 1), op("add", 3, 1), op("move", "/x"),
        op("copy", "/x", **{"from": 1}), op("ADD", "/x", 1),
    ],
)  # fmt: skip
def test_operations_that_are_none(user, operation):
    with refused(ValidationError, "invalid_patch"):
        user.json_patch("user", [op("replace", "/name", "Ben"), operation])
    assert unchanged(user)


def test_patches_of_a_wrong_type(user):
    for operations in (None, "x", {}, 1, op("add", "/x", 1), [1], [None], [[]], [op("add", "/x", 1), "x"]):
        with pytest.raises(TypeError):
            user.json_patch("user", operations)
    assert unchanged(user)


def test_a_patch_of_a_missing_document(db):
    with refused(NotFoundError, "document_not_found"):
        db.json_patch("d", [op("add", "", 1)])
    assert db.json_list() == []


@pytest.mark.engine
def test_a_patch_names_the_operation(user):
    with refused(ValidationError, "path_conflict") as caught:
        user.json_patch("user", [op("test", "/name", "Ann"), op("remove", "/address/street")])
    assert "operation 1, remove" in str(caught.value)
    assert "/address/street" in str(caught.value)


@pytest.mark.engine
def test_a_patch_that_takes_long(db):
    """Not under the lock of the database: others go on, and what they change is met."""
    db.json_set("d", "$", {"text": "x" * 300_000, "list": []})
    operations = [op("add", "/list/-", n) for n in range(100)]

    def count():
        for _ in range(20):
            db2.json_merge("d", {"n": (db2.json_get("d", "$.n") or 0) + 1})

    db2 = db.session()
    assert in_thread(db.json_patch, "d", operations) == 2
    count()
    with db.transaction():
        db.json_patch("d", operations)
    assert db.json_get("d", "$.list") == [*range(100), *range(100)]
    assert db.json_get("d", "$.n") == 20


# ---- batch ----


def test_batch_set(db):
    assert db.json_batch_set([("b", "$.x", 1), ["a", "$", [0]], ("b", "$.y", 2), ("a", "$[1]", 1)]) == [1, 1, 1, 1]
    assert db.json_get("b") == {"x": 1, "y": 2}
    assert db.json_get("a") == [0, 1]
    assert db.json_batch_set(entry for entry in [("a", "$[0]", 5)]) == [2]
    assert db.json_batch_set([]) == []
    assert len({row["timestamp"] for key in "ab" for row in db.json_history(key)}) == 2


def test_batches_of_a_wrong_form(user):
    for entries in (None, 1, "abc", {"a": 1}, [1], ["abc"], [("user", "$")], [("user", "$", 1, 2)], [(1, "$", 1)],
                    [("user", 1, 1)]):  # fmt: skip
        with pytest.raises(TypeError):
            user.json_batch_set(entries)
    assert unchanged(user)


def test_progress_of_a_batch(db):
    seen = []
    entries = [("d", "$.n", n) for n in range(3)]
    db.json_batch_set(entries, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (3, 3)

    def stop(done, total):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        db.json_batch_set([("d", "$.n", 9)], progress=stop)
    assert db.json_get("d") == {"n": 2}


# ---- transactions, spaces, branches ----


def test_one_version_a_transaction(db):
    with db.transaction():
        assert [db.json_set("d", "$.a", n) for n in range(3)] == [1, 1, 1]
        assert db.json_get("d") == {"a": 2}
        assert db.json_get_versioned("d")["timestamp"] is None
        assert db.json_list() == ["d"]
        assert db.json_merge("d", {"b": 1}) == 1
        assert db.json_patch("d", [op("remove", "/a")]) == 1
    assert [row["value"] for row in db.json_history("d")] == [{"b": 1}]


def test_a_failed_call_leaves_the_transaction_open(user):
    with user.transaction():
        user.json_set("user", "$.age", 3)
        with refused(ValidationError, "path_conflict"):
            user.json_set("user", "$.age.x", 3)
        with refused(ConflictError, "patch_test_failed"):
            user.json_patch("user", [op("remove", "/age"), op("test", "/name", 1)])
        with refused(ValidationError, "path_conflict"):
            user.json_batch_set([("user", "$.name", "Ben"), ("user", "$.tags.x", 1)])
    assert user.json_get("user") == {**USER, "age": 3}


def test_rollback(user):
    user.begin()
    user.json_set("user", "$.age", 3)
    user.json_set("new", "$", 1)
    user.json_delete("user", "$")
    assert user.json_list() == ["new"]
    user.rollback()
    assert unchanged(user)
    assert user.json_list() == ["user"]


def test_new_and_deleted_in_one_transaction_is_nothing(db):
    before = db.info()["commit_timestamp"]
    with db.transaction():
        db.json_set("d", "$", 1)
        assert db.json_delete("d", "$") == 1
        assert db.json_delete("d", "$") == 0
    assert db.json_history("d") is None
    assert db.info()["commit_timestamp"] == before


@pytest.mark.parametrize("isolation", ["serializable", "snapshot"])
def test_two_transactions_that_change_one_document(user, isolation):
    """At different places, and still one loses: a document is one thing."""
    other = user.session()
    user.begin(isolation=isolation)
    other.begin(isolation=isolation)
    user.json_set("user", "$.name", "Ben")
    other.json_set("user", "$.age", 3)
    user.commit()
    with refused(ConflictError, "transaction_conflict"):
        other.commit()
    assert user.json_get("user") == {**USER, "name": "Ben"}


def test_a_place_that_was_read_conflicts_with_any_change(user):
    other = user.session()
    other.begin()
    assert other.json_get("user", "$.name") == "Ann"
    other.kv_put("seen", True)
    user.json_set("user", "$.age", 3)
    with refused(ConflictError, "transaction_conflict"):
        other.commit()


def test_single_calls_of_many_threads_lose_nothing(db):
    import threading

    db.json_set("d", "$", {"list": []})
    sessions = [db.session() for _ in range(4)]

    def work(number):
        for n in range(50):
            sessions[number].json_set("d", f"$.t{number}.n{n}", n)
            sessions[number].json_patch("d", [op("add", "/list/-", [number, n])])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert db.json_get_versioned("d")["version"] == 401
    document = db.json_get("d")
    assert sorted(document["list"]) == [[number, n] for number in range(4) for n in range(50)]
    assert all(document[f"t{number}"] == {f"n{n}": n for n in range(50)} for number in range(4))


def test_spaces(db):
    db.json_set("d", "$", 1)
    db.space_use("s")
    assert db.json_get("d") is None
    assert db.space_list() == ["default"]
    assert db.json_delete("d", "$") == 0
    assert db.space_list() == ["default"]
    db.json_set("d", "$.a", 2)
    assert db.space_list() == ["default", "s"]
    db.space_use("default")
    assert db.json_get("d") == 1
    db.space_delete("s", force=True)
    db.space_use("s")
    assert db.json_list() == []


def test_forks_are_independent(user):
    user.branch_fork("default", "b")
    with user.session() as fork:
        fork.branch_use("b")
        assert fork.json_set("user", "$.name", "Ben") == 2
        assert len(fork.json_history("user")) == 2
    assert unchanged(user)


def test_it_survives_reopening(tmp_path):
    if IS_MODEL:
        pytest.skip("the model has no files")
    for n in range(4):
        with Strata.open(tmp_path / "db") as db:
            assert db.json_set("d", f"$.n{n}", "x" * 400 * n) == n + 1
    with Strata.open(tmp_path / "db", read_only=True) as db:
        assert db.json_get("d") == {f"n{n}": "x" * 400 * n for n in range(4)}
        assert [row["version"] for row in db.json_history("d")] == [4, 3, 2, 1]
