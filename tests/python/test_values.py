"""Values: what is accepted, what comes back, and what is refused with its place in the value."""

import array
import collections
import datetime
import decimal
import enum
import fractions
import math
import struct
import sys

import pytest
from stratadb import Strata, StrataError, ValidationError
from support import refused

INT_MIN, INT_MAX = -(2**63), 2**63 - 1


def same(a, b):
    """Equal in type as well, at every level; floats by their bits, except that one NaN is as good as another."""
    if type(a) is not type(b):
        return False
    if type(a) is float:
        return (math.isnan(a) and math.isnan(b)) or struct.pack("d", a) == struct.pack("d", b)
    if type(a) is list:
        return len(a) == len(b) and all(map(same, a, b))
    if type(a) is dict:
        return list(a) == list(b) and all(same(a[name], b[name]) for name in a)
    return a == b


def round_trip(db, value):
    """The value as a get, a scan, a versioned get, a batch, the history and a read of the past give it."""
    db.kv_put("k", value)
    stamp = db.info()["commit_timestamp"]
    got = db.kv_get("k")
    for other in (
        db.kv_scan()[0][1],
        db.kv_get_versioned("k")["value"],
        db.kv_batch_get(["k"])[0],
        db.kv_history("k")[0]["value"],
        db.kv_get("k", as_of=stamp),
    ):
        assert same(got, other)
    db.begin()
    db.kv_put("k", value)
    assert same(got, db.kv_get("k"))
    db.rollback()
    return got


EXACT = [
    None, True, False,
    0, 1, -1, 127, 128, 255, 256, -128, -129, 32767, 32768, 2**31 - 1, 2**31, -(2**31) - 1, 2**32, 2**53, 2**53 + 1,
    INT_MAX, INT_MIN, INT_MAX - 1, INT_MIN + 1,
    0.0, -0.0, 1.0, -1.5, 0.1, 1e308, -1e308, 5e-324, sys.float_info.max, sys.float_info.min, sys.float_info.epsilon,
    math.inf, -math.inf, math.nan, 2.0**53, 1e15, 1e16,
    "", "a", "é", "漢字", "😀", "a\0b", "\0", "\n\r\t", "\ufeff", "\uffff", "\U0010ffff", "e\u0301", "x" * 100_000,
    b"", b"a", b"\0", bytes(range(256)), b"x" * 100_000,
    [], {}, [[]], [{}], {"": {}}, {"a": []},
    [None, True, 1, 1.0, "1", b"1", [1], {"1": 1}],
    {"z": 1, "a": 2, "é": 3, "": 4, "\0": 5, "😀": 6, "a b": 7},
    {"nested": {"list": [1, [2, [3, {"deep": b"\xff"}]]]}},
    list(range(1000)), {str(n): n for n in range(1000)}, [0.5] * 1000, ["s"] * 1000,
    {"user": "Alice", "age": 30, "tags": ["a", "b"], "score": 1.5, "active": True, "note": None},
]  # fmt: skip


@pytest.mark.parametrize("value", EXACT, ids=lambda value: repr(value)[:30])
def test_what_is_put_comes_back_exactly(db, value):
    assert same(round_trip(db, value), value)


def test_values_survive_a_reopen(tmp_path):
    with Strata.open(tmp_path / "db") as db:
        db.kv_batch_put({f"k{n:03}": value for n, value in enumerate(EXACT)})
    with Strata.open(tmp_path / "db") as db:
        for n, value in enumerate(EXACT):
            assert same(db.kv_get(f"k{n:03}"), value), repr(value)[:100]


def test_one_is_three_different_values(db):
    assert [type(round_trip(db, value)) for value in (1, 1.0, True)] == [int, float, bool]
    assert [type(value) for value in round_trip(db, [0, 0.0, False])] == [int, float, bool]


def test_the_sign_of_zero(db):
    assert math.copysign(1, round_trip(db, -0.0)) == -1
    assert math.copysign(1, round_trip(db, [0.0])[0]) == 1


def test_the_order_of_members_is_kept(db):
    names = [str(n) for n in (5, 3, 9, 1, 7)]
    assert list(round_trip(db, {name: 0 for name in names})) == names
    assert list(round_trip(db, {name: 0 for name in names[::-1]})) == names[::-1]


