# SPDX-License-Identifier: BSD-2-Clause
"""Every way into Ingot, on images as `make iso` makes them, to the end of a tiny guest."""
import os
import re
import subprocess

import pytest

import conftest
import test_refused

CONFIG = "[vm t]\nmemory = 16M\nkernel = hello\ncmdline = one two\n"
GUESTS = os.path.join(conftest.BUILD, "guests")
PATHS = {"multiboot2": "GRUB 2", "efi": "EDK II"}


def make_image(work_dir, config=CONFIG, options=(), **environment):
    """An ISO image and an EFI system partition; (iso, esp)."""
    source = os.path.join(work_dir, "ingot.cfg")
    with open(source, "w", encoding="utf-8") as f:
        f.write(config)
    iso, esp = os.path.join(work_dir, "boot.iso"), os.path.join(work_dir, "esp.img")
    done = subprocess.run([os.path.join(conftest.ROOT, "boot/iso.sh"), *options, "-d", GUESTS, conftest.BUILD, source, iso,
                           esp], env={**os.environ, "GRUB_TIMEOUT": "0", **environment}, capture_output=True,
                          text=True)
    assert done.returncode == 0, done.stderr
    return iso, esp


def expect_guest(m, path, timeout=120):
    m.expect(rf"entered by {path} \({PATHS[path]}", timeout)
    m.expect(r"ready: 1 of 1 guests started\r*\n[^\n]*ingot: to try: vm list, console t, help\r", timeout)
    m.expect(r"t\| command line: one two", timeout)
    m.expect(r"vm t: stopped: powered off", timeout)


def test_grub_bios(boot, work_dir):
    iso, _ = make_image(work_dir)
    expect_guest(boot(image=iso), "multiboot2")


@pytest.mark.only("amd", "this emulator alone boots from USB")
def test_grub_bios_usb(boot, work_dir):
    iso, _ = make_image(work_dir)
    usb = ["-drive", f"file={iso},format=raw,if=none,id=usb", "-device", "qemu-xhci", "-device",
           "usb-storage,drive=usb,bootindex=0"]
    expect_guest(boot(image="/dev/null", amd={"extra": usb}), "multiboot2")


def test_grub_efi(boot, work_dir):
    iso, _ = make_image(work_dir)
    expect_guest(boot(image=iso, amd={"firmware": "uefi"}, intel={"firmware": "uefi"}), "multiboot2")


def test_efi_from_grub(boot, work_dir):
    """The menu's second entry, from CD: the loader is told of a disk, and finds the volume on it."""
    iso, _ = make_image(work_dir, GRUB_DEFAULT="ingot-efi", CMDLINE="log=debug")
    m = boot(image=iso, amd={"firmware": "uefi"}, intel={"firmware": "uefi"})
    expect_guest(m, "efi")


def test_efi(boot, work_dir, vendor):
    """As BOOTX64.EFI of a disk; on AMD with two CPUs, and memory above 4 GiB (Bochs' UEFI has no ACPI: one CPU)."""
    _, esp = make_image(work_dir)
    cpus, memory = (2, 5120) if vendor == "amd" else (1, 1024)
    disk = {"firmware": "uefi", "boot_disk": True}
    m = boot(image=esp, cpus=cpus, memory=memory, amd=disk, intel=disk)
    m.expect(rf"{cpus} of {cpus} CPUs online", 120)
    m.expect(r"vm t: stopped: powered off", 60)
    assert "entered by efi" in m.log()


@pytest.mark.parametrize("count", [1, 2, 4])
def test_cpus(boot, tiny, count):
    """Each CPU is brought up, has virtualization on, and runs a guest of its own."""
    guests = "".join(f"[vm t{n}]\nmemory = 16M\nkernel = heartbeat\ncpuset = {n}\n" for n in range(count))
    m = boot(guests, tiny("heartbeat"), cpus=count)
    m.expect(rf"{count} of {count} CPUs online", 90)
    m.expect(rf"ready: {count} of {count} guests started", 60)
    for n in range(count):
        m.expect(rf"t{n}\| beat", 60)
    rows = re.findall(r"^\s*(\d+)\s+\d+\s+on\s", m.command("cpus"), re.M)
    assert rows == [str(n) for n in range(count)]


