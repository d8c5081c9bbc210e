/* SPDX-License-Identifier: BSD-2-Clause */
/* RDRAND, with the retries that its manual asks for. */
#include "hv/random.h"

#include <stdint.h>
#include "hv/lib/string.h"
#include "hv/lib/util.h"
#include "hv/x86/cpuid.h"
#include "hv/x86/insn.h"

#define TRIES 10 /* "Retry Recommendations": ten failures in a row mean that it is broken */

bool random_available(void)
{
	return cpuid(CPUID_LEAF_FEATURES, 0).ecx & CPUID_1_ECX_RDRAND;
}

static bool draw(uint64_t *v)
{
	for (unsigned i = 0; i < TRIES; i++)
		if (rdrand(v))
			return true;
	return false;
}

size_t random_fill(void *dst, size_t n)
{
	size_t done = 0;

	while (done < n) {
		uint64_t v;
		size_t part = MIN(n - done, sizeof(v));

		if (!draw(&v))
			break;
		memcpy((uint8_t *)dst + done, &v, part);
		done += part;
	}
	return done;
}
