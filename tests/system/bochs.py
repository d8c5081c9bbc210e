#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Bochs as the Intel machine: writes its configuration, starts it, and tells how it ended.

From Python: `with Bochs(iso, rundir, model=...) as b: ...`. By hand, to look at an image:
`tests/system/bochs.py image.iso --model corei7_skylake_x --cpus 2 --time 30` prints COM1, then the end.
"""
import argparse
import ctypes
import enum
import os
import re
import signal
import subprocess
import sys
import time
import tty
from pathlib import Path

# What each model is for. All are of Debian's Bochs 2.7.
MODELS = {
    "corei7_skylake_x": "everything that Bochs has",
    "corei7_sandy_bridge_2600k": "EPT without 1G pages, no A/D bits, no x2APIC, no INVPCID, no XSAVES",
    "corei3_cnl": "no APIC virtualization",
    "core2_penryn_t9600": "VMX without EPT: refused",
    "pentium": "no VMX, no long mode",
    "ryzen": "SVM with next-RIP save",
}

CDROM = 'ata1-master: type=cdrom, path="{image}", status=inserted\nboot: cdrom'
DISK = 'ata0-master: type=disk, path="{image}", mode=volatile\nboot: disk'
DATA_DISK = 'ata0-master: type=disk, path="{image}", mode=flat'
# Bochs' own network: devices.py.
NIC = "e1000: enabled=1, mac=52:54:00:aa:bb:00, ethmod=slirp"

BIOS = "/usr/share/bochs/BIOS-bochs-latest"
VGABIOS = "/usr/share/bochs/VGABIOS-lgpl-latest"
OVMF = "/usr/share/ovmf/OVMF.fd"

CONFIG = """\
config_interface: textconfig
display_library: rfb, options="timeout=0"
romimage: file={firmware}{rom_options}
vgaromimage: file={vgabios}
cpu: model={model}, count={cpus}, ips={ips}, reset_on_triple_fault=0, ignore_bad_msrs={ignore_bad_msrs}
memory: guest={memory}, host={memory}
pci: enabled=1, chipset=i440fx{slots}
clock: sync=none, time0=946684800
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata1: enabled=1, ioaddr1=0x170, ioaddr2=0x370, irq=15
{devices}
com1: enabled=1, {com1}
log: {log}
panic: action=fatal
error: action=report
info: action=report
debug: action=ignore
sound: driver=dummy
speaker: enabled=0
plugin_ctrl: unmapped=1, biosdev=1, speaker=0, extfpuirq=1, iodebug=0, parallel=0, gameport=0
"""


class End(enum.Enum):
    """How a run of Bochs ended."""

    DEBUG_PORT = "a 'D' to port 0x8900"
    SHUTDOWN = "'Shutdown' to port 0x8900"
    POWEROFF = "ACPI power-off (S5)"
    TRIPLE_FAULT = "triple fault"
    PANIC = "Bochs panicked"
    TIMEOUT = "time limit"
    STOPPED = "stopped by the caller"
    FAILED = "Bochs did not start"


PANIC_LINE = re.compile(r"^\d+p\[([^\]]*)\]\s*>>PANIC<<\s*(.*)$", re.M)
PANIC_MEANS = [
    (re.compile(r"triple fault|shutdown status|3rd \(\d+\) exception", re.I), End.TRIPLE_FAULT),
    (re.compile(r"ACPI control: soft power off", re.I), End.POWEROFF),
    (re.compile(r"Shutdown port: shutdown requested", re.I), End.SHUTDOWN),
]


def classify(returncode, log_text, stopped=False, timed_out=False):
    """The End of a run, from its exit status and its log; (End, detail)."""
    if timed_out:
        return End.TIMEOUT, ""
    panics = PANIC_LINE.findall(log_text)
    if panics:
        detail = f"{panics[-1][0].strip()}: {panics[-1][1].strip()}"
        for pattern, end in PANIC_MEANS:
            if pattern.search(panics[-1][1]):
                return end, detail
        return End.PANIC, detail
    if stopped:
        return End.STOPPED, ""
    if returncode == 0:
        return End.DEBUG_PORT, ""
    return End.FAILED, f"exit status {returncode}"


def config(iso, rundir, model="corei7_skylake_x", cpus=1, memory=512, uefi=False, com1="file", ips=50000000,
           ignore_bad_msrs=None, boot_disk=False, disk=None, nic=False):
    """The text of a bochsrc. iso: the image; boot_disk: it is a disk's. com1: "file" (rundir/com1.out), "socket:PORT", or the path of a pty.
    disk: a file that is the master of the first ATA channel, beside a CD (in cylinders of 516,096 bytes); nic: an 82540EM.

    Reads of MSRs that Bochs lacks fault, as hardware's do; but OVMF reads one that it lacks (17h), and dies.
    """
    if ignore_bad_msrs is None:
        ignore_bad_msrs = uefi
    if com1 == "file":
        line = f"mode=file, dev={rundir}/com1.out"
    elif com1.startswith("socket:"):
        line = f"mode=socket-server, dev=localhost:{com1[7:]}"
    else:
        line = f"mode=term, dev={com1}"
    devices = [(DISK if boot_disk else CDROM).format(image=iso)]
    if disk:
        devices.append(DATA_DISK.format(image=disk))
    if nic:
        devices.append(NIC)
    return CONFIG.format(firmware=OVMF if uefi else BIOS, rom_options="" if uefi else ", options=fastboot",
                         vgabios=VGABIOS, model=model, cpus=cpus, ips=ips, memory=memory, com1=line,
                         devices="\n".join(devices), slots=", slot1=e1000" if nic else "",
                         ignore_bad_msrs=int(ignore_bad_msrs), log=f"{rundir}/bochs.log")


def die_with_parent():
    """In the child: killed when the process that started it goes, however it goes."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


