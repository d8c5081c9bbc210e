/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What CPUID tells a guest. A policy is computed once per VM from the host's CPUID and the tables of
 * hv/cpuid_table.c; an exit is then a lookup, with the few bits that follow guest state patched in.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "hv/cpuid_table.h"
#include "hv/exit.h"
#include "hv/lib/status.h"
#include "hv/x86/insn.h"

struct vcpu;

/* The host's CPUID; tests pass a captured table. */
typedef void (*cpuid_fn)(uint32_t leaf, uint32_t subleaf, struct cpuid_regs *out);

#define CPUID_ENTRY_MAX        80
#define CPUID_VARIES           0xff
#define CPUID_XSAVE_COMPONENTS 10 /* up to PKRU */
#define CPUID_HV_BASE          0x40000000u
#define CPUID_SIGNATURE        "IngotIngotHV" /* EBX, ECX, EDX of CPUID_HV_BASE */

/* Entries [first, first + count) are subleaves 0, 1, ...; count 0: the leaf reads as zero. */
struct cpuid_leaf {
	uint8_t first, count;
	bool last_repeats; /* every subleaf beyond gives the first entry: the leaf has no subleaves */
};

struct cpuid_policy {
	enum cpuid_vendor vendor;
	uint32_t family, model;
	uint32_t max_basic, max_ext; /* highest leaf, as leaves 0 and 0x80000000 report it */
	uint32_t vcpus;
	uint8_t phys_bits, linear_bits;
	bool page1g;        /* FEATURE_PAGE1G */
	uint64_t xcr0_mask; /* bits that the guest may set in XCR0; 0: no XSAVE */
	uint64_t cr4_mask;  /* bits that it may set in CR4, by its features */
	uint64_t efer_mask; /* bits that it may set in EFER */
	struct cpuid_leaf basic[CPUID_BASIC_MAX], ext[CPUID_EXT_MAX];
	/* The entry of a basic leaf that reads the same for every subleaf and in whatever state; else CPUID_VARIES. */
	uint8_t constant[CPUID_BASIC_MAX];
	/* Of XSAVE components, in the standard format; in the compacted one. */
	uint16_t xsave_offset[CPUID_XSAVE_COMPONENTS], xsave_size[CPUID_XSAVE_COMPONENTS];
	bool xsave_align[CPUID_XSAVE_COMPONENTS];
	uint32_t count;
	struct cpuid_regs entry[CPUID_ENTRY_MAX];
	struct cpuid_regs kvm_features; /* leaf CPUID_KVM_BASE + 1 */
};

/* Features that other code asks about: leaf, register, bit as CPUID numbers them. */
struct cpuid_feature {
	uint32_t leaf;
	uint8_t subleaf, reg, bit;
};
#define CPUID_FEATURE(leaf, subleaf, reg, bit) ((struct cpuid_feature){leaf, subleaf, reg, bit})

