# SPDX-License-Identifier: BSD-2-Clause
"""Debian's drivers on virtio devices that need nothing of the machine."""
import linux
from test_linux import EVEN, boot_linux, quick


def boot_tools(boot, vendor, extra="", cmdline="", **machine):
    """One guest `web` with the tools' root, attached."""
    m = boot_linux(boot, linux.section("web", initrd="initrd-tools.img", extra=extra, cmdline=f"{quick(vendor)} {cmdline}"),
                   initrd="initrd-tools.img", **machine)
    linux.attach(m, "web", 400)
    return m


def test_entropy(boot, vendor):
    m = boot_tools(boot, vendor, amd=EVEN)
    assert "virtio_rng" in linux.shell(m, "cat /sys/class/misc/hw_random/rng_current")
    linux.shell(m, "test $(dd if=/dev/hwrng bs=1k count=4 | md5sum | cut -c1-32) != $(dd if=/dev/zero bs=1k count=4 | md5sum | cut -c1-32)")
    log = linux.shell(m, "dmesg -r")
    assert not linux.warnings(log), linux.warnings(log)
