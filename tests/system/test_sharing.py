# SPDX-License-Identifier: BSD-2-Clause
"""Two guests on one CPU: neither sees the other's registers, both get the same time."""
import re
import time

import pytest

import machine


def pair(kernel, extra=("", "")):
    return "".join(f"[vm {n}]\nmemory = 16M\nkernel = {kernel}\ncpuset = 0\ncmdline = {e}\n"
                   for n, e in zip(("a", "b"), extra))


def test_registers(boot, tiny):
    m = boot(pair("fpu", ("pattern=1", "pattern=2")), tiny("fpu"))
    for _ in range(2):
        m.expect(r"DONE (\d+) failed", 120)
        assert m.match.group(1) == "0", "a register held what is not the guest's"
    assert m.log().count("PASS fpu/own-pattern") == 2


def test_canaries(boot, tiny):
    """Every register that is switched: reset at the start, and each guest's own over every kind of exit."""
    m = boot(pair("canary", ("pattern=1", "pattern=2")), tiny("canary"))
    m.expect("all guests have ended", 180)
    failures = [line for line in m.log().splitlines() if "FAIL" in line]
    assert m.log().count("PASS canary/") == 10 and not failures, failures


def test_fair(boot, tiny):
    """Within 5 % of each other after some seconds."""
    m = boot(pair("share"), tiny("share"), amd={"extra": machine.EVEN})
    work = {}
    while min(len(work.get(n, [])) for n in "ab") < 8:
        m.expect(r"(a|b)\| work (\d+)\s", 60)
        work.setdefault(m.match.group(1), []).append(int(m.match.group(2)))
    a, b = (w[7] - w[1] for w in (work["a"], work["b"]))
    assert abs(a - b) <= 0.05 * max(a, b), f"one got {a}, the other {b}"


def work_of(m, names, prints=9):
    """Work per half second of guest time, by name, once every guest has printed so often."""
    work = {n: [] for n in names}
    while min(map(len, work.values())) < prints:
        m.expect(rf"({'|'.join(names)})\| work (\d+)\s", 60)
        work[m.match.group(1)].append(int(m.match.group(2)))
    return {n: (w[prints - 1] - w[1]) / (prints - 2) for n, w in work.items()}


def alike(a, b):
    return abs(a - b) <= 0.05 * max(a, b)


def test_weights(boot, tiny):
    """1:2:4, each within 5 %."""
    config = "".join(f"[vm {n}]\nmemory = 16M\nkernel = share\ncpuset = 0\ncpu_weight = {w}\n"
                     for n, w in (("a", 100), ("b", 200), ("c", 400)))
    m = boot(config, tiny("share"), amd={"extra": machine.EVEN})
    w = work_of(m, "abc", 13)
    assert alike(2 * w["a"], w["b"]) and alike(4 * w["a"], w["c"]), w


def test_cap(boot, tiny):
    """A quarter of a CPU beside another guest, and no more without it."""
    config = pair("share").replace("[vm a]", "[vm a]\ncap = 25")
    m = boot(config, tiny("share"), amd={"extra": machine.EVEN})
    w = work_of(m, "ab")
    assert alike(3 * w["a"], w["b"]), w
    m.send("vm pause b\r")
    m.expect("vm b: paused", 30)
    assert alike(work_of(m, "a")["a"], w["a"]), w


def interrupts(m, name):
    row = re.search(r"(?m)^interrupt +(\d+)", m.command(f"exits {name}"))
    return int(row.group(1)) if row else 0  # Bochs: none with IF 0


@pytest.mark.parametrize("what", ["timers", "exits", "strings"])
def test_storm(boot, tiny, what):
    """A guest that keeps its CPU busy with timers, exits or string instructions takes nothing of its neighbour's share."""
    config = (f"[vm a]\nmemory = 16M\nkernel = share\ncpuset = 0\n"
              f"[vm b]\nmemory = 16M\nkernel = storm\ncpuset = 0\nvcpus = 4\ncmdline = {what}\n")
    m = boot(config, tiny("share", "storm"), amd={"extra": machine.EVEN})
    m.expect(r"b\| storm of 4", 60)
    time.sleep(15)
    a, b = (float(x) for x in re.findall(r"([\d.]+)%", m.command("vm list")))
    assert a >= 0.95 * (a + b) / 5, f"{a} % of the CPU, where four others have {b} %"
    if what == "timers":
        # The time is its own, too: the neighbour's timers do not interrupt it.
        a, b = interrupts(m, "a"), interrupts(m, "b")
        assert a <= 0.25 * b / 4 + 20, f"{a} interrupts in its time, {b} in its neighbour's"


def test_no_tick(boot, tiny):
    """A CPU with one vCPU is left alone: no interrupts beyond the host's own."""
    m = boot("[host]\ncpuset = 0\n[vm a]\nmemory = 16M\nkernel = spin\ncpuset = 1\n", tiny("spin"), cpus=2,
             amd={"extra": machine.EVEN})
    m.expect(r"ready: 1 of 1", 60)
    irqs = []
    for _ in range(3):
        row = re.search(r"(?m)^1 .*", m.command("cpus")).group(0).split()
        irqs.append(int(row[6]))
        time.sleep(2)
    assert irqs[2] - irqs[1] <= 2, irqs


def test_cpu_column(boot, tiny):
    m = boot(pair("share"), tiny("share"), amd={"extra": machine.EVEN})
    m.expect(r"ready: 2 of 2", 60)
    m.expect(r"b\| work [2-9]", 60)
    for _ in range(4):
        m.expect(r"b\| work", 60)
    shares = [float(x) for x in re.findall(r"running[^\n]*?([\d.]+)%", m.command("vm list"))]
    assert len(shares) == 2 and all(40 <= s <= 60 for s in shares), shares
