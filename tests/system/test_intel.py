# SPDX-License-Identifier: BSD-2-Clause
"""What differs between Intel machines: the fallbacks for missing VMX controls, and leaving VMX on every CPU."""
import re

import pytest

import bochs

pytestmark = pytest.mark.only("intel", "chooses a model of Bochs")


@pytest.mark.parametrize("model", ["corei5_arrandale_m520", "corei7_sandy_bridge_2600k", "corei7_haswell_4770",
                                   "corei3_cnl", "corei7_icelake_u"])
@pytest.mark.parametrize("guest", ["exceptions", "irq"])
def test_model(boot, tiny, model, guest):
    m = boot(f"[vm t]\nmemory = 16M\nkernel = {guest}\n", tiny(guest), intel={"model": model})
    m.expect(r"t\| DONE (\d+) failed", 90)
    assert m.match.group(1) == "0"
    m.expect(r"vm t: stopped: powered off", 30)


ROUNDS = 2000  # tests/guests/apic.c
USES = ("self", "tpr", "cr8", "reads", "tick", "ipi", "behind")
# Bochs' models: those of the second kind have the TPR shadow alone.
APIC_MODELS = [("corei7_skylake_x", "xapic", True), ("corei7_skylake_x", "x2apic", True), ("corei3_cnl", "x2apic", False),
               ("corei7_sandy_bridge_2600k", "xapic", False), ("corei5_arrandale_m520", "xapic", False)]


def exits(m, name):
    """The table of `exits NAME`: {kind: [total, vCPU 0, ...]}, without what the output and the host's clock cost."""
    table = {}
    for line in m.command("exits " + name).splitlines():
        found = re.match(r"(\S.*?)\s{2,}(\d[\d ]*)$", line.strip())
        if found and found.group(1) not in ("I/O", "preemption timer", "interrupt", "NMI"):
            table[found.group(1)] = [int(n) for n in found.group(2).split()]
    return table


def total(table):
    return sum(row[0] for row in table.values())


@pytest.mark.parametrize("model,mode,delivers", APIC_MODELS)
def test_apic(boot, tiny, model, mode, delivers):
    """What of the local APIC costs exits, on processors that virtualize it and on others; that it works on all."""
    config = "".join(f"[vm {use}]\nmemory = 16M\nkernel = apic\ncmdline = {use} {mode}\non_poweroff = preserve\n"
                     f"vcpus = {2 if use == 'ipi' else 1}\ncpuset = {'0-1' if use == 'ipi' else 0}\n"
                     for use in USES if use != "behind" or mode == "x2apic")
    m = boot(config, tiny("apic"), cpus=2, intel={"model": model})
    for _ in range(config.count("kernel")):
        m.expect(r"its memory is preserved", 120)
    assert "| FAIL" not in m.log()
    m.send("\r")
    m.expect(r"ingot> \s*$")
    cost = {use: exits(m, use) for use in ("self", "tpr", "cr8", "reads", "tick", "ipi")}
    few = 60
    assert all(cost.values()), cost
    assert total(cost["cr8"]) < few, cost
    if not delivers:
        assert total(cost["self"]) > 2 * ROUNDS and total(cost["reads"]) > ROUNDS, cost
        return
    for use in ("self", "tpr", "reads"):
        assert total(cost[use]) < few, cost
    assert ROUNDS < total(cost["tick"]) < 2 * ROUNDS + few, cost
    assert ROUNDS <= sum(row[1] for row in cost["ipi"].values()) < ROUNDS + few, cost  # at the sender
    assert "none of Ingot's" in m.command("check")


def leave(boot, tiny, command):
    """A guest that spins with interrupts disabled holds the other CPU: only an NMI gets that out of VMX."""
    m = boot("[vm t]\nmemory = 16M\nkernel = spin\ncpuset = 1\n", tiny("spin"), cpus=2)
    m.expect(r"ready: 1 of 1 guests started", 90)
    m.expect("spinning", 30)
    m.send(f"{command} -f\r")
    m.expect_end(60)
    assert "did not stop" not in m.log()
    return m


def test_poweroff(boot, tiny):
    m = leave(boot, tiny, "poweroff")
    assert m.bochs.end(5)[0] == bochs.End.POWEROFF


def test_reboot(boot, tiny):
    """The machine is reset; Bochs' BIOS then stops, because the keyboard is not as after power-on."""
    m = leave(boot, tiny, "reboot")
    assert m.bochs.end(5)[0] == bochs.End.PANIC
    assert m.bochs.log.read_text(errors="replace").count("reset of 'serial' plugin") == 2
