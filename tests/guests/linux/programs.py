#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Adds programs to the Linux guests' root: programs.py PACKAGES_ROOT BASE_INITRD OUT --without "LIBRARY ..." PROGRAM ...

PACKAGES_ROOT holds Debian's packages unpacked. The kernel unpacks archives that lie one behind the other (Linux,
Documentation/driver-api/early-userspace/buffer-format.rst), so that this one holds the programs and their libraries alone.
A library that the programs do without is replaced by an empty one: the dynamic loader wants its symbols, nobody calls them.
"""
import argparse
import collections
import os
import re
import subprocess
import tempfile

from initramfs import Archive, read

LIBRARIES = "lib/x86_64-linux-gnu"
LOADER = "ld-linux-x86-64.so.2"


def find(root, name):
    for place in ("lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu", "lib64"):
        path = os.path.join(root, place, name)
        if os.path.exists(path):
            return os.path.realpath(path)
    raise SystemExit(f"error: no package holds {name}")


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def needed(path):
    return re.findall(r"NEEDED\s+(\S+)", output("objdump", "-p", path))


def closure(root, programs, without):
    """{name: path} of the libraries, but those that are replaced; and the names of these that are needed."""
    found, replaced, waiting = {}, set(), [name for p in programs for name in needed(p)]
    while waiting:
        name = waiting.pop()
        if name in without:
            replaced.add(name)
        elif name not in found:
            found[name] = find(root, name)
            waiting += needed(found[name])
    return found, replaced


def undefined(path):
    """(symbol, version or "") that a program must have from its libraries."""
    listing = output("readelf", "--dyn-syms", "-W", path)
    return [(s, v or "") for s, v in re.findall(r" GLOBAL +DEFAULT +UND (\w+)(?:@(\S+))?", listing)]


def defined(path):
    return set(re.findall(r"\s(?:GLOBAL|WEAK)\s+DEFAULT\s+\d+\s+(\w+)", output("readelf", "--dyn-syms", "-W", path)))


def versions(path):
    """{version: library} of the versions of symbols that a program asks its libraries for."""
    found, library = {}, None
    for line in output("readelf", "-V", "-W", path).splitlines():
        if m := re.search(r"File: (\S+)", line):
            library = m.group(1)
        elif m := re.search(r"Name: (\S+)\s+Flags", line):
            found[m.group(1)] = library
    return found


def replacements(programs, found, replaced):
    """{library: {version: {symbols}}} for the libraries that are replaced. Symbols without a version may be in any."""
    wanted = {name: collections.defaultdict(set) for name in replaced}
    there = set().union(*(defined(path) for path in found.values()))
    for program in programs:
        library_of = versions(program)
        mine = sorted(set(needed(program)) & replaced)
        for symbol, version in undefined(program):
            library = library_of.get(version) or (mine[0] if mine and symbol not in there else None)
            if library in wanted:
                wanted[library][version].add(symbol)
    return wanted


def build(name, by_version, work):
    """An empty shared library with these symbols."""
    source, script, out = (os.path.join(work, f) for f in ("empty.c", "versions", name))
    with open(source, "w", encoding="ascii") as f:
        f.writelines(f"void {symbol}(void) {{ __builtin_trap(); }}\n" for s in by_version.values() for symbol in sorted(s))
    with open(script, "w", encoding="ascii") as f:
        f.writelines(f"{v} {{ global: {'; '.join(sorted(s))}; }};\n" for v, s in sorted(by_version.items()) if v)
    options = [f"-Wl,--version-script={script}"] if any(by_version) else []
    subprocess.run(["gcc", "-shared", "-fpic", "-nostdlib", "-fno-builtin", "-w", f"-Wl,-soname,{name}", *options,
                    "-o", out, source], check=True)
    return out


def main():
    p = argparse.ArgumentParser()
    p.add_argument("root")
    p.add_argument("base")
    p.add_argument("out")
    p.add_argument("--without", default="")
    p.add_argument("programs", nargs="+")
    args = p.parse_args()
    programs = [os.path.join(args.root, name) for name in args.programs]
    found, replaced = closure(args.root, programs, set(args.without.split()))
    a = Archive()
    for d in ("lib64", LIBRARIES):
        a.directory(d)
    # Over busybox's of the same name.
    for path in programs:
        a.file("bin/" + os.path.basename(path), read(path), 0o755)
    with tempfile.TemporaryDirectory() as work:
        for name, by_version in replacements(programs, found, replaced).items():
            found[name] = build(name, by_version, work)
        for name, path in sorted(found.items()):
            a.file(f"lib64/{name}" if name == LOADER else f"{LIBRARIES}/{name}", read(path), 0o755)
    a.add("TRAILER!!!", 0)
    with open(args.out, "wb") as f:
        f.write(read(args.base) + a.out)


main()
