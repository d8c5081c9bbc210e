/* SPDX-License-Identifier: BSD-2-Clause */
/* The pair of 8259A interrupt controllers: moved away from the exceptions and masked, for the I/O APICs to take over. */
#pragma once

#define PIC8259_VECTOR 0x20 /* 16 vectors: where a spurious interrupt would still come */

void pic8259_disable(void);
