"""Encodes the small title on a disk that is too small, and again when there is room.

Run as a program, in a user and mount namespace of its own: MASTER FOLDER BYTES. The folder becomes
a file system of so many bytes. Prints a digest of every rendition.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

from encoder.encode import chunks
from encoder.engine.store import Store
from encoder.errors import MachineError
from tests.engine.small import Bench, contents, kept, rung


def main() -> None:
    master, folder, size = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    chunks.CHUNK_SECONDS = Fraction(2)
    mount = ["mount", "-t", "tmpfs", "-o"]
    subprocess.run([*mount, f"size={size}", "tmpfs", str(folder)], check=True)
    bench = Bench(master, Store(folder))
    rungs = (rung("a"), rung("b", 80, 48))
    try:
        bench.encode(*rungs)
    except MachineError as error:
        print(f"failed: {error}")
    before = kept(bench.store)
    print(f"kept: {len(before)}")
    print(f"left: {len(list((folder / 'tmp').iterdir()))}")
    subprocess.run([*mount, "remount,size=64m", str(folder)], check=True)
    for name, data in contents(Bench(master, Store(folder)).encode(*rungs)).items():
        print(f"{name}: {hashlib.sha256(data).hexdigest()}")


if __name__ == "__main__":
    main()
