/* SPDX-License-Identifier: BSD-2-Clause */
/* Sections of disks, networks and shared memory, what guests say of them, and what doesn't fit together. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "hv/lib/util.h"
#include "tests/unit/config_text.h"

#define SECTIONS                                                                                             \
	"[disk data]\nsize = 64M\n[disk rom]\nfile = r\nreadonly = yes\n[disk cow]\nfile = c\nchanges = "    \
	"drop\n"                                                                                             \
	"[net lan]\n[net dmz]\n[shared box]\nsize = 1M\n"

/* These sections and [vm a], [vm b] with these lines; the mistakes are these, divided by newlines. */
static void guests(const char *a, const char *b, const char *mistakes)
{
	static char text[8192], all[8192];

	snprintf(text, sizeof(text),
		 "[vm a]\nmemory = 2M\nkernel = k\n%s\n[vm b]\nmemory = 2M\nkernel = k\n%s\n" SECTIONS, a, b);
	parse(text);
	all[0] = '\0';
	for (unsigned i = 0; i < error_count; i++)
		sprintf(all + strlen(all), "%s%s", i ? "\n" : "", errors[i]);
	assert_string_equal(all, mistakes);
}

static const struct disk_config *good_disk(const char *lines)
{
	char text[1024];

	snprintf(text, sizeof(text), "[disk d]\n%s\n", lines);
	parse(text);
	if (error_count > 0)
		fail_msg("%s", errors[0]);
	assert_int_equal(config.disk_count, 1);
	assert_false(config.disk[0].refused);
	return &config.disk[0];
}

/* A section with this header in line 1 and one mistake, in `line`. */
static void bad(const char *section, const char *lines, unsigned line, const char *why)
{
	char text[1024], want[600];

	snprintf(text, sizeof(text), "[%s]\n%s\n", section, lines);
	parse(text);
	snprintf(want, sizeof(want), "f:%u: %s", line, why);
	assert_int_equal(error_count, 1);
	assert_string_equal(errors[0], want);
}

static void test_disks(void **state)
{
	static const uint8_t guid[16] = {0x67, 0x45, 0x23, 0x01, 0xab, 0x89, 0xef, 0xcd,
					 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef};
	const struct disk_config *d = good_disk("file = a/data.img");

	assert_string_equal(d->file, "a/data.img");
	assert_int_equal(d->file_line, 2);
	assert_int_equal(d->changes, CHANGES_KEEP);
	assert_int_equal(d->size, 0);
	assert_int_equal(d->device, DEVICE_NONE);
	assert_int_equal(d->partition, PARTITION_NONE);
	assert_false(d->readonly);
	d = good_disk("file = x\nsize = 64M\nchanges = drop\nreadonly = yes");
	assert_true(d->size == MIB(64) && d->readonly && d->changes == CHANGES_DROP);
	d = good_disk("size = 4K\ndevice = none");
	assert_true(d->size == KIB(4) && d->file[0] == '\0');
	d = good_disk("device = nvme0n2\npartition = number:3");
	assert_int_equal(d->device, DEVICE_NAME);
	assert_string_equal(d->device_text, "nvme0n2");
	assert_int_equal(d->partition, PARTITION_NUMBER);
	assert_int_equal(d->partition_number, 3);
	d = good_disk("device = pci:00:04.1\npartition = name:EFI System");
	assert_int_equal(d->device, DEVICE_PCI);
	assert_int_equal(d->device_bdf, 4 << 3 | 1);
	assert_string_equal(d->partition_name, "EFI System");
	d = good_disk("device = serial:S 12 #3\npartition = guid:01234567-89AB-cdef-0123-456789abcdef");
	assert_int_equal(d->device, DEVICE_SERIAL);
	assert_string_equal(d->device_text, "S 12");
	assert_memory_equal(d->partition_guid, guid, sizeof(guid));
}

