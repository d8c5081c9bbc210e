# SPDX-License-Identifier: BSD-2-Clause
"""The long tests: `make soak`. Their figures are in the output."""
import re
import time

import pytest

pytestmark = pytest.mark.soak

CYCLES = 1000


def test_thousand_lives(boot, tiny):
    """A thousand cycles of a 16 MB guest: the same memory is free before and after."""
    m = boot("[vm a]\nmemory = 16M\nkernel = hello\nautostart = no\n", tiny("hello"))
    m.expect(r"ready: 0 of 0 guests started", 60)
    m.command("mute a")
    start = time.time()
    m.command("vm start a")
    m.expect(r"vm a: stopped", 60)
    before = m.command("mem")
    for _ in range(CYCLES):
        m.send("vm start a\r")
        m.expect(r"vm a: stopped", 60)
    after = m.command("mem")
    print(f"soak: {CYCLES} lives in {time.time() - start:.0f} s; free before: {before!r}; after: {after!r}")
    assert re.findall(r"free\D*(\d+)", before) == re.findall(r"free\D*(\d+)", after)
    assert before == after


def test_clock_drift(boot, tiny):
    """Ten minutes of virtual time, the guest busy and a busy neighbour on its CPU: clocks within 100 ppm."""
    seconds, ppm = 600, 100
    m = boot(f"[vm t]\nmemory = 16M\ncpuset = 0\nkernel = clocks\ncmdline = drift={seconds}\n"
             "[vm busy]\nmemory = 16M\ncpuset = 0\nkernel = share\n", tiny("clocks", "share"),
             # Few instructions a second, so that the minutes pass quickly.
             amd={"extra": ("-icount", "shift=8,sleep=off")}, intel={"ips": 4000000})
    m.expect(r"\[([\d.]+)\] ingot: vm t: started", 90)
    started = float(m.match.group(1))
    m.expect(r"ready: 2 of 2", 60)
    m.command("mute busy", 60)
    m.expect(r"t\| ends at (\d+) us", 3600)
    guest = int(m.match.group(1)) / 1e6
    m.expect(r"t\| DONE (\d+) failed", 60)
    assert m.match.group(1) == "0", m.log()[-600:]
    m.expect(r"\[([\d.]+)\] ingot: vm t: stopped: powered off", 60)
    host = float(m.match.group(1)) - started
    print(f"soak: {guest:.3f} s by the guest's clock, {host:.3f} s by the host's")
    assert guest > seconds and abs(host - guest) <= guest * ppm / 1e6
