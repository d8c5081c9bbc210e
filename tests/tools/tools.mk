# SPDX-License-Identifier: BSD-2-Clause
# Programs for the build machine, made of the image's own sources.

CONFIG_SRC := $(wildcard hv/config*.c) hv/cpuid_table.c hv/cpuid_choice.c hv/lib/ini.c hv/lib/words.c hv/lib/fmt.c \
	hv/lib/str.c

INGOT_CONFIG_SRC := tests/tools/ingot_config.c $(CONFIG_SRC) $(wildcard hv/load*.c) mm/gpa.c

$(BUILD)/host/ingot-config: $(INGOT_CONFIG_SRC) tests/tools/tools.mk
	@mkdir -p $(@D)
	$(HOSTCC) -std=gnu2x -O2 -g -I. -DINGOT_HOST $(WARN) -MMD -MP -MF $@.d -o $@ $(INGOT_CONFIG_SRC)
-include $(BUILD)/host/ingot-config.d
