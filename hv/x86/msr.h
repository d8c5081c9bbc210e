/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Model-specific registers and their bits, named as in SDM Vol. 4 and AMD's APM Vol. 2, "MSR
 * Cross-Reference". Numbers and names only; who may see what is hv/'s policy.
 */
#pragma once

/* --- architectural, both vendors or Intel --- */
#define MSR_IA32_P5_MC_ADDR               0x000u
#define MSR_IA32_P5_MC_TYPE               0x001u
#define MSR_IA32_TSC                      0x010u
#define MSR_IA32_PLATFORM_ID              0x017u
#define MSR_IA32_APIC_BASE                0x01bu
#define MSR_EBL_CR_POWERON                0x02au
#define MSR_IA32_FEATURE_CONTROL          0x03au
#define MSR_IA32_TSC_ADJUST               0x03bu
#define MSR_IA32_SPEC_CTRL                0x048u
#define MSR_IA32_PRED_CMD                 0x049u
#define MSR_IA32_BIOS_UPDT_TRIG           0x079u
#define MSR_IA32_BIOS_SIGN_ID             0x08bu
#define MSR_IA32_SMM_MONITOR_CTL          0x09bu
#define MSR_IA32_SMBASE                   0x09eu
#define MSR_IA32_PMC0                     0x0c1u
#define MSR_FSB_FREQ                      0x0cdu
#define MSR_PLATFORM_INFO                 0x0ceu
#define MSR_PKG_CST_CONFIG_CONTROL        0x0e2u
#define MSR_IA32_UMWAIT_CONTROL           0x0e1u
#define MSR_IA32_MPERF                    0x0e7u
#define MSR_IA32_APERF                    0x0e8u
#define MSR_IA32_MTRRCAP                  0x0feu
#define MSR_IA32_ARCH_CAPABILITIES        0x10au
#define MSR_IA32_FLUSH_CMD                0x10bu
#define MSR_BBL_CR_CTL3                   0x11eu
#define MSR_IA32_TSX_CTRL                 0x122u
#define MSR_IA32_MCU_OPT_CTRL             0x123u
#define MSR_MISC_FEATURES_ENABLES         0x140u
#define MSR_IA32_SYSENTER_CS              0x174u
#define MSR_IA32_SYSENTER_ESP             0x175u
#define MSR_IA32_SYSENTER_EIP             0x176u
#define MSR_IA32_MCG_CAP                  0x179u
#define MSR_IA32_MCG_STATUS               0x17au
#define MSR_IA32_MCG_CTL                  0x17bu
#define MSR_IA32_PERFEVTSEL0              0x186u
#define MSR_IA32_PERF_STATUS              0x198u
#define MSR_IA32_PERF_CTL                 0x199u
#define MSR_IA32_CLOCK_MODULATION         0x19au
#define MSR_IA32_THERM_INTERRUPT          0x19bu
#define MSR_IA32_THERM_STATUS             0x19cu
#define MSR_IA32_MISC_ENABLE              0x1a0u
#define MSR_TEMPERATURE_TARGET            0x1a2u
#define MSR_MISC_FEATURE_CONTROL          0x1a4u
#define MSR_OFFCORE_RSP_0                 0x1a6u
#define MSR_OFFCORE_RSP_1                 0x1a7u
#define MSR_IA32_ENERGY_PERF_BIAS         0x1b0u
#define MSR_IA32_PACKAGE_THERM_STATUS     0x1b1u
#define MSR_IA32_PACKAGE_THERM_INTERRUPT  0x1b2u
#define MSR_LBR_SELECT                    0x1c8u
#define MSR_LASTBRANCH_TOS                0x1c9u
#define MSR_IA32_DEBUGCTL                 0x1d9u
#define MSR_LASTBRANCHFROMIP              0x1dbu
#define MSR_LASTBRANCHTOIP                0x1dcu
#define MSR_LASTINTFROMIP                 0x1ddu
#define MSR_LASTINTTOIP                   0x1deu
#define MSR_IA32_SMRR_PHYSBASE            0x1f2u
#define MSR_IA32_SMRR_PHYSMASK            0x1f3u
#define MSR_POWER_CTL                     0x1fcu
#define MSR_IA32_MTRR_PHYSBASE(n)         (0x200u + 2u * (n))
#define MSR_IA32_MTRR_PHYSMASK(n)         (0x201u + 2u * (n))
#define MSR_IA32_MTRR_FIX64K_00000        0x250u
#define MSR_IA32_MTRR_FIX16K_80000        0x258u
#define MSR_IA32_MTRR_FIX16K_A0000        0x259u
#define MSR_IA32_MTRR_FIX4K_C0000         0x268u
#define MSR_IA32_MTRR_FIX4K_C8000         0x269u
#define MSR_IA32_MTRR_FIX4K_D0000         0x26au
#define MSR_IA32_MTRR_FIX4K_D8000         0x26bu
#define MSR_IA32_MTRR_FIX4K_E0000         0x26cu
#define MSR_IA32_MTRR_FIX4K_E8000         0x26du
#define MSR_IA32_MTRR_FIX4K_F0000         0x26eu
#define MSR_IA32_MTRR_FIX4K_F8000         0x26fu
#define MSR_IA32_PAT                      0x277u
#define MSR_IA32_MC_CTL2(n)               (0x280u + (n))
#define MSR_IA32_MTRR_DEF_TYPE            0x2ffu
#define MSR_IA32_FIXED_CTR0               0x309u
#define MSR_IA32_PERF_CAPABILITIES        0x345u
#define MSR_IA32_FIXED_CTR_CTRL           0x38du
#define MSR_IA32_PERF_GLOBAL_STATUS       0x38eu
#define MSR_IA32_PERF_GLOBAL_CTRL         0x38fu
#define MSR_IA32_PERF_GLOBAL_OVF_CTRL     0x390u
#define MSR_IA32_PEBS_ENABLE              0x3f1u
#define MSR_IA32_MC_CTL(n)                (0x400u + 4u * (n))
#define MSR_IA32_MC_STATUS(n)             (0x401u + 4u * (n))
#define MSR_IA32_MC_ADDR(n)               (0x402u + 4u * (n))
#define MSR_IA32_MC_MISC(n)               (0x403u + 4u * (n))
#define MSR_RAPL_POWER_UNIT               0x606u
#define MSR_PKG_ENERGY_STATUS             0x611u
#define MSR_DRAM_ENERGY_STATUS            0x619u
#define MSR_PP0_ENERGY_STATUS             0x639u
#define MSR_PP1_ENERGY_STATUS             0x641u
#define MSR_PPERF                         0x64eu
#define MSR_IA32_U_CET                    0x6a0u
#define MSR_IA32_S_CET                    0x6a2u
#define MSR_IA32_PL0_SSP                  0x6a4u
#define MSR_IA32_PL1_SSP                  0x6a5u
#define MSR_IA32_PL2_SSP                  0x6a6u
#define MSR_IA32_PL3_SSP                  0x6a7u
#define MSR_IA32_INTERRUPT_SSP_TABLE_ADDR 0x6a8u
#define MSR_IA32_TSC_DEADLINE             0x6e0u
#define MSR_IA32_PM_ENABLE                0x770u
#define MSR_IA32_HWP_CAPABILITIES         0x771u
#define MSR_IA32_HWP_REQUEST              0x774u
#define MSR_X2APIC_BASE                   0x800u
#define MSR_X2APIC_LAST                   0x8ffu
#define MSR_IA32_XSS                      0xda0u

