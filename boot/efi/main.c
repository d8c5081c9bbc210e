/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ingot.efi: reads the configuration and every file that it names from the volume it was started from,
 * leaves boot services, and enters the embedded ingot.elf with a boot_info. What the configuration means is
 * the hypervisor's matter; a file that is missing is named here, and its guest refused there.
 */
#include <stdbool.h>
#include "boot/efi/efi_lib.h"
#include "boot/efi/files.h"
#include "boot/efi/image.h"
#include "boot/efi/memory.h"
#include "boot/efi/options.h"
#include "hv/lib/ini.h"
#include "hv/lib/string.h"

#define RSDP_V1_SIZE 20
#define MAP_SLACK    16 /* descriptors that allocations and ExitBootServices may add */
#define EXIT_TRIES   8

static void say_missing(const char *name, EFI_STATUS s)
{
	SAY(L"cannot load '%a': %r", name, s);
}

static bool have_module(const struct boot_info *info, const char *name)
{
	for (uint32_t i = 0; i < info->module_count; i++) {
		if (strcmp(info->module[i].name, name) == 0)
			return true;
	}
	return false;
}

/* Loads what the configuration, already module 0, names. */
static void load_named_files(const struct folder *f, struct boot_info *info)
{
	static struct ini it;
	const struct boot_module *config = &info->module[0];
	const char *name;

	ini_init(&it, (const char *)config->pa, config->size);
	while (ini_next_file(&it, &name)) {
		if (have_module(info, name))
			continue;
		if (info->module_count == BOOT_MODULE_MAX) {
			SAY(L"more than %d files: '%a' and all behind it are left out", BOOT_MODULE_MAX,
			    name);
			return;
		}
		EFI_STATUS s = files_load(f, name, info);

		if (EFI_ERROR(s))
			say_missing(name, s);
	}
}

static void load_files(EFI_LOADED_IMAGE *app, struct boot_info *info)
{
	struct folder f;
	char config[BOOT_NAME_MAX];
	EFI_STATUS s;

	if (!efi_options_config(info->cmdline, config, sizeof(config))) {
		SAY(L"config= names a file of more than %d bytes", BOOT_NAME_MAX - 1);
		return;
	}
	s = files_find(app, config, &f);
	if (!EFI_ERROR(s))
		s = files_load(&f, config, info);
	if (EFI_ERROR(s))
		say_missing(config, s);
	else
		load_named_files(&f, info);
}

static void find_rsdp(struct boot_info *info)
{
	EFI_GUID v2 = ACPI_20_TABLE_GUID, v1 = ACPI_TABLE_GUID;
	void *rsdp = NULL;

	if (!EFI_ERROR(LibGetSystemConfigurationTable(&v2, &rsdp)))
		memcpy(info->rsdp, rsdp, sizeof(info->rsdp));
	else if (!EFI_ERROR(LibGetSystemConfigurationTable(&v1, &rsdp)))
		memcpy(info->rsdp, rsdp, RSDP_V1_SIZE);
	info->rsdp_pa = (uint64_t)rsdp;
}

/* Position and size of the one run of bits in a mask. */
static void mask_field(uint32_t mask, uint8_t *pos, uint8_t *size)
{
	*pos = mask != 0 ? (uint8_t)__builtin_ctz(mask) : 0;
	for (*size = 0; mask != 0; mask &= mask - 1)
		(*size)++;
}

