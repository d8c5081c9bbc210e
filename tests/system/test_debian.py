# SPDX-License-Identifier: BSD-2-Clause
"""Debian as debootstrap installs it, on a disk of the machine: its own kernel and initrd, systemd, its login."""
import os
import re
import subprocess

import pytest

import devices
import linux
from conftest import BUILD
from test_linux import boot_linux

PARTITION = "offset=1048576"  # of the image: tests/guests/linux/debian.sh
PROMPT = r"root@\w+:[^\n]{0,20}# "


def boot_debian(boot, work_dir):
    """One guest `deb` that has the disk; the path of its copy of the image, and the machine."""
    image = os.path.join(work_dir, "debian.img")
    subprocess.run(["cp", "--sparse=always", os.path.join(BUILD, "guest", "debian.img"), image], check=True)
    config = "[disk root]\ndevice = nvme0\n[net lan]\n" + linux.section(
        "deb", memory="512M", kernel="debian-vmlinuz", initrd="debian-initrd.img", extra="disk = root\nnet = lan\n",
        cmdline="root=/dev/vda1 ip=10.0.0.1::10.0.0.254:255.255.255.0:deb::off")
    m = boot_linux(boot, config, ("debian-vmlinuz",), initrd="debian-initrd.img", cpus=2,
                   amd={"extra": devices.disk(image, "nvme")})
    return image, m


def login(m, name, timeout):
    m.send(f"console {name}\r")
    assert m.expect([r"\w+ login: ", r"has ended\]"], timeout) == 0
    m.send("root\r")
    m.expect("Password: ", 120)
    m.send("ingot\r")
    m.expect(PROMPT, 120)
    # Without colours and the marks of pasted text.
    m.send("export TERM=dumb SYSTEMD_COLORS=0\r")
    m.expect(PROMPT, 60)


def shell(m, command, timeout=120):
    linux.type_text(m, command + "; echo status=$?\r")
    m.expect(r"status=(\d+)\r*\n", timeout)
    output, status = m.before, m.match.group(1)
    m.expect(PROMPT, 60)
    assert status == "0", f"{command}: status {status}: {output}"
    return output


@pytest.mark.only("amd", "no login within ten minutes there")
def test_login(boot, work_dir):
    """From the partition's file system to a login; no unit has failed; what was written is there, clean, after power-off."""
    image, m = boot_debian(boot, work_dir)
    login(m, "deb", 500)
    state = shell(m, "systemctl is-system-running --wait; systemctl --failed --no-pager", 400)
    assert re.search(r"^running\s*$", state, re.M) and "0 loaded units listed" in state, state
    assert "/dev/vda1" in shell(m, "findmnt -n -o SOURCE /")
    assert "inet 10.0.0.1/24" in shell(m, "ip address")
    log = shell(m, "dmesg -r | grep '^<[0-4]>'; true")
    assert not linux.warnings(log), linux.warnings(log)
    shell(m, "echo written >/var/mark")
    m.send("systemctl poweroff\r")
    m.expect(r"vm deb: stopped: powered off", 300)
    m.send("poweroff\r")
    m.expect_end()
    partition = f"{image}?{PARTITION}"
    subprocess.run(["/sbin/e2fsck", "-fn", partition], check=True)
    found = subprocess.run(["/sbin/debugfs", "-R", "cat /var/mark", partition], check=True, capture_output=True, text=True)
    assert found.stdout == "written\n"
