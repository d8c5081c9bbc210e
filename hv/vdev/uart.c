/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The 16550A on COM1. Register and bit names are the PC16550D data sheet's. Characters have no errors here
 * but overruns in loopback; the transmitter takes no time, the receiver's character timeout does.
 */
#include "hv/vdev/uart.h"
#include "hv/lib/util.h"
#include "hv/mgmt/console.h"
#include "hv/vdev/guest_console.h"
#include "hv/vm.h"

enum uart_reg { RBR_THR, IER, IIR_FCR, LCR, MCR, LSR, MSR, SCR, UART_REGS };

#define IER_RDI       BIT(0) /* received data */
#define IER_THRI      BIT(1) /* transmitter holding register empty */
#define IER_RLSI      BIT(2) /* receiver line status */
#define IER_MSI       BIT(3) /* modem status */
#define IER_BITS      0x0f

#define IIR_NONE      0x01
#define IIR_MSI       0x00
#define IIR_THRI      0x02
#define IIR_RDI       0x04
#define IIR_RLSI      0x06
#define IIR_TIME      0x0c
#define IIR_FIFOS     0xc0

#define FCR_ENABLE    BIT(0)
#define FCR_CLEAR_RX  BIT(1)
#define FCR_CLEAR_TX  BIT(2)
#define FCR_TRIGGER   6 /* shift */

#define LCR_WLS       0x03
#define LCR_STB       BIT(2)
#define LCR_PEN       BIT(3)
#define LCR_DLAB      BIT(7)
#define LCR_8N1       0x03

#define MCR_DTR       BIT(0)
#define MCR_RTS       BIT(1)
#define MCR_OUT1      BIT(2)
#define MCR_OUT2      BIT(3)
#define MCR_LOOP      BIT(4)
#define MCR_BITS      0x1f

#define LSR_DR        BIT(0)
#define LSR_OE        BIT(1)
#define LSR_THRE      BIT(5)
#define LSR_TEMT      BIT(6)

#define MSR_DCTS      BIT(0)
#define MSR_DDSR      BIT(1)
#define MSR_TERI      BIT(2)
#define MSR_DDCD      BIT(3)
#define MSR_CTS       BIT(4)
#define MSR_DSR       BIT(5)
#define MSR_RI        BIT(6)
#define MSR_DCD       BIT(7)

#define CLOCK_HZ      1843200ULL
#define CLOCKS_A_BIT  16
#define TIMEOUT_CHARS 4
#define NEVER         UINT64_MAX

static bool fifo_on(const struct vuart *u)
{
	return u->fcr & FCR_ENABLE;
}

static unsigned rx_capacity(const struct vuart *u)
{
	return fifo_on(u) ? UART_FIFO_SIZE : 1;
}

static unsigned rx_trigger(const struct vuart *u)
{
	static const uint8_t level[] = {1, 4, 8, 14};

	return fifo_on(u) ? level[u->fcr >> FCR_TRIGGER] : 1;
}

static uint64_t char_ns(const struct vuart *u)
{
	uint64_t bits = 1 + 5 + (u->lcr & LCR_WLS) + (u->lcr & LCR_PEN ? 1 : 0) + (u->lcr & LCR_STB ? 2 : 1);
	uint64_t divisor = u->divisor ? u->divisor : 1;

	return vdev_scale(bits * divisor * CLOCKS_A_BIT, NS_PER_S, CLOCK_HZ);
}

/* The modem's lines: all there, or in loopback the UART's own outputs. */
static uint8_t modem_lines(const struct vuart *u)
{
	uint8_t msr = 0;

	if (!(u->mcr & MCR_LOOP))
		return MSR_CTS | MSR_DSR | MSR_DCD;
	if (u->mcr & MCR_RTS)
		msr |= MSR_CTS;
	if (u->mcr & MCR_DTR)
		msr |= MSR_DSR;
	if (u->mcr & MCR_OUT1)
		msr |= MSR_RI;
	if (u->mcr & MCR_OUT2)
		msr |= MSR_DCD;
	return msr;
}

