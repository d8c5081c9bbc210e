/* SPDX-License-Identifier: BSD-2-Clause */
/* Included before all of a source for its test: address spaces are not loaded. */
#pragma once

#include "hv/x86/insn.h"

#define write_cr3(value) ((void)(value))
