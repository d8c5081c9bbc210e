# SPDX-License-Identifier: BSD-2-Clause
"""The short part of `make bench`: round trips of common exits, and what devices cost, within their limits and not grown."""
import os
import subprocess
import sys

import conftest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "bench"))

import bench  # noqa: E402


def test_round_trips(vendor):
    wrong = bench.check(vendor, bench.round_trips, bench.ROUND_TRIPS)
    assert not wrong, "; ".join(wrong)


def test_devices(vendor):
    wrong = bench.check(vendor, bench.devices, bench.DEVICES)
    assert not wrong, "; ".join(wrong)


def test_network(vendor):
    wrong = bench.check(vendor, bench.network, bench.NETWORK)
    assert not wrong, "; ".join(wrong)


def test_iso(boot, work_dir):
    """The image that measures a machine: `make iso CONFIG=configs/bench.cfg`."""
    image = os.path.join(work_dir, "bench.iso")
    subprocess.run(["make", "-s", "-C", conftest.ROOT, "iso", "CONFIG=configs/bench.cfg", f"OUT={image}"], check=True,
                   env={**os.environ, "GRUB_TIMEOUT": "0"})
    m = boot(image=image)
    m.expect(r"bench\| Round trips in ticks of the time stamp counter", 120)
    for figure in bench.ROUND_TRIPS:
        m.expect(rf"bench\| BENCH {figure.name} +[1-9]\d*  \w", 240)
    m.expect(r"bench\| DONE 0 failed", 60)
