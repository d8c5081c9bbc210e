/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzzes the reader of a Multiboot2 loader's information with any bytes. Beside not reading beyond them:
 * what it keeps is within the bounds that boot_info promises.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "boot/multiboot2.h"
#include "tests/fuzz/require.h"

#define IMAGE_PA          0x200000u
#define IMAGE_SIZE        0x100000u

#define TERMINATED(array) (memchr(array, 0, sizeof(array)) != NULL)

static struct boot_info info;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *bytes;

	if (size < 8)
		return 0;
	/* A copy in a block of its own size: ASan sees each byte too far. Most inputs should claim the right size. */
	bytes = malloc(size);
	memcpy(bytes, data, size);
	if (bytes[7] != 0xff)
		memcpy(bytes, &(uint32_t){(uint32_t)size}, sizeof(uint32_t));
	memset(&info, 0xee, sizeof(info));
	info.path = NULL;
	multiboot2_parse(&info, bytes, size, IMAGE_PA, IMAGE_SIZE);
	free(bytes);

	REQUIRE(TERMINATED(info.loader) && TERMINATED(info.cmdline) && TERMINATED(info.error));
	REQUIRE(info.mem_count <= BOOT_MEM_MAX && info.module_count <= BOOT_MODULE_MAX);
	REQUIRE(info.mem_count > 0 || info.error[0] != '\0');
	for (uint32_t i = 0; i < info.mem_count; i++)
		REQUIRE(info.mem[i].len > 0 && info.mem[i].base + info.mem[i].len >= info.mem[i].base);
	for (uint32_t i = 0; i < info.module_count; i++) {
		const struct boot_module *m = &info.module[i];

		REQUIRE(TERMINATED(m->name) && m->name[0] != '\0');
		REQUIRE(m->pa + m->size <= IMAGE_PA || m->pa >= IMAGE_PA + IMAGE_SIZE);
	}
	return 0;
}
