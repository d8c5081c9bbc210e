/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A hostile guest: round after round it runs a few bytes of code, some random and some made to exit, in ring 3 or
 * ring 0, with registers that point at devices, edges and nothing. "seed=N" on the command line begins another
 * sequence. It recovers from every trap by stacks of its own for them, and from endless loops by an NMI of the PIT; when it
 * has broken even that, the next life goes on with another sequence, because memory outlives a reset.
 */
#include "hv/lib/string.h"
#include "hv/lib/util.h"
#include "hv/x86/apic.h"
#include "hv/x86/desc.h"
#include "tests/guests/lib/guest.h"

#define KERNEL_CS      0x08
#define KERNEL_DS      0x10
#define USER_DS        0x1b
#define USER_CS        0x23
#define TSS_SELECTOR   0x28

#define ARENA          0x400000UL /* 2 MiB that ring 3 may use: code at the front, data behind it */
#define ARENA_DATA     (ARENA + 0x80000)
#define ARENA_STACK    (ARENA + 0x100000)
#define ARENA_END      (ARENA + 0x200000)
#define LIVES          ((volatile uint64_t *)ARENA_END) /* not touched by the loader */
#define LARGE_PAGE     0x200000UL
#define IST_SIZE       8192

#define CODE_MAX       48
#define REP            0xf3
#define REP_MAX        2048
#define ROUNDS_TO_TELL 1024
#define WILD_ROUNDS    1024 /* of the rounds that reach devices, one of so many does it by anything */
#define ROUNDS_TO_ARM  16
#define PIT_HZ         1193182U
#define ROUND_LIMIT_HZ 1000 /* a round that lasts a millisecond of guest time is broken off */

struct regs {
	uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax;
};

static uint64_t state;
static volatile struct regs regs;
static volatile uint64_t frame[5];  /* what IRETQ takes: the way into a round */
static volatile uint64_t saved_rsp; /* round_enter's */
static uint64_t good_cr0, good_cr3, good_cr4, good_efer, good_apic_base;
static struct desc_ptr good_idtr;
static volatile bool in_round;
static uint64_t by_vector[256];
static struct tss64 tss;
static uint8_t ist[3][IST_SIZE] __attribute__((aligned(16)));
static uint64_t gdt[7] = {
    [KERNEL_CS / 8] = 0x00af9b000000ffff,
    [KERNEL_DS / 8] = 0x00cf93000000ffff,
    [USER_DS / 8] = 0x00cff3000000ffff,
    [USER_CS / 8] = 0x00affb000000ffff,
};
static uint64_t pml4[512] __attribute__((aligned(4096))), pdpt[512] __attribute__((aligned(4096)));
static uint64_t directory[4][512] __attribute__((aligned(4096)));

static uint64_t random64(void)
{
	/* xorshift64* */
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return state * 0x2545f4914f6cdd1dULL;
}

static uint32_t below(uint32_t n)
{
	return (uint32_t)(random64() >> 32) % n;
}

static bool one_in(uint32_t n)
{
	return below(n) == 0;
}

/* --- what the registers hold --- */

static const uint64_t places[] = {
    PLATFORM_LAPIC_BASE,
    PLATFORM_IOAPIC_BASE,
    PLATFORM_IOAPIC_BASE + 0x10,
    0xd0000000,
    0xe0000,
    0xa0000,
    0xfffffff0,
    0xffffffffffff8000,
    0x8000000000000000,
    0x7ffffffffff8,
    0x1000000,
    ARENA_END,
    PLATFORM_LAPIC_BASE - 4,
    0xfffffc,
    0xc0000000,
    PLATFORM_LAPIC_BASE + 0xffc,
};

static const uint16_t ports[] = {
    0x20,  0x21,  0xa0,  0xa1,  0x40,  0x41,  0x42,  0x43,  0x61,  0x60,  0x64,  0x70,  0x71,  0x80,
    0x92,  0xb2,  0xb3,  0x3f8, 0x3f9, 0x3fa, 0x3fb, 0x3fc, 0x3fd, 0x3fe, 0x3ff, 0x4d0, 0x4d1, 0x600,
    0x602, 0x604, 0x608, 0xcf8, 0xcf9, 0xcfc, 0xcfd, 0xcfe, 0xe9,  0xf4,  0x505, 0x1ce, 0x170, 0xffff,
};

