/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Several vCPUs ("cpus=N", 2 to 8, or more for a few of the tests): INIT and SIPI as the manuals say, interprocessor interrupts of every kind in
 * xAPIC and x2APIC mode, the TSC-deadline timer of each, the topology, one TSC.
 */
#include "hv/lib/fmt.h"
#include "hv/lib/util.h"
#include "hv/x86/apic.h"
#include "hv/x86/msr.h"
#include "tests/guests/lib/smp.h"

#define VECTOR_IPI     0x40
#define VECTOR_TIMER   0x41
#define PAGE_A         0x60
#define PAGE_B         0x9d
#define PAGE_C         0x10
#define STORM_ROUNDS   300
#define TSC_TURNS      2000
#define MANY_SETTLE_US 500000
#define X2(reg)        (MSR_X2APIC_BASE + ((reg) >> 4))
#define ALL            ((1u << cpus) - 1)

static uint32_t cpus;
static volatile uint32_t ipis[AP_MAX], nmis[AP_MAX], timers[AP_MAX];
static bool x2apic;

static void eoi(void)
{
	if (x2apic)
		wrmsr(X2(LAPIC_EOI), 0);
	else
		GUEST_LAPIC(LAPIC_EOI) = 0;
}

static void on_ipi(struct trap *t)
{
	(void)t;
	ipis[ap_self()]++;
	eoi();
}

static void on_timer(struct trap *t)
{
	(void)t;
	timers[ap_self()]++;
	eoi();
}

static void on_nmi(struct trap *t)
{
	(void)t;
	nmis[ap_self()]++;
}

/* The first vCPU hears interrupts here only. */
static void listen(void)
{
	asm volatile("sti\n\tnop\n\tcli" ::: "memory");
}

static uint32_t sum(const volatile uint32_t *n)
{
	uint32_t s = 0;

	for (uint32_t i = 0; i < cpus; i++)
		s += n[i];
	return s;
}

/* Waits until as many have come in all, and a little longer for what should not come. */
static void wait_sum(const volatile uint32_t *n, uint32_t total)
{
	uint32_t start = guest_pm_timer();

	while (sum(n) < total && guest_pm_timer() - start < PM_TIMER_HZ) {
		listen();
		cpu_pause();
	}
	guest_delay_us(2000);
	listen();
}

static void clear(volatile uint32_t *n)
{
	for (uint32_t i = 0; i < AP_MAX; i++)
		n[i] = 0;
}

static uint32_t count(uint32_t set)
{
	uint32_t n = 0;

	for (; set; set &= set - 1)
		n++;
	return n;
}

/* Each vCPU of the set has had one IPI since clear, and no other has. */
static bool exactly(const volatile uint32_t *n, uint32_t set)
{
	wait_sum(n, count(set));
	for (uint32_t i = 0; i < cpus; i++) {
		if (n[i] != (set >> i & 1))
			return false;
	}
	return true;
}

static void send(uint32_t dest, uint32_t icr)
{
	clear(ipis);
	clear(nmis);
	if (x2apic)
		wrmsr(X2(LAPIC_ICR), (uint64_t)dest << 32 | icr);
	else
		ap_send(dest, icr);
}

/* --- INIT and SIPI --- */

/* By broadcast, as firmware starts processors whose number it does not know. */
static void check_broadcast_start(void)
{
	bool good = true;

	ap_send(0, APIC_DELIVERY_INIT | LAPIC_ICR_ASSERT | LAPIC_ICR_LEVEL | LAPIC_ICR_OTHERS);
	guest_delay_us(200);
	ap_send(0, APIC_DELIVERY_SIPI | LAPIC_ICR_ASSERT | LAPIC_ICR_OTHERS | PAGE_A);
	for (uint32_t i = 1; i < cpus; i++)
		good = ap_wait(&ap[i].starts, 1) && ap[i].page == PAGE_A && good;
	EXPECT("smp/broadcast-start", good);
}

