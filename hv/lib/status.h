/* SPDX-License-Identifier: BSD-2-Clause */
/* What a function that can fail returns. 0 is success; the texts are fit for an operator's eyes. */
#pragma once

enum [[nodiscard]] status{
    OK = 0,          ERR_NOMEM, /* no memory of the kind asked for */
    ERR_INVAL,                  /* an argument or a field has a value that it must not have */
    ERR_RANGE,                  /* outside what is there */
    ERR_NOENT,                  /* no such thing */
    ERR_EXIST,                  /* it is there already */
    ERR_BUSY,                   /* not in this state */
    ERR_AGAIN,                  /* not finished: call again */
    ERR_UNSUPPORTED,            /* the hardware or this build doesn't have it */
    ERR_IO,                     /* the device reported an error */
    ERR_TIMEOUT,                /* the device did not answer in time */
    ERR_FAULT,                  /* an access that the guest's own tables refuse */
    ERR_CHANGED,                /* what is there now is something else */
};

/* A short text for s, never NULL. */
const char *status_str(enum status s);
