#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Adds stress-ng to the Linux guests' root: stress.py PACKAGES_ROOT BASE_INITRD OUT

PACKAGES_ROOT holds Debian's packages unpacked. The kernel unpacks archives that lie one behind the other (Linux,
Documentation/driver-api/early-userspace/buffer-format.rst), so that this one holds the program and its libraries alone.
"""
import os
import re
import subprocess
import sys

from initramfs import Archive, read

LIBRARIES = "lib/x86_64-linux-gnu"
LOADER = "ld-linux-x86-64.so.2"


def find(root, name):
    for place in ("lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu", "lib64"):
        path = os.path.join(root, place, name)
        if os.path.exists(path):
            return os.path.realpath(path)
    sys.exit(f"error: no package holds {name}")


def needed(path):
    listing = subprocess.run(["objdump", "-p", path], check=True, capture_output=True, text=True).stdout
    return re.findall(r"NEEDED\s+(\S+)", listing)


def closure(root, program):
    found, waiting = {}, needed(program)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = find(root, name)
            waiting += needed(found[name])
    return found


def main():
    root, base, out = sys.argv[1:]
    program = os.path.join(root, "usr/bin/stress-ng")
    a = Archive()
    for d in ("lib64", LIBRARIES):
        a.directory(d)
    a.file("bin/stress-ng", read(program), 0o755)
    for name, path in sorted(closure(root, program).items()):
        a.file(f"lib64/{name}" if name == LOADER else f"{LIBRARIES}/{name}", read(path), 0o755)
    a.add("TRAILER!!!", 0)
    with open(out, "wb") as f:
        f.write(read(base) + a.out)


main()
