"""The error classes, and that the page about them names every code the tests have met."""

import pathlib
import pickle
import re

import pytest
import stratadb
from stratadb import (
    AccessDeniedError,
    ConflictError,
    ConstraintError,
    CorruptionError,
    IoError,
    NotFoundError,
    StateError,
    StrataError,
    ValidationError,
)

CLASSES = {
    NotFoundError: "not_found",
    ValidationError: "invalid_value",
    ConflictError: "conflict",
    StateError: "wrong_state",
    ConstraintError: "constraint",
    AccessDeniedError: "access_denied",
    IoError: "io_error",
    CorruptionError: "corruption",
}


@pytest.mark.parametrize("kind", CLASSES)
def test_the_tree_of_classes(kind):
    assert issubclass(kind, StrataError)
    assert issubclass(kind, RuntimeError)
    assert kind.__module__.startswith(stratadb.Strata.__module__.split(".")[0])


def test_other_bases():
    assert issubclass(ValidationError, ValueError)
    assert issubclass(IoError, OSError)
    assert not issubclass(StrataError, (TypeError, ValueError, OSError))


@pytest.mark.parametrize(("kind", "code"), CLASSES.items())
def test_what_an_error_carries(kind, code):
    bare = kind("no good")
    assert (bare.message, bare.code, bare.hint) == ("no good", code, "")
    assert str(bare) == f"no good [{code}]"
    full = kind("no good", code="some_code", hint="do better")
    assert (full.code, full.hint) == ("some_code", "do better")
    assert str(full) == "no good [some_code] (do better)"
    assert kind().code == code


@pytest.mark.parametrize("kind", CLASSES)
def test_errors_travel_between_processes(kind):
    error = pickle.loads(pickle.dumps(kind("no good", code="some_code", hint="do better")))
    assert type(error) is kind
    assert (error.message, error.code, error.hint) == ("no good", "some_code", "do better")
    assert str(error) == "no good [some_code] (do better)"


def test_a_failed_comparison_carries_what_was_there():
    error = ConflictError("no")
    assert (error.current, error.current_version, error.conflicts) == (None, None, ())


def test_an_error_of_the_engine(db):
    with pytest.raises(StrataError) as caught:
        db.branch_use("nowhere")
    error = caught.value
    assert type(error) is NotFoundError
    assert error.code == "branch_not_found"
    assert "nowhere" in error.message
    assert error.hint
    assert str(error) == f"{error.message} [branch_not_found] ({error.hint})"
    assert error.args == (error.message,)
    assert error.__cause__ is None


def test_the_page_lists_the_codes_of_these_tests():
    here = pathlib.Path(__file__).parent
    page = (here.parent.parent / "docs" / "errors.md").read_text()
    listed = set(re.findall(r"^\| `([a-z_]+)` \|", page, re.MULTILINE))
    met = set()
    for file in here.glob("test_*.py"):
        met |= set(re.findall(r'(?:refused\(\w+, |code == )"([a-z_]+)"', file.read_text()))
    assert met - {"some_code", "cas_mismatch"} <= listed
