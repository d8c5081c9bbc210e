# SPDX-License-Identifier: BSD-2-Clause
"""The machine's disks, as their drivers find them at boot."""
import os
import re

import pytest

import devices
import linux
import machine
from test_linux import EVEN, boot_linux
from test_virtio import boot_tools

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


@qemu_only
def test_ahci(boot, work_dir):
    """Two controllers with a disk each, the second at another port; the first has the CD that the machine boots from."""
    images = [devices.blank(os.path.join(work_dir, f"disk{n}.img"), n * MIB) for n in (16, 32)]
    m = boot("", cpus=2, amd={"extra": [
        *devices.disk(images[0], "ahci", serial="first"),
        "-drive", f"if=none,id=d2,format=raw,file={images[1]}", "-device", "ide-hd,bus=ide.3,drive=d2,serial=second"]})
    m.expect("ready: ", 60)
    m.command("version")
    assert re.search(r"disk sata\d: QEMU HARDDISK first, 16 MiB", m.log())
    assert re.search(r"disk sata\d: QEMU HARDDISK second, 32 MiB", m.log())
    assert m.log().count(": QEMU ") == 2
    assert "ahci:" not in m.log()


@qemu_only
@pytest.mark.parametrize("driver,name", [("nvme", "nvme0"), ("ahci", "sata0"), ("virtio-blk", "virtio0")])
def test_guest(boot, vendor, work_dir, driver, name):
    """A guest's file system on such a disk: written by two CPUs at a time and verified, there after a reboot, trimmed."""
    image = devices.blank(os.path.join(work_dir, "disk.img"), 64 * MIB)
    m = boot_tools(boot, vendor, extra=f"vcpus = 2\ndisk = data\n[disk data]\ndevice = {name}", cpus=2,
                   amd={"extra": devices.disk(image, driver)})
    linux.disk_life(m, jobs=2, fsync=32)
    linux.shell(m, "blkdiscard /dev/vda", 200)
    log = linux.shell(m, "dmesg -r")
    assert not linux.warnings(log), linux.warnings(log)


@qemu_only
@pytest.mark.parametrize("device,name", [("nvme", "nvme0"), ("virtio-blk-pci", "virtio0")])
def test_vanishes(boot, work_dir, device, name):
    """Pulled out of its slot while a guest has it: an I/O error there and a line here, because it was asked, not because it was late."""
    image = devices.blank(os.path.join(work_dir, "disk.img"), 16 * MIB)
    slot = ["-device", "pcie-root-port,id=root,addr=8", "-blockdev", f"driver=raw,node-name=d,file.driver=file,file.filename={image}",
            "-device", f"{device},bus=root,drive=d,serial=S,id=disk"]
    m = boot_linux(boot, linux.section("web", extra=f"disk = data\n\n[disk data]\ndevice = {name}\n"), amd={"extra": (*EVEN["extra"], *slot)})
    linux.attach(m, "web", 400)
    read = "dd if=/dev/vda of=/dev/null bs=4k count=1 iflag=direct 2>&1 | cat"
    assert "1+0 records in" in linux.shell(m, read)
    # What an operating system with ACPI does when the slot's button has been pressed: selects the bus, ejects its slot 0.
    machine.monitor(work_dir, "device_del disk", *(c for bus in range(4) for c in (f"o /w 0xcd0 {bus}", "o /w 0xcc8 1")))
    assert "I/O error" in linux.shell(m, read)
    assert "I/O error" in linux.shell(m, read)
    linux.detach(m)
    log = m.command("log")
    assert f"disk {name}: gone: " in log
    assert "reset" not in log.split("ready:", 1)[1]
    line = next(n for n in m.command("disk").splitlines() if n.startswith(f"{name} "))
    assert " gone " in line and line.split()[-2:] == ["0", "1"], line  # late, resets
