"""The examples of the README, the pages of docs/ and the docstrings run and show what they say."""

import ast
import doctest
import inspect
import pathlib
import re

import pytest
import stratadb
from stratadb import Strata

ROOT = pathlib.Path(__file__).parents[2]
PAGES = [*ROOT.glob("README.md"), *sorted((ROOT / "docs").glob("*.md"))]
OPTIONS = doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL
METHODS = sorted(name for name in dir(Strata) if not name.startswith("_"))


def blocks(page):
    """[(line, text)] of the Python examples of a page."""
    found = re.finditer(r"^```python\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    return [(page.read_text()[: match.start(1)].count("\n"), match.group(1)) for match in found]


def run_session(text, names, name, line):
    """An example with prompts, compared with what it shows."""
    test = doctest.DocTestParser().get_doctest(text, names, name, name, line)
    report = []
    runner = doctest.DocTestRunner(verbose=False, optionflags=OPTIONS)
    runner.run(test, out=report.append, clear_globs=False)
    names.update(test.globs)
    assert not report, "".join(report)


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)], ids=lambda page: page.name)
def test_the_examples_of_a_page(page, tmp_path, monkeypatch):
    """All blocks of a page are one program, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "example"}
    for line, text in blocks(page):
        if ">>> " in text:
            run_session(text, names, str(page), line)
        else:
            exec(compile("\n" * line + text, str(page), "exec"), names)
    for value in names.values():
        if isinstance(value, Strata):
            value.close()


def links(page):
    """What the links of a page lead to, as paths; addresses elsewhere left out."""
    text = re.sub(r"```.*?```|`[^`]*`", "", page.read_text(), flags=re.DOTALL)
    found = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text)
    return [(page.parent / link).resolve() for link in found if "://" not in link]


@pytest.mark.parametrize("page", [*PAGES, *sorted((ROOT / "docs" / "adr").glob("*.md"))], ids=lambda page: page.name)
def test_the_links_of_a_page_lead_somewhere(page):
    assert [str(path) for path in links(page) if not path.exists()] == []


def test_every_page_can_be_reached_from_the_first():
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page not in reached:
            reached.add(page)
            waiting += [path for path in links(page) if path.suffix == ".md" and path.exists()]
    assert set((ROOT / "docs").glob("*.md")) <= reached


def documented_methods():
    return [name for name in METHODS if ">>> " in (inspect.getdoc(getattr(Strata, name)) or "")]


@pytest.mark.engine
def test_every_method_has_a_docstring_with_an_example():
    assert documented_methods() == METHODS


@pytest.mark.engine
@pytest.mark.parametrize("name", ["the class", "the package", *documented_methods()])
def test_the_examples_of_a_docstring(name, tmp_path, monkeypatch):
    """`db` is an empty database in memory, the current folder is empty."""
    monkeypatch.chdir(tmp_path)
    what = {"the class": Strata, "the package": stratadb}.get(name) or getattr(Strata, name)
    with Strata.cache() as db:
        run_session(inspect.getdoc(what), {"stratadb": stratadb, "Strata": Strata, "db": db}, name, 0)


def headings():
    """{method: its signature in docs/api.md}"""
    text = (ROOT / "docs" / "api.md").read_text()
    return {match.group(1): match.group(2) for match in re.finditer(r"^### (\w+)\((.*)\)$", text, re.MULTILINE)}


def test_the_page_of_all_calls_names_every_method():
    offered = {name for name in METHODS if callable(getattr(Strata, name))}
    if stratadb.__version__.endswith("-model"):  # which has those of later releases too
        assert set(headings()) <= offered
    else:
        assert set(headings()) == offered


def signatures(file, class_name):
    """{method: arguments as they are written in a heading} of a class in a source or stub file."""
    tree = ast.parse((ROOT / "python" / "stratadb" / file).read_text())
    (body,) = [node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == class_name]
    found = {}
    for node in body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            arguments = node.args
            for argument in [*arguments.args, *arguments.kwonlyargs]:
                argument.annotation = None
            arguments.args = [each for each in arguments.args if each.arg not in ("self", "cls")]
            found[node.name] = ast.unparse(arguments).replace("'", '"')
    return found


def test_the_page_has_the_signatures_of_the_stubs():
    stubs = {**signatures("_native.pyi", "Session"), **signatures("_handle.py", "Strata")}
    written = {name: re.sub(r"(?<=\d)_(?=\d)", "", text) for name, text in headings().items()}
    assert written == stubs
