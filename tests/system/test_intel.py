# SPDX-License-Identifier: BSD-2-Clause
"""What differs between Intel machines: the fallbacks for missing VMX controls, and leaving VMX on every CPU."""
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
