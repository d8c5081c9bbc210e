# SPDX-License-Identifier: BSD-2-Clause
"""Disks and network cards of the emulated machines: options for `boot`.

    m = boot(config, files, amd={"extra": devices.disk(path, "nvme")}, intel={"disk": path})
    m = boot(config, files, amd={"extra": devices.nic("e1000e")}, intel={"nic": True})

The network behind each card is the emulator's own, of one kind: 10.0.2.0/24, the machine's address by DHCP or by choice; what
listens on the test's loopback (class Server) answers at 10.0.2.2.
"""
import itertools
import socket
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


def nic(driver, index=0):
    """QEMU's options for a network card, with the emulator's own network behind it."""
    model = {"e1000": "e1000", "e1000e": "e1000e", "virtio-net": "virtio-net-pci"}[driver]
    name = f"net{next(_numbers)}"
    return ("-netdev", f"user,id={name}", "-device", f"{model},netdev={name},mac={MAC.format(index)}")


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
