"""Shows of every rule of the checks that it fires, and that a tree that keeps the rules passes."""

import zipfile
from pathlib import Path

import check_api
import check_files
import check_layers
import check_wheel
import overview
import pytest
import write_errors
from sources import Source

LAYERS = """
[layers]
base = []
os = ["base"]
tree = ["os"]
[public]
"strata/status.h" = "base"
[outside]
bindings = ["strata"]
tests = ["*"]
"""

GOOD = {
    "layers.toml": LAYERS,
    "include/strata/status.h": "struct Status {};\n",
    "include/strata/db.h": '#include "strata/status.h"\n',
    "src/base/coding.h": '#include "strata/status.h"\n',
    "src/os/file.h": '#include "base/coding.h"\n',
    "src/os/file.cc": '#include "os/file.h"\n',
    "src/tree/node.h": '#include "base/coding.h"  // through os\n',
    "src/tree/edit.cc": '#include "tree/node.h"\n#include "os/file.h"\n',
    "bindings/python/module.cc": '#include "strata/db.h"\n#include "local.h"\n',
    "bindings/python/local.h": "",
}


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def layer_problems(root: Path, changes: dict[str, str]) -> list[str]:
    problems, _ = check_layers.check(write(root, {"include/.keep": "", **GOOD, **changes}))
    return [str(problem) for problem in problems]


def file_problems(root: Path, files: dict[str, str]) -> list[str]:
    problems, _ = check_files.check(write(root, files))
    return [str(problem) for problem in problems]


def test_a_tree_that_keeps_the_layers_passes(tmp_path: Path) -> None:
    layers = LAYERS.replace("[outside]", '[outside]\ninclude = ["strata"]')
    assert layer_problems(tmp_path, {"layers.toml": layers}) == []


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        ("src/base/up.cc", '#include "os/file.h"\n', 'src/base/up.cc:1: may not include "os/file.h"'),
        ("src/os/up.cc", '\n#include "strata/db.h"\n', 'src/os/up.cc:2: may not include "strata/db.h"'),
        ("bindings/python/in.cc", '#include "tree/node.h"\n', 'in.cc:1: may not include "tree/node.h"'),
        ("src/tree/short.cc", '#include "node.h"\n', 'write "node.h" with its folder'),
        ("src/tree/gone.cc", '#include "os/gone.h"\n', '"os/gone.h" is not in the tree'),
        ("src/tree/alone.h", "", "src/tree/alone.h:1: no other file includes this header"),
        ("src/new/a.cc", "", "folder src/new is not in layers.toml"),
        ("layers.toml", LAYERS.replace("base = []", 'base = ["tree"]'), "cycle: base is below itself"),
        ("layers.toml", LAYERS.replace('["os"]', '["sea"]'), "tree names unknown folder sea"),
    ],
)
def test_a_broken_layer_is_found(tmp_path: Path, path: str, text: str, expected: str) -> None:
    assert any(expected in problem for problem in layer_problems(tmp_path, {path: text}))


def test_a_header_used_by_its_own_source_and_test_alone_is_unused(tmp_path: Path) -> None:
    own = {f"src/tree/alone{end}": '#include "tree/alone.h"\n' for end in (".cc", "_test.cc")}
    problems = layer_problems(tmp_path, {"src/tree/alone.h": "", **own})
    assert "src/tree/alone.h:1: no other file includes this header" in problems


def test_headers_that_include_each_other_are_a_cycle(tmp_path: Path) -> None:
    pair = {"src/tree/a.h": '#include "tree/b.h"\n', "src/tree/b.h": '#include "tree/a.h"\n'}
    assert 'src/tree/b.h:1: cycle: "tree/a.h" includes this file in turn' in layer_problems(tmp_path, pair)


def test_length_has_a_limit_and_tests_a_wider_one(tmp_path: Path) -> None:
    files = {
        "src/base/long.cc": "\n" * 801,
        "src/base/long_test.cc": "\n" * 1200,
        "src/base/longer_test.cc": "\n" * 1201,
        "src/base/just.cc": "\n" * 800,
    }
    assert [problem.split(":")[0] for problem in file_problems(tmp_path, files)] == [
        "src/base/long.cc",
        "src/base/longer_test.cc",
    ]


@pytest.mark.parametrize("statement", ["throw 1;", "try {", "} catch (...) {"])
def test_exceptions_belong_to_the_bindings(tmp_path: Path, statement: str) -> None:
    text = f"{statement}\n"
    files = {"src/base/a.cc": text, "include/strata/a.h": text, "bindings/python/a.cc": text}
    assert {problem.split(":")[0] for problem in file_problems(tmp_path, files)} == {
        "src/base/a.cc",
        "include/strata/a.h",
    }


def test_exceptions_in_comments_and_strings_are_words(tmp_path: Path) -> None:
    text = '// never throw\n/* catch\n try */ const char* s = "throw \\" catch";\nint retry, rethrown;\n'
    assert file_problems(tmp_path, {"src/base/a.cc": text}) == []


@pytest.mark.parametrize("words", ["/ho" + "me/someone/x", "/wo" + "rk/x", "TO" + "DO: later", "FIX" + "ME"])
@pytest.mark.parametrize("path", ["src/base/a.cc", "docs/a.md", "dev", "tools/a.py"])
def test_words_that_belong_to_one_machine_or_day_are_found(tmp_path: Path, words: str, path: str) -> None:
    assert len(file_problems(tmp_path, {path: f"# // {words}\n"})) == 1


