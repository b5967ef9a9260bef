"""What vectors may be given as: NumPy, buffers, DLPack, lists; and what is no array of numbers."""

import array
import ctypes
import subprocess
import sys

import pytest
from conftest import IS_MODEL
from stratadb import Strata, ValidationError
from support import refused

np = pytest.importorskip("numpy")

WANTED = [1.0, -2.0, 0.5]


@pytest.fixture
def db():
    with Strata.cache() as handle:
        handle.vector_create_collection("c", 3)
        yield handle


class Tensor:
    """DLPack alone, no buffer."""

    def __init__(self, values):
        self.values = values

    def __dlpack__(self, **options):
        return self.values.__dlpack__()

    def __dlpack_device__(self):
        return self.values.__dlpack_device__()


class Series:
    """What only says how to become an array."""

    def __init__(self, values):
        self.values = values

    def __array__(self, dtype=None, copy=None):
        return np.array(self.values, dtype=dtype)


def stored(db, given):
    db.vector_upsert("c", "k", given)
    return db.vector_get("c", "k")["embedding"].tolist()


@pytest.mark.parametrize("dtype", ["<f2", ">f2", "<f4", ">f4", "<f8", ">f8", "longdouble"])
def test_floats(db, dtype):
    assert stored(db, np.array(WANTED, dtype=dtype)) == WANTED
    wide = np.zeros((3, 5), dtype=dtype)
    wide[:, 1] = WANTED
    assert stored(db, wide[:, 1]) == WANTED
    assert stored(db, np.array(WANTED[::-1], dtype=dtype)[::-1]) == WANTED


@pytest.mark.parametrize("dtype", ["i1", "<i2", ">i4", "<i8", ">i8", "u1", "<u2", ">u4", "<u8"])
def test_integers(db, dtype):
    assert stored(db, np.array([1, 0, 100], dtype=dtype)) == [1, 0, 100]
    assert stored(db, np.array([1, 0, 100, 7], dtype=dtype)[:3]) == [1, 0, 100]


def test_every_half(db):
    """All finite numbers of 16 bits, denormal ones too."""
    halves = np.arange(65536, dtype=np.uint16).view(np.float16)
    halves = halves[np.isfinite(halves)]
    db.vector_create_collection("halves", len(halves))
    db.vector_upsert("halves", "k", halves)
    found = db.vector_get("halves", "k")["embedding"]
    assert found.tobytes() == halves.astype(np.float32).tobytes()


@pytest.mark.parametrize(
    "given",
    [
        WANTED,
        tuple(WANTED),
        [1, -2, 0.5],
        [np.float32(1), np.int8(-2), np.float16(0.5)],
        [np.array(1.0), np.float64(-2), 0.5],
        array.array("d", WANTED),
        memoryview(array.array("f", WANTED)),
        (ctypes.c_float * 3)(*WANTED),
        np.ma.array(WANTED),
    ],
)
def test_other_arrays(db, given):
    assert stored(db, given) == WANTED


def test_dlpack_and_array(db):
    assert stored(db, Tensor(np.array(WANTED))) == WANTED
    assert stored(db, Tensor(np.array(WANTED + WANTED, dtype=np.float32)[::2][:3])) == [1, 0.5, -2]
    assert stored(db, Tensor(np.array([3, 4, 5], dtype=np.uint8))) == [3, 4, 5]
    assert stored(db, Series(WANTED)) == WANTED
    rows = np.arange(1, 13, dtype=np.float64).reshape(4, 3)
    db.vector_batch_upsert("c", keys=list("abcd"), vectors=Tensor(rows[::-1].copy()))
    assert db.vector_get("c", "a")["embedding"].tolist() == [10, 11, 12]
    assert len(db.vector_batch_search("c", Tensor(rows.T.copy().T), 1)) == 4


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8", "<f2", "i4"])
def test_rows(db, order, dtype):
    rows = np.arange(1, 31).reshape(10, 3)
    given = np.array(rows, dtype=dtype, order=order)
    keys = [f"{i}" for i in range(10)]
    for vectors, expected in (
        (given, rows),
        (given[::-1], rows[::-1]),
        (given[:, ::-1], rows[:, ::-1]),
        (list(given), rows),
        (given.tolist(), rows),
    ):
        db.vector_batch_upsert("c", keys=keys, vectors=vectors)
        found = [db.vector_get("c", key)["embedding"].tolist() for key in keys]
        assert found == expected.tolist()
    wide = np.zeros((20, 6), dtype=dtype)
    wide[::2, ::2] = rows
    db.vector_batch_upsert("c", keys=keys, vectors=wide[::2, ::2])
    assert db.vector_get("c", "9")["embedding"].tolist() == [28, 29, 30]
    db.vector_batch_upsert("c", keys=keys, vectors=np.broadcast_to(given[0], (10, 3)))
    assert db.vector_get("c", "9")["embedding"].tolist() == [1, 2, 3]


