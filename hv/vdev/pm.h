/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ACPI fixed hardware (PM1 event and control, PM timer), the power button, and the ways to reset the
 * machine: 0xCF9, the keyboard controller's pulse command and port 92h. There is no keyboard controller: its
 * ports read FFh. A20 is always on. Model: ACPI specification, "ACPI Hardware Specification".
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "hv/lib/status.h"
#include "hv/timer.h"
#include "hv/vdev/platform.h"
#include "hv/vdev/vdev.h"

#define PM_TIMER_HZ 3579545ULL

struct vpm {
	struct vdev dev;
	uint16_t status, enable, control;
	uint64_t carries; /* changes of the timer's top bit that TMR_STS has seen */
	uint8_t port92;
	uint8_t reset_control; /* 0xCF9 as last written */
	struct timer timer;
};

enum status vpm_init(struct vm *vm);
void vpm_reset(struct vm *vm);
void vpm_pause(struct vm *vm);
void vpm_resume(struct vm *vm);
/* Presses the power button. Any CPU. */
void vpm_power_button(struct vm *vm);
/* The byte at 0xCF9, which lies inside the PCI configuration ports. */
uint8_t vpm_reset_read(struct vm *vm);
void vpm_reset_write(struct vm *vm, uint8_t value);
