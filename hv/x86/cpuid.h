/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CPUID leaves and feature bits, CPUID_<leaf>_<register>_<feature> (SDM Vol. 2A, "CPUID"; APM Vol. 3,
 * "Obtaining Processor Information Via the CPUID Instruction"). Names only; the guest's view is hv/cpuid.c's.
 */
#pragma once

#define CPUID_LEAF_VENDOR                  0x00000000u
#define CPUID_LEAF_FEATURES                0x00000001u
#define CPUID_LEAF_CACHE_DESC              0x00000002u
#define CPUID_LEAF_SERIAL                  0x00000003u
#define CPUID_LEAF_CACHE                   0x00000004u
#define CPUID_LEAF_MWAIT                   0x00000005u
#define CPUID_LEAF_THERMAL                 0x00000006u
#define CPUID_LEAF_STRUCTURED              0x00000007u
#define CPUID_LEAF_DCA                     0x00000009u
#define CPUID_LEAF_PERFMON                 0x0000000au
#define CPUID_LEAF_TOPOLOGY                0x0000000bu
#define CPUID_LEAF_XSTATE                  0x0000000du
#define CPUID_LEAF_RDT_MON                 0x0000000fu
#define CPUID_LEAF_RDT_ALLOC               0x00000010u
#define CPUID_LEAF_SGX                     0x00000012u
#define CPUID_LEAF_PT                      0x00000014u
#define CPUID_LEAF_TSC                     0x00000015u
#define CPUID_LEAF_FREQUENCY               0x00000016u
#define CPUID_LEAF_TLB                     0x00000018u
#define CPUID_LEAF_TILE                    0x0000001du
#define CPUID_LEAF_TOPOLOGY2               0x0000001fu
#define CPUID_LEAF_HYPERVISOR              0x40000000u
#define CPUID_LEAF_EXT_MAX                 0x80000000u
#define CPUID_LEAF_EXT_FEATURES            0x80000001u
#define CPUID_LEAF_BRAND0                  0x80000002u
#define CPUID_LEAF_BRAND1                  0x80000003u
#define CPUID_LEAF_BRAND2                  0x80000004u
#define CPUID_LEAF_L1                      0x80000005u
#define CPUID_LEAF_L2                      0x80000006u
#define CPUID_LEAF_APM                     0x80000007u
#define CPUID_LEAF_SIZES                   0x80000008u
#define CPUID_LEAF_SVM                     0x8000000au
#define CPUID_LEAF_TLB1G                   0x80000019u
#define CPUID_LEAF_PERF_OPT                0x8000001au
#define CPUID_LEAF_IBS                     0x8000001bu
#define CPUID_LEAF_AMD_CACHE               0x8000001du
#define CPUID_LEAF_AMD_TOPOLOGY            0x8000001eu
#define CPUID_LEAF_SEV                     0x8000001fu
#define CPUID_LEAF_EXT2                    0x80000021u

/* Leaf 0, EBX EDX ECX. */
#define CPUID_VENDOR_INTEL_EBX             0x756e6547u /* "Genu" */
#define CPUID_VENDOR_INTEL_EDX             0x49656e69u /* "ineI" */
#define CPUID_VENDOR_INTEL_ECX             0x6c65746eu /* "ntel" */
#define CPUID_VENDOR_AMD_EBX               0x68747541u /* "Auth" */
#define CPUID_VENDOR_AMD_EDX               0x69746e65u /* "enti" */
#define CPUID_VENDOR_AMD_ECX               0x444d4163u /* "cAMD" */

/* Leaf 1. */
#define CPUID_1_EBX_CLFLUSH_SHIFT          8
#define CPUID_1_EBX_COUNT_SHIFT            16
#define CPUID_1_EBX_APIC_ID_SHIFT          24

