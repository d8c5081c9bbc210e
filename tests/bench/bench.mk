# SPDX-License-Identifier: BSD-2-Clause
# `make bench`: the performance figures. Included by the Makefile.

.PHONY: bench
bench: all guests ## the performance figures, both vendors, as a table; UPDATE=1 keeps them, VENDOR=amd|intel for one
	@/usr/bin/python3 tests/bench/bench.py $(if $(VENDOR),--vendor $(VENDOR)) $(if $(UPDATE),--update)
