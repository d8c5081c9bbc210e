# SPDX-License-Identifier: BSD-2-Clause
# The product sources that each host unit test links: UNIT_NAME := path/a.c path/b.c. Libraries: UNIT_NAME_LIBS.
UNIT_decode := hv/decode.c
UNIT_decode_LIBS := -lZydis
