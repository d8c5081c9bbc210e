/* SPDX-License-Identifier: BSD-2-Clause */
/* Which of VMRUN's checks a VMCB fails. */
#pragma once

#include "svm/vmcb.h"

/* The first that fails, as a text that names the field; NULL: none. Pure. */
const char *svm_check_guest(const struct vmcb *b);
