/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Starting the application processors one after the other, and stopping them all. What a CPU does in between
 * is hv/cpu_loop.c's.
 */
#include "hv/smp.h"
#include <stddef.h>
#include "drivers/lapic.h"
#include "hv/lib/log.h"
#include "hv/lib/string.h"
#include "hv/lib/util.h"
#include "hv/ops.h"
#include "hv/panic.h"
#include "hv/pcpu.h"
#include "hv/timer.h"
#include "hv/x86/ap_trampoline.h"
#include "hv/x86/apic.h"
#include "hv/x86/cr.h"
#include "hv/x86/insn.h"
#include "hv/x86/msr.h"
#include "mm/host_map.h"

/* Pages below 1 MiB: the trampoline, and tables that map it one to one. */
enum { PAGE_CODE, PAGE_PML4, PAGE_PDPT, PAGE_PD, PAGE_PT, PAGES_COUNT };
#define REAL_MODE_LIMIT  MIB(1)
#define UPPER_HALF       256 /* first PML4 entry of the host's half */
#define PML4_ENTRIES     512
#define PTE_P            (1UL << 0)
#define PTE_W            (1UL << 1)

#define GDT_CODE64       0x00af9b000000ffffUL
#define GDT_DATA         0x00cf93000000ffffUL
#define GDT_CODE32       0x00cf9b000000ffffUL

/* SDM Vol. 3A, "MP Initialization Protocol Algorithm": INIT, 10 ms, SIPI, 200 us, a second SIPI. */
#define INIT_WAIT_US     10000
#define STARTUP_WAIT_US  200
#define ONLINE_WAIT_US   5000000
#define ONLINE_POLL_US   50

#define STOP_WAIT_MS     100
#define STOP_POLLS_BLIND 10000000 /* while the TSC's rate isn't known */

#define TSC_ROUNDS       128

static uint64_t low_pa; /* PAGES_COUNT pages; 0: none */
static uint64_t boot_cr0, boot_cr4, boot_pat;
static uint32_t stopping_cpu; /* id + 1 of who stops all others; 0: nobody */
static uint32_t stopped_count;

/* The TSC check: both CPUs stamp in turns, each stamp must not be below the one before. */
static struct {
	struct spinlock lock;
	uint32_t arrived, rounds;
	uint64_t last, worst;
} tsc_check;

enum status smp_reserve(struct memmap *map)
{
	return memmap_take(map, PAGES_COUNT * PAGE_SIZE, PAGE_SIZE, REAL_MODE_LIMIT, &low_pa);
}

/* Called by both CPUs at the same time; both leave after the same round, so that neither makes the other wait. */
static void tsc_check_run(void)
{
	bool done = false;

	__atomic_fetch_add(&tsc_check.arrived, 1, __ATOMIC_SEQ_CST);
	while (!done) {
		uint64_t now;

		spin_lock(&tsc_check.lock);
		now = rdtsc_ordered();
		if (now < tsc_check.last)
			tsc_check.worst = MAX(tsc_check.worst, tsc_check.last - now);
		tsc_check.last = now;
		/* Rounds count once both are here, so that the stamps alternate. */
		if (__atomic_load_n(&tsc_check.arrived, __ATOMIC_SEQ_CST) == 2)
			tsc_check.rounds++;
		done = tsc_check.rounds >= TSC_ROUNDS;
		spin_unlock(&tsc_check.lock);
		cpu_pause();
	}
}

static void tsc_check_report(uint32_t cpu)
{
	if (tsc_check.worst != 0)
		log_warn("CPU %u: its TSC is %lu ticks apart from CPU 0's; clocks may step between CPUs", cpu,
			 tsc_check.worst);
}

/* First C code of an application processor, on its own stack, with the trampoline's page tables. */
[[gnu::noreturn]] static void ap_main(struct pcpu *p)
{
	wrmsr(MSR_IA32_PAT, boot_pat);
	write_cr3(host_map_cr3());
	write_cr4(boot_cr4);
	pcpu_load_tables(p);
	lapic_init_cpu();
	mce_init_cpu();
	__atomic_store_n(&p->online, true, __ATOMIC_RELEASE);
	tsc_check_run();
	pcpu_main(p);
}

