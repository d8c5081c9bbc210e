/* SPDX-License-Identifier: BSD-2-Clause */
/* Accesses to fake_vm's ports, a byte at a time. */
#pragma once

#include "fake_vm.h"

static inline void out(uint16_t port, uint8_t value)
{
	io_bus_write(&fake_vm.ports, NULL, port, 1, value);
}

static inline uint8_t in(uint16_t port)
{
	return (uint8_t)io_bus_read(&fake_vm.ports, NULL, port, 1);
}