/* The pending interrupt of the highest priority, as IIR bits 3-0. */
static uint8_t interrupt_id(const struct vuart *u)
{
	if ((u->ier & IER_RLSI) && u->errors)
		return IIR_RLSI;
	if ((u->ier & IER_RDI) && u->rx_count >= rx_trigger(u))
		return IIR_RDI;
	if ((u->ier & IER_RDI) && u->rx_timeout)
		return IIR_TIME;
	if ((u->ier & IER_THRI) && u->thre_pending)
		return IIR_THRI;
	if ((u->ier & IER_MSI) && u->msr_delta)
		return IIR_MSI;
	return IIR_NONE;
}

/*
 * Drives the interrupt line, which a PC gates with OUT2; in loopback that output is inactive. Not while the VM is
 * stopped: the console reaches the UART then too, and the vCPUs may be gone.
 */
static void update_irq(struct vuart *u)
{
	bool level = interrupt_id(u) != IIR_NONE && (u->mcr & (MCR_OUT2 | MCR_LOOP)) == MCR_OUT2;

	if (level == u->irq || u->dev.stopped)
		return;
	u->irq = level;
	vm_irq_set(u->dev.vm, PLATFORM_GSI_COM1, level);
}

/* A character came or was read: the timeout counts anew while some are left. */
static void restart_timeout(struct vuart *u)
{
	u->rx_timeout = false;
	u->rx_due_ns = NEVER;
	if (!fifo_on(u) || !(u->ier & IER_RDI) || u->rx_count == 0 || u->rx_count >= rx_trigger(u))
		return;
	u->rx_due_ns = vm_time_ns(u->dev.vm) + TIMEOUT_CHARS * char_ns(u);
	vdev_timer_arm(&u->dev, &u->timer, u->rx_due_ns);
}

static void timer_fired(struct timer *t)
{
	struct vuart *u = container_of(t, struct vuart, timer);

	spin_lock(&u->dev.lock);
	if (u->rx_due_ns != NEVER && vm_time_ns(u->dev.vm) >= u->rx_due_ns) {
		u->rx_due_ns = NEVER;
		u->rx_timeout = true;
		update_irq(u);
	} else if (u->rx_due_ns != NEVER) {
		vdev_timer_arm(&u->dev, t, u->rx_due_ns);
	}
	spin_unlock(&u->dev.lock);
}

static void rx_clear(struct vuart *u)
{
	u->rx_head = u->rx_count = 0;
	restart_timeout(u);
	if (u->rx_refused) {
		u->rx_refused = false;
		console_guest_input_ready(u->dev.vm);
	}
}

static void rx_put(struct vuart *u, uint8_t byte)
{
	u->rx[(u->rx_head + u->rx_count) % UART_FIFO_SIZE] = byte;
	u->rx_count++;
}

static uint8_t read_rbr(struct vuart *u)
{
	uint8_t byte = u->rx[u->rx_head];

	if (u->rx_count == 0)
		return 0;
	u->rx_head = (u->rx_head + 1) % UART_FIFO_SIZE;
	u->rx_count--;
	restart_timeout(u);
	if (u->rx_count == 0 && u->rx_refused) {
		u->rx_refused = false;
		console_guest_input_ready(u->dev.vm);
	}
	update_irq(u);
	return byte;
}

/* The transmitter's end is the receiver's. */
static void loop_back(struct vuart *u, uint8_t byte)
{
	if (u->rx_count < rx_capacity(u)) {
		rx_put(u, byte);
	} else {
		u->errors |= LSR_OE;
		if (!fifo_on(u))
			u->rx[u->rx_head] = byte; /* the receiver buffer is overwritten, a full FIFO isn't */
	}
	restart_timeout(u);
}

static void write_thr(struct vuart *u, uint8_t byte)
{
	struct vm *vm = u->dev.vm;

	if (u->mcr & MCR_LOOP) {
		loop_back(u, byte);
		u->thre_pending = true;
		return;
	}
	guest_console_output(vm, GUEST_COM1, &byte, 1);
	u->tx_held = !console_guest_ready(vm);
	u->thre_pending = !u->tx_held;
}

