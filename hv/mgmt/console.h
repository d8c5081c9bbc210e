/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The console multiplexer: one serial line shared by the hypervisor's log, the shell and the guests'
 * ports. Never waits for the line: what it can't take is kept, and producers are told to hold back.
 * This is the part that knows VMs, locks, timers and the device; what is shown when is hv/mgmt/mux.h.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "hv/lib/status.h"

struct vm;

/* The line that the console talks over; drivers/uart16550 has one. No entry waits, except write_polled. */
struct console_device {
	/* Takes up to n bytes to send by interrupt, returns how many; calls console_tx_ready when there is room again. */
	size_t (*write)(const uint8_t *bytes, size_t n);
	/* Sends by polling, after what is queued; bounded even where the device is dead. For panic. */
	void (*write_polled)(const uint8_t *bytes, size_t n);
};

/*
 * Takes over from the early console: becomes the log's sink. Work, timers and interrupts are up; dev (NULL:
 * this machine has no line) is interrupt-driven by now. `escape_byte` detaches.
 */
void console_init(const struct console_device *dev, uint8_t escape_byte);
/* The prompt appears. Before, hypervisor lines only; so that it stands below the start-up messages. */
void console_start_prompt(void);

/* Makes vm known, with its log ring, before its first output; once in vm's life. ERR_NOMEM. */
enum status console_guest_add(struct vm *vm);
/* From a port of vm: n bytes that the guest sent, a few hundred at most. Any CPU. They are always kept in vm's log ring. */
void console_guest_output(struct vm *vm, const uint8_t *bytes, size_t n);
/*
 * False: vm's ring holds output that the line has not taken yet, its ports should take no more. Once
 * there is room, guest_console_output_ready(vm) is called (hv/vdev/guest_console.h), with no lock held.
 */
bool console_guest_ready(struct vm *vm);
/*
 * The guest has read its received bytes after guest_console_input took fewer than it was given: what is queued is to
 * be offered again. Called with the port's lock held, on any CPU: it may only queue work.
 */
void console_guest_input_ready(struct vm *vm);
/* vm has ended for good (not: restarts). An attached operator gets the prompt back; unread input is dropped. */
void console_guest_ended(struct vm *vm);

/* Bytes from the host's UART, from its interrupt handler. */
void console_input(const uint8_t *bytes, size_t n);
/* The device has room again; from its interrupt handler. */
void console_tx_ready(void);
/*
 * Panic, and before the machine is reset or switched off: sends what waits for the line, bounded, and from now on log
 * lines go straight to the device, polling.
 */
void console_panic_mode(void);

/* For commands, on the CPU that runs them. */

/* One line, or several, ended by '\n'. */
[[gnu::format(printf, 1, 2)]] void console_print(const char *fmt, ...);
void console_puts(const char *text);
/* True if there is room for `bytes` of a command's output. */
bool console_has_room(size_t bytes);
void console_attach(struct vm *vm);
void console_mute(struct vm *vm, bool muted);
bool console_is_muted(const struct vm *vm);
/*
 * Copies what vm has written from position *pos on, at most size bytes, and moves *pos; starts with *pos = 0, which
 * is moved to the oldest byte that is kept. Returns how many; 0: no more.
 */
size_t console_guest_log(const struct vm *vm, uint64_t *pos, uint8_t *bytes, size_t size);
