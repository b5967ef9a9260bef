"""The engine beside the executable model of the API: the same calls, the same answers.

Timestamps differ between the two, so each commit's pair of them is remembered: where one answers a time, the other must
answer its partner, and both must commit at the same calls. What is called is drawn from any `random.Random`.
"""

import datetime
import struct
import tempfile

import stratadb
from model_families import FAMILIES, SPACES, Twin, moment, past

TIMES = {"timestamp", "created_at", "updated_at", "fork_timestamp", "oldest_ts", "latest_ts"}


class Pair:
    """Sessions of both, side by side."""

    def __init__(self, open_engine, model):
        self.open_engine = open_engine
        self.root = model.cache()
        self.partners = {}  # timestamp of the engine -> those of the model that mean the same
        self.moments = []  # pairs of timestamps, oldest first
        self.latest = (0, 0)
        self.cursors = [(None, None)]  # pairs that pages gave
        self.calls = 0
        self.log = []  # the last calls, in words
        self.differs = False
        self.trimmed = False  # history was, at some time
        self.past_grew = False  # of a branch that others may know: a delta brought it earlier moments
        self.folder = tempfile.TemporaryDirectory()  # for bundles
        self.open()

    def open(self):
        first = self.open_engine()
        self.handles = [(first, self.root.session())]
        self.handles += [(first.session(), self.root.session()) for _ in range(2)]
        self.note_commit("open", may_differ=True)

    def close(self):
        for pair in self.handles:
            for handle in pair:
                handle.close()

    # ---- time ----

    def meet(self, engine, model):
        self.partners.setdefault(engine, set()).add(model)

    def note_commit(self, what, may_differ=False):
        """Called after every call: both have just committed, or neither, unless what they did is no commit."""
        stamps = tuple(handle.info()["commit_timestamp"] for handle in self.handles[0])
        moved = [stamp > before for stamp, before in zip(stamps, self.latest, strict=True)]
        if stamps != self.latest and not all(moved) and not may_differ:
            self.fail(f"{what}\nonly one of the two committed, {self.latest} before and {stamps} after")
        self.latest = stamps
        self.meet(*stamps)
        if all(moved):  # else the instant before has no partner: what is no commit may take a time in the engine
            self.moments.append(stamps)

    # ---- one call on both ----

    def fail(self, what):
        self.differs = True
        before = "\n".join(self.log[-80:])
        raise AssertionError(f"after {self.calls} calls, the last of which were\n{before}\n{what}")

    def same(self, engine, model, name=None):
        """Equal, timestamps as partners; `name` is the member the two stand under."""
        if name in TIMES:
            return engine is model is None or model in self.partners.get(engine, ())
        if name in ("id", "branch_id", "bundle_size") or (name == "path" and str(engine).endswith(".bundle")):
            return type(engine) is type(model)
        if name in ("cursor", "hash"):  # a hash covers the timestamp
            return type(engine) is type(model)
        if type(engine) is not type(model):
            return False
        if name in ("memory_bytes", "index"):  # of what only an engine has
            return True
        if name == "embedding":
            return engine.dtype == model.dtype and engine.tobytes() == model.tobytes()
        if type(engine) is float:
            return struct.pack("d", engine) == struct.pack("d", model)
        if type(engine) is dict:
            return list(engine) == list(model) and all(self.same(engine[n], model[n], n) for n in engine)
        if type(engine) in (list, tuple):
            return len(engine) == len(model) and all(self.same(e, m) for e, m in zip(engine, model, strict=True))
        return engine == model

    def same_hits(self, engine, model, name=None):
        """The same but for rounding, which decides about vectors that are equally near."""
        if type(engine) is not list or type(model) is not list or len(engine) != len(model):
            return self.same(engine, model)
        if not engine or type(engine[0]) is list:
            return all(self.same_hits(e, m) for e, m in zip(engine, model, strict=True))

        def near(a, b):
            return abs(a - b) <= 1e-5 * max(1, abs(a))

        if not all(near(e["score"], m["score"]) for e, m in zip(engine, model, strict=True)):
            return False
        found, last = {hit["key"]: hit for hit in engine}, model[-1]["score"]
        for hit in model:
            mine = found.pop(hit["key"], None)
            if mine is None and not near(hit["score"], last):
                return False
            if mine and not (near(mine["score"], hit["score"]) and self.same(mine["metadata"], hit["metadata"])):
                return False
        return all(near(hit["score"], last) for hit in found.values())

    def same_found(self, engine, model, name=None):
        """The same documents, in whatever order; of vectors the same place but for those that are equally near."""
        if type(engine) is not list or type(model) is not list:
            return self.same(engine, model)

        def found(hits):
            return sorted((hit["space"], hit["primitive"], str(hit["entity"]), "ranks" in hit) for hit in hits)

        def near(hits):
            return [hit["ranks"]["vector"] is not None for hit in hits if "ranks" in hit]

        return found(engine) == found(model) and near(engine).count(True) == near(model).count(True)

    def check(self, handles, name, /, *args, **kwargs):
        """The same call on both, with one of each where an argument is a `Twin`. Returns both answers."""
        self.calls += 1
        shown = ", ".join([*map(repr, args), *(f"{n}={each!r}" for n, each in kwargs.items())])
        number = next((n for n, each in enumerate(self.handles) if handles[0] is each[0]), "last")
        self.log = [*self.log[-500:], f"session {number}: {name}({shown[:400]})"]
        results = []
        for side in (0, 1):
            mine = [each.pair[side] if isinstance(each, Twin) else each for each in args]
            named = {n: each.pair[side] if isinstance(each, Twin) else each for n, each in kwargs.items()}
            try:
                results.append(("answer", getattr(handles[side], name)(*mine, **named)))
            except (RuntimeError, TypeError) as error:
                results.append((type(error).__name__, code_and_more(error)))
        engine, model = results
        doubtful = {"branch_fork": "branch_exists", "branch_diff": "branch_not_found"}
        if engine[1] == doubtful.get(name, "none") and model[1] == "history_trimmed":
            model = engine  # two things are wrong at once
        if (name.startswith("vector_") or name == "search") and "answer" not in (engine[0], model[0]):
            model = engine  # likewise: what is refused first is not the same
        answers = f"engine {engine}\nmodel  {model}"
        self.note_commit(answers, may_differ=name in ("branch_delete", "branch_import"))
        member = "timestamp" if name == "commit" and engine[0] == "answer" else None
        same = {
            "vector_search": self.same_hits,
            "vector_batch_search": self.same_hits,
            "search": self.same_found,
        }.get(name, self.same)
        if engine[0] != model[0] or not same(engine[1], model[1], member):
            self.fail(answers)
        return engine[1], model[1]


