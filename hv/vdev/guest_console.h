/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ports of a guest that stand on its console, COM1 and a virtio console, as one: the output of both is shown, and what is
 * typed goes to the one that the guest has written to last.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vm;

enum guest_port { GUEST_COM1, GUEST_HVC0 };

/* True where the configuration puts a port on the console. */
bool guest_console_present(const struct vm *vm);
/* Power-on: what is typed goes to COM1 where there is one. */
void guest_console_reset(struct vm *vm);
/* n bytes that the guest sent by this port. With its device's lock held. */
void guest_console_output(struct vm *vm, enum guest_port port, const uint8_t *bytes, size_t n);
/*
 * What was typed; returns how many bytes were taken. When fewer than n: console_guest_input_ready(vm) is called once there
 * is room. Any CPU, no lock held.
 */
size_t guest_console_input(struct vm *vm, const uint8_t *bytes, size_t n);
/* console_guest_ready(vm) has become true again. Any CPU, no lock held. */
void guest_console_output_ready(struct vm *vm);
