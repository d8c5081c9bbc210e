/* SPDX-License-Identifier: BSD-2-Clause */
/* For the tests of the configuration: parses texts, keeps the mistakes, prints it. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "hv/config.h"

#define MAX_ERRORS 400

static struct config config;
static char errors[MAX_ERRORS][512];
static unsigned error_count;
static char printed[1 << 20];

static void keep_error(void *arg, const char *text)
{
	assert_true(error_count < MAX_ERRORS);
	snprintf(errors[error_count++], sizeof(errors[0]), "%s", text);
}

static void parse_bytes(const char *text, size_t len)
{
	error_count = 0;
	config_parse(&config, "f", text, len, keep_error, NULL);
	assert_int_equal(error_count, config.errors);
}

static void parse(const char *text)
{
	parse_bytes(text, strlen(text));
}

static void keep_line(void *arg, const char *line)
{
	strcat(printed, line);
	strcat(printed, "\n");
}

static void print(void)
{
	printed[0] = '\0';
	config_print(&config, keep_line, NULL);
}
