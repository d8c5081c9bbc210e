# SPDX-License-Identifier: BSD-2-Clause
# The tiny guests: each tests/guests/NAME.c becomes build/guests/NAME, a bzImage of our own. Those in boot/ are for the
# other ways to boot: `boot` as ELF of 64 and 32 bit and as a raw file, flat images with three ends.

TINY_NAMES := $(patsubst tests/guests/%.c,%,$(wildcard tests/guests/*.c))
TINY_LIB := tests/guests/lib/guest.c tests/guests/lib/pci.c tests/guests/lib/mode32.c hv/lib/fmt.c hv/lib/string.c hv/lib/str.c
TINY_OBJ := $(BUILD)/guests/obj/start.o $(TINY_LIB:%.c=$(BUILD)/guests/obj/%.o)
# Guests of several vCPUs.
TINY_SMP := smp storm pv clocks race kicks apic balloon
TINY_SMP_OBJ := $(BUILD)/guests/obj/ap.o $(BUILD)/guests/obj/tests/guests/lib/smp.o
# Drivers of virtio devices.
TINY_VIRTIO := balloon entropy disk powercut bench_blk bench_net bench_console rings
TINY_VIRTIO_OBJ := $(BUILD)/guests/obj/tests/guests/lib/virtio.o
# Guests whose output is compared with their own on the bare machine.
TINY_SAME := same_insn same_paging same_events
TINY_SAME_OBJ := $(BUILD)/guests/obj/tests/guests/lib/probe.o
BOOT_NAMES := boot64 boot32 boot-raw flat flat-int flat-exception
TINY_INIT_SIZE := 0x100000
TINY_CFLAGS := -std=gnu2x -O2 -ffreestanding -nostdinc -isystem $(shell $(CC) -print-file-name=include) -I. \
	-mno-red-zone -mgeneral-regs-only -fno-pic -fno-pie -fno-stack-protector -fcf-protection=none \
	-fno-asynchronous-unwind-tables -fno-strict-aliasing -mcmodel=small $(WARN)

.PHONY: guests
guests: $(TINY_NAMES:%=$(BUILD)/guests/%) $(BOOT_NAMES:%=$(BUILD)/guests/%) ## builds the tiny guests of tests/guests

$(BUILD)/guests/obj/%.o: tests/guests/lib/%.asm
	@mkdir -p $(@D)
	$(NASM) -f elf64 -w-reloc-abs-dword -o $@ $<

$(BUILD)/guests/obj/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(CC) $(TINY_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/guests/%.elf: $(TINY_OBJ) $(BUILD)/guests/obj/tests/guests/%.o tests/guests/lib/guest.ld
	$(LD) -nostdlib -static -z noexecstack --no-warn-rwx-segments -T tests/guests/lib/guest.ld -o $@ $(filter %.o,$^)

$(TINY_SMP:%=$(BUILD)/guests/%.elf): $(TINY_SMP_OBJ)
$(TINY_VIRTIO:%=$(BUILD)/guests/%.elf): $(TINY_VIRTIO_OBJ)
$(TINY_SAME:%=$(BUILD)/guests/%.elf): $(TINY_SAME_OBJ)

$(BUILD)/guests/modes.elf: $(BUILD)/guests/obj/modes.o

$(BUILD)/guests/%: $(BUILD)/guests/%.elf tests/guests/lib/header.asm
	objcopy -O binary $< $@.bin
	$(NASM) -f bin -DPAYLOAD='"$@.bin"' -DINIT_SIZE=$(TINY_INIT_SIZE) -o $@ tests/guests/lib/header.asm

# With the exception stubs of start.o; its entry is not used.
BOOT_OBJ := $(TINY_OBJ) $(BUILD)/guests/obj/tests/guests/boot/boot.o

$(BUILD)/guests/obj/boot-head.o: BOOT_FLAGS :=
$(BUILD)/guests/obj/boot-head-raw.o: BOOT_FLAGS := -DRAW
$(BUILD)/guests/obj/boot-head.o $(BUILD)/guests/obj/boot-head-raw.o: tests/guests/boot/head.asm
	@mkdir -p $(@D)
	$(NASM) -f elf64 -w-reloc-abs-dword $(BOOT_FLAGS) -o $@ $<

$(BUILD)/guests/boot64 $(BUILD)/guests/boot-raw.elf: $(BOOT_OBJ) tests/guests/boot/boot.ld
$(BUILD)/guests/boot64: $(BUILD)/guests/obj/boot-head.o
$(BUILD)/guests/boot-raw.elf: $(BUILD)/guests/obj/boot-head-raw.o
$(BUILD)/guests/boot64 $(BUILD)/guests/boot-raw.elf:
	$(LD) -nostdlib -static -z noexecstack -z max-page-size=4096 --no-warn-rwx-segments -T tests/guests/boot/boot.ld -o $@ $(filter %.o,$^)

$(BUILD)/guests/boot32: $(BUILD)/guests/boot64
	objcopy -O elf32-i386 $< $@

$(BUILD)/guests/boot-raw: $(BUILD)/guests/boot-raw.elf
	objcopy -O binary $< $@

$(BUILD)/guests/flat: FLAT_END := 0
$(BUILD)/guests/flat-int: FLAT_END := 1
$(BUILD)/guests/flat-exception: FLAT_END := 2
$(BUILD)/guests/flat $(BUILD)/guests/flat-int $(BUILD)/guests/flat-exception: tests/guests/boot/flat.asm
	@mkdir -p $(@D)
	$(NASM) -f bin -DEND=$(FLAT_END) -o $@ $<

-include $(wildcard $(BUILD)/guests/obj/*/*/*.d $(BUILD)/guests/obj/*/*/*/*.d)
