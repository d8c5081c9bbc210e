/* SPDX-License-Identifier: BSD-2-Clause */
/* printf-style formatting into a buffer. Pure. */
#include "hv/lib/fmt.h"
#include <stdbool.h>
#include <stdint.h>
#include "hv/lib/string.h"

/* Where the output goes; len counts what doesn't fit too. */
struct out {
	char *buf;
	size_t size, len;
};

enum length { LEN_INT, LEN_CHAR, LEN_SHORT, LEN_LONG };

/* One conversion, parsed. */
struct spec {
	bool left, zero;
	int width, precision; /* precision -1: none */
	enum length length;
};

static void out_char(struct out *o, char c)
{
	if (o->len + 1 < o->size)
		o->buf[o->len] = c;
	o->len++;
}

static void out_repeat(struct out *o, char c, int n)
{
	for (int i = 0; i < n; i++)
		out_char(o, c);
}

static void out_string(struct out *o, const struct spec *s, const char *text)
{
	size_t n = str_nlen(text, s->precision < 0 ? SIZE_MAX : (size_t)s->precision);
	int pad = s->width > (int)n ? s->width - (int)n : 0;

	if (!s->left)
		out_repeat(o, ' ', pad);
	for (size_t i = 0; i < n; i++)
		out_char(o, text[i]);
	if (s->left)
		out_repeat(o, ' ', pad);
}

/* prefix: "-", "0x" or "". */
static void out_number(struct out *o, const struct spec *s, uint64_t value, unsigned base, bool upper,
		       const char *prefix)
{
	const char *set = upper ? "0123456789ABCDEF" : "0123456789abcdef";
	char digit[20];
	int digits = 0, zeros, pad;

	while (value != 0) {
		digit[digits++] = set[value % base];
		value /= base;
	}
	zeros = (s->precision < 0 ? 1 : s->precision) - digits;
	zeros = zeros > 0 ? zeros : 0;
	pad = s->width - digits - zeros - (int)strlen(prefix);
	if (pad > 0 && s->zero && !s->left && s->precision < 0) {
		zeros += pad;
		pad = 0;
	}
	if (!s->left)
		out_repeat(o, ' ', pad);
	while (*prefix != '\0')
		out_char(o, *prefix++);
	out_repeat(o, '0', zeros);
	while (digits > 0)
		out_char(o, digit[--digits]);
	if (s->left)
		out_repeat(o, ' ', pad);
}

static int parse_number(const char **p, va_list *ap)
{
	int n = 0;

	if (**p == '*') {
		(*p)++;
		return va_arg(*ap, int);
	}
	for (; **p >= '0' && **p <= '9'; (*p)++)
		n = n < 10000 ? n * 10 + (**p - '0') : n;
	return n;
}

/* Parses what is between '%' and the conversion character. */
static struct spec parse_spec(const char **p, va_list *ap)
{
	struct spec s = {.precision = -1};

	for (;; (*p)++) {
		if (**p == '-')
			s.left = true;
		else if (**p == '0')
			s.zero = true;
		else
			break;
	}
	s.width = parse_number(p, ap);
	if (s.width < 0) {
		s.left = true;
		s.width = -s.width;
	}
	if (**p == '.') {
		(*p)++;
		s.precision = parse_number(p, ap);
	}
	for (;; (*p)++) {
		if (**p == 'l' || **p == 'z')
			s.length = LEN_LONG;
		else if (**p == 'h')
			s.length = s.length == LEN_SHORT ? LEN_CHAR : LEN_SHORT;
		else
			return s;
	}
}

static int64_t arg_signed(const struct spec *s, va_list *ap)
{
	switch (s->length) {
	case LEN_LONG:
		return va_arg(*ap, long);
	case LEN_CHAR:
		return (signed char)va_arg(*ap, int);
	case LEN_SHORT:
		return (short)va_arg(*ap, int);
	case LEN_INT:
		break;
	}
	return va_arg(*ap, int);
}

static uint64_t arg_unsigned(const struct spec *s, va_list *ap)
{
	switch (s->length) {
	case LEN_LONG:
		return va_arg(*ap, unsigned long);
	case LEN_CHAR:
		return (unsigned char)va_arg(*ap, unsigned);
	case LEN_SHORT:
		return (unsigned short)va_arg(*ap, unsigned);
	case LEN_INT:
		break;
	}
	return va_arg(*ap, unsigned);
}

static void convert(struct out *o, const struct spec *s, char conversion, va_list *ap)
{
	struct spec one = *s;
	const char *text;
	int64_t n;
	char c[2] = {0};

	switch (conversion) {
	case 'd':
	case 'i':
		n = arg_signed(s, ap);
		out_number(o, s, n < 0 ? -(uint64_t)n : (uint64_t)n, 10, false, n < 0 ? "-" : "");
		break;
	case 'u':
		out_number(o, s, arg_unsigned(s, ap), 10, false, "");
		break;
	case 'x':
	case 'X':
		out_number(o, s, arg_unsigned(s, ap), 16, conversion == 'X', "");
		break;
	case 'p':
		out_number(o, s, (uint64_t)va_arg(*ap, void *), 16, false, "0x");
		break;
	case 'c':
		c[0] = (char)va_arg(*ap, int);
		one.precision = -1;
		if (c[0] != '\0') {
			out_string(o, &one, c);
		}
		break;
	case 's':
		text = va_arg(*ap, const char *);
		out_string(o, s, text != NULL ? text : "(null)");
		break;
	case '%':
		out_char(o, '%');
		break;
	default:
		/* A conversion that the compiler's format check does not let through. */
		out_char(o, '%');
		out_char(o, conversion);
		break;
	}
}

int fmt_vsnprintf(char *buf, size_t size, const char *fmt, va_list ap)
{
	struct out o = {.buf = buf, .size = size};
	va_list args;

	va_copy(args, ap);
	while (*fmt != '\0') {
		if (*fmt != '%') {
			out_char(&o, *fmt++);
			continue;
		}
		fmt++;
		struct spec s = parse_spec(&fmt, &args);

		if (*fmt == '\0')
			break;
		convert(&o, &s, *fmt++, &args);
	}
	va_end(args);
	if (size > 0)
		buf[o.len < size ? o.len : size - 1] = '\0';
	return (int)o.len;
}

int fmt_snprintf(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = fmt_vsnprintf(buf, size, fmt, ap);
	va_end(ap);
	return n;
}
