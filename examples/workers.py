"""Workers that share a queue: each task is done once, whoever takes it, and the sum is right to the last digit.

It prints:

    tasks done: 40
    done twice: 0
    the sum: 780
"""

import threading

from stratadb import ConflictError, Strata

TASKS = 40


def work(db: Strata, name: str) -> None:
    """Takes tasks until there are none. A handle of its own, so a branch, a space and a transaction of its own."""
    with db.session() as own:
        for n in range(TASKS):
            try:
                own.state_cas(f"task/{n:02}", name, expected="open")
            except ConflictError:
                continue  # another worker took it

            def account(handle: Strata, n: int = n) -> None:
                handle.kv_put("sum", handle.kv_get("sum", default=0) + n)
                handle.event_append("done", {"task": n, "by": name})

            own.run(account, retries=1000)  # again, when another worker was faster


def main() -> None:
    with Strata.open("queue.strata") as db:
        with db.transaction():
            for n in range(TASKS):
                db.state_set(f"task/{n:02}", "open")
        threads = [threading.Thread(target=work, args=(db, name)) for name in ("ann", "ben", "cleo")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        done = [event["value"]["task"] for event in db.event_list("done")]
        print("tasks done:", len(done))
        print("done twice:", len(done) - len(set(done)))
        print("the sum:", db.kv_get("sum"))


if __name__ == "__main__":
    main()
