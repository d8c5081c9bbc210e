# SPDX-License-Identifier: BSD-2-Clause
"""Guests on switches: Debian's virtio_net driver, between guests."""
import hashlib
import itertools
import re

import pytest

import devices
import linux
import machine
from conftest import BUILD
from test_linux import EVEN, boot_linux, quick

ADDRESS = {"web": "10.0.0.1", "db": "10.0.0.2", "aux": "10.0.0.3"}


def lan(vendor, names=("web", "db"), net="", port="", extra="", cmdline="", initrd="initrd.img"):
    """A configuration of guests on one switch."""
    return f"[net lan]\n{net}\n" + "".join(
        linux.section(n, extra=f"net = lan {port}\n{extra}", cmdline=f"{quick(vendor)} {cmdline}", initrd=initrd) for n in names)


_numbers = itertools.count(1)


def in_guest(m, name, command, timeout=100):
    """Attaches to a guest, once more perhaps, and runs a command. What the console shows again of earlier ones is told by a number."""
    number = next(_numbers)
    m.send(f"console {name}\r")
    m.expect(rf"{name}:[^\n]*# ", 400)
    linux.type_text(m, f"echo begin-$(({number})); {command}; echo end-$(({number}))-$?\r")
    m.expect(rf"begin-{number}\r*\n", 60)
    m.expect(rf"end-{number}-(\d+)\r*\n", timeout)
    output, status = m.before, m.match.group(1)
    linux.detach(m)
    assert status == "0", f"{name}: {command}: status {status}: {output}"
    return output


def addresses(m, names, mtu=1500):
    for name in names:
        in_guest(m, name, f"ip link set eth0 mtu {mtu} up && ip addr add {ADDRESS[name]}/24 dev eth0")


def clean(m, names):
    for name in names:
        log = in_guest(m, name, "dmesg -r | grep '^<[0-4]>'; true")
        assert not linux.warnings(log), linux.warnings(log)


def stream(m, megabytes, timeout):
    """TCP from web to db, its checksum compared: by httpd, which gives the kernel as much as it takes; nc writes a KiB at a time."""
    digest = hashlib.md5(b"0123456789abcde\n" * (megabytes << 16)).hexdigest()
    in_guest(m, "web", f"yes 0123456789abcde | head -c 65536 >/tmp/piece; for i in $(seq {megabytes << 4}); do cat /tmp/piece; done >/tmp/data; "
                       "httpd -h /tmp", timeout)
    assert digest in in_guest(m, "db", f"wget -q -O - http://{ADDRESS['web']}/data | md5sum", timeout)


def stream_exits(m, megabytes):
    """All exits of web and db while iperf3 sends so much from web to db."""
    before = m.exits("web") + m.exits("db")
    in_guest(m, "web", f"iperf3 -c {ADDRESS['db']} -p 5201 -n {megabytes}M >/tmp/iperf", 400)
    return m.exits("web") + m.exits("db") - before


def check_stream_exits(m):
    """An exit for ten full-size packets at most: of a long stream, over those of a short one and of the console."""
    packets = (48 - 16) * (1 << 20) // 1448
    more = stream_exits(m, 48) - stream_exits(m, 16)
    assert more * 10 <= packets, f"{more} exits for {packets} packets"


def test_ping(boot, vendor):
    m = boot_linux(boot, lan(vendor), amd=EVEN)
    addresses(m, ("web", "db"))
    assert " 0% packet loss" in in_guest(m, "web", f"ping -c 5 -i 0.2 {ADDRESS['db']}")
    clean(m, ("web", "db"))


def test_stream(boot, vendor):
    """TCP, with segments larger than the MTU passed between the guests."""
    m = boot_linux(boot, lan(vendor), amd=EVEN)
    addresses(m, ("web", "db"))
    stream(m, 64 if vendor == "amd" else 16, 400)
    clean(m, ("web", "db"))


def test_jumbo(boot, vendor):
    """Frames of 9000 bytes, one in several buffers; the cable pulled out and put in again; what Ingot tells of it."""
    m = boot_linux(boot, lan(vendor, net="mtu = 9000"), amd=EVEN)
    addresses(m, ("web", "db"), 9000)
    assert " 0% packet loss" in in_guest(m, "web", f"ping -c 3 -i 0.2 -s 8972 {ADDRESS['db']}")
    m.command("net link db.0 down")
    in_guest(m, "db", "test $(cat /sys/class/net/eth0/carrier) = 0")
    in_guest(m, "web", f"! ping -c 1 -W 1 {ADDRESS['db']}")
    m.command("net link db.0 up")
    in_guest(m, "db", "test $(cat /sys/class/net/eth0/carrier) = 1")
    assert " 0% packet loss" in in_guest(m, "web", f"ping -c 3 -i 0.2 -s 8972 {ADDRESS['db']}")
    table = m.command("net")
    assert re.search(r"^web\.0 +52:54:00:\S+ +0 +up +\d+ ", table, re.M), table
    assert re.search(r"^db\.0 .*\d link down", table, re.M), table


