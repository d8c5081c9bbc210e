/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of ingot.cfg's keys, and the words of other systems for them. */
#include "hv/config_keys.h"
#include "hv/config.h"
#include "hv/lib/log.h"
#include "hv/lib/string.h"
#include "hv/lib/util.h"
#include "hv/lib/words.h"

static const struct config_word yes_no[] = {{"yes", true}, {"no", false}, {NULL, 0}};
static const struct config_word console_none[] = {{"console", true}, {"none", false}, {NULL, 0}};
static const struct config_word log_words[] = {
    {"error", LOG_ERROR}, {"warn", LOG_WARN}, {"info", LOG_INFO}, {"debug", LOG_DEBUG}, {NULL, 0}};
static const struct config_word smt_words[] = {
    {"on", SMT_ON}, {"off", WORD_LATER}, {"core", WORD_LATER}, {NULL, 0}};
static const struct config_word mitigation_words[] = {
    {"auto", MITIGATIONS_AUTO}, {"off", MITIGATIONS_OFF}, {NULL, 0}};
static const struct config_word all_ended_words[] = {
    {"wait", ALL_ENDED_WAIT}, {"poweroff", ALL_ENDED_POWEROFF}, {"reboot", ALL_ENDED_REBOOT}, {NULL, 0}};
static const struct config_word end_words[] = {
    {"destroy", END_DESTROY}, {"restart", END_RESTART}, {"preserve", END_PRESERVE}, {NULL, 0}};
static const struct config_word boot_words[] = {
    {"auto", BOOT_AUTO},
    {"linux", BOOT_LINUX},
    {"multiboot", BOOT_MULTIBOOT},
    {"multiboot2", BOOT_MULTIBOOT2},
    {"pvh", BOOT_PVH},
    {"flat", BOOT_FLAT},
    {"bios", WORD_LATER},
    {"uefi", WORD_LATER},
    {NULL, 0},
};

/* The enums are stored through int, the type that GCC gives enums with a WORD_LATER-free, small range. */
static_assert(sizeof(enum config_boot) == sizeof(int) && sizeof(enum config_end_action) == sizeof(int) &&
	      sizeof(enum config_smt) == sizeof(int) && sizeof(enum config_mitigations) == sizeof(int) &&
	      sizeof(enum config_all_ended) == sizeof(int));

#define HOST(t, n, d, field, ...)                                                                            \
	{                                                                                                    \
		.section = SECTION_HOST, .type = KEY_##t, .name = n, .def = d,                               \
		.offset = offsetof(struct host_config, field), __VA_ARGS__                                   \
	}
#define VM(t, n, d, field, ...)                                                                              \
	{                                                                                                    \
		.section = SECTION_VM, .type = KEY_##t, .name = n, .def = d,                                 \
		.offset = offsetof(struct vm_config, field), __VA_ARGS__                                     \
	}
#define LATER(n, h)                                                                                          \
	{                                                                                                    \
		.section = SECTION_VM, .type = KEY_LATER, .name = n, .help = h                               \
	}

