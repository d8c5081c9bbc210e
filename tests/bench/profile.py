#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Where the host's instructions of a round trip go: by function, from #VMEXIT to VMRUN, counted in QEMU (exits.c).

profile.py FIGURE [--lines FUNCTION]: cpuid, rdmsr, ... as tests/guests/bench.c names them; those that bench.py has repeated, as
blk-exits-1; net-packet; linux: the boot of Debian's kernel, a turn being an exit. A function's own instructions and those inlined into it. --lines: that function's code, with
how often each instruction ran in a turn.
"""
import argparse
import bisect
import collections
import os
import re
import subprocess
import sys

import bench
import plugin

ELF = os.path.join(bench.BUILD, "ingot.debug.elf")
TURNS = {"timer-hlt": 4000}  # of the guest; else 2000
PACKETS = 480  # by how many bench_net sends fewer with `few`


def to_the_end(m):
    m.expect(r"t\| DONE", 240)
    m.send("poweroff -f\r")
    m.expect_end()


def counted(guest, words, keys=""):
    config = f"[vm t]\nmemory = 16M\nkernel = {guest}\ncmdline = {words}\n{keys}"
    return plugin.counted(bench.BUILD, "profile", lambda extra: bench.start("amd", "profile", config, bench.tiny(guest), 1, extra),
                          to_the_end)


def switched(words):
    def use(m):
        bench.ended(m, 2)
        m.send("poweroff -f\r")
        m.expect_end()
    return plugin.counted(bench.BUILD, "profile", lambda extra: bench.start("amd", "profile", bench.pairs_config(1, 1, words),
                                                                           bench.tiny("bench_net"), 1, extra), use)


def more(a, b):
    """What b has more than a."""
    return plugin.Counts(b.exits - a.exits, b.host - a.host, b.guest - a.guest, {at: n - a.at.get(at, 0) for at, n in b.at.items()})


def run(figure):
    """The counts and what they are of, in turns."""
    if figure == "linux":
        counts = bench.counted_guest("quiet")
        return counts, counts.exits
    if figure == "net-packet":
        return more(switched("switch few"), switched("switch")), PACKETS
    if figure not in bench.REPEATED:
        return counted("bench", f"only {figure}"), TURNS.get(figure, 2000)
    repeated = bench.REPEATED[figure]
    once, twice = (counted(repeated.guest, repeated.words + word, repeated.keys("t")) for word in ("", " twice"))
    return more(once, twice), repeated.turns


def functions():
    """Sorted addresses, and the names that belong to them."""
    out = subprocess.run(["nm", "-n", ELF], check=True, stdout=subprocess.PIPE, text=True).stdout
    rows = [line.split() for line in out.splitlines() if re.match(r"\w+ [tT] [^.]", line)]
    return [int(a, 16) for a, _, _ in rows], [name for _, _, name in rows]


def by_function(counts):
    starts, names = functions()
    sums = collections.Counter()
    for address, n in counts.at.items():
        sums[names[bisect.bisect(starts, address) - 1]] += n
    return sums


def print_code(function, counts, turns):
    out = subprocess.run(["objdump", "-d", "--no-show-raw-insn", f"--disassemble={function}", ELF], check=True,
                         stdout=subprocess.PIPE, text=True).stdout
    for line in out.splitlines():
        at = re.match(r"(ffffffff\w+):", line)
        n = counts.at.get(int(at.group(1), 16), 0) if at else 0
        print(f"{n / turns:8.2f} {line}" if n else f"{'':8} {line}")


def main():
    parser = argparse.ArgumentParser(description="the host's instructions of a round trip, by function")
    parser.add_argument("figure", choices=[f.name for f in bench.ROUND_TRIPS] + [*bench.REPEATED, "net-packet", "linux"])
    parser.add_argument("--lines", metavar="FUNCTION", action="append", default=[], help="that function's code, with counts")
    a = parser.parse_args()
    counts, turns = bench.retried(run, a.figure)
    for function in a.lines:
        print_code(function, counts, turns)
    print(f"{counts.exits / turns:.2f} exits, {sum(counts.at.values()) / turns:.1f} instructions of the host a turn")
    for name, n in by_function(counts).most_common():
        if n >= turns / 2:
            print(f"{n / turns:8.1f}  {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
