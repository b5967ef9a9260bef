"""One system in a process of its own: reads requests as lines of JSON, answers each by one line of JSON.

Started as `worker.py SYSTEM ADAPTER FOLDER` by that system's interpreter. A request names a workload and its sizes;
the answer is {"metrics": {...}}, {"skipped": why} or {"error": why}. {"workload": "version"} answers {"version": ...}.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import traceback
from typing import Any

from adapters.base import Unsupported
from context import Context, Workload
from workloads import all_workloads, internal_workloads


def missing_methods(ctx: Context, workload: Workload) -> list[str]:
    if not workload.needs:
        return []
    mode = "buffered"
    store = ctx.fresh(mode)
    try:
        return [name for name in workload.needs if not hasattr(store, name)]
    finally:
        store.close()


def answer(ctx: Context, known: dict[str, Workload], request: dict[str, Any]) -> dict[str, Any]:
    name = request["workload"]
    if name == "version":
        return {"version": ctx.adapter.version()}
    workload = known[name]
    ctx.rows, ctx.keys, ctx.quick = request["rows"], request["keys"], request["quick"]
    ctx.arguments = request.get("arguments", {})
    try:
        missing = missing_methods(ctx, workload)
        if missing:
            return {"skipped": "has no " + ", ".join(missing)}
        return {"metrics": workload.run(ctx)}
    except Unsupported as why:
        return {"skipped": str(why)}
    except Exception as error:
        traceback.print_exc()
        return {"error": f"{type(error).__name__}: {error}"}
    finally:
        if not workload.group:
            ctx.remove_folders()


def main() -> None:
    system, adapter, root = sys.argv[1:4]
    # Whatever a library prints must not come between the answers.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    ctx = Context(system, importlib.import_module(f"adapters.{adapter}"), root)
    known = {workload.name: workload for workload in [*all_workloads(), *internal_workloads()]}
    try:
        for line in sys.stdin:
            print(json.dumps(answer(ctx, known, json.loads(line))), file=answers)
    finally:
        ctx.clean()


if __name__ == "__main__":
    main()
