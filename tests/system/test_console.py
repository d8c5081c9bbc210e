# SPDX-License-Identifier: BSD-2-Clause
"""The operator's commands on running guests."""
import re

import pytest

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
    before = re.findall(r"a\| beat (\d+)\s", m.log())[-1]
    m.send("vm resume a\r")
    m.expect(r"vm a: resumed", 20)
    m.expect(r"a\| beat (\d+)\s", 30)
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


def test_check(boot, tiny):
    """The walker over the page tables counts what runs; a guest that has ended reaches nothing."""
    m = ready(boot, tiny, BEAT + BEAT.replace("vm a", "vm b"))
    assert "guests: 2 with 8128 frames, each of one guest alone, none of Ingot's" in m.command("check")
    m.send("vm destroy b\r")
    m.expect(r"vm b: stopped: destroyed", 20)
    answer = m.command("check")
    assert "guests: 1 with 4064 frames" in answer
    assert re.search(r"host: \d+ KiB of code and constants unchanged, nothing writable and executable", answer)


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


def paste_sum(text):
    total = 0
    for c in text.encode():
        total = (total * 31 + c) & 0xffffffff
    return total


@pytest.mark.parametrize("cmdline", ["", "cli"])
def test_paste(boot, tiny, cmdline):
    """A paste of 4 KB into a guest loses nothing; also where the guest makes port accesses all the time, with interrupts off."""
    m = boot(f"[vm a]\nmemory = 16M\nkernel = echo\ncmdline = {cmdline}\n", tiny("echo"))
    m.expect(r"a\| ready to read", 90)
    m.send("console a\r")
    m.expect("leave with", 20)
    text = "".join(chr(33 + i % 90) for i in range(4096))
    m.send(text + "\r")
    m.expect(rf"got 4096 sum {paste_sum(text)}\r", 60)
    m.send("\x1d")
    m.expect("ingot> ", 20)


def test_escape_from_deaf(boot, tiny):
    """The escape key leaves a guest that reads nothing, whatever was typed before."""
    m = boot("[vm a]\nmemory = 16M\nkernel = echo\ncmdline = deaf\n" + BEAT.replace("vm a", "vm b"),
             tiny("echo", "heartbeat"))
    m.expect(r"b\| beat", 90)
    m.send("console a\r")
    m.expect("leave with", 20)
    for _ in range(7):
        m.send("x" * 4096)
    m.send("\x1d")
    m.expect(r"\[a left\]", 60)
    m.expect(r"b has written \d+ lines meanwhile", 20)
    assert "running" in m.command("vm list")


def test_torn_lines(boot, tiny):
    """Two guests flood at once, and the operator types: every line is one guest's, and nothing is lost.

    A line may come in two pieces, each with its prefix, where the emulator stood still for 200 ms.
    """
    m = boot("[vm a]\nmemory = 16M\nkernel = echo\ncmdline = flood\n[vm b]\nmemory = 16M\nkernel = echo\ncmdline = flood\n",
             tiny("echo"), cpus=2)
    m.expect(r"a\| ready to read", 90)
    for _ in range(5):
        m.send("vm list\r")
        m.expect(r"b +running", 20)
        for _ in range(20):
            m.expect(r"[ab]\| [flood ]+\r", 20)
    m.send("mute all\r")
    m.expect("mute all", 20)
    written = {"a": "", "b": ""}
    for line in re.split(r"[\r\n]+", m.log()):
        piece = re.fullmatch(r"(?:\x1b\[K)?([ab])\| ([flod ]+)", line)
        assert piece or "flood" not in line, line
        if piece:
            written[piece.group(1)] += piece.group(2)
    whole = " ".join(["flood"] * 12)
    for text in written.values():
        assert len(text) > 20 * len(whole)
        assert (whole * 1000).startswith(text), text


def test_mitigations(boot, tiny, vendor):
    """`cpus` says what is done against leaks by speculation, and why; nothing is where the configuration says so."""
    guest = "[vm t]\nmemory = 16M\nkernel = hello\n"
    m = boot(guest, tiny("hello"))
    m.expect("all guests have ended", 90)
    rows = dict(re.findall(r"^([a-z0-9-]+) +(on|off)  +\S", m.command("cpus"), re.M))
    assert set(rows) == {"l1d-flush", "clear-buffers", "ibpb", "ibrs", "auto-ibrs", "small-pages"}
    assert rows["small-pages"] == ("on" if vendor == "intel" else "off")
    m.close()
    m = boot("[host]\nmitigations = off\n" + guest, tiny("hello"))
    m.expect("all guests have ended", 90)
    text = m.command("cpus")
    assert not re.search(r"^[a-z0-9-]+ +on  ", text, re.M), text
    assert vendor == "amd" or "mitigations = off" in text