def test_spoofed(boot, vendor):
    """A guest that takes another address on is not heard; with its own again it is."""
    m = boot_linux(boot, lan(vendor), amd=EVEN)
    addresses(m, ("web", "db"))
    own = "cat /sys/class/net/eth0/address"
    in_guest(m, "web", f"{own} >/tmp/own; ip link set eth0 down; ip link set eth0 address 02:01:02:03:04:05; ip link set eth0 up")
    in_guest(m, "web", f"! ping -c 2 -W 1 {ADDRESS['db']}")
    assert re.search(r"^web\.0 .*\d spoofed", m.command("net"), re.M)


def test_three(boot, vendor):
    """Each reaches each; then iperf3 to one of them, alone for its exits, from both others at once, and back, by TCP and UDP."""
    names = ("web", "db", "aux")
    m = boot_linux(boot, lan(vendor, names, initrd="initrd-tools.img"), memory=1536, amd=EVEN, initrd="initrd-tools.img")
    addresses(m, names)
    for name in names:
        others = " && ".join(f"ping -q -c 2 -i 0.2 {ADDRESS[other]}" for other in names if other != name)
        assert in_guest(m, name, others).count(" 0% packet loss") == 2
    amount = "32M" if vendor == "amd" else "4M"
    client = f"iperf3 -c {ADDRESS['db']} -n {amount}"
    in_guest(m, "db", "for p in 5201 5202; do iperf3 -s -D -p $p; done")
    # Bochs' clock is so slow that the kernels' own timers would be most of it.
    if vendor == "amd":
        check_stream_exits(m)
    in_guest(m, "web", f"{{ ({client} -p 5201 && {client} -p 5201 -R) >/tmp/iperf 2>&1 & }}")
    udp = f"iperf3 -c {ADDRESS['db']} -p 5202 -u -n 2M -b 20M"
    both = in_guest(m, "aux", f"{client} -p 5202 && {client} -p 5202 -R && {udp}", 400)
    first = in_guest(m, "web", "wait; cat /tmp/iperf", 400)
    # Each run tells what arrived at the receiver.
    assert len(re.findall(r"MBytes .* receiver", both)) == 3, both
    assert len(re.findall(r"MBytes .* receiver", first)) == 2, first
    clean(m, names)


@pytest.mark.only("amd", "the emulator's card takes no frames of more than 1522 bytes")
@pytest.mark.parametrize("driver", devices.NICS)
def test_jumbo_uplink(boot, vendor, driver):
    """Frames of 9000 bytes through the machine's card, out and back."""
    config = "[net out]\nuplink = first\nmtu = 9000\n" + linux.section("web", extra="net = out", cmdline=quick(vendor))
    with devices.Wire() as wire:
        m = boot_linux(boot, config, amd={"extra": (*machine.EVEN, *devices.nic(driver, behind=wire.behind))})
        addresses(m, ("web",), 9000)
        for size in (8972, 4000, 1473, 56):
            assert " 0% packet loss" in in_guest(m, "web", f"ping -c 3 -i 0.2 -s {size} {wire.ADDRESS}")
    assert wire.longest == 9014
    clean(m, ("web",))


def test_uplink(boot, vendor):
    """Through the machine's own card to a server outside."""
    config = "[net out]\nuplink = first\n" + linux.section("web", extra="net = out", cmdline=quick(vendor))
    text = "0123456789abcde\n" * 65536
    m = boot(config, linux.files(BUILD, "initrd.img", "vmlinuz"), memory=1024,
             amd={"extra": (*machine.EVEN, *devices.nic("e1000"))}, intel={"nic": True})
    m.expect(r"ready: (\d) of \1 guests started", 120)
    m.expect("ingot> ", 30)
    with devices.Server(lambda received: hashlib.md5(received).hexdigest().encode() + b"\n" + text.encode()) as server:
        in_guest(m, "web", "ip link set eth0 up && ip addr add 10.0.2.15/24 dev eth0")
        in_guest(m, "web", f"yes 0123456789abcde | head -c 1048576 | nc {devices.SERVER} {server.port} >/tmp/answer", 300)
        answer = in_guest(m, "web", "head -n 1 /tmp/answer; tail -n +2 /tmp/answer | md5sum")
    digest = hashlib.md5(text.encode()).hexdigest()
    assert answer.count(digest) == 2, answer
    table = m.command("net")
    assert re.search(r"^\S+ +52:54:00:aa:bb:00 +uplink +up ", table, re.M), table
    assert re.search(r" 0 +learnt \d+ s ago", table), table