#define CPUID_1_ECX_SSE3                   (1u << 0)
#define CPUID_1_ECX_PCLMULQDQ              (1u << 1)
#define CPUID_1_ECX_DTES64                 (1u << 2)
#define CPUID_1_ECX_MONITOR                (1u << 3)
#define CPUID_1_ECX_DS_CPL                 (1u << 4)
#define CPUID_1_ECX_VMX                    (1u << 5)
#define CPUID_1_ECX_SMX                    (1u << 6)
#define CPUID_1_ECX_EIST                   (1u << 7)
#define CPUID_1_ECX_TM2                    (1u << 8)
#define CPUID_1_ECX_SSSE3                  (1u << 9)
#define CPUID_1_ECX_CNXT_ID                (1u << 10)
#define CPUID_1_ECX_SDBG                   (1u << 11)
#define CPUID_1_ECX_FMA                    (1u << 12)
#define CPUID_1_ECX_CMPXCHG16B             (1u << 13)
#define CPUID_1_ECX_XTPR                   (1u << 14)
#define CPUID_1_ECX_PDCM                   (1u << 15)
#define CPUID_1_ECX_PCID                   (1u << 17)
#define CPUID_1_ECX_DCA                    (1u << 18)
#define CPUID_1_ECX_SSE41                  (1u << 19)
#define CPUID_1_ECX_SSE42                  (1u << 20)
#define CPUID_1_ECX_X2APIC                 (1u << 21)
#define CPUID_1_ECX_MOVBE                  (1u << 22)
#define CPUID_1_ECX_POPCNT                 (1u << 23)
#define CPUID_1_ECX_TSC_DEADLINE           (1u << 24)
#define CPUID_1_ECX_AES                    (1u << 25)
#define CPUID_1_ECX_XSAVE                  (1u << 26)
#define CPUID_1_ECX_OSXSAVE                (1u << 27)
#define CPUID_1_ECX_AVX                    (1u << 28)
#define CPUID_1_ECX_F16C                   (1u << 29)
#define CPUID_1_ECX_RDRAND                 (1u << 30)
#define CPUID_1_ECX_HYPERVISOR             (1u << 31)

#define CPUID_1_EDX_FPU                    (1u << 0)
#define CPUID_1_EDX_VME                    (1u << 1)
#define CPUID_1_EDX_DE                     (1u << 2)
#define CPUID_1_EDX_PSE                    (1u << 3)
#define CPUID_1_EDX_TSC                    (1u << 4)
#define CPUID_1_EDX_MSR                    (1u << 5)
#define CPUID_1_EDX_PAE                    (1u << 6)
#define CPUID_1_EDX_MCE                    (1u << 7)
#define CPUID_1_EDX_CX8                    (1u << 8)
#define CPUID_1_EDX_APIC                   (1u << 9)
#define CPUID_1_EDX_SEP                    (1u << 11)
#define CPUID_1_EDX_MTRR                   (1u << 12)
#define CPUID_1_EDX_PGE                    (1u << 13)
#define CPUID_1_EDX_MCA                    (1u << 14)
#define CPUID_1_EDX_CMOV                   (1u << 15)
#define CPUID_1_EDX_PAT                    (1u << 16)
#define CPUID_1_EDX_PSE36                  (1u << 17)
#define CPUID_1_EDX_PSN                    (1u << 18)
#define CPUID_1_EDX_CLFSH                  (1u << 19)
#define CPUID_1_EDX_DS                     (1u << 21)
#define CPUID_1_EDX_ACPI                   (1u << 22)
#define CPUID_1_EDX_MMX                    (1u << 23)
#define CPUID_1_EDX_FXSR                   (1u << 24)
#define CPUID_1_EDX_SSE                    (1u << 25)
#define CPUID_1_EDX_SSE2                   (1u << 26)
#define CPUID_1_EDX_SS                     (1u << 27)
#define CPUID_1_EDX_HTT                    (1u << 28)
#define CPUID_1_EDX_TM                     (1u << 29)
#define CPUID_1_EDX_PBE                    (1u << 31)

/* Leaf 6. */
#define CPUID_6_EAX_DTS                    (1u << 0)
#define CPUID_6_EAX_TURBO                  (1u << 1)
#define CPUID_6_EAX_ARAT                   (1u << 2)
#define CPUID_6_ECX_APERFMPERF             (1u << 0)

