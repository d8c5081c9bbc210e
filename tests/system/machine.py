# SPDX-License-Identifier: BSD-2-Clause
"""An emulated machine that runs Ingot, seen through its serial line: what it printed, what to type.

AMD is QEMU's TCG; Intel is Bochs (bochs.py). Both are one class to the tests.
"""
import os
import re
import signal
import subprocess
import time

import pexpect

PROMPT = "ingot> "
# QEMU with one TSC tick an instruction: the machine is as even as a real one, however loaded the build machine is.
EVEN = ("-icount", "shift=0,sleep=off")

QEMU_ABORT = 134  # QEMU 7.2 sometimes aborts by itself (qemu_mutex_iothread_locked)


class MachineAborted(Exception):
    """The emulator itself failed, not what runs in it: worth one more try."""


class Machine:
    """Wraps a pexpect object. Everything received is also in the file log_path."""

    def __init__(self, child, log_path, stop):
        self.child = child
        self.log_path = log_path
        self._stop = stop

    def expect(self, pattern, timeout=60):
        """Waits for a regular expression (or a list: returns the index of the one that came)."""
        patterns = pattern if isinstance(pattern, list) else [pattern]
        try:
            return self.child.expect(patterns, timeout=timeout)
        except pexpect.EOF:
            self.check_abort()
            raise AssertionError(f"the machine ended while waiting for {pattern!r}") from None
        except pexpect.TIMEOUT:
            raise AssertionError(f"{pattern!r} did not come within {timeout} s") from None

    @property
    def match(self):
        return self.child.match

    @property
    def before(self):
        return self.child.before

    def send(self, text):
        self.child.send(text)

    def command(self, text, timeout=20):
        """Types a command at the prompt and returns what it printed.

        Not for a command whose effect is a hypervisor line: that may come before the prompt or after it. Send and expect.
        """
        self.send(text + "\r")
        self.expect(re.escape(text) + r"[^\n]*\n", timeout)
        self.expect(r"(?:\A|[\r\n])" + PROMPT, timeout)
        return self.before

    def exits(self, vm):
        """All exits of a guest so far."""
        return sum(int(n) for n in re.findall(r"^(?!EXIT).{18} +(\d+) ", self.command(f"exits {vm}"), re.M))

    def expect_end(self, timeout=60):
        """Waits until the machine has switched itself off."""
        try:
            self.child.expect(pexpect.EOF, timeout=timeout)
        except pexpect.TIMEOUT:
            raise AssertionError(f"the machine did not end within {timeout} s") from None
        self.check_abort()

    def check_abort(self):
        if isinstance(self.child, pexpect.spawn):
            self.child.close()
            status = self.child.exitstatus
            if status == QEMU_ABORT or self.child.signalstatus == signal.SIGABRT:
                raise MachineAborted("QEMU aborted")

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as f:
            return f.read()

    def close(self):
        self._stop()


def start_qemu(image, work_dir, cpus=1, memory=1024, cpu="max", firmware="bios", extra=(), boot_disk=False):
    """Boots `image` in QEMU's TCG with SVM; `firmware` is bios or uefi. None: what `extra` says."""
    log_path = os.path.join(work_dir, "serial.log")
    drive = [] if image is None else ["-drive", f"file={image},format=raw,if=ide"] if boot_disk else ["-cdrom", image]
    args = ["-accel", "tcg", "-machine", "q35", "-cpu", cpu, "-smp", str(cpus), "-m", str(memory), "-display", "none",
            "-serial", "stdio", "-monitor", f"unix:{work_dir}/monitor,server,nowait", "-no-reboot", "-nic", "none",
            *drive, *extra]
    if firmware == "uefi":
        args += ["-bios", "/usr/share/ovmf/OVMF.fd"]
    with open(os.path.join(work_dir, "command"), "w", encoding="utf-8") as f:
        f.write("qemu-system-x86_64 " + " ".join(args) + "\n")
    child = pexpect.spawn("qemu-system-x86_64", args, timeout=60, encoding="utf-8", codec_errors="replace", echo=False)
    child.logfile_read = open(log_path, "w", encoding="utf-8")
    child.delaybeforesend = None
    return Machine(child, log_path, lambda: child.close(force=True))


def monitor(work_dir, *commands):
    """Gives commands to QEMU's monitor."""
    import socket
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(os.path.join(work_dir, "monitor"))
        for c in commands:
            s.sendall((c + "\n").encode())
            time.sleep(0.05)


def small_iso(build_dir, work_dir, files, cmdline="", bare=None):
    """A small BIOS image with GRUB, for the tests that are not about booting: made in a second.

    files: {name: path}, Ingot's modules. bare: the one of them that is booted by Linux's protocol, in Ingot's place.
    """
    root = os.path.join(work_dir, "iso")
    os.makedirs(os.path.join(root, "boot/grub"), exist_ok=True)
    ingot = {} if bare else {"ingot.elf": os.path.join(build_dir, "ingot.elf")}
    for name, path in {**ingot, **files}.items():
        target = os.path.join(root, "boot", name.replace("/", "_"))
        if os.path.lexists(target):
            os.unlink(target)
        os.link(path, target) if os.stat(path).st_dev == os.stat(root).st_dev else os.symlink(path, target)
    with open(os.path.join(root, "boot/grub/grub.cfg"), "w", encoding="utf-8") as f:
        if bare:
            f.write(f"set timeout=0\nmenuentry bare {{\n linux /boot/{bare} {cmdline}\n")
        else:
            f.write(f"set timeout=0\nmenuentry ingot {{\n multiboot2 /boot/ingot.elf {cmdline}\n")
            for name in files:
                f.write(f" module2 --nounzip /boot/{name.replace('/', '_')} {name}\n")
        f.write(" boot\n}\n")
    image = os.path.join(work_dir, "boot.iso")
    subprocess.run(["grub-mkrescue", "-d", "/usr/lib/grub/i386-pc",
                    "--install-modules=multiboot2 linux normal iso9660 biosdisk part_msdos part_gpt", "--locales=",
                    "--fonts=", "--themes=", "-o", image, root],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return image
