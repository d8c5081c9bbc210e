# SPDX-License-Identifier: BSD-2-Clause
"""Disks in memory, by Debian's virtio_blk."""
import linux
from test_virtio import boot_tools

BLANK = "\n[disk data]\nsize = 64M\n"


def test_disk_in_memory(boot, vendor):
    """A file system on a blank disk, written and verified, there again after a reboot; what was trimmed is memory again."""
    m = boot_tools(boot, vendor, extra="vcpus = 2\ndisk = data" + BLANK, cpus=2)
    assert "131072" in linux.shell(m, "cat /sys/block/vda/size")
    assert "data" in linux.shell(m, "cat /sys/block/vda/serial")
    linux.shell(m, "test $(ls /sys/block/vda/mq | wc -l) = 2")
    linux.shell(m, "/bin/mke2fs -q -t ext4 /dev/vda && mkdir /m && mount /dev/vda /m", 200)
    linux.shell(m, "fio --name=v --directory=/m --size=2M --rw=randwrite --bsrange=512-64k --verify=crc32c --direct=1 "
                   "--ioengine=libaio --iodepth=16 --numjobs=2 --randseed=7 >/tmp/fio || { cat /tmp/fio; false; }", 400)
    linux.shell(m, "yes 0123456789abcde | head -c 524288 >/m/file && umount /m", 100)
    log = linux.shell(m, "dmesg -r")
    assert not linux.warnings(log), linux.warnings(log)
    m.send("reboot\r")
    m.expect("Requesting system reboot", 60)
    m.expect("BusyBox", 240)
    m.expect(linux.SHELL, 60)
    linux.shell(m, "mkdir -p /m && /bin/e2fsck -fn /dev/vda && mount /dev/vda /m", 100)
    linux.shell(m, "test $(yes 0123456789abcde | head -c 524288 | md5sum | cut -c1-32) = $(md5sum </m/file | cut -c1-32)", 100)
    linux.shell(m, "umount /m && blkdiscard /dev/vda && cmp -n 4194304 /dev/vda /dev/zero", 200)