static const uint32_t msrs[] = {
    0x10,       0x1b,       0x3a,       0x48,       0x49,       0x8b,       0xce,       0xfe,
    0x10a,      0x174,      0x175,      0x176,      0x179,      0x17a,      0x1a0,      0x1d9,
    0x200,      0x201,      0x250,      0x277,      0x2ff,      0x345,      0x38f,      0x400,
    0x401,      0x480,      0x491,      0x6e0,      0x802,      0x808,      0x80b,      0x830,
    0x832,      0x838,      0x83f,      0xda0,      0xc0000080, 0xc0000081, 0xc0000082, 0xc0000084,
    0xc0000100, 0xc0000102, 0xc0000103, 0xc0010015, 0xc0010114, 0xc0010117, 0x4b564d00, 0x4b564d01,
    0x4b564d02, 0x4b564d03, 0x4b564d04, 0x40000000, 0x40000070,
};

/* With `devices`, addresses of those and of nothing too: many instructions there end the life. */
static uint64_t random_value(bool devices)
{
	switch (below(devices ? 8 : 3)) {
	case 0:
		return random64();
	case 1:
		return one_in(2) ? below(17) : random64() >> below(64);
	case 2:
		return ARENA_DATA + below(0x10000);
	case 3:
		return places[below(ARRAY_SIZE(places))] + below(0x1000);
	case 4:
	case 5:
		return places[below(ARRAY_SIZE(places))];
	default:
		return PLATFORM_LAPIC_BASE + below(64) * 16;
	}
}

static void random_regs(bool devices)
{
	volatile uint64_t *r = (volatile uint64_t *)&regs;

	for (unsigned i = 0; i < sizeof(regs) / sizeof(*r); i++)
		r[i] = random_value(devices);
	if (one_in(2))
		regs.rdx = ports[below(ARRAY_SIZE(ports))];
	if (one_in(2))
		regs.rcx = msrs[below(ARRAY_SIZE(msrs))];
}

/* --- what the code is --- */

/* Instructions that exit, or change what an exit depends on. What they lack is random. */
static const struct {
	uint8_t length, code[4];
} seeds[] = {
    {2, {0x0f, 0xa2}},             /* CPUID */
    {3, {0x0f, 0x01, 0xc1}},       /* VMCALL */
    {3, {0x0f, 0x01, 0xd9}},       /* VMMCALL */
    {3, {0x0f, 0x01, 0xd8}},       /* VMRUN */
    {3, {0x0f, 0x01, 0xdd}},       /* CLGI */
    {3, {0x0f, 0x01, 0xd1}},       /* XSETBV */
    {3, {0x0f, 0x01, 0xc8}},       /* MONITOR */
    {3, {0x0f, 0x01, 0xc9}},       /* MWAIT */
    {3, {0x0f, 0x01, 0xf9}},       /* RDTSCP */
    {2, {0x0f, 0x01}},             /* group 7: SGDT ... LMSW, INVLPG */
    {2, {0x0f, 0x00}},             /* group 6: SLDT ... LTR */
    {2, {0x0f, 0x20}},             /* MOV from CR */
    {2, {0x0f, 0x21}},             /* MOV from DR */
    {2, {0x0f, 0x22}},             /* MOV to CR */
    {2, {0x0f, 0x23}},             /* MOV to DR */
    {3, {0x44, 0x0f, 0x22}},       /* MOV to CR8 */
    {2, {0x0f, 0x30}},             /* WRMSR */
    {2, {0x0f, 0x32}},             /* RDMSR */
    {2, {0x0f, 0x31}},             /* RDTSC */
    {2, {0x0f, 0x33}},             /* RDPMC */
    {2, {0x0f, 0x09}},             /* WBINVD */
    {2, {0x0f, 0x06}},             /* CLTS */
    {2, {0x0f, 0xaa}},             /* RSM */
    {2, {0x0f, 0xc7}},             /* group 9: CMPXCHG16B, VMPTRLD, RDRAND */
    {2, {0x0f, 0xae}},             /* group 15: FXSAVE, XRSTOR, CLFLUSH */
    {4, {0x66, 0x0f, 0x38, 0x82}}, /* INVPCID */
    {2, {0xfb, 0xf4}},             /* STI; HLT */
    {1, {0xf4}},                   /* HLT */
    {2, {0xf3, 0x90}},             /* PAUSE */
    {1, {0xcd}},                   /* INT n */
    {1, {0xcc}},                   /* INT3 */
    {1, {0xf1}},                   /* INT1 */
    {1, {0xcf}},                   /* IRETD */
    {1, {0x8e}},                   /* MOV to a segment register */
    {1, {0xec}},                   /* IN AL, DX */
    {1, {0xed}},                   /* IN EAX, DX */
    {2, {0x66, 0xed}},             /* IN AX, DX */
    {1, {0xee}},                   /* OUT DX, AL */
    {1, {0xef}},                   /* OUT DX, EAX */
    {2, {0x66, 0xef}},             /* OUT DX, AX */
    {2, {0xf3, 0x6c}},             /* REP INSB */
    {2, {0xf3, 0x6f}},             /* REP OUTSD */
    {1, {0x6e}},                   /* OUTSB */
    {1, {0xc8}},                   /* ENTER */
};

