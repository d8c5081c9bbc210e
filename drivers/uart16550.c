/* SPDX-License-Identifier: BSD-2-Clause */
/* 16550 UART: register access. */
#include "drivers/uart16550.h"
#include "hv/x86/insn.h"

/* Registers, as offsets from the port. With LCR.DLAB the first two are the divisor. */
enum {
	REG_DATA = 0, /* RBR, THR, DLL */
	REG_IER = 1,  /* and DLM */
	REG_IIR = 2,  /* read */
	REG_FCR = 2,  /* write */
	REG_LCR = 3,
	REG_MCR = 4,
	REG_LSR = 5,
	REG_SCR = 7,
};

#define IER_RECEIVE  (1u << 0)
#define IER_TRANSMIT (1u << 1)
#define IIR_NONE     (1u << 0)
#define FCR_ENABLE   (1u << 0)
#define FCR_CLEAR_RX (1u << 1)
#define FCR_CLEAR_TX (1u << 2)
#define LCR_8N1      3u
#define LCR_DLAB     (1u << 7)
#define MCR_DTR      (1u << 0)
#define MCR_RTS      (1u << 1)
#define MCR_OUT2     (1u << 3) /* on a PC, connects the interrupt line */
#define LSR_DATA     (1u << 0)
#define LSR_THRE     (1u << 5)

#define BAUD_BASE    115200u
#define BAUD_MIN     50u
#define POLL_LIMIT   200000 /* reads of LSR, a microsecond or so each; a byte at 50 baud takes 200 ms */

static uint8_t reg_read(const struct uart16550 *u, unsigned reg)
{
	return in8((uint16_t)(u->port + reg));
}

static void reg_write(const struct uart16550 *u, unsigned reg, uint32_t v)
{
	out8((uint16_t)(u->port + reg), (uint8_t)v);
}

static bool scratch_holds(const struct uart16550 *u, uint8_t v)
{
	reg_write(u, REG_SCR, v);
	return reg_read(u, REG_SCR) == v;
}

enum status uart16550_init(struct uart16550 *u, uint16_t port, uint32_t baud)
{
	uint32_t divisor;

	*u = (struct uart16550){.port = port};
	if (baud < BAUD_MIN || baud > BAUD_BASE)
		return ERR_INVAL;
	if (!scratch_holds(u, 0x5a) || !scratch_holds(u, 0xa5))
		return ERR_NOENT;
	divisor = (BAUD_BASE + baud / 2) / baud;
	reg_write(u, REG_IER, 0);
	reg_write(u, REG_LCR, LCR_8N1 | LCR_DLAB);
	reg_write(u, REG_DATA, divisor & 0xff);
	reg_write(u, REG_IER, divisor >> 8);
	reg_write(u, REG_LCR, LCR_8N1);
	/* An interrupt at the first byte: the FIFO's length is then the time that interrupts may be held off. */
	reg_write(u, REG_FCR, FCR_ENABLE | FCR_CLEAR_RX | FCR_CLEAR_TX);
	reg_write(u, REG_MCR, MCR_DTR | MCR_RTS | MCR_OUT2);
	u->present = true;
	return OK;
}

void uart16550_putc(struct uart16550 *u, uint8_t c)
{
	if (!u->present)
		return;
	for (int i = 0; i < POLL_LIMIT; i++) {
		if (reg_read(u, REG_LSR) & LSR_THRE) {
			reg_write(u, REG_DATA, c);
			return;
		}
		__builtin_ia32_pause();
	}
}

size_t uart16550_write(struct uart16550 *u, const uint8_t *bytes, size_t n)
{
	size_t count = n < UART16550_FIFO ? n : UART16550_FIFO;

	if (!u->present || !(reg_read(u, REG_LSR) & LSR_THRE))
		return 0;
	for (size_t i = 0; i < count; i++)
		reg_write(u, REG_DATA, bytes[i]);
	return count;
}

size_t uart16550_read(struct uart16550 *u, uint8_t *bytes, size_t max)
{
	size_t n = 0;

	if (!u->present)
		return 0;
	while (n < max && (reg_read(u, REG_LSR) & LSR_DATA))
		bytes[n++] = reg_read(u, REG_DATA);
	return n;
}

void uart16550_set_interrupts(struct uart16550 *u, bool receive, bool transmit)
{
	uint8_t ier = (uint8_t)((receive ? IER_RECEIVE : 0) | (transmit ? IER_TRANSMIT : 0));

	if (!u->present || ier == u->ier)
		return;
	u->ier = ier;
	reg_write(u, REG_IER, ier);
}

bool uart16550_ack(struct uart16550 *u)
{
	return !u->present || (reg_read(u, REG_IIR) & IIR_NONE);
}
