# SPDX-License-Identifier: BSD-2-Clause
"""The host's drivers of disks and network cards, each on the device that QEMU has of its kind."""
import hashlib
import os
import re

import pytest

import devices
import linux
import machine
from test_linux import EVEN, boot_linux, quick
from test_virtio import boot_tools

qemu_only = pytest.mark.only("amd", "the emulator doesn't have the device")

MIB = 1 << 20
CYLINDER = 516096  # Bochs' disks are of whole ones


def blank_disk(work_dir, size):
    path = os.path.join(work_dir, "disk.img")
    with open(path, "wb") as f:
        f.truncate(size)
    return path


@qemu_only
def test_virtio_blk(boot, work_dir):
    disk = blank_disk(work_dir, 64 * MIB)
    m = boot("", cpus=2, amd={"extra": [
        "-drive", f"file={disk},format=raw,if=none,id=d", "-device", "virtio-blk-pci,drive=d,serial=ABC123,addr=4"]})
    m.expect(r"ingot: disk virtio0: virtio ABC123, 64 MiB", 60)
    m.expect("ingot> ", 30)
    assert "00:04.0  1af4:1001  010000  storage controller    virtio-blk" in m.command("pci")


@qemu_only
def test_virtio_blk_kinds(boot):
    """Modern and behind a bridge, without MSI-X, of 4 KiB blocks; one that is only legacy is a line and nothing else."""
    disks = [word for n in range(4) for word in ("-blockdev", f"driver=null-co,read-zeroes=on,size={MIB << n},node-name=d{n}")]
    m = boot("", cpus=2, amd={"extra": disks + [
        "-device", "pcie-root-port,id=root,addr=4", "-device", "virtio-blk-pci,bus=root,drive=d0,serial=behind",
        "-device", "virtio-blk-pci,drive=d1,serial=polled,vectors=0,addr=5",
        "-device", "virtio-blk-pci,drive=d2,serial=large,logical_block_size=4096,physical_block_size=4096,num-queues=1,addr=6",
        "-device", "virtio-blk-pci,drive=d3,serial=legacy,disable-modern=on,addr=7"]})
    m.expect(r"ready: 0 of 0", 60)
    log = m.log()
    assert "disk virtio0: virtio polled, 2 MiB" in log
    assert "disk virtio1: virtio large, 4 MiB" in log
    assert "disk virtio2: virtio behind, 1 MiB" in log
    assert "pci 00:07.0: virtio-blk: not supported" in log
    assert "01:00.0  1af4:1042  010000  storage controller    virtio-blk" in m.command("pci")


def test_ata(boot, work_dir):
    """A PIIX3's channel, with its disk as master."""
    disk = blank_disk(work_dir, 64 * CYLINDER)
    m = boot("", amd={"extra": devices.disk(disk, "ata", serial="ABC123")}, intel={"disk": disk})
    m.expect(r"ingot: disk ata0: (QEMU HARDDISK ABC123|Generic 1234 BXHD00011), 31 MiB", 60)
    m.expect("ingot> ", 30)
    assert "8086:7010  010180  IDE controller        ata" in m.command("pci")


def test_ata_linux(boot, vendor, work_dir):
    """Debian's file system on it: written and verified, there after a reboot; and what was synced is in the disk's file."""
    disk = blank_disk(work_dir, 64 * CYLINDER)
    m = boot_tools(boot, vendor, extra="disk = data\n\n[disk data]\ndevice = ata0\n",
                   amd={"extra": (*EVEN["extra"], *devices.disk(disk, "ata"))}, intel={"disk": disk})
    linux.shell(m, "yes 0123456789abcde | dd of=/dev/vda bs=1k seek=20000 count=512 iflag=fullblock && sync", 100)
    with open(disk, "rb") as f:
        f.seek(20000 << 10)
        assert f.read(512 << 10) == b"0123456789abcde\n" * (512 << 6)
    linux.disk_life(m, "16384", fsync=8)
    linux.detach(m)
    assert "disk ata0: " not in m.log().split("ready:", 1)[1]  # no error, no reset


