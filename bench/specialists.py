"""Runs the systems of `vectors` and `texts`: one after the other, each in an environment and a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import environments

BENCH = Path(__file__).resolve().parent
OURS = "strata"
NOTHING = "-"
MOST_S = 1500  # of one system with one set

Figures = dict[str, Any]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(BENCH), "PYTHONWARNINGS": "ignore"}


def run_module(python: Path, *arguments: object) -> None:
    """Runs a module of this folder by some environment's interpreter; raises when it fails."""
    subprocess.run([python, "-m", *map(str, arguments)], check=True, env=environment(), cwd=BENCH)


def project_python() -> Path:
    return environments.PROJECT / ".venv" / "bin" / "python"


def choose(text: str, known: list[str], what: str) -> list[str]:
    names = [name for name in text.split(",") if name] or known
    unknown = [name for name in names if name not in known]
    if unknown:
        sys.exit(f"unknown {what}: {', '.join(unknown)} (known: {', '.join(known)})")
    return names


def choose_peers(file: Path, text: str, problems: dict[str, str]) -> tuple[list[environments.Peer], dict[str, str]]:
    """The systems that can be measured, ours first, and the titles of all; why the others cannot goes to `problems`."""
    known = environments.read_peers(file)
    usable = []
    for name in dict.fromkeys([OURS, *choose(text, list(known), "systems")]):
        problem = environments.prepare(known[name])
        if problem is None:
            usable.append(known[name])
        else:
            problems[name] = problem
    return usable, {name: peer.title for name, peer in known.items()}


def run_worker(package: str, peer: environments.Peer, root: Path, *arguments: object) -> tuple[Figures | None, str]:
    """What `package`.worker answers for one system, in a folder that is removed afterwards; or None and why."""
    work = tempfile.mkdtemp(prefix=peer.name + "-", dir=root)
    try:
        done = subprocess.run(
            [peer.python, "-m", f"{package}.worker", peer.adapter, work, *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=MOST_S,
            check=False,
            env=environment(),
            cwd=BENCH,
        )
    except subprocess.TimeoutExpired:
        return None, f"not done in {MOST_S} s"
    finally:
        shutil.rmtree(work, ignore_errors=True)
    if done.returncode or not done.stdout.strip():
        lines = done.stderr.strip().splitlines()
        return None, lines[-1] if lines else f"ended with {done.returncode}"
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    return figures, ""


def run_all(
    package: str, peers: list[environments.Peer], root: Path, label: str, problems: dict[str, str], *arguments: object
) -> dict[str, Figures]:
    results = {}
    for peer in peers:
        figures, why = run_worker(package, peer, root, *arguments)
        if figures is None:
            problems[peer.name] = why
        else:
            results[peer.name] = figures
        print(f"{label}: {peer.title}: {why or 'done'}", file=sys.stderr)
    return results


def draw_plots(script: Path, raw: Path, folder: Path) -> None:
    drawer = environments.PLOTS
    problem = environments.prepare(drawer)
    if problem is None:
        done = subprocess.run([drawer.python, script, raw, folder], capture_output=True, text=True, check=False)
        problem = done.stderr.strip() if done.returncode else None
    if problem is not None:
        print(f"no plots: {problem}", file=sys.stderr)