static void check_start_from(const char *name, enum ap_mode mode, uint8_t page)
{
	bool in_mode = ap_set_mode(1, mode);

	guest_delay_us(500); /* into its HLT */
	EXPECT(name, in_mode && ap_start(1, page));
}

static void check_second_sipi(void)
{
	uint32_t before = ap[1].starts;

	ap_init(1);
	ap_sipi(1, PAGE_A);
	ap_sipi(1, PAGE_B);
	ap_wait(&ap[1].starts, before + 1);
	guest_delay_us(3000);
	EXPECT("smp/second-sipi-ignored", ap[1].starts == before + 1 && ap[1].page == PAGE_A);
	ap_sipi(1, PAGE_B);
	guest_delay_us(3000);
	send(1, VECTOR_IPI);
	EXPECT("smp/sipi-while-running-ignored", exactly(ipis, 2) && ap[1].starts == before + 1);
}

static void check_waits_for_sipi(void)
{
	uint32_t before = ap[1].starts;

	ap_init(1);
	ap_init(1);
	guest_delay_us(1000);
	send(1, VECTOR_IPI);
	guest_delay_us(3000);
	EXPECT("smp/init-stops-it", !ipis[1] && ap[1].starts == before);
	ap_sipi(1, PAGE_C);
	EXPECT("smp/sipi-after-two-inits", ap_wait(&ap[1].starts, before + 1) && ap[1].page == PAGE_C);
	EXPECT("smp/what-came-before-is-gone", !ipis[1]);
}

/* An interrupt that waits for IF when the INIT comes: neither it nor the wait for it may stay. */
static void check_init_with_pending(void)
{
	ap_set_mode(1, AP_DEAF_SPIN);
	send(1, VECTOR_IPI);
	guest_delay_us(1000);
	EXPECT("smp/init-while-interrupt-waits", ap_start(1, PAGE_A));
	guest_delay_us(1000);
	EXPECT("smp/init-drops-interrupt", !ipis[1]);
	send(1, VECTOR_IPI);
	EXPECT("smp/hears-again", exactly(ipis, 2));
}

static void storm(uint32_t target)
{
	for (unsigned i = 0; i < STORM_ROUNDS; i++) {
		ap_init(target);
		for (unsigned spin = 0; spin < (i % 16) * 20; spin++)
			cpu_pause();
		ap_sipi(target, i & 1 ? PAGE_A : PAGE_B);
		for (unsigned spin = 0; spin < (i % 7) * 50; spin++)
			cpu_pause();
	}
}

static void storm_of_last(uint32_t id)
{
	(void)id;
	storm(cpus - 1);
}

static void check_storm(void)
{
	if (cpus > 2)
		EXPECT("smp/storm-ends", ap_call(1, storm_of_last));
	else
		storm_of_last(0);
	guest_delay_us(20000);
	/* Not where the storm sent it: the start that is waited for is this one. */
	EXPECT("smp/storm-leaves-it-usable", ap_start(cpus - 1, PAGE_C));
	send(cpus - 1, VECTOR_IPI);
	EXPECT("smp/storm-leaves-it-hearing", exactly(ipis, 1u << (cpus - 1)));
}

/* --- interprocessor interrupts --- */

