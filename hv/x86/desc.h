/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Descriptors, gates, the 64-bit TSS, exception vectors and error-code bits (SDM Vol. 3A, "Protected-Mode
 * Memory Management", "Task Management", "Interrupt and Exception Handling"). Layouts and names only.
 */
#pragma once

#include <stdint.h>

enum exception_vector {
	EXC_DE = 0,  /* divide error */
	EXC_DB = 1,  /* debug */
	EXC_NMI = 2, /* non-maskable interrupt */
	EXC_BP = 3,  /* breakpoint */
	EXC_OF = 4,  /* overflow */
	EXC_BR = 5,  /* BOUND range exceeded */
	EXC_UD = 6,  /* invalid opcode */
	EXC_NM = 7,  /* device not available */
	EXC_DF = 8,  /* double fault */
	EXC_TS = 10, /* invalid TSS */
	EXC_NP = 11, /* segment not present */
	EXC_SS = 12, /* stack-segment fault */
	EXC_GP = 13, /* general protection */
	EXC_PF = 14, /* page fault */
	EXC_MF = 16, /* x87 floating-point error */
	EXC_AC = 17, /* alignment check */
	EXC_MC = 18, /* machine check */
	EXC_XM = 19, /* SIMD floating-point error */
	EXC_VE = 20, /* virtualization exception */
	EXC_CP = 21, /* control protection */
	EXC_HV = 28, /* hypervisor injection (AMD) */
	EXC_VC = 29, /* VMM communication (AMD) */
	EXC_SX = 30, /* security exception (AMD) */
	EXC_COUNT = 32,
};

/* Vectors whose delivery pushes an error code, as a bit map. */
#define EXC_WITH_ERROR                                                                                       \
	((1u << EXC_DF) | (1u << EXC_TS) | (1u << EXC_NP) | (1u << EXC_SS) | (1u << EXC_GP) |                \
	 (1u << EXC_PF) | (1u << EXC_AC) | (1u << EXC_CP) | (1u << EXC_VC) | (1u << EXC_SX))

/* Page-fault error code. */
#define PFERR_P      (1u << 0)
#define PFERR_W      (1u << 1)
#define PFERR_U      (1u << 2)
#define PFERR_RSVD   (1u << 3)
#define PFERR_I      (1u << 4)
#define PFERR_PK     (1u << 5)
#define PFERR_SS     (1u << 6)

/* Selector error code. */
#define SELERR_EXT   (1u << 0)
#define SELERR_IDT   (1u << 1)
#define SELERR_TI    (1u << 2)

#define SELECTOR_RPL 3u
#define SELECTOR_TI  4u

/* The host's GDT, the same on every CPU but for the TSS. */
enum host_selector {
	HOST_CS = 0x08,
	HOST_DS = 0x10, /* SS; DS and ES too, although 64-bit mode ignores them */
	HOST_TR = 0x18, /* two slots */
	HOST_GDT_BYTES = 0x28,
};

/* Operand of LGDT, LIDT, SGDT, SIDT in 64-bit mode. */
struct desc_ptr {
	uint16_t limit;
	uint64_t base;
} __attribute__((packed));
_Static_assert(sizeof(struct desc_ptr) == 10, "pseudo-descriptor");

/* A segment descriptor, as eight bytes. */
struct seg_descriptor {
	uint16_t limit_low, base_low;
	uint8_t base_mid;
	uint8_t access;      /* DESC_TYPE, DESC_S, DPL << 5, DESC_P */
	uint8_t flags_limit; /* limit 19:16, DESC_AVL, DESC_L, DESC_DB, DESC_G */
	uint8_t base_high;
} __attribute__((packed));
_Static_assert(sizeof(struct seg_descriptor) == 8, "segment descriptor");

/* A 64-bit TSS or LDT descriptor takes two slots. */
struct system_descriptor {
	struct seg_descriptor low;
	uint32_t base_upper, reserved;
} __attribute__((packed));
_Static_assert(sizeof(struct system_descriptor) == 16, "system descriptor");

#define DESC_TYPE             0x0fu /* mask */
#define DESC_S                0x10u /* code or data */
#define DESC_P                0x80u
#define DESC_AVL              0x10u
#define DESC_L                0x20u
#define DESC_DB               0x40u
#define DESC_G                0x80u

/* Types with DESC_S. */
#define DESC_TYPE_ACCESSED    0x1u
#define DESC_TYPE_WRITE       0x2u /* data */
#define DESC_TYPE_EXPAND      0x4u /* data: expand-down */
#define DESC_TYPE_READ        0x2u /* code */
#define DESC_TYPE_CONFORMING  0x4u /* code */
#define DESC_TYPE_CODE        0x8u
/* System types. */
#define DESC_TYPE_TSS16_AVAIL 0x1u
#define DESC_TYPE_LDT         0x2u
#define DESC_TYPE_TSS16_BUSY  0x3u
#define DESC_TYPE_TASK_GATE   0x5u
#define DESC_TYPE_TSS_AVAIL   0x9u /* 32-bit; 64-bit in long mode */
#define DESC_TYPE_TSS_BUSY    0xbu
#define DESC_TYPE_INTR_GATE   0xeu
#define DESC_TYPE_TRAP_GATE   0xfu

struct idt_gate {
	uint16_t offset_low, selector;
	uint8_t ist;  /* 0: the current stack; 1-7: TSS ist[n - 1] */
	uint8_t attr; /* type, DPL << 5, DESC_P */
	uint16_t offset_mid;
	uint32_t offset_high, reserved;
} __attribute__((packed));
_Static_assert(sizeof(struct idt_gate) == 16, "IDT gate");

struct tss64 {
	uint32_t reserved0;
	uint64_t rsp[3];
	uint64_t reserved1;
	uint64_t ist[7];
	uint64_t reserved2;
	uint16_t reserved3;
	uint16_t iomap_base; /* sizeof(struct tss64): no I/O map */
} __attribute__((packed));
_Static_assert(sizeof(struct tss64) == 104, "64-bit TSS");
