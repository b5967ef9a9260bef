#!/usr/bin/env python3
"""Proves of a wheel that it is small, complete and runs where nothing of the build is installed.

It is installed into a new environment and the programs of examples/ run there with an empty environment; every library
that is then mapped has to come from the wheel, from Python or from the C and C++ run time. As root all of that happens
again below a folder that holds Python and its own libraries alone.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import venv
import zipfile
from pathlib import Path

MOST_BYTES = 8 * 2**20
# What the manylinux policies let a wheel expect from the system.
SYSTEM = re.compile(r"(ld-linux|lib(c|m|dl|rt|pthread|util|stdc\+\+|gcc_s)\.so)")
PROGRAM = """
import re, stratadb
with stratadb.Strata.open("proof") as db:
    db.kv_put("k", [1, 2.5, "x"])
    db.event_append("t", {"hashed": True})
    assert db.event_verify()["valid"] and db.verify()["ok"]
    db.backup("copy")
mapped = {line.split()[-1] for line in open("/proc/self/maps") if re.search(r"\\.so", line)}
print("package", stratadb.__file__)
print(*sorted(mapped), sep="\\n")
"""


class WheelError(Exception):
    """Something about the wheel is not as it must be."""


def run(command: list[str | Path], **options: object) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, **options)  # type: ignore[call-overload]
    if done.returncode != 0:
        raise WheelError(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return str(done.stdout)


def check_contents(wheel: Path) -> None:
    if wheel.stat().st_size > MOST_BYTES:
        raise WheelError(f"{wheel.name} has {wheel.stat().st_size} bytes; {MOST_BYTES} are allowed")
    if "linux_" not in wheel.name or "manylinux" not in wheel.name:
        raise WheelError(f"{wheel.name} is not repaired: its tag is for this machine alone")
    names = zipfile.ZipFile(wheel).namelist()
    package = {name.removeprefix("stratadb/") for name in names if name.startswith("stratadb/")}
    wanted = {path.name for path in (Path(__file__).parent.parent / "python" / "stratadb").glob("*.py*")}
    wanted = {name for name in wanted if not name.endswith(".so")} - {"__pycache__"}
    if not wanted <= package:
        raise WheelError(f"{wheel.name} lacks {sorted(wanted - package)}")
    extra = [name for name in names if not re.match(r"stratadb(/|\.libs/|-[\d.]+\.dist-info/)", name)]
    if extra:
        raise WheelError(f"{wheel.name} holds {extra}")


def check_mapped(output: str, inside: tuple[Path, ...]) -> int:
    package, *mapped = output.splitlines()
    for path in mapped:
        if not SYSTEM.search(Path(path).name) and not any(Path(path).is_relative_to(each) for each in inside):
            raise WheelError(f"{package} needs {path}, which is not part of the wheel")
    return len(mapped)


def try_in_new_environment(wheel: Path, folder: Path, examples: list[Path]) -> Path:
    """The folder that it was installed into."""
    environment = folder / "venv"
    venv.create(environment, with_pip=True)
    python = environment / "bin" / "python"
    bare = {"HOME": str(folder), "PATH": "/nowhere", "LANG": "C.UTF-8"}
    run([python, "-I", "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-index", wheel], env=bare)
    work = folder / "work"
    work.mkdir()
    output = run([python, "-I", "-c", PROGRAM], cwd=work, env=bare)
    base = Path(sys.base_prefix)
    mapped = check_mapped(output, (environment, base / "lib", Path(sysconfig.get_path("platstdlib"))))
    for example in examples:
        run([python, "-I", example], cwd=work, env=bare)
    print(f"in a new environment: {len(examples)} programs, {mapped} libraries mapped, none of them foreign")
    return next((environment / "lib").glob("python*/site-packages"))


def libraries_of(binary: Path) -> set[Path]:
    return {Path(match) for match in re.findall(r"(/\S+) \(0x", run(["ldd", binary]))}


def try_below_root(installed: Path, folder: Path, examples: list[Path]) -> None:
    """Python, its libraries and the installed package below a folder of their own, which is then the root."""
    root = folder / "root"
    python = Path(sys.executable).resolve()
    stdlib = Path(sysconfig.get_path("stdlib"))
    files = {python, *libraries_of(python)}
    dynamic = list((stdlib / "lib-dynload").glob("*.so"))
    for module in dynamic:
        files |= libraries_of(module)
    for binary in [*installed.rglob("*.so*")]:
        files |= {path for path in libraries_of(binary) if SYSTEM.search(path.name)}
    for file in files:
        target = root / file.relative_to("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file.resolve(), target)
    skipped = shutil.ignore_patterns(
        "test", "tests", "site-packages", "dist-packages", "__pycache__", "idlelib", "config-*"
    )
    shutil.copytree(stdlib, root / stdlib.relative_to("/"), ignore=skipped)
    for name in ("proc", "work", "tmp"):
        (root / name).mkdir()
    for name in ("stratadb", "stratadb.libs"):
        if (installed / name).exists():
            shutil.copytree(installed / name, root / "packages" / name)
    for example in examples:
        shutil.copy(example, root / "work")
    program = PROGRAM.split("mapped =")[0] + "print('ran')\n"
    bare = {"PYTHONPATH": "/packages", "PYTHONHOME": sys.base_prefix, "LANG": "C.UTF-8"}
    for command in (["-c", program], *(["/work/" + example.name] for example in examples)):
        run([python, "-s", *command], env=bare, preexec_fn=lambda: (os.chroot(root), os.chdir("/work")))
    print(f"below a root with {len(files)} system files and Python's own: {len(examples) + 1} programs")


def main() -> int:
    wheels = [Path(name).resolve() for name in sys.argv[1:]]
    examples = sorted((Path(__file__).resolve().parent.parent / "examples").glob("*.py"))
    if not wheels or not examples:
        print("usage: check_wheel.py WHEEL...", file=sys.stderr)
        return 2
    try:
        for wheel in wheels:
            check_contents(wheel)
            with tempfile.TemporaryDirectory(prefix="strata-wheel-") as name:
                installed = try_in_new_environment(wheel, Path(name), examples)
                if os.geteuid() == 0:
                    try_below_root(installed, Path(name), examples)
                else:
                    print("not root: no trial below a root of its own")
            print(f"counted: {wheel.name}, {wheel.stat().st_size / 2**20:.2f} MB")
    except WheelError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
