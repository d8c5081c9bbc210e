# SPDX-License-Identifier: BSD-2-Clause
"""Debian's stock kernels to a shell, and commands typed at it."""
import hashlib
import re

import linux
import machine
from conftest import BUILD


# Without it an exit under TCG costs more TSC ticks than Linux' calibration allows, and Linux says so.
EVEN = {"extra": machine.EVEN}


def boot_linux(boot, config, kernels=("vmlinuz",), cpus=1, memory=1024, amd=None, intel=None,
               initrd="initrd.img"):
    m = boot(config, linux.files(BUILD, initrd, *kernels), cpus=cpus, memory=memory, amd=amd, intel=intel)
    m.expect(r"ready: (\d) of \1 guests started", 120)
    m.expect("ingot> ", 30)
    return m


def quick(vendor):
    return linux.QUICK if vendor == "intel" else ""


def test_shell(boot, vendor):
    """The cloud kernel, with nothing on its command line but the console."""
    m = boot_linux(boot, linux.section("web"), amd=EVEN)
    linux.attach(m, "web", 400)
    assert "processor" in linux.shell(m, "cat /proc/cpuinfo")
    log = linux.shell(m, "dmesg -r")
    assert "Linux version" in log
    assert not linux.warnings(log), linux.warnings(log)
    assert re.search(r"MMCONFIG at \[mem 0xfeb00000-0xfebfffff\] reserved", log)
    assert "0000:00:00.0" in linux.shell(m, "ls /sys/bus/pci/devices")
    linux.shell(m, "yes 0123456789abcde | head -c 1048576 > /tmp/m", 100)
    linux.shell(m, "for i in $(seq 64); do cat /tmp/m; done > /tmp/a", 200)
    digest = hashlib.md5(b"0123456789abcde\n" * (67108864 // 16)).hexdigest()
    assert digest in linux.shell(m, "md5sum /tmp/a", 200)
    assert re.search(r"timer", linux.shell(m, "cat /proc/interrupts"))
    m.send("poweroff\r")
    m.expect(r"vm web: stopped: powered off", 60)


def test_many_commands(boot, vendor):
    """Interrupts of the serial port in quick succession: each is delivered once, or Linux waits for its own lock."""
    m = boot_linux(boot, linux.section("web", cmdline=quick(vendor)), amd=EVEN)
    linux.attach(m, "web", 400)
    for _ in range(150 if vendor == "amd" else 30):
        linux.shell(m, "cat /proc/interrupts")


def test_stock_kernel(boot, vendor):
    """linux-image-amd64."""
    m = boot_linux(boot, linux.section("web", kernel="vmlinuz-amd64", cmdline=quick(vendor)), ("vmlinuz-amd64",))
    linux.attach(m, "web", 400)
    assert "Linux" in linux.shell(m, "uname -a")


def test_reboot(boot, vendor):
    m = boot_linux(boot, linux.section("web", cmdline=quick(vendor)))
    linux.attach(m, "web")
    linux.reboot(m)
    linux.shell(m, "test $(cut -d. -f1 /proc/uptime) -lt 60")
    linux.detach(m)
    assert "vm web: restarting" in m.log()


def test_shutdown_button(boot, vendor):
    m = boot_linux(boot, linux.section("web", cmdline=quick(vendor)))
    linux.attach(m, "web")
    linux.detach(m)
    m.send("vm shutdown web\r")
    m.expect(r"vm web: stopped: powered off", 90)


def test_smp(boot, vendor):
    """One guest of two vCPUs: Linux starts the second by INIT and SIPI, and programs run on each."""
    m = boot_linux(boot, linux.section("web", extra="vcpus = 2", cmdline=quick(vendor)), cpus=2)
    linux.attach(m, "web", 400)
    linux.shell(m, "test $(nproc) = 2")
    for cpu in (0, 1):
        linux.shell(m, f"taskset -c {cpu} sh -c 'for i in $(seq 2000); do :; done'")
    m.send("poweroff\r")
    m.expect(r"vm web: stopped: powered off", 60)


# What a stock kernel says of KVM's services and of the clocks that it finds.
IN_USE = ("Hypervisor detected: KVM", "kvm-clock: using sched offset", "setup PV IPIs", "KVM setup pv remote TLB flush",
          "PV spinlocks enabled", "Switched to clocksource kvm-clock",
          "hpet0: 3 comparators, 64-bit 100.000000 MHz counter")


def test_pv(boot, vendor):
    """With two vCPUs on one CPU Linux uses each of KVM's services, and the HPET."""
    m = boot_linux(boot, linux.section("web", extra="vcpus = 2", cmdline=quick(vendor)))
    linux.attach(m, "web", 400)
    log = linux.shell(m, "dmesg -r")
    missing = [text for text in IN_USE if not re.search(text, log)]
    assert not missing, missing
    assert not linux.warnings(log), linux.warnings(log)
    # Where the TSC is invariant, Linux then reads it itself.
    clock = linux.shell(m, "cat /sys/devices/system/clocksource/clocksource0/current_clocksource")
    assert re.search(r"^(kvm-clock|tsc)\s*$", clock, re.M), clock
    linux.shell(m, "for i in 1 2; do (for j in $(seq 5000); do :; done) & done; wait")
    # Steal time is the eighth figure.
    assert re.search(r"^cpu +(\d+ ){7}[1-9]", linux.shell(m, "grep cpu /proc/stat"), re.M)


def test_stress(boot, vendor):
    """The stock kernel, four vCPUs on two CPUs, all of them busy: it complains of nothing."""
    m = boot_linux(boot, linux.section("web", kernel="vmlinuz-amd64", extra="vcpus = 4", cmdline=quick(vendor),
                                       initrd="initrd-stress.img"),
                   ("vmlinuz-amd64",), cpus=2, initrd="initrd-stress.img")
    linux.attach(m, "web", 500)
    linux.shell(m, "test $(nproc) = 4")
    assert "successful run completed" in linux.shell(m, "stress-ng --cpu 4 --timeout 20s 2>&1", 500)
    log = linux.shell(m, "dmesg -r", 100)
    assert not linux.warnings(log), linux.warnings(log)
    m.send("poweroff\r")
    m.expect(r"vm web: stopped: powered off", 100)


def test_eight(boot, vendor):
    m = boot_linux(boot, linux.section("web", extra="vcpus = 8", cmdline=quick(vendor)), cpus=2)
    linux.attach(m, "web", 500)
    linux.shell(m, "test $(nproc) = 8")
    for cpu in range(8):
        linux.shell(m, f"taskset -c {cpu} true")


def test_two_smp_guests(boot, vendor):
    """Each of two vCPUs on the same two CPUs, both at work."""
    m = boot_linux(boot, "".join(linux.section(n, extra="vcpus = 2", cmdline=quick(vendor)) for n in ("web", "db")), cpus=2)
    work = "for c in 0 1; do taskset -c $c sh -c 'for i in $(seq 3000); do echo $i; done | md5sum' & done; wait"
    for name in ("web", "db"):
        linux.attach(m, name, 500)
        m.send(f"( {work} ) > /tmp/sums; touch /tmp/done\r")
        m.expect(linux.SHELL, 200) if name == "db" else linux.detach(m)
    for name in ("db", "web"):
        linux.shell(m, "test -e /tmp/done && test $(sort -u /tmp/sums | wc -l) = 1", 200)
        log = linux.shell(m, "dmesg -r", 100)
        assert not linux.warnings(log), linux.warnings(log)
        if name == "db":
            linux.detach(m)
            linux.attach(m, "web")


def test_two_guests(boot, vendor):
    """Two Linux guests on two CPUs: each has its own shell, neither sees the other."""
    m = boot_linux(boot, linux.section("web", cmdline=quick(vendor)) + linux.section("db", cmdline=quick(vendor)), cpus=2)
    linux.attach(m, "web", 400)
    linux.shell(m, "echo web > /tmp/who")
    linux.detach(m)
    linux.attach(m, "db", 400)
    linux.shell(m, "test ! -e /tmp/who && test $(hostname) = db")
    m.send("poweroff\r")
    m.expect(r"vm db: stopped: powered off", 60)
    linux.attach(m, "web")
    assert "web" in linux.shell(m, "cat /tmp/who")


def test_two_guests_one_cpu(boot, vendor):
    m = boot_linux(boot, linux.section("web", cmdline=quick(vendor)) + linux.section("db", cmdline=quick(vendor)), cpus=1)
    linux.attach(m, "web", 500)
    linux.shell(m, "true")
    linux.detach(m)
    linux.attach(m, "db", 500)
    linux.shell(m, "true")
