"""A backup while a writer goes on, and how an error tells what to do.

It prints:

    the copy has as many of one as of the other: True
    the writer went on: True
    a second backup there: backup_exists
    what to do: name a folder that does not exist or is empty
"""

import threading

from stratadb import Strata, StrataError


def write(db: Strata, ready: threading.Event, stop: threading.Event) -> None:
    with db.session() as own:
        n = 0
        while not stop.is_set():
            n += 1
            with own.transaction():
                own.kv_put("left", n)
                own.kv_put("right", n)
            if n == 100:
                ready.set()


def main() -> None:
    with Strata.open("live.strata") as db:
        ready, stop = threading.Event(), threading.Event()
        writer = threading.Thread(target=write, args=(db, ready, stop))
        writer.start()
        ready.wait()
        report = db.backup("copy.strata")
        stop.set()
        writer.join()

        with Strata.open(report["path"]) as copy:
            print("the copy has as many of one as of the other:", copy.kv_get("left") == copy.kv_get("right"))
            print("the writer went on:", db.kv_get("left") >= copy.kv_get("left"))
        try:
            db.backup("copy.strata")
        except StrataError as error:
            print("a second backup there:", error.code)
            print("what to do:", error.hint)


if __name__ == "__main__":
    main()
