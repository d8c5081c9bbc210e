/* SPDX-License-Identifier: BSD-2-Clause */
/* panic: says what is wrong and stops this CPU. */
#include "hv/lib/panic.h"
#include "hv/lib/log.h"

void panic(const char *fmt, ...)
{
	va_list ap;

	log_break_lock();
	va_start(ap, fmt);
	log_vprint(LOG_ERROR, fmt, ap);
	va_end(ap);
	for (;;)
		asm volatile("cli; hlt");
}
