#!/usr/bin/env python3
"""Shows how large each layer is and what it may include: the tree at a glance."""

from __future__ import annotations

import sys
from pathlib import Path

from check_layers import Layers
from sources import CPP_SUFFIXES, Source, read_sources


def lines_of(sources: list[Source]) -> int:
    return sum(source.text.count("\n") for source in sources)


def layer_rows(root: Path) -> list[tuple[str, ...]]:
    """(layer, files, lines, lines of its tests, largest file, what it may include), lowest layer first."""
    layers = Layers.read(root / "layers.toml")
    sources = read_sources(root, ("src",), CPP_SUFFIXES)
    rows = []
    for name, below in layers.direct.items():
        own = [source for source in sources if source.path.split("/")[1] == name]
        code = [source for source in own if not source.is_test]
        if not code:
            continue
        largest = max(code, key=lambda source: source.text.count("\n"))
        rows.append(
            (
                name,
                str(len(code)),
                str(lines_of(code)),
                str(lines_of(own) - lines_of(code)),
                f"{largest.path.split('/')[2]} {lines_of([largest])}",
                " ".join(below) or "-",
            )
        )
    return rows


def folder_rows(root: Path) -> list[tuple[str, ...]]:
    rows = []
    for folder, suffixes in (
        ("include", CPP_SUFFIXES),
        ("bindings", CPP_SUFFIXES),
        ("python", (".py", ".pyi")),
        ("tests", (".cc", ".h", ".py")),
        ("tools", (".py",)),
        ("bench", (".py", ".cc", ".h")),
        ("examples", (".py",)),
        ("docs", (".md",)),
    ):
        sources = read_sources(root, (folder,), suffixes)
        if sources:
            largest = max(sources, key=lambda source: source.text.count("\n"))
            rows.append(
                (
                    folder,
                    str(len(sources)),
                    str(lines_of(sources)),
                    f"{largest.path.split('/')[-1]} {lines_of([largest])}",
                )
            )
    return rows


def show(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    for row in [header, *rows]:
        cells = [
            cell.rjust(width) if cell.isdigit() or (row is header and rows[0][i].isdigit()) else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        print("  " + "  ".join(cells).rstrip())


def main() -> int:
    root = Path(__file__).resolve().parent.parent
    show(("layer", "files", "lines", "tests", "largest file", "includes"), layer_rows(root))
    print()
    show(("folder", "files", "lines", "largest file"), folder_rows(root))
    return 0


if __name__ == "__main__":
    sys.exit(main())
