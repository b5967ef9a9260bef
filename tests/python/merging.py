"""What the tests of branch_merge share."""

STRATEGIES = ["last_writer_wins", "source", "target", "strict"]


class On:
    """A handle on one branch: On(db, "b").kv_put(...)."""

    def __init__(self, db, branch, space="default"):
        self._db, self._branch, self._space = db, branch, space

    def __getattr__(self, name):
        def call(*args, **kwargs):
            with self._db.session() as session:
                session.branch_use(self._branch)
                session.space_use(self._space)
                return getattr(session, name)(*args, **kwargs)

        return call


def scan(db, branch):
    return dict(On(db, branch).kv_scan())


def merge(db, source="b", target="default", strategy=None, **options):
    return db.branch_merge(source, target, strategy, **options)


def stamp(db):
    return db.info()["commit_timestamp"]


def conflicting(db):
    """b changed `both` after default did, and before it `gone`; default deleted `gone`, b deleted `left`."""
    db.kv_put("both", "target")
    On(db, "b").kv_put("both", "source")
    On(db, "b").kv_put("gone", "source")
    db.kv_delete("gone")
    db.kv_put("left", "target")
    On(db, "b").kv_delete("left")


CONFLICTS = [("both", 0, "source", "target"), ("gone", 0, "source", None), ("left", 0, None, "target")]


def conflicts(resolutions):
    return [
        {"space": "default", "primitive": "kv", "key": key, "base": base, "source": source, "target": target,
         "resolution": resolution}
        for (key, base, source, target), resolution in zip(CONFLICTS, resolutions, strict=True)
    ]  # fmt: skip


def documents(db, base, source, target):
    if base is not None:
        db.json_set("d", "$", base)
    db.branch_fork("default", "b")
    db.json_delete("d", "$") if target is None else db.json_set("d", "$", target)
    On(db, "b").json_delete("d", "$") if source is None else On(db, "b").json_set("d", "$", source)


def sound(db, branch="default", space="default"):
    on = On(db, branch, space)
    verdict = on.event_verify()
    events = on.event_list(None)
    assert verdict == {"valid": True, "length": len(events), "first_bad": None}
    assert [e["sequence"] for e in events] == [e["version"] for e in events] == list(range(len(events)))
    assert on.event_types() == sorted({e["event_type"] for e in events})
    for kind in on.event_types():
        assert on.event_list(kind) == [e for e in events if e["event_type"] == kind]
    times = sorted(e["timestamp"] for e in events)
    for moment in times:
        assert on.event_list(None, since=moment) == [e for e in events if e["timestamp"] >= moment]
        assert on.event_list(None, until=moment) == [e for e in events if e["timestamp"] <= moment]