/* What reaches device memory, with a ModRM behind it. */
static const uint8_t device_codes[][3] = {
    {1, 0x88},       {1, 0x89},       {1, 0x8a},       {1, 0x8b}, {2, 0x48, 0x89}, {2, 0x48, 0x8b},
    {2, 0x66, 0x89}, {2, 0x66, 0x8b}, {1, 0xc6},       {1, 0xc7}, {1, 0x80},       {1, 0x81},
    {1, 0x01},       {1, 0x31},       {1, 0x39},       {1, 0x21}, {1, 0x87},       {2, 0xf0, 0x09},
    {2, 0x0f, 0xb6}, {2, 0x0f, 0xb7}, {2, 0x0f, 0xbe}, {1, 0x84}, {1, 0x85},       {2, 0x48, 0x01},
};

/* What does so by itself. */
static const uint8_t device_strings[][3] = {
    {2, 0xf3, 0xa4}, {2, 0xf3, 0xab}, {1, 0xa5}, {1, 0xaa}, {2, 0x66, 0xad}, {2, 0xf3, 0x6d}, {2, 0xf3, 0x6e},
};

/* QEMU 7.2 loads a null selector into TR, where a CPU raises #GP, and then ends itself ("invalid tss"): no LTR. */
static void leave_out_ltr(uint8_t *code)
{
	for (unsigned i = 0; i + 2 < CODE_MAX; i++) {
		if (code[i] == 0x0f && code[i + 1] == 0 && (code[i + 2] >> 3 & 7) == 3)
			code[i + 2] ^= 0x20;
	}
}

/* UD2 behind it, so that a round ends soon. */
static void finish(uint8_t *code, unsigned at)
{
	for (; at < CODE_MAX; at++)
		code[at] = at & 1 ? 0x0b : 0x0f;
	leave_out_ltr(code);
}

static void any_code(uint8_t *code)
{
	unsigned i = below(ARRAY_SIZE(seeds)), at = one_in(4) ? 0 : seeds[i].length;

	memcpy(code, seeds[i].code, at);
	while (at < CODE_MAX - 8)
		code[at++] = (uint8_t)random64();
	finish(code, at);
}

static void device_code(uint8_t *code)
{
	const uint8_t *c = one_in(5) ? device_strings[below(ARRAY_SIZE(device_strings))]
				     : device_codes[below(ARRAY_SIZE(device_codes))];
	unsigned at = c[0];
	uint8_t modrm = (uint8_t)(random64() & 0x3f);

	memcpy(code, c + 1, at);
	/* Register indirect; 4 and 5 in its place mean other things. */
	code[at++] = (modrm & 6) == 4 ? modrm ^ 4 : modrm;
	finish(code, at);
}

/* Where the code stands: sometimes the arena's end cuts it in two. */
static uint64_t plant(bool devices)
{
	uint8_t code[CODE_MAX];
	uint64_t at = one_in(16) ? ARENA_END - 1 - below(15) : ARENA + below(0x1000);

	if (devices && !one_in(WILD_ROUNDS))
		device_code(code);
	else
		any_code(code);
	memcpy((void *)at, code, MIN(sizeof(code), ARENA_END - at));
	return at;
}

