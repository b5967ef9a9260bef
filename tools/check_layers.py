#!/usr/bin/env python3
"""Checks every include against layers.toml.

Rules: a folder includes only what layers.toml allows it; neither the folders nor the headers form
a cycle; what is included exists; every header of src/ is included by a file other than its own
source and test.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path

from sources import CODE_FOLDERS, CPP_SUFFIXES, Problem, Source, finish, read_sources

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PUBLIC = "strata"  # the folder of the public headers, as includes spell it


@dataclass
class Layers:
    """The content of layers.toml with the permissions worked out."""

    direct: dict[str, list[str]]
    owner: dict[str, str]
    outside: dict[str, list[str]]
    below: dict[str, set[str]] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Layers:
        table = tomllib.loads(path.read_text("utf-8"))
        layers = cls(table["layers"], table.get("public", {}), table.get("outside", {}))
        layers.below = {name: layers._reach(name) for name in layers.direct}
        return layers

    def _reach(self, name: str) -> set[str]:
        seen: set[str] = set()
        todo = list(self.direct[name])
        while todo:
            lower = todo.pop()
            if lower not in seen:
                seen.add(lower)
                todo.extend(self.direct.get(lower, []))
        return seen

    def allows(self, user: Source, included: str) -> bool:
        """Whether ``user`` may include ``included``."""
        top = user.path.split("/")[0]
        if top == "src":
            layer = user.path.split("/")[1]
            target = layer_of(included)
            if target == PUBLIC:
                target = self.owner.get(included, "db")
            return target == layer or target in self.below.get(layer, ()) or (user.is_test and target == "testing")
        allowed = self.outside.get(top, [])
        return "*" in allowed or layer_of(included) in allowed


def layer_of(included: str) -> str:
    return included.split("/")[0]


def locate(user: Source, included: str, known: dict[str, Source]) -> str | None:
    """The path of the file that an include names, or None for one outside the project."""
    own_folder = user.path.rsplit("/", 1)[0]
    for candidate in (f"include/{included}", f"src/{included}", f"{own_folder}/{included}"):
        if candidate in known:
            return candidate
    return None


def check_table(layers: Layers) -> list[Problem]:
    problems = []
    for name, lower in layers.direct.items():
        problems += [
            Problem("layers.toml", 1, f"{name} names unknown folder {x}") for x in lower if x not in layers.direct
        ]
        if name in layers.below[name]:
            problems.append(Problem("layers.toml", 1, f"cycle: {name} is below itself"))
    return problems


def check_includes(layers: Layers, known: dict[str, Source]) -> list[Problem]:
    problems = []
    for source in known.values():
        top, *rest = source.path.split("/")
        if top == "src" and rest[0] not in layers.direct:
            problems.append(Problem(source.path, 1, f"folder src/{rest[0]} is not in layers.toml"))
            continue
        for included, line in source.includes():
            target = locate(source, included, known)
            if target is None:
                problems.append(Problem(source.path, line, f'"{included}" is not in the tree'))
            elif target.split("/")[0] not in ("include", "src"):
                continue  # a neighbour in bindings, tests or bench
            elif target not in (f"include/{included}", f"src/{included}"):
                problems.append(Problem(source.path, line, f'write "{included}" with its folder'))
            elif not layers.allows(source, included):
                problems.append(Problem(source.path, line, f'may not include "{included}" (layers.toml)'))
    return problems


def check_cycles(known: dict[str, Source]) -> list[Problem]:
    """Finds header cycles by a depth-first walk; each is reported once, at the include that closes it."""
    problems: list[Problem] = []
    state: dict[str, str] = {}

    def visit(path: str) -> None:
        state[path] = "open"
        for included, line in known[path].includes():
            target = locate(known[path], included, known)
            if target is None:
                continue
            if state.get(target) == "open":
                problems.append(Problem(path, line, f'cycle: "{included}" includes this file in turn'))
            elif target not in state:
                visit(target)
        state[path] = "done"

    for path in known:
        if path not in state:
            visit(path)
    return problems


def check_unused(known: dict[str, Source]) -> list[Problem]:
    used = set()
    for source in known.values():
        for included, _ in source.includes():
            target = locate(source, included, known)
            if target is not None and stem(target) != stem(source.path):
                used.add(target)
    return [
        Problem(path, 1, "no other file includes this header")
        for path in known
        if path.startswith("src/") and path.endswith(".h") and path not in used
    ]


def stem(path: str) -> str:
    return path.removesuffix(".h").removesuffix(".cc").removesuffix("_test")


def check(root: Path) -> tuple[list[Problem], int]:
    layers = Layers.read(root / "layers.toml")
    known = {source.path: source for source in read_sources(root, CODE_FOLDERS, CPP_SUFFIXES)}
    problems = check_table(layers) + check_includes(layers, known) + check_cycles(known) + check_unused(known)
    return problems, len(known)


if __name__ == "__main__":
    sys.exit(finish("layers", *check(Path(__file__).resolve().parent.parent)))
