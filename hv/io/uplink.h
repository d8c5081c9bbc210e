/* SPDX-License-Identifier: BSD-2-Clause */
/* The port by which a switch reaches the outside: a network card of the host. */
#pragma once

#include "hv/io/nic.h"
#include "hv/io/switch.h"
#include "hv/lib/status.h"

/* Makes nic an uplink of sw, for good, and starts it. ERR_NOMEM. Boot CPU, before guests start. */
enum status uplink_connect(struct net_switch *sw, struct nic *nic);
/* The card behind a port; NULL: it is not an uplink. */
const struct nic *uplink_nic(const struct switch_port *port);