static void test_disk_mistakes(void **state)
{
	bad("disk d", "", 1, "[disk d] has none of 'file', 'size' and 'device'");
	bad("disk d", "file = f\ndevice = nvme0", 1,
	    "[disk d] has 'file' and 'device': only one of them is possible");
	bad("disk d", "size = 1M\ndevice = nvme0", 1,
	    "[disk d] has 'size' and 'device': only one of them is possible");
	bad("disk d", "file = f\npartition = number:1", 1,
	    "[disk d] has a 'partition', which only a 'device' has");
	bad("disk d", "device = nvme0\nchanges = drop", 1,
	    "[disk d] has 'changes = drop', which a 'device' can't do");
	bad("disk d", "file = /x", 2,
	    "'file' in [disk d]: '/x' must be relative to the configuration's folder");
	bad("disk d", "size = 2K", 2, "'size' in [disk d]: '2K' is too little: at least 4K");
	bad("disk d", "device = /dev/sda", 2,
	    "'device' in [disk d]: '/dev/sda' is not a disk: nvme0, pci:00:04.0 or serial:TEXT");
	bad("disk d", "device = pci:0:4.0", 2,
	    "'device' in [disk d]: 'pci:0:4.0' is not an address, as in pci:00:04.0");
	bad("disk d", "device = pci:00:20.0", 2,
	    "'device' in [disk d]: 'pci:00:20.0' is not an address, as in pci:00:04.0");
	bad("disk d", "device = serial:", 2, "'device' in [disk d]: 'serial:' has 1 to 40 letters");
	bad("disk d", "device = nvme0\npartition = 2", 3,
	    "'partition' in [disk d]: '2' is not a partition: number:2, name:root, guid:..., nor none");
	bad("disk d", "device = nvme0\npartition = number:0", 3,
	    "'partition' in [disk d]: '0' is not a number from 1 to 1024");
	bad("disk d", "device = nvme0\npartition = guid:0123", 3,
	    "'partition' in [disk d]: '0123' is not a GUID, as in 01234567-89ab-cdef-0123-456789abcdef");
	bad("disk d", "device = nvme0\npartition = name:1234567890123456789012345678901234567", 3,
	    "'partition' in [disk d]: the name of a partition has 1 to 36 letters");
	bad("disk d", "size = 1M\nchanges = maybe", 3,
	    "'changes' in [disk d]: 'maybe' is none of keep, drop");
	bad("disk d", "size = 1M\npath = x", 3, "unknown key 'path' in [disk d]; did you mean 'file'?");
	bad("disk d", "size = 1M\nmemory = 1M", 3, "'memory' belongs into [vm NAME], not into [disk d]");
	bad("disk none", "size = 1M", 1, "'none' says that there is none; it is not a name");
	bad("drive d", "size = 1M", 1, "unknown section [drive d]; did you mean [disk d]?");
	bad("dsik d", "size = 1M", 1, "unknown section [dsik d]; did you mean [disk d]?");
	bad("network d", "", 1, "unknown section [network d]; did you mean [net d]?");
	bad("disk d", "size = 1M\n[disk d]\nsize = 2M", 3, "[disk d] is given twice: first in line 1");
	assert_true(config.disk[0].refused);
}

static void test_nets(void **state)
{
	parse("[net a]\n[net b]\nuplink = 00:03.0\nmtu = 9000\nstorm = 0\n[net c]\nuplink = first\n[shared "
	      "s]\nsize=1G\n");
	assert_int_equal(error_count, 0);
	assert_int_equal(config.net_count, 3);
	assert_int_equal(config.net[0].uplink, UPLINK_NONE);
	assert_int_equal(config.net[0].mtu, 1500);
	assert_int_equal(config.net[0].storm, 1000);
	assert_int_equal(config.net[1].uplink, UPLINK_PCI);
	assert_int_equal(config.net[1].uplink_bdf, 3 << 3);
	assert_int_equal(config.net[1].mtu, 9000);
	assert_int_equal(config.net[1].storm, 0);
	assert_int_equal(config.net[2].uplink, UPLINK_FIRST);
	assert_int_equal(config.shared[0].size, GIB(1));
	bad("net n", "uplink = eth0", 2,
	    "'uplink' in [net n]: 'eth0' is not a network card: 00:03.0, first, nor none");
	bad("net n", "mtu = 9001", 2, "'mtu' in [net n]: '9001' is not a number from 68 to 9000");
	bad("net n", "bridge = x", 2, "unknown key 'bridge' in [net n]");
	bad("net n", "uplink=first\n[net m]\nuplink=first", 3,
	    "[net m] and [net n] (line 1) have the same uplink");
	bad("shared s", "", 1, "[shared s] has no 'size', which is required");
	bad("shared s", "size = 12K", 2, "'size' in [shared s]: '12K' is not a power of two");
	bad("shared s", "size = 2G", 2, "'size' in [shared s]: '2G' is too much: at most 1G");
}

