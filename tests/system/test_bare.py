# SPDX-License-Identifier: BSD-2-Clause
"""The same guest on the bare emulator and under Ingot: instructions, exceptions, paging and events end alike."""
import re
from fnmatch import fnmatch

import pytest

from test_guest import golden_lines, run_tiny

ROW = re.compile(r"= ([^:]+):(.*?)\s*$", re.M)


@pytest.mark.parametrize("name", ["insn", "paging", "events"])
def test_same(boot, bare, tiny, vendor, name):
    guest = f"same_{name}"
    words = "tcg" if vendor == "amd" else ""
    m = bare(guest, words)
    m.expect("DONE 0 failed", 60)
    outside = dict(ROW.findall(m.log()))
    m.close()
    inside = dict(ROW.findall(run_tiny(boot, tiny, guest, words).log()))
    assert len(outside) > 100 and outside.keys() == inside.keys(), outside.keys() ^ inside.keys()
    differ = [row for row in outside if outside[row] != inside[row]]
    known = [line.split(" ", 1)[1] for line in golden_lines(f"bare-{vendor}.txt") if line.startswith(name + " ")]
    new = [row for row in differ if not any(fnmatch(row, k) for k in known)]
    assert not new, "\n".join(f"{row}:\n  bare  {outside[row]}\n  Ingot {inside[row]}" for row in new)
    old = [k for k in known if not any(fnmatch(row, k) for row in differ)]
    assert not old, f"no longer different: {old}"