static void write_ier(struct vuart *u, uint8_t value)
{
	uint8_t rising = value & ~u->ier;

	u->ier = value & IER_BITS;
	/* Enabling it while THR is empty requests an interrupt. */
	if ((rising & IER_THRI) && !u->tx_held)
		u->thre_pending = true;
	if (rising & IER_RDI)
		restart_timeout(u);
}

static void write_fcr(struct vuart *u, uint8_t value)
{
	bool changed = (value ^ u->fcr) & FCR_ENABLE;

	if (!(value & FCR_ENABLE))
		value = 0; /* the other bits are only taken together with bit 0 */
	u->fcr = value & ~(FCR_CLEAR_RX | FCR_CLEAR_TX);
	if (changed || (value & FCR_CLEAR_RX))
		rx_clear(u);
	else
		restart_timeout(u); /* the trigger level may have changed */
}

static void write_mcr(struct vuart *u, uint8_t value)
{
	uint8_t before = modem_lines(u), change;

	u->mcr = value & MCR_BITS;
	change = before ^ modem_lines(u);
	if (change & MSR_CTS)
		u->msr_delta |= MSR_DCTS;
	if (change & MSR_DSR)
		u->msr_delta |= MSR_DDSR;
	if (change & before & MSR_RI) /* the trailing edge */
		u->msr_delta |= MSR_TERI;
	if (change & MSR_DCD)
		u->msr_delta |= MSR_DDCD;
	if (!(u->mcr & MCR_LOOP) && u->rx_refused && u->rx_count == 0) {
		u->rx_refused = false;
		console_guest_input_ready(u->dev.vm);
	}
}

static void reg_write(struct vuart *u, enum uart_reg reg, uint8_t value)
{
	bool dlab = u->lcr & LCR_DLAB;

	switch (reg) {
	case RBR_THR:
		if (dlab)
			u->divisor = (u->divisor & 0xff00) | value;
		else
			write_thr(u, value);
		break;
	case IER:
		if (dlab)
			u->divisor = (uint16_t)((u->divisor & 0xff) | value << 8);
		else
			write_ier(u, value);
		break;
	case IIR_FCR:
		write_fcr(u, value);
		break;
	case LCR:
		u->lcr = value;
		break;
	case MCR:
		write_mcr(u, value);
		break;
	case SCR:
		u->scr = value;
		break;
	default: /* LSR and MSR: for factory testing only */
		break;
	}
}

/* What reading LSR changes: overruns are forgotten, and the transmitter notices that the console has room. */
[[gnu::noinline]] static void lsr_was_read(struct vuart *u)
{
	u->errors = 0;
	if (u->tx_held && console_guest_ready(u->dev.vm)) {
		u->tx_held = false;
		u->thre_pending = true;
	}
	update_irq(u);
}

static uint8_t read_lsr(struct vuart *u)
{
	uint8_t lsr = u->errors | (u->rx_count ? LSR_DR : 0);

	if (u->errors || u->tx_held)
		lsr_was_read(u);
	return u->tx_held ? lsr : lsr | LSR_THRE | LSR_TEMT;
}

static uint8_t read_iir(struct vuart *u)
{
	uint8_t id = interrupt_id(u);

	if (id == IIR_THRI) {
		u->thre_pending = false;
		update_irq(u);
	}
	return fifo_on(u) ? id | IIR_FIFOS : id;
}

static uint8_t read_msr(struct vuart *u)
{
	uint8_t msr = modem_lines(u) | u->msr_delta;

	u->msr_delta = 0;
	update_irq(u);
	return msr;
}