class Bochs:
    """A running Bochs. COM1 by default is a pty whose other side is self.fd."""

    def __init__(self, iso, rundir, com1="pty", prefix=(), debugger=(), **machine):
        """debugger: commands for Bochs' debugger, from the start on; then the machine goes on."""
        self.rundir = Path(rundir).absolute()
        self.rundir.mkdir(parents=True, exist_ok=True)
        self.fd = self.slave = None
        if com1 == "pty":
            self.fd, self.slave = os.openpty()
            tty.setraw(self.slave)
            com1 = os.ttyname(self.slave)
        else:
            (self.rundir / "com1.out").unlink(missing_ok=True)
        self.log = self.rundir / "bochs.log"
        self.log.unlink(missing_ok=True)
        rc = self.rundir / "bochsrc"
        machine.setdefault("memory", 1024)
        rc.write_text(config(Path(iso).absolute(), self.rundir, com1=com1, **machine))
        # The package is built with the debugger: it needs to be told to go on, and to end after a 'D'.
        commands = self.rundir / "debugger.rc"
        commands.write_text("\n".join([*debugger, "c", "quit\n"]))
        self.stopped = False
        with open(self.rundir / "bochs.out", "wb") as out:
            self.process = subprocess.Popen([*prefix, "bochs-bin", "-q", "-f", str(rc), "-rc", str(commands)],
                                            stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                                            preexec_fn=die_with_parent)

    def wait_opened(self, timeout=10):
        """Waits until Bochs has the pty open, then gives it up here, so that its end is seen as end of file."""
        name = os.ttyname(self.slave)
        limit = time.monotonic() + timeout
        while self.process.poll() is None and time.monotonic() < limit:
            if self._has_open(name):
                break
            time.sleep(0.02)
        os.close(self.slave)
        self.slave = None

    def _has_open(self, name):
        try:
            return any(os.readlink(fd) == name for fd in Path(f"/proc/{self.process.pid}/fd").iterdir())
        except OSError:
            return False  # a descriptor that was closed meanwhile, or the process has ended

    def stop(self):
        """Ends Bochs if it still runs."""
        if self.process.poll() is None:
            self.stopped = True
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def end(self, timeout=None):
        """Waits for the end, at most timeout seconds; (End, detail)."""
        timed_out = False
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            timed_out = True
            self.stop()
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return classify(self.process.returncode, text, self.stopped, timed_out)

    def close(self):
        self.stop()
        for fd in (self.fd, self.slave):
            if fd is not None:
                os.close(fd)
        self.fd = self.slave = None

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()


def start(image, work_dir, firmware="bios", **options):
    """Boots `image`; a machine.Machine, as start_qemu's. options: those of config()."""
    from pexpect import fdpexpect

    from machine import Machine

    b = Bochs(image, work_dir, uefi=firmware == "uefi", **options)
    try:
        b.wait_opened()
    except BaseException:
        b.close()
        raise
    log_path = os.path.join(work_dir, "serial.log")
    child = fdpexpect.fdspawn(b.fd, timeout=60, encoding="utf-8", codec_errors="replace")
    child.logfile_read = open(log_path, "w", encoding="utf-8")
    child.delaybeforesend = None
    m = Machine(child, log_path, b.close)
    m.bochs = b
    return m


def main():
    p = argparse.ArgumentParser(description="boots an ISO in Bochs and prints COM1")
    p.add_argument("iso")
    p.add_argument("--model", default="corei7_skylake_x", help=", ".join(MODELS))
    p.add_argument("--cpus", type=int, default=1)
    p.add_argument("--memory", type=int, default=512, help="MiB")
    p.add_argument("--uefi", action="store_true")
    p.add_argument("--time", type=float, default=60, help="seconds")
    p.add_argument("--until", help="stop as soon as COM1 shows this")
    p.add_argument("--run", default="build/bochs", help="directory for the logs")
    a = p.parse_args()
    with Bochs(a.iso, a.run, com1="file", model=a.model, cpus=a.cpus, memory=a.memory, uefi=a.uefi) as b:
        com1 = b.rundir / "com1.out"
        limit = time.monotonic() + a.time
        shown = 0
        while True:
            running = b.process.poll() is None
            data = com1.read_bytes() if com1.exists() else b""
            sys.stdout.write(data[shown:].decode(errors="replace"))
            sys.stdout.flush()
            shown = len(data)
            if a.until and a.until.encode() in data:
                b.stop()
            if not running or time.monotonic() > limit:
                break
            time.sleep(0.1)
        end, detail = b.end(0)
    print(f"\n[bochs {a.model}: {end.value}{' (' + detail + ')' if detail else ''}; logs in {a.run}]")
    return 0 if end in (End.DEBUG_PORT, End.SHUTDOWN, End.POWEROFF) or a.until else 1


if __name__ == "__main__":
    sys.exit(main())