/* --- VMX capabilities --- */
#define MSR_IA32_VMX_BASIC                0x480u
#define MSR_IA32_VMX_PINBASED_CTLS        0x481u
#define MSR_IA32_VMX_PROCBASED_CTLS       0x482u
#define MSR_IA32_VMX_EXIT_CTLS            0x483u
#define MSR_IA32_VMX_ENTRY_CTLS           0x484u
#define MSR_IA32_VMX_MISC                 0x485u
#define MSR_IA32_VMX_CR0_FIXED0           0x486u
#define MSR_IA32_VMX_CR0_FIXED1           0x487u
#define MSR_IA32_VMX_CR4_FIXED0           0x488u
#define MSR_IA32_VMX_CR4_FIXED1           0x489u
#define MSR_IA32_VMX_VMCS_ENUM            0x48au
#define MSR_IA32_VMX_PROCBASED_CTLS2      0x48bu
#define MSR_IA32_VMX_EPT_VPID_CAP         0x48cu
#define MSR_IA32_VMX_TRUE_PINBASED_CTLS   0x48du
#define MSR_IA32_VMX_TRUE_PROCBASED_CTLS  0x48eu
#define MSR_IA32_VMX_TRUE_EXIT_CTLS       0x48fu
#define MSR_IA32_VMX_TRUE_ENTRY_CTLS      0x490u
#define MSR_IA32_VMX_VMFUNC               0x491u
#define MSR_IA32_VMX_PROCBASED_CTLS3      0x492u
#define MSR_IA32_VMX_EXIT_CTLS2           0x493u

