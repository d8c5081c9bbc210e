/* SPDX-License-Identifier: BSD-2-Clause */
/* Which of a guest's ports gets what is typed. */
#include "hv/vdev/guest_console.h"

#include "hv/mgmt/console.h"
#include "hv/vm.h"

bool guest_console_present(const struct vm *vm)
{
	return vm->cfg->com1_console || vm->cfg->hvc0_console;
}

void guest_console_reset(struct vm *vm)
{
	vm->console_port = vm->cfg->com1_console ? GUEST_COM1 : GUEST_HVC0;
}

void guest_console_output(struct vm *vm, enum guest_port port, const uint8_t *bytes, size_t n)
{
	/* What the other port had no room for is offered to this one. */
	if (__atomic_load_n(&vm->console_port, __ATOMIC_RELAXED) != port) {
		__atomic_store_n(&vm->console_port, port, __ATOMIC_RELAXED);
		console_guest_input_ready(vm);
	}
	console_guest_output(vm, bytes, n);
}

size_t guest_console_input(struct vm *vm, const uint8_t *bytes, size_t n)
{
	if (__atomic_load_n(&vm->console_port, __ATOMIC_RELAXED) == GUEST_HVC0)
		return virtio_console_input(vm, bytes, n);
	return vuart_input(vm, bytes, n);
}

void guest_console_output_ready(struct vm *vm)
{
	vuart_output_ready(vm);
	virtio_console_output_ready(vm);
}