def code_and_more(error):
    code = getattr(error, "code", None)
    if code == "merge_conflict":
        return (code, error.conflicts)
    return (code, error.current, error.current_version) if code == "cas_mismatch" else code


# ---- what is drawn ----


def read(pair, rng, handles):
    rng.choice(FAMILIES).read(pair, rng, handles)


def write(pair, rng, handles):
    rng.choice(FAMILIES).write(pair, rng, handles)


def spaces(pair, rng, handles):
    name = rng.choice(SPACES)
    kind = rng.random()
    if kind < 0.55:
        pair.check(handles, "space_use", name)
    elif kind < 0.65:
        # Who appends to the events that are deleted loses in an engine, at every isolation; in the model not always.
        appending = any(each[1].in_transaction() for each in pair.handles)
        pair.check(handles, "space_delete", name, force=not appending and rng.random() < 0.7)
    elif kind < 0.75:
        pair.check(handles, "space_exists", name, **past(pair, rng))
    elif not handles[1].in_transaction():  # in which an engine may see a conflict that the model does not
        if kind < 0.85:
            pair.check(handles, "space_create", name)
        else:
            pair.check(handles, "space_list", **past(pair, rng))


def branches(pair, rng, handles):
    known = handles[1].branch_list()
    name = rng.choice([*known, "f0", "f1", "f2", "f3", "no such"])
    kind = rng.random()
    if kind < 0.25:
        source = rng.choice([*known, "no such"])
        pair.check(handles, "branch_fork", source, name, **later_than_its_fork(handles, source, past(pair, rng)))
    elif kind < 0.6:
        pair.check(handles, "branch_use", name)
    elif kind < 0.65:
        pair.check(handles, "branch_create", name)
    elif kind < 0.75:
        pair.check(handles, "branch_delete", name)
    elif kind < 0.85:
        pair.check(handles, "branch_get", name)
    elif kind < 0.9:
        pair.check(handles, "branch_exists", name)
    else:
        pair.check(
            handles, rng.choice(["branch_list", "current_branch", "current_space", "time_range", "in_transaction"])
        )


def later_than_its_fork(handles, source, then):
    """The argument as_of of a fork, if it is not from before the source was made: the model knows less of that."""
    about = handles[1].branch_get(source)
    if about is None or about["parent"] is None or not isinstance(then.get("as_of"), Twin):
        return then
    return then if then["as_of"].pair[1] >= about["created_at"] else {}


def merges(pair, rng, handles):
    """Diffs and merges, by all strategies."""
    known = handles[1].branch_list()
    one, other = rng.choice(known), rng.choice([*known, "no such"] if rng.random() < 0.1 else known)
    # What a delta brought into a branch's past is new to whoever had merged it before. The model, whose ancestor is the
    # past as it is now, takes it for known, and so would lose it.
    if rng.random() < 0.4 or pair.past_grew:
        pair.check(handles, "branch_diff", one, other, limit=rng.choice([None, None, 0, 1, 3]), **past(pair, rng))
        return
    strategies = ["source", "target", "strict", strange_answer, source_of, base_of, nothing]
    if not pair.trimmed:  # after which an engine may not know when something was deleted
        strategies += [None, "last_writer_wins"] * 3
    strategy = rng.choice(strategies)
    options = {"dry_run": True} if rng.random() < 0.3 else {}
    pair.check(handles, "branch_merge", one, other, strategy, **options)


