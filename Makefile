# SPDX-License-Identifier: BSD-2-Clause
# Builds the hypervisor image, its UEFI loader, the host-side tools and tests. `make help` lists the targets.

MAKEFLAGS += --no-builtin-rules
# As many jobs as processors, unless -j says something else; `make clean all` has an order.
ifeq ($(MAKELEVEL)$(filter clean,$(MAKECMDGOALS)),0)
MAKEFLAGS += -j$(shell nproc)
endif
.SUFFIXES:
.DELETE_ON_ERROR:
.SECONDARY:
.DEFAULT_GOAL := all

BUILD := build
CC ?= gcc
ifeq ($(origin CC),default)
CC := gcc
endif
NASM ?= nasm
LD ?= ld
ifeq ($(origin LD),default)
LD := ld
endif
NM ?= nm
IASL ?= iasl
HOSTCC ?= gcc

WARN := -Wall -Wextra -Werror -Wmissing-prototypes -Wstrict-prototypes -Wvla -Wundef -Wpointer-arith
# The image: freestanding, no libc headers, no vector registers (they are the guests'), higher half. Loops and jumps' targets
# are not aligned: no-ops in the way of exits, a twentieth of the text.
CFLAGS_IMAGE := -std=gnu2x -O2 -g -ffreestanding -nostdinc -isystem $(shell $(CC) -print-file-name=include) \
	-I. -I$(BUILD)/gen -mno-red-zone -mgeneral-regs-only -mcmodel=kernel -fno-pic -fno-pie \
	-fno-omit-frame-pointer -fno-stack-protector -fcf-protection=none -fno-asynchronous-unwind-tables \
	-falign-jumps=1 -falign-loops=1 -fno-strict-aliasing -fno-common -ffunction-sections -fdata-sections $(WARN)
NASMFLAGS := -f elf64 -g -F dwarf -I. -I$(BUILD)/gen/ -w+error -w-error=reloc-abs-dword -w-reloc-abs-dword
LDFLAGS := -nostdlib -static --gc-sections -z max-page-size=4096 -z noexecstack --build-id=none

