"""A document that grows: changed at a path, by a merge patch, by a patch that is taken whole or not at all.

It prints:

    steps: ['search', 'summarize']
    status: running
    the patch was refused: patch_test_failed
    still there: {'name': 'report', 'status': 'running', 'steps': ['search', 'summarize']}
    versions: 4
"""

from stratadb import ConflictError, Strata


def main() -> None:
    with Strata.open("documents.strata") as db:
        db.json_set("task", "$", {"name": "report", "steps": []})
        db.json_set("task", "$.steps[0]", "search")
        db.json_set("task", "$.steps[1]", "summarize")
        print("steps:", db.json_get("task", "$.steps"))

        db.json_merge("task", {"status": "running"})
        print("status:", db.json_get("task", "$.status"))

        try:
            db.json_patch(
                "task",
                [
                    {"op": "remove", "path": "/steps/0"},
                    {"op": "test", "path": "/status", "value": "done"},
                ],
            )
        except ConflictError as error:
            print("the patch was refused:", error.code)
        document = db.json_get("task")
        print("still there:", dict(sorted(document.items())))
        history = db.json_history("task")
        assert history is not None
        print("versions:", len(history))


if __name__ == "__main__":
    main()
