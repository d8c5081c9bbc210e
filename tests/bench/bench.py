#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""The performance figures, on both vendors, as a table, checked against limits and the last known values.

On the emulators the time stamp counter counts instructions, so the figures are exact and the same every time:
QEMU with `-icount shift=0,sleep=off` (TSC 1 GHz; with several CPUs the sum over all of them) for AMD, Bochs with
`clock: sync=none` (with several CPUs the instructions of one) for Intel. Idle time counts like instructions there.
Debian's boot on AMD is counted by QEMU itself (exits.c): executed instructions alone, no idle time.

bench.py [--vendor amd|intel] [--short] [--update]
"""
import argparse
import collections
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BUILD = os.path.join(ROOT, "build")
BASELINE = os.path.join(HERE, "baseline.txt")
sys.path.insert(0, os.path.join(ROOT, "tests", "system"))
sys.dont_write_bytecode = True

import bochs  # noqa: E402
import linux  # noqa: E402
import machine  # noqa: E402
import plugin  # noqa: E402

VENDORS = ("amd", "intel")
TOLERANCE = 0.02  # growth over the baseline that passes

# limit: {vendor: (most, aim)}. A figure above its limit fails once it has been within; absent: only growth is looked at.
Figure = collections.namedtuple("Figure", "name unit text limit")
# Round trips are of the guest, its loop included; it tells what they are.
ROUND_TRIPS = [
    Figure("loop", "instr", None, {}),
    Figure("cpuid", "instr", None, {"amd": (250, 120), "intel": (150, 100)}),
    Figure("rdmsr", "instr", None, {"amd": (250, 120), "intel": (150, 100)}),
    Figure("hypercall", "instr", None, {"amd": (150, 70)}),
    Figure("out-nobody", "instr", None, {"amd": (200, 120), "intel": (150, 100)}),
    Figure("in-lsr", "instr", None, {"amd": (250, 150)}),
    Figure("apic-read", "instr", None, {"amd": (600, 400), "intel": (600, 400)}),
    Figure("apic-eoi", "instr", None, {"amd": (600, 400), "intel": (600, 400)}),
    Figure("self-ipi", "instr", None, {"amd": (1200, 800), "intel": (1000, 800)}),
    Figure("self-ipi-hlt", "instr", None, {"amd": (2000, 1200), "intel": (1500, 1200)}),
    Figure("timer-hlt", "instr", None, {"amd": (2000, 1200), "intel": (1500, 1200)}),
]
told = {}  # {name: text}
# Of devices, by the guests bench_*.c: round trips, and all exits for each of many turns.
DEVICES = [
    Figure("blk-read", "instr", None, {"amd": (2500, 0), "intel": (2500, 0)}),
    Figure("blk-read-16", "instr", None, {"amd": (2500, 0), "intel": (2500, 0)}),
    # Once in a thousand turns or so comes a timer of the host.
    Figure("blk-exits-1", "/1000", "exits for each read of 4 KiB of a disk in memory, one at a time",
           {"amd": (1005, 1000), "intel": (1005, 1000)}),
    Figure("blk-exits-32", "/1000", "the same, 32 at a time", {"amd": (250, 0), "intel": (250, 0)}),
]


def own_disk(name):
    return f"disk = of-{name}\n[disk of-{name}]\nsize = 1M\n"


# Turns of a guest with these words, of which it does double the number with "twice"; keys: a function of the guest's name.
Repeated = collections.namedtuple("Repeated", "guest words keys turns")
REPEATED = {
    "blk-exits-1": Repeated("bench_blk", "exits", own_disk, 1024),
    "blk-exits-32": Repeated("bench_blk", "exits depth-32", own_disk, 1024),
}
BOOT = [
    Figure("boot", "instr", "first instruction to the first guest's, two guests on two CPUs",
           {"amd": (60000000, 0), "intel": (60000000, 0)}),
    Figure("boot-wait", "instr", "apart from it: waiting for hardware", {}),
    Figure("boot-scrub", "instr", "apart from it: scrubbing memory", {}),
    Figure("guest-memory", "KiB", "host memory for a guest, beyond its own and tables", {"amd": (256, 0), "intel": (256, 0)}),
]
# Debian's cloud kernel with 256 MiB and one vCPU, from its first instruction to /init's. What it would take without Ingot is
# what it takes on the bare emulator, or what the guest itself takes of it, if that is less: the bare PC has more
# devices to look at. So the first two are never below 1000, and tell what Ingot adds.
LINUX = [
    Figure("linux-quiet", "/1000", "Debian's kernel to /init, `quiet`: instructions of guest and host over those without Ingot",
           {"amd": (1020, 1005)}),
    Figure("linux-verbose", "/1000", "the same with its messages on ttyS0", {"amd": (1100, 1050)}),
    Figure("linux-bare", "/1000", "`quiet`: instructions on bare QEMU over those of the guest", {}),
    Figure("linux-exits", "exits", "`quiet`, its drivers of the HPET left out: exits", {}),
    Figure("linux-hpet", "exits", "what they add: they read and write the HPET for 2 ms, as often as exits are quick", {}),
    Figure("linux-exit", "instr", "`quiet`: the host's instructions of an exit, mean", {"amd": (800, 400)}),
    Figure("linux-ticks", "1000", "`quiet`: instructions of guest and host and idle time, from its first time stamp", {}),
]
# Of guests on a switch, by bench_net.c.
NETWORK = [
    Figure("net-packet", "instr", "a full-size packet from guest to guest, beyond its copy", {v: (600, 300) for v in VENDORS}),
    Figure("net-guests-4", "/1000", "a packet's cost with 4 guests on the switch, all sending, over that with 2", {v: (1100, 1000) for v in VENDORS}),
    Figure("net-guests-16", "/1000", "the same with 16 guests", {v: (1100, 1000) for v in VENDORS}),
    Figure("net-stream", "exits", "of both guests for 1000 full-size packets of a stream like TCP, both on one CPU", {v: (125, 16) for v in VENDORS}),
    Figure("console", "/1000", "exits for 64 bytes written to the virtio console", {v: (1000, 200) for v in VENDORS}),
    Figure("net-stream-2", "exits", "the same with a CPU for each", {v: (125, 16) for v in VENDORS}),
]
IMAGE = [Figure("image", "KiB", "text and data of the image", {"amd": (512, 0), "intel": (512, 0)})]
# Waits last as long as the hardware says, the empty loop is the compiler's: not held against the baseline.
# The quicker exits are, the more of them there are in Linux' calibration of the HPET. With two CPUs, who sleeps when the other
# sends goes by the phases of their timers.
UNGATED = {"loop", "boot-wait", "boot-scrub", "linux-hpet", "net-stream-2"}
# The bare kernel is spared what a guest is spared: waiting for timers, to try and to measure them.
BARE_CMDLINE = "no_timer_check noapictimer"
# Linux' drivers of the HPET, without which it isn't calibrated (drivers/char/hpet.c, hpet_calibrate()).
NO_HPET = "initcall_blacklist=hpet_late_init,hpet_init"
# Instructions a second of Bochs for Linux, as QEMU has them: so the kernel's clock ticks as often in both.
LINUX_IPS = 1000000000


def start(vendor, name, config, files, cpus, extra=(), **bochs_options):
    """Boots a configuration on the vendor's emulator, in the mode where ticks are instructions. extra: for QEMU."""
    work_dir = os.path.join(BUILD, "bench", f"{vendor}-{name}")
    os.makedirs(work_dir, exist_ok=True)
    cfg = os.path.join(work_dir, "ingot.cfg")
    with open(cfg, "w", encoding="utf-8") as f:
        f.write(config)
    image = machine.small_iso(BUILD, work_dir, {"ingot.cfg": cfg, **files})
    if vendor == "amd":
        return machine.start_qemu(image, work_dir, cpus=cpus, memory=512, cpu="EPYC,+svm,+npt",
                                  extra=(*machine.EVEN, *extra))
    return bochs.start(image, work_dir, cpus=cpus, memory=512, **bochs_options)


