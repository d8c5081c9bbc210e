/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory shared by two guests, `first` and `second` by the command line: each sees what the other writes, wherever its BAR
 * is, and each interrupts the other.
 */
#include "hv/x86/apic.h"
#include "hv/x86/cpuid.h"
#include "tests/guests/lib/guest.h"
#include "tests/guests/lib/pci.h"

enum { BAR_REGISTERS, BAR_MSIX, BAR_MEMORY };

#define SIZE        0x200000u
#define WORDS       (SIZE / 8)
#define IV_POSITION 8
#define DOORBELL    12
#define MESSAGE     3 /* of the device's */
#define INTERRUPT   0x45
#define ROUNDS      100
#define LIMIT_MS    60000

static uint32_t devfn;
static volatile uint32_t rung;

static void on_interrupt(struct trap *t)
{
	(void)t;
	rung++;
	GUEST_LAPIC(LAPIC_EOI) = 0;
}

static volatile uint32_t *reg(unsigned offset)
{
	return (volatile uint32_t *)(pci_bar(devfn, BAR_REGISTERS) + offset);
}

static volatile uint64_t *memory(void)
{
	return (volatile uint64_t *)pci_bar(devfn, BAR_MEMORY);
}

static void ring(uint32_t peer)
{
	*reg(DOORBELL) = peer << 16 | MESSAGE;
}

static bool wait_for(volatile uint64_t *word, uint64_t value)
{
	for (unsigned i = 0; i < LIMIT_MS && *word != value; i++)
		guest_delay_us(1000);
	return *word == value;
}

static bool wait_rung(uint32_t n)
{
	for (unsigned i = 0; i < LIMIT_MS && rung < n; i++)
		guest_delay_us(1000);
	return rung >= n;
}

static uint64_t pattern(uint64_t i, uint64_t who)
{
	return i * 0x9e3779b97f4a7c15 + who;
}

/* Word 1 says that the second is there; the rest is written by one and checked by the other. */
static void first(void)
{
	volatile uint64_t *m = memory();
	unsigned wrong = 0;

	EXPECT("peers/starts-clear", m[2] == 0 && m[WORDS - 1] == 0);
	EXPECT("peers/second-there", wait_for(&m[1], 2));
	for (uint64_t i = 2; i < WORDS; i++)
		m[i] = pattern(i, 1);
	ring(1);
	EXPECT("peers/answer", wait_rung(1));
	for (uint64_t i = 2; i < WORDS; i++)
		wrong += m[i] != pattern(i, 2);
	guest_expect_equal("peers/what-second-wrote", wrong, 0);
}

static void second(void)
{
	volatile uint64_t *m = memory();
	unsigned wrong = 0;

	m[1] = 2;
	EXPECT("peers/rung", wait_rung(1));
	for (uint64_t i = 2; i < WORDS; i++)
		wrong += m[i] != pattern(i, 1);
	guest_expect_equal("peers/what-first-wrote", wrong, 0);
	for (uint64_t i = 2; i < WORDS; i++)
		m[i] = pattern(i, 2);
	ring(0);
}

static void ping_pong(uint32_t me)
{
	unsigned lost = 0;

	/* Each has been rung once before. */
	for (uint32_t i = 2; i < 2 + ROUNDS && !lost; i++) {
		if (me == 0)
			ring(1);
		lost += !wait_rung(i);
		if (me == 1)
			ring(0);
	}
	guest_expect_equal("peers/ping-pong", lost, 0);
}

/* A view of SIZE bytes at addr, 4 GiB or more: two tables for a large page. */
static volatile uint64_t *map_high(uint64_t addr)
{
	static uint64_t pdpt[512] __attribute__((aligned(4096))), pd[512] __attribute__((aligned(4096)));
	uint64_t *pml4 = (uint64_t *)(read_cr3() & ~0xfffUL);

	pml4[1] = (uint64_t)pdpt | 3;
	pdpt[0] = (uint64_t)pd | 3;
	pd[0] = addr | 0x83;
	write_cr3(read_cr3());
	return (volatile uint64_t *)(1UL << 39);
}

static void move_to(uint64_t at)
{
	pci_set(devfn, 0x18, 4, (uint32_t)at);
	pci_set(devfn, 0x1c, 4, at >> 32);
}

/* Above 4 GiB, up to where physical addresses end. */
static void check_high(uint64_t word)
{
	unsigned bits = cpuid(0x80000008, 0).eax & 0xff;
	uint64_t first = 1UL << 32, last = (1UL << bits) - SIZE;
	volatile uint64_t *old = memory();

	EXPECT("peers/64-bit", (pci_get(devfn, 0x18, 4) & 0xf) == 0xc);
	move_to(first);
	guest_expect_equal("peers/above-4g", map_high(first)[WORDS - 1], word);
	guest_expect_equal("peers/not-below", old[WORDS - 1], UINT64_MAX);
	move_to(last);
	guest_expect_equal("peers/at-the-end", map_high(last)[WORDS - 1], word);
	guest_expect_equal("peers/not-at-4g", map_high(first)[WORDS - 1], UINT64_MAX);
	move_to(last + SIZE);
	guest_expect_equal("peers/beyond-the-end", map_high(last)[WORDS - 1], UINT64_MAX);
}

/* The memory follows its BAR, and isn't where it was; a neighbour's words stay. */
static void check_move(void)
{
	uint32_t was = pci_get(devfn, 0x18, 4) & ~0xfu;
	volatile uint64_t *old = memory();
	uint64_t word = old[WORDS - 1];

	EXPECT("peers/has-a-word", word != 0);
	pci_set(devfn, 0x18, 4, was + 2 * SIZE);
	guest_expect_equal("peers/moved", memory()[WORDS - 1], word);
	guest_expect_equal("peers/not-where-it-was", old[WORDS - 1], UINT64_MAX);
	pci_set(devfn, 4, 2, 0);
	guest_expect_equal("peers/decode-off", *(volatile uint64_t *)(uintptr_t)(was + 2 * SIZE), UINT64_MAX);
	pci_set(devfn, 4, 2, 6);
	check_high(word);
	move_to(was);
	guest_expect_equal("peers/back", old[WORDS - 1], word);
}

void test_main(void)
{
	bool second_one = guest_cmdline_has("second");

	if (!EXPECT("peers/there", pci_find(0x1af4, 0x1110, 0, &devfn)))
		return;
	pci_place(devfn);
	guest_set_handler(INTERRUPT, on_interrupt);
	GUEST_LAPIC(LAPIC_SVR) = LAPIC_SVR_ENABLE | 0xff;
	pci_msix_connect(devfn, BAR_MSIX, MESSAGE, INTERRUPT);
	asm volatile("sti");
	guest_expect_equal("peers/position", *reg(IV_POSITION), second_one);
	if (second_one)
		second();
	else
		first();
	check_move();
	ping_pong(second_one);
	asm volatile("cli");
}
