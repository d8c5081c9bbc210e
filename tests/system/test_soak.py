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

