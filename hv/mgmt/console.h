/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The console multiplexer: one serial line shared by the hypervisor's log, the shell and the guests'
 * serial ports. Never waits for the line: what it can't take is kept, and producers are told to hold back.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vm;

/* Takes over from the early console: host device is up (drivers/uart16550.h), interrupts work. */
void console_init(uint8_t escape_byte);

/* From vm's UART: one byte that the guest sent. Any CPU. The byte is always kept in vm's log ring. */
void console_guest_output(struct vm *vm, uint8_t byte);
/* False: vm's ring holds output that the line has not taken yet, the UART should not report THR empty. */
bool console_guest_ready(struct vm *vm);
/* vm has ended or was restarted. Ended: an attached operator gets the prompt back. */
void console_guest_ended(struct vm *vm);

/* Bytes from the host's UART, from its interrupt handler. */
void console_input(const uint8_t *bytes, size_t n);
/* Work function body: moves input and output along, bounded. Returns true if there is more to do. */
bool console_step(void);
/* Panic: from now on log lines go straight to the device, polling. */
void console_panic_mode(void);
