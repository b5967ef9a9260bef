"""What the operating system says about memory and disk."""

from __future__ import annotations

import os
from pathlib import Path


def allocated_bytes(path: str) -> int:
    """Disk blocks held by the files below the path (a sparse file counts what it holds)."""
    total = 0
    for folder, _, names in os.walk(path):
        for name in names:
            total += os.lstat(os.path.join(folder, name)).st_blocks * 512
    return total


def resident_bytes() -> int:
    """Memory of this process now, pages of mapped files included."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise OSError("no VmRSS in /proc/self/status")


def process_written_bytes() -> int:
    """Bytes this process caused to be written. Counts whole folios, so it can say far more than the device saw."""
    for line in Path("/proc/self/io").read_text().splitlines():
        if line.startswith("write_bytes:"):
            return int(line.split()[1])
    raise OSError("no write_bytes in /proc/self/io")


def device_written_bytes(path: str) -> int | None:
    """Bytes written to the device under the path since it came up, by everyone; None where there is no counter."""
    device = os.stat(path).st_dev
    stat = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/stat")
    if not stat.exists():
        return None
    return int(stat.read_text().split()[6]) * 512
