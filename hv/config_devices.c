/* SPDX-License-Identifier: BSD-2-Clause */
/* Values about disks, networks and shared memory: one setter and one printer for each type, as in hv/config_value.c. */
#include "hv/config_devices.h"
#include "hv/config.h"
#include "hv/config_keys.h"
#include "hv/config_report.h"
#include "hv/config_scan.h"
#include "hv/lib/fmt.h"
#include "hv/lib/string.h"
#include "hv/lib/util.h"
#include "hv/lib/words.h"

#define SHOWN_MAX     CONFIG_SHOWN_MAX
#define OPTION_MAX    63
#define PARTITION_MAX 1024 /* the highest number of a partition */
#define LABEL_UNITS   36 /* UTF-16 units of a partition's name (UEFI Specification, "GPT Partition Entry") */
#define VLAN_MAX      4094 /* IEEE 802.1Q: 0 and FFFh are none */

#define WHY(...)      (fmt_snprintf(why, CONFIG_WHY_MAX, __VA_ARGS__), false)

static bool is_prefix(const char *prefix, const char *s)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

static bool is_letter_or_digit(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool set_device(struct disk_config *d, const char *text, char *why)
{
	const char *s = text;
	enum config_device kind = DEVICE_NAME;

	if (strcmp(text, "none") == 0) {
		d->device = DEVICE_NONE;
		return true;
	}
	if (is_prefix("pci:", text)) {
		uint16_t bdf;

		s += 4;
		if (!scan_bdf(&s, &bdf) || *s != '\0')
			return WHY("'%.*s' is not an address, as in pci:00:04.0", SHOWN_MAX, text);
		d->device = DEVICE_PCI;
		d->device_bdf = bdf;
		return true;
	}
	if (is_prefix("serial:", text)) {
		kind = DEVICE_SERIAL;
		s += 7;
	}
	for (const char *p = s; kind == DEVICE_NAME && *p; p++) {
		if (!is_letter_or_digit(*p))
			return WHY("'%.*s' is not a disk: nvme0, pci:00:04.0 or serial:TEXT", SHOWN_MAX,
				   text);
	}
	if (*s == '\0' || strlen(s) > CONFIG_DEVICE_MAX)
		return WHY("'%.*s' has 1 to %d letters", SHOWN_MAX, text, CONFIG_DEVICE_MAX);
	d->device = kind;
	str_copy(d->device_text, sizeof(d->device_text), s);
	return true;
}

/* GUIDs are written with their first three parts from the highest byte on, and stored from the lowest (UEFI Specification, "GUID"). */
static bool scan_guid(const char *s, uint8_t guid[static CONFIG_GUID_SIZE])
{
	static const uint8_t order[CONFIG_GUID_SIZE] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};

	for (unsigned i = 0; i < CONFIG_GUID_SIZE; i++) {
		uint32_t byte;

		if ((i == 4 || i == 6 || i == 8 || i == 10) && *s++ != '-')
			return false;
		if (!scan_hex(&s, 2, &byte))
			return false;
		guid[order[i]] = byte;
	}
	return *s == '\0';
}

/* UTF-16 units of well-formed UTF-8: one for each character, two where it needs four bytes. */
static size_t utf16_units(const char *s)
{
	size_t n = 0;

	for (; *s; s++) {
		uint8_t byte = *s;

		n += (byte & 0xc0) == 0x80 ? 0 : byte >= 0xf0 ? 2 : 1;
	}
	return n;
}

static bool set_partition(struct disk_config *d, const char *text, char *why)
{
	uint8_t guid[CONFIG_GUID_SIZE];
	const char *s;
	uint64_t n;

	if (strcmp(text, "none") == 0) {
		d->partition = PARTITION_NONE;
	} else if (is_prefix("number:", text)) {
		s = text + 7;
		if (!scan_decimal(&s, &n) || *s != '\0' || n < 1 || n > PARTITION_MAX)
			return WHY("'%.*s' is not a number from 1 to %d", SHOWN_MAX, text + 7, PARTITION_MAX);
		d->partition = PARTITION_NUMBER;
		d->partition_number = n;
	} else if (is_prefix("name:", text)) {
		s = text + 5;
		if (*s == '\0' || utf16_units(s) > LABEL_UNITS)
			return WHY("the name of a partition has 1 to %d letters", LABEL_UNITS);
		d->partition = PARTITION_NAME;
		str_copy(d->partition_name, sizeof(d->partition_name), s);
	} else if (is_prefix("guid:", text)) {
		if (!scan_guid(text + 5, guid))
			return WHY("'%.*s' is not a GUID, as in 01234567-89ab-cdef-0123-456789abcdef",
				   SHOWN_MAX, text + 5);
		d->partition = PARTITION_GUID;
		memcpy(d->partition_guid, guid, sizeof(guid));
	} else {
		return WHY("'%.*s' is not a partition: number:2, name:root, guid:..., nor none", SHOWN_MAX,
			   text);
	}
	return true;
}

