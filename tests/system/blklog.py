# SPDX-License-Identifier: BSD-2-Clause
"""Logs of what was done to a disk, as QEMU's blklogwrites writes them: the format of Linux's dm-log-writes.

One block of `sectorsize` bytes tells how many entries there are. Each entry is a block with its head, and behind it the data, but
of discards. QEMU adds an entry when the request is done, and before the guest hears so.
"""
import struct

MAGIC = 0x6a736677736872
VERSION = 1
FLUSH, FUA, DISCARD, MARK = 1, 2, 4, 8
SECTOR = 512

SUPER = struct.Struct("<QQQI")
ENTRY = struct.Struct("<QQQQ")  # sector, sectors, flags, bytes of a mark
ENTRIES_MAX = 1 << 20


class LogError(Exception):
    """The log is not one, or is damaged."""


class Entry:
    """`at` and `length` in bytes of the disk; data is None for a discard."""

    def __init__(self, flags, at, length, data):
        self.flags, self.at, self.length, self.data = flags, at, length, data


def parse(log, disk_size):
    """The entries of a log (bytes) about a disk of so many bytes."""
    def need(at, size):
        if at + size > len(log):
            raise LogError(f"{size} bytes at {at}, but the log ends at {len(log)}")

    need(0, SECTOR)
    magic, version, count, block = SUPER.unpack_from(log)
    if magic != MAGIC or version != VERSION:
        raise LogError(f"magic {magic:#x}, version {version}")
    if block not in (512, 1024, 2048, 4096) or count > ENTRIES_MAX:
        raise LogError(f"{count} entries, blocks of {block} bytes")
    entries, at = [], block
    for n in range(count):
        need(at, ENTRY.size)
        sector, sectors, flags, mark = ENTRY.unpack_from(log, at)
        at += block
        if flags & ~(FLUSH | FUA | DISCARD | MARK):
            raise LogError(f"entry {n} has flags {flags:#x}")
        if flags & MARK and (sectors or mark > block - ENTRY.size):
            raise LogError(f"entry {n} is a mark with data of its own")
        if sector > disk_size // block or sectors > disk_size // block - sector:
            raise LogError(f"entry {n}, {sectors} blocks at {sector}, is not within the disk")
        length = sectors * block
        data = None
        if not flags & DISCARD:
            # What is zeros at its very end need not be there.
            need(at, 0)
            data = log[at:at + length].ljust(length, b"\0")
            at += length
        entries.append(Entry(flags, sector * block, length, data))
    return entries


def apply(image, entry):
    image[entry.at:entry.at + entry.length] = entry.data if entry.data is not None else bytes(entry.length)


def after_cut(entries, size, rng):
    """A disk of zeros, so many bytes, to which these entries were done, when the power was cut behind the last one.

    What a flush or FUA put onto the medium is there; of the rest, each request is there, or is not, or some of its sectors are.
    """
    image = bytearray(size)
    flushed = max((i for i, e in enumerate(entries) if e.flags & FLUSH), default=0)
    kept = rng.random()
    for i, e in enumerate(entries):
        if i < flushed or e.flags & FUA or rng.random() < kept:
            apply(image, e)
        elif rng.random() < 0.5:
            for at in range(0, e.length, SECTOR):
                if rng.random() < 0.5:
                    data = None if e.data is None else e.data[at:at + SECTOR]
                    apply(image, Entry(0, e.at + at, SECTOR, data))
    return bytes(image)
