# SPDX-License-Identifier: BSD-2-Clause
"""The guest's PCI bus as Debian's kernel and pciutils see it."""
import re

import linux
from test_guest import run_tiny
from test_linux import EVEN
from test_virtio import boot_tools

# One of each device.
ALL = ("hvc0 = console\nballoon = yes\ndisk = data\nnet = lan\nshared = box\n"
       "[disk data]\nsize = 1M\n[net lan]\n[shared box]\nsize = 1M\n")

# Identity: BARs as (kind, size), MSI-X vectors; None: no such capability.
REGISTERS = ("32-bit, non-prefetchable", "16K")
MSIX = ("32-bit, non-prefetchable", "4K")
DEVICES = {
    "1b36:0008": ((), None),
    "1af4:1044": ((REGISTERS, MSIX), 2),   # entropy: a queue, and changes of its configuration
    "1af4:1041": ((REGISTERS, MSIX), 6),   # network: two pairs, control
    "1af4:1042": ((REGISTERS, MSIX), 3),   # disk: two queues
    "1af4:1043": ((REGISTERS, MSIX), 3),   # console
    "1af4:1045": ((REGISTERS, MSIX), 4),   # balloon: inflate, deflate, statistics
    "1af4:1110": ((("32-bit, non-prefetchable", "256"), MSIX, ("64-bit, prefetchable", "1M")), 8),
}

# What lspci says of what it finds wrong, and the kernel of what it can't use.
LSPCI_COMPLAINS = re.compile(r"!!!|<access denied>|\[disabled\]|\[virtual\]|<ignored>|<unassigned>|<chain |Unknown header|"
                             r"<unavailable>|broken|bogus|invalid|[Ee]rror|[Cc]annot|\?\?|<\?>")
KERNEL_COMPLAINS = re.compile(r"(?i)can't|invalid|no space|fail|conflict|bogus|broken|unable|disabl")
# Without modules' indices of kmod, which this root doesn't have.
KMOD = r"lspci: Unable to load libkmod resources: error -2\r*\n"

# VIRTIO 1.2, "Virtio Structure PCI Capabilities"; pciutils doesn't know the window in configuration space.
VIRTIO = {"CommonCfg": "0000003c", "Notify": "00000100 multiplier=00000004", "ISR": "00000001", "DeviceCfg": "00001000",
          "<unknown>": "00000000"}


def sections(listing):
    """lspci's paragraphs, by slot: (identity, text)."""
    found = re.findall(r"^([0-9a-f]{2}:[0-9a-f]{2}\.[0-7]) Class [0-9a-f]{4}: Device ([0-9a-f:]{9}).*\n((?:\t.*\n)*)", listing, re.M)
    return {slot: (identity, text) for slot, identity, text in found}


def check_function(identity, text):
    bars, vectors = DEVICES[identity]
    assert not LSPCI_COMPLAINS.search(text), text
    assert re.findall(r"Region \d: Memory at [0-9a-f]+ \((.*?)\) \[size=(\w+)\]", text) == list(bars), text
    assert re.findall(r"MSI-X: Enable[+-] Count=(\d+) Masked-", text) == ([str(vectors)] if vectors else []), text
    if vectors:
        assert "Vector table: BAR=1 offset=00000000" in text and "PBA: BAR=1 offset=00000800" in text, text
    if identity.startswith("1af4:104"):
        caps = dict(re.findall(r"VirtIO: (\S+)\n\t\tBAR=0 offset=[0-9a-f]+ size=(.*)\n", text))
        assert caps == VIRTIO, text
        assert re.search(r"Interrupt: pin A routed to IRQ \d+", text) and "MSI-X: Enable+" in text, text
        assert "Kernel driver in use: virtio-pci" in text, text


def test_lspci(boot, vendor):
    """pciutils and the kernel have nothing to complain of, whichever way they come; each device has what it must have."""
    m = boot_tools(boot, vendor, extra="vcpus = 2\n" + ALL, amd=EVEN)
    listing = re.sub(KMOD, "", linux.shell(m, "lspci -vv 2>&1", 100)).replace("\r", "")
    found = sections(listing)
    assert sorted(identity for identity, _ in found.values()) == sorted(DEVICES), listing
    for identity, text in found.values():
        check_function(identity, text)
    log = linux.shell(m, "dmesg -r").replace("\r", "")
    assert not linux.warnings(log), linux.warnings(log)
    wrong = [line for line in log.splitlines() if re.search(r"(?i)\bpci\b|virtio", line) and KERNEL_COMPLAINS.search(line)]
    assert not wrong, wrong
    # By the kernel, which uses ECAM, and by pciutils itself at the ports; all buses that there could be.
    linux.shell(m, "lspci -xxx >/tmp/ecam && lspci -A intel-conf1 -xxx >/tmp/ports && cmp /tmp/ecam /tmp/ports", 100)
    tree = linux.shell(m, "lspci -A intel-conf1 -M 2>&1", 200)
    assert set(re.findall(r"^([0-9a-f:.]{7}) Class", tree, re.M)) == set(found) and "Summary of buses" in tree, tree
    assert not LSPCI_COMPLAINS.search(tree), tree


def test_high_window(boot, vendor):
    """A BAR that fits nowhere below 4 GiB: Linux puts it above, and what is written there is what is read, to its last word."""
    # Bochs has no more than 2 GiB, with ACPI's tables at the end; Linux puts a smaller one above too.
    size, memory = ("1G", 3072) if vendor == "amd" else ("512M", 2048)
    end = int(size[:-1]) << (30 if size == "1G" else 20)
    m = boot_tools(boot, vendor, extra=f"shared = box\n[shared box]\nsize = {size}\n", memory=memory, amd=EVEN)
    log = linux.shell(m, "dmesg -r").replace("\r", "")
    assert not linux.warnings(log), linux.warnings(log)
    assert re.search(r"root bus resource \[mem 0x100000000-0x[0-9a-f]*fffffff window\]", log), log
    device = linux.shell(m, "lspci -vv -d 1af4:1110", 100)
    at = int(re.search(rf"Region 2: Memory at ([0-9a-f]+) \(64-bit, prefetchable\) \[size={size}\]", device).group(1), 16)
    assert at >= 1 << 32, device
    for offset, value in ((0, 0x12345678), (end - 4, 0x9abcdef0)):
        linux.shell(m, f"devmem {at + offset:#x} 32 {value:#x}")
    for offset, value in ((0, 0x12345678), (end // 2, 0), (end - 4, 0x9abcdef0)):
        assert f"0x{value:08X}" in linux.shell(m, f"devmem {at + offset:#x} 32")


def test_model(boot, tiny):
    """Random accesses to the configuration space of each device find what a model of the specification says."""
    m = run_tiny(boot, tiny, "pcimodel", keys=ALL, timeout=200)
    assert "t| 7 functions" in m.log()
