# SPDX-License-Identifier: BSD-2-Clause
"""QEMU's gdb stub, as far as the tests need it: stop, set registers and memory, go on. (GDB manual, "Remote
Protocol".) So faults are put into an unchanged image."""
import os
import socket
import subprocess
import time

RBP, RSP, RIP = 6, 7, 16


def qemu_option(work_dir):
    return ["-gdb", f"unix:{work_dir}/gdb,server=on,wait=off"]


def symbols(image):
    """{name: address} of an ELF file."""
    out = subprocess.run(["nm", image], capture_output=True, text=True, check=True).stdout
    return {f[2]: int(f[0], 16) for f in (line.split() for line in out.splitlines()) if len(f) == 3}


class Gdb:
    """Stops the whole machine while it is connected and `go` was not called."""

    def __init__(self, work_dir):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect(os.path.join(work_dir, "gdb"))
        self.buffer = b""
        self.receive()  # connecting stops the machine
        self.call("qXfer:features:read:target.xml:0,1000")  # QEMU writes single registers only after this

    def call(self, text, answer=True):
        packet = f"${text}#{sum(text.encode()) & 0xff:02x}"
        self.sock.sendall(packet.encode())
        return self.receive() if answer else None

    def receive(self):
        while True:
            start = self.buffer.find(b"$")
            end = self.buffer.find(b"#", start)
            if start >= 0 and 0 <= end <= len(self.buffer) - 3:
                text = self.buffer[start + 1:end].decode()
                self.buffer = self.buffer[end + 3:]
                self.sock.sendall(b"+")
                return text
            more = self.sock.recv(4096)
            assert more, "the gdb stub hung up"
            self.buffer += more

    def cpu(self, number):
        assert self.call(f"Hg{number + 1:x}") == "OK"

    def read(self, register):
        return int.from_bytes(bytes.fromhex(self.call("g")[register * 16:register * 16 + 16]), "little")

    def write(self, register, value):
        assert self.call(f"P{register:x}={value.to_bytes(8, 'little').hex()}") == "OK"

    def poke(self, address, value):
        assert self.call(f"M{address:x},8:{value.to_bytes(8, 'little').hex()}") == "OK"

    def start_to(self, address):
        """Goes on, until some CPU is about to execute the instruction at address: then receive_stop."""
        assert self.call(f"Z1,{address:x},1") == "OK"
        self.call("c", answer=False)

    def receive_stop(self, address):
        assert self.receive().startswith("T05")
        assert self.call(f"z1,{address:x},1") == "OK"

    def go(self):
        self.call("c", answer=False)
        time.sleep(0.1)
