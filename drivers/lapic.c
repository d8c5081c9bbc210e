/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SDM Vol. 3A, "Advanced Programmable Interrupt Controller (APIC)". One register file, two ways to it: the
 * xAPIC page or the x2APIC MSRs, chosen once.
 */
#include "drivers/lapic.h"
#include <stddef.h>
#include "hv/irq.h"
#include "hv/lib/log.h"
#include "hv/lib/panic.h"
#include "hv/timer.h"
#include "hv/x86/apic.h"
#include "hv/x86/cpuid.h"
#include "hv/x86/insn.h"
#include "hv/x86/msr.h"
#include "mm/host_map.h"

#define CALIBRATE_US 2000
#define ICR_POLLS    1000000
#define EOI_MAX      256 /* vectors */
#define COUNTER_MAX  0xffffffffu
#define LVT_MAX_CMCI 6 /* version register's "max LVT entry" from which LVT CMCI exists */
#define RATIO_SHIFT  32

static bool x2apic, deadline_mode;
static char *mmio;
static uint64_t ticks_per_tsc; /* LAPIC timer ticks per TSC tick, times 2^RATIO_SHIFT */

static uint32_t reg_read(enum lapic_reg reg)
{
	if (x2apic)
		return (uint32_t)rdmsr(MSR_X2APIC_BASE + (reg >> 4));
	return mmio_read32(mmio + reg);
}

static void reg_write(enum lapic_reg reg, uint32_t value)
{
	if (x2apic)
		wrmsr(MSR_X2APIC_BASE + (reg >> 4), value);
	else
		mmio_write32(mmio + reg, value);
}

static bool cpu_has(uint32_t leaf1_ecx)
{
	return (cpuid(CPUID_LEAF_FEATURES, 0).ecx & leaf1_ecx) != 0;
}

/* SDM Vol. 3A, "x2APIC State Transitions": from disabled to x2APIC the way leads through xAPIC. */
static void mode_enable(void)
{
	uint64_t base = rdmsr(MSR_IA32_APIC_BASE);

	if ((base & APIC_BASE_ENABLE) == 0) {
		base |= APIC_BASE_ENABLE;
		wrmsr(MSR_IA32_APIC_BASE, base);
	}
	if (x2apic && (base & APIC_BASE_X2APIC) == 0)
		wrmsr(MSR_IA32_APIC_BASE, base | APIC_BASE_X2APIC);
}

/* Firmware may leave vectors in service; they would hold back everything below them. */
static void drop_in_service(void)
{
	for (unsigned n = 0; n < EOI_MAX; n++) {
		uint32_t any = 0;

		for (unsigned i = 0; i < 8; i++)
			any |= reg_read((enum lapic_reg)(LAPIC_ISR + i * 0x10));
		if (any == 0)
			return;
		lapic_eoi();
	}
}

static void timer_init_cpu(void)
{
	reg_write(LAPIC_TIMER_INITIAL, 0);
	reg_write(LAPIC_TIMER_DIVIDE, LAPIC_TIMER_DIVIDE_BY_1);
	reg_write(LAPIC_LVT_TIMER,
		  (deadline_mode ? LAPIC_LVT_TIMER_DEADLINE : LAPIC_LVT_TIMER_ONESHOT) | VECTOR_TIMER);
	/* xAPIC: the mode must be set before the deadline is written (SDM Vol. 3A, "TSC-Deadline Mode"). */
	mfence();
}

void lapic_init_cpu(void)
{
	uint32_t max_lvt;

	mode_enable();
	reg_write(LAPIC_SVR, LAPIC_SVR_ENABLE | VECTOR_SPURIOUS);
	reg_write(LAPIC_TPR, 0);
	max_lvt = (reg_read(LAPIC_VERSION) >> LAPIC_VERSION_MAX_LVT_SHIFT) & 0xff;
	if (max_lvt >= LVT_MAX_CMCI)
		reg_write(LAPIC_LVT_CMCI, LAPIC_LVT_MASKED);
	if (max_lvt >= 5)
		reg_write(LAPIC_LVT_THERMAL, LAPIC_LVT_MASKED);
	if (max_lvt >= 4)
		reg_write(LAPIC_LVT_PERF, LAPIC_LVT_MASKED);
	reg_write(LAPIC_LVT_LINT0, LAPIC_LVT_MASKED);
	reg_write(LAPIC_LVT_LINT1, APIC_DELIVERY_NMI);
	reg_write(LAPIC_LVT_ERROR, LAPIC_LVT_MASKED);
	timer_init_cpu();
	reg_write(LAPIC_ESR, 0);
	drop_in_service();
}

