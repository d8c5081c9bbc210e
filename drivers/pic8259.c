/* SPDX-License-Identifier: BSD-2-Clause */
/* 8259A data sheet, "Initialization Command Words". */
#include "drivers/pic8259.h"
#include "hv/x86/insn.h"

#define MASTER_COMMAND  0x20
#define MASTER_DATA     0x21
#define SLAVE_COMMAND   0xa0
#define SLAVE_DATA      0xa1

#define ICW1_INIT_ICW4  0x11
#define ICW3_MASTER_IR2 0x04 /* the slave is on input 2 */
#define ICW3_SLAVE_ID   0x02
#define ICW4_8086       0x01
#define MASK_ALL        0xff

void pic8259_disable(void)
{
	out8(MASTER_COMMAND, ICW1_INIT_ICW4);
	out8(SLAVE_COMMAND, ICW1_INIT_ICW4);
	out8(MASTER_DATA, PIC8259_VECTOR);
	out8(SLAVE_DATA, PIC8259_VECTOR + 8);
	out8(MASTER_DATA, ICW3_MASTER_IR2);
	out8(SLAVE_DATA, ICW3_SLAVE_ID);
	out8(MASTER_DATA, ICW4_8086);
	out8(SLAVE_DATA, ICW4_8086);
	out8(MASTER_DATA, MASK_ALL);
	out8(SLAVE_DATA, MASK_ALL);
}
