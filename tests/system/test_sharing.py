# SPDX-License-Identifier: BSD-2-Clause
"""Two guests on one CPU: neither sees the other's registers, both get the same time."""
import re

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


def test_fair(boot, tiny):
    """Within 5 % of each other after some seconds."""
    m = boot(pair("share"), tiny("share"), amd={"extra": machine.EVEN})
    work = {}
    while min(len(work.get(n, [])) for n in "ab") < 8:
        m.expect(r"(a|b)\| work (\d+)\s", 60)
        work.setdefault(m.match.group(1), []).append(int(m.match.group(2)))
    a, b = (w[7] - w[1] for w in (work["a"], work["b"]))
    assert abs(a - b) <= 0.05 * max(a, b), f"one got {a}, the other {b}"


def test_cpu_column(boot, tiny):
    m = boot(pair("share"), tiny("share"), amd={"extra": machine.EVEN})
    m.expect(r"ready: 2 of 2", 60)
    m.expect(r"b\| work [2-9]", 60)
    for _ in range(4):
        m.expect(r"b\| work", 60)
    shares = [float(x) for x in re.findall(r"running[^\n]*?([\d.]+)%", m.command("vm list"))]
    assert len(shares) == 2 and all(40 <= s <= 60 for s in shares), shares