void lapic_init(void)
{
	uint64_t base = rdmsr(MSR_IA32_APIC_BASE);

	x2apic = cpu_has(CPUID_1_ECX_X2APIC) || (base & APIC_BASE_X2APIC) != 0;
	deadline_mode = cpu_has(CPUID_1_ECX_TSC_DEADLINE);
	if (!x2apic) {
		mmio = host_map_device(base & APIC_BASE_ADDR, LAPIC_MMIO_SIZE, PT_UC);
		if (mmio == NULL)
			panic("no room to map the local APIC");
	}
	lapic_init_cpu();
	log_info("local APIC: %s, %s timer", x2apic ? "x2APIC" : "xAPIC",
		 deadline_mode ? "TSC-deadline" : "one-shot");
}

void lapic_timer_calibrate(void)
{
	uint64_t tsc;
	uint32_t ticks;

	if (deadline_mode)
		return;
	reg_write(LAPIC_LVT_TIMER, LAPIC_LVT_TIMER_ONESHOT | LAPIC_LVT_MASKED | VECTOR_TIMER);
	reg_write(LAPIC_TIMER_INITIAL, COUNTER_MAX);
	tsc = rdtsc();
	delay_us(CALIBRATE_US);
	ticks = COUNTER_MAX - reg_read(LAPIC_TIMER_CURRENT);
	tsc = rdtsc() - tsc;
	ticks_per_tsc = ((uint64_t)ticks << RATIO_SHIFT) / tsc;
	if (ticks_per_tsc == 0)
		panic("the local APIC's timer does not count");
	timer_init_cpu();
	log_debug("local APIC timer: %lu kHz", ticks_per_tsc * (tsc_hz() / 1000) >> RATIO_SHIFT);
}

bool lapic_is_x2apic(void)
{
	return x2apic;
}

uint32_t lapic_id(void)
{
	if (x2apic)
		return reg_read(LAPIC_ID);
	if (mmio != NULL)
		return reg_read(LAPIC_ID) >> LAPIC_ID_SHIFT;
	return cpuid(CPUID_LEAF_FEATURES, 0).ebx >> CPUID_1_EBX_APIC_ID_SHIFT;
}

void lapic_eoi(void)
{
	reg_write(LAPIC_EOI, 0);
}

/*
 * xAPIC: the ICR takes a new command when the last one is sent. x2APIC: WRMSR doesn't wait for earlier stores,
 * which the receiver is meant to see (SDM Vol. 3A, "MSR Access in x2APIC Mode").
 */
static void icr_send(uint32_t apic_id, uint32_t command)
{
	if (x2apic) {
		mfence();
		lfence();
		wrmsr(MSR_X2APIC_BASE + (LAPIC_ICR >> 4),
		      (uint64_t)apic_id << LAPIC_ICR_DEST_SHIFT_X2 | command);
		return;
	}
	for (unsigned i = 0; (reg_read(LAPIC_ICR) & LAPIC_ICR_PENDING) != 0 && i < ICR_POLLS; i++)
		cpu_pause();
	reg_write(LAPIC_ICR2, apic_id << LAPIC_ID_SHIFT);
	reg_write(LAPIC_ICR, command);
}

void lapic_send_fixed(uint32_t apic_id, uint8_t vector)
{
	icr_send(apic_id, APIC_DELIVERY_FIXED | LAPIC_ICR_ASSERT | vector);
}

void lapic_send_nmi(uint32_t apic_id)
{
	icr_send(apic_id, APIC_DELIVERY_NMI | LAPIC_ICR_ASSERT);
}

void lapic_send_init(uint32_t apic_id)
{
	icr_send(apic_id, APIC_DELIVERY_INIT | LAPIC_ICR_ASSERT);
}

void lapic_send_startup(uint32_t apic_id, uint8_t page)
{
	icr_send(apic_id, APIC_DELIVERY_SIPI | LAPIC_ICR_ASSERT | page);
}

/* A deadline in the TSC's terms as a count from now, at least 1 because 0 stops the counter. */
static uint32_t deadline_to_count(uint64_t deadline)
{
	uint64_t now = rdtsc();
	unsigned __int128 count;

	if (deadline <= now)
		return 1;
	count = ((unsigned __int128)(deadline - now) * ticks_per_tsc) >> RATIO_SHIFT;
	return count >= COUNTER_MAX ? COUNTER_MAX : (uint32_t)count + 1;
}

void lapic_timer_set(uint64_t tsc_deadline)
{
	if (deadline_mode)
		wrmsr(MSR_IA32_TSC_DEADLINE, tsc_deadline == UINT64_MAX ? 0 : tsc_deadline);
	else
		reg_write(LAPIC_TIMER_INITIAL,
			  tsc_deadline == UINT64_MAX ? 0 : deadline_to_count(tsc_deadline));
}