def test_read_only_and_empty_arrays(db):
    given = np.array(WANTED)
    given.flags.writeable = False
    assert stored(db, given) == WANTED
    assert db.vector_batch_upsert("c", keys=[], vectors=np.empty((0, 3), dtype=">f8")) == []
    assert db.vector_batch_search("c", np.empty((0, 7)), 1) == []


@pytest.mark.parametrize(
    "given",
    [
        None,
        7,
        1.5,
        "abc",
        b"abc",
        {1: 2},
        {1, 2, 3},
        object(),
        np.float32,
        np.array(WANTED, dtype=object),
        np.array([True, False, True]),
        np.array(["a", "b", "c"]),
        np.array([1j, 2, 3]),
        np.array([1, 2, 3], dtype="M8[s]"),
        np.zeros(3, dtype=[("x", "f4")]),
        [1, 2, True],
        [1, 2, None],
        [1, 2, "3"],
        [1, 2, [3]],
        [1, 2, 3j],
        [1, 2, np.bool_(True)],
        [np.array([1, 2]), 2, 3],
        memoryview(b"abcabc").cast("c"),
    ],
    ids=lambda given: repr(given)[:30],
)
def test_what_is_no_array(db, given):
    with pytest.raises(TypeError) as caught:
        db.vector_upsert("c", "k", given)
    assert IS_MODEL or str(caught.value)
    assert db.vector_list("c") == []


@pytest.mark.parametrize(
    "given",
    [np.float64(1), np.array(1.0), np.ones((3, 1)), np.ones((1, 3)), np.ones((1, 1, 3)), Tensor(np.ones((3, 3)))],
)
def test_other_numbers_of_dimensions(db, given):
    with pytest.raises((ValidationError, TypeError)):
        db.vector_upsert("c", "k", given)
    if isinstance(given, np.ndarray) and given.ndim:
        with refused(ValidationError, "invalid_vector"):
            db.vector_upsert("c", "k", given)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 1e39, -1e300, 10**39, 10**400])
def test_numbers_that_float32_cannot_hold(db, value):
    for given in ([1, value, 2], np.array([1, value, 2], dtype=np.float64) if abs(value) < 1e308 else [value, 0, 0]):
        with refused(ValidationError, "invalid_vector"):
            db.vector_upsert("c", "k", given)
    with refused(ValidationError, "invalid_vector"):
        db.vector_search("c", [1, value, 2], 1)
    assert db.vector_list("c") == []


@pytest.mark.engine
def test_exporters_that_fail(db):
    class Broken:
        def __dlpack__(self):
            raise RuntimeError("no data here")

    class Lying:
        def __dlpack__(self):
            return "capsule"

    class Interrupting:
        def __dlpack__(self):
            raise KeyboardInterrupt

    class Away:
        def __array__(self):
            raise ValueError("gone")

    for given in (Broken(), Lying(), Away()):
        with pytest.raises(TypeError):
            db.vector_upsert("c", "k", given)
    with pytest.raises(KeyboardInterrupt):
        db.vector_upsert("c", "k", Interrupting())


@pytest.mark.engine
def test_a_list_that_changes_while_it_is_read(db):
    class Meddler:
        def __init__(self, items):
            self.items = items

        def __array__(self, dtype=None, copy=None):
            self.items.clear()
            return np.ones(3)

    items = []
    items += [[1, 2, 3], Meddler(items), [4, 5, 6]]
    db.vector_batch_upsert("c", keys=["a", "b", "c"], vectors=items)
    assert db.vector_get("c", "c")["embedding"].tolist() == [4, 5, 6]


@pytest.mark.engine
def test_numpy_is_imported_only_for_embeddings():
    script = """
import sys
from stratadb import StateError, Strata
db = Strata.cache()
db.vector_create_collection("c", 2)
db.vector_upsert("c", "k", [1, 2], {"n": 1})
db.vector_batch_upsert("c", keys=["l"], vectors=[[1, 3]])
print(db.vector_search("c", [1, 2], 1), "numpy" in sys.modules)
sys.modules["numpy"] = None
try:
    db.vector_get("c", "k")
except StateError as error:
    print(error.code)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout == "[{'key': 'k', 'score': 1.0, 'metadata': {'n': 1}}] False\nnumpy_missing\n", done
