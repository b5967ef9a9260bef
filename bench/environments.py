"""The interpreters of the measured systems: one environment a system, made on first use from peers.toml."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

import tomllib

BENCH = Path(__file__).resolve().parent
PROJECT = BENCH.parent
MARK = "installed.txt"


@dataclass(frozen=True)
class Peer:
    name: str
    title: str
    adapter: str
    requires: tuple[str, ...]
    options: str
    project: bool  # ours: runs in the project's own environment

    @property
    def python(self) -> Path:
        if self.project:
            override = os.environ.get("STRATA_BENCH_PYTHON")
            return Path(override) if override else PROJECT / ".venv" / "bin" / "python"
        return BENCH / ".venvs" / self.name / "bin" / "python"


# What draws the plots of a report: an environment like a system's, so that nobody else needs Matplotlib.
PLOTS = Peer("plots", "Matplotlib", "", ("matplotlib==3.11.2",), "", False)


def read_peers(file: Path = BENCH / "peers.toml") -> dict[str, Peer]:
    with file.open("rb") as stream:
        tables = tomllib.load(stream)
    return {
        name: Peer(
            name=name,
            title=table["title"],
            adapter=table["adapter"],
            requires=tuple(table.get("requires", ())),
            options=table["options"],
            project=table.get("project", False),
        )
        for name, table in tables.items()
    }


def is_ready(peer: Peer) -> bool:
    """Whether the system can be measured now, nothing installed for it."""
    if not peer.python.exists():
        return False
    if peer.project:
        return subprocess.run([peer.python, "-c", "import stratadb"], capture_output=True, check=False).returncode == 0
    mark = peer.python.parent.parent / MARK
    return mark.exists() and mark.read_text().split() == list(peer.requires)


def prepare(peer: Peer) -> str | None:
    """Makes the environment where it is missing or of other versions; returns why it cannot be used, or None."""
    if is_ready(peer):
        return None
    if peer.project:
        return "not built: the package cannot be imported (./dev setup)"
    home = peer.python.parent.parent
    print(f"installing {' '.join(peer.requires)} for {peer.title}", file=sys.stderr)
    venv.create(home, with_pip=True, clear=True)
    if peer.requires:
        done = subprocess.run(
            [peer.python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *peer.requires],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            lines = done.stderr.strip().splitlines() or ["pip failed"]
            return f"could not be installed: {lines[-1]}"
    (home / MARK).write_text("\n".join(peer.requires) + "\n")
    return None
