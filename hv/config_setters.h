/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The setters and printers that hv/config_value.c's table of types leads to. A setter checks everything and then writes: false means
 * that nothing was changed and that why, of CONFIG_WHY_MAX bytes, has the reason. A printer writes what the setter would read back.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "hv/config_value.h"

struct cpu_set;
struct vm_config;

/* hv/config_number.c. Bytes; the key's default word is 0. */
bool config_size_set(const struct config_key *k, uint64_t *out, const char *text, char *why);
void config_size_print(uint64_t v, char *buf, size_t size);
/* Ticks a second; `host` is 0. */
bool config_hz_set(const struct config_key *k, uint64_t *out, const char *text, char *why);
void config_hz_print(uint64_t v, char *buf, size_t size);
bool config_uint_set(const struct config_key *k, uint32_t *out, const char *text, char *why);
/* Bits a second of a serial line. */
bool config_baud_set(uint32_t *out, const char *text, char *why);
/* An I/O port or `none`, -1. */
bool config_port_set(int32_t *out, const char *text, char *why);
/* The whole of s as an I/O port, 0x3f8 or 1016; 1 to 0xffff. */
bool config_port_parse(const char *s, unsigned *port);

/* hv/config_cpus.c. */
bool config_cpus_set(struct cpu_set *out, const char *text, char *why);
void config_cpus_print(const struct cpu_set *set, char *buf, size_t size);

/* hv/config_file.c. A file's name, to k's field in base, and its line to where the key keeps it. */
bool config_file_set(const struct config_key *k, void *base, const char *text, uint32_t line, char *why);
/* One more of the guest's modules. */
bool config_module_set(struct vm_config *vm, const char *text, uint32_t line, char *why);
void config_module_print(const struct vm_config *vm, uint32_t index, char *buf, size_t size);
/* text behind what is there, after a blank. */
bool config_text_append(char *out, const char *text, char *why);
