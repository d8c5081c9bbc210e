# SPDX-License-Identifier: BSD-2-Clause
# Builds tests/unit/test_NAME.c for the build machine, with the address and undefined-behaviour sanitizers and
# the product sources that unit.mk names, and runs them: `make unit`, or `make unit UNIT=memmap` for
# one. Prints a line per case; JUnit XML goes to build/junit/. Included by the Makefile.
include tests/unit/unit.mk

UNITS := $(patsubst tests/unit/test_%.c,%,$(wildcard tests/unit/test_*.c))
UNIT ?= $(UNITS)
# -O1 takes the compiler up to four times as long with a test full of assertions, and -O0 the test.
CFLAGS_UNIT := -std=gnu2x -Og -g -I. -I$(BUILD)/gen -DINGOT_HOST -fsanitize=address,undefined \
	-fno-sanitize-recover=all -fno-omit-frame-pointer $(filter-out -Wmissing-prototypes,$(WARN)) -Wno-unused-parameter -Wno-format-truncation

# Objects are shared by the tests, but for a test with flags of its own (UNIT_NAME_FLAGS).
$(BUILD)/unit/obj/%.o: %.c tests/unit/rules.mk | $(HEX)
	@mkdir -p $(@D)
	$(HOSTCC) $(CFLAGS_UNIT) -MMD -MP -c -o $@ $<

define UNIT_RULE
UNIT_$(1)_OBJ := $(patsubst %.c,$(BUILD)/unit/$(if $(UNIT_$(1)_FLAGS),$(1)-)obj/%.o,tests/unit/test_$(1).c tests/unit/support.c $(UNIT_$(1)))
ifneq ($(UNIT_$(1)_FLAGS),)
$(BUILD)/unit/$(1)-obj/%.o: %.c tests/unit/rules.mk | $(HEX)
	@mkdir -p $$(@D)
	$(HOSTCC) $(CFLAGS_UNIT) $(UNIT_$(1)_FLAGS) -MMD -MP -c -o $$@ $$<
endif
$(BUILD)/unit/$(1): $$(UNIT_$(1)_OBJ) tests/unit/unit.mk
	$(HOSTCC) $(CFLAGS_UNIT) -o $$@ $$(UNIT_$(1)_OBJ) -lcmocka $(UNIT_$(1)_LIBS)
endef
$(foreach u,$(UNITS),$(eval $(call UNIT_RULE,$(u))))

-include $(shell find $(BUILD)/unit -name '*.d' 2>/dev/null)

.PHONY: unit
unit: $(UNIT:%=$(BUILD)/unit/%) ## host unit tests; UNIT=name for one
	@/usr/bin/python3 tests/unit/run.py --junit $(BUILD)/junit $^

# Those with a long run of their own, as part of `make soak`.
UNIT_SOAK := decode emulate_native
.PHONY: unit-soak
unit-soak: $(UNIT_SOAK:%=$(BUILD)/unit/%)
	@/usr/bin/python3 tests/unit/run.py --soak --junit $(BUILD)/junit $^
