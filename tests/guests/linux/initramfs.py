#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Builds the Linux guests' root: initramfs.py BUSYBOX RC MODULES_DIR OUT

A cpio archive ("newc", Linux Documentation/driver-api/early-userspace/buffer-format.rst), uncompressed: a
guest under an emulator spends longer on gunzip than on copying. Needs no root: device nodes are
written as records. The result depends on the inputs alone.
"""
import os
import stat
import subprocess
import sys

# cttyhack makes the kernel's console, whichever it is, the shell's controlling terminal.
INITTAB = """::sysinit:/etc/rc
::respawn:/bin/cttyhack /bin/sh -l
::ctrlaltdel:/bin/reboot
"""

PROFILE = """export PATH=/bin:/sbin PS1='\\h:\\w\\$ ' HOME=/root
"""


class Archive:
    def __init__(self):
        self.out = bytearray()
        self.inode = 0

    def add(self, name, mode, data=b"", device=(0, 0)):
        self.inode += 1
        encoded = name.encode() + b"\0"
        fields = [self.inode, mode, 0, 0, 1, 0, len(data), 0, 0, device[0], device[1], len(encoded), 0]
        self.out += b"070701" + "".join(f"{f:08X}" for f in fields).encode() + encoded
        self.pad()
        self.out += data
        self.pad()

    def pad(self):
        self.out += b"\0" * (-len(self.out) % 4)

    def directory(self, name):
        self.add(name, stat.S_IFDIR | 0o755)

    def file(self, name, data, mode=0o644):
        self.add(name, stat.S_IFREG | mode, data)

    def tree(self, name, path):
        """The folder at `path` and all that is in it, as `name`."""
        self.directory(name)
        for entry in sorted(os.scandir(path), key=lambda e: e.name):
            if entry.is_dir():
                self.tree(f"{name}/{entry.name}", entry.path)
            else:
                self.file(f"{name}/{entry.name}", read(entry.path))

    def symlink(self, name, target):
        self.add(name, stat.S_IFLNK | 0o777, target.encode())


def read(path):
    with open(path, "rb") as f:
        return f.read()


def main():
    busybox, rc, modules, out = sys.argv[1:]
    a = Archive()
    for d in ("bin", "sbin", "dev", "etc", "etc/acpi", "etc/acpi/PWRF", "proc", "sys", "tmp", "run", "root",
              "lib"):
        a.directory(d)
    a.add("dev/console", stat.S_IFCHR | 0o600, device=(5, 1))
    a.add("dev/null", stat.S_IFCHR | 0o666, device=(1, 3))
    a.symlink("init", "bin/busybox")
    a.file("etc/rc", read(rc), 0o755)
    a.file("etc/inittab", INITTAB.encode())
    a.file("bin/busybox", read(busybox), 0o755)
    applets = subprocess.run([busybox, "--list"], check=True, capture_output=True, text=True).stdout.split()
    for applet in sorted(set(applets) - {"busybox"}):
        a.symlink("bin/" + applet, "busybox")
    a.file("etc/profile", PROFILE.encode())
    a.file("etc/passwd", b"root::0:0:root:/root:/bin/sh\n")
    a.file("etc/group", b"root:x:0:\n")
    a.file("etc/hosts", b"127.0.0.1 localhost\n")
    a.file("etc/acpi/PWRF/00000080", b"#!/bin/sh\necho power button\nexec poweroff\n", 0o755)
    a.tree("lib/modules", modules)
    a.add("TRAILER!!!", 0)
    with open(out, "wb") as f:
        f.write(a.out)


if __name__ == "__main__":
    main()