/* Leaf 7, subleaf 0. */
#define CPUID_7_EBX_FSGSBASE               (1u << 0)
#define CPUID_7_EBX_TSC_ADJUST             (1u << 1)
#define CPUID_7_EBX_SGX                    (1u << 2)
#define CPUID_7_EBX_BMI1                   (1u << 3)
#define CPUID_7_EBX_HLE                    (1u << 4)
#define CPUID_7_EBX_AVX2                   (1u << 5)
#define CPUID_7_EBX_FDP_EXCPTN             (1u << 6)
#define CPUID_7_EBX_SMEP                   (1u << 7)
#define CPUID_7_EBX_BMI2                   (1u << 8)
#define CPUID_7_EBX_ERMS                   (1u << 9)
#define CPUID_7_EBX_INVPCID                (1u << 10)
#define CPUID_7_EBX_RTM                    (1u << 11)
#define CPUID_7_EBX_PQM                    (1u << 12)
#define CPUID_7_EBX_FCS_FDS                (1u << 13)
#define CPUID_7_EBX_MPX                    (1u << 14)
#define CPUID_7_EBX_PQE                    (1u << 15)
#define CPUID_7_EBX_AVX512F                (1u << 16)
#define CPUID_7_EBX_AVX512DQ               (1u << 17)
#define CPUID_7_EBX_RDSEED                 (1u << 18)
#define CPUID_7_EBX_ADX                    (1u << 19)
#define CPUID_7_EBX_SMAP                   (1u << 20)
#define CPUID_7_EBX_AVX512IFMA             (1u << 21)
#define CPUID_7_EBX_CLFLUSHOPT             (1u << 23)
#define CPUID_7_EBX_CLWB                   (1u << 24)
#define CPUID_7_EBX_PT                     (1u << 25)
#define CPUID_7_EBX_AVX512PF               (1u << 26)
#define CPUID_7_EBX_AVX512ER               (1u << 27)
#define CPUID_7_EBX_AVX512CD               (1u << 28)
#define CPUID_7_EBX_SHA                    (1u << 29)
#define CPUID_7_EBX_AVX512BW               (1u << 30)
#define CPUID_7_EBX_AVX512VL               (1u << 31)

#define CPUID_7_ECX_PREFETCHWT1            (1u << 0)
#define CPUID_7_ECX_AVX512_VBMI            (1u << 1)
#define CPUID_7_ECX_UMIP                   (1u << 2)
#define CPUID_7_ECX_PKU                    (1u << 3)
#define CPUID_7_ECX_OSPKE                  (1u << 4)
#define CPUID_7_ECX_WAITPKG                (1u << 5)
#define CPUID_7_ECX_AVX512_VBMI2           (1u << 6)
#define CPUID_7_ECX_CET_SS                 (1u << 7)
#define CPUID_7_ECX_GFNI                   (1u << 8)
#define CPUID_7_ECX_VAES                   (1u << 9)
#define CPUID_7_ECX_VPCLMULQDQ             (1u << 10)
#define CPUID_7_ECX_AVX512_VNNI            (1u << 11)
#define CPUID_7_ECX_AVX512_BITALG          (1u << 12)
#define CPUID_7_ECX_TME                    (1u << 13)
#define CPUID_7_ECX_AVX512_VPOPCNTDQ       (1u << 14)
#define CPUID_7_ECX_LA57                   (1u << 16)
#define CPUID_7_ECX_RDPID                  (1u << 22)
#define CPUID_7_ECX_KL                     (1u << 23)
#define CPUID_7_ECX_BUS_LOCK_DETECT        (1u << 24)
#define CPUID_7_ECX_CLDEMOTE               (1u << 25)
#define CPUID_7_ECX_MOVDIRI                (1u << 27)
#define CPUID_7_ECX_MOVDIR64B              (1u << 28)
#define CPUID_7_ECX_ENQCMD                 (1u << 29)
#define CPUID_7_ECX_SGX_LC                 (1u << 30)
#define CPUID_7_ECX_PKS                    (1u << 31)

