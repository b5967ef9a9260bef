"""What the files can do to the library: wrong, foreign, damaged, protected, too many, no room."""

import os
import pathlib
import random
import shutil
import subprocess

import pytest
from conftest import SEED
from stratadb import CorruptionError, IoError, Strata, StrataError
from support import run, scaled, start

pytestmark = pytest.mark.engine

READER = pathlib.Path(__file__).with_name("damage_reader.py")


def make(path, *, sizes=(10, 300, 3000)):
    """A closed database with branches, spaces, deletions, several versions, small and large values."""
    rng = random.Random("make")
    with Strata.open(path) as db:
        for round_ in range(3):
            for n in range(40):
                db.kv_put(f"k{n:02}", [round_, "x" * rng.choice(sizes), rng.randbytes(20)])
        db.kv_put("deleted", 1)
        db.kv_delete("deleted")
        db.branch_fork("default", "f")
        db.branch_use("f")
        db.kv_put("k05", "on the fork")
        db.space_use("notes")
        db.kv_batch_put({f"n{n}": n for n in range(30)})
        db.branch_use("default")
        db.space_use("default")
        db.compact()
        for n in range(40):
            db.kv_put(f"k{n:02}", [9, "y" * rng.choice(sizes)])


def files(path):
    return sorted(file for file in path.rglob("*") if file.is_file())


def content(path):
    return {file.relative_to(path): file.read_bytes() for file in files(path) if file.name != "LOCK"}


def code_of_open(path, **options):
    """Opens and reads; the code of the error, or None."""
    try:
        with Strata.open(path, **options) as db:
            db.kv_scan()
            db.kv_put("k", 1) if not options.get("read_only") else None
    except StrataError as error:
        assert error.code
        assert error.message
        return error.code
    return None


# ---- paths ----


def test_a_path_that_is_a_file(tmp_path):
    file = tmp_path / "file"
    file.write_bytes(b"something else")
    for path in (file, file / "below"):
        for read_only in (False, True):
            with pytest.raises(StrataError) as caught:
                Strata.open(path, read_only=read_only)
            assert str(file) in caught.value.message
    assert file.read_bytes() == b"something else"


@pytest.mark.parametrize("path", ["", "a\0b", "\ud800", "x" * 300, "/proc/no/such", "/dev/null", "/dev/null/x"])
def test_paths_that_cannot_be(tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StrataError) as caught:
        Strata.open(path)
    assert caught.value.code
    assert os.listdir(tmp_path) == []


def test_an_io_error_is_an_os_error():
    with pytest.raises(OSError, match="/proc/self"):
        Strata.open("/proc/self/db")


def test_a_loop_of_links(tmp_path):
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(StrataError):
        Strata.open(tmp_path / "a")


