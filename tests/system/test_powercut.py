# SPDX-License-Identifier: BSD-2-Clause
"""Nothing that was acknowledged is lost by a power cut: the disk as a cut would have left it, at many points of one run."""
import itertools
import os
import random
import re
import struct
import subprocess
import time

import pytest

import blklog
import devices
import linux
import machine
import powercut
from test_virtio import boot_tools

SIZE = 1 << 20
SEED = 20230611
POINTS = 100

qemu_only = pytest.mark.only("amd", "the emulator does not log what is done to a disk")


def run_writer(boot, tiny, device, words, extra):
    """The writer, until it has powered off."""
    m = boot(f"[vm t]\nmemory = 16M\nkernel = powercut\ncmdline = seed={SEED} {words}\ndisk = data\n[disk data]\ndevice = {device}\n",
             tiny("powercut"), amd={"extra": extra})
    m.expect(r"t\| DONE (\d+) failed", 200)
    assert m.match.group(1) == "0", m.log()[-900:]
    m.expect("vm t: stopped: powered off", 30)
    return m


def write(boot, tiny, work_dir, driver, device, words):
    """One run of the writer: (its plan, the log's entries)."""
    image, log = os.path.join(work_dir, "disk.img"), os.path.join(work_dir, "disk.log")
    devices.blank(image, SIZE)
    m = run_writer(boot, tiny, device, words, devices.disk(image, driver, log=log))
    m.close()
    with open(log, "rb") as f:
        entries = blklog.parse(f.read(), SIZE)
    has = re.search(r"t\| flush (\d) discard (\d) zeroes (\d)", m.log())
    assert has.group(1) == ("0" if words else "1"), "the disk has no cache"
    features = [kind for kind, n in ((powercut.DISCARD, 2), (powercut.ZEROES, 3)) if has.group(n) == "1"]
    writer = powercut.Writer(SEED, features)
    assert not writer.garbage(entries)
    assert any(e.flags & blklog.DISCARD for e in entries) == (powercut.DISCARD in features)
    # What the disk was told of acknowledgements the console heard before.
    said = {0, *(int(n) for n in re.findall(r"t\| durable (\d+)", m.log()))}
    assert {writer.seen(entries[:n])[1] for n in range(0, len(entries), 16)} <= said
    assert max(said) == powercut.REQUESTS and writer.seen(entries)[1] > powercut.REQUESTS - 8 * powercut.LANES
    with open(image, "rb") as f:
        whole = bytearray(SIZE)
        for e in entries:
            blklog.apply(whole, e)
        assert f.read() == whole, "the log is not all that was done to the disk"
    return writer, entries


def cuts(writer, entries):
    """What is lost by cuts at random points of the log, a text each."""
    rng = random.Random(SEED)
    lost = []
    for point in sorted(rng.sample(range(1, len(entries) + 1), POINTS)):
        image = blklog.after_cut(entries[:point], SIZE, random.Random(SEED + point))
        what = writer.lost(image, *writer.seen(entries[:point]))
        if what:
            lost.append(f"seed {SEED}, cut behind entry {point} of {len(entries)}: {what}")
    return lost


@qemu_only
@pytest.mark.parametrize("driver,device", [("nvme", "nvme0"), ("ahci", "sata0"), ("virtio-blk", "virtio0")])
def test_flush(boot, tiny, work_dir, driver, device):
    """What a flush has acknowledged is there. Without the flushes the same log must lose something, else nothing is tested."""
    writer, entries = write(boot, tiny, work_dir, driver, device, "")
    lost = cuts(writer, entries)
    assert not lost, lost
    assert len(cuts(writer, [e for e in entries if not e.flags & blklog.FLUSH])) > POINTS // 2


@qemu_only
@pytest.mark.parametrize("driver,device", [("ahci", "sata0"), ("virtio-blk", "virtio0")])
def test_through(boot, tiny, work_dir, driver, device):
    """For a driver that knows of no cache each answer is an acknowledgement. QEMU's NVMe takes no notice of FUA: see test_fua."""
    writer, entries = write(boot, tiny, work_dir, driver, device, "through")
    lost = cuts(writer, entries)
    assert not lost, lost


NVME_COMMAND, NVME_WRITE, NVME_ZEROES, NVME_FUA = 64, 1, 8, 1 << 30


def physical_memory(work_dir, address, size):
    """By QEMU's monitor, which takes its time."""
    path = os.path.join(work_dir, hex(address))
    machine.monitor(work_dir, f'pmemsave {address:#x} {size} "{path}"')
    for _ in range(600):
        if os.path.exists(path) and os.path.getsize(path) == size:
            break
        time.sleep(0.1)
    with open(path, "rb") as f:
        return f.read()


@qemu_only
@pytest.mark.parametrize("words,fua", [("", {False}), ("through", {True})])
def test_fua(boot, tiny, work_dir, words, fua):
    """The last commands in NVMe's queues: for a driver that knows of no cache each write is to be on the medium when it is answered."""
    trace = os.path.join(work_dir, "trace")
    image = devices.blank(os.path.join(work_dir, "disk.img"), SIZE)
    run_writer(boot, tiny, "nvme0", words, (*devices.disk(image, "nvme"), "-trace", "pci_nvme_create_sq", "-D", trace))
    with open(trace, encoding="utf-8") as f:
        queues = re.findall(r"addr=(0x[0-9a-f]+), sqid=[1-9]\d*, cqid=\d+, qsize=(\d+)", f.read())
    seen = []
    for address, last in queues:
        commands = physical_memory(work_dir, int(address, 16), (int(last) + 1) * NVME_COMMAND)
        seen += [bool(cdw12 & NVME_FUA) for opcode, cdw12 in struct.iter_unpack("<B47xI12x", commands)
                 if opcode in (NVME_WRITE, NVME_ZEROES)]
    assert len(seen) > 32 and set(seen) == fua, seen


