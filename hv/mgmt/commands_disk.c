/* SPDX-License-Identifier: BSD-2-Clause */
/* `disk`: the disks of the configuration, who has them and what was done with them; the machine's own. */
#include "hv/io/block.h"
#include "hv/io/disk.h"
#include "hv/lib/fmt.h"
#include "hv/lib/util.h"
#include "hv/mgmt/commands.h"
#include "hv/mgmt/console.h"
#include "hv/vm.h"

#define BACKING_SIZE 40

static uint64_t requests(const uint64_t *counts)
{
	return counts[BLOCK_WRITE] + counts[BLOCK_DISCARD] + counts[BLOCK_WRITE_ZEROES];
}

static void backing(const struct disk_config *c, const struct disk *d, char text[static BACKING_SIZE])
{
	const char *device = d ? d->block->name : c->device_text;

	if (c->device == DEVICE_NONE)
		fmt_snprintf(text, BACKING_SIZE, "%s", c->file[0] ? c->file : "memory");
	else if (c->device == DEVICE_PCI && !d)
		fmt_snprintf(text, BACKING_SIZE, "pci:%02x:%02x.%x", c->device_bdf >> 8,
			     c->device_bdf >> 3 & 0x1f, c->device_bdf & 7);
	else if (c->partition == PARTITION_NONE)
		fmt_snprintf(text, BACKING_SIZE, "%s", device);
	else
		fmt_snprintf(text, BACKING_SIZE, "%s, a partition", device);
}

/* d: NULL: nobody has it open. */
static void print_disk(const struct disk_config *c, const struct disk *d)
{
	static const struct disk_stats none;
	const struct disk_stats *s = d ? &d->stats : &none;
	char text[BACKING_SIZE], size[16] = "-";

	backing(c, d, text);
	if (d)
		fmt_snprintf(size, sizeof(size), "%luM", d->sectors >> 11);
	console_print("%-16s %-20s %8s  %-2s  %-16s %10lu %10lu %8lu %6lu\n", c->name, text, size,
		      (d ? d->readonly : c->readonly) ? "ro" : "rw", d ? d->user : "-",
		      s->requests[BLOCK_READ], requests(s->requests),
		      (s->bytes[BLOCK_READ] + s->bytes[BLOCK_WRITE]) >> 20, s->errors);
}

static void print_disks(void)
{
	console_print("%-16s %-20s %8s  %-2s  %-16s %10s %10s %8s %6s\n", "DISK", "BACKING", "SIZE", "RW",
		      "GUEST", "READS", "WRITES", "MB", "ERRORS");
	for (uint32_t i = 0; i < host_config_file.disk_count; i++) {
		const struct disk_config *c = &host_config_file.disk[i];
		bool any = false;

		for (struct disk *d = disk_next(NULL); d; d = disk_next(d)) {
			if (d->cfg != c)
				continue;
			print_disk(c, d);
			any = true;
		}
		if (!any)
			print_disk(c, NULL);
	}
}

static void print_device(const struct block_device *b)
{
	const struct block_stats *s = &b->stats;

	console_print("%-10s %-24s %-20s %8luM  %-4s %10lu %10lu %8lu %6lu %6lu %6lu\n", b->name, b->model,
		      b->serial, b->sectors >> 11,
		      b->gone       ? "gone"
		      : b->readonly ? "ro"
				    : "rw",
		      s->requests[BLOCK_READ], requests(s->requests),
		      (s->bytes[BLOCK_READ] + s->bytes[BLOCK_WRITE]) >> 20, s->errors, s->timeouts,
		      s->resets);
}

void command_disk(int argc, char **argv)
{
	const struct block_device *b = block_next(NULL);

	(void)argc;
	(void)argv;
	print_disks();
	if (b)
		console_print("\n%-10s %-24s %-20s %9s  %-4s %10s %10s %8s %6s %6s %6s\n", "DEVICE", "MODEL",
			      "SERIAL", "SIZE", "RW", "READS", "WRITES", "MB", "ERRORS", "LATE", "RESETS");
	for (; b; b = block_next(b))
		print_device(b);
}
