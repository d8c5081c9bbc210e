#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Runs cmocka test programs: prints a line per case and leaves JUnit XML, one file per program.

A program that dies (a sanitizer's report, a time-out) is a failed case of its own, with its output.
"""
import argparse
import concurrent.futures
import os
import subprocess
import sys
import xml.etree.ElementTree as ET

TIME_LIMIT = 60
TIME_LIMIT_SOAK = 7200


def junit_of_crash(name, text):
    suites = ET.Element("testsuites")
    suite = ET.SubElement(suites, "testsuite", name=name, tests="1", failures="1")
    case = ET.SubElement(suite, "testcase", name="(program)", time="0")
    ET.SubElement(case, "failure").text = "".join(c for c in text if c in "\n\t" or c >= " ")
    return ET.ElementTree(suites)


def run(program, junit, soak):
    """Returns [(case, seconds, failure text or None, skipped)]. A long test's figures are printed at once."""
    name = os.path.basename(program).removeprefix("test_")
    path = os.path.join(junit, f"unit-{name}.xml")
    if os.path.exists(path):
        os.remove(path)
    env = dict(os.environ, CMOCKA_MESSAGE_OUTPUT="xml", CMOCKA_XML_FILE=path)
    if soak:
        env["INGOT_SOAK"] = "1"
    try:
        done = subprocess.run([program], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=TIME_LIMIT_SOAK if soak else TIME_LIMIT, check=False)
        output, status = done.stdout.decode(errors="replace"), done.returncode
    except subprocess.TimeoutExpired as e:
        output, status = (e.stdout or b"").decode(errors="replace") + "\ntime limit reached", -1

    for line in output.splitlines():
        if line.startswith("soak:"):
            print(line, flush=True)
    cases = []
    try:
        for case in ET.parse(path).getroot().iter("testcase"):
            failure = case.find("failure")
            cases.append((f"{name}/{case.get('name')}", float(case.get("time", 0)),
                          None if failure is None else (failure.text or "") + output,
                          case.find("skipped") is not None))
    except (OSError, ET.ParseError):
        status = status or -1
    failed = any(c[2] is not None for c in cases)
    if not cases or (status != 0 and not failed):
        text = f"ended with status {status}\n{output}"
        junit_of_crash(name, text).write(path)
        cases.append((f"{name}/(program)", 0.0, text, False))
    return cases


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--junit", required=True)
    parser.add_argument("--soak", action="store_true", help="the long run")
    parser.add_argument("programs", nargs="+")
    args = parser.parse_args()
    os.makedirs(args.junit, exist_ok=True)

    total = failed = skipped = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for program, cases in zip(args.programs, pool.map(lambda p: run(p, args.junit, args.soak), args.programs)):
            for case, seconds, failure, skip in cases:
                total += 1
                word = "FAIL" if failure is not None else "SKIP" if skip else "PASS"
                print(f"{word} unit {case} {seconds:.2f}s")
                skipped += skip
                if failure is not None:
                    failed += 1
                    print("    " + "\n    ".join(failure.strip().splitlines()[:40]))
                    print(f"    again: make unit UNIT={os.path.basename(program).removeprefix('test_')}")
    print(f"unit: {total} cases, {failed} failed, {skipped} skipped")
    return failed != 0


sys.exit(main())