@pytest.mark.only("amd", "the emulator's disks never fail")
def test_ata_errors(boot, vendor, work_dir):
    """A sector that can't be read: an error in the guest and a line here, and its neighbours can."""
    disk = blank_disk(work_dir, 16 * MIB)
    bad = ["-blockdev", f"driver=file,node-name=file,filename={disk}", "-blockdev",
           "driver=blkdebug,node-name=debug,image=file,inject-error.0.event=read_aio,inject-error.0.errno=5,inject-error.0.sector=20000",
           "-blockdev", "driver=raw,node-name=bad,file=debug",
           "-device", "piix3-ide,id=ide", "-device", "ide-hd,bus=ide.0,drive=bad,rerror=report,werror=report"]
    m = boot_linux(boot, linux.section("web", extra="disk = data\n\n[disk data]\ndevice = ata0\n"), amd={"extra": (*EVEN["extra"], *bad)})
    linux.attach(m, "web", 400)
    read = "dd if=/dev/vda of=/dev/null bs=512 count=1 iflag=direct"
    linux.shell(m, f"{read} skip=19992")
    assert "I/O error" in linux.shell(m, f"{read} skip=20000 2>&1 | cat")
    linux.shell(m, f"{read} skip=20008")
    linux.detach(m)
    assert re.search(r"disk ata0: read of \d+ sectors at \d+ failed: device error", m.command("log"))


def reach_outside(boot, vendor, card):
    """Debian's virtio_net on a switch with the card as its uplink: ping, and 1 MiB to a server and its sum back."""
    m = boot_linux(boot, "[net lan]\nuplink = first\n" + linux.section("web", extra="net = lan", cmdline=quick(vendor)),
                   amd={"extra": (*EVEN["extra"], *devices.nic(card))}, intel={"nic": True})
    assert f"ingot: {card}-0: network card at 00:0" in m.log()
    linux.attach(m, "web", 400)
    linux.shell(m, "ip link set eth0 up && ip addr add 10.0.2.15/24 dev eth0")
    assert " 0% packet loss" in linux.shell(m, f"ping -c 3 -s 1400 {devices.SERVER}")
    with devices.Server(lambda data: hashlib.md5(data).hexdigest().encode() + b"\n") as server:
        answer = linux.shell(m, f"yes 0123456789abcde | head -c 1048576 | nc {devices.SERVER} {server.port}", 200)
    assert hashlib.md5(b"0123456789abcde\n" * (MIB // 16)).hexdigest() in answer
    log = linux.shell(m, "dmesg -r")
    assert not linux.warnings(log), linux.warnings(log)


def test_e1000(boot, vendor):
    reach_outside(boot, vendor, "e1000")


@qemu_only
def test_e1000e(boot, vendor):
    reach_outside(boot, vendor, "e1000e")


@pytest.mark.only("amd", "the emulator's cables can't be pulled out")
def test_link(boot, work_dir):
    """Cables pulled out of cards and put in again: one tells it by an interrupt, the others are looked at."""
    cards = [word for n, card in enumerate(("e1000", "e1000e", "virtio-net-pci")) for word in (
        "-netdev", f"user,id=n{n}", "-device", f"{card},netdev=n{n},id=card{n},addr={4 + n}")]
    m = boot("[net a]\nuplink = 00:04.0\n[net b]\nuplink = 00:05.0\n[net c]\nuplink = 00:06.0\n", cpus=2, amd={"extra": cards})
    m.expect(r"ready: 0 of 0", 60)
    for n, card in enumerate(("e1000", "e1000e", "virtio-net")):
        for state, word in (("off", "down"), ("on", "up")):
            machine.monitor(work_dir, f"set_link n{n} {state}")
            m.expect(rf"ingot: {card}-0: link {word}", 30)


@qemu_only
def test_virtio_net(boot, vendor):
    reach_outside(boot, vendor, "virtio-net")
