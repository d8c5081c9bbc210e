# SPDX-License-Identifier: BSD-2-Clause
"""Debian as debootstrap installs it, on a disk of the machine: its own kernel and initrd, systemd, its login."""
import os
import re
import subprocess

import devices
import linux
import machine
from conftest import BUILD
from test_linux import boot_linux, quick

DISK = {"amd": "nvme0", "intel": "ata0"}
PARTITION = "offset=1048576"  # of the image: tests/guests/linux/debian.sh
PROMPT = r"root@\w+:[^\n]{0,20}# "


def boot_debian(boot, vendor, work_dir):
    """One guest `deb` that has the disk; the path of its copy of the image, and the machine."""
    image = os.path.join(work_dir, "debian.img")
    subprocess.run(["cp", "--sparse=always", os.path.join(BUILD, "guest", "debian.img"), image], check=True)
    config = f"[disk root]\ndevice = {DISK[vendor]}\n[net lan]\n" + linux.section(
        "deb", memory="512M", kernel="debian-vmlinuz", initrd="debian-initrd.img", extra="disk = root\nnet = lan\nhvc0 = console\n",
        cmdline=f"{quick(vendor)} root=/dev/vda1 ip=10.0.0.1::10.0.0.254:255.255.255.0:deb::off")
    # Its time is counted in instructions on both vendors: systemd waits for devices by the clock, and gives up.
    m = boot_linux(boot, config, ("debian-vmlinuz",), initrd="debian-initrd.img",
                   amd={"extra": (*machine.EVEN, *devices.disk(image, "nvme"))}, intel={"disk": image})
    return image, m


def login(m, timeout):
    m.expect(r"\w+ login: ", timeout)
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


def test_login(boot, vendor, work_dir):
    """From the partition's file system to a login; no unit has failed; a second one on the virtio console; what was written is there,
    clean, after power-off."""
    image, m = boot_debian(boot, vendor, work_dir)
    m.send("console deb\r")
    login(m, 900)
    state = shell(m, "systemctl is-system-running --wait; systemctl --failed --no-pager", 400)
    assert re.search(r"^running\s*$", state, re.M) and "0 loaded units listed" in state, state
    assert "/dev/vda1" in shell(m, "findmnt -n -o SOURCE /")
    assert "inet 10.0.0.1/24" in shell(m, "ip address")
    assert "/dev/ttyS0" in shell(m, "tty")
    log = shell(m, "dmesg -r | grep '^<[0-4]>'; true")
    assert not linux.warnings(log), linux.warnings(log)
    shell(m, "echo written >/var/mark")
    # Nothing more is written to ttyS0: what is typed goes to the port that wrote last.
    linux.type_text(m, "systemctl enable --now serial-getty@hvc0; sleep 10000\r")
    login(m, 120)
    assert "/dev/hvc0" in shell(m, "tty")
    m.send("systemctl poweroff\r")
    m.expect(r"vm deb: stopped: powered off", 300)
    m.send("poweroff\r")
    m.expect_end()
    partition = f"{image}?{PARTITION}"
    subprocess.run(["/sbin/e2fsck", "-fn", partition], check=True)
    found = subprocess.run(["/sbin/debugfs", "-R", "cat /var/mark", partition], check=True, capture_output=True, text=True)
    assert found.stdout == "written\n"
