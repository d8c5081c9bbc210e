/* SPDX-License-Identifier: BSD-2-Clause */
/* What tiny guests share: see guest.h. */
#include "tests/guests/lib/guest.h"

#include "hv/lib/fmt.h"
#include "hv/lib/string.h"
#include "hv/x86/desc.h"

#define COM1_LCR      (PLATFORM_COM1_PORT + 3)
#define COM1_LSR      (PLATFORM_COM1_PORT + 5)
#define LCR_8N1       0x03
#define LSR_THRE      0x20
#define ZERO_PAGE_CMD 0x228
#define STUB_SIZE     16
#define CODE_SELECTOR 0x8
#define DATA_SELECTOR 0x10

extern char guest_stubs[];
void guest_main(const uint8_t *zero_page);
void guest_trap(struct trap *t);

struct trap guest_fault;
uint64_t guest_fault_cr2;

static const char *cmdline;
static unsigned failed;
static void (*handlers[256])(struct trap *t);
static struct {
	uint64_t low, high;
} idt[256] __attribute__((aligned(16)));
static uint64_t gdt[] = {0, 0x00af9b000000ffff, 0x00cf93000000ffff};
static void *catch_frame[5]; /* __builtin_setjmp's */
static bool catching;

const char *guest_cmdline(void)
{
	return cmdline;
}

bool guest_cmdline_has(const char *word)
{
	size_t n = strlen(word);

	for (const char *s = cmdline; *s;) {
		const char *end = s;

		while (*end && *end != ' ')
			end++;
		if ((size_t)(end - s) == n && !memcmp(s, word, n))
			return true;
		s = *end ? end + 1 : end;
	}
	return false;
}

void guest_putc(char c)
{
	while (!(in8(COM1_LSR) & LSR_THRE))
		;
	out8(PLATFORM_COM1_PORT, (uint8_t)c);
}

void guest_printf(const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	fmt_vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	for (const char *s = text; *s; s++) {
		if (*s == '\n')
			guest_putc('\r');
		guest_putc(*s);
	}
}

bool guest_expect(const char *name, bool ok, const char *text)
{
	if (ok) {
		guest_printf("PASS %s\n", name);
		return true;
	}
	failed++;
	guest_printf("FAIL %s: %s\n", name, text);
	return false;
}

bool guest_expect_equal(const char *name, uint64_t got, uint64_t want)
{
	char text[80];

	fmt_snprintf(text, sizeof(text), "got 0x%lx, want 0x%lx", got, want);
	return guest_expect(name, got == want, text);
}

void guest_set_handler(uint8_t vector, void (*fn)(struct trap *t))
{
	handlers[vector] = fn;
}

void guest_trap(struct trap *t)
{
	if (handlers[t->vector]) {
		handlers[t->vector](t);
		return;
	}
	guest_fault = *t;
	guest_fault_cr2 = read_cr2();
	if (!catching) {
		failed++;
		guest_printf("FAIL trap: vector %lu error 0x%lx at 0x%lx, cr2 0x%lx\n", t->vector, t->error,
			     t->rip, guest_fault_cr2);
		guest_power_off();
	}
	catching = false;
	__builtin_longjmp(catch_frame, 1);
}

[[gnu::noinline]] int guest_catch(void (*fn)(uint64_t arg), uint64_t arg)
{
	if (__builtin_setjmp(catch_frame))
		return (int)guest_fault.vector;
	catching = true;
	fn(arg);
	catching = false;
	return -1;
}

void guest_delay_us(uint32_t us)
{
	uint32_t start = guest_pm_timer();
	uint32_t ticks = (uint32_t)((uint64_t)us * PM_TIMER_HZ / 1000000);

	while (guest_pm_timer() - start < ticks)
		;
}

void guest_power_off(void)
{
	guest_printf("DONE %u failed\n", failed);
	out16(PLATFORM_PM1_CNT_PORT, PLATFORM_SLP_TYP_S5 << 10 | 1 << 13);
	for (;;)
		asm volatile("cli; hlt");
}

static void idt_fill(void)
{
	for (unsigned i = 0; i < 256; i++) {
		uint64_t a = (uint64_t)guest_stubs + i * STUB_SIZE;

		idt[i].low = (a & 0xffff) | CODE_SELECTOR << 16 | 0x8e00ULL << 32 | (a >> 16 & 0xffff) << 48;
		idt[i].high = a >> 32;
	}
}

void guest_tables_load(void)
{
	struct desc_ptr gdtr = {sizeof(gdt) - 1, (uint64_t)gdt}, idtr = {sizeof(idt) - 1, (uint64_t)idt};

	lgdt(&gdtr);
	asm volatile("push %0\n\tlea 1f(%%rip), %%rax\n\tpush %%rax\n\tlretq\n1:\tmov %1, %%ds\n\tmov %1, "
		     "%%es\n\tmov %1, %%ss" ::"i"(CODE_SELECTOR),
		     "r"(DATA_SELECTOR)
		     : "rax", "memory");
	lidt(&idtr);
}

void guest_run(const char *line)
{
	cmdline = line;
	out8(COM1_LCR, LCR_8N1); /* firmware may have left it at 5 bits */
	idt_fill();
	guest_tables_load();
	test_main();
	guest_power_off();
}

void guest_main(const uint8_t *zero_page)
{
	guest_run((const char *)(uintptr_t) * (const uint32_t *)(zero_page + ZERO_PAGE_CMD));
}
