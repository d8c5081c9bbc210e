# SPDX-License-Identifier: BSD-2-Clause
# `make lint`, and `make check`: lint and unit tests, within a minute. Included by the Makefile.
CHECK ?=

.PHONY: lint
lint: $(HEX) $(OFFSETS) $(BUILD)/host/ingot-config ## folders, headers alone, format, cppcheck, words, README; CHECK=name for one
	@/usr/bin/python3 tests/lint/lint.py --junit $(BUILD)/junit --build $(BUILD) --cc "$(CC) $(CFLAGS_IMAGE)" \
		--host-cc "$(HOSTCC) $(CFLAGS_UNIT) -Itests/unit" $(CHECK)

.PHONY: check
check: ## lint and host unit tests, within a minute
	@$(MAKE) --no-print-directory lint
	@$(MAKE) --no-print-directory unit
