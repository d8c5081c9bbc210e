# SPDX-License-Identifier: BSD-2-Clause
"""The ways to start a kernel: what a guest of each is given, and what is refused. Several guests share a boot."""
import lzma
import os
import re
import struct

import pytest

import conftest
import linux

# Guest: kernel, boot =, the protocol that comes out.
WAYS = {
    "auto64": ("boot64", "auto", "pvh"),
    "pvh32": ("boot32", "pvh", "pvh"),
    "one64": ("boot64", "multiboot", "multiboot"),
    "one32": ("boot32", "multiboot", "multiboot"),
    "raw": ("boot-raw", "auto", "multiboot"),
    "two64": ("boot64", "multiboot2", "multiboot2"),
    "two32": ("boot32", "multiboot2", "multiboot2"),
}


def expect_all(m, patterns, timeout=180):
    """All of them, in any order: guests' output may lag behind."""
    remaining = list(patterns)
    while remaining:
        remaining.pop(m.expect(remaining, timeout))


def lines_of(m, name):
    """What the guest has written: its log, where no line is divided as on the screen."""
    return [line.rstrip() for line in m.command(f"vm log {name}").splitlines()]


def expect_passed(m, name):
    lines = lines_of(m, name)
    assert "DONE 0 failed" in lines, (name, lines)
    assert sum(line.startswith("PASS") for line in lines) > 8, (name, lines)
    return lines


def test_protocols(boot, tiny, work_dir):
    modules = {"one": bytes(range(256)) * 40, "two": b"x"}
    paths = {}
    for name, data in modules.items():
        paths[name] = os.path.join(work_dir, name)
        with open(paths[name], "wb") as f:
            f.write(data)
    config = "".join(f"[vm {vm}]\nmemory = 16M\nkernel = {kernel}\nboot = {how}\ncmdline = a command line of {vm}\n"
                     "module = one with two arguments\nmodule = two\n" for vm, (kernel, how, _) in WAYS.items())
    m = boot(config, {**tiny("boot64", "boot32", "boot-raw"), **paths})
    expect_all(m, [rf"vm {vm}: stopped: powered off" for vm in WAYS])
    for vm, (_, _, protocol) in WAYS.items():
        lines = expect_passed(m, vm)
        assert lines.count("PASS boot/fresh") == 2, lines  # its kernel restarts itself once
        assert f"protocol {protocol}" in lines
        assert f"command line: a command line of {vm}" in lines
        assert f"module 0: 10240 bytes, sum {sum(modules['one'])}, args 'with two arguments'" in lines
        assert f"module 1: 1 bytes, sum {ord('x')}, args ''" in lines


def test_flat(boot, tiny):
    """Real mode at 7C00h; a BIOS service and an exception without a handler end the guest, with a name."""
    names = ("flat", "flat-int", "flat-exception")
    m = boot("".join(f"[vm {n}]\nmemory = 16M\nkernel = {n}\n" for n in names), tiny(*names))
    at = r"0000:7[ef][0-9a-f]{2}"
    expect_all(m, [r"vm flat: stopped: powered off",
                   rf"vm flat-int: crashed: calls the BIOS at {at}: INT 10h \(video\), AH=0Eh",
                   rf"vm flat-exception: crashed: got vector 0 at {at} in real mode"])
    expect_passed(m, "flat")
    assert "by port e9" in lines_of(m, "flat")


def changed(path, work_dir, name, old, new):
    """A copy of a file with bytes changed."""
    with open(path, "rb") as f:
        data = f.read()
    assert data.count(old) == 1
    target = os.path.join(work_dir, name)
    with open(target, "wb") as f:
        f.write(data.replace(old, new))
    return target


def test_refused(boot, tiny, work_dir):
    boot64 = tiny("boot64")["boot64"]
    framebuffer = bytes.fromhex("0500 0100 1400 0000")
    header1 = bytes.fromhex("02b0ad1b 03000000 fb4f52e4")
    files = {
        **tiny("boot64", "hello", "flat"),
        "screen2": changed(boot64, work_dir, "screen2", framebuffer, bytes.fromhex("0500 0000 1400 0000")),
        "screen1": changed(boot64, work_dir, "screen1", header1, bytes.fromhex("02b0ad1b 07000000 f74f52e4")),
        "damaged": changed(boot64, work_dir, "damaged", b"Xen\0", b"Xex\0"),
    }
    guests = {
        "a": ("screen2", "multiboot2", r"screen2: demands a framebuffer, but guests have no screen"),
        "b": ("screen1", "multiboot", r"screen1: demands a video mode"),
        "c": ("hello", "multiboot", r"hello: it is a Linux bzImage, not a Multiboot kernel: boot = multiboot is wrong"),
        "d": ("boot64", "linux", r"boot64: it is an ELF kernel with a PVH note, not a Linux bzImage: boot = linux"),
        "e": ("damaged", "pvh", r"damaged: it is a Multiboot 2 kernel, not an ELF kernel with a PVH note: boot = pvh"),
        "f": ("flat", "linux", r"flat: it is a boot sector, not a Linux bzImage: boot = linux is wrong"),
    }
    config = "".join(f"[vm {vm}]\nmemory = 16M\nkernel = {kernel}\nboot = {how}\n"
                     for vm, (kernel, how, _) in guests.items())
    m = boot(config, files)
    m.expect(r"ready: 0 of 6 guests started", 120)
    log = m.log()
    for vm, (_, _, why) in guests.items():
        assert re.search(rf"vm {vm}: refused: {why}", log), vm


def vmlinux(path, target):
    """Takes the ELF file out of a bzImage whose payload is an xz file, as that of Debian's stock kernel."""
    with open(path, "rb") as f:
        image = f.read()
    start = (image[0x1f1] + 1) * 512 + struct.unpack_from("<I", image, 0x248)[0]
    size = struct.unpack_from("<I", image, 0x24c)[0]
    with open(target, "wb") as f:
        f.write(lzma.LZMADecompressor().decompress(image[start:start + size]))
    return target


@pytest.mark.only("amd", "a minute there; the tiny guests are the test of it")
def test_linux_by_pvh(boot, work_dir):
    """Debian's stock kernel, uncompressed, by its PVH note; the initrd is the first module."""
    files = linux.files(conftest.BUILD, "initrd.img")
    files["vmlinux"] = vmlinux(os.path.join(conftest.BUILD, "guest", "vmlinuz-amd64"), os.path.join(work_dir, "vmlinux"))
    m = boot(linux.section("web", memory="384M", kernel="vmlinux", cmdline=linux.QUICK), files)
    m.expect(r"vm web: started", 90)
    linux.attach(m, "web", 400)
    assert "hostname=web" in linux.shell(m, "cat /proc/cmdline")
    assert "APIC" in linux.shell(m, "ls /sys/firmware/acpi/tables")
    linux.shell(m, "test -d /sys/bus/acpi/devices/QEMU0001:00")  # pvpanic


def test_ingot_in_ingot(boot):
    """A Multiboot 2 kernel of the field: Ingot itself, which finds no virtualization here, and says so."""
    path = os.path.join(conftest.BUILD, "ingot.elf")
    m = boot("[vm a]\nmemory = 64M\nkernel = ingot\n", {"ingot": path})
    m.expect(r"a\| \[[0-9.]+\] ingot: Ingot \S+, entered by multiboot2 \(Ingot\)", 120)
    m.expect(r"a\| \[[0-9.]+\] ingot: ingot.cfg was not loaded by the boot loader", 60)
