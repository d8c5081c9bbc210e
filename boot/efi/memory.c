/* SPDX-License-Identifier: BSD-2-Clause */
/* UEFI Specification, "EFI_BOOT_SERVICES.GetMemoryMap()". */
#include "boot/efi/memory.h"
#include "hv/lib/string.h"
#include "hv/lib/util.h"

enum efi_type {
	EFI_RESERVED,
	EFI_LOADER_CODE,
	EFI_LOADER_DATA,
	EFI_BOOT_CODE,
	EFI_BOOT_DATA,
	EFI_RUNTIME_CODE,
	EFI_RUNTIME_DATA,
	EFI_CONVENTIONAL,
	EFI_UNUSABLE,
	EFI_ACPI_RECLAIM,
	EFI_ACPI_NVS,
};

#define ATTRIBUTE_RUNTIME BIT(63)

struct descriptor {
	uint32_t type, padding;
	uint64_t pa, va, pages, attribute;
};
static_assert(sizeof(struct descriptor) == 40);

static enum boot_mem_type mem_type(const struct descriptor *d)
{
	switch ((enum efi_type)d->type) {
	case EFI_LOADER_CODE:
	case EFI_LOADER_DATA:
	case EFI_BOOT_CODE:
	case EFI_BOOT_DATA:
	case EFI_CONVENTIONAL:
		return d->attribute & ATTRIBUTE_RUNTIME ? BOOT_MEM_RUNTIME : BOOT_MEM_RAM;
	case EFI_RUNTIME_CODE:
	case EFI_RUNTIME_DATA:
		return BOOT_MEM_RUNTIME;
	case EFI_UNUSABLE:
		return BOOT_MEM_BAD;
	case EFI_ACPI_RECLAIM:
		return BOOT_MEM_ACPI_RECLAIM;
	case EFI_ACPI_NVS:
		return BOOT_MEM_NVS;
	case EFI_RESERVED:
		break;
	}
	return BOOT_MEM_RESERVED;
}

static bool add(struct boot_info *info, const struct descriptor *d)
{
	enum boot_mem_type type = mem_type(d);
	struct boot_mem *last = info->mem_count > 0 ? &info->mem[info->mem_count - 1] : NULL;
	uint64_t len;

	if (d->pages == 0)
		return true;
	if (d->pages > (UINT64_MAX - d->pa) / PAGE_SIZE) {
		str_copy(info->error, sizeof(info->error), "the UEFI memory map has a range that wraps");
		return false;
	}
	len = d->pages * PAGE_SIZE;
	if (last != NULL && last->type == type && last->base + last->len == d->pa) {
		last->len += len;
		return true;
	}
	if (info->mem_count == BOOT_MEM_MAX) {
		str_copy(info->error, sizeof(info->error), "the UEFI memory map has too many ranges");
		return false;
	}
	info->mem[info->mem_count++] = (struct boot_mem){.base = d->pa, .len = len, .type = type};
	return true;
}

bool efi_memory_convert(struct boot_info *info, const void *map, size_t map_size, size_t descriptor_size)
{
	struct descriptor d;
	bool ok = true;

	if (descriptor_size < sizeof(d)) {
		str_copy(info->error, sizeof(info->error), "the UEFI memory map has too small descriptors");
		return false;
	}
	for (size_t at = 0; at + descriptor_size <= map_size; at += descriptor_size) {
		memcpy(&d, (const char *)map + at, sizeof(d));
		ok = add(info, &d) && ok;
	}
	return ok;
}