static void test_references(void **state)
{
	const struct vm_config *a = &config.vm[0], *b = &config.vm[1];

	guests("disk = rom\ndisk = data\ndisk = cow readonly\nnet = dmz\nnet = lan  vlan=7 \nshared = box\n"
	       "hvc0 = console\nrng = no",
	       "disk = cow\ndisk = rom readonly\nnet = lan trunk mac=52:54:00:AB:cd:01", "");
	assert_int_equal(a->disk_count, 3);
	assert_int_equal(a->disk[0].index, 1);
	assert_int_equal(a->disk[1].index, 0);
	assert_int_equal(a->disk[2].index, 2);
	assert_true(a->disk[2].readonly);
	assert_false(a->disk[0].readonly || a->disk[1].readonly);
	assert_int_equal(a->net_count, 2);
	assert_int_equal(a->net[0].index, 1);
	assert_int_equal(a->net[1].index, 0);
	assert_int_equal(a->net[1].vlan, 7);
	assert_false(a->net[1].trunk);
	assert_int_equal(a->shared[0].index, 0);
	assert_true(a->hvc0_console);
	assert_false(a->rng);
	assert_true(b->net[0].trunk && b->net[0].mac_given);
	assert_memory_equal(b->net[0].mac, ((uint8_t[]){0x52, 0x54, 0, 0xab, 0xcd, 1}), 6);
	assert_memory_equal(a->net[0].mac, ((uint8_t[]){0x52, 0x54, 0}), 3);
	assert_memory_not_equal(a->net[0].mac, a->net[1].mac, 6);
	guests("disk = none", "", "");
	assert_false(a->hvc0_console);
	assert_true(a->rng);
}

/* The same names give the same address, another name, net or place another one. */
static void test_derived(void **state)
{
	const struct vm_config *a = &config.vm[0], *b = &config.vm[1];
	uint8_t first[6];

	guests("net = lan\nnet = lan", "net = lan\nnet = dmz", "");
	memcpy(first, a->net[0].mac, 6);
	assert_memory_not_equal(a->net[1].mac, first, 6);
	assert_memory_not_equal(b->net[0].mac, first, 6);
	assert_memory_not_equal(b->net[1].mac, first, 6);
	assert_memory_not_equal(b->net[1].mac, b->net[0].mac, 6);
	guests("vcpus = 2\nnet = lan", "", "");
	assert_memory_equal(a->net[0].mac, first, 6);
}

static void test_reference_mistakes(void **state)
{
	guests("disk = dta", "net = x\nshared = y",
	       "f:4: 'disk' in [vm a]: there is no [disk dta]; did you mean 'data'?\n"
	       "f:8: 'net' in [vm b]: there is no [net x]\n"
	       "f:9: 'shared' in [vm b]: there is no [shared y]");
	assert_true(config.vm[0].refused && config.vm[1].refused);
	guests("disk = data rw", "", "f:4: 'disk' in [vm a]: 'rw' is no option: there is readonly");
	guests("disk = data\ndisk = none", "", "f:5: 'disk' in [vm a]: 'none' after one was named");
	guests("net = lan vlan=4095", "", "f:4: 'net' in [vm a]: 'vlan' has a number from 1 to 4094");
	guests("net = lan vlan=1 trunk", "",
	       "f:4: 'net' in [vm a]: 'vlan' and 'trunk': a port has one of them");
	guests("net = lan mac=52:54:00:00:00", "",
	       "f:4: 'net' in [vm a]: '52:54:00:00:00' is not a MAC address, as in 52:54:00:12:34:56");
	guests(
	    "net = lan mac=53:54:00:00:00:01", "",
	    "f:4: 'net' in [vm a]: the MAC address 53:54:00:00:00:01 is one of many cards: the first byte is "
	    "even");
	guests("net = lan mac=00:00:00:00:00:00", "",
	       "f:4: 'net' in [vm a]: the MAC address 00:00:00:00:00:00 is nobody's");
	guests("net = lan model=e1000", "",
	       "f:4: 'net' in [vm a]: 'model=e1000' is no option: there are mac=..., vlan=N, trunk");
	guests("shared = box ro", "", "f:4: 'shared' in [vm a]: 'ro' after the name: there are no options");
	guests("shared = box\nshared=box\nshared=box\nshared=box\nshared=box", "",
	       "f:8: 'shared' in [vm a]: more than 4 shared memories");
	guests("hvc0 = yes", "", "f:4: 'hvc0' in [vm a]: 'yes' is none of console, none");
	guests("disk = data", "disk = odd\n[disk odd]\npartition = number:1",
	       "f:9: [disk odd] has none of 'file', 'size' and 'device'\n"
	       "f:8: [vm b] needs [disk odd], which has mistakes");
	assert_false(config.vm[0].refused);
	assert_true(config.vm[1].refused);
}

