"""Measures StrataDB beside LMDB, LevelDB, RocksDB, SQLite and StrataDB 1.2.7, all in one run.

    ./dev bench                      every row; takes a long while, on a quiet machine
    ./dev bench --quick              the main rows in under three minutes
    ./dev bench --peers lmdb,sqlite --only get,page
    ./dev bench --check              fails if a row stands worse against its best peer than in bench/baseline.json,
                                     beyond the noise; --accept stores this run's rows as the baseline

Writes the raw figures to bench/results/ and, unless the run was quick or partial, the report with its plots to
docs/performance.md.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import baseline
import environments
import report
from context import Workload
from driver import Plan, run, versions
from workloads import all_workloads

BENCH = Path(__file__).resolve().parent
DOCUMENT = BENCH.parent / "docs" / "performance.md"


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="./dev bench", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=100_000, help="keys of the ordinary rows (100000)")
    parser.add_argument("--keys", type=int, default=1_000_000, help="keys of the large rows (1000000)")
    parser.add_argument("--rounds", type=int, default=3, help="interleaved rounds, medians are taken (3)")
    parser.add_argument("--peers", default="", help="systems to measure, comma separated (all; ours is always there)")
    parser.add_argument("--only", default="", help="workloads to run, comma separated (all)")
    parser.add_argument("--quick", action="store_true", help="main rows, fewer calls")
    parser.add_argument("--out", type=Path, default=BENCH / "results", help="folder of the raw figures")
    parser.add_argument("--document", type=Path, help="file of the report (a full run: docs/performance.md)")
    parser.add_argument("--check", action="store_true", help="compare with the stored baseline")
    parser.add_argument("--accept", action="store_true", help="store the rows measured as the baseline")
    parser.add_argument(
        "--data", type=Path, default=BENCH / ".data", help="folder of the databases; its disk is measured"
    )
    return parser.parse_args(arguments)


def chosen(text: str, known: list[str], what: str) -> list[str]:
    if not text:
        return known
    names = [name for name in text.split(",") if name]
    unknown = [name for name in names if name not in known]
    if unknown:
        sys.exit(f"unknown {what}: {', '.join(unknown)} (known: {', '.join(known)})")
    return names


def choose_workloads(options: argparse.Namespace) -> list[Workload]:
    workloads = all_workloads()
    names = chosen(options.only, [workload.name for workload in workloads], "workloads")
    return [
        workload
        for workload in workloads
        if workload.name in names and (workload.quick or not options.quick or options.only)
    ]


def choose_peers(options: argparse.Namespace) -> list[environments.Peer]:
    known = environments.read_peers()
    names = chosen(options.peers, list(known), "systems")
    usable = []
    for name in dict.fromkeys([report.OURS, *names]):
        problem = environments.prepare(known[name])
        if problem is None:
            usable.append(known[name])
        else:
            print(f"{known[name].title} is left out: {problem}", file=sys.stderr)
    return usable


def draw_plots(raw: Path, folder: Path) -> list[str]:
    """Draws the run's figures into `folder`; their places, relative to the report beside it."""
    drawer = environments.PLOTS
    problem = environments.prepare(drawer)
    if problem is None:
        done = subprocess.run(
            [drawer.python, BENCH / "plots.py", raw, folder], capture_output=True, text=True, check=False
        )
        problem = done.stderr.strip() if done.returncode else None
    if problem is not None:
        print(f"no plots: {problem}", file=sys.stderr)
        return []
    return [f"{folder.name}/{plot.name}" for plot in sorted(folder.glob("*.svg"))]


def main() -> int:
    options = parse()
    workloads = choose_workloads(options)
    peers = choose_peers(options)
    if not peers:
        sys.exit("nothing to measure")
    options.data.mkdir(parents=True, exist_ok=True)
    options.out.mkdir(parents=True, exist_ok=True)
    root = Path(tempfile.mkdtemp(dir=options.data))
    facts = {
        "date": datetime.date.today().isoformat(),
        "machine": report.machine(),
        "file_system": report.file_system(root),
        "load": os.getloadavg()[0],
        "rows": options.rows,
        "keys": options.keys,
        "rounds": options.rounds,
        "quick": options.quick,
    }
    plan = Plan(workloads, peers, options.rows, options.keys, options.rounds, options.quick, root)
    try:
        found = versions(plan)
        results = run(plan)
    finally:
        for log in root.glob("*.log"):
            if log.stat().st_size:
                shutil.copy(log, options.out / log.name)
        shutil.rmtree(root, ignore_errors=True)
    lines = report.lines_of(workloads, results)
    raw = options.out / datetime.datetime.now().strftime("%Y%m%d-%H%M%S.json")
    raw.write_text(json.dumps(report.as_json(lines, found, facts, results), indent=1))
    document = options.document or (None if options.quick or options.only or options.peers else DOCUMENT)
    plots = draw_plots(raw, document.with_suffix("")) if document is not None else []
    text = report.page(lines, peers, found, facts, results, plots)
    raw.with_suffix(".md").write_text(text)
    if document is not None:
        document.parent.mkdir(parents=True, exist_ok=True)
        document.write_text(text)
    print(report.table(lines, peers))
    worse = baseline.compare(lines) if options.check else []
    for line in worse:
        print(f"worse than the baseline: {line}")
    if options.accept:
        baseline.store(lines)
    failed = report.unmeasured(results, peers)
    print(failed)
    return 1 if worse or failed.startswith("Failed") else 0


if __name__ == "__main__":
    sys.exit(main())