/* --- 0xc0000000: both vendors --- */
#define MSR_EFER                          0xc0000080u
#define MSR_STAR                          0xc0000081u
#define MSR_LSTAR                         0xc0000082u
#define MSR_CSTAR                         0xc0000083u
#define MSR_SFMASK                        0xc0000084u
#define MSR_FS_BASE                       0xc0000100u
#define MSR_GS_BASE                       0xc0000101u
#define MSR_KERNEL_GS_BASE                0xc0000102u
#define MSR_TSC_AUX                       0xc0000103u
#define MSR_TSC_RATIO                     0xc0000104u

/* --- AMD --- */
#define MSR_PERF_LEGACY_CTL0              0xc0010000u
#define MSR_PERF_LEGACY_CTR0              0xc0010004u
#define MSR_SYSCFG                        0xc0010010u
#define MSR_HWCR                          0xc0010015u
#define MSR_IORR_BASE0                    0xc0010016u
#define MSR_TOP_MEM                       0xc001001au
#define MSR_TOP_MEM2                      0xc001001du
#define MSR_NB_CFG                        0xc001001fu
#define MSR_PATCH_LOADER                  0xc0010020u
#define MSR_MC_EXCEPTION_REDIR            0xc0010022u
#define MSR_INT_PENDING                   0xc0010055u
#define MSR_FAM10H_MMIO_CONF_BASE         0xc0010058u
#define MSR_PSTATE_CUR_LIMIT              0xc0010061u
#define MSR_PSTATE_CTL                    0xc0010062u
#define MSR_PSTATE_STATUS                 0xc0010063u
#define MSR_PSTATE0                       0xc0010064u
#define MSR_SMM_ADDR                      0xc0010112u
#define MSR_SMM_MASK                      0xc0010113u
#define MSR_VM_CR                         0xc0010114u
#define MSR_IGNNE                         0xc0010115u
#define MSR_SMM_CTL                       0xc0010116u
#define MSR_VM_HSAVE_PA                   0xc0010117u
#define MSR_SVM_LOCK_KEY                  0xc0010118u
#define MSR_VIRT_SPEC_CTRL                0xc001011fu
#define MSR_SEV_STATUS                    0xc0010131u
#define MSR_OSVW_ID_LENGTH                0xc0010140u
#define MSR_OSVW_STATUS                   0xc0010141u
#define MSR_PERF_CTL0                     0xc0010200u
#define MSR_PERF_CTR0                     0xc0010201u
#define MSR_RAPL_PWR_UNIT                 0xc0010299u
#define MSR_CPUID_7_FEATURES              0xc0011002u
#define MSR_CPUID_FEATURES                0xc0011004u
#define MSR_CPUID_EXT_FEATURES            0xc0011005u
#define MSR_LS_CFG                        0xc0011020u
#define MSR_IC_CFG                        0xc0011021u
#define MSR_DC_CFG                        0xc0011022u
#define MSR_BU_CFG                        0xc0011023u
#define MSR_DE_CFG                        0xc0011029u
#define MSR_BU_CFG2                       0xc001102au
#define MSR_IBS_FETCH_CTL                 0xc0011030u
#define MSR_IBS_OP_CTL                    0xc0011033u

