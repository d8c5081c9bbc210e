/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One vCPU accesses device memory while another rewrites the page-table entries and the instructions that it does so
 * with. Whatever is seen in which order, each access is done or faults, and the hypervisor lives.
 */
#include "hv/x86/apic.h"
#include "hv/x86/desc.h"
#include "tests/guests/lib/guest.h"
#include "tests/guests/lib/smp.h"

#define VIRTUAL   0x8000000000UL /* the second entry of the top table, which the loader doesn't use */
#define CODE      (VIRTUAL + 0x2000)
#define ABSENT    0xd0000000UL
#define PAGE      0x1000UL
#define PRESENT   1UL
#define WRITABLE  2UL
#define TURNS_MIN 500 /* of each outcome */
#define SECONDS   5   /* at most */

static uint64_t tables[3][512] __attribute__((aligned(0x1000)));
static uint8_t ram[PAGE] __attribute__((aligned(0x1000)));
static uint8_t code[PAGE] __attribute__((aligned(0x1000)));
static uint64_t buffer[8];
static volatile bool stop;
static volatile uint64_t rewritten;

/*
 * REP, an opcode, 47h, 90h, NOPs, RET. Opcodes with an operand take it from [RDI - 70h], and ignore REP; after the
 * others 47h 90h is XCHG of R8D and EAX. So only one byte differs, and each may be left in the middle for another.
 * RDI is the place and 70h, RSI RAM, RCX 3.
 */
#define CODE_BYTES(opcode) (0xc3909090904700f3 | (uint64_t)(opcode) << 8)
#define DISPLACEMENT       0x70

static const uint64_t codes[] = {
    CODE_BYTES(0x89), /* mov [], eax */
    CODE_BYTES(0x8b), /* mov eax, [] */
    CODE_BYTES(0x01), /* add [], eax */
    CODE_BYTES(0x87), /* xchg [], eax */
    CODE_BYTES(0xa4), /* rep movsb */
    CODE_BYTES(0xff), /* inc [] */
    CODE_BYTES(0xa5), /* rep movsd */
    CODE_BYTES(0x8d), /* lea eax, []: no access */
};

static void rewrite(unsigned id)
{
	const uint64_t entries[] = {
	    PLATFORM_LAPIC_BASE | PRESENT | WRITABLE,
	    ABSENT | PRESENT | WRITABLE,
	    (uint64_t)ram | PRESENT | WRITABLE,
	    ABSENT | PRESENT | WRITABLE,
	    0,
	    ABSENT | PRESENT,
	};
	uint64_t seed = id;

	while (!stop) {
		seed = seed * 6364136223846793005UL + 1442695040888963407UL;
		*(volatile uint64_t *)&tables[2][seed >> 60 & 1] = entries[(seed >> 33) % 6];
		*(volatile uint64_t *)code = codes[seed >> 50 & 7];
		rewritten++;
	}
}

static void access(uint64_t place)
{
	register uint64_t count asm("rcx") = 3;
	register const void *from asm("rsi") = buffer;

	uint64_t to = place + DISPLACEMENT;

	asm volatile("invlpg (%[page])\n\tinvlpg 0x1000(%[page])\n\tcall *%[code]"
		     : "+r"(count), "+r"(from), "+D"(to)
		     : [page] "r"(place & ~(PAGE - 1)), [code] "r"(CODE)
		     : "rax", "r8", "memory", "cc");
}

static void map(void)
{
	uint64_t *top = (uint64_t *)(read_cr3() & ~(PAGE - 1));

	tables[0][0] = (uint64_t)tables[1] | PRESENT | WRITABLE;
	tables[1][0] = (uint64_t)tables[2] | PRESENT | WRITABLE;
	tables[2][2] = (uint64_t)code | PRESENT | WRITABLE;
	*(volatile uint64_t *)code = codes[0];
	top[VIRTUAL >> 39] = (uint64_t)tables[0] | PRESENT | WRITABLE;
	write_cr3(read_cr3());
}

void test_main(void)
{
	/* In the timer's initial count, which does nothing while the timer is masked; and over the pages' end. */
	static const uint64_t offsets[] = {LAPIC_TIMER_INITIAL, PAGE - 2, LAPIC_TIMER_INITIAL, PAGE - 1};
	unsigned done = 0, faults = 0, others = 0;
	uint32_t start;

	map();
	if (!EXPECT("race/second-cpu", guest_cpu_start(1, rewrite)))
		return;
	while (rewritten < 10)
		asm volatile("pause");
	start = guest_pm_timer();
	for (unsigned i = 0; done < TURNS_MIN || faults < TURNS_MIN; i++) {
		if (guest_pm_timer() - start > SECONDS * PM_TIMER_HZ)
			break;
		switch (guest_catch(access, VIRTUAL + offsets[i % 4])) {
		case -1:
			done++;
			break;
		case EXC_PF:
			faults++;
			break;
		default:
			if (!others++)
				guest_printf("vector %lu at 0x%lx\n", guest_fault.vector, guest_fault.rip);
		}
	}
	stop = true;
	guest_printf("%u done, %u page faults\n", done, faults);
	EXPECT("race/some-done", done >= TURNS_MIN);
	EXPECT("race/some-fault", faults >= TURNS_MIN);
	EXPECT("race/nothing-else", others == 0);
}
