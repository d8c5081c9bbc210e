# SPDX-License-Identifier: BSD-2-Clause
# The tiny guests: each tests/guests/NAME.c becomes build/guests/NAME, a bzImage of our own.

TINY_NAMES := $(patsubst tests/guests/%.c,%,$(wildcard tests/guests/*.c))
TINY_LIB := tests/guests/lib/guest.c tests/guests/lib/mode32.c hv/lib/fmt.c hv/lib/string.c hv/lib/str.c
TINY_OBJ := $(BUILD)/guests/obj/start.o $(TINY_LIB:%.c=$(BUILD)/guests/obj/%.o)
# Guests of several vCPUs.
TINY_SMP := smp storm pv clocks
TINY_SMP_OBJ := $(BUILD)/guests/obj/ap.o $(BUILD)/guests/obj/tests/guests/lib/smp.o
TINY_INIT_SIZE := 0x100000
TINY_CFLAGS := -std=gnu2x -O2 -ffreestanding -nostdinc -isystem $(shell $(CC) -print-file-name=include) -I. \
	-mno-red-zone -mgeneral-regs-only -fno-pic -fno-pie -fno-stack-protector -fcf-protection=none \
	-fno-asynchronous-unwind-tables -fno-strict-aliasing -mcmodel=small $(WARN)

.PHONY: guests
guests: $(TINY_NAMES:%=$(BUILD)/guests/%) ## builds the tiny guests of tests/guests

$(BUILD)/guests/obj/%.o: tests/guests/lib/%.asm
	@mkdir -p $(@D)
	$(NASM) -f elf64 -o $@ $<

$(BUILD)/guests/obj/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(CC) $(TINY_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/guests/%.elf: $(TINY_OBJ) $(BUILD)/guests/obj/tests/guests/%.o tests/guests/lib/guest.ld
	$(LD) -nostdlib -static -z noexecstack --no-warn-rwx-segments -T tests/guests/lib/guest.ld -o $@ $(filter %.o,$^)

$(TINY_SMP:%=$(BUILD)/guests/%.elf): $(TINY_SMP_OBJ)

$(BUILD)/guests/%: $(BUILD)/guests/%.elf tests/guests/lib/header.asm
	objcopy -O binary $< $@.bin
	$(NASM) -f bin -DPAYLOAD='"$@.bin"' -DINIT_SIZE=$(TINY_INIT_SIZE) -o $@ tests/guests/lib/header.asm

-include $(wildcard $(BUILD)/guests/obj/*/*/*.d $(BUILD)/guests/obj/*/*/*/*.d)
