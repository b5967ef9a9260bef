"""Runs every Python block of the README and the documents as a reader would: top to bottom, one document at a time."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
DOCUMENTS = [
    path
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
    if BLOCK.search(path.read_text("utf-8"))
]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_block_runs(document: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = document.read_text("utf-8")
    names: dict[str, object] = {"__name__": "__document__"}
    for match in BLOCK.finditer(text):
        # Blank lines before the block make the line numbers of a failure those of the document.
        source = "\n" * (text.count("\n", 0, match.start()) + 1) + match.group(1)
        exec(compile(source, str(document), "exec"), names)
