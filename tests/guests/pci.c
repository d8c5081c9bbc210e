/* SPDX-License-Identifier: BSD-2-Clause */
/* The PCI bus: configuration space by CF8h/CFCh and by memory is the same one, in every size; who is there. */
#include "hv/vdev/platform.h"
#include "tests/guests/lib/guest.h"

#define ECAM(type, devfn, offset)                                                                            \
	(*(volatile type *)(uintptr_t)(PLATFORM_PCI_ECAM_BASE + ((devfn) << 12) + (offset)))
#define ADDRESS(devfn, offset) (0x80000000u | (devfn) << 8 | ((offset)&0xfcu))
#define BRIDGE                 0u
#define CACHE_LINE             0x0cu

static uint32_t config32(uint32_t devfn, uint32_t offset)
{
	out32(0xcf8, ADDRESS(devfn, offset));
	return in32(0xcfc);
}

static void check_bridge(void)
{
	uint32_t id = config32(BRIDGE, 0);

	EXPECT("pci/bridge-there", id != 0xffffffff && id != 0);
	guest_expect_equal("pci/bridge-class", config32(BRIDGE, 8) >> 8, 0x060000);
	guest_expect_equal("pci/bridge-header", config32(BRIDGE, 0x0c) >> 16 & 0xff, 0);
}

/* All functions and registers both ways; no device has more than one function. */
static void check_same(void)
{
	unsigned differ = 0, further = 0;

	for (uint32_t devfn = 0; devfn < 256; devfn++) {
		if (devfn % 8 && ECAM(uint32_t, devfn, 0) != 0xffffffff)
			further++;
		for (uint32_t at = 0; at < (devfn % 8 ? 4 : 256); at += 4)
			if (config32(devfn, at) != ECAM(uint32_t, devfn, at))
				differ++;
	}
	guest_expect_equal("pci/both-ways-agree", differ, 0);
	guest_expect_equal("pci/single-functions", further, 0);
}

static void check_absent(void)
{
	guest_expect_equal("pci/absent-port", config32(30 << 3, 0), 0xffffffff);
	guest_expect_equal("pci/absent-function", ECAM(uint32_t, BRIDGE + 1, 0), 0xffffffff);
	guest_expect_equal("pci/absent-8", ECAM(uint8_t, 30 << 3, 5), 0xff);
	guest_expect_equal("pci/absent-16", ECAM(uint16_t, 31 << 3, 0), 0xffff);
	guest_expect_equal("pci/absent-64", ECAM(uint64_t, 31 << 3, 0), UINT64_MAX);
	guest_expect_equal("pci/no-extended-space", ECAM(uint32_t, BRIDGE, 0x100), 0xffffffff);
	out32(0xcf8, 0x80010000);
	guest_expect_equal("pci/other-bus", in32(0xcfc), 0xffffffff);
}

static void check_sizes(void)
{
	uint32_t id = config32(BRIDGE, 0);

	for (uint32_t i = 0; i < 4; i++) {
		uint8_t want = (uint8_t)(id >> 8 * i);

		if (in8((uint16_t)(0xcfc + i)) != want || ECAM(uint8_t, BRIDGE, i) != want)
			guest_printf("FAIL pci/byte-%u\n", i);
	}
	EXPECT("pci/words",
	       ECAM(uint16_t, BRIDGE, 0) == (uint16_t)id && ECAM(uint16_t, BRIDGE, 2) == id >> 16);
	guest_expect_equal("pci/word-between", in16(0xcfd), id >> 8 & 0xffff);
	guest_expect_equal("pci/qword", ECAM(uint64_t, BRIDGE, 0), (uint64_t)config32(BRIDGE, 4) << 32 | id);
	guest_expect_equal("pci/over-two-registers", ECAM(uint32_t, BRIDGE, 2),
			   id >> 16 | config32(BRIDGE, 4) << 16);
}

/* What one way writes the other reads. */
static void check_write(void)
{
	ECAM(uint8_t, BRIDGE, CACHE_LINE) = 0x10;
	guest_expect_equal("pci/written-by-memory", config32(BRIDGE, CACHE_LINE), 0x10);
	out8(0xcfc, 0x08);
	guest_expect_equal("pci/written-by-port", ECAM(uint32_t, BRIDGE, CACHE_LINE), 0x08);
	ECAM(uint32_t, BRIDGE, 0) = 0;
	EXPECT("pci/id-stays", config32(BRIDGE, 0) != 0);
}

void test_main(void)
{
	check_bridge();
	check_same();
	check_absent();
	check_sizes();
	check_write();
}