/* The trampoline, its tables and all parameters but those of the single CPU. */
static struct ap_params *trampoline_build(char *low)
{
	size_t code_size = (size_t)(ap_trampoline_end - ap_trampoline_start);
	struct ap_params *params = (struct ap_params *)(low + code_size);
	uint64_t *tables = (uint64_t *)low;
	const uint64_t *host = host_ptr(hpa(host_map_cr3()));

	memset(low, 0, PAGES_COUNT * PAGE_SIZE);
	memcpy(low, ap_trampoline_start, code_size);

#define ENTRY(page, index) tables[(page)*PML4_ENTRIES + (index)]
	memcpy(&ENTRY(PAGE_PML4, UPPER_HALF), &host[UPPER_HALF], (PML4_ENTRIES - UPPER_HALF) * sizeof(*host));
	ENTRY(PAGE_PML4, 0) = (low_pa + PAGE_PDPT * PAGE_SIZE) | PTE_P | PTE_W;
	ENTRY(PAGE_PDPT, 0) = (low_pa + PAGE_PD * PAGE_SIZE) | PTE_P | PTE_W;
	ENTRY(PAGE_PD, 0) = (low_pa + PAGE_PT * PAGE_SIZE) | PTE_P | PTE_W;
	ENTRY(PAGE_PT, low_pa >> PAGE_SHIFT) = low_pa | PTE_P; /* read and execute only */
#undef ENTRY

	*params = (struct ap_params){
	    .gdt_limit = AP_GDT_BYTES - 1,
	    .gdt_base = (uint32_t)(low_pa + code_size + offsetof(struct ap_params, gdt)),
	    .jump32 = {(uint32_t)(low_pa + (size_t)(ap_trampoline_32 - ap_trampoline_start)), AP_SEL_CODE32},
	    .jump64 = {(uint32_t)(low_pa + (size_t)(ap_trampoline_64 - ap_trampoline_start)), AP_SEL_CODE64},
	    .cr3 = (uint32_t)(low_pa + PAGE_PML4 * PAGE_SIZE),
	    .cr4 = CR4_PAE,
	    .efer = (uint32_t)(rdmsr(MSR_EFER) & (EFER_LME | EFER_NXE | EFER_SCE)),
	    .cr0 = (uint32_t)boot_cr0,
	    .entry = (uint64_t)ap_main,
	    .gdt = {[AP_SEL_CODE64 / 8] = GDT_CODE64,
		    [AP_SEL_DATA / 8] = GDT_DATA,
		    [AP_SEL_CODE32 / 8] = GDT_CODE32},
	};
	return params;
}

static bool wait_online(struct pcpu *p, uint32_t us)
{
	for (uint32_t waited = 0; waited < us; waited += ONLINE_POLL_US) {
		if (__atomic_load_n(&p->online, __ATOMIC_ACQUIRE))
			return true;
		delay_us(ONLINE_POLL_US);
	}
	return __atomic_load_n(&p->online, __ATOMIC_ACQUIRE);
}

/* Its INIT was long enough ago. */
static bool ap_start(struct ap_params *params, struct pcpu *p)
{
	uint8_t page = (uint8_t)(low_pa >> PAGE_SHIFT);

	params->stack = p->stack_top - sizeof(uint64_t);
	params->pcpu = (uint64_t)p;
	tsc_check.arrived = tsc_check.rounds = 0;
	tsc_check.last = tsc_check.worst = 0;
	lapic_send_startup(p->apic_id, page);
	if (!wait_online(p, STARTUP_WAIT_US))
		lapic_send_startup(p->apic_id, page);
	if (!wait_online(p, ONLINE_WAIT_US)) {
		/* Back to waiting for a SIPI: it must not come late and take the next CPU's stack. */
		lapic_send_init(p->apic_id);
		delay_us(INIT_WAIT_US);
		log_error("CPU with APIC ID %u did not start; going on without it", p->apic_id);
		return false;
	}
	tsc_check_run();
	tsc_check_report(p->id);
	return true;
}

