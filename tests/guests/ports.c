/* SPDX-License-Identifier: BSD-2-Clause */
/* I/O ports: what nobody has reads as ones, PCI is empty, string I/O works. */
#include "hv/lib/string.h"
#include "tests/guests/lib/guest.h"

static void check_absent(void)
{
	EXPECT("ports/absent-8", in8(0x1234) == 0xff);
	EXPECT("ports/absent-16", in16(0x1234) == 0xffff);
	EXPECT("ports/absent-32", in32(0x1234) == 0xffffffff);
	out32(0x1234, 0x55aa55aa);
	EXPECT("ports/absent-after-write", in32(0x1234) == 0xffffffff);
}

/* IN leaves the upper part of RAX alone but for the 32-bit form. */
static void check_width(void)
{
	uint64_t rax = 0x1122334455667788;

	asm volatile("inb $0xf0, %%al" : "+a"(rax));
	guest_expect_equal("ports/in8-keeps-rax", rax, 0x11223344556677ff);
	rax = 0x1122334455667788;
	asm volatile("inw $0xf0, %%ax" : "+a"(rax));
	guest_expect_equal("ports/in16-keeps-rax", rax, 0x112233445566ffff);
	rax = 0x1122334455667788;
	asm volatile("inl $0xf0, %%eax" : "+a"(rax));
	guest_expect_equal("ports/in32-clears-rax", rax, 0xffffffff);
}

static void check_strings(void)
{
	static const char text[] = "string output\r\n";
	static uint8_t buf[64];
	const void *src = text;
	void *dst = buf;
	uint64_t n = sizeof(text) - 1;

	asm volatile("rep outsb" : "+S"(src), "+c"(n) : "d"(PLATFORM_COM1_PORT) : "memory");
	EXPECT("ports/outsb-count", n == 0 && src == text + sizeof(text) - 1);
	n = 16;
	memset(buf, 0, sizeof(buf));
	asm volatile("rep insl" : "+D"(dst), "+c"(n) : "d"(0x1234) : "memory");
	EXPECT("ports/insl-count", n == 0 && dst == buf + 64);
	EXPECT("ports/insl-data", buf[0] == 0xff && buf[63] == 0xff);
	dst = buf + 63;
	n = 64;
	memset(buf, 0, sizeof(buf));
	asm volatile("std\n\trep insb\n\tcld" : "+D"(dst), "+c"(n) : "d"(0x1234) : "memory");
	EXPECT("ports/insb-backward", n == 0 && buf[0] == 0xff && buf[63] == 0xff);
}

static void check_pci(void)
{
	out32(0xcf8, 0x80000000 | 31 << 11);
	guest_expect_equal("ports/pci-empty-slot", in32(0xcfc), 0xffffffff);
	guest_expect_equal("ports/pci-address", in32(0xcf8), 0x80000000 | 31 << 11);
}

void test_main(void)
{
	check_absent();
	check_width();
	check_strings();
	check_pci();
	EXPECT("ports/a20-on", in8(0x92) & 2);
}