def test_random_values(db, rng):
    def value(depth):
        kind = rng.randrange(6 if depth == 0 else 9)
        if kind == 0:
            return rng.choice([None, True, False])
        if kind == 1:
            return rng.randrange(INT_MIN, INT_MAX + 1) >> rng.randrange(64)
        if kind == 2:
            return struct.unpack("d", rng.randbytes(8))[0]
        if kind in (3, 4):
            return "".join(chr(rng.choice([65, 233, 0x6F22, 0x1F600, 0])) for _ in range(rng.randrange(30)))
        if kind == 5:
            return rng.randbytes(rng.randrange(40))
        if kind == 6:
            return [value(depth - 1) for _ in range(rng.randrange(6))]
        return {f"{rng.randrange(100)}": value(depth - 1) for _ in range(rng.randrange(6))}

    for _ in range(150):
        put = value(4)
        assert same(round_trip(db, put), put)


# ---- what becomes something else ----


@pytest.mark.parametrize(
    ("put", "expected"),
    [
        ((), []),
        ((1, (2, "x")), [1, [2, "x"]]),
        ({"t": (1,)}, {"t": [1]}),
        (bytearray(b"ab\0"), b"ab\0"),
        (bytearray(), b""),
        (memoryview(b"abc"), b"abc"),
        (memoryview(b"abcdef")[::2], b"ace"),
        (memoryview(array.array("i", [1, 2])), array.array("i", [1, 2]).tobytes()),
        ([bytearray(b"x"), memoryview(b"y")], [b"x", b"y"]),
        (collections.OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
        (collections.defaultdict(list, {"a": [1]}), {"a": [1]}),
        (collections.Counter("aab"), {"a": 2, "b": 1}),
        (collections.namedtuple("Point", "x y")(1, 2), [1, 2]),
        (enum.IntEnum("Color", "RED").RED, 1),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_what_becomes_its_plain_form(db, put, expected):
    assert same(round_trip(db, put), expected)


class LoudStr(str):
    def __str__(self):
        return "wrong"

    def encode(self, *_):
        return b"wrong"

    def __len__(self):
        return 99


class LoudInt(int):
    def __int__(self):
        return 99

    def __index__(self):
        return 99


class LoudFloat(float):
    def __float__(self):
        return 99.0


class LoudBytes(bytes):
    def __bytes__(self):
        return b"wrong"


class LoudDict(dict):
    def items(self):
        return [("wrong", 1)]

    def __iter__(self):
        return iter(["wrong"])

    def keys(self):
        return ["wrong"]

    def __getitem__(self, name):
        return "wrong"


@pytest.mark.parametrize(
    ("put", "expected"),
    [
        (LoudStr("text"), "text"),
        (LoudInt(5), 5),
        (LoudFloat(1.5), 1.5),
        (LoudDict(a=1), {"a": 1}),
        ({LoudStr("name"): LoudStr("text")}, {"name": "text"}),
        ([LoudInt(1), [LoudFloat(2.5)]], [1, [2.5]]),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_subclasses_are_stored_as_the_plain_type(db, put, expected):
    assert same(round_trip(db, put), expected)


def test_a_subclass_of_str_is_a_key(db):
    db.kv_put(LoudStr("k"), 1)
    assert db.kv_get("k") == db.kv_get(LoudStr("k")) == 1
    assert db.kv_list() == ["k"]


# ---- NumPy ----


def test_numpy(db):
    np = pytest.importorskip("numpy")
    cases = [
        (np.int8(-5), -5),
        (np.uint8(200), 200),
        (np.int64(INT_MIN), INT_MIN),
        (np.uint64(INT_MAX), INT_MAX),
        (np.float64(0.1), 0.1),
        (np.float32(0.5), 0.5),
        (np.float32(0.1), float(np.float32(0.1))),
        (np.float16(1.5), 1.5),
        (np.float64("nan"), math.nan),
        (np.float64(-0.0), -0.0),
        (np.bool_(True), True),
        (np.bool_(False), False),
        (np.str_("text"), "text"),
        (np.bytes_(b"ab"), b"ab"),
        (np.array([1, 2, 3]), [1, 2, 3]),
        (np.array([], dtype=np.float32), []),
        (np.array(5), 5),
        (np.array(1.5), 1.5),
        (np.array([[1, 2], [3, 4]], dtype=np.int8), [[1, 2], [3, 4]]),
        (np.array([1.5, -0.0], dtype=np.float32), [1.5, -0.0]),
        (np.array([True, False]), [True, False]),
        (np.array(["a", "é"]), ["a", "é"]),
        (np.arange(10)[::-3], [9, 6, 3, 0]),
        (np.array([1, 2], dtype=">i4"), [1, 2]),
        (np.array([1.5], dtype=">f8"), [1.5]),
        (np.asfortranarray(np.arange(6).reshape(2, 3)), [[0, 1, 2], [3, 4, 5]]),
        (np.array([1, "a", None, [2]], dtype=object), [1, "a", None, [2]]),
        ({"a": np.int32(1), "b": [np.float64(2.5), np.array([1])]}, {"a": 1, "b": [2.5, [1]]}),
    ]
    for put, expected in cases:
        assert same(round_trip(db, put), expected), repr(put)


def test_numpy_that_is_refused(db):
    np = pytest.importorskip("numpy")
    db.kv_put("k", "before")
    for value in (
        np.datetime64("2024-01-01"),
        np.timedelta64(1, "s"),
        np.array(["2024-01-01"], dtype="datetime64[D]"),
        np.complex64(1),
        np.array([1 + 2j]),
        np.longdouble(1),
        np.array([1], dtype=np.longdouble),
        np.array([object()], dtype=object),
        [1, np.datetime64("2024-01-01")],
    ):
        with pytest.raises(TypeError, match=r"\$"):
            db.kv_put("k", value)
    with refused(ValidationError, "integer_out_of_range"):
        db.kv_put("k", np.uint64(2**63))
    with refused(ValidationError, "integer_out_of_range"):
        db.kv_put("k", np.array([2**64 - 1], dtype=np.uint64))
    assert db.kv_get("k") == "before"
    assert len(db.kv_history("k")) == 1


def test_numpy_integers_are_limits_and_times(db):
    np = pytest.importorskip("numpy")
    db.kv_batch_put({"a": 1, "b": 2})
    stamp = db.info()["commit_timestamp"]
    assert len(db.kv_scan(limit=np.int32(1))) == 1
    assert db.kv_list_paginated(limit=np.uint8(1))["keys"] == ["a"]
    assert db.kv_get("a", as_of=np.int64(stamp)) == 1
    for limit in (np.float64(1), np.bool_(True)):
        with pytest.raises(TypeError):
            db.kv_scan(limit=limit)
    assert db.kv_get(np.str_("a")) == 1


# ---- what is refused ----


@pytest.mark.parametrize(
    "number", [INT_MAX + 1, INT_MIN - 1, 2**64, 10**30, -(10**30), 2**100_000], ids=lambda n: f"{n.bit_length()} bits"
)
def test_integers_beyond_64_bits(db, number):
    for value in (number, [number], {"a": {"b": [0, number]}}):
        with refused(ValidationError, "integer_out_of_range") as caught:
            db.kv_put("k", value)
        assert "$" in caught.value.message
        assert len(str(caught.value)) < 300
    assert db.kv_list() == []


class Plain:
    pass


@pytest.mark.parametrize(
    "value",
    [
        object(), Plain(), Plain, len, {1, 2}, frozenset(), range(3), 1j, iter([]), (n for n in ()), ...,
        datetime.datetime(2024, 1, 1), datetime.date(2024, 1, 1), datetime.timedelta(1), decimal.Decimal("1.5"),
        fractions.Fraction(1, 2), collections.deque([1]), collections.UserDict(a=1), collections.UserList([1]),
        collections.UserString("a"), enum.Enum("Color", "RED").RED, array.array("i", [1]), {}.keys(), {}.items(),
        Exception("x"), sys,
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_types_that_are_not_stored(db, value):
    for place, put in (("$", value), ("$[1]", [0, value]), ("$.a", {"a": value}), ("$.a[0].b", {"a": [{"b": value}]})):
        with pytest.raises(TypeError) as caught:
            db.kv_put("k", put)
        assert f"{place} " in f"{caught.value} ", caught.value
        assert type(value).__name__ in str(caught.value)
        assert not isinstance(caught.value, StrataError)
    assert db.kv_list() == []


@pytest.mark.parametrize("name", [1, None, b"a", 1.5, True, (1, 2)])
def test_names_of_members_are_str(db, name):
    for put, place in (({name: 1}, "$"), ([{name: 1}], "$[0]"), ({"a": {"b": {name: 1}}}, "$.a.b")):
        with pytest.raises(TypeError) as caught:
            db.kv_put("k", put)
        assert f"{place} " in f"{caught.value} "
    assert db.kv_list() == []


SURROGATES = ["\ud800", "\udfff", "a\udc80b", "\ud83d", "\ude00\ud83d"]


@pytest.mark.parametrize("text", SURROGATES, ids=ascii)
def test_lone_surrogates(db, text):
    for put, place in ((text, "$"), ([text], "$[0]"), ({"a": text}, "$.a"), ({text: 1}, "$")):
        with refused(ValidationError, "invalid_unicode") as caught:
            db.kv_put("k", put)
        assert place in caught.value.message
        str(caught.value).encode()
    for call in (
        lambda: db.kv_put(text, 1),
        lambda: db.kv_get(text),
        lambda: db.kv_list(text),
        lambda: db.kv_scan(start=text),
        lambda: db.kv_scan(end=text),
        lambda: db.kv_list_paginated(cursor=text),
        lambda: db.branch_create(text),
        lambda: db.branch_exists(text),
        lambda: db.branch_get(text),
        lambda: db.branch_use(text),
        lambda: db.space_use(text),
        lambda: db.space_exists(text),
        lambda: db.begin(message=text),
        lambda: db.kv_batch_put({text: 1}),
        lambda: db.kv_batch_get([text]),
    ):
        with refused(ValidationError, "invalid_unicode"):
            call()
    assert db.kv_list() == []
    assert not db.in_transaction()


def test_a_surrogate_pair_of_a_json_text_is_a_character(db):
    assert round_trip(db, "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16")) == "😀"


def nested(depth, wrap):
    value = 1
    for _ in range(depth):
        value = wrap(value)
    return value


WRAPS = {"list": lambda v: [v], "dict": lambda v: {"a": v}, "tuple": lambda v: (v,), "mixed": lambda v: [{"a": v}]}


@pytest.mark.parametrize("wrap", WRAPS)
def test_nesting(db, wrap):
    most = 128 if wrap != "mixed" else 64
    value = nested(most, WRAPS[wrap])
    assert same(round_trip(db, value), value) or wrap == "tuple"
    for depth in (most + 1, 1000, 100_000):
        with refused(ValidationError, "nesting_too_deep") as caught:
            db.kv_put("k", nested(depth, WRAPS[wrap]))
        assert len(str(caught.value)) < 1000
    with refused(ValidationError, "nesting_too_deep"):
        db.kv_put("k", nested(128, WRAPS[wrap]) if wrap == "mixed" else [value])
    assert len(db.kv_history("k")) == 1


def test_an_empty_container_counts_as_a_level(db):
    assert same(round_trip(db, nested(127, WRAPS["list"])), nested(127, WRAPS["list"]))
    deepest = []
    for _ in range(127):
        deepest = [deepest]
    assert same(round_trip(db, deepest), deepest)
    with refused(ValidationError, "nesting_too_deep"):
        db.kv_put("k", [deepest])


def test_values_that_contain_themselves(db):
    loop = []
    loop.append(loop)
    ring = {"a": {}}
    ring["a"]["b"] = ring
    pair = [1, {"x": []}]
    pair[1]["x"].append(pair)
    for value in (loop, ring, pair, [loop], {"deep": [ring]}):
        with refused(ValidationError, "nesting_too_deep"):
            db.kv_put("k", value)
        with refused(ValidationError, "nesting_too_deep"):
            db.kv_batch_put({"fine": 1, "k": value})
    assert db.kv_list() == []


def test_a_value_used_twice_is_not_a_cycle(db):
    shared = [1, {"a": 2}]
    value = {"x": shared, "y": [shared, shared]}
    assert same(round_trip(db, value), value)
    again = db.kv_get("k")
    again["x"].append("only here")
    assert again["y"][0] == [1, {"a": 2}]


@pytest.mark.slow
def test_a_wide_value(db):
    value = [[n, str(n)] for n in range(100_000)]
    assert round_trip(db, value) == value


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ({"a": [0, 1, 2, {1}]}, "$.a[3]"),
        ([[0, [{1}]]], "$[0][1][0]"),
        ({"a b": {1}}, "$['a b']"),
        ({"é": {1}}, "$['é']"),
        ({"": {1}}, "$['']"),
        ({"1a": {1}}, "$['1a']"),
        ({"a_1": {"B": {1}}}, "$.a_1.B"),
    ],
)
def test_the_error_names_the_place(db, value, place):
    with pytest.raises(TypeError) as caught:
        db.kv_put("k", value)
    assert f"{place} " in str(caught.value)


def test_the_first_thing_that_is_wrong_is_named(db):
    with refused(ValidationError, "integer_out_of_range"):
        db.kv_put("k", [1, 2**70, object()])
    with pytest.raises(TypeError, match=r"\$\[1\]"):
        db.kv_put("k", [1, object(), 2**70])
    with refused(ValidationError, "invalid_unicode"):
        db.kv_put("k", {"a": "\ud800", "b": object()})
    # The key is looked at before the value.
    with refused(ValidationError, "invalid_key"):
        db.kv_put("", object())
    with pytest.raises(TypeError, match="key"):
        db.kv_put(5, "\ud800")


@pytest.mark.slow
def test_too_large(db):
    with refused(ValidationError, "value_too_large"):
        db.kv_put("k", b"x" * (65 * 1024 * 1024))
    with refused(ValidationError, "value_too_large"):
        db.kv_put("k", ["x" * (33 * 1024 * 1024)] * 2)
    assert db.kv_list() == []
    large = b"x" * (60 * 1024 * 1024)
    db.kv_put("k", large)
    assert db.kv_get("k") == large
