# SPDX-License-Identifier: BSD-2-Clause
"""Disks of guests: in memory and on the machine's, by Debian's virtio_blk and by a driver that keeps to no rules."""
import os
import re
import struct
import zlib

import linux
from devices import blank, disk
from test_guest import run_tiny
from test_virtio import boot_tools

BLANK = "\n[disk data]\nsize = 64M\n"


def test_disk_in_memory(boot, vendor):
    """A file system on a blank disk, written and verified, there again after a reboot; what was trimmed is memory again."""
    m = boot_tools(boot, vendor, extra="vcpus = 2\ndisk = data" + BLANK, cpus=2)
    assert "131072" in linux.shell(m, "cat /sys/block/vda/size")
    assert "data" in linux.shell(m, "cat /sys/block/vda/serial")
    linux.shell(m, "test $(ls /sys/block/vda/mq | wc -l) = 2")
    linux.disk_life(m, jobs=2)
    linux.shell(m, "blkdiscard /dev/vda && cmp -n 4194304 /dev/vda /dev/zero", 200)


def test_hostile(boot, tiny):
    """Requests and rings that break every rule, resets with much under way; the device works again after each."""
    m = run_tiny(boot, tiny, "disk", keys="disk = data\n[disk data]\nsize = 1M\n")
    assert m.log().count("| PASS") >= 60


def gpt(path, sectors, partitions):
    """A disk with a GUID partition table (UEFI Specification, "GPT Disk Layout") of (name, first, last)."""
    blank(path, sectors * 512)
    array = bytearray(128 * 128)
    for i, (name, first, last) in enumerate(partitions):
        array[128 * i:128 * i + 128] = struct.pack("<16s16sQQQ72s", b"type" * 4, bytes([i + 1] * 16), first, last, 0,
                                                   name.encode("utf-16-le"))

    def header(mine, other, entries):
        def pack(crc):
            return struct.pack("<8sIIIIQQQQ16sQIII", b"EFI PART", 0x10000, 92, crc, 0, mine, other, 34, sectors - 34,
                               b"disk" * 4, entries, 128, 128, zlib.crc32(array))
        return pack(zlib.crc32(pack(0)))

    with open(path, "r+b") as f:
        f.write(b"\xcd\x18")  # INT 18h: the firmware goes on to the next disk
        f.seek(446)
        f.write(struct.pack("<B3sB3sII", 0, b"", 0xee, b"", 1, sectors - 1))
        f.seek(510)
        f.write(b"\x55\xaa" + header(1, sectors - 1, 2))
        f.seek(1024)
        f.write(array)
        f.seek((sectors - 33) * 512)
        f.write(array + header(sectors - 1, 1, sectors - 33))
    return path


def test_partitions_and_rivals(boot, tiny, vendor, work_dir):
    """Each guest has what it names of a partitioned disk; what is not there, or another's, refuses it with the reason."""
    path = gpt(os.path.join(work_dir, "disk.img"), 16 * 1008, (("root", 2048, 6143), ("more", 6144, 8191)))
    device = "nvme0" if vendor == "amd" else "ata0"
    disks = {"root": "partition = name:root", "more": "partition = number:2", "gone": "partition = name:home", "whole": ""}
    config = "".join(f"[disk {name}]\ndevice = {device}\n{key}\n[vm v{name}]\nmemory = 16M\nkernel = spin\ndisk = {name}\n"
                     for name, key in disks.items())
    m = boot(config, tiny("spin"), cpus=2, amd={"extra": disk(path, "nvme")}, intel={"disk": path})
    m.expect(r"ready: 2 of 4 guests started", 60)
    log = m.log()
    assert f"vm vgone: refused: disk gone: no partition named 'home' on {device}" in log
    assert "vm vwhole: refused: disk whole: vm vroot has it as disk root, and one of them may write" in log
    shown = m.command("disk")
    assert re.search(rf"^root +{device}, a partition +2M +rw +vroot ", shown, re.M), shown
    assert re.search(rf"^more +{device}, a partition +1M +rw +vmore ", shown, re.M), shown
    assert re.search(r"^whole .* - ", shown, re.M), shown


def test_destroy_in_flight(boot, vendor, work_dir):
    """A power cut of the guest in the midst of its writes to a device, on AMD one that takes a second and a half for what it
    has: the disk is idle, no frame is referenced, it starts again."""
    path = blank(os.path.join(work_dir, "disk.img"), 64 * 516096)
    device = "nvme0" if vendor == "amd" else "ata0"
    m = boot_tools(boot, vendor, extra=f"disk = data\n[disk data]\ndevice = {device}\n", cpus=2,
                   amd={"extra": disk(path, "nvme", rate=10)}, intel={"disk": path})
    linux.shell(m, "(fio --name=v --filename=/dev/vda --rw=randwrite --bs=64k --direct=1 --ioengine=libaio --iodepth=16 "
                   "--time_based --runtime=1000 >/dev/null &) ; until grep -q '[1-9]' /sys/block/vda/inflight; do :; done", 200)
    linux.detach(m)
    m.send("vm destroy web\r")
    m.expect("vm web: stopped: destroyed", 60)
    assert "each of one guest alone" in m.command("check") or "guests: 0" in m.command("check")
    before = m.command("disk")
    assert re.search(r"^data .* - ", before, re.M), before
    m.command("vm start web")
    linux.attach(m, "web", 400)
    linux.shell(m, "dd if=/dev/vda of=/dev/null bs=64k count=16 2>&1", 100)
