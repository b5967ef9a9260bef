"""A session with StrataDB, to watch: `python -m stratadb.demo`.

It stores the documentation of Python's own standard library, lets two branches change it and merges them, reads the
past, lets eight reviewers share cells, an event log and a document, kills a writer with `kill -9` in the middle of its
work and shows that nothing it had acknowledged is gone. It ends with exit code 1 and says so when anything is not as it
must be.
"""

from __future__ import annotations

import argparse
import ast
import functools
import itertools
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from stratadb import ConflictError, Strata, StrataError

RECORDS = 4_000
NOTES = 400  # keys that the writer of the last part goes round
TASKS = 400  # that the reviewers share
REVIEWERS = 8
ACKNOWLEDGED = 5_000  # writes after which it is killed, in the middle of the next ones


class DemoError(Exception):
    """Something was not as it must be."""


def main() -> int:
    """Runs the session in a folder of its own and removes it."""
    parser = argparse.ArgumentParser(prog="python -m stratadb.demo", description="A session with StrataDB, to watch.")
    parser.add_argument("--path", type=pathlib.Path, help="where to put the database, which is then kept")
    parser.add_argument("--writer", metavar="PATH", help=argparse.SUPPRESS)  # the process that is killed
    options = parser.parse_args()
    if options.writer:
        write_for_ever(options.writer)
    if options.path and options.path.exists():
        parser.error(f"{options.path} exists already")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="strata-demo-"))
    try:
        tour(options.path or folder / "db")
    except (DemoError, StrataError) as error:
        print(f"\nThis went wrong: {error}", file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def tour(path: pathlib.Path) -> None:
    """The parts one after the other, on one database."""
    began = time.perf_counter()
    with Strata.open(path) as db:
        print(f"StrataDB {db.ping()} in {path}")
        records = load(db)
        loaded = db.info()["commit_timestamp"]
        look(db, records)
        branch(db, records)
        merge(db, records)
        travel(db, records, loaded)
        work(db, records)
    kill(path)
    with Strata.open(path) as db:
        finish(db, records)
    print(f"\nEverything was as it must be, in {time.perf_counter() - began:.1f} s.")


# ---- 1. storing ----


def load(db: Strata) -> dict[str, dict[str, Any]]:
    """The documentation of the standard library, one commit a module."""
    heading("Store", "the documented functions and classes of Python's standard library")
    records: dict[str, dict[str, Any]] = {}
    spent, modules = 0.0, 0
    for entries in documented():
        entries = dict(itertools.islice(entries.items(), RECORDS - len(records)))
        started = time.perf_counter()
        db.kv_batch_put(entries)
        spent += time.perf_counter() - started
        modules += 1
        records |= entries
        if len(records) == RECORDS:
            break
    line("records", f"{len(records):,}", f"of {modules} modules, one commit each")
    line("stored in", milliseconds(spent), f"{len(records) / spent:,.0f} records a second")
    line("on disk", megabytes(db.info()["disk_bytes"]), "with all history")
    check(db.kv_count() == len(records), "as many keys as records")
    check(dict(db.kv_scan()) == records, "every record comes back as it was put")
    return records


def documented() -> Iterator[dict[str, dict[str, Any]]]:
    """For each module with documentation {"module/name": record}."""
    root = pathlib.Path(sysconfig.get_path("stdlib"))
    for file in sorted(root.rglob("*.py")):
        name = file.relative_to(root)
        if {"test", "tests", "idlelib", "lib2to3", "site-packages", "turtledemo"} & set(name.parts):
            continue
        try:
            source = file.read_text(encoding="utf-8")
            tree = ast.parse(source)
        except (SyntaxError, ValueError, OSError):
            continue
        module = ".".join(name.with_suffix("").parts)
        entries = dict(definitions(tree, source.splitlines(), module))
        if entries:
            yield entries


def definitions(node: ast.AST, lines: list[str], place: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Functions and classes with a docstring, those inside of classes too."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.FunctionDef | ast.ClassDef):
            continue
        name = f"{place}/{child.name}"
        if doc := ast.get_docstring(child):
            end = child.end_lineno or child.lineno
            yield (
                name,
                {
                    "kind": "class" if isinstance(child, ast.ClassDef) else "function",
                    "line": child.lineno,
                    "doc": doc,
                    "source": "\n".join(lines[child.lineno - 1 : min(end, child.lineno + 20)]),
                },
            )
        if isinstance(child, ast.ClassDef):
            yield from definitions(child, lines, name)


# ---- 2. reading ----


def look(db: Strata, records: dict[str, dict[str, Any]]) -> None:
    """Single gets, a prefix, pages."""
    heading("Read", "any record by its key, any part of the keys in order")
    keys = random.Random(1).choices(sorted(records), k=5_000)
    spent, found = timed(lambda: [db.kv_get(key) for key in keys])
    check(found == [records[key] for key in keys], "a get returns what was put")
    line("get", microseconds(spent / len(keys)), f"each, {len(keys):,} random ones")
    prefix = max(
        ("/".join(key.split("/")[:2]) + "/" for key in records), key=lambda p: sum(k.startswith(p) for k in records)
    )
    spent, listed = timed(lambda: db.kv_list(prefix))
    check(listed == sorted(key for key in records if key.startswith(prefix)), "a prefix lists its keys in order")
    line("list", microseconds(spent), f"for the {len(listed)} keys below {prefix}")
    seen, cursor = 0, None
    while True:
        page = db.kv_list_paginated(limit=500, cursor=cursor)
        seen, cursor = seen + len(page["keys"]), page["cursor"]
        if cursor is None:
            break
    check(seen == len(records), "the pages together hold every key")
    line("pages", f"{-(-seen // 500)}", f"of up to 500 keys, {seen:,} in all")


# ---- 3. branches ----


def branch(db: Strata, records: dict[str, dict[str, Any]]) -> None:
    """Two agents change the same data, each on a branch of its own."""
    heading("Branch", "two agents change the same data and do not see each other")
    for name in ("summaries", "cleanup"):
        spent, report = timed(functools.partial(db.branch_fork, "default", name))
        check(report["key_count"] == len(records), "a fork has every key")
        line("fork", microseconds(spent), f"default to {name}, {report['key_count']:,} keys, nothing copied")
    with db.session() as agent:
        agent.branch_use("summaries")
        with agent.transaction(message="one line for each class"):
            for key, record in records.items():
                if record["kind"] == "class":
                    agent.kv_put(key, {**record, "summary": record["doc"].splitlines()[0]})
        agent.kv_put("README", {"doc": "Classes have a summary here."})
    with db.session() as agent:
        agent.branch_use("cleanup")
        agent.kv_batch_delete([key for key in records if key.rpartition("/")[2].startswith("_")])
        agent.run(lambda branch: branch.kv_put("README", {"doc": f"{branch.kv_count():,} public names."}))
    classes = sum(record["kind"] == "class" for record in records.values())
    private = sum(key.rpartition("/")[2].startswith("_") for key in records)
    expected = {"summaries": (1, classes, 0), "cleanup": (1, 0, private)}
    for name, numbers in expected.items():
        found = compare(db, "default", name)
        check(found == numbers, f"{name} differs from default as it was changed: {found}, not {numbers}")
        line(name, f"{sum(found):,} differ", "{:,} added, {:,} changed, {:,} removed against default".format(*found))
    entry = db.branch_diff("default", "cleanup", limit=2)["entries"][1]
    check(entry["b"] is None and entry["a"] == records[str(entry["key"])], "a difference shows the value on both sides")
    line("one of them", entry["change"], f"{entry['key']}: in default a {entry['a']['kind']}, not there in cleanup")
    check(dict(db.kv_scan()) == records, "default is untouched")


def compare(db: Strata, a: str, b: str) -> tuple[int, int, int]:
    """How many keys were added, changed and removed on the way from one branch to another."""
    summary = db.branch_diff(a, b, limit=0)["summary"]
    return summary["total_added"], summary["total_modified"], summary["total_removed"]


# ---- 4. merging ----


def merge(db: Strata, records: dict[str, dict[str, Any]]) -> None:
    """The work of both agents is brought together on a third branch."""
    heading("Merge", "the work of both agents is brought together, and nothing of either is lost")
    db.branch_fork("default", "release")
    spent, report = timed(lambda: db.branch_merge("summaries", "release", "strict"))
    check(not report["conflicts"], "what one side alone changed is no conflict")
    line("summaries", milliseconds(spent), f"to merge into release: {report['keys_applied']:,} changes, no conflict")

    # Now release has changed keys that cleanup deletes, and both wrote a README.
    try:
        db.branch_merge("cleanup", "release", "strict")
        raise DemoError("two agents wrote the README, and a strict merge took no notice")
    except ConflictError as error:
        check(error.code == "merge_conflict", f"a strict merge says why: {error.code}")
        conflicts = error.conflicts
    gone = [c["key"] for c in conflicts if c["source"] is None]
    check(
        len(gone) == len(conflicts) - 1, "besides the README, the conflicts are what one deleted and the other changed"
    )
    line("strict", "refused", f"{len(conflicts)} keys were changed by both; nothing was merged")
    line("conflict", "README", f"one says {says(conflicts, 'target')}, the other {says(conflicts, 'source')}")
    line("conflicts", f"{len(gone)}", f"private classes that one summed up and the other deleted, such as {gone[0]}")

    def decide(conflict: dict[str, Any]) -> Any:
        if conflict["key"] == "README":
            return {"doc": f"{conflict['target']['doc']} {conflict['source']['doc']}"}
        return conflict["source"]  # deleted stays deleted

    spent, report = timed(lambda: db.branch_merge("cleanup", "release", decide))
    check(len(report["conflicts"]) == len(conflicts), "the same conflicts are decided")
    line(
        "cleanup", milliseconds(spent), f"to merge: {report['keys_applied']:,} changes, conflicts decided by a function"
    )
    with db.session() as reader:
        reader.branch_use("release")
        merged = dict(reader.kv_scan())
    public = [key for key in records if not key.rpartition("/")[2].startswith("_")]
    check(sorted(merged) == sorted([*public, "README"]), "what was deleted stays deleted, the rest is there")
    summed = sum("summary" in record for record in merged.values())
    check(summed == sum(records[key]["kind"] == "class" for key in public), "every class that is left has its summary")
    line("release", f"{len(merged):,} keys", f"{summed:,} with a summary; README: {merged['README']['doc']}")
    report = db.branch_merge("cleanup", "release")
    check(report["keys_applied"] == 0, "merging again brings nothing")
    line("once more", "0 changes", "what was merged is not merged again")


def says(conflicts: list[dict[str, Any]], side: str) -> str:
    """What one side wrote into the README."""
    (text,) = [conflict[side]["doc"] for conflict in conflicts if conflict["key"] == "README"]
    return f'"{text}"'


# ---- 5. the past ----


def travel(db: Strata, records: dict[str, dict[str, Any]], loaded: int) -> None:
    """Every read can be asked for the state at an earlier commit."""
    heading("Look back", "every state of the past can be read")
    key = random.Random(2).choice(sorted(records))
    for mark in ("checked", "translated", "reviewed"):
        db.kv_put(key, {**db.kv_get(key), "status": mark})
    db.kv_delete(key)
    history = db.kv_history(key) or []
    check([row["version"] for row in history] == [5, 4, 3, 2, 1], "every version is in the history")
    check(history[0]["deleted"] and history[-1]["value"] == records[key], "from the first to the deletion")
    shown = " < ".join("deleted" if row["deleted"] else row["value"].get("status", "stored") for row in history)
    line("history", f"{len(history)} versions", f"of {key}: {shown}")
    others = [other for other in records if other != key][: len(records) // 2]
    db.kv_batch_put(dict.fromkeys(others, "overwritten"))
    spent, value = timed(lambda: db.kv_get(key, as_of=loaded))
    check(value == records[key], "the record as it was after loading")
    line("get, as of", microseconds(spent), f"{key} is deleted now, and was there after loading")
    spent, past = timed(lambda: dict(db.kv_scan(as_of=loaded)))
    check(past == records, "the whole branch as it was after loading")
    line(
        "scan, as of",
        milliseconds(spent),
        f"all {len(past):,} records as they were, {len(others):,} are overwritten now",
    )
    spent, report = timed(lambda: db.branch_fork("default", "restored", as_of=loaded))
    check(report["key_count"] == len(records), "a fork of the past has every key")
    check(compare(db, "summaries", "restored")[2] == 1, "and only what was then there")
    line("fork, as of", microseconds(spent), "the branch restored is default as it was after loading")


# ---- 6. agents at work ----


def work(db: Strata, records: dict[str, dict[str, Any]]) -> None:
    """Reviewers in threads share a cell that hands out tasks, an event log and a plan, in a space of their own."""
    heading("Work", f"{REVIEWERS} reviewers in threads share cells, an event log and a document")
    tasks = sorted(records)[:TASKS]
    db.space_use("review")
    db.state_init("next", 0)
    db.json_set("plan", "$", {"goal": "read the documentation", "steps": {"total": TASKS, "done": 0}, "findings": []})
    lost = [0] * REVIEWERS
    threads = [threading.Thread(target=reviewer, args=(db, number, tasks, lost)) for number in range(REVIEWERS)]
    spent, _ = timed(lambda: [*map(threading.Thread.start, threads), *map(threading.Thread.join, threads)])
    line("reviewed", f"{TASKS} tasks", f"in {milliseconds(spent)}; {sum(lost)} compare-and-swaps lost to another one")

    check(db.state_get("next") == TASKS, "no task was handed out twice or left out")
    check(db.json_get("plan", "$.steps.done") == TASKS, "every review is counted in the plan")
    check(db.event_len() == TASKS, "every review is an event")
    check(sorted(event["value"]["key"] for event in db.event_list("reviewed")) == tasks, "each task once")
    last = db.event_list("reviewed", limit=3, reverse=True)
    spent, chain = timed(db.event_verify)
    check(chain == {"valid": True, "length": TASKS, "first_bad": None}, f"the chain of events holds: {chain}")
    line("events", f"{db.event_len()}", f"without gaps, the last three: {', '.join(str(e['sequence']) for e in last)}")
    line("chain", milliseconds(spent), "to check the SHA-256 chain over all of them")
    spent, done = timed(lambda: db.json_get("plan", "$.steps.done"))
    line(
        "plan",
        f"{done} done",
        f"read at $.steps.done in {microseconds(spent)}, {len(db.json_history('plan') or [])} versions",
    )
    try:
        db.state_cas("next", 0, expected=TASKS - 1)
    except ConflictError as error:
        check(error.current == TASKS, "a conflict says what is there")
        line("stale swap", "refused", str(error))
    before = db.info()["commit_timestamp"]
    try:
        with db.transaction():
            db.state_set("next", "nobody sees this")
            db.event_append("mistake", {})
            db.json_set("plan", "$.goal", "nor this")
            raise InterruptedError
    except InterruptedError:
        check(db.info()["commit_timestamp"] == before and db.event_types() == ["reviewed"], "nothing of it remains")
        line("rolled back", "all of it", "cell, event and document, when the block failed")
    db.space_use("default")


def reviewer(db: Strata, number: int, tasks: list[str], lost: list[int]) -> None:
    """Takes tasks until none is left; each review is one transaction over three primitives."""
    with db.session() as session:
        while True:
            seen = session.state_get_versioned("next")
            if seen is None or seen["value"] == len(tasks):
                return
            try:
                session.state_cas("next", seen["value"] + 1, expected_version=seen["version"])
            except ConflictError:
                lost[number] += 1
                continue
            session.run(functools.partial(review, number=number, key=tasks[seen["value"]]), retries=1_000)


def review(session: Strata, number: int, key: str) -> None:
    """Reads a record of another space and writes what was found, or nothing at all."""
    session.space_use("default")
    doc = session.kv_get(key)
    session.space_use("review")
    session.event_append("reviewed", {"key": key, "by": number})
    session.json_set("plan", "$.steps.done", session.json_get("plan", "$.steps.done") + 1)
    if isinstance(doc, dict) and len(doc["doc"]) > 2_000:
        session.json_set("plan", f"$.findings[{len(session.json_get('plan', '$.findings'))}]", f"{key} is long")


# ---- 7. kill -9 ----


def write_for_ever(path: str) -> None:
    """What the killed process does: says on stdout what the database has acknowledged, a number at a time."""
    db = Strata.open(path)
    for n in itertools.count():
        if n % 20 == 19:
            with db.transaction():
                for part in ("left", "right"):
                    db.kv_put(f"pair/{part}", n)
                db.event_append("pair", {"n": n})
                db.state_set("last", n)
                db.json_set("totals", "$.pairs", n // 20 + 1)
        else:
            db.kv_put(f"note/{n % NOTES}", {"n": n, "text": f"note number {n}"})
        sys.stdout.write(f"{n}\n")
        sys.stdout.flush()


def kill(path: pathlib.Path) -> None:
    """Another process writes; it is killed while it does; its writes are counted."""
    heading("Kill", "a process that writes is ended by kill -9")
    command = [sys.executable, "-m", "stratadb.demo", "--writer", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        said = list(itertools.islice(writer.stdout, ACKNOWLEDGED))
        writer.send_signal(signal.SIGKILL)
        said += writer.stdout.readlines()
        status = writer.wait()
    check(status == -signal.SIGKILL, f"the writer was killed by signal 9, not ended with {status}")
    numbers = [int(text) for text in said if text.endswith("\n")]
    check(numbers == list(range(len(numbers))), "the writer counted")
    line("acknowledged", f"{len(numbers):,} writes", f"then kill -9 of process {writer.pid}")
    spent, db = timed(lambda: Strata.open(path))
    with db:
        line("reopened in", milliseconds(spent), "the end of the log replayed")
        lost, beyond = audit(db, numbers)
        line(
            "found",
            f"{len(numbers) - lost:,} writes",
            f"{lost} lost, {beyond} more that was on its way, with all history",
        )
        check(lost == 0, "nothing acknowledged is lost")
        check(beyond <= 1, f"at most the write on its way is there beyond that, not {beyond}")
        left, right = db.kv_history("pair/left") or [], db.kv_history("pair/right") or []
        check([row["value"] for row in left] == [row["value"] for row in right], "no transaction is there in part")
        events = [event["value"]["n"] for event in db.event_list("pair")]
        check(events == [row["value"] for row in reversed(left)], "nor of its event")
        check(db.state_get("last") == events[-1], "nor of its cell")
        check(db.json_get("totals", "$.pairs") == len(events), "nor of its document")
        check(db.event_verify()["valid"], "the chain of events holds")
        line("transactions", f"{len(left):,}", "of keys, an event, a cell and a document each, none in part")
        report = db.verify()
        check(report["ok"], f"verify() finds nothing: {report['problems'][:3]}")
        line("verified", f"{report['pages']:,} pages", "no problem found")


def audit(db: Strata, numbers: list[int]) -> tuple[int, int]:
    """How many acknowledged writes the histories miss, and how many they have beyond those."""
    found: set[int] = set()
    for key in [*db.kv_list("note/"), "pair/left"]:
        history = db.kv_history(key) or []
        values = [row["value"]["n"] if isinstance(row["value"], dict) else row["value"] for row in history]
        check(values == sorted(values, reverse=True), f"the history of {key} is in order")
        check(
            [row["version"] for row in history] == list(range(len(history), 0, -1)), f"no version of {key} is missing"
        )
        found.update(values)
    return len(set(numbers) - found), len(found - set(numbers))


# ---- 8. what is left ----


def finish(db: Strata, records: dict[str, dict[str, Any]]) -> None:
    """Everything from before the kill is there as well."""
    heading("And now", "everything from before is there as well")
    names = db.branch_list()
    check(names == ["cleanup", "default", "release", "restored", "summaries"], f"the branches are there, not {names}")
    db.branch_use("restored")
    check(dict(db.kv_scan()) == records, "the restored branch holds every record")
    about = db.info()
    line("branches", f"{about['branch_count']}", ", ".join(names))
    line("keys", f"{about['total_keys']:,}", "over all branches")
    line("on disk", megabytes(about["disk_bytes"]), "five branches and all history")


# ---- showing and checking ----


def heading(word: str, text: str) -> None:
    """Begins a part."""
    print(f"\n{word}: {text}")


def line(what: str, number: str, text: str) -> None:
    """One fact, in columns."""
    print(f"  {what:<13} {number:>14}   {text}")


def check(condition: bool, what: str) -> None:
    """What must be so; else the demo ends here."""
    if not condition:
        raise DemoError(f"expected {what}")


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds, and what the call returned."""
    started = time.perf_counter()
    result = call()
    return time.perf_counter() - started, result


def microseconds(seconds: float) -> str:
    """For short times."""
    return f"{seconds * 1e6:,.1f} µs" if seconds < 1e-3 else milliseconds(seconds)


def milliseconds(seconds: float) -> str:
    """For longer ones."""
    return f"{seconds * 1e3:,.1f} ms"


def megabytes(count: int) -> str:
    """Of a size in bytes."""
    return f"{count / 1e6:,.1f} MB"


if __name__ == "__main__":
    sys.exit(main())
