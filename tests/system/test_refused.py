# SPDX-License-Identifier: BSD-2-Clause
"""What is missing is said plainly, and Ingot stays at its prompt with every guest refused for that reason."""
import re

import pytest

CONFIG = "[vm a]\nmemory = 16M\nkernel = hello\n[vm b]\nmemory = 16M\nkernel = hello\n"


def expect_refused(m, why):
    for name in "ab":
        m.expect(rf"vm {name}: refused: [^\n]*{why}", 120)
    m.expect(r"ready: 0 of 2 guests started", 30)
    m.expect("ingot> ", 30)
    listing = m.command("vm list")
    assert len(re.findall(r"refused", listing)) >= 2, listing


@pytest.mark.only("amd", "QEMU's CPU model")
def test_no_svm(boot, tiny):
    m = boot(CONFIG, tiny("hello"), amd={"cpu": "qemu64,-svm"})
    expect_refused(m, r"SVM")


@pytest.mark.only("amd", "QEMU's CPU model")
def test_no_npt(boot, tiny):
    m = boot(CONFIG, tiny("hello"), amd={"cpu": "max,-npt"})
    expect_refused(m, r"nested paging|NPT|NP\b")


@pytest.mark.only("intel", "Bochs' CPU model")
def test_no_ept(boot, tiny):
    m = boot(CONFIG, tiny("hello"), intel={"model": "core2_penryn_t9600"})
    expect_refused(m, r"EPT")


@pytest.mark.only("intel", "Bochs' CPU models")
@pytest.mark.parametrize("model", ["corei7_sandy_bridge_2600k", "corei3_cnl"])
def test_fallbacks(boot, tiny, model):
    """CPUs without the newer features run guests all the same."""
    m = boot(CONFIG, tiny("hello"), intel={"model": model})
    m.expect(r"ready: 2 of 2 guests started", 120)
    m.expect(r"all guests have ended", 60)


@pytest.mark.only("intel", "Bochs' CPU model")
@pytest.mark.parametrize("name", ["cpuid", "ports", "mmio", "hidden"])
def test_svm_with_next_rip(boot, tiny, name):
    """Bochs' ryzen has SVM with the features that QEMU's TCG lacks.

    Not the guest `exceptions`: a single step of the guest that is pending at an exit reaches the host there as #DB. Nor
    `irq`: a virtual interrupt that VMRUN finds with RFLAGS.IF 1 in guest and host is not taken before IF changes.
    Nor `smp`: an interrupt of the host, and so a kick, doesn't end a guest that VMRUN finds with RFLAGS.IF 0 before that
    changes it (init-while-deaf). Nor `modes`: MOV to CR0 clears EFER.LMA before its intercept is looked at.
    """
    m = boot(f"[vm t]\nmemory = 16M\nkernel = {name}\n", tiny(name), intel={"model": "ryzen"})
    m.expect(r"t\| DONE (\d+) failed", 120)
    assert m.match.group(1) == "0"


def test_not_enough_memory(boot, tiny):
    m = boot("[vm a]\nmemory = 8G\nkernel = hello\n[vm b]\nmemory = 16M\nkernel = hello\n", tiny("hello"))
    m.expect(r"vm a: refused: memory = 8192M, but only \d+M are free", 90)
    m.expect(r"ready: 1 of 2 guests started", 30)


def test_missing_kernel(boot, tiny):
    m = boot("[vm a]\nmemory = 16M\nkernel = nothere\n[vm b]\nmemory = 16M\nkernel = hello\n", tiny("hello"))
    m.expect(r"ingot.cfg:3: \[vm a\]: there is no file 'nothere'", 90)
    m.expect(r"vm a: refused: ", 30)
    m.expect(r"ready: 1 of 2 guests started", 30)


@pytest.mark.parametrize("damage", ["truncated", "not-a-kernel", "huge-setup"])
def test_broken_kernel(boot, tiny, work_dir, damage):
    with open(tiny("hello")["hello"], "rb") as f:
        data = bytearray(f.read())
    if damage == "truncated":
        data = data[:0x300]
    elif damage == "not-a-kernel":
        data[0x1fe:0x206] = bytes(8)  # neither a boot sector's mark nor Linux' HdrS
    else:
        data[0x1f1] = 0xff
    path = work_dir + "/broken"
    with open(path, "wb") as f:
        f.write(data)
    m = boot("[vm a]\nmemory = 16M\nkernel = broken\n[vm b]\nmemory = 16M\nkernel = hello\n",
             {"broken": path, **tiny("hello")})
    m.expect(r"vm a: refused: [^\n]*broken", 90)
    m.expect(r"vm b: started", 30)


def hundred_mistakes():
    """A configuration with a hundred mistakes and one good guest; what is said of each."""
    config = ("[host]\nbuad = 9600\n[vm a]\nmemory = 16M\nkernel = hello\nmemroy = 5\nvcpus = many\non_crash = explode\n"
              + "".join(f"memry{i} = 1M\n" for i in range(96)) + "[vm b]\nmemory = 16M\nkernel = hello\n")
    return config, ["ingot.cfg:2: unknown key 'buad' in [host]; did you mean 'baud'?",
                    "ingot.cfg:6: unknown key 'memroy' in [vm a]; did you mean 'memory'?",
                    "ingot.cfg:7: 'vcpus' in [vm a]: 'many' is not ", "ingot.cfg:8: 'on_crash' in [vm a]: 'explode' is none of ",
                    *(f"ingot.cfg:{9 + i}: unknown key 'memry{i}' in [vm a]" for i in range(96))]


def test_hundred_mistakes(boot, tiny):
    """Each is named with its line and the nearest valid word; the good guest runs."""
    config, mistakes = hundred_mistakes()
    m = boot(config, tiny("hello"))
    m.expect(r"vm a: refused: ", 90)
    m.expect(r"vm b: started", 30)
    log = m.log()
    for mistake in mistakes:
        assert mistake in log, mistake
