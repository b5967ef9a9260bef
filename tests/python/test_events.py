"""The event log: sequences, types, times, the chain of hashes, transactions, threads."""

import datetime
import hashlib
import json
import math
import signal
import struct
import threading
import time

import pytest
from conftest import IS_MODEL
from stratadb import ConflictError, Strata, StrataError, ValidationError
from support import code_of, refused, scaled, start


def encode(value):
    """The canonical encoding that is hashed, written from its description."""
    if value is None:
        return b"N"
    if isinstance(value, bool):
        return b"T" if value else b"F"
    if isinstance(value, int):
        return b"I" + struct.pack(">q", value)
    if isinstance(value, float):
        return b"D" + struct.pack(">d", math.nan if math.isnan(value) else value)
    if isinstance(value, str):
        return b"S" + struct.pack(">I", len(value.encode())) + value.encode()
    if isinstance(value, bytes):
        return b"B" + struct.pack(">I", len(value)) + value
    if isinstance(value, list):
        return b"A" + struct.pack(">I", len(value)) + b"".join(map(encode, value))
    members = b"".join(encode(name) + encode(item) for name, item in value.items())
    return b"O" + struct.pack(">I", len(value)) + members


def check_chain(db, **past):
    """Every event in order, with the hash that hashlib computes. Returns them."""
    events = db.event_list(None, **past)
    previous = bytes(32)
    for sequence, event in enumerate(events):
        assert list(event) == ["sequence", "event_type", "value", "timestamp", "version", "hash"]
        assert event["sequence"] == event["version"] == sequence
        told = encode([sequence, event["event_type"], event["timestamp"], event["value"]])
        digest = hashlib.sha256(previous + told)
        assert event["hash"] == digest.hexdigest(), event
        previous = digest.digest()
        assert repr(db.event_get(sequence, **past)) == repr(event)  # repr: NaN is not equal to itself
    assert db.event_len(**past) == len(events)
    assert db.event_verify(**past) == {"valid": True, "length": len(events), "first_bad": None}
    assert db.event_types(**past) == sorted({event["event_type"] for event in events}, key=str.encode)
    return events


def sequences(events):
    return [event["sequence"] for event in events]


def test_the_example_of_the_reference(db, capsys):
    seq = db.event_append("user_action", {"action": "click", "target": "button"})
    assert seq == 0
    for event in db.event_list("user_action", limit=10):
        print(f"[{event['timestamp']}] {event['value']}")
    assert capsys.readouterr().out.endswith("] {'action': 'click', 'target': 'button'}\n")


def test_every_value_in_a_payload(db):
    payloads = [
        {},
        {"": None, "é": True, "🙂": False},
        {"int": [0, -1, 55, 56, 2**63 - 1, -(2**63)], "float": [0.0, -0.0, 1.5, math.inf, -math.inf]},
        {"bytes": [b"", b"\x00\xff"], "text": ["", "a" * 127, "b" * 128, "é" * 40_000]},
        {"deep": [[[{"a": [{}]}]]], "many": list(range(300)), "wide": {str(n): n for n in range(300)}},
        {"large": "x" * 200_000},
    ]
    for n, payload in enumerate(payloads):
        assert db.event_append(f"type {n}", payload) == n
    assert [event["value"] for event in check_chain(db)] == payloads
    db.event_append("nan", {"nan": math.nan, "tuple": (1, 2)})
    assert math.isnan(db.event_get(6)["value"]["nan"])
    assert check_chain(db)[6]["value"]["tuple"] == [1, 2]


def test_an_empty_log(db):
    assert db.event_len() == 0
    assert db.event_get(0) is None
    assert db.event_list(None) == []
    assert db.event_list("t") == []
    assert db.event_types() == []
    assert db.event_verify() == {"valid": True, "length": 0, "first_bad": None}