FS_SIZE = 16 << 20
RECORDS = [f"record {n} of many\n".encode() for n in range(100, 160)]
# Each record is acknowledged by fsync() before the next is written, which so says it; other files are written and not flushed.
APPEND = (f"for i in $(seq 100 {99 + len(RECORDS)}); do echo $i >/m/$((i%7)); echo record $i of many | "
          "dd of=/m/log oflag=append conv=notrunc,fsync 2>/tmp/dd && echo acknowledged $i; done")


def records_before(entries):
    """How many records were acknowledged at least, before each entry of the log was done."""
    each = (max(map(int, re.findall(rb"record (\d{3}) of many", e.data or b"")), default=100) - 100 for e in entries)
    return list(itertools.accumulate(each, max))


def file_lost(image, acknowledged):
    """What a file system lacks, once its journal is replayed, as text; None: it is whole and has these records."""
    def run(*command):
        return subprocess.run(command, capture_output=True, check=False)

    done = run("/sbin/e2fsck", "-p", image)
    if done.returncode not in (0, 1):
        return f"e2fsck can't mend it: {done.stdout!r}"
    done = run("/sbin/e2fsck", "-fn", image)
    if done.returncode:
        return f"e2fsck finds mistakes behind the replay: {done.stdout!r}"
    has = run("/sbin/debugfs", "-R", "cat /log", image).stdout
    if not has.startswith(b"".join(RECORDS[:acknowledged])):
        return f"of {acknowledged} records {has.count(b'record')} are there: {has[-60:]!r}"
    return None if b"".join(RECORDS).startswith(has) else f"the file has what was not written: {has[-60:]!r}"


def file_cuts(entries, work_dir, points):
    promised = records_before(entries)
    first = next(i for i, n in enumerate(promised) if n)
    path = os.path.join(work_dir, "cut.img")
    lost = []
    for point in sorted(random.Random(SEED).sample(range(first + 1, len(entries) + 1), points)):
        with open(path, "wb") as f:
            f.write(blklog.after_cut(entries[:point], FS_SIZE, random.Random(SEED + point)))
        what = file_lost(path, promised[point - 1])
        if what:
            lost.append(f"seed {SEED}, cut behind entry {point} of {len(entries)}: {what}")
    return lost


@qemu_only
def test_file_system(boot, vendor, work_dir):
    """ext4 of Debian's kernel: its journal makes it whole after each cut, and what fsync() has acknowledged is in the file."""
    image, log = os.path.join(work_dir, "disk.img"), os.path.join(work_dir, "disk.log")
    devices.blank(image, FS_SIZE)
    m = boot_tools(boot, vendor, extra="disk = data\n[disk data]\ndevice = nvme0", cpus=2,
                   amd={"extra": devices.disk(image, "nvme", log=log)})
    linux.shell(m, "/bin/mke2fs -q -t ext4 /dev/vda && mkdir /m && mount /dev/vda /m", 200)
    said = linux.shell(m, APPEND, 300)
    assert len(re.findall(r"^acknowledged \d+\s*$", said, re.M)) == len(RECORDS), said
    linux.detach(m)
    m.send("vm destroy web\r")
    m.expect("vm web: stopped: destroyed", 60)
    m.close()
    with open(log, "rb") as f:
        entries = blklog.parse(f.read(), FS_SIZE)
    assert records_before(entries)[-1] > len(RECORDS) - 5
    lost = file_cuts(entries, work_dir, POINTS)
    assert not lost, lost
    assert file_cuts([e for e in entries if not e.flags & blklog.FLUSH], work_dir, 10)


def log_of(*entries, count=None, magic=blklog.MAGIC, block=512):
    """A log of (sector, sectors, flags, data)."""
    blocks = [blklog.SUPER.pack(magic, 1, len(entries) if count is None else count, block).ljust(block, b"\0")]
    for sector, sectors, flags, data in entries:
        blocks.append(struct.pack("<QQQQ", sector, sectors, flags, 0).ljust(block, b"\0") + data)
    return b"".join(blocks)


def refused(log):
    with pytest.raises(blklog.LogError):
        blklog.parse(log, 8 * 512)


@qemu_only
def test_log():
    """The log's reader refuses what is none; a cut leaves what was flushed, and of the rest all, some or nothing."""
    a, b = b"a" * 1024, b"b" * 512
    for bad in (b"", bytes(512), log_of(magic=1), log_of(block=7), log_of(count=1 << 40), log_of(count=1), log_of((0, 1, 16, b)),
                log_of((8, 1, 0, b)), log_of((1 << 60, 1, 0, b)), log_of((0, 1 << 60, 0, b)), log_of((0, 1, blklog.MARK, b)),
                log_of((0, 1, 0, b), (0, 0, 0, b""))[:-1024]):
        refused(bad)
    entries = blklog.parse(log_of((0, 2, 0, a), (0, 0, blklog.FLUSH, b""), (2, 1, 0, b), (3, 1, blklog.FUA, b), (0, 2, blklog.DISCARD, b"")),
                           8 * 512)
    assert [e.length for e in entries] == [1024, 0, 512, 512, 1024]
    images = [blklog.after_cut(entries, 8 * 512, random.Random(n)) for n in range(200)]
    assert {i[:1024] for i in images} == {a, bytes(1024), b"a" * 512 + bytes(512), bytes(512) + b"a" * 512}
    assert {i[1024:1536] for i in images} == {b, bytes(512)}
    assert {i[1536:] for i in images} == {b + bytes(4 * 512)}
    assert all(blklog.after_cut(entries[:2], 1024, random.Random(n)) == a for n in range(20))