#define CPUID_7_EDX_AVX512_4VNNIW          (1u << 2)
#define CPUID_7_EDX_AVX512_4FMAPS          (1u << 3)
#define CPUID_7_EDX_FSRM                   (1u << 4)
#define CPUID_7_EDX_UINTR                  (1u << 5)
#define CPUID_7_EDX_AVX512_VP2INTERSECT    (1u << 8)
#define CPUID_7_EDX_SRBDS_CTRL             (1u << 9)
#define CPUID_7_EDX_MD_CLEAR               (1u << 10)
#define CPUID_7_EDX_SERIALIZE              (1u << 14)
#define CPUID_7_EDX_HYBRID                 (1u << 15)
#define CPUID_7_EDX_PCONFIG                (1u << 18)
#define CPUID_7_EDX_ARCH_LBR               (1u << 19)
#define CPUID_7_EDX_CET_IBT                (1u << 20)
#define CPUID_7_EDX_AMX_BF16               (1u << 22)
#define CPUID_7_EDX_AVX512_FP16            (1u << 23)
#define CPUID_7_EDX_AMX_TILE               (1u << 24)
#define CPUID_7_EDX_AMX_INT8               (1u << 25)
#define CPUID_7_EDX_SPEC_CTRL              (1u << 26) /* IBRS and IBPB */
#define CPUID_7_EDX_STIBP                  (1u << 27)
#define CPUID_7_EDX_L1D_FLUSH              (1u << 28)
#define CPUID_7_EDX_ARCH_CAPABILITIES      (1u << 29)
#define CPUID_7_EDX_CORE_CAPABILITIES      (1u << 30)
#define CPUID_7_EDX_SSBD                   (1u << 31)

/* Leaf 0xd, a component: its place in the compacted format is aligned. */
#define CPUID_D_ECX_ALIGN64                (1u << 1)
/* Leaf 0xd, subleaf 1. */
#define CPUID_D1_EAX_XSAVEOPT              (1u << 0)
#define CPUID_D1_EAX_XSAVEC                (1u << 1)
#define CPUID_D1_EAX_XGETBV1               (1u << 2)
#define CPUID_D1_EAX_XSAVES                (1u << 3)
#define CPUID_D1_EAX_XFD                   (1u << 4)

/* Leaf 0xb, ECX 15:8. */
#define CPUID_B_ECX_TYPE_SHIFT             8
#define CPUID_B_TYPE_INVALID               0u
#define CPUID_B_TYPE_SMT                   1u
#define CPUID_B_TYPE_CORE                  2u

/* Leaf 0x80000001. */
#define CPUID_80000001_ECX_LAHF64          (1u << 0)
#define CPUID_80000001_ECX_CMP_LEGACY      (1u << 1)
#define CPUID_80000001_ECX_SVM             (1u << 2)
#define CPUID_80000001_ECX_EXTAPIC         (1u << 3)
#define CPUID_80000001_ECX_ALTMOVCR8       (1u << 4)
#define CPUID_80000001_ECX_ABM             (1u << 5)
#define CPUID_80000001_ECX_SSE4A           (1u << 6)
#define CPUID_80000001_ECX_MISALIGNSSE     (1u << 7)
#define CPUID_80000001_ECX_3DNOWPREFETCH   (1u << 8)
#define CPUID_80000001_ECX_OSVW            (1u << 9)
#define CPUID_80000001_ECX_IBS             (1u << 10)
#define CPUID_80000001_ECX_XOP             (1u << 11)
#define CPUID_80000001_ECX_SKINIT          (1u << 12)
#define CPUID_80000001_ECX_WDT             (1u << 13)
#define CPUID_80000001_ECX_LWP             (1u << 15)
#define CPUID_80000001_ECX_FMA4            (1u << 16)
#define CPUID_80000001_ECX_TCE             (1u << 17)
#define CPUID_80000001_ECX_NODEID          (1u << 19)
#define CPUID_80000001_ECX_TBM             (1u << 21)
#define CPUID_80000001_ECX_TOPOEXT         (1u << 22)
#define CPUID_80000001_ECX_PERFCTR_CORE    (1u << 23)
#define CPUID_80000001_ECX_PERFCTR_NB      (1u << 24)
#define CPUID_80000001_ECX_DBEXT           (1u << 26)
#define CPUID_80000001_ECX_PERFTSC         (1u << 27)
#define CPUID_80000001_ECX_PERFCTR_LLC     (1u << 28)
#define CPUID_80000001_ECX_MONITORX        (1u << 29)

