# SPDX-License-Identifier: BSD-2-Clause
"""The operator's commands on running guests."""
import re

BEAT = "[vm a]\nmemory = 16M\nkernel = heartbeat\n"


def ready(boot, tiny, config=BEAT, cpus=1):
    m = boot(config, tiny("heartbeat"), cpus=cpus)
    m.expect(r"ready: \d+ of \d+ guests started", 90)
    m.expect(r"a\| beat", 60)
    return m


def test_pause_resume(boot, tiny):
    m = ready(boot, tiny)
    m.send("vm pause a\r")
    m.expect(r"vm a: paused", 20)
    assert re.search(r"a\s+paused", m.command("vm list"))
    before = re.findall(r"a\| beat (\d+)", m.log())[-1]
    m.send("vm resume a\r")
    m.expect(r"vm a: resumed", 20)
    m.expect(r"a\| beat (\d+)", 30)
    assert int(m.match.group(1)) == int(before) + 1, "guest time stood still while it was paused"


def test_reset(boot, tiny):
    m = ready(boot, tiny)
    m.send("vm reset a\r")
    m.expect(r"vm a: reset", 20)
    m.expect(r"a\| beat 1\r", 60)


def test_destroy_start(boot, tiny):
    m = ready(boot, tiny)
    free = re.search(r"guest.*", m.command("mem")).group(0)
    m.send("vm destroy a\r")
    m.expect(r"vm a: stopped: destroyed", 20)
    assert re.search(r"a\s+stopped", m.command("vm list"))
    assert re.search(r"guest.*", m.command("mem")).group(0) != free
    m.send("vm start a\r")
    m.expect(r"vm a: started", 30)
    m.expect(r"a\| beat 1\r", 60)
    assert re.search(r"guest.*", m.command("mem")).group(0) == free


def test_attach_detach(boot, tiny):
    m = ready(boot, tiny)
    m.send("console a\r")
    m.expect(r"\nbeat \d+", 30)
    m.send("\x1d")
    m.expect("ingot> ", 30)
    m.expect(r"a\| beat \d+", 30)


def test_errors(boot, tiny):
    m = ready(boot, tiny)
    assert "error:" in m.command("vm pause nobody")
    assert "error:" in m.command("vm start a")
    assert "error:" in m.command("frobnicate")
    assert "error:" in m.command("poweroff")


def test_all_ended(boot, tiny):
    m = boot("[host]\non_all_ended = poweroff\n[vm a]\nmemory = 16M\nkernel = hello\n", tiny("hello"))
    m.expect(r"all guests have ended", 90)
    m.expect_end(30)


def test_cycles_leak_nothing(boot, tiny):
    """Fifty lives of a guest; the soak has a thousand."""
    m = boot("[vm a]\nmemory = 16M\nkernel = hello\nautostart = no\n", tiny("hello"))
    m.expect(r"ready: 0 of 0 guests started", 60)
    m.send("vm start a\r")
    m.expect(r"vm a: stopped", 60)
    before = m.command("mem")
    for _ in range(50):
        m.send("vm start a\r")
        m.expect(r"vm a: stopped", 60)
    assert m.command("mem") == before
