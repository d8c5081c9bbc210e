# SPDX-License-Identifier: BSD-2-Clause
"""Fixtures of the system tests: each test gets `boot`, which starts a machine of the vendor under test."""
import os
import shutil

import pytest

import bochs
import machine

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BUILD = os.path.join(ROOT, "build")

VENDORS = ("amd", "intel")


def pytest_addoption(parser):
    parser.addoption("--vendor", default="amd", choices=VENDORS)
    # The terminal plugin, which run.py replaces, would define it; assertions' explanations ask for it.
    parser.addoption("--soak", action="store_true")
    parser.addoption("--verbose", dest="verbose", type=int, default=0)


def pytest_configure(config):
    config.addinivalue_line("markers", "soak: one of the long tests")
    config.addinivalue_line("markers", "only(vendor, reason): the case makes sense on one vendor's emulator only")


def pytest_collection_modifyitems(config, items):
    vendor = config.getoption("--vendor")
    soak = config.getoption("--soak")
    items[:] = [i for i in items if (i.get_closest_marker("soak") is not None) == soak]
    for item in items:
        only = item.get_closest_marker("only")
        if only and only.args[0] != vendor:
            item.add_marker(pytest.mark.skip(reason=f"is for {only.args[0]} only ({only.args[1]})"))


@pytest.fixture
def vendor(request):
    return request.config.getoption("--vendor")


@pytest.fixture
def work_dir(request, vendor):
    name = request.node.name.replace("/", "_")
    path = os.path.join(BUILD, "system", vendor, request.node.path.stem.replace("test_", "") + "-" + name)
    shutil.rmtree(path, ignore_errors=True)
    os.makedirs(path)
    return path


@pytest.fixture
def boot(request, vendor, work_dir):
    """boot(config, files, ...): writes ingot.cfg, makes an image, starts it. Everything is stopped at the end."""
    started = []

    def start(config=None, files=None, cmdline="", image=None, cpus=1, memory=None, amd=None, intel=None):
        """files: {name in ingot.cfg: path}. amd, intel: options for that emulator only."""
        if image is None:
            all_files = {}
            if config is not None:
                path = os.path.join(work_dir, "ingot.cfg")
                with open(path, "w", encoding="utf-8") as f:
                    f.write(config)
                all_files["ingot.cfg"] = path
            all_files.update(files or {})
            image = machine.small_iso(BUILD, work_dir, all_files, cmdline)
        if vendor == "amd":
            m = machine.start_qemu(image, work_dir, cpus=cpus, memory=memory or 1024, **(amd or {}))
        else:
            m = bochs.start(image, work_dir, cpus=cpus, memory=memory or 1024, **(intel or {}))
        started.append(m)
        request.node.machine = m
        return m

    yield start
    for m in started:
        m.close()


@pytest.fixture
def bare(boot, tiny, work_dir):
    """bare(name, command line): a tiny guest on the machine itself, without Ingot."""
    def start(name, words):
        return boot(image=machine.small_iso(BUILD, work_dir, tiny(name), words, bare=name))
    return start


@pytest.fixture
def tiny():
    """tiny(name): {name: path} of a tiny guest of tests/guests."""
    def files(*names):
        return {n: os.path.join(BUILD, "guests", n) for n in names}
    return files
