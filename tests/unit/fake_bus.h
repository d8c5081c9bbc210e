/* SPDX-License-Identifier: BSD-2-Clause */
/* The bus of fake_vm in tests of what is on it: a new one, accesses to its memory, and no reset control register. */
#pragma once

#include "fake_vm.h"

uint8_t vpm_reset_read(struct vm *vm)
{
	return 0;
}

void vpm_reset_write(struct vm *vm, uint8_t value)
{
}

static inline uint64_t rd(uint64_t at, unsigned size)
{
	return io_bus_read(&fake_vm.mmio, NULL, at, size);
}

static inline void wr(uint64_t at, unsigned size, uint64_t value)
{
	io_bus_write(&fake_vm.mmio, NULL, at, size, value);
}

/* There is nothing on it but the host bridge. */
static inline void fake_bus_new(void)
{
	io_bus_clear(&fake_vm.mmio);
	io_bus_clear(&fake_vm.ports);
	assert_int_equal(vpci_init(&fake_vm), OK);
}
