#!/usr/bin/env python3
"""Checks rules about single files and pairs of files.

Rules: length; no exceptions below the bindings; no marks of unfinished work and no paths of one
machine; no block of logic written twice.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from sources import CODE_FOLDERS, Problem, Source, finish, read_sources

MAX_LINES = 800
MAX_TEST_LINES = 1200
DUPLICATE_LINES = 10  # so many lines of logic in a row are a block

FOLDERS = (*CODE_FOLDERS, "cmake", "docs", "python", "tools", ".ci")
SUFFIXES = (".h", ".cc", ".py", ".pyi", ".md", ".cmake", ".toml", ".sh", ".txt")
TOP_FILES = ("README.md", "CMakeLists.txt", "CMakePresets.json", "pyproject.toml", "layers.toml", "dev", ".ci/run")

_EXCEPTION = re.compile(r"\b(throw|catch|try)\b")
_FORBIDDEN = (
    (re.compile(r"(?<![\w.$}~*])/(?:home|root|work|Users|opt)/[\w.]"), "path of one machine"),
    (re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME)\b"), "mark of unfinished work"),
)
_TRIVIAL = re.compile(
    r"^(?:[{}()\[\];,]*|#include.*|using .*|import .*|from .* import .*|namespace .*|(?:public|private|protected):)$"
)


def check_length(source: Source) -> Iterator[Problem]:
    limit = MAX_TEST_LINES if source.is_test else MAX_LINES
    lines = source.text.count("\n")
    if lines > limit and not source.path.endswith((".md", ".txt")):
        yield Problem(source.path, limit, f"{lines} lines, the limit is {limit}: split it by idea")


def check_exceptions(source: Source) -> Iterator[Problem]:
    if source.is_cpp and source.path.startswith(("src/", "include/")):
        for number, line in enumerate(source.code().split("\n"), 1):
            match = _EXCEPTION.search(line)
            if match:
                yield Problem(source.path, number, f"{match.group()} below the bindings: return a Status")


def check_words(source: Source) -> Iterator[Problem]:
    for number, line in enumerate(source.text.split("\n"), 1):
        for pattern, what in _FORBIDDEN:
            match = pattern.search(line)
            if match:
                yield Problem(source.path, number, f"{what}: {match.group()}")


def logic(source: Source) -> list[tuple[int, str]]:
    """The lines that carry logic, without layout, comments, includes and lone braces."""
    text = source.code() if source.is_cpp else re.sub(r"(?m)#.*$", "", source.text)
    # Literals are blanked in code(); the original line keeps tables of constants apart.
    original = source.text.split("\n")
    lines = []
    for number, line in enumerate(text.split("\n"), 1):
        code = re.sub(r"\s+", "", line)
        if code and not _TRIVIAL.match(re.sub(r"\s+", " ", line.strip())):
            kept = re.sub(r"//.*$", "", original[number - 1]) if source.is_cpp else line
            lines.append((number, re.sub(r"\s+", "", kept)))
    return lines


def check_duplicates(sources: list[Source]) -> Iterator[Problem]:
    """Reports each pair of files once, at the first block the second has in common with the first."""
    first_seen: dict[tuple[str, ...], tuple[str, int]] = {}
    reported = set()
    for source in sources:
        if not source.path.endswith((".h", ".cc", ".py")):
            continue
        lines = logic(source)
        for start in range(len(lines) - DUPLICATE_LINES + 1):
            window = tuple(text for _, text in lines[start : start + DUPLICATE_LINES])
            other, line = first_seen.setdefault(window, (source.path, lines[start][0]))
            apart = other != source.path or lines[start][0] - line >= DUPLICATE_LINES
            if apart and (other, source.path) not in reported:
                reported.add((other, source.path))
                yield Problem(source.path, lines[start][0], f"the same {DUPLICATE_LINES} lines stand at {other}:{line}")


def check(root: Path) -> tuple[list[Problem], int]:
    sources = read_sources(root, FOLDERS, SUFFIXES)
    sources += [Source(name, (root / name).read_text("utf-8")) for name in TOP_FILES if (root / name).is_file()]
    problems = [
        problem
        for source in sources
        for rule in (check_length, check_exceptions, check_words)
        for problem in rule(source)
    ]
    return problems + list(check_duplicates(sources)), len(sources)


if __name__ == "__main__":
    sys.exit(finish("files", *check(Path(__file__).resolve().parent.parent)))
