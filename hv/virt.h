/* SPDX-License-Identifier: BSD-2-Clause */
/* Which back end this machine has, and whether guests can run at all. */
#pragma once

struct pcpu;

/* Boot CPU: chooses the back end and probes it. Sets ops; what is missing is logged. */
void virt_probe(void);
/* Each CPU: enables VMX or SVM; a CPU that lacks it runs no guests, and says so. */
void virt_enable(struct pcpu *p);
/* This CPU leaves virtualization; safe at any time, also from panic. */
void virt_disable(void);
/* NULL: guests can run. Else a text that names what is missing and the cure. */
const char *virt_refused(void);
