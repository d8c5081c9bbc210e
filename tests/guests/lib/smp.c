/* SPDX-License-Identifier: BSD-2-Clause */
/* Starting and directing the further vCPUs of a tiny guest: see smp.h. */
#include "tests/guests/lib/smp.h"

#include "hv/lib/string.h"
#include "hv/x86/apic.h"

#define WAIT_TICKS (2 * PM_TIMER_HZ)

/* ap.asm has the same. */
struct ap_params {
	uint32_t cr3, cr4, efer, cr0;
};

extern char guest_ap_code[], guest_ap_code_end[], guest_ap_params[];
void guest_ap_main(uint32_t id, uint32_t page);

struct ap ap[AP_MAX];

static void on_wake(struct trap *t)
{
	(void)t;
	GUEST_LAPIC(LAPIC_EOI) = 0;
}

void ap_place(uint8_t page)
{
	char *to = (char *)((uintptr_t)page << 12);
	const struct ap_params params = {
	    .cr3 = (uint32_t)read_cr3(),
	    .cr4 = (uint32_t)read_cr4(),
	    .efer = (uint32_t)rdmsr(MSR_EFER) & (uint32_t)~EFER_LMA,
	    .cr0 = (uint32_t)read_cr0(),
	};

	guest_set_handler(VECTOR_WAKE, on_wake);
	memcpy(to, guest_ap_code, (size_t)(guest_ap_code_end - guest_ap_code));
	memcpy(to + (guest_ap_params - guest_ap_code), &params, sizeof(params));
}

uint32_t ap_self(void)
{
	return cpuid(1, 0).ebx >> 24;
}

void ap_send(uint32_t dest, uint32_t icr)
{
	GUEST_LAPIC(LAPIC_ICR2) = dest << LAPIC_ID_SHIFT;
	GUEST_LAPIC(LAPIC_ICR) = icr;
}

void ap_init(uint32_t id)
{
	ap_send(id, APIC_DELIVERY_INIT | LAPIC_ICR_ASSERT | LAPIC_ICR_LEVEL);
}

void ap_sipi(uint32_t id, uint8_t page)
{
	ap_send(id, APIC_DELIVERY_SIPI | LAPIC_ICR_ASSERT | page);
}

bool ap_wait(volatile uint32_t *p, uint32_t value)
{
	uint32_t start = guest_pm_timer();

	while (*p < value) {
		for (unsigned i = 0; i < 200 && *p < value; i++)
			cpu_pause();
		if (guest_pm_timer() - start > WAIT_TICKS)
			return false;
	}
	return true;
}

bool ap_set_mode(uint32_t id, enum ap_mode mode)
{
	uint32_t start = guest_pm_timer();

	ap[id].mode = mode;
	ap_send(id, VECTOR_WAKE);
	while (ap[id].mode_seen != mode) {
		cpu_pause();
		if (guest_pm_timer() - start > WAIT_TICKS)
			return false;
	}
	return true;
}

bool ap_call(uint32_t id, void (*fn)(uint32_t id))
{
	uint32_t start = guest_pm_timer();

	ap[id].call = fn;
	ap_send(id, VECTOR_WAKE);
	while (ap[id].call) {
		cpu_pause();
		if (guest_pm_timer() - start > WAIT_TICKS)
			return false;
	}
	return true;
}

bool guest_cpu_start(unsigned id, void (*fn)(unsigned id))
{
	ap_place(AP_PAGE);
	ap[id].call = fn;
	return ap_start(id, AP_PAGE);
}

bool ap_start(uint32_t id, uint8_t page)
{
	uint32_t before = ap[id].starts;

	ap_init(id);
	ap_sipi(id, page);
	return ap_wait(&ap[id].starts, before + 1) && ap[id].page == page;
}

void guest_ap_main(uint32_t id, uint32_t page)
{
	struct ap *a = &ap[id];
	enum ap_mode mode;

	guest_tables_load();
	GUEST_LAPIC(LAPIC_SVR) = LAPIC_SVR_ENABLE | 0xff;
	a->mode = a->mode_seen = AP_SPIN;
	a->page = page;
	a->starts++;
	for (;;) {
		if (a->call) {
			a->call(id);
			a->call = NULL;
		}
		mode = a->mode; /* once: it must do what it says that it does */
		a->mode_seen = mode;
		switch (mode) {
		case AP_HALT:
			asm volatile("sti\n\thlt\n\tcli" ::: "memory");
			break;
		case AP_SPIN:
			/* QEMU 7.2 carries the shadow of STI over a PAUSE. */
			asm volatile("pause\n\tsti\n\tnop\n\tcli" ::: "memory");
			break;
		case AP_DEAF_HALT:
			asm volatile("cli\n\thlt" ::: "memory");
			break;
		case AP_DEAF_SPIN:
			cpu_pause();
			break;
		}
	}
}