/* --- bits --- */
#define EFER_SCE                          (1UL << 0)
#define EFER_LME                          (1UL << 8)
#define EFER_LMA                          (1UL << 10)
#define EFER_NXE                          (1UL << 11)
#define EFER_SVME                         (1UL << 12)
#define EFER_LMSLE                        (1UL << 13)
#define EFER_FFXSR                        (1UL << 14)
#define EFER_TCE                          (1UL << 15)
#define EFER_AUTOIBRS                     (1UL << 21)

#define FEATURE_CONTROL_LOCK              (1UL << 0)
#define FEATURE_CONTROL_VMX_IN_SMX        (1UL << 1)
#define FEATURE_CONTROL_VMX_OUT_SMX       (1UL << 2)
#define FEATURE_CONTROL_SGX_LC            (1UL << 17)
#define FEATURE_CONTROL_SGX               (1UL << 18)
#define FEATURE_CONTROL_LMCE              (1UL << 20)

#define VM_CR_DPD                         (1UL << 0)
#define VM_CR_R_INIT                      (1UL << 1)
#define VM_CR_DIS_A20M                    (1UL << 2)
#define VM_CR_LOCK                        (1UL << 3)
#define VM_CR_SVMDIS                      (1UL << 4)

#define HWCR_SMMLOCK                      (1UL << 0)
#define HWCR_TLBCACHEDIS                  (1UL << 3)
#define HWCR_FFDIS                        (1UL << 6)
#define HWCR_MONMWAITDIS                  (1UL << 9)
#define HWCR_MCSTATUSWREN                 (1UL << 18)
#define HWCR_TSCFREQSEL                   (1UL << 24) /* the TSC runs at the P0 frequency */

#define DE_CFG_LFENCE_SERIALIZE           (1UL << 1)

#define SPEC_CTRL_IBRS                    (1UL << 0)
#define SPEC_CTRL_STIBP                   (1UL << 1)
#define SPEC_CTRL_SSBD                    (1UL << 2)
#define SPEC_CTRL_PSFD                    (1UL << 7)
#define PRED_CMD_IBPB                     (1UL << 0)
#define FLUSH_CMD_L1D                     (1UL << 0)

#define ARCH_CAP_RDCL_NO                  (1UL << 0)
#define ARCH_CAP_IBRS_ALL                 (1UL << 1)
#define ARCH_CAP_RSBA                     (1UL << 2)
#define ARCH_CAP_SKIP_L1DFL_VMENTRY       (1UL << 3)
#define ARCH_CAP_SSB_NO                   (1UL << 4)
#define ARCH_CAP_MDS_NO                   (1UL << 5)
#define ARCH_CAP_IF_PSCHANGE_MC_NO        (1UL << 6)
#define ARCH_CAP_TSX_CTRL                 (1UL << 7)
#define ARCH_CAP_TAA_NO                   (1UL << 8)
#define ARCH_CAP_FB_CLEAR                 (1UL << 17)

#define MISC_ENABLE_FAST_STRING           (1UL << 0)
#define MISC_ENABLE_TCC                   (1UL << 3)
#define MISC_ENABLE_PERFMON               (1UL << 7)
#define MISC_ENABLE_BTS_UNAVAIL           (1UL << 11)
#define MISC_ENABLE_PEBS_UNAVAIL          (1UL << 12)
#define MISC_ENABLE_EIST                  (1UL << 16)
#define MISC_ENABLE_MONITOR               (1UL << 18)
#define MISC_ENABLE_LIMIT_CPUID           (1UL << 22)
#define MISC_ENABLE_XTPR_DISABLE          (1UL << 23)
#define MISC_ENABLE_XD_DISABLE            (1UL << 34)

#define DEBUGCTL_LBR                      (1UL << 0)
#define DEBUGCTL_BTF                      (1UL << 1)
#define DEBUGCTL_TR                       (1UL << 6)
#define DEBUGCTL_BTS                      (1UL << 7)
#define DEBUGCTL_BTINT                    (1UL << 8)
#define DEBUGCTL_FREEZE_IN_SMM            (1UL << 14)

