/* SPDX-License-Identifier: BSD-2-Clause */
/* Volumes and files: UEFI Specification, "Media Access Protocols". */
#include "boot/efi/files.h"
#include <stdbool.h>
#include "hv/lib/string.h"

#define PATH_MAX   512
#define READ_CHUNK 0x400000u /* some firmware fails on reads of many megabytes */

static const CHAR16 *const other_folders[] = {L"\\EFI\\INGOT", L""};

/* folder + '\' + name with '/' turned into '\'. False: too long. */
static bool join(CHAR16 *path, const CHAR16 *folder, const char *name)
{
	UINTN n = StrLen(folder);

	if (n + 1 + strlen(name) >= PATH_MAX)
		return false;
	CopyMem(path, folder, n * sizeof(CHAR16));
	path[n++] = L'\\';
	for (; *name != '\0'; name++)
		path[n++] = *name == '/' ? L'\\' : (CHAR16)(unsigned char)*name;
	path[n] = 0;
	return true;
}

static EFI_STATUS open(EFI_FILE *root, const CHAR16 *folder, const char *name, EFI_FILE **file)
{
	CHAR16 path[PATH_MAX];

	if (!join(path, folder, name))
		return EFI_NOT_FOUND;
	return root->Open(root, file, path, EFI_FILE_MODE_READ, 0);
}

static bool has(EFI_FILE *root, const CHAR16 *folder, const char *name)
{
	EFI_FILE *file;

	if (EFI_ERROR(open(root, folder, name, &file)))
		return false;
	file->Close(file);
	return true;
}

static void set_path(struct folder *f, const CHAR16 *path)
{
	UINTN n = StrLen(path);

	if (n >= sizeof(f->path) / sizeof(*f->path))
		n = 0;
	CopyMem(f->path, path, n * sizeof(CHAR16));
	f->path[n] = 0;
}

/* The folder in the application's device path: its file path nodes up to the last backslash. */
static void app_folder(EFI_LOADED_IMAGE *app, struct folder *f)
{
	CHAR16 *text = app->FilePath != NULL ? DevicePathToStr(app->FilePath) : NULL;
	UINTN n;

	f->path[0] = 0;
	if (text == NULL)
		return;
	for (n = StrLen(text); n > 0 && text[n - 1] != L'\\'; n--)
		;
	/* Anything that isn't one absolute path is no help. */
	if (n > 1 && text[0] == L'\\') {
		text[n - 1] = 0;
		set_path(f, text);
	}
	FreePool(text);
}

static bool find_on(EFI_FILE *root, const char *name, struct folder *f)
{
	f->root = root;
	if (has(root, f->path, name))
		return true;
	for (UINTN i = 0; i < sizeof(other_folders) / sizeof(*other_folders); i++) {
		if (has(root, other_folders[i], name)) {
			set_path(f, other_folders[i]);
			return true;
		}
	}
	return false;
}

/* Bytes of a device path without its end node. */
static UINTN path_len(EFI_DEVICE_PATH *p)
{
	return p != NULL ? DevicePathSize(p) - sizeof(EFI_DEVICE_PATH) : 0;
}

/* True if `handle` is a volume on the device whose path is `disk`. */
static bool is_on(EFI_HANDLE handle, EFI_DEVICE_PATH *disk)
{
	EFI_DEVICE_PATH *path = DevicePathFromHandle(handle);
	UINTN n = path_len(disk);

	return path_len(path) >= n && memcmp(path, disk, n) == 0;
}

/*
 * GRUB, chain-loading from a CD, names the whole disk as the device: then it is the first volume on that disk
 * that has the configuration.
 */
static EFI_STATUS find_on_disk(EFI_LOADED_IMAGE *app, const char *name, struct folder *f)
{
	EFI_DEVICE_PATH *disk = DevicePathFromHandle(app->DeviceHandle);
	EFI_HANDLE *volumes;
	UINTN count;
	EFI_STATUS s = LibLocateHandle(ByProtocol, &FileSystemProtocol, NULL, &count, &volumes);

	if (EFI_ERROR(s) || disk == NULL)
		return EFI_NOT_FOUND;
	s = EFI_NOT_FOUND;
	for (UINTN i = 0; i < count && EFI_ERROR(s); i++) {
		EFI_FILE *root = is_on(volumes[i], disk) ? LibOpenRoot(volumes[i]) : NULL;

		if (root != NULL && find_on(root, name, f))
			s = EFI_SUCCESS;
	}
	FreePool(volumes);
	return s;
}

EFI_STATUS files_find(EFI_LOADED_IMAGE *app, const char *name, struct folder *f)
{
	EFI_FILE *root = app->DeviceHandle != NULL ? LibOpenRoot(app->DeviceHandle) : NULL;

	app_folder(app, f);
	if (root == NULL)
		return find_on_disk(app, name, f);
	return find_on(root, name, f) ? EFI_SUCCESS : EFI_NOT_FOUND;
}

static EFI_STATUS read_all(EFI_FILE *file, char *to, UINT64 size)
{
	UINT64 at = 0;

	while (at < size) {
		UINTN n = size - at < READ_CHUNK ? size - at : READ_CHUNK;
		EFI_STATUS s = file->Read(file, &n, to + at);

		if (EFI_ERROR(s))
			return s;
		if (n == 0)
			return EFI_END_OF_FILE;
		at += n;
	}
	return EFI_SUCCESS;
}

static EFI_STATUS load(EFI_FILE *file, struct boot_module *m)
{
	EFI_FILE_INFO *fi = LibFileInfo(file);
	EFI_STATUS s;

	if (fi == NULL)
		return EFI_DEVICE_ERROR;
	m->size = fi->FileSize;
	if (fi->Attribute & EFI_FILE_DIRECTORY)
		m->size = 0;
	s = fi->Attribute & EFI_FILE_DIRECTORY ? EFI_NOT_FOUND : EFI_SUCCESS;
	FreePool(fi);
	if (EFI_ERROR(s))
		return s;
	/* At least a page: an empty file has an address too. */
	s = BS->AllocatePages(AllocateAnyPages, EfiLoaderData, PAGES(m->size + 1), &m->pa);
	if (EFI_ERROR(s))
		return s;
	s = read_all(file, (char *)m->pa, m->size);
	if (EFI_ERROR(s))
		BS->FreePages(m->pa, PAGES(m->size + 1));
	return s;
}

EFI_STATUS files_load(const struct folder *f, const char *name, struct boot_info *info)
{
	struct boot_module *m = &info->module[info->module_count];
	EFI_FILE *file;
	EFI_STATUS s;

	if (info->module_count == BOOT_MODULE_MAX || !str_copy(m->name, sizeof(m->name), name))
		return EFI_OUT_OF_RESOURCES;
	s = open(f->root, f->path, name, &file);
	if (EFI_ERROR(s))
		return s;
	s = load(file, m);
	file->Close(file);
	if (!EFI_ERROR(s))
		info->module_count++;
	return s;
}
