#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Lint: the folder rule, every header alone, clang-format, cppcheck, forbidden words, README's tables.

Each check is a function that returns lines "file:line: what is wrong"; none means it passed. Prints a line per
check and leaves JUnit XML. The tables are folders.txt, words.txt and cppcheck.txt beside this file.
"""
import argparse
import concurrent.futures
import os
import re
import shlex
import subprocess
import sys
import time
import xml.etree.ElementTree as ET

HERE = os.path.dirname(os.path.abspath(__file__))
LEAVES = ("hv/x86/", "hv/lib/")
IMAGE_FOLDERS = ("boot/", "hv/", "mm/", "drivers/", "vmx/", "svm/")


def tracked(*suffixes):
    """Files under version control and new ones that are not ignored, deleted ones left out."""
    out = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], capture_output=True, text=True, check=True)
    return sorted({f for f in out.stdout.splitlines() if f.endswith(suffixes or ("",)) and os.path.isfile(f)})


def text_of(path):
    with open(path, encoding="utf-8", errors="replace") as f:
        return f.read()


def table(name):
    return [line for line in text_of(os.path.join(HERE, name)).splitlines() if line and not line.startswith("#")]


def folder(path):
    return os.path.dirname(path) + "/"


def check_folders(_args):
    """Includes follow folders.txt and are path-qualified from the root."""
    rules = {}
    for line in table("folders.txt"):
        name, _, allowed = line.partition(":")
        rules[name] = allowed.split()
    errors = []
    for path in tracked(".c", ".h", ".asm"):
        rule = rules.get(folder(path))
        if rule is None:
            if path.startswith(IMAGE_FOLDERS):
                errors.append(f"{path}:1: the folder is not in folders.txt")
            continue
        for n, line in enumerate(text_of(path).splitlines(), 1):
            m = re.match(r'\s*[#%]\s*include\s+"([^"]+)"', line)
            if not m:
                continue
            target = m.group(1)
            where = folder(target)
            if where == folder(path) or where in LEAVES or where in rule or target in rule:
                continue
            if "/" not in target:
                errors.append(f'{path}:{n}: "{target}" is not path-qualified from the root')
            else:
                errors.append(f"{path}:{n}: {folder(path)} may not include {target}")
    return errors


def check_headers(args):
    """Every header compiles alone, once and twice."""
    def compile_alone(path):
        image = path.startswith(IMAGE_FOLDERS)
        command = shlex.split(args.cc if image else args.host_cc)
        done = subprocess.run(command + ["-fsyntax-only", "-Wno-unused-function", "-x", "c", "-"],
                              input=f'#include "{path}"\n#include "{path}"\n', capture_output=True, text=True,
                              check=False)
        return [f"{path}:1: doesn't compile alone\n{done.stderr.strip()}"] if done.returncode else []

    headers = [h for h in tracked(".h") if not h.startswith("boot/efi")]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        return [e for errors in pool.map(compile_alone, headers) for e in errors]


def check_format(_args):
    """clang-format has nothing to change."""
    files = tracked(".c", ".h")
    chunks = [files[i::os.cpu_count()] for i in range(os.cpu_count())]

    def run(chunk):
        done = subprocess.run(["clang-format", "-n", "-Werror"] + chunk, capture_output=True, text=True, check=False)
        places = re.findall(r"^(\S+?):(\d+):\d+: error", done.stderr, re.M)
        first = {}
        for path, line in places:
            first.setdefault(path, line)
        return [f"{p}:{n}: not formatted: clang-format -i {p}" for p, n in sorted(first.items())]

    with concurrent.futures.ThreadPoolExecutor() as pool:
        return [e for errors in pool.map(run, [c for c in chunks if c]) for e in errors]


def check_cppcheck(args):
    """cppcheck finds nothing."""
    cache = os.path.join(args.build, "cppcheck")
    os.makedirs(cache, exist_ok=True)
    files = [f for f in tracked(".c") if f.startswith(IMAGE_FOLDERS)]
    suppressions = os.path.join(cache, "suppressions.txt")
    with open(suppressions, "w", encoding="utf-8") as f:
        f.write("\n".join(table("cppcheck.txt")) + "\n")
    done = subprocess.run(["cppcheck", "--quiet", f"-j{os.cpu_count()}", "--enable=warning,performance,portability",
                           "--std=c11", "--inline-suppr", "-I.", f"-I{args.build}/gen",
                           f"--suppressions-list={suppressions}", f"--cppcheck-build-dir={cache}",
                           "--template={file}:{line}: {message} [{id}]", "--template-location="] + files,
                          capture_output=True, text=True, check=False)
    return [line for line in done.stderr.splitlines() if re.match(r"\S+:\d+: ", line)]


def without_comments(text):
    """C with comments and string contents blanked, line numbers kept."""
    def blank(m):
        s = m.group(0)
        if s[0] == '"':
            return '""'
        return re.sub(r"[^\n]", " ", s)

    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"', blank, text, flags=re.S)


def check_words(_args):
    """Nothing of words.txt stands in the tree."""
    rules = []
    for line in table("words.txt"):
        scope, regex, why = line.split("\t")
        rules.append((scope, re.compile(regex), why))
    errors = []
    for path in tracked():
        if path.startswith("tests/lint/") or path.endswith((".png", ".bin", ".iso")):
            continue
        text = text_of(path)
        is_image = path.startswith(IMAGE_FOLDERS) and path.endswith((".c", ".h"))
        code = without_comments(text) if is_image else ""
        for scope, regex, why in rules:
            if scope == "image" and not is_image:
                continue
            for n, line in enumerate((text if scope == "all" else code).splitlines(), 1):
                m = regex.search(line)
                if m:
                    errors.append(f"{path}:{n}: '{m.group(0).strip()}': {why}")
    return errors


def section_rows(lines, heading):
    """The rows of the table under a heading of README.md, as (line number, text)."""
    start = lines.index(heading) + 1 if heading in lines else len(lines)
    rows = []
    for n, line in enumerate(lines[start:], start + 1):
        if line.startswith("#"):
            break
        if line.startswith("|"):
            rows.append((n, line))
    return rows


def console_reference():
    """The table of the prompt's commands, from the code's."""
    rows = re.findall(r'^\t\{"([^"]+)", "([^"]*)", "([^"]*)",', text_of("hv/mgmt/commands.c"), re.M)
    usage = [f"{name} {args}".strip().replace("|", r"\|") for name, args, _ in rows]
    return ["| command | does |", "|---|---|"] + [f"| `{u}` | {row[2]} |" for u, row in zip(usage, rows)]


def check_readme(args):
    """README.md's tables of configuration keys and console commands are the code's."""
    keys = subprocess.run([f"{args.build}/host/ingot-config", "--reference"], capture_output=True, text=True,
                          check=True).stdout.splitlines()
    lines = text_of("README.md").splitlines()
    errors = []
    for heading, expected in (("### Keys", keys), ("### Commands", console_reference())):
        rows = section_rows(lines, heading)
        have = [text for _, text in rows]
        errors += [f"README.md:{n}: not in the code's table: {text}" for n, text in rows if text not in expected]
        errors += [f"README.md:{rows[0][0] if rows else 1}: under '{heading}' there must be: {text}"
                   for text in expected if text not in have]
    return errors


CHECKS = {"folders": check_folders, "headers": check_headers, "format": check_format, "cppcheck": check_cppcheck,
          "words": check_words, "readme": check_readme}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--junit", required=True)
    parser.add_argument("--build", default="build")
    parser.add_argument("--cc", required=True)
    parser.add_argument("--host-cc", required=True)
    parser.add_argument("check", nargs="*", metavar="|".join(CHECKS))
    args = parser.parse_args()

    failed = 0
    suite = ET.Element("testsuite", name="lint")
    for name in args.check or CHECKS:
        start = time.monotonic()
        errors = CHECKS[name](args)
        seconds = time.monotonic() - start
        print(f"{'FAIL' if errors else 'PASS'} lint {name} {seconds:.1f}s", flush=True)
        case = ET.SubElement(suite, "testcase", name=name, time=f"{seconds:.2f}")
        if errors:
            failed += 1
            ET.SubElement(case, "failure").text = "\n".join(errors)
            for e in errors:
                print("    " + e.replace("\n", "\n    "))
            print(f"    again: make lint CHECK={name}")
    suite.set("tests", str(len(suite)))
    suite.set("failures", str(failed))
    os.makedirs(args.junit, exist_ok=True)
    ET.ElementTree(suite).write(os.path.join(args.junit, "lint.xml"))
    return failed != 0


sys.exit(main())
