/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a flat image finds in place of BIOS services: each of its interrupt vectors leads to an OUT in ROM (hv/load_flat.c), and
 * that OUT ends the guest with a report that names the service. Other guests have no such port.
 */
#pragma once

#include "hv/lib/status.h"

struct vm;

enum status vbios_init(struct vm *vm);
