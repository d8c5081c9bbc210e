# SPDX-License-Identifier: BSD-2-Clause
"""Debian's drivers on virtio devices that need nothing of the machine; what all virtio devices do alike."""
import os
import re

import pytest

import linux
from devices import blank, disk
from test_linux import EVEN, boot_linux, quick


def boot_tools(boot, vendor, extra="", cmdline="", **machine):
    """One guest `web` with the tools' root, attached."""
    m = boot_linux(boot, linux.section("web", initrd="initrd-tools.img", extra=extra, cmdline=f"{quick(vendor)} {cmdline}"),
                   initrd="initrd-tools.img", **machine)
    linux.attach(m, "web", 400)
    return m


def test_entropy(boot, vendor):
    m = boot_tools(boot, vendor, amd=EVEN)
    assert "virtio_rng" in linux.shell(m, "cat /sys/class/misc/hw_random/rng_current")
    linux.shell(m, "test $(dd if=/dev/hwrng bs=1k count=4 | md5sum | cut -c1-32) != $(dd if=/dev/zero bs=1k count=4 | md5sum | cut -c1-32)")
    log = linux.shell(m, "dmesg -r")
    assert not linux.warnings(log), linux.warnings(log)


@pytest.mark.parametrize("where", ["memory", "device"])
def test_ring_reset(boot, tiny, vendor, work_dir, where):
    """Single queues of each device are reset, a disk's with requests in memory and on a device of the machine."""
    path = blank(os.path.join(work_dir, "disk.img"), 16 * 516096)
    backing = "size = 8M" if where == "memory" else "device = nvme0" if vendor == "amd" else "device = ata0"
    m = boot(f"[vm t]\nmemory = 16M\nvcpus = 2\nkernel = rings\ncmdline = {where}\ndisk = data\nnet = lan\nhvc0 = console\n"
             f"[net lan]\n[disk data]\n{backing}\n", tiny("rings"), amd={"extra": disk(path, "nvme")}, intel={"disk": path})
    m.expect(r"t\| DONE (\d+) failed", 200)
    failures = [line for line in m.log().splitlines() if "| FAIL" in line]
    assert m.match.group(1) == "0" and not failures, failures
    assert "| PASS rings/no-such-queue" in m.log()


def test_ring_resize(boot, vendor):
    """Linux resizes the rings of a card, which resets its queues, while a TCP stream to another one goes through them."""
    m = boot_tools(boot, vendor, extra="vcpus = 2\nnet = lan\nnet = lan\n[net lan]\n", amd=EVEN)
    megabytes = 8 if vendor == "amd" else 2
    linux.shell(m, "unshare -n sleep 100000 & sleep 1; other=$!; ip link set eth1 netns $other && ip addr add 10.0.0.1/24 dev eth0 && "
                   "ip link set eth0 up && nsenter -t $other -n ip addr add 10.0.0.2/24 dev eth1 && "
                   "nsenter -t $other -n ip link set eth1 up && nsenter -t $other -n httpd -h /tmp")
    linux.shell(m, f"yes 0123456789abcde | head -c {megabytes << 20} >/tmp/data && sum=$(md5sum </tmp/data)", 100)
    linux.shell(m, "(wget -q -O - http://10.0.0.2/data | md5sum >/tmp/sum; touch /tmp/done) & n=0; until [ -e /tmp/done ]; do "
                   "ethtool -G eth0 rx $((64 << n % 4)) tx $((512 >> n % 4)) || break; n=$((n + 1)); done; wait $!", 400)
    assert "RX:\t\t64" in linux.shell(m, 'ethtool -G eth0 rx 64 && ethtool -g eth0; test "$(cat /tmp/sum)" = "$sum" && test $n -gt 2')
    assert " 0% packet loss" in linux.shell(m, "ping -c 3 -i 0.2 10.0.0.2")
    log = linux.shell(m, "dmesg -r")
    assert not linux.warnings(log), linux.warnings(log)


# Of Linux's console: hvc0 alone, without a serial port.
HVC0 = "com1 = none\nhvc0 = console"


def exits_of(m, name):
    """(all, notifications of devices)"""
    table = re.findall(r"^([A-Za-z/ ]+?) +(\d+) +\d+\s*$", m.command(f"exits {name}"), re.M)
    return sum(int(n) for _, n in table), sum(int(n) for kind, n in table if kind == "memory access")


def test_console(boot, vendor):
    """A shell on hvc0; and of what a program writes raw, many bytes go with one exit."""
    config = linux.section("web", extra=HVC0, cmdline=quick(vendor)).replace("console=ttyS0", "console=hvc0")
    m = boot_linux(boot, config, amd=EVEN)
    linux.attach(m, "web", 400)
    assert re.search(r"ttyS0|hvc0", linux.shell(m, "cat /sys/class/tty/console/active")).group(0) == "hvc0"
    linux.shell(m, "yes 0123456789abcde | head -c 65536 > /tmp/text")
    # As long as a line may be, in both directions.
    line = "0123456789" * 90
    assert line in linux.shell(m, f"echo {line} | tr -d a-z")
    log = linux.shell(m, "dmesg -r")
    # Its driver is a module, which /init loads.
    warnings = [line for line in linux.warnings(log) if "unable to open an initial console" not in line]
    assert not warnings, warnings
    # Not shown, so that nothing waits for the serial line: a program that waits spins.
    linux.type_text(m, "stty -opost; (sleep 3; cat /tmp/text) &\r")
    m.expect(linux.SHELL, 30)
    linux.detach(m)
    m.command("mute web")
    first = before = after = exits_of(m, "web")
    # Linux gives the driver half a page at a time.
    for _ in range(500):
        if after[1] - first[1] >= 65536 / 2048:
            break
        before = after if after[1] == first[1] else before
        after = exits_of(m, "web")
    assert after[1] - first[1] >= 65536 / 2048, (first, after)
    assert after[0] - before[0] <= 65536 / 64, (before, after)
    m.send("vm shutdown web\r")
    m.expect("vm web: stopped: powered off", 90)
