# SPDX-License-Identifier: BSD-2-Clause
"""Tiny guests: each prints PASS and FAIL lines about one subject, then powers off."""
import os
import re
import time

import pytest

GOLDEN = os.path.join(os.path.dirname(__file__), "golden")


def golden_lines(name):
    """The lines of a table of what is meant, without comments."""
    with open(os.path.join(GOLDEN, name), encoding="ascii") as f:
        lines = [line.split("#")[0].strip() for line in f]
    return [re.sub(r"\s+", " ", line) for line in lines if line]


def run_tiny(boot, tiny, name, cmdline="", cpus=1, timeout=90, memory="16M", vcpus=1, keys=""):
    m = boot(f"[vm t]\nmemory = {memory}\nvcpus = {vcpus}\nkernel = {name}\ncmdline = {cmdline}\n{keys}",
             tiny(name), cpus=cpus)
    m.expect(r"vm t: started", timeout)
    m.expect(r"t\| DONE (\d+) failed", timeout)
    failed = int(m.match.group(1))
    failures = [line for line in m.log().splitlines() if "| FAIL" in line]
    assert not failed and not failures, f"{failed} checks failed: {failures[:5]}"
    # The hypervisor's own lines may overtake what a guest has written last.
    if "vm t: stopped: powered off" not in m.log():
        m.expect(r"vm t: stopped: powered off", 30)
    return m


def test_hello(boot, tiny):
    m = run_tiny(boot, tiny, "hello", "one two")
    assert "hello from a guest" in m.log()
    assert "command line: one two" in m.log()


# vCPUs and physical CPUs
@pytest.mark.parametrize("vcpus,cpus", [(4, 2), (2, 1), (64, 2)])
def test_smp(boot, tiny, vcpus, cpus):
    m = run_tiny(boot, tiny, "smp", f"cpus={vcpus}", cpus=cpus, vcpus=vcpus, timeout=150)
    assert m.log().count("| PASS") > (30 if vcpus <= 8 else 2)


def test_peers(boot, tiny):
    """Two guests with shared memory, each of which writes, reads and interrupts the other; a third without it runs beside them."""
    guest = "[vm {}]\nmemory = 16M\nkernel = peers\nshared = box\ncmdline = {}\n"
    m = boot(guest.format("t", "first") + guest.format("u", "second") + "[vm v]\nmemory = 16M\nkernel = hello\n"
             "[shared box]\nsize = 2M\n", tiny("peers", "hello"), cpus=2)
    m.expect("all guests have ended", 200)
    log = m.log()
    assert log.count("| DONE 0 failed") == 3 and log.count("| PASS peers/ping-pong") == 2, log[-900:]


@pytest.mark.parametrize("name", ["cpuid", "insn", "msr", "ports", "exceptions", "irq", "mmio", "tasks", "features", "hpet",
                                  "hidden", "debug", "xsave", "pci", "entropy"])
def test_subject(boot, tiny, name):
    m = run_tiny(boot, tiny, name)
    assert m.log().count("| PASS") >= 3
    if name == "ports":
        assert "t| by the debug console" in m.log()


def test_cpuid_key(boot, tiny):
    """What cpuid = takes away is gone; what it wants and the machine lacks refuses the guest."""
    m = run_tiny(boot, tiny, "without", keys="cpuid = -rdtscp,-invpcid,-avx,-smep,-x2apic,-nx,-mtrr,-mca,-tsc-deadline,"
                 "-hypervisor\n[vm u]\nmemory = 16M\nkernel = without\ncpuid = +movdir64b\n")
    assert re.search(r"vm u: refused: cpuid = \+movdir64b: this machine doesn't have it", m.log())


def test_msr_sweep(boot, tiny, vendor):
    """Every MSR, read and written, against the table of what is meant; twice, as writes of one guest are its own."""
    guest = "[vm {}]\nmemory = 16M\nkernel = msrsweep\n"
    m = boot(guest.format("t") + guest.format("u"), tiny("msrsweep"))
    m.expect("all guests have ended", 240)
    for name in "tu":
        got = re.findall(rf"^(?:.*K)?{name}\| msr (.*?)\s*$", m.log(), re.M)
        assert got == golden_lines(f"msr-{vendor}.txt"), "\n".join(got)


def test_kicks(boot, tiny, vendor):
    """What one vCPU sends to another, on another CPU, arrives at once, also while that one is on its way into the guest.

    Under Bochs virtual time is exact, and a kick that is lost waits for the preemption timer; under QEMU for ever.
    """
    run_tiny(boot, tiny, "kicks", "limit=400" if vendor == "intel" else "", vcpus=2, cpus=2)


def test_deaf(boot, tiny):
    """A guest that spins on another CPU with its interrupts off is paused, goes on, and is ended."""
    m = boot("[vm t]\nmemory = 16M\nkernel = spin\ncpuset = 1\n", tiny("spin"), cpus=2)
    m.expect(r"t\| spinning", 90)
    for command, state in (("pause", "paused"), ("resume", "resumed"), ("destroy", "stopped")):
        m.send(f"vm {command} t\r")
        m.expect(rf"vm t: {state}", 10)


def test_race(boot, tiny):
    """One vCPU on device memory, while another changes its page tables and instructions."""
    run_tiny(boot, tiny, "race", vcpus=2, cpus=2, timeout=180)


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


def test_delivery(boot, tiny):
    """Events whose stack or gate is on a page that is not mapped yet."""
    run_tiny(boot, tiny, "delivery")


TSC_GUEST = "[vm {}]\nmemory = 16M\nkernel = tsc\ntsc_frequency = {}M\ncmdline = mhz={}\n"


@pytest.mark.only("intel", "this emulator has no TSC scaling: guest/tsc-not-scaled")
def test_tsc_scaled(boot, tiny):
    """TSCs of two frequencies on one CPU whose own is a third."""
    m = boot(TSC_GUEST.format("fast", 2400, 2400) + TSC_GUEST.format("slow", 7, 7), tiny("tsc"))
    m.expect("all guests have ended", 120)
    assert m.log().count("| DONE 0 failed") == 2 and m.log().count("| PASS") > 20, m.log()[-900:]


@pytest.mark.only("amd", "this emulator has TSC scaling: guest/tsc-scaled")
def test_tsc_not_scaled(boot, tiny):
    m = boot(TSC_GUEST.format("t", 2400, 2400) + "[vm u]\nmemory = 16M\nkernel = hello\n", tiny("tsc", "hello"))
    m.expect(r"vm t: refused: tsc_frequency = 2400000K: the TSC has \d+K here, and this CPU can't scale it", 60)
    m.expect(r"vm u: stopped: powered off", 60)


def test_clocks(boot, tiny, vendor):
    """TSC and KVM's clock never go back, whichever vCPU reads them, and stand still while the VM is paused; a scaled TSC too."""
    scaled = "tsc_frequency = 900M\n" if vendor == "intel" else ""
    m = boot("[vm t]\nmemory = 16M\nvcpus = 2\nkernel = clocks\n" + scaled, tiny("clocks"), cpus=2)
    for second in (1, 3):
        m.expect(rf"t\| second {second}\s", 90)
        m.send("vm pause t\r")
        m.expect(r"vm t: paused", 30)
        time.sleep(5)
        m.send("vm resume t\r")
        m.expect(r"vm t: resumed", 30)
    m.expect(r"t\| DONE (\d+) failed", 120)
    assert m.match.group(1) == "0", m.log()[-600:]
