# SPDX-License-Identifier: BSD-2-Clause
# The fuzzers: tests/fuzz/fuzz_NAME.c with the product sources of FUZZ_NAME, seeds in tests/fuzz/corpus/NAME, a
# dictionary in NAME.dict where there is one. What a run finds new is kept in build/fuzz/NAME.corpus.

FUZZ_config := $(CONFIG_SRC)
FUZZ_acpi := drivers/acpi.c drivers/acpi_madt.c drivers/acpi_fadt.c
FUZZ_multiboot2 := boot/multiboot2.c hv/lib/fmt.c hv/lib/str.c
FUZZ_LOAD := $(wildcard hv/load*.c) mm/gpa.c hv/lib/fmt.c hv/lib/str.c
FUZZ_load_linux := $(FUZZ_LOAD)
FUZZ_load_flat := $(FUZZ_LOAD)
FUZZ_load_multiboot2 := $(FUZZ_LOAD)
FUZZ_load_multiboot := $(FUZZ_LOAD)
FUZZ_load_pvh := $(FUZZ_LOAD)
FUZZ_gpt := hv/io/gpt.c hv/lib/crc32.c
FUZZ_virtqueue := hv/vdev/virtqueue.c hv/vdev/vq_chain.c mm/gpa.c
FUZZ_virtio := hv/vdev/virtio.c hv/vdev/virtio_pci.c $(FUZZ_virtqueue)
FUZZ_net_offload := hv/io/net_offload.c hv/io/net_packet.c
FUZZ_virtio_ring := drivers/virtio_ring.c
FUZZ_emulate := $(wildcard hv/emulate*.c) hv/insn.c hv/decode.c hv/guest_walk.c mm/gpa.c hv/lib/fmt.c hv/lib/str.c
FUZZ_exit := $(wildcard $(addprefix hv/,cpuid*.c emulate*.c msr*.c pv*.c vdev/*.c)) $(addprefix hv/,exit.c event.c cr.c \
	hypercall.c insn.c decode.c guest_walk.c task_switch.c io_bus.c vm_irq.c random.c) $(addprefix hv/io/,switch.c mac_table.c net_packet.c net_offload.c) hv/lib/calendar.c hv/lib/words.c hv/lib/fmt.c hv/lib/str.c mm/gpa.c mm/pagetable.c mm/pt_format_host.c mm/pt_format_ept.c mm/pt_format_npt.c

FUZZERS := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ ?= $(FUZZERS)
TIME ?= 60

CFLAGS_FUZZ := -std=gnu2x -O1 -g -I. -DINGOT_HOST -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all

$(BUILD)/fuzz/obj/%.o: %.c tests/fuzz/rules.mk
	@mkdir -p $(@D)
	clang-14 $(CFLAGS_FUZZ) -MMD -MP -c -o $@ $<

define FUZZ_RULE
$(BUILD)/fuzz/$(1): $(patsubst %.c,$(BUILD)/fuzz/obj/%.o,tests/fuzz/fuzz_$(1).c $(FUZZ_$(1)))
	clang-14 $(CFLAGS_FUZZ) -o $$@ $$^
endef
$(foreach f,$(FUZZERS),$(eval $(call FUZZ_RULE,$(f))))

-include $(shell find $(BUILD)/fuzz/obj -name '*.d' 2>/dev/null)

.PHONY: fuzz
fuzz: $(FUZZ:%=$(BUILD)/fuzz/%) ## the fuzzers, TIME=seconds each; FUZZ=name for one
	@for f in $(FUZZ); do \
		mkdir -p $(BUILD)/fuzz/$$f.corpus; \
		echo "fuzz $$f: $(TIME) s"; \
		$(BUILD)/fuzz/$$f -max_total_time=$(TIME) -verbosity=0 -print_final_stats=1 -artifact_prefix=$(BUILD)/fuzz/$$f- \
			$$([ ! -f tests/fuzz/$$f.dict ] || echo -dict=tests/fuzz/$$f.dict) \
			$(BUILD)/fuzz/$$f.corpus $$(ls -d tests/fuzz/corpus/$$f 2>/dev/null) || exit 1; \
	done
