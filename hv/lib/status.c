/* SPDX-License-Identifier: BSD-2-Clause */
/* The texts of enum status. */
#include "hv/lib/status.h"

const char *status_str(enum status s)
{
	switch (s) {
	case OK:
		return "ok";
	case ERR_NOMEM:
		return "not enough memory";
	case ERR_INVAL:
		return "invalid value";
	case ERR_RANGE:
		return "out of range";
	case ERR_NOENT:
		return "not found";
	case ERR_EXIST:
		return "exists already";
	case ERR_BUSY:
		return "not possible in this state";
	case ERR_AGAIN:
		return "not finished";
	case ERR_UNSUPPORTED:
		return "not supported";
	case ERR_IO:
		return "device error";
	case ERR_TIMEOUT:
		return "device did not answer";
	case ERR_FAULT:
		return "access refused by the guest's tables";
	case ERR_CHANGED:
		return "another is in its place";
	}
	return "unknown status";
}
