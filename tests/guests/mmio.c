/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory that isn't RAM: device registers by many instruction forms, ROM, and addresses that nobody has. */
#include "hv/x86/apic.h"
#include "tests/guests/lib/guest.h"

#define ABSENT 0xd0000000UL
#define ROM    0xe0000UL
#define REG(r) ((volatile uint32_t *)(PLATFORM_LAPIC_BASE + (r)))

static void check_absent(void)
{
	volatile uint8_t *b = (volatile uint8_t *)ABSENT;

	EXPECT("mmio/absent-8", *b == 0xff);
	EXPECT("mmio/absent-16", *(volatile uint16_t *)b == 0xffff);
	EXPECT("mmio/absent-32", *(volatile uint32_t *)b == 0xffffffff);
	EXPECT("mmio/absent-64", *(volatile uint64_t *)b == UINT64_MAX);
	*(volatile uint64_t *)b = 0;
	EXPECT("mmio/absent-after-write", *(volatile uint64_t *)b == UINT64_MAX);
	EXPECT("mmio/vga-hole", *(volatile uint32_t *)0xb8000UL == 0xffffffff);
}

static void check_rom(void)
{
	volatile uint32_t *p = (volatile uint32_t *)ROM;
	uint32_t before = *p;

	*p = ~before;
	EXPECT("mmio/rom-keeps", *p == before);
	*p += 1;
	EXPECT("mmio/rom-keeps-add", *p == before);
	EXPECT("mmio/rom-rsdp", __builtin_memcmp((void *)ROM, "RSD PTR ", 8) == 0);
}

/* The spurious-vector register holds what is written: a scratch register for the forms. */
static void check_forms(void)
{
	volatile uint32_t *svr = REG(LAPIC_SVR);
	uint32_t v;
	uint64_t w;

	asm volatile("movl $0x1f0, (%0)" ::"r"(svr) : "memory");
	guest_expect_equal("mmio/mov-imm", *svr, 0x1f0);
	asm volatile("orl $0xf, (%0)" ::"r"(svr) : "memory");
	guest_expect_equal("mmio/or-imm", *svr, 0x1ff);
	asm volatile("andl %1, (%0)" ::"r"(svr), "r"(0x1f7) : "memory");
	guest_expect_equal("mmio/and-reg", *svr, 0x1f7);
	asm volatile("xorl %1, (%0)" ::"r"(svr), "r"(0x0f) : "memory");
	guest_expect_equal("mmio/xor-reg", *svr, 0x1f8);
	asm volatile("addl $1, (%0)" ::"r"(svr) : "memory");
	guest_expect_equal("mmio/add", *svr, 0x1f9);
	v = 0x1e0;
	asm volatile("xchgl %0, (%1)" : "+r"(v) : "r"(svr) : "memory");
	guest_expect_equal("mmio/xchg-old", v, 0x1f9);
	guest_expect_equal("mmio/xchg-new", *svr, 0x1e0);
	asm volatile("movzbl (%1), %0" : "=r"(v) : "r"(svr));
	guest_expect_equal("mmio/movzx", v, 0xe0);
	asm volatile("movsbq (%1), %0" : "=r"(w) : "r"(svr));
	guest_expect_equal("mmio/movsx", w, 0xffffffffffffffe0);
	w = UINT64_MAX;
	asm volatile("movl (%1), %k0" : "+r"(w) : "r"(svr));
	guest_expect_equal("mmio/mov32-clears", w, 0x1e0);
	asm volatile("cmpl $0x1e0, (%1)\n\tsete %b0" : "=q"(v) : "r"(svr) : "cc");
	EXPECT("mmio/cmp-flags", (uint8_t)v == 1);
	asm volatile("testl $0x100, (%1)\n\tsetnz %b0" : "=q"(v) : "r"(svr) : "cc");
	EXPECT("mmio/test-flags", (uint8_t)v == 1);
	asm volatile("movl $0x1f3, 0x10(%0,%1,8)" ::"r"((uint64_t)svr - 0x90), "r"(0x10UL) : "memory");
	guest_expect_equal("mmio/sib", *svr, 0x1f3);
	asm volatile(".byte 0xa3\n\t.quad 0xfee000f0" ::"a"(0x1f5) : "memory") /* MOV [SVR], EAX */;
	guest_expect_equal("mmio/moffs", *svr, 0x1f5);
}

static void check_string(void)
{
	static uint32_t buf[8];
	void *dst = (void *)ABSENT, *src;
	uint64_t n = 16;

	asm volatile("rep stosl" : "+D"(dst), "+c"(n) : "a"(0) : "memory");
	EXPECT("mmio/rep-stos", n == 0 && (uint64_t)dst == ABSENT + 64);
	src = (void *)ABSENT;
	dst = buf;
	n = 8;
	asm volatile("rep movsl" : "+S"(src), "+D"(dst), "+c"(n)::"memory");
	EXPECT("mmio/rep-movs-from", n == 0 && buf[0] == 0xffffffff && buf[7] == 0xffffffff);
}

void test_main(void)
{
	check_absent();
	check_rom();
	check_forms();
	check_string();
}
