/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The address types. A host-physical, a guest-physical and a guest-virtual address are one-field
 * structs, so that mixing them up does not compile.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
	uint64_t v;
} hpa_t;
typedef struct {
	uint64_t v;
} gpa_t;
typedef struct {
	uint64_t v;
} gva_t;

static inline hpa_t hpa(uint64_t v)
{
	return (hpa_t){v};
}

static inline gpa_t gpa(uint64_t v)
{
	return (gpa_t){v};
}

static inline gva_t gva(uint64_t v)
{
	return (gva_t){v};
}
