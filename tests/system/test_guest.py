# SPDX-License-Identifier: BSD-2-Clause
"""Tiny guests: each prints PASS and FAIL lines about one subject, then powers off."""
import pytest


def run_tiny(boot, tiny, name, cmdline="", cpus=1, timeout=90, memory="16M"):
    m = boot(f"[vm t]\nmemory = {memory}\nkernel = {name}\ncmdline = {cmdline}\n", tiny(name), cpus=cpus)
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
