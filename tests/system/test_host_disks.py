# SPDX-License-Identifier: BSD-2-Clause
"""The machine's disks, as their drivers find them at boot."""
import os
import re

import pytest

import devices

MIB = 1 << 20

qemu_only = pytest.mark.only("amd", "the emulator has no such controller")


@qemu_only
def test_nvme(boot, work_dir):
    """A controller with one namespace, and one with two, of 512 and 4096 bytes a block."""
    images = [devices.blank(os.path.join(work_dir, f"disk{n}.img"), n * MIB) for n in (16, 32, 64)]
    second = ["-device", "nvme,id=two,serial=second"]
    for nsid, image, block in ((1, images[1], 512), (5, images[2], 4096)):
        second += ["-drive", f"if=none,id=ns{nsid},format=raw,file={image}",
                   "-device", f"nvme-ns,bus=two,nsid={nsid},drive=ns{nsid},logical_block_size={block},physical_block_size={block}"]
    m = boot("", cpus=2, amd={"extra": [*devices.disk(images[0], "nvme", serial="first"), *second]})
    m.expect("ready: ", 60)
    m.command("version")
    for name, serial, size in (("nvme0", "first", 16), ("nvme1", "second", 32), ("nvme1n5", "second", 64)):
        assert re.search(rf"disk {name}: QEMU NVMe Ctrl {serial}, {size} MiB", m.log())
    assert "pci 00:" not in m.log()