def vector_or_side(conflict):
    """What a callable may answer for vectors and collections; None for everything else."""
    side = conflict["target"] or conflict["source"]
    if conflict["primitive"] == "vector":
        return {"embedding": [1.0] * len(side["embedding"]), "metadata": {"was": conflict["key"][1]}}
    return side if conflict["primitive"] == "collection" else None


def strange_answer(conflict):
    return vector_or_side(conflict) or [conflict["primitive"], conflict["key"], conflict.get("path")]


def source_of(conflict):
    return conflict["source"]


def base_of(conflict):
    return vector_or_side(conflict) or {"was": conflict["base"]}


def nothing(conflict):
    return None


def times(pair, rng, handles):
    """Logs, going back, and branches that take the way through a bundle."""
    known = handles[1].branch_list()
    name = rng.choice([*known, "no such"] if rng.random() < 0.1 else known)
    kind = rng.random()
    if kind < 0.4:
        pair.check(handles, "branch_log", name, rng.choice([None, None, 0, 1, 5]))
    elif kind < 0.6:
        pair.check(handles, "branch_revert", name, moment(pair, rng))
    elif kind < 0.75:
        delta(pair, rng, handles, name)
    else:
        bundle = bundle_of(pair)
        report = pair.check(handles, "branch_export", name, bundle)[0]
        if isinstance(report, dict):
            pair.check(handles, "branch_validate_bundle", bundle)
            pair.check(handles, "branch_import", bundle, name=rng.choice([*known, "f0", "f1", "f2", "f3"]))


def bundle_of(pair):
    return Twin(tuple(f"{pair.folder.name}/{side}.bundle" for side in ("engine", "model")))


def delta(pair, rng, handles, name):
    """What a branch did since some moment, onto a fork of that moment, or onto anything."""
    known = handles[1].branch_list()
    since, bundle = moment(pair, rng), bundle_of(pair)
    report = pair.check(handles, "branch_export", name, bundle, since=since)[0]
    if not isinstance(report, dict):
        return
    target = rng.choice([*known, "f0", "f1", "f2", "f3", "no such"])
    if target not in known and later_than_its_fork(handles, name, {"as_of": since}):
        pair.check(handles, "branch_fork", name, target, as_of=since)
    came = pair.check(handles, "branch_import", bundle, name=target)
    if isinstance(came[0], dict):  # in an engine that is a commit, with a time of its own
        pair.meet(*(handle.branch_get(target)["updated_at"] for handle in handles))
        pair.past_grew = pair.past_grew or target in known


def transaction(pair, rng, handles):
    if not handles[1].in_transaction():
        options = {"isolation": rng.choice(["serializable", "serializable", "snapshot"])}
        pair.check(handles, "begin", rng.random() < 0.1, **options)
    else:
        pair.check(handles, "rollback" if rng.random() < 0.25 else "commit")


def maintain(pair, rng, handles):
    """Compaction and reopening, with no transaction open anywhere."""
    for each in pair.handles:
        if each[1].in_transaction():
            pair.check(each, "rollback")
    if rng.random() < 0.5 and pair.latest == pair.moments[-1]:  # else the two count back from different times
        keep = rng.choice([None, datetime.timedelta(0), datetime.timedelta(days=1)])
        for handle in handles:
            handle.compact(keep_history=keep)
        pair.trimmed |= keep is not None
        pair.note_commit("compact", may_differ=True)
    elif rng.random() < 0.3:
        assert handles[0].verify()["ok"], handles[0].verify()
    else:
        pair.close()
        pair.open()


ACTIONS = (
    [read] * 40
    + [write] * 40
    + [branches] * 12
    + [merges] * 8
    + [times] * 6
    + [spaces] * 8
    + [transaction] * 18
    + [maintain]
)


def step(pair, rng, action=None):
    """One action on one of the handles; a handle whose branch is gone first goes elsewhere."""
    handles = rng.choice(pair.handles)
    if handles[1].current_branch() not in handles[1].branch_list() and not handles[1].in_transaction():
        pair.check(handles, "branch_use", "default")
    (action or rng.choice(ACTIONS))(pair, rng, handles)


def finish(pair):
    """Ends all transactions and compares all branches, spaces and histories of both."""
    for each in pair.handles:
        if each[1].in_transaction():
            pair.check(each, "commit")
    engine, model = pair.handles[0][0].session(), pair.handles[0][1].session()
    handles = [engine, model]
    for branch in model.branch_list():
        pair.check(handles, "branch_use", branch)
        pair.check(handles, "branch_get", branch)
        pair.check(handles, "time_range")
        for space in model.space_list():
            pair.check(handles, "space_use", space)
            for family in FAMILIES:
                family.everything(pair, handles)
    for total in ("total_keys", "branch_count"):
        assert engine.info()[total] == model.info()[total]
    engine.close()
    model.close()


def open_pair(strata_model, folder, durability):
    """An empty pair: `durability` is memory or that of a database in `folder`, which reopens at times."""
    if durability == "memory":
        kept = stratadb.Strata.cache()  # so that closing the sessions does not end it
        return Pair(kept.session, strata_model.Strata)
    return Pair(lambda: stratadb.Strata.open(folder, durability=durability), strata_model.Strata)
