# SPDX-License-Identifier: BSD-2-Clause
"""Guests on switches: Debian's virtio_net driver, between guests."""
import hashlib
import itertools
import os

import conftest
import linux
from test_linux import EVEN, boot_linux, quick

ADDRESS = {"web": "10.0.0.1", "db": "10.0.0.2", "aux": "10.0.0.3"}


def lan(vendor, names=("web", "db"), net="", port="", extra="", cmdline=""):
    """A configuration of guests on one switch."""
    return f"[net lan]\n{net}\n" + "".join(
        linux.section(n, extra=f"net = lan {port}\n{extra}", cmdline=f"{quick(vendor)} {cmdline}") for n in names)


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
    """TCP from web to db, its checksum compared."""
    digest = hashlib.md5(b"0123456789abcde\n" * (megabytes << 16)).hexdigest()
    # Each side's nc ends when the other one closes.
    in_guest(m, "db", "rm -f /tmp/sum; (sleep 9999 | nc -l -p 5000 | md5sum >/tmp/sum) & sleep 1")
    in_guest(m, "web", f"yes 0123456789abcde | head -c {megabytes << 20} | nc {ADDRESS['db']} 5000", timeout)
    assert digest in in_guest(m, "db", "until [ -s /tmp/sum ]; do sleep 0.1; done; cat /tmp/sum", timeout)


def test_example(boot):
    """What `make run` starts: both guests have a disk that can be written, and one reaches the other."""
    with open(os.path.join(conftest.ROOT, "configs", "example.cfg"), encoding="utf-8") as f:
        m = boot_linux(boot, f.read(), memory=2048, amd=EVEN)
    in_guest(m, "db", "echo hello | dd of=/dev/vda bs=512 conv=sync,fsync && test $(cat /sys/block/vda/size) = 131072")
    assert " 0% packet loss" in in_guest(m, "web", "ping -c 3 10.0.0.2")
    assert "hello" in in_guest(m, "db", "head -c 5 /dev/vda")
    clean(m, ("web", "db"))


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
