#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Runs Bochs with its COM1 on this terminal: bochs.py BOCHSRC, where @TERMINAL@ stands for the device.

The terminal is raw meanwhile; Ctrl-A X ends Bochs, Ctrl-A Ctrl-A sends one Ctrl-A.
"""
import os
import select
import subprocess
import sys
import termios
import tty

PREFIX = b"\x01"


def start(rc_path):
    """Starts Bochs; returns its process and the file descriptor that is its COM1."""
    master, slave = os.openpty()
    tty.setraw(slave)
    with open(rc_path, encoding="utf-8") as f:
        rc = f.read().replace("@TERMINAL@", os.ttyname(slave))
    with open(rc_path, "w", encoding="utf-8") as f:
        f.write(rc)
    # Debian's Bochs has the debugger built in, and waits for its commands.
    commands = rc_path + ".debugger"
    with open(commands, "w", encoding="utf-8") as f:
        f.write("c\nquit\n")
    with open(rc_path + ".out", "wb") as log:
        process = subprocess.Popen(["bochs-bin", "-q", "-f", rc_path, "-rc", commands],
                                   stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    return process, master


def split_input(data, after_prefix):
    """The bytes for COM1, whether to leave, and whether a prefix key is still open."""
    out = bytearray()
    for b in data:
        c = bytes([b])
        if after_prefix:
            if c in b"xX":
                return bytes(out), True, False
            out += c
            after_prefix = False
        elif c == PREFIX:
            after_prefix = True
        else:
            out += c
    return bytes(out), False, after_prefix


def copy(process, com1):
    prefix = False
    inputs = [com1, sys.stdin.fileno()]
    while process.poll() is None:
        ready, _, _ = select.select(inputs, [], [], 0.2)
        if com1 in ready:
            os.write(sys.stdout.fileno(), os.read(com1, 4096))
        if sys.stdin.fileno() in ready:
            data = os.read(sys.stdin.fileno(), 1024)
            if not data:
                inputs.remove(sys.stdin.fileno())
            data, leave, prefix = split_input(data, prefix)
            os.write(com1, data)
            if leave:
                return


def main():
    process, com1 = start(sys.argv[1])
    saved = termios.tcgetattr(sys.stdin) if sys.stdin.isatty() else None
    if saved:
        tty.setraw(sys.stdin)
    try:
        copy(process, com1)
    finally:
        if saved:
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, saved)
        process.kill()
        process.wait()
    print()


main()