#define FEATURE_PCID                           CPUID_FEATURE(1, 0, CPUID_ECX, 17)
#define FEATURE_X2APIC                         CPUID_FEATURE(1, 0, CPUID_ECX, 21)
#define FEATURE_TSC_DEADLINE                   CPUID_FEATURE(1, 0, CPUID_ECX, 24)
#define FEATURE_XSAVE                          CPUID_FEATURE(1, 0, CPUID_ECX, 26)
#define FEATURE_AVX                            CPUID_FEATURE(1, 0, CPUID_ECX, 28)
#define FEATURE_HYPERVISOR                     CPUID_FEATURE(1, 0, CPUID_ECX, 31)
#define FEATURE_PAT                            CPUID_FEATURE(1, 0, CPUID_EDX, 16)
#define FEATURE_SYSENTER                       CPUID_FEATURE(1, 0, CPUID_EDX, 11)
#define FEATURE_FSGSBASE                       CPUID_FEATURE(7, 0, CPUID_EBX, 0)
#define FEATURE_SMEP                           CPUID_FEATURE(7, 0, CPUID_EBX, 7)
#define FEATURE_INVPCID                        CPUID_FEATURE(7, 0, CPUID_EBX, 10)
#define FEATURE_AVX512F                        CPUID_FEATURE(7, 0, CPUID_EBX, 16)
#define FEATURE_SMAP                           CPUID_FEATURE(7, 0, CPUID_EBX, 20)
#define FEATURE_PKU                            CPUID_FEATURE(7, 0, CPUID_ECX, 3)
#define FEATURE_LA57                           CPUID_FEATURE(7, 0, CPUID_ECX, 16)
#define FEATURE_RDPID                          CPUID_FEATURE(7, 0, CPUID_ECX, 22)
#define FEATURE_MCE                            CPUID_FEATURE(1, 0, CPUID_EDX, 7)
#define FEATURE_MTRR                           CPUID_FEATURE(1, 0, CPUID_EDX, 12)
#define FEATURE_MCA                            CPUID_FEATURE(1, 0, CPUID_EDX, 14)
#define FEATURE_TSC_ADJUST                     CPUID_FEATURE(7, 0, CPUID_EBX, 1)
#define FEATURE_OSVW                           CPUID_FEATURE(0x80000001, 0, CPUID_ECX, 9)
#define FEATURE_KVMCLOCK                       CPUID_FEATURE(CPUID_KVM_BASE + 1, 0, CPUID_EAX, 3)
#define FEATURE_KVM_STEAL_TIME                 CPUID_FEATURE(CPUID_KVM_BASE + 1, 0, CPUID_EAX, 5)
#define FEATURE_KVM_PV_EOI                     CPUID_FEATURE(CPUID_KVM_BASE + 1, 0, CPUID_EAX, 6)
#define FEATURE_KVM_POLL_CONTROL               CPUID_FEATURE(CPUID_KVM_BASE + 1, 0, CPUID_EAX, 12)
#define FEATURE_XSAVES                         CPUID_FEATURE(0xd, 1, CPUID_EAX, 3)
#define FEATURE_SPEC_CTRL                      CPUID_FEATURE(7, 0, CPUID_EDX, 26)
#define FEATURE_AMD_IBPB                       CPUID_FEATURE(0x80000008, 0, CPUID_EBX, 12)
#define FEATURE_AMD_IBRS                       CPUID_FEATURE(0x80000008, 0, CPUID_EBX, 14)
#define FEATURE_STIBP                          CPUID_FEATURE(7, 0, CPUID_EDX, 27)
#define FEATURE_SSBD                           CPUID_FEATURE(7, 0, CPUID_EDX, 31)
#define FEATURE_AMD_STIBP                      CPUID_FEATURE(0x80000008, 0, CPUID_EBX, 15)
#define FEATURE_AMD_SSBD                       CPUID_FEATURE(0x80000008, 0, CPUID_EBX, 24)
#define FEATURE_NX                             CPUID_FEATURE(0x80000001, 0, CPUID_EDX, 20)
#define FEATURE_PAGE1G                         CPUID_FEATURE(0x80000001, 0, CPUID_EDX, 26)
#define FEATURE_RDTSCP                         CPUID_FEATURE(0x80000001, 0, CPUID_EDX, 27)
#define FEATURE_LM                             CPUID_FEATURE(0x80000001, 0, CPUID_EDX, 29)

/*
 * Computes p for a VM of `vcpus` virtual CPUs on a host with this CPUID, whose XCR0 is host_xcr0 (0: the host
 * doesn't use XSAVE, so guests don't get it), without what choice drops. tsc_hz goes into Intel's leaf 0x16.
 * ERR_UNSUPPORTED: no long mode.
 */
enum status cpuid_policy_build(struct cpuid_policy *p, cpuid_fn host, uint64_t host_xcr0,
			       const struct cpuid_choice *choice, uint32_t vcpus, uint64_t tsc_hz);
/* The name of the first feature that choice wants and p does not have; NULL: it has all. */
const char *cpuid_missing(const struct cpuid_policy *p, const struct cpuid_choice *choice);
bool cpuid_has(const struct cpuid_policy *p, struct cpuid_feature f);
/*
 * Takes a feature away again, and what depends on it: for a back end that lacks the control which lets
 * guests use the instruction. Before the VM's first vCPU is reset.
 */
void cpuid_drop(struct cpuid_policy *p, struct cpuid_feature f);

/* What the policy holds, without v's own bits. Zero for a leaf that guests don't have. */
struct cpuid_regs cpuid_lookup(const struct cpuid_policy *p, uint32_t leaf, uint32_t subleaf);
/* What v sees now. */
struct cpuid_regs cpuid_query(struct vcpu *v, uint32_t leaf, uint32_t subleaf);
/* Bytes of an XSAVE area with these components, in the standard or the compacted format. */
uint32_t cpuid_xsave_size(const struct cpuid_policy *p, uint64_t xcr0, bool compact);
/* EXIT_CPUID. */
enum exit_action cpuid_handle(struct vcpu *v);
