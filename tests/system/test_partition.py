# SPDX-License-Identifier: BSD-2-Clause
"""Partitions of a disk of the machine as guests' disks."""
import os
import random
import struct
import zlib

import devices
import powercut
import pytest

BLOCKS = 16384  # of 512 bytes
PARTITIONS = ((2048, 4095, "one"), (4096, 8191, "two"), (9001, 10024, "three"))
CONFIG = """
[disk one]
device = nvme0
partition = name:one
[disk two]
device = serial:disk0
partition = number:2
[disk none]
device = nvme0
partition = name:none
[disk whole]
device = nvme0
"""


def table(path):
    """A disk with PARTITIONS by its backup alone: the first table is damaged."""
    entries = b"".join(bytes([0xaf] * 16 + [n + 1] * 16) + struct.pack("<QQQ", first, last, 0) + name.encode("utf-16le").ljust(72, b"\0")
                       for n, (first, last, name) in enumerate(PARTITIONS)).ljust(16384, b"\0")
    start = BLOCKS - 33
    header = b"EFI PART" + struct.pack("<IIIIQQQQ", 0x10000, 92, 0, 0, BLOCKS - 1, 1, 2048, BLOCKS - 34) + bytes(16) + struct.pack(
        "<QIII", start, 128, 128, zlib.crc32(entries))
    header = header[:16] + struct.pack("<I", zlib.crc32(header)) + header[20:]
    devices.blank(path, BLOCKS * 512)
    with open(path, "r+b") as f:
        f.write(b"\xcd\x18")  # INT 18h: the BIOS starts from the next disk
        f.seek(450)
        f.write(b"\xee")
        f.seek(510)
        f.write(b"\x55\xaaEFI PART")
        f.seek(start * 512)
        f.write(entries + header)
    return path


@pytest.mark.only("amd", "the emulator doesn't have the device")
def test_partitions(boot, tiny, work_dir):
    """Two guests have a partition each; the one that isn't there, and the disk as a whole beside them, refuse their guests."""
    path = table(os.path.join(work_dir, "disk"))
    guests = "".join(f"[vm {n}]\nmemory = 16M\nkernel = heartbeat\ndisk = {disk}\n"
                     for n, disk in enumerate(("one", "two", "missing", "whole")))
    m = boot(CONFIG.replace("none]", "missing]") + guests, tiny("heartbeat"), amd={"extra": devices.disk(path, "nvme")})
    m.expect("ready: 2 of 4 guests started", 60)
    log = m.log()
    assert log.count("first partition table is damaged: the backup is used") == 3
    assert "vm 2: refused: disk missing: no partition named 'none' on nvme0" in log
    assert "vm 3: refused: disk whole: vm 0 has it as disk one" in log
    shown = m.command("disk")
    assert "1024K" in shown or "1M" in shown, shown
    assert "2M" in shown or "2048K" in shown, shown


@pytest.mark.only("amd", "the emulator doesn't have the device")
def test_place(boot, tiny, work_dir):
    """Three guests write, each to the partition that it names in its own way: all is where it belongs, and nothing elsewhere."""
    path = table(os.path.join(work_dir, "disk"))
    before = bytearray(random.Random(1).randbytes(BLOCKS * 512))
    with open(path, "r+b") as f:
        table_and_all = f.read()
        for at in (*range(0, 2048), *range(BLOCKS - 33, BLOCKS)):
            before[at * 512:at * 512 + 512] = table_and_all[at * 512:at * 512 + 512]
        for first, last, _ in PARTITIONS:
            before[first * 512:last * 512 + 512] = bytes((last + 1 - first) * 512)
        f.seek(0)
        f.write(before)
    words = ("name:one", "guid:02020202-0202-0202-0202-020202020202", "number:3")
    m = boot("".join(f"[disk d{n}]\ndevice = nvme0\npartition = {word}\n[vm {n}]\nmemory = 16M\nkernel = powercut\n"
                     f"cmdline = seed={n}\ndisk = d{n}\n" for n, word in enumerate(words)),
             tiny("powercut"), cpus=2, amd={"extra": devices.disk(path, "nvme")})
    m.expect("all guests have ended", 200)
    assert m.log().count("| DONE 0 failed") == 3, m.log()[-900:]
    m.close()
    with open(path, "rb") as f:
        after = bytearray(f.read())
    for n, (first, last, _) in enumerate(PARTITIONS):
        place = slice(first * 512, last * 512 + 512)
        writer = powercut.Writer(n, (powercut.DISCARD, powercut.ZEROES))
        lost = writer.lost(bytes(after[place]), powercut.REQUESTS, powercut.REQUESTS)
        assert not lost, lost
        after[place] = before[place]
    assert after == before
