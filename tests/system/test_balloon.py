# SPDX-License-Identifier: BSD-2-Clause
"""Memory that guests give back: by a driver that keeps to no rules, and by Debian's."""
import hashlib
import re
import time

import linux
import pytest

from test_guest import run_tiny
from test_linux import EVEN, boot_linux, quick

KEYS = "balloon = yes\ndisk = data\n"
DISK = "[disk data]\nsize = 1M\n"


def free(m):
    """KiB of memory that guests could have."""
    return int(re.search(r"^guests +\d+K +\d+K +(\d+)K", m.command("mem"), re.M).group(1))


def test_hostile(boot, tiny):
    """What is given is zeros when it is touched again, by the guest and by devices; what is no memory to give changes nothing."""
    m = run_tiny(boot, tiny, "balloon", memory="32M", vcpus=2, cpus=2, keys=KEYS + DISK, timeout=200)
    assert m.log().count("| PASS") >= 55


def until(m, what, tries=200):
    """The output of `vm balloon web`, once `what` is in it."""
    for _ in range(tries):
        shown = m.command("vm balloon web")
        if re.search(what, shown, re.M):
            return shown
        time.sleep(1)
    raise AssertionError(shown)


def meminfo(m, name):
    return int(re.search(rf"{name}: +(\d+) kB", linux.shell(m, f"grep {name} /proc/meminfo")).group(1))


def write_file(m, name, mib):
    """So many MiB of known content. Returns how it is checked."""
    linux.shell(m, "yes 0123456789abcde | head -c 1048576 >/tmp/m", 100)
    linux.shell(m, f"for i in $(seq {mib}); do cat /tmp/m; done >/tmp/{name}", 400)
    digest = hashlib.md5(b"0123456789abcde\n" * (mib << 16)).hexdigest()
    return f"test $(md5sum </tmp/{name} | cut -c1-32) = {digest}"


def attach_again(m, name, turn):
    """As linux.attach, where recent output, which is shown first, has all that could be waited for."""
    m.send(f"console {name}\r")
    m.expect("leave with", 30)
    m.send(f"echo again-$(({turn}*1111))\r")
    m.expect(f"again-{turn * 1111}", 30)
    m.expect(linux.SHELL, 30)


def test_linux(boot, vendor):
    """Debian's virtio_balloon gives memory, in which a second guest then lives, and gets it back; no content is lost on the way."""
    m = boot_linux(boot, linux.section("web", memory="600M", extra="balloon = yes", cmdline=quick(vendor)) +
                   linux.section("db", memory="600M", extra="autostart = no", cmdline=quick(vendor)), amd=EVEN, cpus=2)
    linux.attach(m, "web", 400)
    total = meminfo(m, "MemTotal")
    check = write_file(m, "a", 40)
    linux.detach(m)
    before = free(m)
    assert "memory = 600M, but only" in m.command("vm start db")
    m.command("vm balloon web 200M")
    shown = until(m, rf"^balloon +{400 << 10}K")
    assert re.search(rf"^target +{200 << 10}K", shown, re.M) and re.search(rf"^has +{200 << 10}K", shown, re.M), shown
    assert free(m) == before + (400 << 10)
    assert "each of one guest alone" in m.command("check")
    m.command("vm start db")
    linux.attach(m, "db", 400)
    linux.shell(m, write_file(m, "b", 20), 200)
    linux.detach(m)
    attach_again(m, "web", 1)
    assert total - meminfo(m, "MemTotal") == 400 << 10
    linux.shell(m, check, 200)
    linux.detach(m)
    assert "are free, and it has 200M" in m.command("vm balloon web 600M")
    assert "each of one guest alone" in m.command("check")
    m.send("vm destroy db\r")
    m.expect("vm db: stopped: destroyed", 60)
    m.command("vm balloon web 600M")
    until(m, r"^balloon +0K")
    until(m, r"^guest's free +\d{6}K")
    before = free(m)
    # It is kept for web.
    assert "memory = 600M, but only" in m.command("vm start db")
    attach_again(m, "web", 2)
    assert meminfo(m, "MemTotal") == total
    check_more = write_file(m, "c", 128)
    linux.shell(m, f"{check} && {check_more}", 400)
    log = linux.shell(m, "dmesg -r")
    assert not linux.warnings(log), linux.warnings(log)
    linux.detach(m)
    assert free(m) < before - (64 << 10)
    m.send("vm destroy web\r")
    m.expect("vm web: stopped: destroyed", 60)
    assert re.search(r"^guests +\d+K +0K", m.command("mem"), re.M), m.command("mem")


SIZES = (1024, 512, 256, 128, 64, 32, 16, 8, 4)


@pytest.mark.parametrize("target", [None, "16M"])
def test_overcommitted(boot, tiny, target):
    """A guest gives 16 MiB, others take all that they get, and it touches them again.

    What it has less than its target is kept for it. Else it ends, with the reason, and nobody but it.
    """
    fillers = "".join(f"[vm f{size}]\nmemory = {size}M\nkernel = spin\nautostart = no\n" for size in SIZES)
    m = boot("[vm t]\nmemory = 32M\nkernel = balloon\ncmdline = starve\nballoon = yes\n" + fillers, tiny("balloon", "spin"), cpus=2)
    m.expect(r"t\| given", 100)
    if target:
        m.command(f"vm balloon t {target}")
    running = []
    for size in SIZES:
        if "error" not in m.command(f"vm start f{size}"):
            m.expect(rf"vm f{size}: started", 60)
            running.append(size)
    m.send("console t\r")
    m.expect("leave with", 30)
    m.send("x")
    if target:
        m.expect("vm t: crashed: touched memory that it had given away, and the machine has none left", 60)
    else:
        m.expect("DONE 0 failed", 60)
        m.expect("vm t: stopped: powered off", 30)
    shown = m.command("vm list")
    for size in running:
        assert re.search(rf"^f{size} +running", shown, re.M), shown
    assert "each of one guest alone" in m.command("check")
    for size in running:
        m.send(f"vm destroy f{size}\r")
        m.expect(rf"vm f{size}: stopped: destroyed", 60)
    assert re.search(r"^guests +\d+K +0K", m.command("mem"), re.M), m.command("mem")