static bool set_uplink(struct net_config *n, const char *text, char *why)
{
	const char *s = text;
	uint16_t bdf;

	if (strcmp(text, "none") == 0) {
		n->uplink = UPLINK_NONE;
	} else if (strcmp(text, "first") == 0) {
		n->uplink = UPLINK_FIRST;
	} else {
		if (!scan_bdf(&s, &bdf) || *s != '\0')
			return WHY("'%.*s' is not a network card: 00:03.0, first, nor none", SHOWN_MAX, text);
		n->uplink = UPLINK_PCI;
		n->uplink_bdf = bdf;
	}
	return true;
}

/* One option behind a reference's name: key, and value, "" where there is none. */
typedef bool (*option_fn)(void *reference, const char *key, const char *value, char *why);

static bool readonly_option(void *reference, const char *key, const char *value, char *why)
{
	struct vm_disk *d = reference;

	if (strcmp(key, "readonly") != 0 || *value)
		return WHY("'%s%s%s' is no option: there is readonly", key, *value ? "=" : "", value);
	d->readonly = true;
	return true;
}

static bool no_option(void *reference, const char *key, const char *value, char *why)
{
	(void)reference;
	(void)value;
	return WHY("'%s' after the name: there are no options", key);
}

static bool scan_mac(const char *s, uint8_t mac[static CONFIG_MAC_SIZE])
{
	for (unsigned i = 0; i < CONFIG_MAC_SIZE; i++) {
		uint32_t byte;

		if ((i > 0 && *s++ != ':') || !scan_hex(&s, 2, &byte))
			return false;
		mac[i] = byte;
	}
	return *s == '\0';
}

static bool set_mac(struct vm_net *n, const char *value, char *why)
{
	static const uint8_t zero[CONFIG_MAC_SIZE];
	uint8_t mac[CONFIG_MAC_SIZE];

	if (!scan_mac(value, mac))
		return WHY("'%s' is not a MAC address, as in 52:54:00:12:34:56", value);
	if (mac[0] & 1)
		return WHY("the MAC address %s is one of many cards: the first byte is even", value);
	if (memcmp(mac, zero, sizeof(mac)) == 0)
		return WHY("the MAC address %s is nobody's", value);
	memcpy(n->mac, mac, sizeof(mac));
	n->mac_given = true;
	return true;
}

static bool net_option(void *reference, const char *key, const char *value, char *why)
{
	struct vm_net *n = reference;
	uint64_t vlan;

	if (strcmp(key, "mac") == 0)
		return set_mac(n, value, why);
	if (strcmp(key, "vlan") == 0) {
		if (!scan_decimal(&value, &vlan) || *value != '\0' || vlan < 1 || vlan > VLAN_MAX)
			return WHY("'vlan' has a number from 1 to %d", VLAN_MAX);
		n->vlan = vlan;
	} else if (strcmp(key, "trunk") == 0 && *value == '\0') {
		n->trunk = true;
	} else {
		return WHY("'%s%s%s' is no option: there are mac=..., vlan=N, trunk", key, *value ? "=" : "",
			   value);
	}
	return n->vlan && n->trunk ? WHY("'vlan' and 'trunk': a port has one of them") : true;
}

static const char *skip_blanks(const char *s)
{
	while (*s == ' ' || *s == '\t')
		s++;
	return s;
}

/* The next word of *s, which moves behind it. False: it doesn't fit. */
static bool take_word(const char **s, char *word, size_t size)
{
	const char *p = skip_blanks(*s);
	size_t n = 0;

	while (p[n] && p[n] != ' ' && p[n] != '\t')
		n++;
	*s = skip_blanks(p + n);
	if (n >= size)
		return false;
	memcpy(word, p, n);
	word[n] = '\0';
	return true;
}

/* "NAME option option=value ..." */
static bool set_reference(const char *text, char name[static CONFIG_NAME_MAX + 1], option_fn option,
			  void *reference, char *why)
{
	char word[OPTION_MAX + 1];

	if (!take_word(&text, name, CONFIG_NAME_MAX + 1))
		return WHY("the name is longer than %d letters", CONFIG_NAME_MAX);
	while (*text) {
		if (!take_word(&text, word, sizeof(word)))
			return WHY("an option is longer than %d letters", OPTION_MAX);
		char *eq = strchr(word, '=');
		if (eq)
			*eq = '\0';
		if (!option(reference, word, eq ? eq + 1 : "", why))
			return false;
	}
	return true;
}

static bool set_disk(struct vm_config *vm, const char *text, uint32_t line, char *why)
{
	struct vm_disk d = {.line = line};

	if (vm->disk_count == CONFIG_VM_DISK_MAX)
		return WHY("more than %d disks", CONFIG_VM_DISK_MAX);
	if (!set_reference(text, d.name, readonly_option, &d, why))
		return false;
	vm->disk[vm->disk_count++] = d;
	return true;
}

