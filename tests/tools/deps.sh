#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Installs the Debian packages given as arguments that are missing; with sudo where not root. Does nothing,
# and asks for nothing, when all are there.
set -eu

missing=
for p in "$@"; do
	dpkg-query -W -f '${db:Status-Status}\n' "$p" 2>/dev/null | grep -qx installed || missing="$missing $p"
done
[ -n "$missing" ] || exit 0

echo "installing:$missing"
sudo=
if [ "$(id -u)" != 0 ]; then
	command -v sudo >/dev/null || { echo "error: not root, and there is no sudo: install these packages yourself" >&2; exit 1; }
	sudo=sudo
fi
export DEBIAN_FRONTEND=noninteractive
# An old list of packages names versions that the archive no longer has: refresh it and try once more.
# shellcheck disable=SC2086
$sudo apt-get install -y --no-install-recommends $missing ||
	{ $sudo apt-get update && $sudo apt-get install -y --no-install-recommends $missing; }