static void test_sharing(void **state)
{
#define BOTH "both have the disk 'data', which can be written; make it readonly for both"
	guests("disk = data", "disk = data", "f:8: [vm b] and [vm a] (line 4) " BOTH);
	assert_true(config.vm[0].refused && config.vm[1].refused);
	guests("disk = data", "disk = data readonly", "f:8: [vm b] and [vm a] (line 4) " BOTH);
	guests("disk = data readonly", "disk = data", "f:8: [vm b] and [vm a] (line 4) " BOTH);
	guests("disk = data readonly", "disk = data readonly", "");
	guests("disk = data\ndisk = data", "", "f:5: [vm a] and [vm a] (line 4) " BOTH);
	guests("disk = rom\ndisk=cow", "disk = rom\ndisk = cow\nshared = box", "");
	guests("net = lan mac=52:54:00:00:00:01", "net = lan mac=52:54:00:00:00:01",
	       "f:8: [vm b] and [vm a] (line 4) both have the same MAC address in [net lan]; give one with "
	       "mac=...");
	assert_true(config.vm[0].refused && config.vm[1].refused);
	guests("net = lan mac=52:54:00:00:00:01", "net = dmz mac=52:54:00:00:00:01", "");
	guests(
	    "disk = w", "[disk w]\nfile = k",
	    "f:9: 'k' of [disk w] is also started by [vm a] (line 3), and changes are kept; changes = drop, "
	    "or readonly\n"
	    "f:9: 'k' of [disk w] is also started by [vm b] (line 7), and changes are kept; changes = drop, "
	    "or readonly\n"
	    "f:4: [vm a] needs [disk w], which has mistakes");
	guests(
	    "", "[disk w]\nfile = c",
	    "f:9: 'c' of [disk w] is also the file of [disk cow] (line 16), and changes are kept; changes = "
	    "drop, or readonly");
}

static void test_print(void **state)
{
	static char first[sizeof(printed)];

	guests(
	    "disk = rom\ndisk = data readonly\nnet = lan vlan=9\nnet = dmz trunk\nshared = box\nhvc0 = "
	    "console",
	    "net = dmz mac=02:00:00:00:00:01\n[disk p]\ndevice = \"serial:a #1\"\npartition = \"name:x #y\"\n"
	    "[disk g]\ndevice = pci:ff:1f.7\npartition = guid:01234567-89ab-cdef-0123-456789abcdef\n"
	    "[net up]\nuplink = 00:03.0",
	    "");
	print();
	strcpy(first, printed);
	assert_non_null(strstr(first, "[disk rom]\nfile = r\nchanges = keep\nsize = none\ndevice = none\n"
				      "partition = none\nreadonly = yes\n"));
	assert_non_null(strstr(first, "device = \"serial:a #1\"\npartition = \"name:x #y\"\n"));
	assert_non_null(
	    strstr(first, "device = pci:ff:1f.7\npartition = guid:01234567-89ab-cdef-0123-456789abcdef\n"));
	assert_non_null(strstr(first, "[net up]\nuplink = 00:03.0\nmtu = 1500\nstorm = 1000\n"));
	assert_non_null(strstr(first, "[shared box]\nsize = 1M\n"));
	assert_non_null(strstr(first, "disk = rom\ndisk = data readonly\nnet = lan mac=52:54:00:"));
	assert_non_null(strstr(first, " vlan=9\n"));
	assert_non_null(strstr(first, " trunk\nshared = box\nhvc0 = console\nballoon = no\nrng = yes\n"));
	assert_non_null(
	    strstr(first, "disk = none\nnet = dmz mac=02:00:00:00:00:01\nshared = none\nhvc0 = none\n"));
	parse(first);
	assert_int_equal(error_count, 0);
	print();
	assert_string_equal(printed, first);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_disks),   cmocka_unit_test(test_disk_mistakes),
	    cmocka_unit_test(test_nets),    cmocka_unit_test(test_references),
	    cmocka_unit_test(test_derived), cmocka_unit_test(test_reference_mistakes),
	    cmocka_unit_test(test_sharing), cmocka_unit_test(test_print),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