static void check_common(const char *const *names, const uint32_t *logical, uint32_t broadcast)
{
	bool good = true;

	for (uint32_t i = 1; i < cpus; i++) {
		send(i, VECTOR_IPI);
		good = exactly(ipis, 1u << i) && good;
	}
	EXPECT(names[0], good);
	send(broadcast, VECTOR_IPI);
	EXPECT(names[1], exactly(ipis, ALL));
	send(logical[0] | logical[1], VECTOR_IPI | APIC_DEST_LOGICAL);
	EXPECT(names[2], exactly(ipis, 3));
	send(logical[0] | logical[1], VECTOR_IPI | APIC_DEST_LOGICAL | APIC_DELIVERY_LOWEST);
	wait_sum(ipis, 1);
	EXPECT(names[3], sum(ipis) == 1 && ipis[0] + ipis[1] == 1);
	send(0, VECTOR_IPI | LAPIC_ICR_OTHERS);
	EXPECT(names[4], exactly(ipis, ALL & ~1u));
	send(0, VECTOR_IPI | LAPIC_ICR_ALL);
	EXPECT(names[5], exactly(ipis, ALL));
	send(0, VECTOR_IPI | LAPIC_ICR_SELF);
	EXPECT(names[6], exactly(ipis, 1));
	send(1, APIC_DELIVERY_NMI);
	EXPECT(names[7], exactly(nmis, 2));
	send(cpus + 1, VECTOR_IPI);
	guest_delay_us(1000);
	EXPECT(names[8], exactly(ipis, 0));
}

static void set_flat(uint32_t id)
{
	GUEST_LAPIC(LAPIC_DFR) = LAPIC_DFR_FLAT;
	GUEST_LAPIC(LAPIC_LDR) = 1u << (LAPIC_ID_SHIFT + id);
}

/* Two to a cluster. */
static void set_cluster(uint32_t id)
{
	GUEST_LAPIC(LAPIC_DFR) = LAPIC_DFR_CLUSTER;
	GUEST_LAPIC(LAPIC_LDR) = (id / 2 << 4 | 1u << id % 2) << LAPIC_ID_SHIFT;
}

static void on_all(void (*fn)(uint32_t id))
{
	fn(0);
	for (uint32_t i = 1; i < cpus; i++)
		ap_call(i, fn);
}

static void check_xapic(void)
{
	static const char *const names[] = {"smp/x1-physical", "smp/x1-broadcast", "smp/x1-logical-flat",
					    "smp/x1-lowest",   "smp/x1-others",    "smp/x1-all",
					    "smp/x1-self",     "smp/x1-nmi",       "smp/x1-nobody"};

	on_all(set_flat);
	check_common(names, (const uint32_t[]){1, 2}, LAPIC_X1_BROADCAST);
	on_all(set_cluster);
	send(0x03, VECTOR_IPI | APIC_DEST_LOGICAL);
	EXPECT("smp/x1-cluster-0", exactly(ipis, 3));
	send(0xf1, VECTOR_IPI | APIC_DEST_LOGICAL);
	EXPECT("smp/x1-cluster-all", exactly(ipis, 0x55 & ALL));
	send(0x11, VECTOR_IPI | APIC_DEST_LOGICAL);
	EXPECT("smp/x1-cluster-1", exactly(ipis, 4 & ALL));
	on_all(set_flat);
}

static void enter_x2apic(uint32_t id)
{
	(void)id;
	wrmsr(MSR_IA32_APIC_BASE, rdmsr(MSR_IA32_APIC_BASE) | APIC_BASE_X2APIC);
	wrmsr(X2(LAPIC_SVR), LAPIC_SVR_ENABLE | 0xff);
}

static void leave_x2apic(uint32_t id)
{
	uint64_t base = rdmsr(MSR_IA32_APIC_BASE);

	(void)id;
	wrmsr(MSR_IA32_APIC_BASE, base & ~(APIC_BASE_X2APIC | APIC_BASE_ENABLE));
	wrmsr(MSR_IA32_APIC_BASE, (base & ~APIC_BASE_X2APIC) | APIC_BASE_ENABLE);
	GUEST_LAPIC(LAPIC_SVR) = LAPIC_SVR_ENABLE | 0xff;
}

static void back_to_x1(uint64_t arg)
{
	(void)arg;
	wrmsr(MSR_IA32_APIC_BASE, rdmsr(MSR_IA32_APIC_BASE) & ~APIC_BASE_X2APIC);
}

