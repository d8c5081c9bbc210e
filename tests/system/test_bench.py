# SPDX-License-Identifier: BSD-2-Clause
"""The short part of `make bench`: round trips of common exits within their limits and not grown."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "bench"))

import bench  # noqa: E402


def test_round_trips(vendor):
    wrong = bench.check_round_trips(vendor)
    assert not wrong, "; ".join(wrong)
