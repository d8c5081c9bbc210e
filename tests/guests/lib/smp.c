/* SPDX-License-Identifier: BSD-2-Clause */
/* Starting further vCPUs: see smp.h. */
#include "tests/guests/lib/smp.h"

#include "hv/lib/string.h"
#include "hv/lib/util.h"
#include "hv/x86/apic.h"
#include "tests/guests/lib/guest.h"

#define AP_PAGE       0x10000UL /* ap.asm has the same */
#define STACK_SIZE    8192
#define START_WAIT_US 1000000
#define POLL_US       100

struct ap_params {
	uint64_t stack, entry, id;
	uint32_t cr3, cr4, efer, cr0;
};

extern const char ap_code[], ap_code_end[], ap_params[];

static uint8_t stacks[GUEST_CPUS_MAX][STACK_SIZE] __attribute__((aligned(16)));
static void (*functions[GUEST_CPUS_MAX])(unsigned id);
static volatile bool started[GUEST_CPUS_MAX];

static void ap_main(uint64_t id)
{
	guest_tables_load();
	GUEST_LAPIC(LAPIC_SVR) = LAPIC_SVR_ENABLE | APIC_VECTOR;
	started[id] = true;
	functions[id]((unsigned)id);
}

static void send(unsigned id, uint32_t icr)
{
	GUEST_LAPIC(LAPIC_ICR2) = id << LAPIC_ID_SHIFT;
	GUEST_LAPIC(LAPIC_ICR) = icr | LAPIC_ICR_ASSERT;
}

bool guest_cpu_start(unsigned id, void (*fn)(unsigned id))
{
	struct ap_params *p = (struct ap_params *)(AP_PAGE + (uintptr_t)(ap_params - ap_code));

	memcpy((void *)AP_PAGE, ap_code, (size_t)(ap_code_end - ap_code));
	*p = (struct ap_params){
	    .stack = (uint64_t)&stacks[id][STACK_SIZE],
	    .entry = (uint64_t)ap_main,
	    .id = id,
	    .cr3 = (uint32_t)read_cr3(),
	    .cr4 = (uint32_t)read_cr4(),
	    .efer = (uint32_t)rdmsr(MSR_EFER) & (uint32_t)~EFER_LMA,
	    .cr0 = (uint32_t)read_cr0(),
	};
	functions[id] = fn;
	started[id] = false;
	send(id, APIC_DELIVERY_INIT);
	send(id, APIC_DELIVERY_SIPI | AP_PAGE >> PAGE_SHIFT);
	for (unsigned us = 0; us < START_WAIT_US && !started[id]; us += POLL_US)
		guest_delay_us(POLL_US);
	return started[id];
}