/* Bits 0-9, 12-17, 23, 24 repeat leaf 1 EDX on AMD. */
#define CPUID_80000001_EDX_SYSCALL         (1u << 11)
#define CPUID_80000001_EDX_NX              (1u << 20)
#define CPUID_80000001_EDX_MMXEXT          (1u << 22)
#define CPUID_80000001_EDX_FFXSR           (1u << 25)
#define CPUID_80000001_EDX_PAGE1GB         (1u << 26)
#define CPUID_80000001_EDX_RDTSCP          (1u << 27)
#define CPUID_80000001_EDX_LM              (1u << 29)
#define CPUID_80000001_EDX_3DNOWEXT        (1u << 30)
#define CPUID_80000001_EDX_3DNOW           (1u << 31)

/* Leaf 0x80000007. */
#define CPUID_80000007_EDX_INVARIANT_TSC   (1u << 8)

/* Leaf 0x80000008. */
#define CPUID_80000008_EAX_PA_BITS         0xffu
#define CPUID_80000008_EAX_VA_SHIFT        8
#define CPUID_80000008_EBX_CLZERO          (1u << 0)
#define CPUID_80000008_EBX_INSTRET         (1u << 1)
#define CPUID_80000008_EBX_XSAVEERPTR      (1u << 2)
#define CPUID_80000008_EBX_RDPRU           (1u << 4)
#define CPUID_80000008_EBX_WBNOINVD        (1u << 9)
#define CPUID_80000008_EBX_IBPB            (1u << 12)
#define CPUID_80000008_EBX_IBRS            (1u << 14)
#define CPUID_80000008_EBX_STIBP           (1u << 15)
#define CPUID_80000008_EBX_IBRS_ALWAYS     (1u << 16)
#define CPUID_80000008_EBX_STIBP_ALWAYS    (1u << 17)
#define CPUID_80000008_EBX_IBRS_SAME_MODE  (1u << 19)
#define CPUID_80000008_EBX_SSBD            (1u << 24)
#define CPUID_80000008_EBX_VIRT_SSBD       (1u << 25)
#define CPUID_80000008_EBX_SSB_NO          (1u << 26)
#define CPUID_80000008_EBX_PSFD            (1u << 28)

/* Leaf 0x80000021. */
#define CPUID_80000021_EAX_AUTO_IBRS       (1u << 8)

/* Leaf 0x8000000a: EAX 7:0 SVM revision, EBX number of ASIDs. */
#define CPUID_8000000A_EAX_REVISION        0xffu
#define CPUID_8000000A_EDX_NP              (1u << 0)
#define CPUID_8000000A_EDX_LBRV            (1u << 1)
#define CPUID_8000000A_EDX_SVML            (1u << 2)
#define CPUID_8000000A_EDX_NRIPS           (1u << 3)
#define CPUID_8000000A_EDX_TSC_RATE        (1u << 4)
#define CPUID_8000000A_EDX_VMCB_CLEAN      (1u << 5)
#define CPUID_8000000A_EDX_FLUSH_BY_ASID   (1u << 6)
#define CPUID_8000000A_EDX_DECODE_ASSISTS  (1u << 7)
#define CPUID_8000000A_EDX_PAUSE_FILTER    (1u << 10)
#define CPUID_8000000A_EDX_PAUSE_THRESHOLD (1u << 12)
#define CPUID_8000000A_EDX_AVIC            (1u << 13)
#define CPUID_8000000A_EDX_V_VMSAVE_VMLOAD (1u << 15)
#define CPUID_8000000A_EDX_VGIF            (1u << 16)
#define CPUID_8000000A_EDX_GMET            (1u << 17)
#define CPUID_8000000A_EDX_X2AVIC          (1u << 18)
#define CPUID_8000000A_EDX_SSS_CHECK       (1u << 19)
#define CPUID_8000000A_EDX_SPEC_CTRL       (1u << 20)
#define CPUID_8000000A_EDX_VNMI            (1u << 25)
