/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host's serial line: polled for the early log, interrupt-driven under the console multiplexer. Connects
 * drivers/uart16550 with hv/mgmt/console.h and the log.
 */
#pragma once

#include <stdint.h>
#include "hv/config.h"

struct console_device;

/* Until the configuration is read: COM1 at 115200 (or what the boot line says), polled, as the log's sink. */
void serial_early_init(const struct host_config *h);
/* Moves to the line that the configuration names, if it is another. */
void serial_configure(const struct host_config *h);
/*
 * Interrupts on; where the line's interrupt can't be routed a timer polls it instead. Returns the device for
 * console_init, NULL where there is no UART.
 */
const struct console_device *serial_start(void);
