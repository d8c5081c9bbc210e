# SPDX-License-Identifier: BSD-2-Clause
"""What tests/guests/powercut.c does to its disk, and whether a disk has what was acknowledged to it."""
import functools
import struct

from blklog import SECTOR

LANES, LANE_SECTORS, LONGEST, BATCHES = 16, 64, 16, 96
REQUESTS = BATCHES * LANES
MAGIC = 0x7475637265776f70
MASK = (1 << 64) - 1
WRITE, ZEROES, DISCARD = "write", "zeroes", "discard"
BLANK = bytes(SECTOR)


def mix(x):
    x = ((x ^ x >> 30) * 0xbf58476d1ce4e5b9) & MASK
    x = ((x ^ x >> 27) * 0x94d049bb133111eb) & MASK
    return x ^ x >> 31


def plan(seed, number, features):
    """What the guest's request of this number is: (kind, first sector, sectors)."""
    r = mix((mix(seed) + number) & MASK)
    kind = WRITE
    if (r % 16 == 0 or number // LANES % 8 == 7) and ZEROES in features:
        kind = ZEROES
    elif r % 16 == 1 and DISCARD in features:
        kind = DISCARD
    sector = number % LANES * LANE_SECTORS + (r >> 16) % (LANE_SECTORS - LONGEST + 1)
    return kind, sector, 1 + (r >> 8) % LONGEST


@functools.lru_cache(maxsize=None)
def read(data, sector):
    """(number, what was acknowledged before) of a sector that the guest has written; None: it has not written that."""
    words = struct.unpack("<64Q", data)
    number, acknowledged = words[1], words[3]
    base = mix(number ^ mix(sector ^ mix(acknowledged)))
    whole = (MAGIC, number, sector, acknowledged, *((base + i) & MASK for i in range(4, 64)))
    return (number, acknowledged) if words == whole else None


class Writer:
    """The guest's whole plan."""

    def __init__(self, seed, features):
        self.request = [plan(seed, n, features) for n in range(REQUESTS)]
        self.of_sector = [[] for _ in range(LANES * LANE_SECTORS)]
        for n, (kind, first, sectors) in enumerate(self.request):
            for sector in range(first, first + sectors):
                self.of_sector[sector].append((n, kind))

    def seen(self, entries):
        """(number of the newest request, what was acknowledged at least) when these entries of the log were done."""
        newest = acknowledged = 0
        for e in entries:
            if e.data and e.data[:SECTOR] != BLANK:
                number, before = read(e.data[:SECTOR], e.at // SECTOR)
                newest, acknowledged = max(newest, number), max(acknowledged, before)
        return newest, acknowledged

    def garbage(self, entries):
        """What the guest never asked for, as text; None: there is nothing."""
        for i, e in enumerate(entries):
            if not e.data or not any(e.data):
                continue
            first = e.at // SECTOR
            for n in range(e.length // SECTOR):
                found = read(e.data[n * SECTOR:(n + 1) * SECTOR], first + n)
                if not found or (found[0], WRITE) not in self.of_sector[first + n]:
                    return f"entry {i}: sector {first + n} is written with what is not the guest's"
        return None

    def lost(self, image, newest, acknowledged):
        """What a disk lacks of the first `acknowledged` requests, as text; None: all is there, and nothing else."""
        # The next batch may be without a write, and in the one after it zeroes may be the first to be done.
        begun = (newest // LANES + 3) * LANES
        for sector, requests in enumerate(self.of_sector):
            data = image[sector * SECTOR:(sector + 1) * SECTOR]
            # What stands under discards may stand there still.
            durable = max((n for n, kind in requests if n < acknowledged and kind != DISCARD), default=-1)
            if data == BLANK:
                if durable < 0 or any(durable <= n < begun and kind != WRITE for n, kind in requests):
                    continue
                return f"sector {sector} is blank, request {durable} is lost"
            found = read(data, sector)
            if not found or (found[0], WRITE) not in requests or found[0] >= begun:
                return f"sector {sector} has what was not written there"
            if found[0] < durable:
                return f"sector {sector} has request {found[0]}, {durable} is lost"
        if any(image[len(self.of_sector) * SECTOR:]):
            return "something is written behind the guest's part of the disk"
        return None
