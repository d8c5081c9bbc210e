/* SPDX-License-Identifier: BSD-2-Clause */
/* The loader's own command line. Pure: unit-tested on the host. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Makes a boot line of UEFI load options: UCS-2 in options[bytes]. The UEFI shell puts the application's name first (it
 * ends in .efi): left out. Firmware may pass binary data of its own there: then the line is empty.
 */
void efi_options_line(const uint16_t *options, size_t bytes, char *line, size_t size);
/* The value of the last config= in line, or "ingot.cfg". False: it doesn't fit. */
bool efi_options_config(const char *line, char *file, size_t size);
