/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The tables of what a guest sees of CPUID: numbers by leaf, features by bit, each with its reason. Pure data, also
 * for the configuration, which names features as QEMU and libvirt do. hv/cpuid.c computes a guest's view from them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CPUID_BASIC_MAX 0x20 /* basic leaves are below it */
#define CPUID_EXT_BASE  0x80000000u
#define CPUID_EXT_MAX   0x22        /* of them, counted from CPUID_EXT_BASE */
#define CPUID_KVM_BASE  0x40000100u /* KVM's interface: hv/x86/kvm_para.h */

enum cpuid_reg { CPUID_EAX, CPUID_EBX, CPUID_ECX, CPUID_EDX };
enum cpuid_vendor { CPUID_VENDOR_INTEL, CPUID_VENDOR_AMD, CPUID_VENDOR_OTHER };
/* Whose guests a row is for. */
enum cpuid_scope { CPUID_BOTH, CPUID_INTEL, CPUID_AMD };

/*
 * A leaf that guests have, and the numbers in it that come from the host as they are. Feature bits are not among
 * these. Rows for one leaf are in a row, subleaves ascending from 0; a leaf without a row reads as zero.
 */
struct cpuid_leaf_row {
	uint32_t leaf, subleaf;
	enum cpuid_scope scope;
	uint32_t eax, ebx, ecx, edx;
	bool plain; /* the leaf has no subleaves: ECX doesn't matter */
	const char *why;
};

enum cpuid_rule {
	CPUID_PASS,     /* guests have it where the host has it */
	CPUID_ALWAYS,   /* the same, and the configuration can't take it away */
	CPUID_EMULATED, /* guests have it, whatever the host has */
	CPUID_DYNAMIC,  /* follows the number of vCPUs or the vCPU's own state */
	CPUID_HIDDEN,   /* guests never have it */
};

struct cpuid_feature_row {
	const char *name; /* as QEMU and libvirt call it */
	uint32_t leaf;
	uint8_t subleaf, reg, bit;
	enum cpuid_scope scope;
	enum cpuid_rule rule;
	const char *needs; /* a feature in a row above without which this one goes too; NULL: none */
	const char *why;   /* for CPUID_HIDDEN and CPUID_ALWAYS: a part of a sentence after "NAME: " */
};

#define CPUID_FEATURE_MAX 256

extern const struct cpuid_leaf_row cpuid_leaf_rows[];
extern const size_t cpuid_leaf_row_count;
extern const struct cpuid_feature_row cpuid_feature_rows[];
extern const size_t cpuid_feature_row_count;

/* What a configuration says of a guest's features, by rows of cpuid_feature_rows. */
struct cpuid_choice {
	uint64_t drop[CPUID_FEATURE_MAX / 64], want[CPUID_FEATURE_MAX / 64];
};

/*
 * Parses "host", or "-avx512f,+x2apic": minus takes a feature away, plus makes the guest's start fail where the
 * machine can't give it. False: why[size] has the reason, and *c is as it was.
 */
bool cpuid_choice_parse(struct cpuid_choice *c, const char *text, char *why, size_t size);
/* Writes c as cpuid_choice_parse reads it. */
void cpuid_choice_print(const struct cpuid_choice *c, char *buf, size_t size);

static inline bool cpuid_choice_has(const uint64_t set[CPUID_FEATURE_MAX / 64], size_t row)
{
	return set[row / 64] >> row % 64 & 1;
}
