#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Makes OUTDIR/initrd-stress.img, the Linux guests' root with stress-ng: stress.sh OUTDIR
# OUTDIR/initrd.img is there already. The packages are kept as those of fetch.sh.
set -eu

out=$(cd "$1" && pwd)
here=$(dirname "$0")
cache=${INGOT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/ingot}
work=$(mktemp -d "$out/.stress.XXXXXX")
trap 'rm -rf "$work"' EXIT

# stress-ng, and the packages of the libraries that it and they are linked with.
packages="stress-ng libapparmor1 libbsd0 libc6 libcrypt1 libdrm2 libegl1 libexpat1 libffi8 libgbm1 libgles2 libglvnd0
	libipsec-mb1 libjpeg62-turbo libjudydebian1 libkmod2 liblzma5 libmd0 libsctp1 libssl3 libwayland-server0
	libxxhash0 libzstd1 zlib1g"

for p in $packages; do
	if ! ls "$cache/$p"_*.deb >/dev/null 2>&1; then
		(cd "$cache" && apt-get download -q "$p" 2>"$work/log" >&2) || { cat "$work/log" >&2; exit 1; }
	fi
	dpkg-deb -x "$(ls -t "$cache/$p"_*.deb | head -n 1)" "$work"
done
/usr/bin/python3 "$here/stress.py" "$work" "$out/initrd.img" "$out/initrd-stress.img"
