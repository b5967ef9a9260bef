"""The source files of the project and what the checks need to know of their text."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CODE_FOLDERS = ("include", "src", "bindings", "tests", "bench")
CPP_SUFFIXES = (".h", ".cc")

_NOT_CODE = re.compile(
    r"""//[^\n]*                                # line comment
      | /\*.*?\*/                               # block comment
      | R"([^\s()\\]{0,16})\(.*?\)\1"           # raw string
      | "(?:\\.|[^"\\\n])*"                     # string
      | '(?:\\.|[^'\\\n])+'                     # character
    """,
    re.VERBOSE | re.DOTALL,
)
_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*"([^"]+)"', re.MULTILINE)


@dataclass(frozen=True)
class Problem:
    """One broken rule, printed the way compilers do so that editors jump to it."""

    path: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text}"


@dataclass(frozen=True)
class Source:
    """A text file; ``path`` is relative to the project's root, with forward slashes."""

    path: str
    text: str

    @property
    def is_test(self) -> bool:
        return self.path.startswith("tests/") or re.search(r"(_test\.cc|test_\w+\.py)$", self.path) is not None

    @property
    def is_cpp(self) -> bool:
        return self.path.endswith(CPP_SUFFIXES)

    def includes(self) -> Iterator[tuple[str, int]]:
        """Every quoted include with its line."""
        for match in _INCLUDE.finditer(self.text):
            yield match.group(1), self.text.count("\n", 0, match.start()) + 1

    def code(self) -> str:
        """The C++ text with comments and literals blanked out and its lines kept."""
        return _NOT_CODE.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), self.text)


def read_sources(root: Path, folders: tuple[str, ...], suffixes: tuple[str, ...]) -> list[Source]:
    """Reads the files with one of ``suffixes`` below ``folders``, in a stable order, hidden folders excepted."""
    sources = []
    for folder in folders:
        for parent, subfolders, names in os.walk(root / folder):
            subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
            for path in (Path(parent, name) for name in sorted(names) if name.endswith(suffixes)):
                sources.append(Source(path.relative_to(root).as_posix(), path.read_text("utf-8")))
    return sources


def finish(name: str, problems: list[Problem], checked: int) -> int:
    """Prints the outcome of a check and returns the exit status."""
    for problem in problems:
        print(problem)
    print(f"{name}: {checked} files, {len(problems)} problems")
    return 1 if problems else 0