def test_paths_inside_the_project_are_no_machine_paths(tmp_path: Path) -> None:
    assert file_problems(tmp_path, {"docs/a.md": "see build/work/x, ./home/x and ${root}/opt/x\n"}) == []


def test_a_block_written_twice_is_found_once_whatever_its_layout(tmp_path: Path) -> None:
    block = [f"  total += step_{n}(value);" for n in range(check_files.DUPLICATE_LINES)]
    respaced = [f"total  +=  {line.split('+= ')[1]}  // said differently\n" for line in block]
    files = {"src/base/a.cc": "\n".join(block), "src/base/b.cc": "int f() {\n" + "\n".join(respaced)}
    assert file_problems(tmp_path, files) == ["src/base/b.cc:2: the same 10 lines stand at src/base/a.cc:1"]
    shorter = {"src/base/b.cc": "\n".join(respaced[1:])}
    assert file_problems(tmp_path, shorter) == []


class Database:
    """Stands for the class of the package."""

    def finished(self) -> None:
        """Does nothing."""

    def bare(self) -> None: ...


def test_an_unfinished_method_is_named_with_what_it_lacks() -> None:
    stubs = [Source("s.pyi", "class Database:\n    def finished(self) -> None: ...\n")]
    docs = [Source("docs/api.md", "`finished` does nothing")]
    tests = [Source("tests/python/t.py", "db.finished()")]
    problems = [problem.text for problem in check_api.check_class(Database, stubs, docs, tests)]
    assert problems == [
        "Database.bare has no docstring",
        "Database.bare is not in the stubs",
        "Database.bare is in no document",
        "Database.bare is in no test",
    ]


HEADER = """
enum class Code : uint8_t {
  kOk = 0,

  // ---- not found ----
  // no branch has
  // this name
  kBranchNotFound,
  kSilent,
  kCount_,
};
"""
TABLE = """
    {"ok", ErrorKind::kState},
    {"branch_not_found", ErrorKind::kNotFound},
    {"silent", ErrorKind::kState},
"""
PAGE = """# Errors

## NotFoundError

| code | when |
| --- | --- |
| `gone` | old |

## StateError

| code | when |
| --- | --- |
"""


def error_problems(root: Path, page: str) -> list[str]:
    files = {
        "include/strata/status.h": HEADER,
        "src/base/status.cc": TABLE,
        "src/db/a.cc": "Status::error(Code::kBranchNotFound)\n",
        "docs/errors.md": page,
    }
    problems, checked = write_errors.check(write(root, files))
    assert checked == 2
    return [problem.text for problem in problems]


def test_the_page_of_errors_is_compared_with_the_codes(tmp_path: Path) -> None:
    silent = ["kSilent is not described above its line", "kSilent is raised by nothing"]
    stale = "the tables differ from include/strata/status.h: run tools/write_errors.py"
    assert error_problems(tmp_path, PAGE) == [*silent, stale]
    codes = [code for code in write_errors.read_codes(HEADER, TABLE) if code.word != "ok"]
    page = write_errors.write_page(PAGE, codes)
    assert "| `branch_not_found` | no branch has this name |\n\n## StateError" in page
    assert "gone" not in page
    assert error_problems(tmp_path, page) == silent


def test_the_overview_shows_every_layer(capsys: pytest.CaptureFixture[str]) -> None:
    assert overview.main() == 0
    shown = capsys.readouterr().out
    assert "storage" in shown
    assert "largest file" in shown


@pytest.mark.parametrize(
    ("name", "files", "complaint"),
    [
        ("stratadb-1.0-cp311-cp311-linux_x86_64.whl", {}, "is not repaired"),
        ("stratadb-1.0-cp311-cp311-manylinux_2_35_x86_64.whl", {}, "lacks"),
        ("stratadb-1.0-cp311-cp311-manylinux_2_35_x86_64.whl", {"src/db/a.cc": "", "*": ""}, "src/db/a.cc"),
        ("stratadb-1.0-cp311-cp311-manylinux_2_35_x86_64.whl", {"stratadb/huge": "large", "*": ""}, "are allowed"),
        ("stratadb-1.0-cp311-cp311-manylinux_2_35_x86_64.whl", {"*": ""}, None),
    ],
)
def test_what_a_wheel_must_be(tmp_path: Path, name: str, files: dict[str, str], complaint: str | None) -> None:
    package = Path(__file__).parent.parent / "python" / "stratadb"
    with zipfile.ZipFile(tmp_path / name, "w") as wheel:
        for path, text in files.items():
            if path == "*":
                for file in package.glob("*.py*"):
                    wheel.writestr(f"stratadb/{file.name}", "")
            else:
                wheel.writestr(path, "x" * (9 * 2**20) if text == "large" else text)
    if complaint is None:
        check_wheel.check_contents(tmp_path / name)
    else:
        with pytest.raises(check_wheel.WheelError, match=complaint):
            check_wheel.check_contents(tmp_path / name)


def test_what_a_wheel_may_use(tmp_path: Path) -> None:
    fine = f"package x\n/usr/lib/libc.so.6\n/usr/lib/libstdc++.so.6\n{tmp_path}/stratadb.libs/libnettle-1.so.8"
    assert check_wheel.check_mapped(fine, (tmp_path,)) == 3
    with pytest.raises(check_wheel.WheelError, match="libnettle"):
        check_wheel.check_mapped("package x\n/usr/lib/libnettle.so.8", (tmp_path,))
