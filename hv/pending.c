/* SPDX-License-Identifier: BSD-2-Clause */
/* Weak placeholders for parts that are still being built, so that the image links; each goes when its part comes. */
#include "hv/vm.h"
#include "hv/emulate.h"
#include "hv/insn.h"
#include "hv/guest_acpi.h"
#include "hv/mgmt/console.h"
#include "drivers/acpi.h"
#include "drivers/tsc.h"
#include "drivers/reset.h"
#include "hv/x86/insn.h"
#pragma GCC diagnostic ignored "-Wunused-parameter"
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#define W __attribute__((weak))
W void vpit_unmasked(struct vm *vm)
{
}
#define DEV(x)                                                                                               \
	W enum status x##_init(struct vm *vm)                                                                \
	{                                                                                                    \
		return OK;                                                                                   \
	}                                                                                                    \
	W void x##_reset(struct vm *vm)                                                                      \
	{                                                                                                    \
	}                                                                                                    \
	W void x##_pause(struct vm *vm)                                                                      \
	{                                                                                                    \
	}                                                                                                    \
	W void x##_resume(struct vm *vm)                                                                     \
	{                                                                                                    \
	}
DEV(vpit) DEV(vrtc) DEV(vpm) DEV(vuart) DEV(vpci) W void vpm_power_button(struct vm *vm)
{
}
W void reset_reboot(const struct acpi_info *a)
{
	for (;;)
		;
}
W enum status reset_poweroff(const struct acpi_info *a)
{
	return ERR_UNSUPPORTED;
}
W bool tsc_is_invariant(void)
{
	return true;
}
W uint64_t tsc_calibrate(const struct acpi_info *a)
{
	return 1000000000;
}
W enum status acpi_read(const uint8_t *r, uint64_t p, struct acpi_info *i)
{
	return ERR_NOENT;
}
W enum status load_linux_step(struct linux_load *l)
{
	return OK;
}
W enum status load_linux_start(struct linux_load *l, const struct gmem *mem, const struct linux_file *kernel,
			       const struct linux_file *initrd, const char *cmdline, uint64_t rsdp, char *why,
			       size_t why_size)
{
	return OK;
}
W void load_linux_set_regs(const struct linux_load *l, struct vcpu *v)
{
}
W unsigned insn_peek(struct vcpu *v, uint8_t b[15])
{
	return 0;
}
W enum status guest_acpi_load(const struct gmem *mem, uint32_t vcpus, uint64_t *rsdp)
{
	return OK;
}
W enum exit_action emulate_mmio(struct vcpu *v, struct vm_exit *e)
{
	vm_crash(v, "mmio");
	return ACT_STOPPED;
}
W enum exit_action emulate_string_io(struct vcpu *v, struct vm_exit *e)
{
	vm_crash(v, "sio");
	return ACT_STOPPED;
}
W void console_tx_ready(void)
{
}
W void console_start_prompt(void)
{
}
W void console_panic_mode(void)
{
}
W void console_input(const uint8_t *b, size_t n)
{
}
W void console_init(const struct console_device *d, uint8_t e)
{
}
W void console_guest_ended(struct vm *vm)
{
}
W enum status console_guest_add(struct vm *vm)
{
	return OK;
}
W void console_guest_output(struct vm *vm, uint8_t b)
{
}
W bool console_guest_ready(struct vm *vm)
{
	return true;
}
W void console_guest_input_ready(struct vm *vm)
{
}
int __popcountdi2(uint64_t v);
int __popcountdi2(uint64_t v)
{
	int n = 0;
	for (; v; v &= v - 1)
		n++;
	return n;
}
