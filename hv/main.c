/* SPDX-License-Identifier: BSD-2-Clause */
/* hv_main: from the loader's hand to running guests, as a list. */
#include "drivers/acpi.h"
#include "drivers/cmos_clock.h"
#include "drivers/ioapic.h"
#include "drivers/lapic.h"
#include "drivers/pci.h"
#include "drivers/pic8259.h"
#include "drivers/tsc.h"
#include "hv/boot_info.h"
#include "hv/config.h"
#include "hv/files.h"
#include "hv/isolation.h"
#include "hv/lib/log.h"
#include "hv/lib/panic.h"
#include "hv/lib/util.h"
#include "hv/mgmt/console.h"
#include "hv/msr.h"
#include "hv/net.h"
#include "hv/pcpu.h"
#include "hv/power.h"
#include "hv/screen_log.h"
#include "hv/serial.h"
#include "hv/shared.h"
#include "hv/smp.h"
#include "hv/speculation.h"
#include "hv/timer.h"
#include "hv/trap.h"
#include "hv/version.h"
#include "hv/virt.h"
#include "hv/vm.h"
#include "hv/work.h"
#include "hv/x86/image.h"
#include "hv/x86/insn.h"
#include "hv/xstate.h"
#include "mm/host_map.h"
#include "mm/memmap.h"
#include "mm/page_alloc.h"

static const struct boot_info *boot;
static char config_name[BOOT_NAME_MAX];
static struct acpi_info acpi;
static struct work start_work;
static bool have_serial;

static void config_mistake(void *arg, const char *text)
{
	(void)arg;
	log_error("%s", text);
}

static void ignore_mistake(void *arg, const char *text)
{
	(void)arg;
	(void)text;
}

/* What the boot line says of the console counts from the first line on; its mistakes are named later. */
static void early_console(void)
{
	config_defaults(&host_config_file);
	config_boot_line(&host_config_file, boot->cmdline, config_name, sizeof(config_name), ignore_mistake,
			 NULL);
	serial_early_init(&host_config_file.host);
	log_set_level((enum log_level)host_config_file.host.log);
	log_info("Ingot " INGOT_VERSION ", entered by %s (%s)", boot->path, boot->loader);
	if (boot->error[0])
		log_error("boot: %s", boot->error);
}

/* BOOT_MEM_... in the map's words. */
static enum memmap_type memory_type(enum boot_mem_type t)
{
	switch (t) {
	case BOOT_MEM_RAM:
		return MEMMAP_RAM;
	case BOOT_MEM_ACPI_RECLAIM:
		return MEMMAP_ACPI_RECLAIM;
	case BOOT_MEM_RUNTIME:
		return MEMMAP_RUNTIME;
	case BOOT_MEM_NVS:
		return MEMMAP_NVS;
	case BOOT_MEM_RESERVED:
		return MEMMAP_RESERVED;
	case BOOT_MEM_BAD:
		return MEMMAP_BAD;
	}
	return MEMMAP_RESERVED;
}

static void map_add(struct memmap *map, uint64_t base, uint64_t len, enum memmap_type type)
{
	enum status s = memmap_add(map, base, len, type);

	if (s != OK && len)
		log_warn("memory map: 0x%lx-0x%lx left out: %s", base, base + len - 1, status_str(s));
}

static void memory_init(void)
{
	static struct memmap map;

	memmap_init(&map);
	for (uint32_t i = 0; i < boot->mem_count; i++)
		map_add(&map, boot->mem[i].base, boot->mem[i].len, memory_type(boot->mem[i].type));
	map_add(&map, boot->image_pa, (uint64_t)(image_end - image_start), MEMMAP_USED);
	for (uint32_t i = 0; i < boot->module_count; i++)
		map_add(&map, boot->module[i].pa, boot->module[i].size, MEMMAP_USED);
	if (smp_reserve(&map) != OK)
		log_warn("no memory below 1 MiB for starting CPUs: only one will run");
	host_map_init(&map, boot->image_pa);
}

