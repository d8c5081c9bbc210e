/* SPDX-License-Identifier: BSD-2-Clause */
/* Bits of RFLAGS (SDM Vol. 1, "EFLAGS Register"). */
#pragma once

#define RFLAGS_CF       (1UL << 0)
#define RFLAGS_FIXED    (1UL << 1) /* always 1 */
#define RFLAGS_PF       (1UL << 2)
#define RFLAGS_AF       (1UL << 4)
#define RFLAGS_ZF       (1UL << 6)
#define RFLAGS_SF       (1UL << 7)
#define RFLAGS_TF       (1UL << 8)
#define RFLAGS_IF       (1UL << 9)
#define RFLAGS_DF       (1UL << 10)
#define RFLAGS_OF       (1UL << 11)
#define RFLAGS_IOPL     (3UL << 12)
#define RFLAGS_NT       (1UL << 14)
#define RFLAGS_RF       (1UL << 16)
#define RFLAGS_VM       (1UL << 17)
#define RFLAGS_AC       (1UL << 18)
#define RFLAGS_VIF      (1UL << 19)
#define RFLAGS_VIP      (1UL << 20)
#define RFLAGS_ID       (1UL << 21)

#define RFLAGS_STATUS   (RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_OF)
#define RFLAGS_RESERVED (~0x3f7fd7UL) /* bits that are neither flags nor the fixed bit 1; all must be 0 */