static uint64_t random_flags(bool ring3)
{
	uint64_t f = RFLAGS_FIXED | (random64() & 0x8d5); /* the arithmetic flags */

	if (one_in(2))
		f |= RFLAGS_IF;
	if (one_in(16))
		f |= RFLAGS_TF;
	if (one_in(16))
		f |= RFLAGS_AC;
	if (one_in(8))
		f |= 1 << 10; /* DF */
	if (ring3 && !one_in(4))
		f |= 3 << 12; /* IOPL: ports are free */
	return f;
}

/* --- the way into a round and out of it --- */

[[gnu::naked]] static void round_enter(void)
{
	asm volatile("push %%rbx\n\tpush %%rbp\n\tpush %%r12\n\tpush %%r13\n\tpush %%r14\n\tpush %%r15\n\t"
		     "mov %%rsp, %c0\n\t"
		     "mov %1, %%rsp\n\t"
		     "pop %%r15\n\tpop %%r14\n\tpop %%r13\n\tpop %%r12\n\tpop %%r11\n\tpop %%r10\n\t"
		     "pop %%r9\n\tpop %%r8\n\tpop %%rdi\n\tpop %%rsi\n\tpop %%rbp\n\tpop %%rbx\n\t"
		     "pop %%rdx\n\tpop %%rcx\n\tpop %%rax\n\t"
		     "mov %2, %%rsp\n\t"
		     "iretq" ::"i"(&saved_rsp),
		     "i"(&regs), "i"(frame));
}

[[gnu::naked]] static void round_exit(void)
{
	asm volatile("pop %r15\n\tpop %r14\n\tpop %r13\n\tpop %r12\n\tpop %rbp\n\tpop %rbx\n\tret");
}

/* Every vector, on a stack of its own. Within a round it ends the round; its IRET ends NMI blocking too. */
static void on_any(struct trap *t)
{
	if (in_round) {
		in_round = false;
		by_vector[t->vector]++;
		t->rip = (uint64_t)round_exit;
		t->cs = KERNEL_CS;
		t->ss = KERNEL_DS;
		t->rsp = saved_rsp;
		t->rflags = RFLAGS_FIXED;
	} else if (t->vector == EXC_DB) {
		write_dr7(DR7_FIXED);
	} else if (t->vector != EXC_NMI) {
		struct desc_ptr none = {0, 0};

		/* Beyond repair: the next life. */
		lidt(&none);
		asm volatile("ud2");
	}
}

/* The PIT interrupts what lasts too long, by an NMI that no flag holds off. */
static void watchdog_arm(void)
{
	mmio_write32((void *)PLATFORM_IOAPIC_BASE, IOAPIC_REG_REDIR(PLATFORM_GSI_TIMER) + 1);
	mmio_write32((void *)(PLATFORM_IOAPIC_BASE + IOAPIC_WIN), 0);
	mmio_write32((void *)PLATFORM_IOAPIC_BASE, IOAPIC_REG_REDIR(PLATFORM_GSI_TIMER));
	mmio_write32((void *)(PLATFORM_IOAPIC_BASE + IOAPIC_WIN), APIC_DELIVERY_NMI);
	out8(0x43, 0x34); /* channel 0, mode 2 */
	out8(0x40, (uint8_t)(PIT_HZ / ROUND_LIMIT_HZ));
	out8(0x40, (uint8_t)(PIT_HZ / ROUND_LIMIT_HZ >> 8));
}

/* What the last round may have changed, back to where the next can begin. */
static void repair(void)
{
	write_dr7(DR7_FIXED);
	write_cr4(good_cr4);
	write_cr0(good_cr0);
	write_cr3(good_cr3);
	lidt(&good_idtr);
	if (rdmsr(MSR_EFER) != good_efer)
		wrmsr(MSR_EFER, good_efer);
	if (rdmsr(MSR_IA32_APIC_BASE) != good_apic_base) {
		wrmsr(MSR_IA32_APIC_BASE, good_apic_base & ~(APIC_BASE_ENABLE | APIC_BASE_X2APIC));
		wrmsr(MSR_IA32_APIC_BASE, good_apic_base);
	}
}