static void check_x2apic(void)
{
	static const char *const names[] = {"smp/x2-physical", "smp/x2-broadcast", "smp/x2-logical",
					    "smp/x2-lowest",   "smp/x2-others",    "smp/x2-all",
					    "smp/x2-self",     "smp/x2-nmi",       "smp/x2-nobody"};

	uint32_t starts;

	if (!(cpuid(1, 0).ecx & CPUID_1_ECX_X2APIC)) {
		EXPECT("smp/x2apic-offered", false);
		return;
	}
	/* The others first: they are called by xAPIC, which the first one then leaves. */
	for (uint32_t i = 1; i < cpus; i++)
		ap_call(i, enter_x2apic);
	enter_x2apic(0);
	x2apic = true;
	guest_expect_equal("smp/x2-id", rdmsr(X2(LAPIC_ID)), 0);
	guest_expect_equal("smp/x2-ldr", rdmsr(X2(LAPIC_LDR)), 1);
	guest_expect_equal("smp/x2-not-to-x1-at-once", (uint64_t)guest_catch(back_to_x1, 0), 13);
	check_common(names, (const uint32_t[]){1, 2}, LAPIC_X2_BROADCAST);
	clear(ipis);
	wrmsr(X2(LAPIC_SELF_IPI), VECTOR_IPI);
	EXPECT("smp/x2-self-ipi-register", exactly(ipis, 1));
	/* INIT leaves the mode: the vCPU comes back in x2APIC mode. */
	starts = ap[1].starts;
	send(1, APIC_DELIVERY_INIT | LAPIC_ICR_ASSERT | LAPIC_ICR_LEVEL);
	send(1, APIC_DELIVERY_SIPI | LAPIC_ICR_ASSERT | PAGE_B);
	EXPECT("smp/x2-init-sipi", ap_wait(&ap[1].starts, starts + 1) && ap[1].page == PAGE_B);
	for (uint32_t i = 1; i < cpus; i++)
		ap_call(i, leave_x2apic); /* they spin, and need no waking */
	leave_x2apic(0);
	x2apic = false;
	on_all(set_flat);
	send(1, VECTOR_IPI);
	EXPECT("smp/back-in-x1", exactly(ipis, 2));
}

/* --- timers, topology, the TSC --- */

static void arm_deadline(uint32_t id)
{
	(void)id;
	GUEST_LAPIC(LAPIC_LVT_TIMER) = VECTOR_TIMER | LAPIC_LVT_TIMER_DEADLINE;
	mfence();
	wrmsr(MSR_IA32_TSC_DEADLINE, rdtsc() + 200000);
}

static void check_deadline(void)
{
	EXPECT("smp/tsc-deadline-offered", cpuid(1, 0).ecx & CPUID_1_ECX_TSC_DEADLINE);
	clear(timers);
	on_all(arm_deadline);
	EXPECT("smp/tsc-deadline-on-each", exactly(timers, ALL));
}

static volatile uint32_t topology_bad;

static void look_at_topology(uint32_t id)
{
	struct cpuid_regs one = cpuid(1, 0), core = cpuid(0xb, 1);
	bool amd = cpuid(0, 0).ecx == CPUID_VENDOR_AMD_ECX;

	if (one.ebx >> 24 != id || (one.ebx >> 16 & 0xff) < cpus || !(one.edx & CPUID_1_EDX_HTT))
		topology_bad |= 1;
	if (cpuid(0xb, 0).edx != id || cpuid(0xb, 0).ebx != 1 || core.ebx != cpus || 1u << core.eax < cpus)
		topology_bad |= 2;
	if (!amd && (cpuid(4, 0).eax >> 26) + 1 < cpus)
		topology_bad |= 4;
	if (amd && cpuid(0x80000008, 0).ecx != ((cpus - 1) | core.eax << 12))
		topology_bad |= 8;
	if (amd && (cpuid(0x80000001, 0).ecx & CPUID_80000001_ECX_TOPOEXT) && cpuid(0x8000001e, 0).eax != id)
		topology_bad |= 16;
}

