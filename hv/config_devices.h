/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Values of the keys about disks, networks and shared memory: KEY_DEVICE, KEY_PARTITION, KEY_UPLINK, and the references KEY_DISK,
 * KEY_NET and KEY_SHARED. Of references only the form is checked here: hv/config_link.c looks whether there is such a section.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "hv/config_value.h"

/* As config_value_set and config_value_print, for these types. */
bool config_device_set(const struct config_key *k, void *base, const char *text, uint32_t line,
		       char why[static CONFIG_WHY_MAX]);
void config_device_print(const struct config_key *k, const void *base, uint32_t index, char *buf,
			 size_t size);
