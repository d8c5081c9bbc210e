/* SPDX-License-Identifier: BSD-2-Clause */
/* Features with state or modes of their own, where the machine has them: protection keys, XSAVES, five-level paging. */
#include "hv/lib/string.h"
#include "hv/lib/util.h"
#include "hv/vdev/platform.h"
#include "tests/guests/lib/guest.h"
#include "tests/guests/lib/mode32.h"

#define PTE_P         BIT(0)
#define PTE_W         BIT(1)
#define PTE_U         BIT(2)
#define PTE_PS        BIT(7)
#define PTE_ADDR      BITS(51, 12)
#define KEY           5
#define KEY_PAGE      0x800000UL /* a large page that nothing else uses */
#define XSTATE_BV     64         /* in words of 8 bytes */
#define XCOMP_BV      65
#define XCOMP_COMPACT BIT(63)

static void load(uint64_t a)
{
	(void)*(volatile uint32_t *)a;
}

static void store(uint64_t a)
{
	*(volatile uint32_t *)a = 1;
}

/* Makes the way to a user pages' of it, and returns the entry that maps it. */
static uint64_t *open_to_user(uint64_t a)
{
	uint64_t *table = (uint64_t *)(read_cr3() & PTE_ADDR);

	for (unsigned shift = 39;; shift -= 9) {
		uint64_t *entry = &table[a >> shift & 511];

		*entry |= PTE_U;
		if (shift == 12 || (*entry & PTE_PS))
			return entry;
		table = (uint64_t *)(*entry & PTE_ADDR);
	}
}

static void check_keys(void)
{
	uint64_t *entry;

	if (!(cpuid(7, 0).ecx & CPUID_7_ECX_PKU)) {
		guest_printf("SKIP pku: not here\n");
		EXPECT("pku/hidden", !(cpuid(0xd, 0).eax & XCR0_PKRU));
		return;
	}
	EXPECT("pku/ospke-off", !(cpuid(7, 0).ecx & CPUID_7_ECX_OSPKE));
	write_cr4(read_cr4() | CR4_PKE);
	EXPECT("pku/ospke-on", cpuid(7, 0).ecx & CPUID_7_ECX_OSPKE);
	write_cr0(read_cr0() | CR0_WP);
	entry = open_to_user(KEY_PAGE);
	*entry |= (uint64_t)KEY << 59;
	write_cr3(read_cr3());
	wrpkru(PKRU_AD << 2 * KEY);
	cpuid(0, 0);
	guest_expect_equal("pku/kept-over-an-exit", rdpkru(), PKRU_AD << 2 * KEY);
	guest_expect_equal("pku/no-access", (uint64_t)guest_catch(load, KEY_PAGE), 14);
	guest_expect_equal("pku/no-access-error", guest_fault.error, 0x21);
	wrpkru(PKRU_WD << 2 * KEY);
	guest_expect_equal("pku/read-only", (uint64_t)guest_catch(load, KEY_PAGE), (uint64_t)-1);
	guest_expect_equal("pku/no-write", (uint64_t)guest_catch(store, KEY_PAGE), 14);
	guest_expect_equal("pku/no-write-error", guest_fault.error, 0x23);
	wrpkru(0);
	guest_expect_equal("pku/all", (uint64_t)guest_catch(store, KEY_PAGE), (uint64_t)-1);
}

static void write_xss(uint64_t value)
{
	wrmsr(MSR_IA32_XSS, value);
}

static void check_xsaves(void)
{
	static uint64_t area[512] __attribute__((aligned(64)));

	if (!(cpuid(0xd, 1).eax & CPUID_D1_EAX_XSAVES)) {
		guest_printf("SKIP xsaves: not here\n");
		EXPECT("xsaves/no-xss", guest_catch(write_xss, 0) == 13);
		return;
	}
	write_cr4(read_cr4() | CR4_OSXSAVE | CR4_OSFXSR);
	xsetbv(0, XCR0_X87 | XCR0_SSE);
	guest_expect_equal("xsaves/xss", rdmsr(MSR_IA32_XSS), 0);
	EXPECT("xsaves/xss-0", guest_catch(write_xss, 0) == -1);
	EXPECT("xsaves/xss-pt", guest_catch(write_xss, BIT(8)) == 13);
	EXPECT("xsaves/no-components", !cpuid(0xd, 1).ecx && !cpuid(0xd, 1).edx);
	asm volatile("xsaves64 (%0)" ::"r"(area), "a"(~0u), "d"(~0u) : "memory");
	EXPECT("xsaves/compact", area[XCOMP_BV] & XCOMP_COMPACT);
	asm volatile("xrstors64 (%0)" ::"r"(area), "a"(~0u), "d"(~0u) : "memory");
}

extern uint64_t top[512];
uint64_t top[512] __attribute__((aligned(4096)));

asm("	.text\n"
    "	.code32\n"
    "to_five_levels:\n"
    "	mov $top, %eax\n"
    "	mov %eax, %cr3\n"
    "	mov %cr4, %eax\n"
    "	or $0x1000, %eax\n"
    "	mov %eax, %cr4\n"
    "	ret\n"
    "	.code64\n");
void to_five_levels(void);

static void toggle_la57(uint64_t arg)
{
	(void)arg;
	write_cr4(read_cr4() ^ CR4_LA57);
}

static void check_five_levels(void)
{
	uint64_t high = BIT(48), lapic = high + PLATFORM_LAPIC_BASE;

	if (!(cpuid(7, 0).ecx & CPUID_7_ECX_LA57)) {
		guest_printf("SKIP la57: not here\n");
		guest_expect_equal("la57/hidden", (uint64_t)guest_catch(toggle_la57, 0), 13);
		return;
	}
	guest_expect_equal("la57/not-in-long-mode", (uint64_t)guest_catch(toggle_la57, 0), 13);
	top[0] = top[1] = (read_cr3() & PTE_ADDR) | PTE_P | PTE_W;
	mode32_call(to_five_levels);
	EXPECT("la57/on", read_cr4() & CR4_LA57);
	*(volatile uint32_t *)KEY_PAGE = 0x57575757;
	guest_expect_equal("la57/ram", *(volatile uint32_t *)(high + KEY_PAGE), 0x57575757);
	guest_expect_equal("la57/device", *(volatile uint32_t *)(lapic + 0x30) & 0xff,
			   GUEST_LAPIC(0x30) & 0xff);
	guest_expect_equal("la57/not-mapped", (uint64_t)guest_catch(load, BIT(50)), 14);
	guest_expect_equal("la57/not-canonical", (uint64_t)guest_catch(load, BIT(60)), 13);
}

void test_main(void)
{
	check_keys();
	check_xsaves();
	check_five_levels();
}
