#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Runs the system tests: a line per case, the end of the log of each that fails, JUnit XML under build/.

run.py [--vendor amd|intel|all] [--case boot/grub-bios]   (VENDOR= and CASE= of `make test`)
"""
import argparse
import os
import re
import subprocess
import sys
import time

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
LAST_LINES = 40


def case_name(item):
    return item.path.stem.replace("test_", "", 1) + "/" + item.name.replace("test_", "", 1).replace("_", "-")


def readable(log):
    """A serial log without the prompt's redrawing."""
    text = re.sub(r"\r\n?|\n\r", "\n", re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", log))
    return re.sub(r"\n\n+", "\n", re.sub(r"(?m)^ingot> ?$", "", text))


class Reporter:
    """Prints what `make test` promises, and tries a case that failed once more."""

    def __init__(self, vendor, case):
        self.vendor, self.case = vendor, case
        self.passed = self.failed = self.skipped = 0
        self.retried = []

    def pytest_collection_modifyitems(self, session, config, items):
        if self.case:
            items[:] = [i for i in items if case_name(i) == self.case or case_name(i).startswith(self.case + "[")
                        or i.path.stem == "test_" + self.case]

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item, nextitem):
        from _pytest.runner import runtestprotocol
        start = time.time()
        for attempt in (1, 2):
            reports = runtestprotocol(item, nextitem=nextitem, log=False)
            failures = [r for r in reports if r.failed]
            if not failures or attempt == 2:
                break
            # Once more, and said so: QEMU 7.2 aborts by itself at times, and beside other load a bound of the wall clock is missed.
            self.retried.append((case_name(item), self.reason(failures[0])))
            item._initrequest()
        for r in reports:
            item.ihook.pytest_runtest_logreport(report=r)
        self.tell(item, reports, time.time() - start)
        return True

    @staticmethod
    def reason(report):
        crash = getattr(report.longrepr, "reprcrash", None)
        return crash.message.splitlines()[0] if crash else str(report.longrepr)[:100]

    def tell(self, item, reports, seconds):
        name = case_name(item)
        if any(r.failed for r in reports):
            self.failed += 1
            print(f"FAIL {self.vendor} {name} {seconds:.1f}s", flush=True)
            self.explain(item, name, reports)
        elif any(r.skipped for r in reports):
            self.skipped += 1
            reason = next(r.longrepr[2] for r in reports if r.skipped)
            print(f"SKIP {self.vendor} {name} {reason.replace('Skipped: ', '')}", flush=True)
        else:
            self.passed += 1
            print(f"PASS {self.vendor} {name} {seconds:.1f}s", flush=True)

    def explain(self, item, name, reports):
        for r in reports:
            if r.failed:
                crash = getattr(r.longrepr, "reprcrash", None)
                print("  " + self.reason(r))
                if crash:
                    print(f"  at {os.path.relpath(crash.path, ROOT)}:{crash.lineno}")
        m = getattr(item, "machine", None)
        if m:
            for line in readable(m.log()).splitlines()[-LAST_LINES:]:
                print("  | " + line)
            print("  the whole log: " + os.path.relpath(m.log_path, ROOT))
        print(f"  again: make test CASE={name} VENDOR={self.vendor}", flush=True)


def run_one(vendor, case, soak):
    reporter = Reporter(vendor, case)
    junit = os.path.join(ROOT, "build", f"system-{vendor}.xml")
    args = [HERE, "-p", "no:terminal", "-p", "no:cacheprovider", f"--vendor={vendor}", f"--junitxml={junit}",
            f"--rootdir={HERE}"] + (["--soak", "-s"] if soak else [])
    status = pytest.main(args, plugins=[reporter])
    for name, reason in reporter.retried:
        print(f"RETRIED {vendor} {name}: {reason}")
    if status == pytest.ExitCode.NO_TESTS_COLLECTED:
        print(f"{vendor}: no {'long ' if soak else ''}case is called '{case}'", flush=True)
    else:
        print(f"{vendor}: {reporter.passed} passed, {reporter.failed} failed, {reporter.skipped} skipped", flush=True)
    # A case that is for the other vendor alone is skipped, with the reason, and that is no failure.
    return 0 if status == pytest.ExitCode.OK and not reporter.failed else 1


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--vendor", default="all", choices=("amd", "intel", "all"))
    parser.add_argument("--case", default="")
    parser.add_argument("--soak", action="store_true")
    args = parser.parse_args()
    sys.dont_write_bytecode = True
    if args.vendor != "all":
        return run_one(args.vendor, args.case, args.soak)
    # The two emulators are single programs each: one runs beside the other.
    children = [subprocess.Popen([sys.executable, __file__, "--vendor", v, "--case", args.case]
                                 + ["--soak"] * args.soak)
                for v in ("amd", "intel")]
    return 1 if any([c.wait() for c in children]) else 0


if __name__ == "__main__":
    sys.exit(main())