/* clang-format off */
const struct config_key config_keys[CONFIG_KEY_COUNT] = {
	HOST(CONSOLE, "console", "com1", console, .help = "the serial line: com1, com2, port:0x3f8, pci:00:16.3"),
	HOST(BAUD, "baud", "115200", baud, .help = "its speed: 115200 or a divisor of it"),
	HOST(ESCAPE, "escape", "^]", escape, .help = "the control character that leaves a guest's console"),
	HOST(WORD, "log", "info", log, .words = log_words, .help = "the least important messages that are shown"),
	HOST(CPUS, "cpuset", "all", cpuset, .help = "the physical CPUs that do Ingot's own work"),
	HOST(WORD, "smt", "on", smt, .words = smt_words,
	     .help = "hyperthreads are CPUs like all others"),
	HOST(WORD, "mitigations", "auto", mitigations, .words = mitigation_words,
	     .help = "what is done against leaks by speculation: what the processor needs, or nothing"),
	HOST(WORD, "on_all_ended", "wait", on_all_ended, .words = all_ended_words,
	     .help = "what to do when all guests have ended; only after one has run"),

	VM(SIZE, "memory", NULL, memory, .min = MIB(2), .max = GIB(4096), .help = "RAM, as in 512M"),
	VM(UINT, "vcpus", "1", vcpus, .min = 1, .max = 64, .help = "virtual CPUs, 1 to 64"),
	VM(CPUS, "cpuset", "all", cpuset, .help = "the physical CPUs that it runs on, as in 0-3,^2; sharing is allowed"),
	VM(UINT, "cpu_weight", "256", cpu_weight, .min = 1, .max = 65535,
	   .help = "each of its vCPUs gets so large a share of a CPU that others want too, 1 to 65535"),
	VM(UINT, "cap", "0", cap, .max = 6400,
	   .help = "the most CPU time it gets, in percent of one CPU; 0: all there is"),
	VM(WORD, "boot", "auto", boot, .words = boot_words, .help = "how the kernel is started; auto goes by the file"),
	VM(FILE, "kernel", NULL, kernel, .help = "the file to start"),
	VM(FILE, "initrd", "none", initrd, .help = "Linux's initial RAM disk; the first module of other kernels"),
	VM(MODULE, "module", "none", module, .help = "a file and its arguments, for Multiboot and PVH kernels; repeats"),
	VM(TEXT, "cmdline", "console=ttyS0", cmdline, .help = "the kernel's command line; repeats, joined by blanks"),
	VM(FLAG, "autostart", "yes", autostart, .words = yes_no, .help = "start it when Ingot starts"),
	VM(FLAG, "com1", "console", com1_console, .words = console_none, .help = "what the guest's first serial port is connected to"),
	VM(WORD, "on_poweroff", "destroy", on_poweroff, .words = end_words, .help = "what follows when it powers off"),
	VM(WORD, "on_reboot", "restart", on_reboot, .words = end_words, .help = "what follows when it reboots"),
	VM(WORD, "on_crash", "destroy", on_crash, .words = end_words, .help = "what follows a crash, triple faults too"),
	VM(UINT, "max_restarts", "5", max_restarts, .max = 8, .help = "restarts a minute, at most 8; then it is preserved"),
	VM(PORT, "debug_exit", "none", debug_exit,
	   .help = "a port; writing v to it ends the guest with status (v << 1) | 1"),
	VM(CPUID, "cpuid", "host", cpuid,
	   .help = "CPU features to take away (-avx512f) or to insist on (+x2apic), divided by commas"),
	VM(HZ, "tsc_frequency", "host", tsc_frequency, .min = 1000000, .max = 1000000000000,
	   .help = "ticks a second of its time stamp counter, as in 2400M"),
	LATER("disk", "a virtual disk"),
	LATER("net", "a virtual network card"),
	LATER("pci", "a host PCI device for the guest alone"),
	LATER("watchdog", "a watchdog timer"),
};

