/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * For asm_offsets.c files: each becomes asm_offsets.inc, a list of NASM %defines, in the same folder of
 * build/gen. Such a file holds one function made of these macros; it is never linked.
 */
#pragma once

#include <stddef.h>

/* %define name value; value is any integer constant expression. */
#define ASM_CONST(name, value)        asm volatile("\n->" #name " %0" ::"i"((long)(value)))
/* %define name offset-of-field */
#define ASM_OFFSET(name, type, field) ASM_CONST(name, offsetof(type, field))
