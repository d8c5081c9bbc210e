# SPDX-License-Identifier: BSD-2-Clause
"""Trouble in the host itself: faults, stack overflows, panics within the panic, NMIs and machine checks."""
import os
import re
import socket
import time

import pytest

import gdbstub
import machine

qemu_only = pytest.mark.only("amd", "the emulator has no gdb stub and no monitor; host/fault is for Intel")

SVME = 1 << 12
UD2 = 0x0b0f
NOWHERE = 0x1234
BEAT = "[vm a]\nmemory = 16M\nkernel = heartbeat\ncpuset = 1\n"
IMAGE = os.path.join(os.path.dirname(__file__), "../../build/ingot.debug.elf")


@pytest.fixture
def stopped(boot, work_dir, tiny):
    """CPU 0 stopped at an interrupt's function, while CPU 1 runs a guest: the machine, gdb, the symbols."""
    m = boot(BEAT, tiny("heartbeat"), cpus=2, amd={"extra": gdbstub.qemu_option(work_dir)})
    m.expect(r"ready: 1 of 1 guests started", 60)
    m.expect(r"a\| beat", 30)
    symbols = gdbstub.symbols(IMAGE)
    gdb = gdbstub.Gdb(work_dir)
    gdb.start_to(symbols["console_input"])
    m.send("x")
    gdb.receive_stop(symbols["console_input"])
    gdb.cpu(0)
    assert gdb.read(gdbstub.RIP) == symbols["console_input"]
    return m, gdb, symbols


def ask_monitor(work_dir, command):
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(os.path.join(work_dir, "monitor"))
        s.sendall((command + "\n").encode())
        time.sleep(0.5)
        return s.recv(1 << 20).decode(errors="replace")


def assert_all_stopped(work_dir):
    """Both CPUs halted, and SVM off."""
    text = ask_monitor(work_dir, "info registers -a")
    efers = [int(e, 16) for e in re.findall(r"EFER=([0-9a-f]+)", text)]
    assert len(efers) == 2
    assert not any(e & SVME for e in efers), efers
    assert re.findall(r"HLT=(\d)", text) == ["1", "1"]


def expect_panic(m, work_dir, what):
    m.expect(r"panic on CPU 0: " + what, 20)
    m.expect(r"panic: at [0-9a-f]{16} ", 20)
    m.expect(r"this machine has stopped; reset it", 20)
    assert "did not stop" not in m.log()
    assert_all_stopped(work_dir)


@qemu_only
def test_bad_jump(stopped, work_dir):
    m, gdb, _ = stopped
    gdb.write(gdbstub.RIP, NOWHERE)
    gdb.go()
    expect_panic(m, work_dir, r"page fault \(#PF\): fetch from 1234")
    assert re.search(r"panic: from [0-9a-f]{16} irq_dispatch\+0x", m.log())
    assert "panic: again" not in m.log()


@qemu_only
def test_stack_overflow(stopped, work_dir):
    m, gdb, _ = stopped
    gdb.write(gdbstub.RSP, (gdb.read(gdbstub.RSP) & ~0x7fff) + 0x1008)
    gdb.go()
    expect_panic(m, work_dir, r"stack overflow: host stack of CPU 0")


@qemu_only
def test_stack_pointer_lost(stopped, work_dir):
    m, gdb, _ = stopped
    gdb.write(gdbstub.RSP, NOWHERE)
    gdb.go()
    expect_panic(m, work_dir, r"double fault \(#DF\)")


@qemu_only
def test_fault_in_panic(stopped, work_dir):
    """Leaving virtualization faults, on both CPUs: each goes on with what is left to do."""
    m, gdb, symbols = stopped
    gdb.poke(symbols["svm_cpu_disable"], UD2)
    gdb.write(gdbstub.RSP, NOWHERE)
    gdb.go()
    m.expect(r"panic: again, in step \d: invalid opcode \(#UD\).*svm_cpu_disable", 20)
    m.expect(r"panic on CPU 0: double fault", 20)
    m.expect(r"this machine has stopped; reset it", 20)
    assert "did not stop" not in m.log()


