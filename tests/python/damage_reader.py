"""The process that test_files.py gives damaged databases to: opens, reads all, says on stdout what it found.

Arguments: path. It prints `error CODE` for what was refused with a StrataError, else `read` and the sha256 of
everything that a database shows, histories included; then, if it opened at all, `verify` and what verify() found.
Any other end is a failure of the test: an exception of another kind, or a signal.
"""

import hashlib
import sys

from stratadb import Strata, StrataError


def fingerprint(db):
    digest = hashlib.sha256()
    for branch in db.branch_list():
        db.branch_use(branch)
        digest.update(repr((branch, sorted(db.branch_get(branch).items()))).encode())
        for space in db.space_list():
            db.space_use(space)
            rows = db.kv_scan()
            digest.update(repr((space, rows, db.kv_count())).encode())
            for key in [*db.kv_list(), "deleted"]:
                digest.update(repr(db.kv_history(key)).encode())
    db.branch_use("default")
    db.space_use("default")
    return digest.hexdigest()


def examine(path, read_only):
    try:
        db = Strata.open(path, read_only=read_only)
    except StrataError as error:
        print("error", error.code, flush=True)
        return
    try:
        print("read", fingerprint(db), flush=True)
    except StrataError as error:
        print("error", error.code, flush=True)
    try:
        print("verify", "fine" if db.verify()["ok"] else "damaged", flush=True)
    except StrataError as error:
        print("verify", error.code, flush=True)
    db.close()


if __name__ == "__main__":
    for line in sys.stdin:
        examine(line.strip(), read_only=True)
        examine(line.strip(), read_only=False)
        print("end", flush=True)
