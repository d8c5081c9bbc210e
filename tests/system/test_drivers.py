# SPDX-License-Identifier: BSD-2-Clause
"""The host's drivers of disks and network cards, each on the device that QEMU has of its kind."""
import os

import pytest

qemu_only = pytest.mark.only("amd", "the emulator doesn't have the device")

MIB = 1 << 20


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
