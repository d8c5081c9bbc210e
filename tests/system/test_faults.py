# SPDX-License-Identifier: BSD-2-Clause
"""Double and triple faults in every mode, and exceptions that raise themselves: the neighbour is untouched."""
import pytest

from test_bad import expect_beats

MODES = ["64", "32", "16", "real"]


def boot_pair(boot, tiny, word, extra=""):
    m = boot(f"[vm bad]\nmemory = 16M\nkernel = faults\ncmdline = {word}\n{extra}"
             "[vm good]\nmemory = 16M\nkernel = heartbeat\n", tiny("faults", "heartbeat"))
    m.expect(r"ready: 2 of 2 guests started", 90)
    return m


@pytest.mark.parametrize("mode", MODES)
def test_double(boot, tiny, mode):
    """#DF comes to the guest's handler."""
    m = boot_pair(boot, tiny, f"df-{mode}")
    m.expect(r"bad\| double fault taken", 60)
    m.expect(r"vm bad: stopped: powered off", 60)
    expect_beats(m)


@pytest.mark.parametrize("mode", MODES)
def test_triple(boot, tiny, mode):
    """The guest ends, or begins again, as on_crash wants it."""
    m = boot_pair(boot, tiny, f"tf-{mode}", "on_crash = restart\nmax_restarts = 2\n")
    for _ in range(2):
        m.expect(r"vm bad: crashed: triple fault", 60)
        m.expect(r"vm bad: restarting", 60)
    m.expect(r"vm bad: more than 2 restarts in a minute", 60)
    expect_beats(m)


@pytest.mark.only("intel", "QEMU checks no alignment, and a breakpoint in the stack of #DB ends it by an abort")
@pytest.mark.parametrize("exception", ["ac", "db"])
def test_endless(boot, tiny, exception):
    """#AC on a stack that is not aligned, #DB on a breakpoint in its own stack."""
    m = boot_pair(boot, tiny, f"{exception}-loop")
    m.expect(r"bad\| now: ", 60)
    expect_beats(m, 10)
    m.send("vm destroy bad\r")
    m.expect(r"vm bad: stopped: destroyed", 30)
    expect_beats(m)
