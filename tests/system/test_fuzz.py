# SPDX-License-Identifier: BSD-2-Clause
"""A hostile guest: random instructions, ports, MSRs, device memory, hypercalls; its neighbour's heart goes on beating.

The hostile guest is started again however it ends, and reset where it has got stuck. The neighbour shares its CPU,
keeps 12 MiB of a pattern, and looks at it while it beats.
"""
import collections
import re
import time

import pytest

STUCK_SECONDS = 10
HOSTS = ("interrupt", "preemption timer", "none")  # exits that a guest doesn't make itself
BEATS = 20  # between two looks at the hostile guest


def config(seed):
    ends = "".join(f"on_{end} = restart\n" for end in ("poweroff", "reboot", "crash"))
    return (f"[vm fuzz]\nmemory = 16M\nkernel = fuzz\ncmdline = seed={seed}\nmax_restarts = 8\n{ends}"
            "[vm good]\nmemory = 16M\nkernel = heartbeat\ncmdline = memory\n")


def exits_of(m):
    """{reason: count} of the hostile guest."""
    rows = re.findall(r"^(\S[^\n]*?)\s{2,}(\d+)\s+\d+\s*$", m.command("exits fuzz", 60), re.M)
    return {name: int(n) for name, n in rows}


def assert_isolated(m):
    """Ingot is as it was at its start, and every frame of every guest is that guest's alone."""
    answer = m.command("check", 60)
    assert re.search(r"host: \d+ KiB of code and constants unchanged, nothing writable and executable", answer), answer
    assert re.search(r"guests: 2 with 8128 frames, each of one guest alone, none of Ingot's", answer), answer


def attack(boot, tiny, seed, exits, limit):
    """Until the guest has made so many exits. Returns the machine, its exits by reason, how often it was stuck."""
    m = boot(config(seed), tiny("fuzz", "heartbeat"))
    m.expect(r"ready: 2 of 2 guests started", 90)
    m.command("mute fuzz")
    last, last_change, resets, end = 0, time.time(), 0, time.time() + limit
    while True:
        for _ in range(BEATS):
            if m.expect([r"good\| beat (\d+)\s", r"vm fuzz: more than \d+ restarts in a minute, preserved"]):
                m.send("vm reset fuzz\r")
        by_reason = exits_of(m)
        total = sum(n for name, n in by_reason.items() if name not in HOSTS)
        if total >= exits:
            break
        assert time.time() < end, f"only {total} exits in {limit} s"
        if total != last:
            last, last_change = total, time.time()
        elif time.time() - last_change > STUCK_SECONDS:
            resets, last_change = resets + 1, time.time()
            m.send("vm reset fuzz\r")
    # Not each one more than the last: a line may come in two pieces where the hostile guest holds the CPU for 200 ms.
    for _ in range(10):
        m.expect(r"good\| beat \d+\s", 60)
    assert_isolated(m)
    log = m.log()
    assert "ingot: panic" not in log
    assert not re.search(r"good\| FAIL", log)
    return m, by_reason, resets


def test_hostile(boot, tiny):
    attack(boot, tiny, 1, 20000, 120)


@pytest.mark.soak
def test_million(boot, tiny):
    start = time.time()
    m, by_reason, resets = attack(boot, tiny, 2, 1000000, 7200)
    crashes = collections.Counter(re.sub(r"0x[0-9a-f]+", "…", re.sub(r"emulated: .*", "emulated", why))
                                  for why in re.findall(r"vm fuzz: crashed: ([^\r\n]*)", m.log()))
    print(f"soak: {sum(by_reason.values())} exits of a hostile guest in {time.time() - start:.0f} s, stuck {resets} times; "
          + ", ".join(f"{name} {n}" for name, n in sorted(by_reason.items(), key=lambda x: -x[1])))
    for why, n in crashes.most_common():
        print(f"soak: {n} times it crashed: {why}")