def shell_disk(work_dir, files, script):
    """A FAT disk without a boot loader: the firmware's shell runs startup.nsh. files: {path on it: file here}."""
    disk = os.path.join(work_dir, "shell.img")
    with open(disk, "wb") as f:
        f.truncate(34 << 20)

    def run(*command):
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    run("mformat", "-i", disk, "-T", str((34 << 20) // 512), "-h", "16", "-s", "63", "::")
    startup = os.path.join(work_dir, "startup.nsh")
    with open(startup, "w", encoding="utf-8", newline="") as f:
        f.write(script.replace("\n", "\r\n"))
    run("mcopy", "-i", disk, startup, "::/startup.nsh")
    run("mmd", "-i", disk, "::/hyp", "::/hyp/sub")
    for name, path in files.items():
        run("mcopy", "-i", disk, path, "::/hyp/" + name)
    return disk


@pytest.mark.only("amd", "the same loader and firmware")
def test_efi_shell(boot, work_dir):
    """Another configuration by config=, a file in a folder, and one that is missing: its guest is refused, alone."""
    config = os.path.join(work_dir, "other.cfg")
    with open(config, "w", encoding="utf-8") as f:
        f.write(CONFIG.replace("kernel = hello", "kernel = sub/hello") + "[vm u]\nmemory = 16M\nkernel = nothere\n")
    disk = shell_disk(work_dir, {"ingot.efi": os.path.join(conftest.BUILD, "ingot.efi"), "other.cfg": config,
                                 "sub/hello": os.path.join(GUESTS, "hello")},
                      "@echo -off\nfs0:\ncd \\hyp\nIngot.efi config=other.cfg log=debug\n")
    m = boot(image=disk, amd={"firmware": "uefi", "boot_disk": True})
    m.expect(r"cannot load 'nothere'", 60)
    m.expect(r"ready: 1 of 2 guests started", 60)
    m.expect(r"vm t: stopped: powered off", 60)
    log = m.log()
    assert "t| command line: one two" in log
    assert "other.cfg:7: [vm u]: there is no file 'nothere' (kernel)" in log
    assert "vm u: refused: " in log


@pytest.mark.only("amd", "the same loader and firmware")
def test_large_files_on_cd(boot, work_dir):
    """More than the 32 MiB that El Torito can count."""
    big = os.path.join(work_dir, "big.bin")
    with open(big, "wb") as f:
        f.write(b"\x90" * (40 << 20))
    iso, _ = make_image(work_dir, CONFIG.replace("16M", "128M") + "initrd = big.bin\n", ["-d", work_dir],
                        GRUB_DEFAULT="ingot-efi")
    m = boot(image=iso, amd={"firmware": "uefi"})
    expect_guest(m, "efi")


@pytest.mark.only("amd", "this emulator alone has such a CPU")
def test_no_long_mode(boot, work_dir):
    iso, _ = make_image(work_dir)
    m = boot(image=iso, amd={"cpu": "pentium3"})
    m.expect(r"this CPU has no 64-bit mode", 30)


def test_module_names(boot, tiny):
    """GRUB's module without a name, and one name twice: the first mistake is named, and the rest is used."""
    more = "log=info\n module2 --nounzip /boot/hello\n module2 --nounzip /boot/hello ingot.cfg"
    m = boot(CONFIG, tiny("hello"), cmdline=more)
    m.expect(r"boot: Multiboot2 information: the module at 0x[0-9a-f]+ has no name", 60)
    m.expect(r"ingot.cfg:1: '", 30)


@pytest.mark.only("amd", "nothing is booted")
def test_hundred_mistakes_before_boot(work_dir):
    """`make config` and `make iso` list them all, and fail; at boot they have the same words: refused/hundred-mistakes."""
    config, mistakes = test_refused.hundred_mistakes()
    config += "[vm c]\nmemory = 16M\nkernel = nothere\n"
    with pytest.raises(AssertionError) as failure:
        make_image(work_dir, config)
    assert not os.path.exists(os.path.join(work_dir, "boot.iso"))
    path = os.path.join(work_dir, "ingot.cfg")
    checked = subprocess.run(["make", "-s", "-C", conftest.ROOT, "config", f"CONFIG={path}"], capture_output=True,
                             text=True)
    assert checked.returncode != 0
    for text in str(failure.value), checked.stderr:
        for mistake in [*mistakes, "there is no file 'nothere'", " mistakes"]:
            assert mistake in text, mistake


@pytest.mark.only("amd", "nothing is booted")
@pytest.mark.parametrize("lines, why", [
    ("boot = multiboot\nkernel = hello", r"\[vm t\]: hello: it is a Linux bzImage, not a Multiboot kernel: boot = multiboot"),
    ("kernel = hello\ninitrd = hello\nmodule = hello", r"\[vm t\]: hello: Linux takes an initrd, but no module"),
    ("kernel = boot64\nmodule = big", r"\[vm t\]: big: 16384 KiB do not fit in memory behind boot64"),
], ids=["wrong-boot", "module", "memory"])
def test_iso_checks_kernels(work_dir, lines, why):
    """What would have a guest refused at its start is a mistake here already."""
    with open(os.path.join(work_dir, "big"), "wb") as f:
        f.truncate(16 << 20)
    with pytest.raises(AssertionError) as failure:
        make_image(work_dir, f"[vm t]\nmemory = 16M\n{lines}\n")
    assert re.search(r"ingot.cfg:\d: " + why, str(failure.value)), failure.value
