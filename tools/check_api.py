#!/usr/bin/env python3
"""Checks that every public method of stratadb.Strata is finished.

Finished means: a docstring, a place in the stubs, a mention in docs/*.md and a test that calls it.
Needs the built package; without it the check says so and fails.
"""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

from sources import Problem, Source, finish, read_sources

STUB = "python/stratadb/_native.pyi"


def public_names(cls: type) -> list[str]:
    return [name for name in dir(cls) if not name.startswith("_")]


def declared(stub: str, classes: set[str]) -> set[str]:
    """The names that ``classes`` define in Python or stub text."""
    names = set()
    for node in ast.walk(ast.parse(stub)):
        if isinstance(node, ast.ClassDef) and node.name in classes:
            for item in node.body:
                if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef):
                    names.add(item.name)
                elif isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
                    names.add(item.target.id)
    return names


def check_class(cls: type, stubs: list[Source], docs: list[Source], tests: list[Source]) -> list[Problem]:
    classes = {base.__name__ for base in cls.__mro__}
    in_stubs = set().union(*(declared(source.text, classes) for source in stubs))
    problems = []
    for name in public_names(cls):
        if not (getattr(cls, name).__doc__ or "").strip():
            problems.append(Problem(STUB, 1, f"{cls.__name__}.{name} has no docstring"))
        if name not in in_stubs:
            problems.append(Problem(STUB, 1, f"{cls.__name__}.{name} is not in the stubs"))
        if not any(re.search(rf"\b{name}\b", source.text) for source in docs):
            problems.append(Problem("docs/api.md", 1, f"{cls.__name__}.{name} is in no document"))
        if not any(re.search(rf"\.{name}\b", source.text) for source in tests):
            problems.append(Problem("tests/python", 1, f"{cls.__name__}.{name} is in no test"))
    return problems


def check(root: Path) -> tuple[list[Problem], int]:
    sys.path.insert(0, str(root / "python"))
    try:
        from stratadb import Strata
    except ImportError as error:
        return [Problem("python/stratadb", 1, f"cannot be imported, build it first (./dev setup): {error}")], 0
    stubs = read_sources(root, ("python/stratadb",), (".py", ".pyi"))
    docs = read_sources(root, ("docs",), (".md",))
    tests = read_sources(root, ("tests/python",), (".py",))
    print(f"api: {len(public_names(Strata))} public methods")
    return check_class(Strata, stubs, docs, tests), len(stubs) + len(docs) + len(tests)


if __name__ == "__main__":
    sys.exit(finish("api", *check(Path(__file__).resolve().parent.parent)))