/* --- tables --- */

static void map(uint64_t a, bool user)
{
	directory[a >> 30][a / LARGE_PAGE % 512] = (a & ~(LARGE_PAGE - 1)) | 0x83 | (user ? 4 : 0);
}

/* One to one: RAM, and where the devices are. Ring 3 has the arena and the devices. */
static void paging_load(void)
{
	pml4[0] = (uint64_t)pdpt | 7;
	for (uint64_t a = 0; a < 16UL << 20; a += LARGE_PAGE)
		map(a, a == ARENA);
	for (unsigned i = 0; i < ARRAY_SIZE(places); i++) {
		if (places[i] >= 0xc0000000 && places[i] < 1UL << 32)
			map(places[i], true);
	}
	for (unsigned i = 0; i < 4; i++)
		pdpt[i] = (uint64_t)directory[i] | 7;
	write_cr3((uint64_t)pml4);
}

static void tables_load(void)
{
	struct desc_ptr gdtr = {sizeof(gdt) - 1, (uint64_t)gdt};
	struct idt_gate *idt;

	for (unsigned i = 0; i < 3; i++)
		tss.ist[i] = (uint64_t)(ist[i] + IST_SIZE);
	tss.iomap_base = sizeof(tss);
	guest_tss_describe(&gdt[TSS_SELECTOR / 8], &tss, sizeof(tss));
	lgdt(&gdtr);
	ltr(TSS_SELECTOR);
	sidt(&good_idtr);
	idt = (struct idt_gate *)good_idtr.base;
	for (unsigned i = 0; i < 256; i++) {
		idt[i].ist = i == EXC_NMI ? 2 : i == EXC_DB ? 3 : 1;
		guest_set_handler((uint8_t)i, on_any);
	}
	/* Ring 3 may call some gates, and gets #GP from the others. */
	for (unsigned i = 0; i < 256; i += 3)
		idt[i].attr |= 3 << 5;
}

static void one_round(void)
{
	bool ring3 = !one_in(3), devices = one_in(4);

	repair();
	random_regs(devices);
	frame[0] = plant(devices);
	/* A repeated string instruction that reaches the watchdog's devices could else go on for ever. */
	if (devices || *(uint8_t *)frame[0] == REP)
		regs.rcx = below(REP_MAX);
	frame[1] = ring3 ? USER_CS : KERNEL_CS;
	frame[2] = random_flags(ring3);
	frame[3] = one_in(256) ? random_value(true) : ARENA_STACK;
	frame[4] = ring3 ? USER_DS : KERNEL_DS;
	in_round = true;
	round_enter();
}

static uint64_t seed(void)
{
	uint64_t n = 0;

	for (const char *s = guest_cmdline(); *s; s++) {
		if (memcmp(s, "seed=", 5) != 0)
			continue;
		for (s += 5; *s >= '0' && *s <= '9'; s++)
			n = n * 10 + (uint64_t)(*s - '0');
		break;
	}
	return n;
}

void test_main(void)
{
	uint32_t life = (uint32_t)(*LIVES)++;

	state = (seed() + 1) * 0x9e3779b97f4a7c15ULL + life * 0xbf58476d1ce4e5b9ULL;
	state |= 1;
	guest_printf("life %u\n", life);
	paging_load();
	tables_load();
	good_cr0 = read_cr0();
	good_cr3 = read_cr3();
	good_cr4 = read_cr4();
	good_efer = rdmsr(MSR_EFER);
	good_apic_base = rdmsr(MSR_IA32_APIC_BASE);
	for (uint64_t n = 1;; n++) {
		if (n % ROUNDS_TO_ARM == 1) {
			repair();
			watchdog_arm();
		}
		one_round();
		if (n % ROUNDS_TO_TELL)
			continue;
		repair();
		out8(PLATFORM_COM1_PORT + 3, 3);
		out8(PLATFORM_COM1_PORT + 4, 3);
		guest_printf("\nlife %u, round %lu: #DB %lu, broken off %lu, #UD %lu, #GP %lu, #PF %lu\n",
			     life, n, by_vector[EXC_DB], by_vector[EXC_NMI], by_vector[EXC_UD],
			     by_vector[EXC_GP], by_vector[EXC_PF]);
	}
}
