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

/* Parts of CONFIG_ADDRESS and CONFIG_DATA, and writes that nothing takes. */
static void check_pci_parts(void)
{
	uint32_t id;

	out32(0xcf8, 0x80000000);
	id = in32(0xcfc);
	EXPECT("ports/pci-host-bridge", id != 0xffffffff);
	EXPECT("ports/pci-word", in16(0xcfc) == (uint16_t)id && in16(0xcfe) == id >> 16);
	EXPECT("ports/pci-byte", in8(0xcfd) == (uint8_t)(id >> 8) && in8(0xcff) == id >> 24);
	out8(0xcf8, 0x55);
	out16(0xcfa, 0x1234);
	guest_expect_equal("ports/pci-address-takes-32-bits-only", in32(0xcf8), 0x80000000);
	out32(0xcfc, 0);
	guest_expect_equal("ports/pci-id-keeps", in32(0xcfc), id);
	out32(0xcf8, 0xffffffff);
	guest_expect_equal("ports/pci-address-reserved", in32(0xcf8), 0x80fffffc);
	for (uint32_t bar = 0x10; bar <= 0x30; bar += 4) {
		out32(0xcf8, 0x80000000 | bar);
		out32(0xcfc, 0xffffffff);
		if (in32(0xcfc))
			guest_printf("FAIL ports/pci-bar: 0x%x is there\n", bar);
	}
	out32(0xcf8, 0);
	guest_expect_equal("ports/pci-not-enabled", in32(0xcfc), 0xffffffff);
}

/* The port that makes an SMI on a PC: nobody's. */
static void check_smi(void)
{
	for (unsigned v = 0; v < 256; v++)
		out8(0xb2, (uint8_t)v);
	EXPECT("ports/smi-nobody", in8(0xb2) == 0xff && in8(0xb3) == 0xff);
}

/* What is written to port E9h comes out beside COM1's text. */
static void check_debug_console(void)
{
	static const char text[] = "by the debug console\r\n";
	const void *src = text;
	uint64_t n = sizeof(text) - 1;

	guest_expect_equal("ports/debug-console", in8(PLATFORM_DEBUG_PORT), 0xe9);
	asm volatile("rep outsb" : "+S"(src), "+c"(n) : "d"(PLATFORM_DEBUG_PORT) : "memory");
}

void test_main(void)
{
	check_absent();
	check_width();
	check_strings();
	check_pci();
	check_pci_parts();
	check_smi();
	EXPECT("ports/a20-on", in8(0x92) & 2);
	guest_expect_equal("ports/pvpanic", in8(PLATFORM_PVPANIC_PORT), 3);
	check_debug_console();
}