def test_a_folder_with_other_files(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    assert code_of_open(tmp_path, read_only=True) == "database_not_found"
    code_of_open(tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"


# ---- foreign and newer files ----


@pytest.mark.parametrize("kind", ["text", "zeros", "random", "empty"])
def test_foreign_files_under_our_names(tmp_path, kind):
    """They are refused, and neither repaired nor overwritten."""
    make(tmp_path / "db")
    for victim in [file.name for file in files(tmp_path / "db") if file.name != "LOCK"]:
        path = tmp_path / f"{kind}-{victim}"
        shutil.copytree(tmp_path / "db", path)
        size = (path / victim).stat().st_size
        foreign = {
            "text": b"Dear diary, " * (size // 12 + 1),
            "zeros": bytes(size),
            "random": random.Random(5).randbytes(size),
            "empty": b"",
        }[kind]
        (path / victim).write_bytes(foreign)
        before = content(path)
        for read_only in (True, False):
            code = code_of_open(path, read_only=read_only)
            assert code in ("corruption", "not_a_database", "database_not_found", "format_too_new"), (victim, code)
            assert content(path) == before, victim


def test_each_file_missing(tmp_path):
    make(tmp_path / "db")
    for victim in [file.name for file in files(tmp_path / "db") if file.name != "LOCK"]:
        path = tmp_path / f"without {victim}"
        shutil.copytree(tmp_path / "db", path)
        (path / victim).unlink()
        before = content(path)
        for read_only in (True, False):
            assert code_of_open(path, read_only=read_only) in ("corruption", "not_a_database", "database_not_found"), (
                victim
            )
            assert content(path) == before, victim


def test_files_of_two_databases_mixed(tmp_path):
    make(tmp_path / "one")
    make(tmp_path / "two")
    names = {file.name for file in files(tmp_path / "one")} & {file.name for file in files(tmp_path / "two")} - {"LOCK"}
    assert names
    for name in names:
        path = tmp_path / f"mixed {name}"
        shutil.copytree(tmp_path / "one", path)
        shutil.copy(tmp_path / "two" / name, path / name)
        assert code_of_open(path) in ("corruption", "not_a_database"), name


def test_a_format_of_the_future(tmp_path):
    """The version stands behind the magic of every file. Without a checksum that fits it may be damage as well."""
    make(tmp_path / "db")
    found = 0
    for file in files(tmp_path / "db"):
        data = bytearray(file.read_bytes())
        if not data.startswith(b"STRA"):
            continue
        found += 1
        path = tmp_path / f"newer {file.name}"
        shutil.copytree(tmp_path / "db", path)
        pages = [0, 4096] if file.name.startswith("pages") else [0]
        for page in pages:
            data[page + 8 : page + 12] = (99).to_bytes(4, "little")
        (path / file.name).write_bytes(data)
        assert code_of_open(path) in ("format_too_new", "corruption"), file.name
    assert found >= 2


# ---- permissions ----

PROTECTED = """
import os, sys
from stratadb import Strata, StrataError
if os.geteuid() == 0:
    os.seteuid(65534)
try:
    with Strata.open(sys.argv[1], read_only=sys.argv[2] == "read_only") as db:
        print("read", db.kv_get("k05")[0])
except StrataError as error:
    print(type(error).__name__, error.code)
"""


@pytest.fixture
def protected(tmp_path):
    """A database that the user may only read, in folders that anybody may enter."""
    path = tmp_path / "db"
    make(path)
    for folder in (tmp_path, *list(tmp_path.parents)[:2]):
        folder.chmod(0o755)
    for file in files(path):
        file.chmod(0o444)
    path.chmod(0o555)
    yield path
    path.chmod(0o755)


def test_permission_denied(protected):
    kind, code = run(PROTECTED, protected, "write").split()
    assert (kind, code) in [("AccessDeniedError", "permission_denied"), ("IoError", "permission_denied")]
    kind, code = run(PROTECTED, protected / "below", "write").split()
    assert code == "permission_denied"


def test_reading_what_may_only_be_read(protected):
    before = content(protected)
    assert run(PROTECTED, protected, "read_only").split() == ["read", "9"]
    assert content(protected) == before


def test_reading_what_may_not_be_read(protected):
    for file in files(protected):
        file.chmod(0)
    assert run(PROTECTED, protected, "read_only").split()[1] == "permission_denied"


def test_opening_to_read_writes_nothing(tmp_path):
    make(tmp_path / "db")
    before = content(tmp_path / "db")
    names = [file.name for file in files(tmp_path / "db")]
    for _ in range(2):
        assert code_of_open(tmp_path / "db", read_only=True) is None
    assert content(tmp_path / "db") == before
    assert [file.name for file in files(tmp_path / "db")] == names


# ---- no room ----

FULL = """
import os, resource, signal, sys
from stratadb import Strata, StrataError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
db = Strata.open(sys.argv[1], durability=sys.argv[2])
db.kv_put("first", 0)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), resource.RLIM_INFINITY))
acknowledged = 0
try:
    for n in range(100_000):
        db.kv_put(f"k{n:06}", "x" * 20_000)
        acknowledged = n + 1
except StrataError as error:
    print(type(error).__name__, error.code)
assert db.kv_get("first") == 0
assert db.kv_count("k") == acknowledged, (db.kv_count("k"), acknowledged)
try:
    db.kv_put("after", 1)
    print("wrote")
except StrataError as error:
    print(type(error).__name__, error.code)
try:
    db.close()
except StrataError as error:
    print("close", error.code)
print(acknowledged)
"""


@pytest.mark.slow
@pytest.mark.parametrize("durability", ["buffered", "strict"])
def test_no_room_for_a_file_to_grow(tmp_path, durability):
    """A limit on the size of a file stands in for a full disk. What was acknowledged before is there."""
    output = run(FULL, tmp_path / "db", durability, 20 * 2**20).splitlines()
    assert output[0].split()[0] in ("IoError", "AccessDeniedError"), output
    acknowledged = int(output[-1])
    assert acknowledged > 100
    with Strata.open(tmp_path / "db") as db:
        assert db.kv_count("k") in (acknowledged, acknowledged + 1)  # one may have been on its way
        assert db.kv_get("first") == 0
        assert db.kv_get(f"k{acknowledged - 1:06}") == "x" * 20_000
        db.kv_put("there is room again", 1)
        assert db.verify()["ok"]


def test_too_many_open_files(tmp_path):
    output = run(
        """
import resource, sys
from stratadb import Strata, StrataError
resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
opened = []
try:
    for n in range(100):
        opened.append(Strata.open(f"{sys.argv[1]}/{n}"))
except StrataError as error:
    print(type(error).__name__, error.code)
count = len(opened)
for db in opened:
    try:
        db.kv_put("k", 1)
        assert db.kv_get("k") == 1
        db.close()
    except StrataError as error:  # a sync of the folder needed one more
        assert error.code == "io_error", error
opened.clear()
del db
Strata.open(sys.argv[1] + "/last").close()
print(count)
""",
        tmp_path,
    ).split()
    assert output[0] == "IoError"
    assert 0 < int(output[-1]) < 40


def test_many_segments_need_few_open_files(tmp_path):
    for n in range(160):
        with Strata.open(tmp_path / "db") as db:
            db.kv_put("k", n)
    assert len(list((tmp_path / "db").glob("log-*"))) >= 160
    output = run(
        """
import resource, sys
from stratadb import Strata
resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))
with Strata.open(sys.argv[1]) as db:
    print(db.kv_get("k"), len(db.kv_history("k")), db.verify()["ok"])
""",
        tmp_path / "db",
    )
    assert output.split() == ["159", "160", "True"]


# ---- damage ----


class Reader:
    """damage_reader.py, kept running over many databases."""

    def __init__(self):
        self.process = start(READER, stdin=subprocess.PIPE, text=True)

    def examine(self, path):
        """[(word, rest)] of the lines printed for this database."""
        self.process.stdin.write(f"{path}\n")
        self.process.stdin.flush()
        lines = []
        while True:
            line = self.process.stdout.readline()
            assert line, f"the reader ended with {self.process.wait()} after {lines}"
            if line == "end\n":
                return lines
            lines.append(tuple(line.split()))

    def close(self):
        self.process.stdin.close()
        assert self.process.wait() == 0
        self.process.stdout.close()


@pytest.fixture
def reader():
    it = Reader()
    try:
        yield it
    finally:
        it.close() if it.process.poll() is None else it.process.stdin.close()


def damaged(path, copy, change):
    """A copy of the database with `change` made to it."""
    if copy.exists():
        shutil.rmtree(copy)
    shutil.copytree(path, copy)
    change(copy)
    return copy


def unchanged(copy):
    """A change that changes nothing."""


def truth_of(reader, path, copy):
    """What the reader finds in an undamaged copy."""
    found = {rest[0] for word, *rest in reader.examine(damaged(path, copy, unchanged)) if word == "read"}
    assert len(found) == 1
    return found.pop()


def judge(lines, truth, what):
    """Never wrong and never silent: an error, or the truth."""
    for word, *rest in lines:
        if word == "read":
            assert rest == [truth], f"{what}: read something wrong: {lines}"
        elif word == "error":
            assert rest[0] in ("corruption", "not_a_database", "format_too_new", "database_not_found"), (what, lines)
    return any(word == "error" for word, *_ in lines)


@pytest.mark.slow
def test_flipped_bits(tmp_path, reader):
    make(tmp_path / "db")
    truth = truth_of(reader, tmp_path / "db", tmp_path / "copy")
    rng = random.Random(f"{SEED}:bits")
    print(f"STRATA_SEED={SEED}")
    noticed = count = 0
    names = [file.name for file in files(tmp_path / "db") if file.name != "LOCK"]
    for _ in range(scaled(150)):
        name = rng.choice(names)
        size = (tmp_path / "db" / name).stat().st_size
        place, bit = rng.randrange(min(size, rng.choice([256, 8192, size]))), rng.randrange(8)

        def flip(copy, name=name, place=place, bit=bit):
            data = bytearray((copy / name).read_bytes())
            data[place] ^= 1 << bit
            (copy / name).write_bytes(data)

        lines = reader.examine(damaged(tmp_path / "db", tmp_path / "copy", flip))
        noticed += judge(lines, truth, f"bit {bit} of byte {place} of {name}")
        count += 1
    print(f"{count} bits flipped, {noticed} noticed, none read wrong")
    assert noticed > count / 10


def test_damaged_pieces(tmp_path, reader):
    """Cut short, blanked, doubled and swapped pieces of every file."""
    make(tmp_path / "db")
    truth = truth_of(reader, tmp_path / "db", tmp_path / "copy")
    rng = random.Random(f"{SEED}:pieces")
    print(f"STRATA_SEED={SEED}")
    names = [file.name for file in files(tmp_path / "db") if file.name != "LOCK"]
    for _ in range(scaled(60)):
        name, kind = rng.choice(names), rng.choice(["cut", "blank", "copy", "insert", "garbage"])
        size = (tmp_path / "db" / name).stat().st_size
        place, other, length = rng.randrange(size), rng.randrange(size), rng.choice([1, 100, 4096, 20_000])

        def change(copy, name=name, kind=kind, place=place, other=other, length=length):
            data = bytearray((copy / name).read_bytes())
            if kind == "cut":
                del data[place:]
            elif kind == "blank":
                data[place : place + length] = bytes(len(data[place : place + length]))
            elif kind == "copy":
                moved = data[other : other + length]
                data[place : place + len(moved)] = moved
            elif kind == "insert":
                data[place:place] = bytes(length)
            else:
                data[place : place + length] = random.Random(place).randbytes(len(data[place : place + length]))
            (copy / name).write_bytes(data)

        lines = reader.examine(damaged(tmp_path / "db", tmp_path / "copy", change))
        judge(lines, truth, f"{kind} at {place} of {name}, {length} bytes from {other}")


def test_damage_is_named_with_its_file(tmp_path):
    make(tmp_path / "db")
    for file in files(tmp_path / "db"):
        if file.name == "LOCK":
            continue
        data = bytearray(file.read_bytes())
        for place in range(0, len(data), 16):
            data[place] ^= 0xFF
        path = damaged(
            tmp_path / "db",
            tmp_path / file.name,
            lambda copy, file=file, data=data: (copy / file.name).write_bytes(data),
        )
        with pytest.raises(CorruptionError) as caught, Strata.open(path) as db:
            db.kv_scan()
            db.kv_history("k05")
        assert file.name in caught.value.message
        assert not isinstance(caught.value, IoError)


def test_a_file_that_shrinks_while_the_database_is_open(tmp_path):
    """The mapped end of a file that a stranger cut off must not end the process."""
    make(tmp_path / "db")
    output = run(
        """
import os, pathlib, sys
from stratadb import Strata, StrataError
path = pathlib.Path(sys.argv[1])
db = Strata.open(path)
db.kv_put("k", 1)
for file in path.rglob("*.strata"):
    if file.name.startswith("pages"):
        os.truncate(file, file.stat().st_size // 2)
codes = set()
for n in range(40):
    try:
        db.kv_get(f"k{n:02}")
        db.kv_history(f"k{n:02}")
    except StrataError as error:
        codes.add(error.code)
try:
    db.close()
except StrataError as error:
    codes.add(error.code)
print("alive", *codes)
""",
        tmp_path / "db",
    )
    assert output.split()[0] == "alive"