def tiny(name):
    return {name: os.path.join(BUILD, "guests", name)}


def retried(function, *args):
    """QEMU sometimes aborts by itself: one more try."""
    try:
        return function(*args)
    except machine.MachineAborted:
        return function(*args)


def round_trips(vendor, guest="bench", keys=""):
    """{name: value} of tests/guests/bench.c, or another guest that prints alike. keys: more of its configuration."""
    m = start(vendor, guest, f"[vm t]\nmemory = 16M\nkernel = {guest}\n{keys}", tiny(guest), 1)
    try:
        m.expect(r"t\| DONE (\d+) failed", 240)
        if m.match.group(1) != "0":
            raise AssertionError("the benchmark guest failed: " + m.log_path)
    finally:
        m.close()
    rows = re.findall(r"BENCH (\S+) +(\d+)  ([^\r\n]+)", m.log())
    told.update((name, text) for name, _, text in rows)
    return {name: int(value) for name, value, _ in rows}


def exits_each(vendor, repeated):
    """Thousandths of an exit for each turn: by how many more there are of double the number."""
    runs = {"once": "", "again": " twice"}
    config = "".join(f"[vm {name}]\nmemory = 16M\nautostart = no\non_poweroff = preserve\nkernel = {repeated.guest}\n"
                     f"cmdline = {repeated.words}{more}\n{repeated.keys(name)}" for name, more in runs.items())
    m = start(vendor, f"exits-{repeated.guest}", config, tiny(repeated.guest), 1)
    try:
        m.expect(machine.PROMPT, 120)
        count = {}
        for name in runs:
            m.send(f"vm start {name}\r")
            m.expect(rf"{name}\| DONE (\d+) failed", 240)
            if m.match.group(1) != "0":
                raise AssertionError("the benchmark guest failed: " + m.log_path)
            m.expect(r"its memory is preserved", 60)
            m.send("\r")
            m.expect(machine.PROMPT + r"\s*$")
            count[name] = m.exits(name)
        return ((count["again"] - count["once"]) * 1000 + repeated.turns // 2) // repeated.turns
    finally:
        m.close()


def ended(m, guests):
    """Waits for the ends of guests whose memory is preserved; then the prompt is there."""
    for _ in range(guests):
        m.expect("its memory is preserved", 300)
    m.send("\r")
    m.expect(machine.PROMPT + r"\s*$")
    if re.search(r"FAIL|DONE [1-9]", m.log()):
        raise AssertionError("the benchmark guest failed: " + m.log_path)


def pairs_config(pairs, cpus, words):
    """Pairs of guests on one switch, on one CPU or one for senders and one for their peers."""
    config = "[net lan]\n"
    for i in range(2 * pairs):
        role = ("peer", "send")[i % 2]
        config += (f"[vm {role}{i // 2}]\nmemory = 8M\nkernel = bench_net\ncmdline = {role} {words}\nrng = no\non_poweroff = preserve\n"
                   f"net = lan mac=52:54:00:00:00:{i:02x}\ncpuset = {i % cpus}\n")
    return config


def run_pairs(vendor, pairs, cpus=1, words=""):
    """({name: the largest of the pairs' values}, packets of the stream, exits of the first pair)"""
    m = start(vendor, f"net{2 * pairs}", pairs_config(pairs, cpus, words), tiny("bench_net"), cpus, ips=LINUX_IPS)
    try:
        ended(m, 2 * pairs)
        values = {}
        for name, value in re.findall(r"BENCH (\S+) +(\d+)", m.log()):
            values[name] = max(values.get(name, 0), int(value))
        return values, int(re.search(r"STREAM (\d+)", m.log()).group(1)), m.exits("send0") + m.exits("peer0")
    finally:
        m.close()


def devices(vendor):
    got = round_trips(vendor, "bench_blk", own_disk("t"))
    got.update((name, exits_each(vendor, repeated)) for name, repeated in REPEATED.items())
    return got


def stream_exits(vendor, cpus):
    """(as run_pairs, exits for 1000 packets): what a long stream has more than a short one."""
    values, packets, exits = run_pairs(vendor, 1, cpus)
    _, packets_long, exits_long = run_pairs(vendor, 1, cpus, "long")
    return values, thousandths(exits_long - exits, packets_long - packets)


def console_exits(vendor):
    """Thousandths of an exit for 64 bytes. Nothing is shown: the serial line would take seconds."""
    config = "".join(f"[vm {words or 'once'}]\nmemory = 8M\nautostart = no\non_poweroff = preserve\nkernel = bench_console\n"
                     f"cmdline = {words}\nrng = no\nhvc0 = console\n" for words in ("", "twice"))
    m = start(vendor, "console", config, tiny("bench_console"), 1, ips=LINUX_IPS)
    try:
        m.expect(machine.PROMPT, 120)
        count = []
        for name in ("once", "twice"):
            m.command(f"mute {name}")
            m.send(f"vm start {name}\r")
            ended(m, 1)
            count.append(m.exits(name))
        return (count[1] - count[0]) * 1000 // (32768 // 64)
    finally:
        m.close()


def network(vendor):
    values, stream = stream_exits(vendor, 1)
    values["net-stream"] = stream
    values["net-stream-2"] = stream_exits(vendor, 2)[1]
    for guests in (4, 16):
        values[f"net-guests-{guests}"] = thousandths(run_pairs(vendor, guests // 2, 1, "switch")[0]["net-packet"], values["net-packet"])
    values["console"] = console_exits(vendor)
    return values


def host_used(m):
    return int(re.search(r"^host +\d+K +(\d+)K", m.command("mem"), re.M).group(1))


def boot_and_memory(vendor):
    """What booting two guests cost, and what the second one added to the host's memory."""
    used, tables, values = [], 0, {}
    for guests in (1, 2):
        # One CPU for host work: what is left out is then never counted twice at the same time.
        config = "[host]\ncpuset = 0\n" + "".join(f"[vm g{i}]\nmemory = 16M\nkernel = hello\non_poweroff = preserve\n" for i in range(guests))
        m = start(vendor, f"boot{guests}", config, tiny("hello"), 2)
        try:
            for _ in range(guests):
                m.expect(r"its memory is preserved", 120)
            m.send("\r")
            m.expect(machine.PROMPT + r"\s*$")
            used.append(host_used(m))
            boot = re.search(r"boot: (\d+) TSC ticks to the first guest, of them (\d+) waiting for hardware, "
                             r"(\d+) scrubbing", m.command("version"))
            tables = int(re.search(r"page_tables +(\d+)K", m.command("vm show g0")).group(1))
        finally:
            m.close()
    total, wait, scrub = (int(n) for n in boot.groups())
    values = {"boot": total - wait - scrub, "boot-wait": wait, "boot-scrub": scrub}
    values["guest-memory"] = used[1] - used[0] - tables
    return values


def start_bare(cmdline, extra):
    """The same kernel on the bare emulator, with no device but the serial line."""
    work_dir = os.path.join(BUILD, "bench", "amd-bare")
    os.makedirs(work_dir, exist_ok=True)
    files = linux.files(BUILD, "vmlinuz", "initrd.img")
    return machine.start_qemu(None, work_dir, memory=256, cpu="EPYC",
                              extra=("-nodefaults", "-kernel", files["vmlinuz"], "-initrd", files["initrd.img"],
                                     "-append", f"console=ttyS0 hostname=d {cmdline} {BARE_CMDLINE}", *machine.EVEN, *extra))


def start_linux(vendor, cmdline, extra=()):
    config = linux.section("d", cmdline=cmdline)
    return start(vendor, "linux", config, linux.files(BUILD, "vmlinuz", "initrd.img"), 1, extra, ips=LINUX_IPS)


def wait_for_shell(m):
    m.expect(r"d:/[^\n]*# ", 300)


def counted_guest(cmdline):
    """The boot under Ingot, a plugin.Counts."""
    return plugin.counted(BUILD, "linux-ingot", lambda extra: start_linux("amd", f"{cmdline} nokaslr", extra), wait_for_shell,
                          linux_boot=True)


def counted_linux(cmdline):
    """The same, and instructions on the bare emulator."""
    bare = plugin.counted(BUILD, "linux-bare", lambda extra: start_bare(f"{cmdline} nokaslr", extra), wait_for_shell, linux_boot=True)
    return counted_guest(cmdline), bare.guest


def thousandths(a, b):
    return (a * 1000 + b // 2) // b


def over_none(ingot, bare):
    return thousandths(ingot.guest + ingot.host, min(bare, ingot.guest))


def linux_counts():
    quiet, quiet_bare = counted_linux("quiet")
    exits = counted_guest(f"quiet {NO_HPET}").exits
    return {"linux-quiet": over_none(quiet, quiet_bare), "linux-verbose": over_none(*counted_linux("")),
            "linux-bare": thousandths(quiet_bare, quiet.guest), "linux-exits": exits, "linux-hpet": quiet.exits - exits,
            "linux-exit": quiet.host // quiet.exits}


def linux_ticks():
    """Thousands of ticks in Bochs. Bare, the kernel finds that CPU's XSAVE at odds with itself and goes other ways."""
    m = start_linux("intel", "quiet nokaslr")
    try:
        m.expect("ready: 1 of 1", 60)
        m.send("console d\r")
        wait_for_shell(m)
        m.send("dmesg | grep Run./init\r")
        m.expect(r"\[ *(\d+)\.(\d{6})\] Run /init", 60)
        return {"linux-ticks": int(m.match.group(1)) * 1000000 + int(m.match.group(2))}
    finally:
        m.close()


def image_size():
    """KiB, rounded up."""
    out = subprocess.run(["size", os.path.join(BUILD, "ingot.elf")], check=True, stdout=subprocess.PIPE, text=True)
    text, data = (int(n) for n in out.stdout.splitlines()[1].split()[:2])
    return (text + data + 1023) // 1024


def read_baseline():
    if not os.path.exists(BASELINE):
        return {}
    with open(BASELINE, encoding="utf-8") as f:
        rows = [line.split() for line in f if line.strip() and not line.startswith("#")]
    return {(vendor, name): int(value) for vendor, name, value in rows}


def write_baseline(values):
    with open(BASELINE, "w", encoding="utf-8") as f:
        f.write("# SPDX-License-Identifier: BSD-2-Clause\n"
                "# Known values of the figures; `make bench UPDATE=1` writes them, `make bench` holds them.\n")
        for (vendor, name), value in values.items():
            f.write(f"{vendor} {name} {value}\n")


def judge(figure, vendor, value, baseline):
    """'' or what is wrong with the value."""
    limit, _ = figure.limit.get(vendor, (None, None))
    known = baseline.get((vendor, figure.name))
    if limit is not None and value > limit and (known is None or known <= limit):
        return "over the limit"
    if known is None or figure.name in UNGATED:
        return ""
    # The figures are whole numbers: one more is no growth.
    return f"grew from {known}" if value > known * (1 + TOLERANCE) + 1 else ""


def print_table(figures, vendors, values, baseline):
    """Prints a line a figure and vendor; the number of those that fail. A value above its limit has a star."""
    failed = 0
    print(f"{'FIGURE':<13} {'VENDOR':<6} {'VALUE':>9}  {'LIMIT':>9} {'AIM':>9} {'BEFORE':>9}  {'UNIT':<5} WHAT")
    for figure in figures:
        for vendor in vendors:
            if (vendor, figure.name) not in values:
                continue
            value = values[vendor, figure.name]
            wrong = judge(figure, vendor, value, baseline)
            known = baseline.get((vendor, figure.name), "-")
            limit, aim = figure.limit.get(vendor, (None, None))
            star = "*" if limit and value > limit else " "
            print(f"{figure.name:<13} {vendor:<6} {value:>9}{star} {limit or '-':>9} {aim or '-':>9} {known:>9}  "
                  f"{figure.unit:<5} {figure.text or told[figure.name]}{'  FAIL: ' + wrong if wrong else ''}", flush=True)
            failed += bool(wrong)
    return failed


def measure(vendor, short):
    got = retried(round_trips, vendor)
    got.update(retried(devices, vendor))
    if not short:
        got.update(retried(network, vendor))
        got.update(retried(boot_and_memory, vendor))
        got.update(retried(linux_counts if vendor == "amd" else linux_ticks))
        got["image"] = image_size()
    return got


def check(vendor, measured, figures):
    """For the system tests: what fails of the figures that the function measures, as texts."""
    got, baseline = retried(measured, vendor), read_baseline()
    wrong = [(f, judge(f, vendor, got[f.name], baseline)) for f in figures]
    return [f"{f.name}: {got[f.name]} {text}" for f, text in wrong if text]


def main():
    parser = argparse.ArgumentParser(description="measures Ingot and prints a table")
    parser.add_argument("--vendor", default="all", choices=("all", *VENDORS))
    parser.add_argument("--short", action="store_true", help="only what the tiny guests measure")
    parser.add_argument("--update", action="store_true", help="make these values the known ones")
    a = parser.parse_args()
    vendors = VENDORS if a.vendor == "all" else (a.vendor,)
    figures = ROUND_TRIPS + DEVICES if a.short else ROUND_TRIPS + DEVICES + NETWORK + BOOT + LINUX + IMAGE
    values = {}
    for vendor in vendors:
        for name, value in measure(vendor, a.short).items():
            values[vendor, name] = value
    baseline = read_baseline()
    failed = print_table(figures, vendors, values, {} if a.update else baseline)
    if a.update:
        write_baseline({**baseline, **values})
    if failed:
        print(f"{failed} figures fail: `make bench UPDATE=1` accepts growth, and the commit says why")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
