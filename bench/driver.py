"""Runs the workloads: a worker process a system, the systems taking turns in every round."""

from __future__ import annotations

import contextlib
import itertools
import json
import selectors
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

from context import WORKER, Workload
from environments import Peer


@dataclass
class Plan:
    workloads: list[Workload]
    peers: list[Peer]
    rows: int
    keys: int
    rounds: int
    quick: bool
    root: Path
    timeout_s: float = 900.0


@dataclass
class Outcome:
    """What one system answered to one workload."""

    rounds: list[dict[str, float]] = field(default_factory=list)
    problem: str | None = None  # why there are no figures
    failed: bool = False  # an error, not something the system does not have


class Worker:
    """A worker process of one system. Ends it when it does not answer in time."""

    def __init__(self, peer: Peer, root: Path) -> None:
        self._log = (root / f"{peer.name}.log").open("ab")
        self._process = subprocess.Popen(
            [str(peer.python), WORKER, peer.name, peer.adapter, str(root)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
        )

    def ask(self, request: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            return {"error": f"the worker ended with {self._process.wait()}"}
        with selectors.DefaultSelector() as ready:
            ready.register(self._process.stdout, selectors.EVENT_READ)
            if not ready.select(timeout_s):
                self._process.kill()
                self._process.wait()
                return {"error": f"no answer within {timeout_s:.0f} s"}
        line = self._process.stdout.readline()
        if not line:
            return {"error": f"the worker ended with {self._process.wait()}"}
        answer: dict[str, Any] = json.loads(line)
        return answer

    def stop(self) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._process.communicate(timeout=120)
        self._log.close()


@contextlib.contextmanager
def workers(peers: list[Peer], root: Path) -> Iterator[dict[str, Worker]]:
    started = {peer.name: Worker(peer, root) for peer in peers}
    try:
        yield started
    finally:
        for worker in started.values():
            worker.stop()


def versions(plan: Plan) -> dict[str, str]:
    found = {}
    with workers(plan.peers, plan.root) as started:
        for name, worker in started.items():
            answer = worker.ask({"workload": "version"}, plan.timeout_s)
            found[name] = answer.get("version", "unknown")
    return found


def run(plan: Plan) -> dict[str, dict[str, Outcome]]:
    """Workload name -> system name -> outcome."""
    results: dict[str, dict[str, Outcome]] = {}
    grouped = itertools.groupby(plan.workloads, key=lambda workload: workload.group or workload.name)
    for _, group in grouped:
        members = list(group)
        with workers(plan.peers, plan.root) as started:
            for workload in members:
                begun = monotonic()
                results[workload.name] = run_workload(plan, workload, started)
                print(f"{workload.name:16} {monotonic() - begun:6.1f} s", file=sys.stderr)
    return results


def run_workload(plan: Plan, workload: Workload, started: dict[str, Worker]) -> dict[str, Outcome]:
    outcomes = {name: Outcome() for name in started}
    request = {"workload": workload.name, "rows": plan.rows, "keys": plan.keys, "quick": plan.quick}
    for _ in range(min(plan.rounds, workload.rounds or plan.rounds)):
        for name, worker in started.items():
            outcome = outcomes[name]
            if outcome.problem is not None:
                continue
            if workload.only and name not in workload.only:
                outcome.problem = "left out: takes too long"
                continue
            answer = worker.ask(request, plan.timeout_s)
            if "metrics" in answer:
                outcome.rounds.append(answer["metrics"])
            else:
                outcome.problem = answer.get("skipped") or answer["error"]
                outcome.failed = "error" in answer
    return outcomes
