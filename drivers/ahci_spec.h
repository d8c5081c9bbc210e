/* SPDX-License-Identifier: BSD-2-Clause */
/* Registers and structures of Serial ATA AHCI 1.3.1, and the ATA commands (ATA8-ACS) that go through them. Only what the driver uses. */
#pragma once

#include <stdint.h>
#include "hv/lib/util.h"

#define AHCI_PORTS        32
#define AHCI_GONE         UINT32_MAX /* what is read where no device is any more */

/* "Generic Host Control" */
#define AHCI_CAP          0x00
#define AHCI_GHC          0x04
#define AHCI_IS           0x08 /* a bit of each port; written 1 to clear */
#define AHCI_PI           0x0c
#define AHCI_CAP2         0x24
#define AHCI_BOHC         0x28
#define AHCI_CAP_SLOTS(c) (((c) >> 8 & 0x1f) + 1)
#define AHCI_CAP_64       BIT(31)
#define AHCI_GHC_IE       BIT(1)
#define AHCI_GHC_AE       BIT(31)
#define AHCI_CAP2_BOH     BIT(0)
#define AHCI_BOHC_BOS     BIT(0) /* the firmware owns it */
#define AHCI_BOHC_OOS     BIT(1) /* the system wants it */

/* "Port Registers" */
#define AHCI_PORT(n)      (0x100u + 0x80u * (n))
#define AHCI_PORT_SIZE    0x80u

enum ahci_register {
	AHCI_CLB = 0x00, /* 64 bits, as FB */
	AHCI_FB = 0x08,
	AHCI_PXIS = 0x10, /* written 1 to clear, as SERR */
	AHCI_IE = 0x14,
	AHCI_CMD = 0x18,
	AHCI_TFD = 0x20,
	AHCI_SIG = 0x24,
	AHCI_SSTS = 0x28,
	AHCI_SCTL = 0x2c,
	AHCI_SERR = 0x30,
	AHCI_CI = 0x38, /* written 1 to set */
};

#define AHCI_CMD_ST         BIT(0)
#define AHCI_CMD_SUD        BIT(1)
#define AHCI_CMD_POD        BIT(2)
#define AHCI_CMD_FRE        BIT(4)
#define AHCI_CMD_CCS(cmd)   ((cmd) >> 8 & 0x1f) /* the slot that is, or was, worked on */
#define AHCI_CMD_FR         BIT(14)
#define AHCI_CMD_CR         BIT(15)
#define AHCI_CMD_ICC        BITS(31, 28)
#define AHCI_IS_DHRS        BIT(0)
#define AHCI_IS_PRCS        BIT(22)             /* the link came or went: shows AHCI_SERR_N */
#define AHCI_IS_IFS         BIT(27)             /* the wire */
#define AHCI_IS_HOST        (BIT(28) | BIT(29)) /* HBDS, HBFS: memory */
#define AHCI_IS_TFES        BIT(30)             /* the disk reports an error */
#define AHCI_IS_ERRORS      (AHCI_IS_IFS | AHCI_IS_HOST | AHCI_IS_TFES) /* each stops the port */
#define AHCI_TFD_DRQ        BIT(3)
#define AHCI_TFD_BSY        BIT(7)
#define AHCI_TFD_ICRC       BIT(15)
#define AHCI_SERR_N         BIT(16)
#define AHCI_SIG_DISK       0x00000101u
#define AHCI_SIG_ATAPI      0xeb140101u
#define AHCI_SIG_ENCLOSURE  0xc33c0101u
#define AHCI_SIG_MULTIPLIER 0x96690101u
#define AHCI_SSTS_DET       0xfu
#define AHCI_DET_NONE       0u
#define AHCI_DET_READY      3u
#define AHCI_SCTL_COMRESET  1u /* with no limit of speed, and no power management */
#define AHCI_SCTL_NO_PM     0x300u

/* "Command List Structure" */
struct ahci_header {
	uint16_t flags; /* length of the FIS in 32-bit words, and AHCI_HEADER_... */
	uint16_t prds;
	uint32_t transferred; /* bytes; the controller counts here */
	uint64_t table;
	uint32_t reserved[4];
};
static_assert(sizeof(struct ahci_header) == 32, "a command header");
#define AHCI_HEADER_FIS   (sizeof(struct ahci_fis) / 4)
#define AHCI_HEADER_WRITE BIT(6)

/* "Register - Host to Device" of the Serial ATA specification; fields of two bytes are apart as ATA's registers were. */
struct ahci_fis {
	uint8_t type, flags, command, features;
	uint8_t lba0, lba1, lba2, device;
	uint8_t lba3, lba4, lba5, features_high;
	uint8_t count, count_high, icc, control;
	uint32_t auxiliary;
};
static_assert(sizeof(struct ahci_fis) == 20, "a register FIS");
#define AHCI_FIS_H2D     0x27
#define AHCI_FIS_COMMAND 0x80
#define AHCI_DEVICE_LBA  0x40

struct ahci_prd {
	uint64_t address;
	uint32_t reserved;
	uint32_t count; /* bytes, minus 1; even, at most 4 MiB */
};

/* One range of TRIM is a number of 64 bits. */
#define AHCI_TRIM_RANGES      64
#define AHCI_TRIM_RANGE(a, n) ((uint64_t)(n) << 48 | (a))
#define AHCI_TRIM_RANGE_MAX   65535u /* blocks */

/* "Command Table", with as many descriptors as leave room for the ranges of TRIM in the same page. */
#define AHCI_PRDS             216
struct ahci_table {
	struct ahci_fis fis;
	uint8_t rest[0x80 - sizeof(struct ahci_fis)];
	struct ahci_prd prd[AHCI_PRDS];
	uint64_t trim[AHCI_TRIM_RANGES];
};
static_assert(sizeof(struct ahci_table) == PAGE_SIZE, "a table is a page");

#define AHCI_FIS_AREA     256
#define AHCI_TRANSFER_MAX MIB(1)

enum ahci_ata {
	AHCI_ATA_DATASET_MANAGEMENT = 0x06,
	AHCI_ATA_READ_DMA_EXT = 0x25,
	AHCI_ATA_WRITE_DMA_EXT = 0x35,
	AHCI_ATA_WRITE_DMA_FUA_EXT = 0x3d,
	AHCI_ATA_FLUSH_CACHE_EXT = 0xea,
	AHCI_ATA_IDENTIFY = 0xec,
};
#define AHCI_FEATURE_TRIM 1
