# SPDX-License-Identifier: BSD-2-Clause
"""A guest that goes wrong ends alone, with a report; its neighbour's heart goes on beating."""
import re

import pytest

# What the guest does, and what its end is called.
WAYS = {
    "triple": r"vm bad: crashed: triple fault",
    "run-off": r"vm bad: crashed: runs code at 0xd0000000, which is not memory",
    "fetch-split": r"vm bad: crashed: runs code at 0xa0000, which is not memory",
    # QEMU 7.2 does not tell that it was delivering an event, so that the instruction is looked at instead.
    "idt-mmio": r"vm bad: crashed: (vector 32 can't be delivered: [^\n]* 0xd0000200 is not memory|[^\n]*cd 20)",
    "stack-mmio": r"vm bad: crashed: (vector 3 can't be delivered: [^\n]* 0xd0000ff\w is not memory|[^\n]*cc)",
    "vector-mmio": r"vm bad: crashed: [^\n]*0f 11",
    "pvpanic": r"vm bad: crashed: its kernel has panicked \(pvpanic\)",
    "page-tables": r"vm bad: crashed: its page tables lie at 0xd0000000",
}


def boot_pair(boot, tiny, word, cpus=1):
    return boot(
        f"[vm bad]\nmemory = 16M\nkernel = bad\ncmdline = {word}\n"
        "[vm good]\nmemory = 16M\nkernel = heartbeat\n",
        tiny("bad", "heartbeat"), cpus=cpus)


def expect_beats(m, n=3, timeout=60):
    """The neighbour is alive: n more beats.

    Where the emulator stood still for 200 ms in the midst of a line, it comes in two pieces: a number below the last.
    """
    last, count = 0, 0
    while count <= n:
        m.expect(r"good\| beat (\d+)\s", timeout)
        if int(m.match.group(1)) > last:
            last, count = int(m.match.group(1)), count + 1


@pytest.mark.parametrize("word", WAYS)
def test_crash(boot, tiny, word):
    m = boot_pair(boot, tiny, word)
    m.expect(WAYS[word], 90)
    expect_beats(m)
    log = m.log()
    assert re.search(r"vm bad: cpu 0: last exit: \S+", log)
    assert re.search(r"vm bad: cpu 0: rip [0-9a-f]{16}", log)
    assert re.search(r"vm bad: cpu 0: code at rip:", log)


@pytest.mark.only("amd", "no guest state that this emulator refuses can be reached")
def test_refused_state(boot, tiny):
    """An entry that the CPU refuses ends that VM alone. Which field it was: unit/svm-state, unit/vmx-exit."""
    m = boot_pair(boot, tiny, "cr3-bits")
    m.expect(r"vm bad: cpu 0: last exit: VMEXIT_INVALID", 90)
    m.expect(r"vm bad: crashed: the CPU refused to enter the guest's state", 30)
    expect_beats(m)


@pytest.mark.parametrize("word", ["keyboard", "cf9"])
def test_reset_ways(boot, tiny, word):
    m = boot(f"[vm bad]\nmemory = 16M\nkernel = bad\ncmdline = {word}\non_reboot = destroy\n", tiny("bad"))
    m.expect(r"vm bad: stopped: rebooted", 90)


def test_debug_exit(boot, tiny):
    m = boot("[vm bad]\nmemory = 16M\nkernel = bad\ncmdline = debug-exit\ndebug_exit = 0xf4\n", tiny("bad"))
    m.expect(r"vm bad: debug exit, status 43", 90)
    m.expect(r"vm bad: stopped: debug exit, status 43", 30)


def test_restart_limit(boot, tiny):
    m = boot("[vm bad]\nmemory = 16M\nkernel = bad\ncmdline = cf9\nmax_restarts = 3\n", tiny("bad"))
    for _ in range(3):
        m.expect(r"vm bad: restarting", 90)
    m.expect(r"vm bad: more than 3 restarts in a minute", 60)


def test_flood(boot, tiny):
    """A guest that floods its serial port delays neither its neighbour nor the prompt."""
    m = boot_pair(boot, tiny, "flood")
    m.expect(r"bad\| flood", 90)
    expect_beats(m, 3)
    m.send("mute bad\r")
    assert "good" in m.command("vm list")


@pytest.mark.parametrize("word", ["spin", "halt"])
def test_shares_cpu(boot, tiny, word):
    m = boot_pair(boot, tiny, word)
    m.expect(r"bad\| now:", 90)
    expect_beats(m)
    m.send("vm destroy bad\r")
    m.expect(r"vm bad: stopped: destroyed", 30)
    expect_beats(m)
