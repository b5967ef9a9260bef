"""What the tests of bundles share."""

from stratadb import CorruptionError
from support import contents, refused


def now(db):
    return db.time_range()["latest_ts"]


def fill(db, rng, rounds):
    """Random commits of all kinds, two spaces, space deletions; returns the timestamps."""
    times = []
    with db.session() as s:
        for n in range(rounds):
            s.space_use(rng.choice(["default", "s1", "s2"]))
            kind = rng.random()
            with s.transaction(message=rng.choice([None, "", f"step {n}"])):
                if kind < 0.35:
                    s.kv_put(f"k{rng.randrange(12)}", rng.choice([n, None, float("nan"), "x" * 3000, {"b": [n]}]))
                elif kind < 0.5:
                    s.kv_delete(f"k{rng.randrange(12)}")
                elif kind < 0.6:
                    s.state_set("cell", n)
                elif kind < 0.7:
                    s.json_set("doc", "$", {"n": n, "text": "y" * rng.randrange(5000)})
                elif kind < 0.75:
                    s.json_delete("doc", "$")
                elif kind < 0.77:
                    if not s.json_drop_index("i"):
                        s.json_create_index("i", f"$.a[{n}]")
                elif kind < 0.95:
                    s.event_append(rng.choice(["a", "b"]), {"n": n})
                else:
                    s.kv_batch_put({f"b{i}": n for i in range(20)})
            if rng.random() < 0.04:
                space = rng.choice(["s1", "s2"])
                s.space_use("default")
                if s.space_exists(space):
                    s.space_delete(space, force=True)
            times.append(now(s))
    return times


def whole(db, branch, times=()):
    """All that can be read of a branch, now and at each of `times`."""
    seen = {}
    with db.session() as s:
        s.branch_use(branch)
        for moment in [None, *times]:
            then = {} if moment is None else {"as_of": moment}
            for space in s.space_list(**then):
                s.space_use(space)
                seen[moment, space] = repr(
                    (
                        s.kv_scan(**then),
                        [(key, s.kv_get_versioned(key, **then)) for key in s.kv_list(**then)],
                        [(key, s.kv_history(key, **then)) for key in [f"k{n}" for n in range(12)]],
                        s.kv_count(**then),
                        [(cell, s.state_history(cell, **then)) for cell in s.state_list(**then)],
                        [(key, s.json_get(key, **then), s.json_history(key, **then)) for key in s.json_list(**then)],
                        s.event_list(None, **then),
                        s.event_list("a", **then),
                        s.event_list(None, since=times[min(len(times), 30) // 2], **then) if times else [],
                        s.event_types(**then),
                        s.event_verify(**then),
                    )
                )
        seen["log"] = s.branch_log(branch)
    return seen


def is_refused(db, path):
    before = contents(db, history=True)
    verdict = db.branch_validate_bundle(path)
    assert verdict["checksums_valid"] is False and verdict["branch"] is None and verdict["entry_count"] == 0
    assert type(verdict["problem"]) is str and verdict["problem"]
    with refused(CorruptionError, "bundle_damaged"):
        db.branch_import(path, name="bad")
    assert contents(db, history=True) == before
    assert not db.branch_exists("bad")
