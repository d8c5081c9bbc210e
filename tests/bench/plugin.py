# SPDX-License-Identifier: BSD-2-Clause
"""Runs a machine in QEMU under the plugin exits.c, and reads what that has counted."""
import collections
import os

# at: {address: executions} of the host's instructions.
Counts = collections.namedtuple("Counts", "exits host guest at")


def read_counts(path):
    with open(path, encoding="utf-8") as f:
        totals = [int(f.readline().split()[1]) for _ in range(3)]
        at = {int(a, 16): int(n) for a, n in (line.split() for line in f)}
    return Counts(*totals, at)


def counted(build, name, start, use, linux_boot=False):
    """Counts of a machine: start(extra) starts it with QEMU's options `extra`, use(m) sees it to what ends the counting."""
    out = os.path.join(build, "bench", name + ".txt")
    if os.path.exists(out):
        os.remove(out)
    so = os.path.join(build, "host", "exits.so")
    m = start(("-plugin", f"{so},out={out}" + (",linux=on" if linux_boot else ""), "-d", "plugin"))
    try:
        use(m)
    finally:
        m.close()
    return read_counts(out)