/* Not this CPU, and not one that an xAPIC can't address: its destination field has 8 bits. */
static bool is_startable(uint32_t apic_id)
{
	return apic_id != pcpus[0]->apic_id && (lapic_is_x2apic() || apic_id < LAPIC_X1_BROADCAST);
}

static void start_all(struct ap_params *params, const uint32_t *apic_ids, uint32_t count)
{
	struct pcpu *p = NULL;

	for (uint32_t i = 0; i < count; i++) {
		if (!is_startable(apic_ids[i]))
			continue;
		if (pcpu_count == MAX_PCPUS) {
			log_warn("more than %u CPUs: the rest stays unused", MAX_PCPUS);
			return;
		}
		/* A CPU that did not start leaves its struct and stacks to the next one. */
		if (p == NULL)
			p = pcpu_alloc(pcpu_count, apic_ids[i]);
		if (p == NULL) {
			log_error("no memory for more than %u CPUs", pcpu_count);
			return;
		}
		p->apic_id = apic_ids[i];
		pcpus[pcpu_count] = p;
		if (ap_start(params, p)) {
			pcpu_count++;
			p = NULL;
		} else {
			pcpus[pcpu_count] = NULL;
		}
	}
}

uint32_t smp_start(const uint32_t *apic_ids, uint32_t count)
{
	char *low;

	pcpus[0]->apic_id = lapic_id();
	if (low_pa == 0) {
		log_error("no memory below 1 MiB to start other CPUs from");
		return pcpu_count;
	}
	low = host_map_device(low_pa, PAGES_COUNT * PAGE_SIZE, PT_WB);
	if (low == NULL) {
		log_error("no room to map the start-up code of other CPUs");
		return pcpu_count;
	}
	boot_cr0 = read_cr0();
	boot_cr4 = read_cr4() & ~CR4_VMXE; /* virtualization is each CPU's own matter */
	boot_pat = rdmsr(MSR_IA32_PAT);
	for (uint32_t i = 0; i < count; i++) {
		if (is_startable(apic_ids[i]))
			lapic_send_init(apic_ids[i]);
	}
	delay_us(INIT_WAIT_US);
	start_all(trampoline_build(low), apic_ids, count);
	host_unmap(low, PAGES_COUNT * PAGE_SIZE);
	return pcpu_count;
}

bool smp_stopping(void)
{
	uint32_t by = __atomic_load_n(&stopping_cpu, __ATOMIC_SEQ_CST);

	return by != 0 && by != this_pcpu()->id + 1;
}

void smp_stop_self(void)
{
	struct pcpu *p = this_pcpu();

	cli();
	/* A fault in there ends in panic, which comes back here. */
	if (ops != NULL && p->online) {
		p->online = false;
		ops->cpu_disable();
	}
	__atomic_fetch_add(&stopped_count, 1, __ATOMIC_SEQ_CST);
	for (;;)
		hlt();
}

uint32_t smp_stop_others(void)
{
	uint32_t expected = 0, others = 0;
	uint64_t start = rdtsc(), limit = tsc_hz() * STOP_WAIT_MS / 1000;

	if (!__atomic_compare_exchange_n(&stopping_cpu, &expected, this_pcpu()->id + 1, false,
					 __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST) &&
	    expected != this_pcpu()->id + 1)
		smp_stop_self();
	for (uint32_t i = 0; i < pcpu_count; i++) {
		if (pcpus[i] == this_pcpu())
			continue;
		lapic_send_nmi(pcpus[i]->apic_id);
		others++;
	}
	for (uint64_t polls = 0; __atomic_load_n(&stopped_count, __ATOMIC_SEQ_CST) < others; polls++) {
		if (limit != 0 ? rdtsc() - start > limit : polls > STOP_POLLS_BLIND)
			break;
		cpu_pause();
	}
	return others - __atomic_load_n(&stopped_count, __ATOMIC_SEQ_CST);
}