static void find_screen(struct boot_info *info)
{
	EFI_GUID guid = EFI_GRAPHICS_OUTPUT_PROTOCOL_GUID;
	EFI_GRAPHICS_OUTPUT_PROTOCOL *gop;
	EFI_PIXEL_BITMASK mask = {0xff, 0xff00, 0xff0000, 0};
	struct boot_screen *s = &info->screen;

	if (EFI_ERROR(LibLocateProtocol(&guid, (void **)&gop)) || gop->Mode == NULL ||
	    gop->Mode->Info == NULL)
		return;
	switch (gop->Mode->Info->PixelFormat) {
	case PixelRedGreenBlueReserved8BitPerColor:
		break;
	case PixelBlueGreenRedReserved8BitPerColor:
		mask.RedMask = 0xff0000;
		mask.BlueMask = 0xff;
		break;
	case PixelBitMask:
		mask = gop->Mode->Info->PixelInformation;
		break;
	default:
		return; /* no framebuffer */
	}
	s->pa = gop->Mode->FrameBufferBase;
	s->width = gop->Mode->Info->HorizontalResolution;
	s->height = gop->Mode->Info->VerticalResolution;
	s->bpp = 32;
	s->pitch = gop->Mode->Info->PixelsPerScanLine * 4;
	mask_field(mask.RedMask, &s->red_pos, &s->red_size);
	mask_field(mask.GreenMask, &s->green_pos, &s->green_size);
	mask_field(mask.BlueMask, &s->blue_pos, &s->blue_size);
}

/* "firmware vendor", with what isn't ASCII left out. */
static void describe_firmware(struct boot_info *info)
{
	size_t n = 0;

	for (const CHAR16 *c = ST->FirmwareVendor; c != NULL && *c != 0 && n + 1 < sizeof(info->loader);
	     c++) {
		if (*c >= ' ' && *c < 0x7f)
			info->loader[n++] = (char)*c;
	}
	info->loader[n] = '\0';
}

/*
 * Leaves boot services. The firmware may change the map while ExitBootServices runs its handlers: then the key is
 * stale, and the map is fetched again, with nothing but memory functions called in between (UEFI Specification,
 * "EFI_BOOT_SERVICES.ExitBootServices()").
 */
static EFI_STATUS leave_firmware(EFI_HANDLE app, struct boot_info *info)
{
	UINTN room = 0, size, key, descriptor_size;
	UINT32 version;
	void *map;
	EFI_STATUS s = BS->GetMemoryMap(&room, NULL, &key, &descriptor_size, &version);

	if (s != EFI_BUFFER_TOO_SMALL)
		return s;
	room += MAP_SLACK * descriptor_size;
	s = BS->AllocatePool(EfiLoaderData, room, &map);
	if (EFI_ERROR(s))
		return s;
	s = EFI_INVALID_PARAMETER;
	for (int i = 0; i < EXIT_TRIES && s == EFI_INVALID_PARAMETER; i++) {
		size = room;
		s = BS->GetMemoryMap(&size, map, &key, &descriptor_size, &version);
		if (!EFI_ERROR(s))
			s = BS->ExitBootServices(app, key);
	}
	if (!EFI_ERROR(s))
		efi_memory_convert(info, map, size, descriptor_size);
	return s;
}

EFI_STATUS efi_main(EFI_HANDLE handle, EFI_SYSTEM_TABLE *table)
{
	EFI_PHYSICAL_ADDRESS info_pa = BELOW_4G;
	struct boot_info *info;
	EFI_LOADED_IMAGE *app;
	image_entry_fn enter;
	EFI_STATUS s;

	InitializeLib(handle, table);
	BS->SetWatchdogTimer(0, 0, 0, NULL);
	s = BS->HandleProtocol(handle, &LoadedImageProtocol, (void **)&app);
	if (!EFI_ERROR(s))
		s = BS->AllocatePages(AllocateMaxAddress, EfiLoaderData, PAGES(sizeof(*info)), &info_pa);
	if (EFI_ERROR(s)) {
		SAY(L"the firmware refuses the most basic services: %r", s);
		return s;
	}
	info = (struct boot_info *)info_pa;
	SetMem(info, sizeof(*info), 0);
	efi_options_line(app->LoadOptions, app->LoadOptions != NULL ? app->LoadOptionsSize : 0, info->cmdline,
			 sizeof(info->cmdline));
	describe_firmware(info);
	load_files(app, info);
	find_rsdp(info);
	find_screen(info);
	s = image_load(&info->image_pa, &enter);
	if (EFI_ERROR(s)) {
		SAY(L"no memory below 4 GiB for the hypervisor: %r", s);
		return s;
	}
	s = leave_firmware(handle, info);
	if (EFI_ERROR(s)) {
		SAY(L"the firmware does not let go of the machine: %r", s);
		return s;
	}
	enter(info);
}
