# SPDX-License-Identifier: BSD-2-Clause
"""The long tests: `make soak`. Their figures are in the output."""
import os
import re
import time

import pytest

import conftest

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
    # Kept, so that the host's stamp is of its end, and not of when its memory has been given back, between the busy one's turns.
    m = boot(f"[vm t]\nmemory = 16M\ncpuset = 0\nkernel = clocks\ncmdline = drift={seconds}\non_poweroff = preserve\n"
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


@pytest.mark.only("amd", "some hundred times slower there")
def test_memtest(boot):
    """Debian's memtest86+ over 192 MB: its tests 0 to 9 find no error. Test 10, which waits for minutes, is not awaited."""
    image = os.path.join(conftest.BUILD, "guest", "memtest")
    m = boot("[vm m]\nmemory = 192M\nkernel = memtest\ncmdline = console=ttyS0,115200\n", {"memtest": image})
    m.expect(r"vm m: started", 60)
    m.send("console m\r")
    start = time.time()
    seen = set()
    while "10" not in seen:
        came = m.expect([r"#(\d+) +\[", r"Pass: +\d+ +Errors: (\d+)"], 300)
        if came == 0:
            seen.add(m.match.group(1))
        else:
            assert m.match.group(1) == "0", m.before
    m.expect(r"Pass: +\d+ +Errors: 0 ", 60)
    # Those that take less than the screen's refresh are not seen.
    assert {"4", "6", "8", "9"} <= seen, seen
    print(f"soak: memtest86+ over 192 MB, tests 0 to 9, in {time.time() - start:.0f} s, no error")
