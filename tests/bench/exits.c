/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A plugin for QEMU's TCG that counts executed instructions, the host's apart from the guest's: `-plugin
 * exits.so,out=FILE -d plugin`. Everything inside the image's window of addresses is the host's
 * (tests/bench/profile.py says by which function); guests must keep away from it, as all do that aren't placed at
 * random. A halted CPU executes nothing: waiting in HLT is not counted. For one CPU.
 *
 * Counted is from the first VMRUN to the end of QEMU; with `linux=on` from the first instruction at Linux's own
 * addresses to the first of its first process, /init, with Ingot below it or without.
 *
 * FILE: "exits N", "host N", "guest N", then "ADDRESS COUNT" of each instruction of the host.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What QEMU 7.2's qemu/qemu-plugin.h declares, as far as it is used here: Debian doesn't package the header. */
typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum qemu_plugin_cb_flags { QEMU_PLUGIN_CB_NO_REGS };
enum qemu_plugin_op { QEMU_PLUGIN_INLINE_ADD_U64 };
typedef void (*tb_trans_fn)(qemu_plugin_id_t id, struct qemu_plugin_tb *tb);
typedef void (*exec_fn)(unsigned vcpu, void *arg);
typedef void (*exit_fn)(qemu_plugin_id_t id, void *arg);

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, tb_trans_fn fn);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t id, exit_fn fn, void *arg);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t n);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn, exec_fn fn,
					    enum qemu_plugin_cb_flags flags, void *arg);
void qemu_plugin_register_vcpu_insn_exec_inline(struct qemu_plugin_insn *insn, enum qemu_plugin_op op,
						void *counter, uint64_t add);

__attribute__((visibility("default"))) int qemu_plugin_version = 1;
__attribute__((visibility("default"))) int qemu_plugin_install(qemu_plugin_id_t id, const void *info,
							       int argc, char **argv);

#define IMAGE_VA   0xffffffff80000000UL /* linker.ld */
#define IMAGE_SIZE 0x1000000UL
#define LINUX_VA   (IMAGE_VA + IMAGE_SIZE) /* Linux's own addresses begin here, or above */
#define USER_END   0x800000000000UL        /* those of processes end here */

static bool linux_boot;
static bool begun, ended;
static uint64_t exits, host, guest;
static uint64_t *at; /* executions of the instruction at IMAGE_VA + index */
static char *out;

static void begin(void)
{
	begun = true;
	exits = host = guest = 0;
	memset(at, 0, IMAGE_SIZE * sizeof(*at));
}

static void write_counts(void)
{
	FILE *f = fopen(out, "w");

	if (!f) {
		perror(out);
		return;
	}
	fprintf(f, "exits %" PRIu64 "\nhost %" PRIu64 "\nguest %" PRIu64 "\n", exits, host, guest);
	for (uint64_t i = 0; i < IMAGE_SIZE; i++) {
		if (at[i])
			fprintf(f, "%" PRIx64 " %" PRIu64 "\n", IMAGE_VA + i, at[i]);
	}
	fclose(f);
}

static void end(void)
{
	if (!ended)
		write_counts();
	ended = true;
}

static void on_vmrun(unsigned vcpu, void *arg)
{
	(void)vcpu;
	(void)arg;
	if (!begun && !linux_boot)
		begin();
	exits++;
}

static void on_linux(unsigned vcpu, void *arg)
{
	(void)vcpu;
	(void)arg;
	if (!begun)
		begin();
}

static void on_process(unsigned vcpu, void *arg)
{
	(void)vcpu;
	(void)arg;
	end();
}

static bool is_vmrun(const struct qemu_plugin_insn *insn)
{
	static const uint8_t vmrun[] = {0x0f, 0x01, 0xd8};

	return qemu_plugin_insn_size(insn) == sizeof(vmrun) &&
	       !memcmp(qemu_plugin_insn_data(insn), vmrun, sizeof(vmrun));
}

static void call(struct qemu_plugin_insn *insn, exec_fn fn)
{
	qemu_plugin_register_vcpu_insn_exec_cb(insn, fn, QEMU_PLUGIN_CB_NO_REGS, NULL);
}

static void add(struct qemu_plugin_insn *insn, uint64_t *counter)
{
	qemu_plugin_register_vcpu_insn_exec_inline(insn, QEMU_PLUGIN_INLINE_ADD_U64, counter, 1);
}

static void count(struct qemu_plugin_insn *insn)
{
	uint64_t va = qemu_plugin_insn_vaddr(insn);

	if (va - IMAGE_VA < IMAGE_SIZE) {
		if (is_vmrun(insn))
			call(insn, on_vmrun);
		add(insn, &host);
		add(insn, &at[va - IMAGE_VA]);
		return;
	}
	if (linux_boot && !begun && va >= LINUX_VA)
		call(insn, on_linux);
	if (linux_boot && begun && !ended && va < USER_END)
		call(insn, on_process);
	add(insn, &guest);
}

static void on_translation(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	(void)id;
	for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++)
		count(qemu_plugin_tb_get_insn(tb, i));
}

static void at_exit(qemu_plugin_id_t id, void *arg)
{
	(void)id;
	(void)arg;
	end();
}

int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv)
{
	(void)info;
	for (int i = 0; i < argc; i++) {
		if (!strncmp(argv[i], "out=", 4))
			out = strdup(argv[i] + 4);
		if (!strcmp(argv[i], "linux=on"))
			linux_boot = true;
	}
	at = calloc(IMAGE_SIZE, sizeof(*at));
	if (!out || !at) {
		fprintf(stderr, "exits.so: out=FILE is needed, and memory\n");
		return 1;
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
	qemu_plugin_register_atexit_cb(id, at_exit, NULL);
	return 0;
}
