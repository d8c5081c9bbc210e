/* SPDX-License-Identifier: BSD-2-Clause */
/* The ways into a panic other than panic() itself. */
#pragma once

struct trap_frame;

/* An exception in host code that nothing fixes up. */
[[gnu::noreturn]] void panic_trap(const struct trap_frame *f);

/* Switches machine checks on and clears what firmware left; on each CPU. Logs errors from before the boot. */
void mce_init_cpu(void);
/* Logs the banks that hold an error: before the panic for a machine check that ended a guest. */
void mce_log(void);
/* The handler of #MC in host code: logs the banks and panics. */
[[gnu::noreturn]] void mce_panic(const struct trap_frame *f);
