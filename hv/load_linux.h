/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Loads a Linux bzImage by the 64-bit boot protocol (Linux, Documentation/arch/x86/boot.rst, "64-bit Boot
 * Protocol"): checks the setup header, copies kernel and initrd in bounded steps, builds the zero page, page
 * tables and GDT in guest memory, and sets the first vCPU's registers.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "hv/lib/status.h"
#include "mm/gpa.h"

struct vcpu;

/* One file in the host's memory; name is for messages. data NULL: there is none. */
struct linux_file {
	const char *name;
	const uint8_t *data;
	uint64_t size;
};

/* What the setup header says, checked against the file. */
struct linux_image {
	uint16_t version;
	uint32_t setup_size;   /* offset of the protected-mode part in the file */
	uint64_t payload_size; /* its length */
	uint64_t pref_address, init_size;
	uint32_t alignment;
	bool relocatable;
	uint32_t cmdline_size;
	uint32_t xloadflags;
	uint64_t initrd_addr_max;
};

/* True if the file begins like a bzImage: for boot = auto. */
bool linux_probe(const struct linux_file *kernel);
/* Checks a kernel. On error `why` names the file and says what is wrong. */
enum status linux_check(const struct linux_file *kernel, struct linux_image *img, char *why, size_t why_size);

struct linux_load {
	const struct gmem *mem;
	struct linux_file kernel, initrd;
	const char *cmdline;
	uint64_t rsdp;
	struct linux_image img;
	uint64_t kernel_gpa, initrd_gpa;
	uint64_t kernel_done, initrd_done;
	bool tables_done;
	char *why;
	size_t why_size;
};

/*
 * Checks everything and decides where it goes; copies nothing. What the pointers name must stay until loading
 * has ended. rsdp is the gpa of the guest's RSDP. ERR_INVAL, ERR_NOMEM with a text in why.
 */
enum status load_linux_start(struct linux_load *l, const struct gmem *mem, const struct linux_file *kernel,
			     const struct linux_file *initrd, const char *cmdline, uint64_t rsdp, char *why,
			     size_t why_size);
/* Does the next part, at most 256 KiB of copying. ERR_AGAIN: call again. With the VM's address space loaded. */
enum status load_linux_step(struct linux_load *l);
/* The entry state of vCPU 0, after ops->vcpu_reset. */
void load_linux_set_regs(const struct linux_load *l, struct vcpu *v);
