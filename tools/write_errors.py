#!/usr/bin/env python3
"""Writes the tables of codes in docs/errors.md from include/strata/status.h and src/base/status.cc.

With --check it only says whether they are up to date, whether every code is described and whether something raises it.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path

from sources import Problem, finish, read_sources

HEADER = "include/strata/status.h"
TABLE = "src/base/status.cc"
PAGE = "docs/errors.md"
INTERNAL = {"ok", "would_block", "invalid_type"}  # never the code of an exception
AGAIN = "run tools/write_errors.py"


@dataclass
class Code:
    """One code: its name in C++, its word, its class in Python, what it means."""

    name: str
    word: str
    kind: str
    text: str


def read_codes(header: str, table: str) -> list[Code]:
    body = header[header.index("enum class Code") : header.index("kCount_,")]
    described = [
        (match.group(2), " ".join(line.strip().removeprefix("//").strip() for line in match.group(1).splitlines()))
        for match in re.finditer(r"((?:^  // (?!----).*\n)*)^  (k\w+)\b", body, re.MULTILINE)
    ]
    rows = re.findall(r'^    \{"([a-z_]+)", ErrorKind::k(\w+)\},$', table, re.MULTILINE)
    if len(described) != len(rows):
        raise ValueError(f"{HEADER} has {len(described)} codes, {TABLE} has {len(rows)}")
    return [Code(name, word, f"{kind}Error", text) for (name, text), (word, kind) in zip(described, rows, strict=True)]


def write_page(page: str, codes: list[Code]) -> str:
    """The page with the table below each heading of a class made anew."""

    def section(match: re.Match[str]) -> str:
        lines = [f"| `{code.word}` | {code.text} |" for code in codes if code.kind == match.group(1)]
        return f"## {match.group(1)}\n\n| code | when |\n| --- | --- |\n" + "".join(f"{line}\n" for line in lines)

    return re.sub(
        r"^## (\w+Error)\n\n\| code \| when \|\n\| --- \| --- \|\n(?:\|.*\n)*", section, page, flags=re.MULTILINE
    )


def check(root: Path) -> tuple[list[Problem], int]:
    codes = read_codes((root / HEADER).read_text("utf-8"), (root / TABLE).read_text("utf-8"))
    public = [code for code in codes if code.word not in INTERNAL]
    page = (root / PAGE).read_text("utf-8")
    raised = "".join(
        source.text
        for source in read_sources(root, ("src", "bindings"), (".cc", ".h"))
        if source.path != TABLE and not source.is_test
    )
    package = "".join(source.text for source in read_sources(root, ("python/stratadb",), (".py",)))
    problems = [Problem(HEADER, 1, f"{code.name} is not described above its line") for code in public if not code.text]
    problems += [
        Problem(HEADER, 1, f"{code.name} is raised by nothing")
        for code in public
        if code.name not in raised and f'code="{code.word}"' not in package
    ]
    if write_page(page, public) != page:
        problems.append(Problem(PAGE, 1, f"the tables differ from {HEADER}: {AGAIN}"))
    return problems, len(public)


def main() -> int:
    root = Path(__file__).resolve().parent.parent
    if "--check" not in sys.argv[1:]:
        codes = read_codes((root / HEADER).read_text("utf-8"), (root / TABLE).read_text("utf-8"))
        page = (root / PAGE).read_text("utf-8")
        (root / PAGE).write_text(write_page(page, [code for code in codes if code.word not in INTERNAL]), "utf-8")
    return finish("errors", *check(root))


if __name__ == "__main__":
    sys.exit(main())
