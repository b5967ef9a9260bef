"""What search keeps on disk: the same answers through every end of the process, and whatever becomes of the files."""

import pathlib
import random
import shutil
import signal
import subprocess
import sys

import pytest
from conftest import SEED
from stratadb import Strata

pytestmark = pytest.mark.engine

WORDS = [f"{a}{b}" for a in ("fox", "hen", "cow", "cat") for b in ("", "ly", "ish", "hood", "dom", "ward")]
QUERIES = ["fox", "hen cow", '"fox hen"', "cat* -fox", "n7 n1999", "body:cow", "nothing"]


def text(rng, n):
    return " ".join(rng.choice(WORDS) for _ in range(20)) + f" n{n}"


def fill(db, rng, count, first=0):
    db.kv_batch_put({f"k{n:05}": text(rng, n) for n in range(first, first + count)})
    for n in range(0, count, 10):
        db.json_set(f"j{n:05}", "$", {"title": text(rng, n), "body": text(rng, n)})
    db.event_batch_append([("seen", {"what": text(rng, n)}) for n in range(count // 10)])


def answers(db, **options):
    return [db.search(query, k=50, **options) for query in QUERIES]


def index_files(path):
    folder = pathlib.Path(path) / "index"
    return {file.name: file.read_bytes() for file in folder.iterdir()} if folder.exists() else {}


def answers_from_nothing(path, tmp_path):
    """Those of an index that was made from the data alone."""
    copy = tmp_path / "copy"
    shutil.copytree(path, copy)
    shutil.rmtree(copy / "index", ignore_errors=True)
    with Strata.open(copy) as db:
        found = answers(db)
    shutil.rmtree(copy)
    return found


@pytest.fixture
def filled(tmp_path):
    """A database that was searched and closed, and what the searches found."""
    path = tmp_path / "db"
    with Strata.open(path) as db:
        fill(db, random.Random(SEED), 2000)
        wanted = answers(db)
    assert len(wanted[0]) == 50
    return path, wanted


def test_a_restart_uses_the_files(filled):
    path, wanted = filled
    files = index_files(path)
    assert files and all(name.startswith("text-") for name in files)
    for read_only in (True, False, True):
        with Strata.open(path, read_only=read_only) as db:
            assert answers(db) == wanted
        assert index_files(path) == files


def test_the_index_counts_as_disk_and_is_smaller_than_the_text(filled):
    path, _wanted = filled
    kept = sum(map(len, index_files(path).values()))
    with Strata.open(path) as db:
        with_files = db.info()["disk_bytes"]
        written = sum(len(value) for _key, value in db.kv_scan())
        written += sum(len("".join(db.json_get(key).values())) for key in db.json_list())
        written += sum(len(event["value"]["what"]) for event in db.event_list(None))
    assert kept <= written
    shutil.rmtree(path / "index")
    with Strata.open(path) as db:
        assert db.info()["disk_bytes"] == with_files - kept
        assert answers(db)


def test_what_changed_since_is_found(filled, tmp_path):
    path, _wanted = filled
    rng = random.Random(SEED + 1)
    with Strata.open(path) as db:  # nobody searches
        fill(db, rng, 300, 1000)
        for n in range(0, 2000, 3):
            db.kv_delete(f"k{n:05}")
        db.branch_fork("default", "fork")
        db.kv_put("late", "late fox")
    wanted = answers_from_nothing(path, tmp_path)
    with Strata.open(path) as db:
        assert answers(db) == wanted
        assert [hit["entity"] for hit in db.search("late")] == ["late"]
        db.branch_use("fork")
        assert db.search("late") == []
        assert [hits != [] for hits in answers(db)] == [hits != [] for hits in wanted]
    with Strata.open(path, read_only=True) as db:
        assert answers(db) == wanted


def damages(whole, dice):
    yield from (whole[:cut] for cut in (0, 10, 63, 64, len(whole) // 2, len(whole) - 1))
    yield whole + b"x"
    yield bytes(len(whole))
    for at in (*range(0, 96, 5), *(dice.randrange(len(whole)) for _ in range(12))):
        yield whole[:at] + bytes([whole[at] ^ 1 << dice.randrange(8)]) + whole[at + 1 :]


def test_damage_changes_no_answer(filled):
    path, wanted = filled
    files = index_files(path)
    dice = random.Random(SEED)
    name = max(files, key=lambda name: len(files[name]))
    for number, damaged in enumerate(damages(files[name], dice)):
        (path / "index" / name).write_bytes(damaged)
        (path / "index" / "left-by-somebody").write_bytes(b"?")
        (path / "index" / "text-77.new").write_bytes(files[name][: len(files[name]) // 2])
        if number % 5 == 0:
            with Strata.open(path, read_only=True) as db:
                assert answers(db) == wanted
            assert (path / "index" / name).read_bytes() == damaged
        with Strata.open(path) as db:
            assert answers(db) == wanted
        now = index_files(path)
        assert damaged not in now.values()
        assert sorted(map(len, now.values())) == sorted(map(len, files.values()))
        assert all(found.startswith("text-") and not found.endswith(".new") for found in now)
        name = max(now, key=lambda name: len(now[name]))
        files = now


def test_files_of_another_database_are_not_believed(filled, tmp_path):
    path, wanted = filled
    other = tmp_path / "other"
    with Strata.open(other) as db:
        fill(db, random.Random(SEED + 2), 2000)
        others = answers(db)
    assert others != wanted
    shutil.rmtree(other / "index")
    shutil.copytree(path / "index", other / "index")
    with Strata.open(other) as db:
        assert answers(db) == others


def test_a_compaction_and_a_backup(filled, tmp_path):
    path, wanted = filled
    with Strata.open(path) as db:
        assert answers(db) == wanted
        db.compact()
        assert answers(db) == wanted
        db.backup(tmp_path / "backup")
    assert not (tmp_path / "backup" / "index").exists()
    with Strata.open(tmp_path / "backup") as db:
        assert answers(db) == wanted


def test_files_do_not_gather(tmp_path):
    path = tmp_path / "db"
    rng = random.Random(SEED)
    sizes = []
    for _round in range(6):
        with Strata.open(path) as db:
            fill(db, rng, 1000)
            answers(db)
        sizes.append(sum(map(len, index_files(path).values())))
    assert max(sizes) < 2.5 * sizes[0]
    with Strata.open(path) as db:
        for key in db.kv_list():
            db.kv_delete(key)
        for key in db.json_list():
            db.json_delete(key, "$")
        db.branch_create("empty")
        assert db.search("hen") != []  # events stay
    assert sum(map(len, index_files(path).values())) < sizes[0]


WRITER = """
import random, sys
sys.path.insert(0, sys.argv[2])
import test_search_files as shared
from stratadb import Strata
db = Strata.open(sys.argv[1])
rng = random.Random(int(sys.argv[3]))
for n in range(100):
    db.kv_put(f"large{n}", shared.text(rng, n) + " ".join(f" w{rng.random():.9f}" for _ in range(2000)))
shared.answers(db)
n = 0
print("searched", flush=True)
while True:
    shared.fill(db, rng, 50, n)
    n += 50
    db.search("fox")
    print(n, flush=True)
"""


@pytest.mark.slow
def test_a_kill_costs_no_answer(tmp_path):
    path = tmp_path / "db"
    here = str(pathlib.Path(__file__).parent)
    for round_number in range(3):
        command = [sys.executable, "-c", WRITER, str(path), here, str(SEED + round_number)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout.readline() == "searched\n"
        # The large segment is written in the background, while more is written and searched.
        while not any(name.startswith("text-") and not name.endswith(".new") for name in index_names(path)):
            assert int(process.stdout.readline()) > 0
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        wanted = answers_from_nothing(path, tmp_path)
        with Strata.open(path) as db:
            assert answers(db) == wanted


def index_names(path):
    """As index_files, by names alone, while another process writes."""
    folder = path / "index"
    return [file.name for file in folder.iterdir()] if folder.exists() else []
