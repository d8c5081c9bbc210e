/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A 16550 UART behind I/O ports (NS PC16550D data sheet). Polled output for the early console and for panic;
 * FIFO access for an interrupt-driven owner, who does the locking. Owns no buffers and no interrupt.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "hv/lib/status.h"

#define UART16550_COM1     0x3f8
#define UART16550_COM2     0x2f8
#define UART16550_COM1_IRQ 4
#define UART16550_COM2_IRQ 3
#define UART16550_FIFO     16

struct uart16550 {
	uint16_t port;
	bool present;
	uint8_t ier; /* as last written */
};

/*
 * Sets up the UART at port: baud (50 to 115200, a divisor of 115200 is found by rounding), 8N1, FIFOs on and
 * empty, interrupts off. ERR_NOENT: the scratch register doesn't hold what is written, nothing is there.
 * ERR_INVAL: baud.
 */
enum status uart16550_init(struct uart16550 *u, uint16_t port, uint32_t baud);
/* Waits for room, a bounded time (a UART that is stuck loses the byte), and sends c. */
void uart16550_putc(struct uart16550 *u, uint8_t c);
/*
 * If the transmitter is empty, gives it up to UART16550_FIFO bytes; returns how many it took: 0 when it is
 * still busy.
 */
size_t uart16550_write(struct uart16550 *u, const uint8_t *bytes, size_t n);
/* Takes what was received, at most max bytes; returns how many. */
size_t uart16550_read(struct uart16550 *u, uint8_t *bytes, size_t max);
/* Which of the interrupts "data received" and "transmitter empty" the UART raises. */
void uart16550_set_interrupts(struct uart16550 *u, bool receive, bool transmit);
/*
 * Acknowledges the most urgent interrupt cause by reading it; true: none was left. Received bytes come before
 * the empty transmitter, and are acknowledged only by being read: so read them all first, then ask again until none
 * is left. An edge-triggered line stays high, and is silent for ever, while any is left.
 */
bool uart16550_ack(struct uart16550 *u);