def test_lists(db, rng):
    """Random queries beside the same in plain Python."""
    types = ["a", "ab", "a\x01", "b", "é", "z"]
    for n in range(60):
        db.event_append(rng.choice(types), {"n": n})
    db.event_batch_append([(rng.choice(types), {"n": n, "x": "y" * 2000}) for n in range(60, 90)])
    for n in range(90, 100):
        db.event_append(rng.choice(types), {"n": n})
    events = check_chain(db)
    stamps = [event["timestamp"] for event in events]
    for _ in range(scaled(400)):
        kind = rng.choice([None, *types, "missing"])
        limit = rng.choice([None, None, 0, 1, 3, 50, 1000])
        after = rng.choice([None, None, 0, 10, 98, 99, 500, 2**63 - 1])
        since = rng.choice([None, None, rng.choice(stamps), rng.choice(stamps) + 1])
        until = rng.choice([None, None, rng.choice(stamps), rng.choice(stamps) - 1])
        as_of = rng.choice([None, None, rng.choice(stamps), stamps[0] - 1])
        reverse = rng.random() < 0.5
        wanted = [
            event
            for event in events
            if (kind is None or event["event_type"] == kind)
            and (after is None or event["sequence"] > after)
            and (since is None or event["timestamp"] >= since)
            and (until is None or event["timestamp"] <= until)
            and (as_of is None or event["timestamp"] <= as_of)
        ]
        if reverse:
            wanted.reverse()
        options = {"reverse": reverse, "since": since, "until": until, "as_of": as_of}
        assert db.event_list(kind, limit, after, **options) == wanted[:limit], (kind, limit, after, options)
    for as_of in (stamps[0], stamps[30], stamps[70], stamps[99]):
        check_chain(db, as_of=as_of)


def test_times_may_be_datetimes(db):
    db.event_append("t", {})
    now = datetime.datetime.now(datetime.timezone.utc)
    hour = datetime.timedelta(hours=1)
    assert len(db.event_list("t", since=now - hour, until=now + hour)) == 1
    assert db.event_list("t", since=now + hour) == []
    assert db.event_list("t", until=now - hour) == []


