"""What `progress=True` means: a bar, on a terminal only."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO

WIDTH = 30


def resolve(progress: object, label: str) -> object:
    """The `progress` to hand to the engine: True becomes a bar, or nothing where no terminal would show it."""
    if progress is not True:
        return progress
    stream = sys.stderr
    return bar(label, stream) if stream is not None and stream.isatty() else None


def bar(label: str, stream: TextIO) -> Callable[[int, int], None]:
    """Draws only when the picture changes, and ends the line with the last call."""
    shown = ""

    def draw(done: int, total: int) -> None:
        nonlocal shown
        part = min(done / total, 1.0) if total > 0 else 1.0
        full = int(part * WIDTH)
        line = f"\r{label} [{'#' * full}{'.' * (WIDTH - full)}] {part:4.0%}"
        if line != shown:
            stream.write(line)
            shown = line
            if done >= total:
                stream.write("\n")
            stream.flush()

    return draw