@qemu_only
def test_fault_in_serial_output(stopped, work_dir):
    """Nothing can be said any more; the machine stops all the same, and doesn't reset."""
    m, gdb, symbols = stopped
    gdb.poke(symbols["uart16550_putc"], UD2)
    gdb.write(gdbstub.RIP, NOWHERE)
    gdb.go()
    time.sleep(2)
    assert_all_stopped(work_dir)


# The same faults by Bochs' debugger, which takes its commands at the start: what is done where console_input begins,
# and what comes of it. CPU 0's stack is the first slot, the image where GRUB loads it.
IMAGE_VA, IMAGE_PA = 0xffffffff80000000, 0x200000
STACK_GUARD = 0xffffa00000001008
INTEL_FAULTS = {
    "bad-jump": ([f"set rip = {NOWHERE:#x}"], r"panic on CPU 0: page fault \(#PF\): fetch from 1234"),
    "stack-overflow": ([f"set rsp = {STACK_GUARD:#x}"], r"panic on CPU 0: stack overflow: host stack of CPU 0"),
    "stack-pointer-lost": ([f"set rsp = {NOWHERE:#x}"], r"panic on CPU 0: double fault \(#DF\)"),
    "fault-in-panic": (["poke vmx_cpu_disable", f"set rsp = {NOWHERE:#x}"],
                       r"panic: again, in step \d: invalid opcode \(#UD\).*vmx_cpu_disable"),
    "fault-in-serial-output": (["poke uart16550_putc", f"set rip = {NOWHERE:#x}"], None),
}


def debugger_commands(commands):
    """poke FUNCTION: makes its first instruction UD2."""
    symbols = gdbstub.symbols(IMAGE)
    yield f"lb {symbols['console_input']:#x}"
    yield "c"
    for c in commands:
        if c.startswith("poke "):
            c = f"setpmem {symbols[c[5:]] - IMAGE_VA + IMAGE_PA:#x} 2 {UD2:#x}"
        yield c


@pytest.mark.only("intel", "the same by gdb: bad-jump and those that follow")
@pytest.mark.parametrize("fault", INTEL_FAULTS)
def test_fault(boot, tiny, fault):
    commands, said = INTEL_FAULTS[fault]
    m = boot(BEAT, tiny("heartbeat"), cpus=2, intel={"debugger": list(debugger_commands(commands))})
    m.expect(r"a\| beat", 90)
    m.send("x")
    if said:
        m.expect(said, 60)
        m.expect(r"this machine has stopped; reset it", 60)
        assert "did not stop" not in m.log()
    time.sleep(2)
    assert m.bochs.process.poll() is None, "a reset, or a triple fault"


@qemu_only
def test_nmis(boot, tiny, work_dir):
    """Each of many NMIs reaches both CPUs, idle or in a guest, exactly once."""
    m = boot(BEAT, tiny("heartbeat"), cpus=2)
    m.expect(r"a\| beat", 60)
    machine.monitor(work_dir, *["nmi"] * 100)
    time.sleep(0.5)
    counts = re.findall(r"^\s*(\d+)\s+\d+\s+on\s+\S+%\s+\S+%\s+\d+\s+\d+\s+(\d+)", m.command("cpus"), re.M)
    assert counts == [("0", "100"), ("1", "100")]
    m.expect(r"a\| beat", 30)


@qemu_only
def test_machine_check(boot, tiny, work_dir):
    m = boot(BEAT, tiny("heartbeat"), cpus=2)
    m.expect(r"a\| beat", 60)
    machine.monitor(work_dir, "mce 0 9 0xbd00000000000000 5 0x12345000 0")
    m.expect(r"machine check: CPU 0 bank 9: status 0xbd00000000000000 address 0x12345000 misc 0x0, uncorrected", 20)
    expect_panic(m, work_dir, r"machine check \(#MC\)")


def test_kicks(boot, tiny):
    """A guest that never leaves by itself, on another CPU than the operator's, is paused at once, every time."""
    m = boot("[host]\ncpuset = 0\n[vm a]\nmemory = 16M\nkernel = spin\ncpuset = 1\n", tiny("spin"), cpus=2)
    m.expect(r"a\| spinning", 90)
    for _ in range(30):
        m.send("vm pause a\r")
        m.expect(r"vm a: paused", 10)
        m.send("vm resume a\r")
        m.expect(r"vm a: resumed", 10)
