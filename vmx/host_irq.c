/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What brings the host's interrupts through while a guest has the CPU, where its exits don't: the preemption timer.
 * On Bochs it stands in for them, and they are held back: vmx_caps.delivers_masked.
 */
#include "hv/timer.h"
#include "hv/x86/cr.h"
#include "hv/x86/insn.h"
#include "vmx/insn.h"
#include "vmx/vmx.h"

/*
 * The longest time in the guest without an exit: the backstop of every kick and of the host's interrupts, which on
 * Bochs don't end a guest that has IF 0. Against such a guest the host's UART lives on this: 16 bytes a tick.
 */
#define PREEMPTION_HZ 1000

/*
 * Where its value is saved at exits, it runs on over them: a guest that exits all the time, and whose interrupts
 * are off, must be left for the host's interrupts too (on an emulator that doesn't exit for those).
 */
static void set_timer(uint64_t tsc_ticks)
{
	vmcs_write(VMCS_PREEMPTION_TIMER_VALUE,
		   MIN(MAX(tsc_ticks >> vmx_caps.timer_shift, 1UL), (uint64_t)UINT32_MAX));
}

void vmx_timer_restart(void)
{
	set_timer(tsc_hz() / PREEMPTION_HZ);
}

/* The host's timer can't end the guest: the preemption timer does, when it would. */
static void follow_deadline(uint64_t tsc)
{
	uint64_t now = rdtsc();

	set_timer(tsc < now ? 0 : MIN(tsc - now, tsc_hz() / PREEMPTION_HZ));
}

/*
 * Host interrupts wait from now on. One that has been signalled is not taken back in Bochs by a higher CR8: so it is
 * taken before.
 */
static void close_cr8(void)
{
	asm volatile("sti\n\tnop\n\tmov %0, %%cr8\n\tnop\n\tcli" ::"r"((uint64_t)CR8_MAX) : "memory");
}

void vmx_host_irq_hold(void)
{
	close_cr8();
	follow_deadline(timer_next_deadline_tsc());
	this_pcpu()->deadline_set = follow_deadline;
}

/* What the handlers want more, they request. */
void vmx_host_irq_window(void)
{
	if (vmx_caps.delivers_masked) {
		write_cr8(0);
		close_cr8();
	} else {
		irq_window();
	}
}

void vmx_host_irq_release(void)
{
	this_pcpu()->deadline_set = NULL;
	write_cr8(0);
}
