# SPDX-License-Identifier: BSD-2-Clause
# `nm -n ingot.elf` to the NASM source of the symbol table that hv/symbols.c reads: functions only, ascending.
# Offsets are from image_start, 0xffffffff80000000; text comes first in the image, so the table can't move it.

$2 ~ /^[tT]$/ && $3 !~ /^(image|text)_(start|end)$/ {
	offset[count] = substr($1, 9)
	name[count] = $3
	count++
}

END {
	print "section .rodata.symbols progbits alloc noexec nowrite align=4"
	print "global symbol_count, symbol_table, symbol_names"
	print "symbol_count: dd " count + 0
	print "symbol_table:"
	for (i = 0; i < count; i++)
		print "\tdd 0x" offset[i] " - 0x80000000"
	print "symbol_names:"
	for (i = 0; i < count; i++)
		print "\tdb \"" name[i] "\", 0"
}
