/* SPDX-License-Identifier: BSD-2-Clause */
/* The C library's string functions that a freestanding image needs, plus bounded ones of its own. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* memcpy in line, for short and frequent copies; returns where dst ends. */
static inline void *copy_bytes(void *dst, const void *src, size_t n)
{
	size_t words = n / 8;

	n %= 8;
	asm volatile("rep movsq" : "+D"(dst), "+S"(src), "+c"(words)::"memory");
	asm volatile("rep movsb" : "+D"(dst), "+S"(src), "+c"(n)::"memory");
	return dst;
}

void *memcpy(void *dst, const void *src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
void *memset(void *dst, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
void *memchr(const void *s, int c, size_t n);
size_t strlen(const char *s);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
char *strchr(const char *s, int c);

/* Length of s, at most max. */
size_t str_nlen(const char *s, size_t max);
/* Copies src into dst[size], cut where it doesn't fit, always terminated. True: all of it fitted. */
bool str_copy(char *dst, size_t size, const char *src);
