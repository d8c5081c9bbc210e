# SPDX-License-Identifier: BSD-2-Clause
"""Tiny guests: each prints PASS and FAIL lines about one subject, then powers off."""
import re

import pytest


def run_tiny(boot, tiny, name, cmdline="", cpus=1, timeout=90, memory="16M", vcpus=1):
    m = boot(f"[vm t]\nmemory = {memory}\nvcpus = {vcpus}\nkernel = {name}\ncmdline = {cmdline}\n", tiny(name),
             cpus=cpus)
    m.expect(r"vm t: started", timeout)
    m.expect(r"t\| DONE (\d+) failed", timeout)
    failed = int(m.match.group(1))
    failures = [line for line in m.log().splitlines() if "| FAIL" in line]
    assert not failed and not failures, f"{failed} checks failed: {failures[:5]}"
    m.expect(r"vm t: stopped: powered off", 30)
    return m


def test_hello(boot, tiny):
    m = run_tiny(boot, tiny, "hello", "one two")
    assert "hello from a guest" in m.log()
    assert "command line: one two" in m.log()


@pytest.mark.parametrize("name", ["cpuid", "msr", "ports", "exceptions", "irq", "mmio"])
def test_subject(boot, tiny, name):
    m = run_tiny(boot, tiny, name)
    assert m.log().count("| PASS") > 3


def test_pv(boot, tiny):
    """KVM's services, with two vCPUs that share one CPU."""
    run_tiny(boot, tiny, "pv", vcpus=2)


def test_pv_ticks(boot, tiny):
    """With the end of interrupt without an exit a timer tick costs two: the next deadline, and HLT."""
    m = boot("[vm t]\nmemory = 16M\nkernel = pv\ncmdline = ticks\non_poweroff = preserve\n", tiny("pv"))
    m.expect(r"t\| DONE 0 failed", 90)
    m.expect(r"vm t: [^\n]*powered off", 30)
    table = re.findall(r"^([A-Za-z/ ]+?) +(\d+) +\d+\s*$", m.command("exits t"), re.M)
    exits = {kind: int(n) for kind, n in table}
    ticks = sum(n for kind, n in exits.items() if kind not in ("I/O", "none"))
    assert 2 * 1000 <= ticks <= 2 * 1000 + 100, exits