static bool set_net(struct vm_config *vm, const char *text, uint32_t line, char *why)
{
	struct vm_net n = {.line = line};

	if (vm->net_count == CONFIG_VM_NET_MAX)
		return WHY("more than %d network cards", CONFIG_VM_NET_MAX);
	if (!set_reference(text, n.name, net_option, &n, why))
		return false;
	vm->net[vm->net_count++] = n;
	return true;
}

static bool set_shared(struct vm_config *vm, const char *text, uint32_t line, char *why)
{
	struct vm_shared s = {.line = line};

	if (vm->shared_count == CONFIG_VM_SHARED_MAX)
		return WHY("more than %d shared memories", CONFIG_VM_SHARED_MAX);
	if (!set_reference(text, s.name, no_option, &s, why))
		return false;
	vm->shared[vm->shared_count++] = s;
	return true;
}

/* A reference is "none" only where there is no other. */
static bool set_none(const struct config_key *k, const struct vm_config *vm, char *why)
{
	return config_value_count(k, vm) == 0 ? true : WHY("'none' after one was named");
}

bool config_device_set(const struct config_key *k, void *base, const char *text, uint32_t line,
		       char why[static CONFIG_WHY_MAX])
{
	if (config_key_repeats(k) && strcmp(text, "none") == 0)
		return set_none(k, base, why);
	switch (k->type) {
	case KEY_DEVICE:
		return set_device(base, text, why);
	case KEY_PARTITION:
		return set_partition(base, text, why);
	case KEY_UPLINK:
		return set_uplink(base, text, why);
	case KEY_DISK:
		return set_disk(base, text, line, why);
	case KEY_NET:
		return set_net(base, text, line, why);
	default:
		return set_shared(base, text, line, why);
	}
}

static void print_bdf(const char *prefix, uint16_t bdf, char *buf, size_t size)
{
	fmt_snprintf(buf, size, "%s%02x:%02x.%x", prefix, bdf >> 8, bdf >> 3 & 0x1f, bdf & 7);
}

static void print_device(const struct disk_config *d, char *buf, size_t size)
{
	char text[sizeof(d->device_text) + 8];

	switch (d->device) {
	case DEVICE_NONE:
		str_copy(buf, size, "none");
		return;
	case DEVICE_NAME:
		str_copy(buf, size, d->device_text);
		return;
	case DEVICE_PCI:
		print_bdf("pci:", d->device_bdf, buf, size);
		return;
	case DEVICE_SERIAL:
		fmt_snprintf(text, sizeof(text), "serial:%s", d->device_text);
		config_text_print(text, buf, size);
		return;
	}
}

static void print_partition(const struct disk_config *d, char *buf, size_t size)
{
	char text[sizeof(d->partition_name) + 8];
	const uint8_t *g = d->partition_guid;

	switch (d->partition) {
	case PARTITION_NONE:
		str_copy(buf, size, "none");
		return;
	case PARTITION_NUMBER:
		fmt_snprintf(buf, size, "number:%u", d->partition_number);
		return;
	case PARTITION_NAME:
		fmt_snprintf(text, sizeof(text), "name:%s", d->partition_name);
		config_text_print(text, buf, size);
		return;
	case PARTITION_GUID:
		fmt_snprintf(buf, size,
			     "guid:%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
			     g[3], g[2], g[1], g[0], g[5], g[4], g[7], g[6], g[8], g[9], g[10], g[11], g[12],
			     g[13], g[14], g[15]);
		return;
	}
}

static void print_uplink(const struct net_config *n, char *buf, size_t size)
{
	if (n->uplink == UPLINK_PCI)
		print_bdf("", n->uplink_bdf, buf, size);
	else
		str_copy(buf, size, n->uplink == UPLINK_FIRST ? "first" : "none");
}

static void print_net(const struct vm_net *n, char *buf, size_t size)
{
	const uint8_t *m = n->mac;
	int len = fmt_snprintf(buf, size, "%s mac=%02x:%02x:%02x:%02x:%02x:%02x", n->name, m[0], m[1], m[2],
			       m[3], m[4], m[5]);

	if (n->vlan)
		fmt_snprintf(buf + len, size - len, " vlan=%u", n->vlan);
	else if (n->trunk)
		fmt_snprintf(buf + len, size - len, " trunk");
}

void config_device_print(const struct config_key *k, const void *base, uint32_t index, char *buf, size_t size)
{
	const struct vm_config *vm = base;

	if (config_key_repeats(k) && index >= config_value_count(k, base)) {
		str_copy(buf, size, "none");
		return;
	}
	switch (k->type) {
	case KEY_DEVICE:
		print_device(base, buf, size);
		return;
	case KEY_PARTITION:
		print_partition(base, buf, size);
		return;
	case KEY_UPLINK:
		print_uplink(base, buf, size);
		return;
	case KEY_DISK:
		fmt_snprintf(buf, size, "%s%s", vm->disk[index].name,
			     vm->disk[index].readonly ? " readonly" : "");
		return;
	case KEY_NET:
		print_net(&vm->net[index], buf, size);
		return;
	default:
		str_copy(buf, size, vm->shared[index].name);
		return;
	}
}
