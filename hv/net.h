/* SPDX-License-Identifier: BSD-2-Clause */
/* The switches that the configuration names, with their uplinks. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct net_switch;

/* Boot CPU, once: after the configuration was read and the drivers have found their cards. */
void net_init(void);
/* The switch of [net] number `index`. NULL: it can't be had; why[size] is then a text for the operator. */
struct net_switch *net_switch_find(uint32_t index, char *why, size_t size);