#define MTRRCAP_VCNT                      0xffUL
#define MTRRCAP_FIX                       (1UL << 8)
#define MTRRCAP_WC                        (1UL << 10)
#define MTRRCAP_SMRR                      (1UL << 11)
#define MTRR_DEF_TYPE                     0xffUL /* mask */
#define MTRR_DEF_TYPE_FE                  (1UL << 10)
#define MTRR_DEF_TYPE_E                   (1UL << 11)
#define MTRR_PHYSMASK_VALID               (1UL << 11)

/* Memory types of MTRRs and PAT. */
#define MEMTYPE_UC                        0x00u
#define MEMTYPE_WC                        0x01u
#define MEMTYPE_WT                        0x04u
#define MEMTYPE_WP                        0x05u
#define MEMTYPE_WB                        0x06u
#define MEMTYPE_UC_MINUS                  0x07u /* PAT only */
#define PAT_RESET                         0x0007040600070406UL

#define MCG_CAP_COUNT                     0xffUL
#define MCG_CAP_CTL_P                     (1UL << 8)
#define MCG_CAP_EXT_P                     (1UL << 9)
#define MCG_CAP_CMCI_P                    (1UL << 10)
#define MCG_CAP_TES_P                     (1UL << 11)
#define MCG_CAP_SER_P                     (1UL << 24)
#define MCG_CAP_LMCE_P                    (1UL << 27)
#define MCG_STATUS_RIPV                   (1UL << 0)
#define MCG_STATUS_EIPV                   (1UL << 1)
#define MCG_STATUS_MCIP                   (1UL << 2)
#define MC_STATUS_VAL                     (1UL << 63)
#define MC_STATUS_OVER                    (1UL << 62)
#define MC_STATUS_UC                      (1UL << 61)
#define MC_STATUS_EN                      (1UL << 60)
#define MC_STATUS_MISCV                   (1UL << 59)
#define MC_STATUS_ADDRV                   (1UL << 58)
#define MC_STATUS_PCC                     (1UL << 57)

/* IA32_VMX_BASIC. */
#define VMX_BASIC_REVISION                0x7fffffffUL
#define VMX_BASIC_SIZE_SHIFT              32
#define VMX_BASIC_SIZE_MASK               0x1fffUL
#define VMX_BASIC_PA32                    (1UL << 48)
#define VMX_BASIC_DUAL_SMM                (1UL << 49)
#define VMX_BASIC_MEMTYPE_SHIFT           50
#define VMX_BASIC_MEMTYPE_MASK            0xfUL
#define VMX_BASIC_INS_OUTS                (1UL << 54)
#define VMX_BASIC_TRUE_CTLS               (1UL << 55)

/* IA32_VMX_MISC. */
#define VMX_MISC_TIMER_SHIFT              0x1fUL
#define VMX_MISC_STORE_LMA                (1UL << 5)
#define VMX_MISC_ACTIVITY_HLT             (1UL << 6)
#define VMX_MISC_ACTIVITY_SHUTDOWN        (1UL << 7)
#define VMX_MISC_ACTIVITY_WAIT_SIPI       (1UL << 8)
#define VMX_MISC_VMWRITE_ANY              (1UL << 29)
#define VMX_MISC_ZERO_LEN_INJECT          (1UL << 30)

/* IA32_VMX_EPT_VPID_CAP. */
#define EPT_CAP_EXEC_ONLY                 (1UL << 0)
#define EPT_CAP_WALK_4                    (1UL << 6)
#define EPT_CAP_WALK_5                    (1UL << 7)
#define EPT_CAP_UC                        (1UL << 8)
#define EPT_CAP_WB                        (1UL << 14)
#define EPT_CAP_2M                        (1UL << 16)
#define EPT_CAP_1G                        (1UL << 17)
#define EPT_CAP_INVEPT                    (1UL << 20)
#define EPT_CAP_AD                        (1UL << 21)
#define EPT_CAP_INVEPT_SINGLE             (1UL << 25)
#define EPT_CAP_INVEPT_ALL                (1UL << 26)
#define VPID_CAP_INVVPID                  (1UL << 32)
#define VPID_CAP_ADDRESS                  (1UL << 40)
#define VPID_CAP_SINGLE                   (1UL << 41)
#define VPID_CAP_ALL                      (1UL << 42)
#define VPID_CAP_SINGLE_GLOBALS           (1UL << 43)
