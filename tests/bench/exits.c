/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A plugin for QEMU's TCG that counts the host's instructions between one #VMEXIT and the next VMRUN:
 * `-plugin exits.so,out=FILE -d plugin`. Everything executed inside the image's window of addresses counts as the
 * host's (tests/bench/profile.py says by which function); guests must keep away from it, as all do that aren't
 * placed at random. What is executed before the first VMRUN or after the last is left out. For one CPU.
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
#define IMAGE_SIZE 0x1000000UL          /* Linux's own begins here, without KASLR */

static uint64_t exits, host, guest;
static uint64_t host_at_last, guest_at_last; /* as they were at the last VMRUN */
static uint64_t *at;                         /* executions of the instruction at IMAGE_VA + index */
static char *out;

static void on_vmrun(unsigned vcpu, void *arg)
{
	(void)vcpu;
	(void)arg;
	if (!exits++) {
		memset(at, 0, IMAGE_SIZE * sizeof(*at));
		host = guest = 0;
	}
	host_at_last = host;
	guest_at_last = guest;
}

static bool is_vmrun(const struct qemu_plugin_insn *insn)
{
	static const uint8_t vmrun[] = {0x0f, 0x01, 0xd8};

	return qemu_plugin_insn_size(insn) == sizeof(vmrun) &&
	       !memcmp(qemu_plugin_insn_data(insn), vmrun, sizeof(vmrun));
}

static void count(struct qemu_plugin_insn *insn)
{
	uint64_t offset = qemu_plugin_insn_vaddr(insn) - IMAGE_VA;

	if (offset >= IMAGE_SIZE) {
		qemu_plugin_register_vcpu_insn_exec_inline(insn, QEMU_PLUGIN_INLINE_ADD_U64, &guest, 1);
		return;
	}
	if (is_vmrun(insn))
		qemu_plugin_register_vcpu_insn_exec_cb(insn, on_vmrun, QEMU_PLUGIN_CB_NO_REGS, NULL);
	qemu_plugin_register_vcpu_insn_exec_inline(insn, QEMU_PLUGIN_INLINE_ADD_U64, &host, 1);
	qemu_plugin_register_vcpu_insn_exec_inline(insn, QEMU_PLUGIN_INLINE_ADD_U64, &at[offset], 1);
}

static void on_translation(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	(void)id;
	for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++)
		count(qemu_plugin_tb_get_insn(tb, i));
}

static void write_counts(qemu_plugin_id_t id, void *arg)
{
	FILE *f = fopen(out, "w");

	(void)id;
	(void)arg;
	if (!f) {
		perror(out);
		return;
	}
	fprintf(f, "exits %" PRIu64 "\nhost %" PRIu64 "\nguest %" PRIu64 "\n", exits, host_at_last,
		guest_at_last);
	for (uint64_t i = 0; i < IMAGE_SIZE; i++) {
		if (at[i])
			fprintf(f, "%" PRIx64 " %" PRIu64 "\n", IMAGE_VA + i, at[i]);
	}
	fclose(f);
}

int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv)
{
	(void)info;
	for (int i = 0; i < argc; i++) {
		if (!strncmp(argv[i], "out=", 4))
			out = strdup(argv[i] + 4);
	}
	at = calloc(IMAGE_SIZE, sizeof(*at));
	if (!out || !at) {
		fprintf(stderr, "exits.so: out=FILE is needed, and memory\n");
		return 1;
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
	qemu_plugin_register_atexit_cb(id, write_counts, NULL);
	return 0;
}
