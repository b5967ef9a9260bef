"""Measures text search beside the specialists: speed over entries of a dictionary, quality over judged collections.

    ./dev bench texts                       everything; some minutes
    ./dev bench texts --judged FOLDER       with quality; a folder in the form of BEIR, more than once if there are more
    ./dev bench texts --quick               fewer documents

Writes the raw figures to bench/results/ and, unless the run was quick or partial, docs/performance_texts.md.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import specialists
from report import machine
from specialists_report import table

from texts import corpus, report

HERE = Path(__file__).resolve().parent
BENCH = HERE.parent
DOCUMENT = BENCH.parent / "docs" / "performance_texts.md"


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="./dev bench texts", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--peers", default="", help="systems to measure, comma separated (all; ours is always there)")
    parser.add_argument("--documents", type=int, default=100_000, help="documents (100000)")
    parser.add_argument("--judged", type=Path, action="append", default=[], help="folder of a judged collection")
    parser.add_argument("--quick", action="store_true", help="10,000 documents")
    parser.add_argument("--data", type=Path, default=BENCH / ".data", help="folder of data sets and databases")
    parser.add_argument("--out", type=Path, default=BENCH / "results", help="folder of the raw figures")
    options = parser.parse_args()
    if options.quick:
        options.documents = 10_000
    return options


def main() -> int:
    options = parse()
    problems: dict[str, str] = {}
    peers, titles = specialists.choose_peers(HERE / "peers.toml", options.peers, problems)
    options.out.mkdir(parents=True, exist_ok=True)
    data = options.data / "texts" / f"documents-{options.documents}"
    problem = corpus.prepare(data, options.documents)
    if problem is not None:
        sys.exit(problem)
    judged = [folder.resolve() for folder in options.judged]
    facts: dict[str, Any] = {
        "date": datetime.date.today().isoformat(),
        "machine": machine(),
        "load": os.getloadavg()[0],
        "collections": [folder.name for folder in judged],
    }
    root = Path(tempfile.mkdtemp(dir=options.data))
    try:
        results = specialists.run_all("texts", peers, root, "texts", problems, data, *judged)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    raw = options.out / datetime.datetime.now().strftime("texts-%Y%m%d-%H%M%S.json")
    raw.write_text(json.dumps({"facts": facts, "results": results, "problems": problems}, indent=1))
    print(table(report.ROWS, results, titles))
    if not (options.quick or options.peers):
        DOCUMENT.write_text(report.page(facts, results, peers, problems))
    for name, why in problems.items():
        print(f"{titles[name]}: {why}", file=sys.stderr)
    return 0 if specialists.OURS in results else 1


if __name__ == "__main__":
    sys.exit(main())
