/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#define INGOT_VERSION "0.1"
