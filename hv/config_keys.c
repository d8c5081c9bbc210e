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
static const struct config_word changes_words[] = {{"keep", CHANGES_KEEP}, {"drop", CHANGES_DROP}, {NULL, 0}};
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
	      sizeof(enum config_all_ended) == sizeof(int) && sizeof(enum config_changes) == sizeof(int));

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
#define DISK(t, n, d, field, ...)                                                                            \
	{                                                                                                    \
		.section = SECTION_DISK, .type = KEY_##t, .name = n, .def = d,                               \
		.offset = offsetof(struct disk_config, field), __VA_ARGS__                                   \
	}
#define NET(t, n, d, field, ...)                                                                             \
	{                                                                                                    \
		.section = SECTION_NET, .type = KEY_##t, .name = n, .def = d,                                \
		.offset = offsetof(struct net_config, field), __VA_ARGS__                                    \
	}
#define SHARED(t, n, d, field, ...)                                                                          \
	{                                                                                                    \
		.section = SECTION_SHARED, .type = KEY_##t, .name = n, .def = d,                             \
		.offset = offsetof(struct shared_config, field), __VA_ARGS__                                 \
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
	VM(FILE, "kernel", NULL, kernel, .line_offset = offsetof(struct vm_config, kernel_line), .help = "the file to start"),
	VM(FILE, "initrd", "none", initrd, .line_offset = offsetof(struct vm_config, initrd_line),
	   .help = "Linux's initial RAM disk; the first module of other kernels"),
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
	VM(DISK, "disk", "none", disk,
	   .help = "a disk, by the name of its section, the first is vda; behind it may stand readonly; repeats"),
	VM(NET, "net", "none", net,
	   .help = "a card in a network, by the name of its section; behind it may stand mac=52:54:00:12:34:56, vlan=N or trunk; repeats"),
	VM(SHARED, "shared", "none", shared, .help = "memory shared with other guests, by the name of its section; repeats"),
	VM(FLAG, "hvc0", "none", hvc0_console, .words = console_none, .help = "what the guest's virtio console is connected to"),
	VM(FLAG, "balloon", "no", balloon, .words = yes_no, .help = "a virtio balloon, by which it gives memory back"),
	VM(FLAG, "rng", "yes", rng, .words = yes_no, .help = "a virtio entropy device, where the machine has a source"),
	LATER("pci", "a host PCI device for the guest alone"),
	LATER("watchdog", "a watchdog timer"),

	DISK(FILE, "file", "none", file, .line_offset = offsetof(struct disk_config, file_line),
	     .help = "a file that is in memory from the start, as kernels are"),
	DISK(WORD, "changes", "keep", changes, .words = changes_words,
	     .help = "of a disk in memory: kept until Ingot ends, or dropped: each start of a guest sees the disk as it was at first"),
	DISK(SIZE, "size", "none", size, .min = KIB(4), .max = GIB(4096),
	     .help = "with a file, the least size: zeros stand behind it; alone, a blank disk in memory"),
	DISK(DEVICE, "device", "none", device, .help = "a physical disk: nvme0 as `disk` lists it, or where just one disk has it, pci:00:04.0 or serial:TEXT"),
	DISK(PARTITION, "partition", "none", partition,
	     .help = "of the device, by GPT: number:2, name:root, guid:01234567-89ab-cdef-0123-456789abcdef"),
	DISK(FLAG, "readonly", "no", readonly, .words = yes_no, .help = "nobody may write it"),

	NET(UPLINK, "uplink", "none", uplink, .help = "a network card of the machine: 00:03.0, or the first found"),
	NET(UINT, "mtu", "1500", mtu, .min = 68, .max = 9000, .help = "the longest packet, which guests are told, 68 to 9000"),
	NET(UINT, "storm", "1000", storm, .max = 1000000,
	    .help = "broadcasts, multicasts and unknown unicasts a second that one port may send; 0: all"),

	SHARED(POWER, "size", NULL, size, .min = KIB(4), .max = GIB(1), .help = "a power of two from 4K to 1G"),
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
	{SECTION_VM, "vda", "disk"},             {SECTION_VM, "virtio-blk", "disk"},
	{SECTION_VM, "bridge", "net"},           {SECTION_VM, "network", "net"},
	{SECTION_VM, "virtio-net", "net"},       {SECTION_VM, "ivshmem", "shared"},
	{SECTION_VM, "shmem", "shared"},         {SECTION_VM, "memballoon", "balloon"},
	{SECTION_VM, "virtio-balloon", "balloon"}, {SECTION_VM, "virtio-rng", "rng"},
	{SECTION_VM, "entropy", "rng"},          {SECTION_VM, "virtio-console", "hvc0"},
	{SECTION_DISK, "path", "file"},          {SECTION_DISK, "source", "file"},
	{SECTION_DISK, "image", "file"},         {SECTION_DISK, "img", "file"},
	{SECTION_DISK, "dev", "device"},         {SECTION_DISK, "phy", "device"},
	{SECTION_DISK, "serial", "device"},      {SECTION_DISK, "part", "partition"},
	{SECTION_DISK, "capacity", "size"},      {SECTION_DISK, "ro", "readonly"},
	{SECTION_DISK, "read-only", "readonly"}, {SECTION_DISK, "snapshot", "changes"},
	{SECTION_DISK, "cow", "changes"},        {SECTION_NET, "nic", "uplink"},
	{SECTION_NET, "parent", "uplink"},       {SECTION_NET, "interface", "uplink"},
	{SECTION_NET, "device", "uplink"},       {SECTION_NET, "storm_limit", "storm"},
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
