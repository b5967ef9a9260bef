"""The process that test_kill.py kills: writes for ever, and says on stdout what the database has acknowledged.

Arguments: path, durability, seed, number to begin with. One line for each acknowledged step, whole lines only:
`P key n` a put, `J key n` a change inside of a document, `D key n` a deletion, `T n` a transaction over the keys tx/0
to tx/4, `F name n` a fork of default, `C n` a compaction, `L n` a flush. `n` counts the steps and is the value of what
was put.
"""

import itertools
import os
import random
import sys

from stratadb import Strata

path, durability, seed, first = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
rng = random.Random(seed)


def acknowledge(*words):
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


db = Strata.open(path, durability=durability, cache_bytes=4 * 2**20)
for n in itertools.count(first):
    chance = rng.random()
    key = f"k/{rng.randrange(40)}"
    if chance < 0.10:
        key = f"d/{rng.randrange(5)}"
        db.json_set(key, f"$.list.m{n % 7}", [n, "x" * rng.choice([0, 100, 2000])])
        acknowledge("J", key, n)
    elif chance < 0.80:
        filler = "x" * rng.choice([0, 10, 200, 2000, 20_000])
        db.kv_put(key, [n, filler])
        acknowledge("P", key, n)
    elif chance < 0.85:
        db.kv_delete(key)
        acknowledge("D", key, n)
    elif chance < 0.95:
        with db.transaction():
            for part in range(5):
                db.kv_put(f"tx/{part}", n)
        acknowledge("T", n)
    elif chance < 0.97:
        db.branch_fork("default", f"f{n}")
        acknowledge("F", f"f{n}", n)
    elif chance < 0.98:
        db.compact()
        acknowledge("C", n)
    else:
        db.flush()
        acknowledge("L", n)