/*
 * Two vCPUs hand a number to and fro: no TSC that was read after another may be less. They sleep in between, and
 * where there are four, the others are busy for changing times: so the two wake on one CPU or another.
 */
static volatile uint64_t tsc_last;
static volatile uint32_t tsc_turns, tsc_backwards;
static volatile bool tsc_end;

static void wait_for_wake(void)
{
	asm volatile("sti\n\thlt\n\tcli" ::: "memory");
}

static void keep_busy(uint32_t id)
{
	while (!tsc_end) {
		for (uint32_t i = 0; i < id * tsc_turns % 5000 * 4; i++)
			compiler_barrier();
		wait_for_wake();
	}
}

static void tsc_player(uint32_t id)
{
	while (tsc_turns < TSC_TURNS) {
		uint64_t now;

		if (tsc_turns % 2 != id) {
			wait_for_wake();
			continue;
		}
		now = rdtsc();
		if (now < tsc_last)
			tsc_backwards++;
		tsc_last = now;
		tsc_turns++;
		ap_send(!id, VECTOR_WAKE);
		if (cpus > 3)
			ap_send(2 + tsc_turns / 3 % 2, VECTOR_WAKE);
	}
}

static void check_tsc(void)
{
	for (uint32_t i = 1; i < cpus; i++) {
		ap[i].call = i == 1 ? tsc_player : keep_busy;
		ap_send(i, VECTOR_WAKE);
	}
	tsc_player(0);
	tsc_end = true;
	for (uint32_t i = 1; i < cpus; i++) {
		while (ap[i].call)
			ap_send(i, VECTOR_WAKE);
	}
	guest_expect_equal("smp/one-tsc", tsc_backwards, 0);
}

/* More than a logical destination of eight bits can name: started, asleep, and heard by every one of them. */
static void check_many(void)
{
	check_broadcast_start();
	for (uint32_t i = 1; i < cpus; i++)
		ap[i].mode = AP_HALT;
	guest_delay_us(MANY_SETTLE_US);
	send(0, VECTOR_IPI | LAPIC_ICR_OTHERS);
	wait_sum(ipis, cpus - 1);
	guest_expect_equal("smp/many-hear", sum(ipis), cpus - 1);
	on_all(look_at_topology);
	guest_expect_equal("smp/many-topology", topology_bad, 0);
}

static uint32_t number_of_cpus(void)
{
	for (uint32_t n = 2; n <= AP_MAX; n++) {
		char word[10];

		fmt_snprintf(word, sizeof(word), "cpus=%u", n);
		if (guest_cmdline_has(word))
			return n;
	}
	return 2;
}

void test_main(void)
{
	cpus = number_of_cpus();
	guest_set_handler(VECTOR_IPI, on_ipi);
	guest_set_handler(VECTOR_TIMER, on_timer);
	guest_set_handler(2, on_nmi);
	ap_place(PAGE_A);
	ap_place(PAGE_B);
	ap_place(PAGE_C);
	GUEST_LAPIC(LAPIC_SVR) = LAPIC_SVR_ENABLE | 0xff;
	if (cpus > 8) {
		check_many();
		return;
	}
	check_broadcast_start();
	check_start_from("smp/init-while-spinning", AP_SPIN, PAGE_B);
	check_start_from("smp/init-while-halted", AP_HALT, PAGE_C);
	check_start_from("smp/init-while-halted-for-ever", AP_DEAF_HALT, PAGE_A);
	check_start_from("smp/init-while-deaf", AP_DEAF_SPIN, PAGE_B);
	check_second_sipi();
	check_waits_for_sipi();
	check_init_with_pending();
	check_xapic();
	check_x2apic();
	check_deadline();
	on_all(look_at_topology);
	guest_expect_equal("smp/topology", topology_bad, 0);
	check_tsc();
	check_storm();
}
