# SPDX-License-Identifier: BSD-2-Clause
# `make bench`: the performance figures. Included by the Makefile.

BENCH_PLUGIN := $(BUILD)/host/exits.so

$(BENCH_PLUGIN): tests/bench/exits.c tests/bench/bench.mk
	@mkdir -p $(@D)
	$(HOSTCC) -std=gnu2x -O2 -fPIC -shared -fvisibility=hidden $(filter-out -Wmissing-prototypes,$(WARN)) -o $@ $<

.PHONY: bench
bench: all guests linux-guests $(BENCH_PLUGIN) ## the performance figures, both vendors, as a table; UPDATE=1 keeps them, VENDOR=amd|intel for one
	@/usr/bin/python3 tests/bench/bench.py $(if $(VENDOR),--vendor $(VENDOR)) $(if $(UPDATE),--update)

.PHONY: profile
profile: all guests $(BENCH_PLUGIN) ## the host's instructions of one round trip, by function; FIGURE=cpuid and so on
	@/usr/bin/python3 tests/bench/profile.py $(FIGURE)
