# SPDX-License-Identifier: BSD-2-Clause
"""Debian's Linux as a guest: how it is configured, its shell, what may be in its log."""
import os
import re
import time

SHELL = r"\w+:[^\n]{0,20}# "  # the prompt of the initramfs's shell: "web:/# "

# Bochs runs some hundred million instructions a second: these spare it self-tests of Debian's kernel that have
# nothing to do with the machine under it.
QUICK = ("quiet nokaslr mitigations=off no_timer_check 8250.nr_uarts=1 random.trust_cpu=on cryptomgr.notests "
         "initcall_blacklist=load_system_certificate_list,init_kprobe_trace")


def files(build, *names):
    return {n: os.path.join(build, "guest", n) for n in names}


def section(name, memory="256M", kernel="vmlinuz", extra="", cmdline="", initrd="initrd.img"):
    return (f"[vm {name}]\nmemory = {memory}\nkernel = {kernel}\ninitrd = {initrd}\n"
            f"cmdline = console=ttyS0 hostname={name} {cmdline}\n{extra}\n")


def attach(m, name, timeout=240):
    """Attaches to a guest and waits for its shell."""
    m.send(f"console {name}\r")
    m.expect(rf"{name}:[^\n]*# ", timeout)
    m.send("echo here-$((6*7))\r")
    m.expect("here-42", 30)
    m.expect(SHELL, 30)


def type_text(m, text):
    """As fast as a fast typist. Bochs 2.7 keeps host interrupts out of a guest with interrupts disabled until the preemption
    timer or the next window, a millisecond, in which its UART receives most of the 16 characters that it holds."""
    for i in range(0, len(text), 8):
        m.send(text[i:i + 8])
        time.sleep(0.03)


def shell(m, command, timeout=60):
    """Types a command at the attached guest's shell; returns its output and asserts that it succeeded."""
    type_text(m, command + "; echo status=$?\r")
    m.expect(r"status=(\d+)\r*\n", timeout)
    output, status = m.before, m.match.group(1)
    m.expect(SHELL, 30)
    assert status == "0", f"{command}: status {status}: {output}"
    return output


def detach(m):
    m.send("\x1d")
    m.expect("ingot> ", 30)


def reboot(m):
    """The attached guest; the console stays attached."""
    m.send("reboot\r")
    m.expect("Requesting system reboot", 60)
    m.expect("BusyBox", 240)
    m.expect(SHELL, 60)


def disk_life(m, blocks="", jobs=1, fsync=0):
    """A file system on the attached guest's /dev/vda, of so many KiB or all of it: written by so many at a time and verified, synced
    after each `fsync` writes; whole after a reboot, with its file. Not mounted at the end."""
    text = "yes 0123456789abcde | head -c 524288"
    shell(m, f"/bin/mke2fs -q -t ext4 /dev/vda {blocks} && mkdir /m && mount /dev/vda /m", 200)
    shell(m, "fio --name=v --directory=/m --size=2M --rw=randwrite --bsrange=512-64k --verify=crc32c --direct=1 --ioengine=libaio "
             f"--iodepth=16 --numjobs={jobs} --fsync={fsync} --randseed=7 >/tmp/fio || {{ cat /tmp/fio; false; }}", 400)
    shell(m, f"{text} >/m/file && umount /m", 100)
    log = shell(m, "dmesg -r")
    assert not warnings(log), warnings(log)
    reboot(m)
    shell(m, "mkdir -p /m && /bin/e2fsck -fn /dev/vda && mount /dev/vda /m", 100)
    shell(m, f"test $({text} | md5sum | cut -c1-32) = $(md5sum </m/file | cut -c1-32) && umount /m", 100)


# Warnings that the same kernel prints on the bare emulator too, or on any PC like it.
KNOWN = re.compile(
    r"RETBleed: WARNING: Spectre v2 mitigation"      # Bochs' CPU models: no IBRS
    r"|fail to add MMCONFIG information"             # every PC without MCFG: QEMU's pc, Bochs
    r"|hrtimer: interrupt took \d+ ns"               # a vCPU that had to wait for its CPU just then
    r"|hpet: Lost \d+ RTC interrupts"                # the same
    r"|clocksource: Long readout interval"           # the same
    r"|CONFIG_IMA_DISABLE_HTABLE is disabled"        # how Debian builds its device mapper
)


def warnings(raw_log):
    """Lines of `dmesg -r` of level 4 (warning) or worse that the bare emulator doesn't show."""
    return [line for line in raw_log.splitlines() if re.match(r"<[0-4]>", line) and not KNOWN.search(line)]
