/* SPDX-License-Identifier: BSD-2-Clause */
/* Names of the image's functions, from a table that a second link pass embeds. */
#pragma once

#include <stdint.h>

/* The function that va lies in and the distance from its start; NULL: va is not in the image's text. */
const char *symbol_find(uint64_t va, uint64_t *offset);
