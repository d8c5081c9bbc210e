/* SPDX-License-Identifier: BSD-2-Clause */
/* Connects drivers/screen with the log: see screen_log.h. */
#include "hv/screen_log.h"
#include "drivers/screen.h"
#include "hv/lib/log.h"
#include "mm/host_map.h"

static struct screen screen; /* guarded by the log's lock once lines are mirrored */

static void show(const char *line, size_t len)
{
	screen_line(&screen, line, len);
}

static void show_kept(void *arg, const char *line, size_t len)
{
	(void)arg;
	show(line, len);
}

void screen_log_start(const struct boot_screen *mode)
{
	void *base;

	if (mode->pa == 0)
		return;
	base = host_map_device(mode->pa, screen_size(mode), PT_WC);
	if (base == NULL || !screen_init(&screen, mode, base)) {
		host_unmap(base, screen_size(mode));
		return;
	}
	log_for_each(show_kept, NULL);
	log_set_mirror(show);
}

void screen_log_pause(void)
{
	static const char goes_on[] = "Ingot goes on at its serial console.";

	log_set_mirror(NULL);
	show(goes_on, sizeof(goes_on) - 1);
}

void screen_log_resume(void)
{
	if (screen.base != NULL)
		log_set_mirror(show);
}
