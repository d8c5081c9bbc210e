/* SPDX-License-Identifier: BSD-2-Clause */
/* What sections of the configuration say about each other: references, and what two of them can't both have. */
#pragma once

#include "hv/config_report.h"

/* After all lines: finds what guests refer to, derives MAC addresses, reports what doesn't fit together. */
void config_link(struct config_report *r);
/* Reports the files that are not there: see config_check_files. */
void config_link_files(struct config_report *r, config_exists_fn exists, void *arg);
