"""Draws recall against speed: `python vectors/plots.py RESULTS.json FOLDER`. Needs Matplotlib and nothing else here."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.pyplot as plt


def draw(results: dict[str, dict[str, Any]], titles: dict[str, str]) -> Any:
    figure, axes = plt.subplots(figsize=(7, 4.5))
    for name, figures in results.items():
        curve = figures.get("curve", [])
        if not curve:
            continue
        ours = name == "strata"
        axes.plot(
            [point["recall"] for point in curve],
            [point["qps"] for point in curve],
            marker="*" if ours else "o",
            markersize=14 if ours else 4,
            label=titles[name],
        )
    axes.set_xlim(0.85, 1.002)
    axes.set_yscale("log")
    axes.set_xlabel("recall at 10")
    axes.set_ylabel("queries a second, one thread")
    axes.legend()
    return figure


def main(arguments: list[str]) -> None:
    source, folder = Path(arguments[0]), Path(arguments[1])
    run = json.loads(source.read_text())
    matplotlib.rcParams.update({"svg.hashsalt": "strata", "svg.fonttype": "none", "font.size": 9})
    folder.mkdir(parents=True, exist_ok=True)
    for name, results in run["sets"].items():
        figure = draw(results, run["titles"])
        figure.tight_layout()
        figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
        plt.close(figure)


if __name__ == "__main__":
    main(sys.argv[1:])
