# SPDX-License-Identifier: BSD-2-Clause
"""Disks and network cards of the emulated machines: options for `boot`.

    m = boot(config, files, amd={"extra": devices.disk(path, "nvme")}, intel={"disk": path})
    m = boot(config, files, amd={"extra": devices.nic("e1000e")}, intel={"nic": True})

The network behind each card is the emulator's own, of one kind: 10.0.2.0/24, the machine's address by DHCP or by choice; what
listens on the test's loopback (class Server) answers at 10.0.2.2.
"""
import itertools
import os
import socket
import struct
import tempfile
import threading

DISKS = ("nvme", "ahci", "virtio-blk")
NICS = ("e1000", "e1000e", "virtio-net")
SERVER = "10.0.2.2"
MAC = "52:54:00:aa:bb:{:02x}"


def blank(path, size):
    """A disk of `size` bytes of zeros; takes no room."""
    with open(path, "wb") as f:
        f.truncate(size)
    return path


def disk(path, driver, name="disk0", serial=None, log=None, rate=None):
    """QEMU's options for a disk behind the controller `driver`. log: the file that logs all writes (blklog.py), made here.
    rate: the requests a second that it does, by the host's clock."""
    # QEMU drops discards, unless told otherwise.
    options = ["-blockdev", f"driver=raw,node-name={name},discard=unmap,file.driver=file,file.filename={path}"]
    if log:
        blank(log, 0)
        # Its count of entries is always true, at the price of a flush of the log with each, which is spared.
        options += ["-blockdev", f"driver=blklogwrites,node-name={name}-logged,discard=unmap,file={name},log-super-update-interval=1,"
                                 f"log.driver=file,log.filename={log},log.cache.no-flush=on"]
    node = f"{name}-logged" if log else name
    if rate:
        options += ["-object", f"throttle-group,id={name}-rate,x-iops-total={rate}",
                    "-blockdev", f"driver=throttle,node-name={node}-slow,throttle-group={name}-rate,file={node}"]
        node += "-slow"
    serial = serial or name
    if driver == "nvme":
        options += ["-device", f"nvme,drive={node},serial={serial}"]
    elif driver == "ahci":
        options += ["-device", f"ich9-ahci,id={name}-ahci", "-device", f"ide-hd,bus={name}-ahci.0,drive={node},serial={serial}"]
    elif driver == "ata":
        options += ["-device", f"piix3-ide,id={name}-ide", "-device", f"ide-hd,bus={name}-ide.0,drive={node},serial={serial}"]
    elif driver == "virtio-blk":
        options += ["-device", f"virtio-blk-pci,drive={node},serial={serial}"]
    else:
        raise ValueError(driver)
    return tuple(options)


_numbers = itertools.count(1)


def nic(driver, index=0, behind="user"):
    """QEMU's options for a network card; behind it is the emulator's own network, or what `behind` says (Wire)."""
    model = {"e1000": "e1000", "e1000e": "e1000e", "virtio-net": "virtio-net-pci"}[driver]
    name = f"net{next(_numbers)}"
    kind, *options = behind.split(",")
    return ("-netdev", ",".join((kind, f"id={name}", *options)), "-device", f"{model},netdev={name},mac={MAC.format(index)}")


class Server:
    """A TCP server on the test's loopback, for guests behind an uplink: answers each connection with answer(what it received).

    What a client sends ends where it shuts its side down. `with Server(answer) as s: ...; s.port`.
    """

    def __init__(self, answer):
        self.answer = answer
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                s, _ = self.listener.accept()
            except OSError:
                return  # closed
            threading.Thread(target=self._talk, args=(s,), daemon=True).start()

    def _talk(self, s):
        with s:
            received = bytearray()
            while chunk := s.recv(65536):
                received += chunk
            s.sendall(self.answer(bytes(received)))

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.listener.close()


def checksum(data):
    """RFC 1071's, of an even number of bytes."""
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


class Wire:
    """A station on a cable of its own behind a card of QEMU's, which answers ARP and echo requests of any length, alone in its address.

    `with Wire() as wire: boot(... nic("e1000", behind=wire.behind) ...)`. wire.longest: the longest frame received.
    """

    ADDRESS = "10.0.0.9"
    STATION = bytes.fromhex("5254000000f0")

    def __enter__(self):
        # Not in the test's folder: the path of a socket has room for 107 characters.
        self.folder = tempfile.TemporaryDirectory(prefix="wire")
        here, there = (os.path.join(self.folder.name, n) for n in ("station", "card"))
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(here)
        self.behind = f"dgram,local.type=unix,local.path={there},remote.type=unix,remote.path={here}"
        self.card = there
        self.longest = 0
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *unused):
        # A thread that waits in recv would not hear of close alone.
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.folder.cleanup()

    def _serve(self):
        while frame := self.socket.recv(65536):
            self.longest = max(self.longest, len(frame))
            answer = self._answer(frame)
            if answer:
                self.socket.sendto(frame[6:12] + self.STATION + frame[12:14] + answer, self.card)

    def _answer(self, frame):
        kind, packet, address = frame[12:14], frame[14:], socket.inet_aton(self.ADDRESS)
        if kind == b"\x08\x06" and packet[6:8] == b"\0\x01" and packet[24:28] == address:
            return packet[:7] + b"\x02" + self.STATION + address + packet[8:18]
        # An echo request, whole: no fragment, no options.
        if kind == b"\x08\0" and packet[0] == 0x45 and packet[9] == 1 and packet[16:20] == address and packet[20] == 8:
            length, = struct.unpack(">H", packet[2:4])
            echo = b"\0\0\0\0" + packet[24:length]
            echo = echo[:2] + struct.pack(">H", checksum(echo + b"\0" * (len(echo) % 2))) + echo[4:]
            return packet[:12] + address + packet[12:16] + echo
        return None
