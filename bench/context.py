"""What a workload is and what it is given."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import data

WORKER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "worker.py")


@dataclass(frozen=True)
class Target:
    """What our figure is held against: a bound on the ratio to the best peer, or on the figure itself."""

    text: str
    ratio: float | None = None
    absolute: float | None = None


@dataclass(frozen=True)
class Row:
    """One line of the report: a metric of a workload."""

    title: str
    metric: str
    unit: str
    better: str = "lower"  # or "higher"
    target: Target | None = None
    best_of: str | None = None  # title of the row whose best peer counts, where it is not this one


@dataclass(frozen=True)
class Workload:
    name: str
    rows: list[Row]
    run: Callable[[Context], dict[str, float]]
    durability: str
    note: str = ""
    quick: bool = True
    group: str = ""  # workloads of one group run in one process a system, after each other, and share its store
    rounds: int | None = None  # fixed, where one round is long
    only: tuple[str, ...] = ()  # systems; empty: all
    needs: tuple[str, ...] = ()  # adapter methods


@dataclass
class Context:
    """One system in one worker process. Owns the folders and stores that it hands out."""

    name: str
    adapter: ModuleType
    root: str
    rows: int = 100_000
    keys: int = 1_000_000
    quick: bool = False
    arguments: dict[str, Any] = field(default_factory=dict)
    _shared: Any = None
    _folders: list[str] = field(default_factory=list)

    @property
    def writes(self) -> int:
        """Calls of the ordinary writing workloads."""
        return min(self.rows, 25_000) if self.quick else self.rows

    @property
    def budget_s(self) -> float:
        """How long one series of timed calls may last; a slow system makes fewer calls."""
        return 1.0 if self.quick else 5.0

    def folder(self) -> str:
        path = tempfile.mkdtemp(prefix=self.name + "-", dir=self.root)
        self._folders.append(path)
        return os.path.join(path, "db")

    def open(self, path: str, mode: str) -> Any:
        return self.adapter.open_store(path, mode)

    def fresh(self, mode: str) -> Any:
        return self.open(self.folder(), mode)

    def loaded(self, count: int, mode: str = "buffered", path: str | None = None) -> Any:
        """A store of its own that holds `count` keys."""
        store = self.open(path or self.folder(), mode)
        load(store, count)
        return store

    def shared(self) -> Any:
        """The store with `rows` keys that the workloads of one group read."""
        if self._shared is None:
            self._shared = self.loaded(self.rows)
        return self._shared

    def clean(self) -> None:
        """Closes the shared store and removes every folder handed out."""
        if self._shared is not None:
            self._shared.close()
            self._shared = None
        self.remove_folders()

    def remove_folders(self) -> None:
        for path in self._folders:
            shutil.rmtree(path, ignore_errors=True)
        self._folders.clear()

    def in_child(self, workload: str, **arguments: Any) -> dict[str, float]:
        """Runs another workload in a process of its own; {} when it was killed, as a crash workload is."""
        request = {
            "workload": workload,
            "rows": self.rows,
            "keys": self.keys,
            "quick": self.quick,
            "arguments": arguments,
        }
        done = subprocess.run(
            [sys.executable, WORKER, self.name, self.adapter.__name__.split(".")[-1], self.root],
            input=json.dumps(request) + "\n",
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode < 0:
            return {}
        if done.returncode or not done.stdout:
            raise RuntimeError(f"{workload} in a child process failed: {done.stderr[-2000:]}")
        answer = json.loads(done.stdout.splitlines()[0])
        if "error" in answer:
            raise RuntimeError(answer["error"])
        metrics: dict[str, float] = answer["metrics"]
        return metrics


def load(store: Any, count: int, chunk: int = 1000) -> None:
    for pairs in data.chunks(data.records(data.shuffled_keys(count)), chunk):
        store.transaction(pairs)