static void interrupts_init(void)
{
	pic8259_disable();
	lapic_init();
	for (uint32_t i = 0; i < acpi.ioapic_count; i++) {
		if (ioapic_add(acpi.ioapic[i].pa, acpi.ioapic[i].gsi_base) != OK)
			log_error("the I/O APIC at 0x%lx does not answer", acpi.ioapic[i].pa);
	}
	for (uint32_t i = 0; i < acpi.override_count; i++)
		(void)ioapic_override(acpi.override[i].irq, acpi.override[i].gsi, acpi.override[i].active_low,
				      acpi.override[i].level);
}

static void clocks_init(void)
{
	uint64_t start = rdtsc(), hz = tsc_calibrate(&acpi);

	boot_cost.waiting += rdtsc() - start;
	time_init(hz);
	log_set_clock(time_now_ns);
	lapic_timer_calibrate();
	timer_init_queues();
	time_set_wall(cmos_clock_read());
	if (!tsc_is_invariant())
		log_warn("the TSC is not invariant: clocks may drift when CPUs change their speed");
	log_info("TSC %lu.%03lu MHz", tsc_hz() / 1000000, tsc_hz() / 1000 % 1000);
}

static bool file_is_there(void *arg, const char *name)
{
	(void)arg;
	return file_find(name) != NULL;
}

static void configuration_read(void)
{
	const struct file *f;

	files_init(boot);
	f = file_find(config_name);
	if (f)
		config_parse(&host_config_file, config_name, f->data, f->size, config_mistake, NULL);
	else
		log_error("%s was not loaded by the boot loader: no guests", config_name);
	config_check_files(&host_config_file, config_name, file_is_there, config_mistake, NULL);
	config_boot_line(&host_config_file, boot->cmdline, config_name, sizeof(config_name), config_mistake,
			 NULL);
	log_set_level((enum log_level)host_config_file.host.log);
	serial_configure(&host_config_file.host);
	work_set_cpus(&host_config_file.host.cpuset);
}

static void cpus_start(void)
{
	static uint32_t apic_ids[ACPI_CPU_MAX];
	uint32_t count = 0, online;

	for (uint32_t i = 0; i < acpi.cpu_count; i++) {
		if (acpi.cpu[i].enabled)
			apic_ids[count++] = acpi.cpu[i].apic_id;
	}
	online = smp_start(apic_ids, count);
	log_info("%u of %u CPUs online", online, MAX(count, 1U));
}

/* Runs as work, once the boot CPU is in its loop: waits until every CPU has tried to enable virtualization. */
static void guests_start(struct work *w)
{
	for (uint32_t i = 0; i < pcpu_count; i++) {
		if (pcpus[i]->online && !__atomic_load_n(&pcpus[i]->ready, __ATOMIC_ACQUIRE)) {
			cpu_pause();
			work_queue(w);
			return;
		}
	}
	shared_init(&host_config_file);
	vm_init_all();
	vm_autostart();
	if (have_serial)
		screen_log_pause();
}

static void panic_consoles(void)
{
	screen_log_resume();
	console_panic_mode();
}

static void main_on_host_stack(void)
{
	const struct console_device *line;

	screen_log_start(&boot->screen);
	if (acpi_read(boot->rsdp, boot->rsdp_pa, &acpi) != OK)
		log_warn("no ACPI tables: one CPU, and no I/O APIC");
	power_init(&acpi);
	interrupts_init();
	clocks_init();
	xstate_init();
	virt_probe();
	msr_init();
	isolation_init();
	configuration_read();
	speculation_init(host_config_file.host.mitigations == MITIGATIONS_AUTO);
	cpus_start();
	pci_probe_all();
	disk_read_partitions(&host_config_file);
	net_init();
	line = serial_start();
	have_serial = line != NULL;
	console_init(line, host_config_file.host.escape);
	panic_set_console(panic_consoles);
	work_init_alone(&start_work, guests_start);
	work_queue(&start_work);
	pcpu_main(pcpus[0]);
}

void hv_main(const struct boot_info *info)
{
	boot = info;
	time_start(info->entry_tsc);
	trap_init_early();
	early_console();
	memory_init();
	pcpu_init_boot(main_on_host_stack);
}
