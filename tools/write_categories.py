#!/usr/bin/env python3
"""Writes src/model/unicode_category_table.h: the general categories of Unicode, from Python's own tables."""

import pathlib
import sys
import unicodedata

NAMES = (
    "Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "No", "Pc", "Pd", "Ps", "Pe",
    "Pi", "Pf", "Po", "Sm", "Sc", "Sk", "So", "Zs", "Zl", "Zp", "Cc", "Cf", "Cs", "Co", "Cn",
)  # fmt: skip
FILE = pathlib.Path(__file__).parents[1] / "src" / "model" / "unicode_category_table.h"


def runs() -> list[int]:
    """Where each run of one category begins, shifted by five bits, with the category's number below."""
    found: list[int] = []
    last = None
    for scalar in range(sys.maxunicode + 1):
        category = unicodedata.category(chr(scalar))
        if category != last:
            found.append(scalar << 5 | NAMES.index(category))
            last = category
    return found


def main() -> None:
    rows = runs()
    lines = [
        "// The general category of every code point: where each run begins, and the category in the low five bits.",
        f"// Unicode {unicodedata.unidata_version}; written by tools/write_categories.py.",
        "// Thread safety: constant.",
        "#pragma once",
        "",
        "#include <cstdint>",
        "",
        "namespace strata::model {",
        "",
        "// clang-format off",
        "inline constexpr const char* kCategoryNames[] = {" + ", ".join(f'"{name}"' for name in NAMES) + "};",
        "inline constexpr uint32_t kCategoryRuns[] = {",
    ]
    for start in range(0, len(rows), 12):
        lines.append("  " + " ".join(f"0x{row:X}," for row in rows[start : start + 12]))
    lines += ["};", "// clang-format on", "", "}  // namespace strata::model", ""]
    FILE.write_text("\n".join(lines))


if __name__ == "__main__":
    main()
