/* SPDX-License-Identifier: BSD-2-Clause */
/* The smallest guest: says hello, shows its command line, powers off. */
#include "tests/guests/lib/guest.h"

void test_main(void)
{
	guest_printf("hello from a guest\n");
	guest_printf("command line: %s\n", guest_cmdline());
}
