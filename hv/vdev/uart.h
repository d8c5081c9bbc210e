/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * COM1, a 16550A with FIFOs at 3F8h, GSI 4; the console multiplexer is behind it. Sending takes no time,
 * but is held back while the console's ring is full. Model: National Semiconductor PC16550D data sheet.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "hv/lib/status.h"
#include "hv/timer.h"
#include "hv/vdev/vdev.h"

#define UART_FIFO_SIZE 16

struct vuart {
	struct vdev dev;
	uint8_t ier, fcr, lcr, mcr, scr;
	uint8_t errors;    /* overrun; cleared by reading LSR */
	uint8_t msr_delta; /* cleared by reading MSR */
	uint16_t divisor;
	uint8_t rx[UART_FIFO_SIZE];
	uint8_t rx_head, rx_count;
	bool rx_refused;    /* vuart_input took less than it was given: say when there is room */
	bool rx_timeout;    /* the character timeout interrupt is due */
	bool thre_pending;  /* the THR empty interrupt is due */
	bool tx_held;       /* the console has no room: THRE is 0 */
	bool irq;           /* the level last given to vm_irq_set */
	uint64_t rx_due_ns; /* guest time of the character timeout; UINT64_MAX: none */
	struct timer timer;
};

/* Puts it on the bus where the configuration says com1 = console. */
enum status vuart_init(struct vm *vm);
void vuart_reset(struct vm *vm);
void vuart_pause(struct vm *vm);
void vuart_resume(struct vm *vm);
/* As guest_console_input and guest_console_output_ready (hv/vdev/guest_console.h); there is room when the guest has read all. */
size_t vuart_input(struct vm *vm, const uint8_t *bytes, size_t n);
void vuart_output_ready(struct vm *vm);
