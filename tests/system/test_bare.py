# SPDX-License-Identifier: BSD-2-Clause
"""The same guest on the bare emulator and under Ingot: modes, instructions, exceptions, paging and events end alike."""
import re
from fnmatch import fnmatch

import pytest

from test_guest import golden_lines, run_tiny

ROW = re.compile(r"= ([^:]+):(.*?)\s*$", re.M)


def rows_of_bare(bare, guest, words):
    m = bare(guest, words)
    m.expect("DONE 0 failed", 90)
    rows = dict(ROW.findall(m.log()))
    m.close()
    return rows


def compare(vendor, name, outside, inside):
    """Where the rows differ golden/ says so, with the reason; and nowhere else."""
    assert outside and outside.keys() == inside.keys(), outside.keys() ^ inside.keys()
    differ = [row for row in outside if outside[row] != inside[row]]
    known = [line.split(" ", 1)[1] for line in golden_lines(f"bare-{vendor}.txt") if line.startswith(name + " ")]
    new = [row for row in differ if not any(fnmatch(row, k) for k in known)]
    assert not new, "\n".join(f"{row}:\n  bare  {outside[row]}\n  Ingot {inside[row]}" for row in new)
    old = [k for k in known if not any(fnmatch(row, k) for row in differ)]
    assert not old, f"no longer different: {old}"


@pytest.mark.parametrize("name", ["insn", "paging", "events"])
def test_same(boot, bare, tiny, vendor, name):
    guest = f"same_{name}"
    words = "tcg" if vendor == "amd" else ""
    outside = rows_of_bare(bare, guest, words)
    assert len(outside) > 100
    compare(vendor, name, outside, dict(ROW.findall(run_tiny(boot, tiny, guest, words).log())))


def test_modes(boot, bare, tiny, vendor):
    """Real to 64-bit mode."""
    outside = rows_of_bare(bare, "modes", "bare")
    assert len(outside) > 20
    compare(vendor, "modes", outside, dict(ROW.findall(run_tiny(boot, tiny, "modes").log())))