def test_batches(db):
    db.event_append("first", {"n": 0})
    assert db.event_batch_append([("b", {"n": 1}), ["a", {"n": 2}], ("b", {"n": 3})]) == [1, 2, 3]
    assert db.event_batch_append(iter([("a", {"n": 4})])) == [4]
    assert db.event_batch_append([]) == []
    events = check_chain(db)
    assert [event["value"]["n"] for event in events] == [0, 1, 2, 3, 4]
    assert len({event["timestamp"] for event in events[1:4]}) == 1
    assert sequences(db.event_list("a")) == [2, 4]
    seen = []
    db.event_batch_append([("t", {})] * 3, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (3, 3)


def test_a_batch_is_all_or_nothing(db):
    db.event_append("t", {})
    for bad, kind in [
        (("t", [1]), TypeError),
        (("t", {"a": {1}}), TypeError),
        (("t", {"a": 2**63}), ValidationError),
        (("", {}), ValidationError),
        ((1, {}), TypeError),
        (("t",), TypeError),
        (("t", {}, {}), TypeError),
        ("ab", TypeError),
        (None, TypeError),
    ]:
        with pytest.raises(kind):
            db.event_batch_append([("t", {}), bad])
    for bad in ("ab", b"ab", {"t": {}}, 5, None):
        with pytest.raises(TypeError):
            db.event_batch_append(bad)
    with pytest.raises(KeyError):
        db.event_batch_append([("t", {})], progress=lambda done, total: {}["mine"])
    assert db.event_len() == 1


@pytest.mark.engine
def test_a_batch_that_changes_while_it_is_read(db):
    entries = [["t", {"n": n}] for n in range(10)]

    def taking():
        for entry in list(entries):
            yield entry
            entry.clear()

    with pytest.raises(TypeError):
        db.event_batch_append(taking())
    entries = [["t", {"n": n}] for n in range(10)]
    assert db.event_batch_append(entries, progress=lambda *_: [entry.clear() for entry in entries]) == list(range(10))
    check_chain(db)


@pytest.mark.parametrize("payload", [None, 1, "x", b"x", [], (), [("a", 1)], {1}, object()], ids=repr)
def test_a_payload_is_a_dict(db, payload):
    with pytest.raises(TypeError, match="dict"):
        db.event_append("t", payload)
    with refused(ValidationError, "invalid_key"):
        db.event_append("", payload)
    assert db.event_len() == 0


def test_refused(db):
    db.event_append("t", {})
    for bad in ("", "a\0b", "x" * 1025):
        for call in (lambda bad=bad: db.event_append(bad, {}), lambda bad=bad: db.event_list(bad)):
            with refused(ValidationError, "invalid_key"):
                call()
    for bad in (-1, 2**63):
        for call in (
            lambda bad=bad: db.event_get(bad),
            lambda bad=bad: db.event_list("t", bad),
            lambda bad=bad: db.event_list("t", after=bad),
        ):
            with refused(ValidationError, "out_of_range"):
                call()
    for bad in (1.0, True, "1", []):
        for call in (
            lambda bad=bad: db.event_get(bad),
            lambda bad=bad: db.event_list("t", bad),
            lambda bad=bad: db.event_list("t", after=bad),
        ):
            with pytest.raises(TypeError):
                call()
    for name in ("since", "until", "as_of"):
        with refused(ValidationError, "out_of_range"):
            db.event_list("t", **{name: 5})
        with pytest.raises(TypeError):
            db.event_list("t", **{name: 5.0})
    with pytest.raises(TypeError):
        db.event_get(None)
    with pytest.raises(TypeError):
        db.event_list()
    assert db.event_get(2**63 - 1) is None
    assert db.event_list("t", after=2**63 - 1) == []


def test_the_longest_type(db):
    long, longer = "x" * 1024, "x" * 1023 + "y"
    db.event_batch_append([(long, {}), (longer, {}), (long, {})])
    assert sequences(db.event_list(long)) == [0, 2]
    assert db.event_types() == [long, longer]


# ---- spaces, branches ----


def test_each_space_has_its_own_log(db):
    db.event_append("t", {"n": 0})
    db.space_use("s")
    assert db.event_len() == 0
    assert db.event_append("t", {"n": 1}) == 0
    db.space_use("default")
    assert db.event_append("t", {"n": 2}) == 1
    check_chain(db)
    assert db.space_list() == ["default", "s"]
    assert db.branch_get("default")["key_count"] == 3


def test_a_deleted_space_begins_anew(db):
    db.space_use("s")
    db.event_batch_append([("old", {"n": n}) for n in range(30)])
    then = db.info()["commit_timestamp"]
    old = check_chain(db)
    db.space_use("default")
    db.space_delete("s", force=True)
    db.space_use("s")
    assert db.event_len() == 0
    assert db.event_append("new", {}) == 0
    assert db.event_types() == ["new"]
    check_chain(db)
    assert check_chain(db, as_of=then) == old
    assert sequences(db.event_list("old", 2, reverse=True, as_of=then)) == [29, 28]


def test_begun_anew_in_one_transaction(db):
    db.space_use("s")
    db.event_batch_append([("old", {"n": n}) for n in range(30)])
    db.space_use("default")
    with db.transaction():
        db.space_delete("s", force=True)
        db.space_use("s")
        assert db.event_len() == 0
        assert [db.event_append("new", {"n": n}) for n in range(10)] == list(range(10))
        assert db.event_len() == 10
        assert db.event_types() == ["new"]
        assert db.event_get(10) is None
    assert [event["value"]["n"] for event in check_chain(db)] == list(range(10))


def test_forks_go_on_by_themselves(db):
    db.event_batch_append([("t", {"n": n}) for n in range(10)])
    then = db.info()["commit_timestamp"]
    db.event_append("t", {"n": 10})
    db.branch_fork("default", "now")
    db.branch_fork("default", "past", as_of=then)
    shared = db.event_list(None, limit=10)
    for branch, length in (("default", 11), ("now", 11), ("past", 10)):
        db.branch_use(branch)
        assert db.event_append(branch, {}) == length
        assert check_chain(db)[:10] == shared


# ---- transactions ----


def test_own_events(db):
    db.event_append("t", {"n": 0})
    now = db.event_get(0)["timestamp"]
    with db.transaction():
        assert db.event_append("t", {"n": 1}) == 1
        assert db.event_batch_append([("u", {"n": 2}), ("t", {"n": 3})]) == [2, 3]
        assert db.event_get(3) == {
            "sequence": 3,
            "event_type": "t",
            "value": {"n": 3},
            "timestamp": None,
            "version": 3,
            "hash": None,
        }
        assert sequences(db.event_list("t")) == [0, 1, 3]
        assert sequences(db.event_list("t", reverse=True, limit=2)) == [3, 1]
        assert sequences(db.event_list(None, since=now + 1)) == [1, 2, 3]
        assert sequences(db.event_list(None, until=now + 10**9)) == [0]
        assert db.event_types() == ["t", "u"]
        assert db.event_len() == 4
        assert db.event_len(as_of=now) == 1
        assert db.event_verify() == {"valid": True, "length": 4, "first_bad": None}
    events = check_chain(db)
    assert {event["timestamp"] for event in events[1:]} == {db.info()["commit_timestamp"]}


def test_many_own_events(db):
    """Each append finds the end of the log without looking at all before it."""
    count = scaled(3000)
    with db.transaction():
        for n in range(count):
            assert db.event_append(f"t{n % 7}", {"n": n}) == n
    assert len(check_chain(db)) == count


def test_a_rolled_back_append_leaves_nothing(db):
    db.event_append("t", {})
    db.begin()
    db.event_append("u", {})
    db.rollback()
    assert db.event_append("v", {}) == 1
    assert db.event_types() == ["t", "v"]
    check_chain(db)


@pytest.mark.parametrize("isolation", ["serializable", "snapshot"])
def test_appends_in_transactions_conflict(db, isolation):
    with db.session() as other:
        db.begin(isolation=isolation)
        other.begin(isolation=isolation)
        assert db.event_append("a", {}) == other.event_append("b", {}) == 0
        db.commit()
        with refused(ConflictError, "transaction_conflict"):
            other.commit()
        db.begin(isolation=isolation)
        assert db.event_append("a", {}) == 1
        assert other.event_append("b", {}) == 1  # a single append never conflicts
        with refused(ConflictError, "transaction_conflict"):
            db.commit()
    assert [event["event_type"] for event in check_chain(db)] == ["a", "b"]


@pytest.mark.engine
@pytest.mark.parametrize("isolation", ["serializable", "snapshot"])
def test_an_append_rests_on_the_log_it_continues(db, isolation):
    """The space is deleted meanwhile: an event with a sequence of the old log would leave a gap."""
    db.space_use("s")
    db.event_batch_append([("t", {})] * 5)
    with db.session() as other:
        other.space_use("default")
        db.begin(isolation=isolation)
        assert db.event_append("t", {}) == 5
        other.space_delete("s", force=True)
        with refused(ConflictError, "transaction_conflict"):
            db.commit()
    assert db.event_len() == 0


@pytest.mark.parametrize(
    "read",
    [
        lambda db: db.event_len(),
        lambda db: db.event_list("t"),
        lambda db: db.event_list(None, reverse=True, limit=1),
        lambda db: db.event_get(1),
        lambda db: db.event_types(),
        lambda db: db.event_verify(),
        lambda db: db.event_list("t", until=2**62),
    ],
    ids=["len", "list", "last", "get", "types", "verify", "until"],
)
def test_every_read_counts(db, read):
    db.event_append("t", {})
    with db.session() as other:
        db.begin()
        read(db)
        db.kv_put("result", 1)
        other.event_append("t", {})
        with refused(ConflictError, "transaction_conflict"):
            db.commit()
        db.begin()
        db.event_get(0)
        db.kv_put("result", 1)
        other.event_append("t", {})
        db.commit()


def test_events_with_everything_else_in_one_commit(db):
    with db.transaction():
        db.kv_put("k", 1)
        db.event_append("t", {"n": 0})
        db.state_set("c", 1)
        db.space_use("s")
        db.event_append("t", {"n": 1})
        db.kv_put("k", 2)
    stamp = db.info()["commit_timestamp"]
    assert db.event_get(0)["timestamp"] == stamp == db.kv_get_versioned("k")["timestamp"]
    db.space_use("default")
    assert db.event_get(0)["timestamp"] == stamp == db.state_get_versioned("c")["timestamp"]
    check_chain(db)


# ---- threads, processes ----


@pytest.mark.parametrize("durability", ["memory", "buffered", "strict"])
def test_eight_threads_leave_no_gap(tmp_path, durability):
    each, threads = scaled(60), 8
    db = Strata.cache() if durability == "memory" else Strata.open(tmp_path / "db", durability=durability)
    told = [[] for _ in range(threads)]
    errors = []

    def work(name):
        try:
            with db.session() as s:
                for n in range(each):
                    if n % 10 == 9:
                        batch = s.event_batch_append([(f"t{name}", {"n": n}), ("batch", {"n": n})])
                        assert batch[1] == batch[0] + 1
                        told[name].append(batch[0])
                    elif n % 10 == 5:
                        told[name].append(s.run(lambda t, n=n: t.event_append(f"t{name}", {"n": n}), retries=10_000))
                    else:
                        told[name].append(s.event_append(f"t{name}", {"n": n}))
        except BaseException as error:
            errors.append(error)

    workers = [threading.Thread(target=work, args=(name,)) for name in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not errors, errors[0]
    events = check_chain(db)
    for name in range(threads):
        assert told[name] == sequences(db.event_list(f"t{name}"))
        assert [event["value"]["n"] for event in db.event_list(f"t{name}")] == list(range(each))
    db.close()
    if durability != "memory":
        with Strata.open(tmp_path / "db") as again:
            assert check_chain(again) == events


WRITER = """
import json, os, sys
from stratadb import Strata
db = Strata.open(sys.argv[1], durability=sys.argv[2])
n = db.event_len()
while True:
    if n % 5 == 4:
        first = db.event_batch_append([("batch", {"n": n}), ("batch", {"n": n + 1, "x": "y" * 3000})])[0]
        assert first == n
        n += 2
    elif n % 5 == 3:
        with db.transaction():
            assert db.event_append("transaction", {"n": n}) == n
            db.state_set("last", n)
        n += 1
    else:
        assert db.event_append("single", {"n": n}) == n
        n += 1
    db.state_cas("acknowledged", n, expected=db.state_get("acknowledged"))
    os.write(1, f"{n}\\n".encode())
"""


@pytest.mark.engine
@pytest.mark.slow
@pytest.mark.parametrize("durability", ["buffered", "strict"])
def test_nothing_acknowledged_is_lost_by_a_kill(tmp_path, durability, rng):
    path = tmp_path / "db"
    for _ in range(scaled(6)):
        writer = start(WRITER, path, durability)
        for _ in range(rng.choice([1, 20, 200])):
            line = writer.stdout.readline()
            assert line.endswith(b"\n"), writer.wait()
        writer.send_signal(signal.SIGKILL)
        lines = [line, *writer.stdout.read().splitlines()]
        acknowledged = int(lines[-1])
        writer.wait()
        writer.stdout.close()
        with Strata.open(path) as db:
            events = check_chain(db)
            assert acknowledged <= len(events) <= acknowledged + 2
            assert [event["value"]["n"] for event in events] == list(range(len(events)))
            assert db.state_get("acknowledged") in (acknowledged, len(events))
            transactions = db.event_list("transaction", 1, reverse=True)
            assert db.state_get("last") == (transactions[0]["sequence"] if transactions else None)


@pytest.mark.engine
@pytest.mark.slow
def test_the_last_of_a_type_in_a_long_log(db):
    """It takes time by what is returned, not by what there is."""
    db.event_batch_append([(f"t{n % 100}", {"n": n}) for n in range(50_000)])
    began = time.perf_counter()
    for _ in range(100):
        assert sequences(db.event_list("t42", 3, reverse=True)) == [49_942, 49_842, 49_742]
        assert sequences(db.event_list("t42", 2, after=30_000)) == [30_042, 30_142]
        assert db.event_len() == 50_000
        assert len(db.event_types()) == 100
    assert time.perf_counter() - began < 2  # one look at every event takes longer


@pytest.mark.engine
def test_reading_only(tmp_path):
    with Strata.open(tmp_path / "db") as db:
        db.event_append("t", {"n": 0})
    with Strata.open(tmp_path / "db", read_only=True) as db:
        assert code_of(db.event_append, "t", {}) == "read_only"
        assert code_of(db.event_batch_append, [("t", {})]) == "read_only"
        check_chain(db)
    with Strata.open(tmp_path / "db") as db, db.transaction(read_only=True):
        assert code_of(db.event_append, "t", {}) == "read_only"
        assert db.event_len() == 1


@pytest.mark.engine
def test_events_survive_a_compaction(tmp_path):
    with Strata.open(tmp_path / "db") as db:
        db.event_batch_append([(f"t{n % 3}", {"n": n, "x": "y" * (n % 50 * 60)}) for n in range(500)])
        events = check_chain(db)
        db.compact(keep_history=datetime.timedelta(0))
        assert check_chain(db) == events
    with Strata.open(tmp_path / "db") as db:
        assert check_chain(db) == events
        assert db.verify()["ok"]
        assert db.event_append("t", {}) == 500
        check_chain(db)


def test_what_comes_back_is_the_callers(db):
    db.event_append("t", {"list": [1]})
    db.event_get(0)["value"]["list"].append(2)
    assert json.dumps(db.event_get(0)["value"]) == '{"list": [1]}'


def test_a_handle_of_another_thread(db):
    if IS_MODEL:
        return
    db.begin()
    caught = []

    def call():
        try:
            db.event_append("t", {})
        except StrataError as error:
            caught.append(error.code)

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    assert caught == ["transaction_other_thread"]
    db.rollback()
