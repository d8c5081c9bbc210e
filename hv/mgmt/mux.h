/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What stands on the serial line, and in which order: hypervisor lines, the output of commands, guests'
 * lines, the prompt; or one guest alone, while an operator is attached. Pure: no locks, no devices, no VMs; the caller
 * (hv/mgmt/console.c) serializes all calls, and moves the staged bytes to the device.
 *
 * A guest's bytes are always kept in its ring. `shown` follows `out.head` as the line takes them; while the guest
 * is muted, or another is attached, they count as shown at once, and the ring's copy is for `vm log`.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "hv/mgmt/byte_ring.h"
#include "hv/mgmt/guest_text.h"
#include "hv/mgmt/line_edit.h"

#define MUX_GUEST_MAX      32
#define MUX_RING_SIZE      65536 /* a guest's output that is kept */
#define MUX_INPUT_SIZE     8192  /* a guest's input that it has not taken yet */
#define MUX_TYPED_SIZE     16384 /* the operator's input before it is sorted */
#define MUX_LINES_SIZE     16384 /* hypervisor lines that wait for the line */
#define MUX_STAGE_SIZE     4096  /* bytes on their way to the device */
#define MUX_HOLD           16384 /* bytes that a displayed guest may be ahead of the line */
#define MUX_REPLAY         4096  /* bytes of recent output that an operator sees at first */

#define MUX_PARTIAL_NS     200000000ULL  /* an unfinished line is shown after so long a silence */
#define MUX_PARTIAL_MAX_NS 1000000000ULL /* and at the latest so long after its first byte */

#define MUX_PROMPT_NS      300000000ULL /* under a flood of lines, the prompt is shown so often */
#define MUX_QUIET_NS       50000000ULL  /* else when no line has come for so long */

#define MUX_NOBODY         (-1)

struct mux_guest {
	const char *name;
	bool muted;
	bool held;       /* was told to hold back */
	bool ended;      /* while attached: leave when all is shown */
	bool partial;    /* an unfinished line waits for its time */
	bool continued;  /* what was shown last had no end: a newline now adds nothing */
	bool input_full; /* took less than it was offered: wait until it says that there is room */
	uint64_t partial_first_ns, partial_last_ns, partial_head;
	uint64_t shown; /* position in out */
	uint64_t lines; /* that it has written, ever */
	uint64_t lines_at_attach;
	struct byte_ring out; /* tail is not used: the ring overwrites */
	struct byte_ring in;
	struct guest_text text;
	uint8_t out_buf[MUX_RING_SIZE];
	uint8_t in_buf[MUX_INPUT_SIZE];
};

struct mux {
	uint8_t escape;
	struct mux_guest *guest[MUX_GUEST_MAX];
	int attached;      /* index, or MUX_NOBODY */
	bool escape_hit;   /* it came while `typed` was full */
	uint64_t searched; /* position in typed: there is no escape key before it */
	bool midline;      /* attached: the guest's last byte was not a newline */

	struct byte_ring typed, lines, command;
	uint64_t lines_lost;
	bool command_cut; /* a command wrote more than fits */

	struct byte_ring stage;
	uint32_t turn; /* whose line is next: 0 the hypervisor, n + 1 guest n */

	struct line_edit edit;
	bool prompt_on;      /* there is a prompt at all */
	bool prompt_busy;    /* a command is running: no prompt before its end */
	bool prompt_shown;   /* it stands on the terminal's current line */
	bool prompt_dirty;   /* what stands there is not what was typed */
	bool prompt_plain;   /* what stands there is the beginning of the line, and the cursor behind it */
	uint32_t prompt_len; /* then: how much of it */
	uint64_t prompt_hidden_ns, last_line_ns;

	uint8_t typed_buf[MUX_TYPED_SIZE];
	uint8_t lines_buf[MUX_LINES_SIZE];
	uint8_t stage_buf[MUX_STAGE_SIZE];
};

/* command_buf: where the output of commands waits; size is a power of two. */
void mux_init(struct mux *m, uint8_t escape, void *command_buf, size_t size);
/* Makes g, zeroed, guest number n. name stays valid. */
void mux_add_guest(struct mux *m, unsigned n, struct mux_guest *g, const char *name);

/* Producers. True: mux_compose has something new to do. */
bool mux_guest_put(struct mux *m, unsigned n, uint8_t byte);
bool mux_host_line(struct mux *m, const char *line, size_t len);
/* Output of a command; lines end with '\n'. What doesn't fit is cut, and said so at the end. */
void mux_command_write(struct mux *m, const char *text, size_t len);

/* False: guest n is displayed and too far ahead of the line. */
bool mux_guest_ready(struct mux *m, unsigned n);
/* True, once, when guest n was told to hold back and need not any longer. */
bool mux_guest_release(struct mux *m, unsigned n);

/* The operator's bytes: kept until they are sorted. */
void mux_type(struct mux *m, const uint8_t *bytes, size_t n);
/* Sorts: to the attached guest's queue, and watches for the escape key. */
void mux_route(struct mux *m);
/* The next byte for the prompt. False: there is none, or a guest is attached. */
bool mux_take_key(struct mux *m, uint8_t *key);

void mux_attach(struct mux *m, unsigned n);
/* Guest n has ended: its queue is dropped, an operator comes back as soon as its last words are shown. */
void mux_guest_ended(struct mux *m, unsigned n);
void mux_set_muted(struct mux *m, unsigned n, bool muted);
/* Position of the oldest byte of guest n's output that is still kept. */
uint64_t mux_log_start(const struct mux_guest *g);

/* The prompt has changed as the editor said. */
void mux_prompt_changed(struct mux *m, enum edit_result how);

/*
 * Puts what is due into m->stage, bounded. Returns when it has to be called again by the clock, UINT64_MAX: only
 * when something happens.
 */
uint64_t mux_compose(struct mux *m, uint64_t now_ns);
/* For mux_compose: the attached guest is left. `why` completes "NAME ...". */
void mux_leave(struct mux *m, const char *why);