/* A register whose reading changes something drives the line itself. */
static uint8_t reg_read(struct vuart *u, enum uart_reg reg)
{
	bool dlab = u->lcr & LCR_DLAB;

	switch (reg) {
	case RBR_THR:
		return dlab ? (uint8_t)u->divisor : read_rbr(u);
	case IER:
		return dlab ? (uint8_t)(u->divisor >> 8) : u->ier;
	case IIR_FCR:
		return read_iir(u);
	case LCR:
		return u->lcr;
	case MCR:
		return u->mcr;
	case LSR:
		return read_lsr(u);
	case MSR:
		return read_msr(u);
	default:
		return u->scr;
	}
}

static uint64_t uart_read(struct vdev *d, struct vcpu *v, uint64_t port, unsigned size);

/* Byte by byte, as a PC's bridge does it. */
[[gnu::noinline]] static uint64_t read_wide(struct vdev *d, struct vcpu *v, uint64_t port, unsigned size)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < size; i++)
		value |= uart_read(d, v, port + i, 1) << (8 * i);
	return value;
}

static uint64_t uart_read(struct vdev *d, struct vcpu *v, uint64_t port, unsigned size)
{
	struct vuart *u = container_of(d, struct vuart, dev);
	uint8_t value;

	if (size > 1)
		return read_wide(d, v, port, size);
	spin_lock(&d->lock);
	value = reg_read(u, (enum uart_reg)(port - PLATFORM_COM1_PORT));
	spin_unlock(&d->lock);
	return value;
}

static void uart_write(struct vdev *d, struct vcpu *v, uint64_t port, unsigned size, uint64_t value)
{
	struct vuart *u = container_of(d, struct vuart, dev);

	(void)v;
	spin_lock(&d->lock);
	for (unsigned i = 0; i < size; i++)
		reg_write(u, (enum uart_reg)(port + i - PLATFORM_COM1_PORT), (uint8_t)(value >> (8 * i)));
	update_irq(u);
	spin_unlock(&d->lock);
}

size_t vuart_input(struct vm *vm, const uint8_t *bytes, size_t n)
{
	struct vuart *u = &vm->uart;
	size_t taken = 0;

	spin_lock(&u->dev.lock);
	/* In loopback the input pin is disconnected. */
	while (taken < n && u->rx_count < rx_capacity(u) && !(u->mcr & MCR_LOOP))
		rx_put(u, bytes[taken++]);
	if (taken) {
		restart_timeout(u);
		update_irq(u);
	}
	u->rx_refused = taken < n;
	spin_unlock(&u->dev.lock);
	return taken;
}

void vuart_output_ready(struct vm *vm)
{
	struct vuart *u = &vm->uart;

	spin_lock(&u->dev.lock);
	if (u->tx_held) {
		u->tx_held = false;
		u->thre_pending = true;
		update_irq(u);
	}
	spin_unlock(&u->dev.lock);
}

enum status vuart_init(struct vm *vm)
{
	struct vuart *u = &vm->uart;

	vdev_init(&u->dev, vm, "uart");
	timer_init(&u->timer, timer_fired);
	if (!vm->cfg->com1_console)
		return OK;
	return io_bus_add(&vm->ports, PLATFORM_COM1_PORT, UART_REGS, &u->dev, uart_read, uart_write);
}

/* "Master Reset" of the data sheet, then 115200 8N1 as firmware leaves it. */
void vuart_reset(struct vm *vm)
{
	struct vuart *u = &vm->uart;

	spin_lock(&u->dev.lock);
	u->ier = u->fcr = u->mcr = u->scr = 0;
	u->errors = u->msr_delta = 0;
	u->lcr = LCR_8N1;
	u->divisor = 1;
	u->thre_pending = u->tx_held = u->irq = false;
	rx_clear(u);
	spin_unlock(&u->dev.lock);
}

void vuart_pause(struct vm *vm)
{
	vdev_stop(&vm->uart.dev, &vm->uart.timer);
}

void vuart_resume(struct vm *vm)
{
	struct vuart *u = &vm->uart;

	spin_lock(&u->dev.lock);
	u->dev.stopped = false;
	if (u->rx_due_ns != NEVER)
		vdev_timer_arm(&u->dev, &u->timer, u->rx_due_ns);
	update_irq(u);
	spin_unlock(&u->dev.lock);
}