# Every source in the image's folders; what nothing refers to is left out by the linker.
C_SRC := $(filter-out %/asm_offsets.c,$(wildcard hv/*.c hv/*/*.c mm/*.c drivers/*.c vmx/*.c svm/*.c boot/*.c))
ASM_SRC := $(wildcard hv/*.asm hv/*/*.asm mm/*.asm drivers/*.asm vmx/*.asm svm/*.asm boot/*.asm)
OFFSETS_SRC := $(wildcard hv/asm_offsets.c hv/*/asm_offsets.c vmx/asm_offsets.c svm/asm_offsets.c boot/asm_offsets.c)
ASL_SRC := $(wildcard hv/*.asl hv/*/*.asl)

OBJ := $(C_SRC:%=$(BUILD)/obj/%.o) $(ASM_SRC:%=$(BUILD)/obj/%.o)
# X/asm_offsets.c becomes X/asm_offsets.inc for NASM; X/y.asl, through cpp, becomes the C array in X/y.hex.
OFFSETS := $(OFFSETS_SRC:%.c=$(BUILD)/gen/%.inc)
HEX := $(ASL_SRC:%.asl=$(BUILD)/gen/%.hex)

.PHONY: all
all: $(BUILD)/ingot.elf $(BUILD)/ingot.efi

# The list of objects: what is removed from the tree leaves the image too.
$(BUILD)/objects: FORCE
	@mkdir -p $(@D)
	@echo '$(OBJ)' | cmp -s - $@ || echo '$(OBJ)' > $@
.PHONY: FORCE

# Linked twice: the second time with the table of the first one's functions, for panic's backtraces.
$(BUILD)/ingot.nosyms.elf: linker.ld $(OBJ) $(BUILD)/objects
	@mkdir -p $(@D)
	$(LD) $(LDFLAGS) -T linker.ld -o $@ $(OBJ)

$(BUILD)/gen/symbols.asm: $(BUILD)/ingot.nosyms.elf hv/symbols.awk
	@mkdir -p $(@D)
	$(NM) -n $< | awk -f hv/symbols.awk > $@

$(BUILD)/obj/symbols.o: $(BUILD)/gen/symbols.asm
	$(NASM) -f elf64 -o $@ $<

# With debugging information, for gdb; what is booted goes without.
$(BUILD)/ingot.debug.elf: linker.ld $(OBJ) $(BUILD)/obj/symbols.o
	$(LD) $(LDFLAGS) -T linker.ld -Map $(BUILD)/ingot.map -o $@ $(OBJ) $(BUILD)/obj/symbols.o

$(BUILD)/ingot.elf: $(BUILD)/ingot.debug.elf
	objcopy --strip-debug $< $@

# The UEFI application, with gnu-efi: a shared object turned into PE, ingot.elf inside.
EFI_SRC := $(wildcard boot/efi/*.c) hv/lib/ini.c hv/lib/str.c hv/lib/string.c
EFI_OBJ := $(EFI_SRC:%=$(BUILD)/efi/%.o) $(BUILD)/efi/image.o
CFLAGS_EFI := -std=gnu2x -O2 -g -I. -I/usr/include/efi -I/usr/include/efi/x86_64 -DGNU_EFI_USE_MS_ABI -ffreestanding \
	-fpic -fshort-wchar -mno-red-zone -maccumulate-outgoing-args -fno-stack-protector -fcf-protection=none \
	-fno-strict-aliasing -fvisibility=hidden $(filter-out -Wundef -Wstrict-prototypes -Wmissing-prototypes,$(WARN))

$(BUILD)/efi/%.c.o: %.c Makefile
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_EFI) -MMD -MP -c -o $@ $<

# gnu-efi's library has these two already.
$(BUILD)/efi/hv/lib/string.c.o: CFLAGS_EFI += -Dmemcpy=image_memcpy -Dmemset=image_memset

$(BUILD)/efi/image.o: boot/efi/image.asm $(BUILD)/ingot.elf
	@mkdir -p $(@D)
	$(NASM) -f elf64 -DIMAGE='"$(BUILD)/ingot.elf"' -o $@ $<

$(BUILD)/ingot.efi: $(EFI_OBJ)
	$(LD) -nostdlib -shared -Bsymbolic -z noexecstack -z nocombreloc --no-undefined -L/usr/lib -T /usr/lib/elf_x86_64_efi.lds \
		-o $(BUILD)/efi/ingot.so /usr/lib/crt0-efi-x86_64.o $(EFI_OBJ) -lefi -lgnuefi
	objcopy -j .text -j .sdata -j .data -j .dynamic -j .dynsym -j '.rel*' -j '.rela*' -j .reloc \
		--target=efi-app-x86_64 --subsystem=10 $(BUILD)/efi/ingot.so $@

$(BUILD)/obj/%.c.o: %.c Makefile | $(HEX)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_IMAGE) -MMD -MP -c -o $@ $<

# NASM names only what it finds beside the source as a dependency: not the offsets.
$(BUILD)/obj/%.asm.o: %.asm Makefile $(OFFSETS)
	@mkdir -p $(@D)
	$(NASM) $(NASMFLAGS) -MD $(@:.o=.d) -MP -o $@ $<

$(BUILD)/gen/%/asm_offsets.inc: %/asm_offsets.c Makefile | $(HEX)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_IMAGE) -MMD -MP -MT $@ -MF $(@:.inc=.d) -S -o $(@:.inc=.s) $<
	sed -n 's/^->\([A-Za-z0-9_]*\) [$$]\{0,1\}\(-\{0,1\}[0-9]*\).*/%define \1 \2/p' $(@:.inc=.s) > $@

$(BUILD)/gen/%.hex: %.asl Makefile
	@mkdir -p $(@D)
	$(CC) -E -P -undef -x c -I. -o $(@:.hex=.i) $<
	$(IASL) -vs -we -tc -p $(@:.hex=) $(@:.hex=.i) > $(@:.hex=.log) 2>&1 || { cat $(@:.hex=.log); exit 1; }

-include $(shell find $(BUILD)/obj $(BUILD)/gen $(BUILD)/efi -name '*.d' 2>/dev/null)

# Host unit tests, and the lint.
-include tests/tools/tools.mk
-include tests/fuzz/rules.mk
-include tests/unit/rules.mk
-include tests/lint/rules.mk
-include tests/guests/guests.mk
-include tests/bench/bench.mk

# What `make` itself needs, what running needs, what testing needs.
DEPS_BUILD := gcc binutils libc6-dev nasm acpica-tools gnu-efi
DEPS_RUN := qemu-system-x86 bochs bochsbios vgabios ovmf grub-common grub-pc-bin grub-efi-amd64-bin xorriso mtools python3
DEPS_TEST := libcmocka-dev libzydis-dev clang-14 libclang-rt-14-dev clang-format-14 cppcheck python3-pytest python3-pexpect debootstrap fdisk e2fsprogs

.PHONY: deps
deps: ## installs the Debian packages that building, running and testing need
	@sh tests/tools/deps.sh $(DEPS_BUILD) $(DEPS_RUN) $(DEPS_TEST)

# Debian's kernels and a root with busybox: the guests of the example configuration and of the tests.
GUEST := $(BUILD)/guest
.PHONY: linux-guests
linux-guests: $(GUEST)/vmlinuz ## fetches Debian's kernels, busybox and memtest86+ for guests
$(GUEST)/vmlinuz: $(wildcard tests/guests/linux/*)
	sh tests/guests/linux/fetch.sh $(GUEST)

# With programs of Debian's packages, for the tests.
PROGRAM_IMAGES := $(GUEST)/initrd-stress.img $(GUEST)/initrd-tools.img
$(PROGRAM_IMAGES): $(GUEST)/vmlinuz tests/guests/linux/programs.sh tests/guests/linux/programs.py
	sh tests/guests/linux/programs.sh $(GUEST) $(@F)

# Debian installed on a disk, with its own kernel and initrd, for the tests.
DEBIAN_IMAGE := $(GUEST)/debian.img
# Behind the other fetching: two at a time would wait for apt's lock in vain.
$(DEBIAN_IMAGE): tests/guests/linux/debian.sh | $(GUEST)/vmlinuz
	sh tests/guests/linux/debian.sh $(GUEST)

CONFIG ?= configs/example.cfg
OUT ?= $(BUILD)/ingot.iso
# Where the files that CONFIG names are looked for, if not beside it.
FILES := -d $(GUEST) -d $(BUILD)/guests

.PHONY: config
config: $(BUILD)/host/ingot-config ## checks CONFIG=file and prints it with every default filled in
	@$(BUILD)/host/ingot-config $(FILES) $(CONFIG)

.PHONY: iso
iso: all guests $(BUILD)/host/ingot-config $(GUEST)/vmlinuz ## makes OUT=x.iso of CONFIG=file: CD and USB stick, BIOS and UEFI
	boot/iso.sh $(FILES) $(BUILD) $(CONFIG) $(OUT)

# Each step in a make of its own: what deps installs must be there before the rest is looked at.
.PHONY: run
run: ## boots CONFIG=file in an emulator; BOOT=grub-bios|grub-efi|efi CPU=amd|intel CPUS=2 MEM=2G DISK=file NIC=yes
	@$(MAKE) -s deps
	@$(MAKE) -s all guests linux-guests $(BUILD)/host/ingot-config
	@GRUB_TIMEOUT=0 boot/iso.sh $(FILES) $(BUILD) $(CONFIG) $(BUILD)/run.iso $(BUILD)/run-esp.img
	@BOOT='$(BOOT)' CPU='$(CPU)' CPUS='$(CPUS)' MEM='$(MEM)' DISK='$(DISK)' NIC='$(NIC)' boot/run.sh $(BUILD) $(BUILD)/run.iso $(BUILD)/run-esp.img

# The system tests alone: VENDOR=amd|intel|all, CASE=file/case as they are printed.
VENDOR ?= all
.PHONY: system
system: all guests linux-guests $(PROGRAM_IMAGES) $(DEBIAN_IMAGE) $(BUILD)/host/ingot-config ## boots Ingot in QEMU (AMD) and Bochs (Intel); CASE= VENDOR=
	@/usr/bin/python3 tests/system/run.py --vendor '$(VENDOR)' --case '$(CASE)'

.PHONY: soak
soak: all guests linux-guests $(PROGRAM_IMAGES) $(DEBIAN_IMAGE) $(BUILD)/host/ingot-config ## the long tests; figures in the output
ifeq ($(CASE),)
	@$(MAKE) -s unit-soak
	@$(MAKE) -s fuzz
endif
	@/usr/bin/python3 tests/system/run.py --soak --vendor '$(VENDOR)' --case '$(CASE)'

.PHONY: test
test: ## everything: lint, unit tests, system tests on both vendors; CASE=name VENDOR=amd|intel for one
	@$(MAKE) -s deps
ifeq ($(CASE),)
	@$(MAKE) -s check
endif
	@$(MAKE) -s system

.PHONY: clean
clean: ## removes build/
	rm -rf $(BUILD)

.PHONY: help
help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1@\2/p' $(MAKEFILE_LIST) | sort | awk -F@ '{ printf "  make %-13s %s\n", $$1, $$2 }'
