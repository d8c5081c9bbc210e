/* SPDX-License-Identifier: BSD-2-Clause */
/* hv_main: until the rest is there, it proves that the image was entered. */
#include "drivers/uart16550.h"
#include "hv/boot_info.h"
#include "hv/lib/log.h"

static struct uart16550 com1;

static void early_sink(const char *line, size_t len)
{
	for (size_t i = 0; i < len; i++)
		uart16550_putc(&com1, line[i]);
	uart16550_putc(&com1, '\r');
	uart16550_putc(&com1, '\n');
}

void hv_main(const struct boot_info *info)
{
	if (uart16550_init(&com1, UART16550_COM1, 115200) == OK)
		log_set_sink(early_sink);
	log_info("entered by %s (%s), image at 0x%lx", info->path, info->loader, info->image_pa);
	for (;;)
		asm volatile("cli; hlt");
}
