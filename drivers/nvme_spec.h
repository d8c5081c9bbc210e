/* SPDX-License-Identifier: BSD-2-Clause */
/* Registers, commands and data structures of NVM Express, Base Specification 1.4. Only what the driver uses. */
#pragma once

#include <stdint.h>
#include "hv/lib/util.h"

/* "Controller Registers" */
#define NVME_CAP                    0x00 /* 64 bits */
#define NVME_CC                     0x14
#define NVME_CSTS                   0x1c
#define NVME_AQA                    0x24
#define NVME_ASQ                    0x28 /* 64 bits */
#define NVME_ACQ                    0x30 /* 64 bits */
#define NVME_DOORBELLS              0x1000

#define NVME_CAP_MQES(cap)          ((uint32_t)(cap)&0xffff) /* entries of a queue, minus 1 */
#define NVME_CAP_TO_MS(cap)         ((uint32_t)((cap) >> 24 & 0xff) * 500)
#define NVME_CAP_STRIDE(cap)        (4u << ((cap) >> 32 & 0xf)) /* bytes from a doorbell to the next */
#define NVME_CAP_CSS_NVM            BIT(37)
#define NVME_CAP_MPSMIN(cap)        ((uint32_t)((cap) >> 48 & 0xf)) /* smallest page: 4096 << this */
#define NVME_CC_EN                  BIT(0)
#define NVME_CC_IOSQES(log2)        ((uint32_t)(log2) << 16)
#define NVME_CC_IOCQES(log2)        ((uint32_t)(log2) << 20)
#define NVME_CSTS_RDY               BIT(0)
#define NVME_CSTS_CFS               BIT(1)     /* fatal: only a reset helps */
#define NVME_GONE                   UINT32_MAX /* what is read where no device is any more */

/* "Admin Command Set" */
#define NVME_ADMIN_CREATE_SQ        0x01
#define NVME_ADMIN_CREATE_CQ        0x05
#define NVME_ADMIN_IDENTIFY         0x06
#define NVME_ADMIN_SET_FEATURES     0x09
#define NVME_QUEUE_CONTIGUOUS       BIT(0)
#define NVME_QUEUE_INTERRUPT        BIT(1)
#define NVME_FEATURE_QUEUES         0x07
#define NVME_CNS_NAMESPACE          0
#define NVME_CNS_CONTROLLER         1
#define NVME_CNS_ACTIVE             2 /* namespaces, 32 bits each, 0 behind the last */

/* "NVM Command Set" */
#define NVME_FLUSH                  0x00
#define NVME_WRITE                  0x01
#define NVME_READ                   0x02
#define NVME_WRITE_ZEROES           0x08
#define NVME_DATASET_MANAGEMENT     0x09
#define NVME_CDW12_FUA              BIT(30)
#define NVME_CDW12_DEALLOCATE       BIT(25) /* of Write Zeroes */
#define NVME_CDW11_DEALLOCATE       BIT(2)  /* of Dataset Management */
#define NVME_BLOCKS_MAX             65536u  /* of one command */

/* "Identify Controller Data Structure", "Identify Namespace Data Structure": offsets in bytes */
#define NVME_IDENTIFY_SIZE          4096
#define NVME_ACTIVE_MAX             1024
#define NVME_ID_SERIAL              4
#define NVME_ID_SERIAL_SIZE         20
#define NVME_ID_MODEL               24
#define NVME_ID_MODEL_SIZE          40
#define NVME_ID_MDTS                77
#define NVME_ID_SQES                512 /* log2 of entries' sizes: smallest in bits 0-3, largest in 4-7 */
#define NVME_ID_CQES                513
#define NVME_ID_ONCS                520 /* 16 bits */
#define NVME_ONCS_DATASET           BIT(2)
#define NVME_ONCS_WRITE_ZEROES      BIT(3)
#define NVME_ID_VWC                 525
#define NVME_VWC_PRESENT            BIT(0)

#define NVME_NS_SIZE                0 /* 64 bits, in blocks */
#define NVME_NS_FEATURES            24
#define NVME_NSFEAT_OPTPERF         BIT(4) /* NPWG and its like count */
#define NVME_NS_FORMAT              26
#define NVME_NS_PROTECTION          29
#define NVME_NS_DLFEAT              33
#define NVME_DLFEAT_READS_ZEROES(x) (((x)&7) == 1) /* deallocated blocks do */
#define NVME_DLFEAT_WRITE_ZEROES    BIT(3)         /* takes NVME_CDW12_DEALLOCATE */
#define NVME_NS_NPWG                64 /* 16 bits: blocks that are best written together, minus 1 */
#define NVME_NS_ATTRIBUTES          99
#define NVME_NSATTR_PROTECTED       BIT(0)
#define NVME_NS_FORMATS             128 /* 32 bits each: metadata in bits 0-15, log2 of a block in 16-23 */

/* "Submission Queue Entry - Command Format" */
struct nvme_command {
	uint8_t opcode, flags;
	uint16_t id;
	uint32_t nsid;
	uint64_t reserved, metadata;
	uint64_t prp1, prp2;
	uint32_t cdw10, cdw11, cdw12, cdw13, cdw14, cdw15;
};
static_assert(sizeof(struct nvme_command) == 64, "a submission queue entry");
#define NVME_SQES 6

/* "Completion Queue Entry" */
struct nvme_completion {
	uint32_t result, reserved;
	uint16_t sq_head, sq_id;
	uint16_t id;
	uint16_t status; /* bit 0: the phase */
};
static_assert(sizeof(struct nvme_completion) == 16, "a completion queue entry");
#define NVME_CQES                4

/* "Status Field Definition", without the phase: status code in bits 0-7, its type in 8-10 */
#define NVME_STATUS_CODE(status) ((status)&0x7ff)
#define NVME_SC_INVALID_OPCODE   0x001

/* "Dataset Management Range Definition" */
struct nvme_range {
	uint32_t attributes, blocks;
	uint64_t start;
};
