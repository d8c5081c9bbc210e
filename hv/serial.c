/* SPDX-License-Identifier: BSD-2-Clause */
/* The host's serial line: see serial.h. */
#include "hv/serial.h"

#include "drivers/ioapic.h"
#include "drivers/pci_config.h"
#include "drivers/uart16550.h"
#include "hv/irq.h"
#include "hv/lib/lock.h"
#include "hv/lib/log.h"
#include "hv/mgmt/console.h"
#include "hv/pcpu.h"
#include "hv/timer.h"

#define SERVE_ROUNDS 16         /* of one interrupt: a UART that never falls silent is broken */
#define POLL_NS      1000000ULL /* a FIFO of 16 bytes fills in 1.4 ms at 115200 */

static struct uart16550 uart;
static struct host_config now; /* what uart was set up for */
static struct spinlock lock;   /* guards uart's transmitter and interrupt enables */
static bool polled;            /* no interrupt reaches us */
static struct timer poll_timer;

static void write_all(const uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		uart16550_putc(&uart, bytes[i]);
}

static void early_sink(const char *line, size_t len)
{
	write_all((const uint8_t *)line, len);
	write_all((const uint8_t *)"\r\n", 2);
}

/* The I/O port of the configured line, 0 if there is none. */
static uint16_t port_of(const struct host_config *h)
{
	switch (h->console) {
	case CONSOLE_COM1:
		return UART16550_COM1;
	case CONSOLE_COM2:
		return UART16550_COM2;
	case CONSOLE_PORT:
		return h->console_port;
	case CONSOLE_PCI:
		return pci_config_io_bar(h->console_pci_bdf, 0);
	}
	return 0;
}

static void open_line(const struct host_config *h)
{
	uint16_t port = port_of(h);

	now = *h;
	if (!port || uart16550_init(&uart, port, h->baud) != OK)
		uart.present = false;
}

void serial_early_init(const struct host_config *h)
{
	open_line(h);
	if (uart.present)
		log_set_sink(early_sink);
}

void serial_configure(const struct host_config *h)
{
	uint16_t before = port_of(&now);

	if (port_of(h) == before && h->baud == now.baud)
		return;
	log_info("console: going over to port 0x%x at %u baud", port_of(h), h->baud);
	open_line(h);
	if (!uart.present)
		log_error("console: no UART answers at port 0x%x", port_of(h));
}

/* Received bytes and room to send, until the UART has nothing more to say: only then can its line rise again. */
static void serve(void)
{
	uint8_t bytes[UART16550_FIFO];
	bool quiet = false;
	size_t n;

	for (unsigned i = 0; i < SERVE_ROUNDS && !quiet; i++) {
		while ((n = uart16550_read(&uart, bytes, sizeof(bytes))))
			console_input(bytes, n);
		spin_lock(&lock);
		quiet = uart16550_ack(&uart);
		spin_unlock(&lock);
	}
	console_tx_ready();
}

static void on_interrupt(void *arg)
{
	(void)arg;
	serve();
}

static void on_poll(struct timer *t)
{
	serve();
	timer_arm(t, this_pcpu()->id, time_now_ns() + POLL_NS);
}

/* The transmitter's interrupt is on while more is to come than the FIFO took. */
static size_t device_write(const uint8_t *bytes, size_t n)
{
	size_t sent;

	spin_lock(&lock);
	sent = uart16550_write(&uart, bytes, n);
	uart16550_set_interrupts(&uart, !polled, !polled && sent < n);
	spin_unlock(&lock);
	return sent;
}

static const struct console_device device = {.write = device_write, .write_polled = write_all};

const struct console_device *serial_start(void)
{
	bool com1 = uart.port == UART16550_COM1;
	uint8_t vector;
	uint32_t gsi;

	if (!uart.present)
		return NULL;
	polled = !(com1 || uart.port == UART16550_COM2) || irq_vector_alloc(&vector) != OK;
	if (!polled) {
		irq_set_handler(vector, on_interrupt, NULL);
		polled = ioapic_route_isa(com1 ? UART16550_COM1_IRQ : UART16550_COM2_IRQ, vector,
					  pcpus[0]->apic_id, &gsi) != OK ||
			 ioapic_mask(gsi, false) != OK;
	}
	if (polled) {
		log_warn("console: its interrupt can't be routed, polling");
		timer_init(&poll_timer, on_poll);
		timer_arm(&poll_timer, 0, time_now_ns() + POLL_NS);
	}
	uart16550_set_interrupts(&uart, !polled, false);
	return &device;
}
