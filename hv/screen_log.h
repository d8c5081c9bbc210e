/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The log on the screen: while Ingot starts, and after that only where nobody would see it otherwise. Drawing takes
 * milliseconds on uncached video memory, too long while guests run.
 */
#pragma once

#include "hv/boot_info.h"

/* Maps the screen, shows what the log holds so far and each line from now on. Once; needs the host's page tables. */
void screen_log_start(const struct boot_screen *mode);
/* Shows no more lines, but one that says where they go. */
void screen_log_pause(void);
/* Shows lines again: for panic. Nothing happens without a screen. */
void screen_log_resume(void);