const struct config_synonym config_synonyms[] = {
	{SECTION_HOST, "serial", "console"},     {SECTION_HOST, "com", "console"},
	{SECTION_HOST, "speed", "baud"},         {SECTION_HOST, "loglevel", "log"},
	{SECTION_HOST, "loglvl", "log"},         {SECTION_HOST, "verbosity", "log"},
	{SECTION_HOST, "cpus", "cpuset"},        {SECTION_HOST, "hyperthreading", "smt"},
	{SECTION_HOST, "ht", "smt"},             {SECTION_HOST, "on_end", "on_all_ended"},
	{SECTION_VM, "ramdisk", "initrd"},       {SECTION_VM, "initramfs", "initrd"},
	{SECTION_VM, "rd", "initrd"},            {SECTION_VM, "mem", "memory"},
	{SECTION_VM, "ram", "memory"},           {SECTION_VM, "maxmem", "memory"},
	{SECTION_VM, "memory_mb", "memory"},     {SECTION_VM, "currentmemory", "memory"},
	{SECTION_VM, "vcpu", "vcpus"},           {SECTION_VM, "maxvcpus", "vcpus"},
	{SECTION_VM, "ncpus", "vcpus"},          {SECTION_VM, "smp", "vcpus"},
	{SECTION_VM, "cores", "vcpus"},          {SECTION_VM, "cpus", "cpuset"},
	{SECTION_VM, "cpu", "cpuset"},           {SECTION_VM, "pin", "cpuset"},
	{SECTION_VM, "vcpupin", "cpuset"},       {SECTION_VM, "affinity", "cpuset"},
	{SECTION_VM, "extra", "cmdline"},        {SECTION_VM, "append", "cmdline"},
	{SECTION_VM, "args", "cmdline"},         {SECTION_VM, "bootargs", "cmdline"},
	{SECTION_VM, "kernel_args", "cmdline"},  {SECTION_VM, "command_line", "cmdline"},
	{SECTION_VM, "image", "kernel"},         {SECTION_VM, "bzimage", "kernel"},
	{SECTION_VM, "vmlinuz", "kernel"},       {SECTION_VM, "modules", "module"},
	{SECTION_VM, "type", "boot"},            {SECTION_VM, "builder", "boot"},
	{SECTION_VM, "loader", "boot"},          {SECTION_VM, "bootloader", "boot"},
	{SECTION_VM, "firmware", "boot"},        {SECTION_VM, "serial", "com1"},
	{SECTION_VM, "console", "com1"},         {SECTION_VM, "ttys0", "com1"},
	{SECTION_VM, "autoboot", "autostart"},   {SECTION_VM, "onboot", "autostart"},
	{SECTION_VM, "on_shutdown", "on_poweroff"}, {SECTION_VM, "on_triple_fault", "on_crash"},
	{SECTION_VM, "restarts", "max_restarts"}, {SECTION_VM, "isa-debug-exit", "debug_exit"},
	{SECTION_VM, "drive", "disk"},           {SECTION_VM, "hda", "disk"},
	{SECTION_VM, "vdb", "disk"},             {SECTION_VM, "vif", "net"},
	{SECTION_VM, "nic", "net"},              {SECTION_VM, "interface", "net"},
	{SECTION_VM, "netdev", "net"},           {SECTION_VM, "hostdev", "pci"},
	{SECTION_VM, "passthru", "pci"},         {SECTION_VM, "weight", "cpu_weight"},
	{SECTION_VM, "shares", "cpu_weight"},    {SECTION_VM, "tsc", "tsc_frequency"},
	{SECTION_VM, "tsc_khz", "tsc_frequency"}, {SECTION_VM, "tsc_mode", "tsc_frequency"},
};
/* clang-format on */
const size_t config_synonym_count = ARRAY_SIZE(config_synonyms);

const struct config_key *config_key_find(enum config_section section, const char *name)
{
	for (size_t i = 0; i < CONFIG_KEY_COUNT; i++) {
		if (config_keys[i].section == section && strcmp(config_keys[i].name, name) == 0)
			return &config_keys[i];
	}
	return NULL;
}

const struct config_key *config_key_nearest(enum config_section section, const char *name)
{
	const struct config_key *best = NULL;
	unsigned best_distance = WORD_FAR;

	for (size_t i = 0; i < config_synonym_count; i++) {
		if (config_synonyms[i].section == section &&
		    word_distance(config_synonyms[i].theirs, name) == 0)
			return config_key_find(section, config_synonyms[i].ours);
	}
	for (size_t i = 0; i < CONFIG_KEY_COUNT; i++) {
		unsigned d = word_distance(config_keys[i].name, name);

		if (config_keys[i].section == section && d < best_distance) {
			best = &config_keys[i];
			best_distance = d;
		}
	}
	return word_is_near(name, best_distance) ? best : NULL;
}
