"""The stored baseline: how each row stood against its best peer when it was last accepted, and what is worse now.

Ratios, not times, are compared: they move little between machines. A row is worse when its ratio has left the band
around the stored one that the noise of both runs explains.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from report import OURS, Line

FILE = Path(__file__).resolve().parent / "baseline.json"
LEAST_BAND = 0.25  # medians of interleaved rounds differ by this much between quiet runs of the same build


def noise_of(line: Line) -> float:
    """The spread over the rounds of the two figures whose ratio is compared."""
    return line.spreads.get(OURS, 0.0) + line.spreads.get(line.best_peer or "", 0.0)


def as_baseline(lines: list[Line]) -> dict[str, dict[str, Any]]:
    return {
        line.row.title: {"ratio": line.ratio, "noise": noise_of(line), "better": line.row.better}
        for line in lines
        if line.ratio is not None
    }


def store(lines: list[Line], file: Path = FILE) -> None:
    file.write_text(json.dumps(as_baseline(lines), indent=1, sort_keys=True) + "\n")


def compare(lines: list[Line], file: Path = FILE) -> list[str]:
    """What is worse than the baseline beyond the band; rows that only one of the two has are not compared."""
    known: dict[str, dict[str, Any]] = json.loads(file.read_text())
    worse = []
    for line in lines:
        before = known.get(line.row.title)
        if before is None or line.ratio is None or not line.ratio or not before["ratio"]:
            continue
        change = line.ratio / before["ratio"]
        if line.row.better == "higher":
            change = 1 / change
        band = 1 + max(LEAST_BAND, before["noise"] + noise_of(line))
        if change > band:
            worse.append(
                f"{line.row.title}: {line.ratio:.2f} x best, was {before['ratio']:.2f} "
                f"({change:.2f} x worse, the band is {band:.2f})"
            )
    return worse
