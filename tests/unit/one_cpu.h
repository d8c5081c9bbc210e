/* SPDX-License-Identifier: BSD-2-Clause */
/* Included before all of a source for its test: this CPU is the test's, whose stack knows none. */
#pragma once

#include "hv/pcpu.h"

extern struct pcpu test_cpu;

#define this_pcpu() (&test_cpu)
