#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Fetches Debian's kernels, busybox and memtest86+ from the distribution's packages, installing nothing:
#   fetch.sh OUTDIR
# makes OUTDIR/vmlinuz (the cloud kernel), vmlinuz-amd64 (the stock kernel), initrd.img, for both, and memtest. The
# packages are kept in ~/.cache/ingot (INGOT_CACHE), so that a second build needs no network.
set -eu

out=$1
here=$(dirname "$0")
cache=${INGOT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/ingot}
mkdir -p "$out" "$cache"
out=$(cd "$out" && pwd)
work=$(mktemp -d "$out/.fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT

# What the metapackage $1 stands for at present.
real_package() {
	apt-cache depends "$1" 2>/dev/null | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)$/\1/p' | head -n 1
}

# The newest cached file of the package $1, or nothing.
package_file() {
	ls -t "$cache/$1"_*.deb 2>/dev/null | head -n 1
}

fetch() {
	[ -z "$(package_file "$1")" ] || return 0
	echo "fetching $1" >&2
	(cd "$cache" && apt-get download -q "$1" 2>"$work/log" >&2) || { cat "$work/log" >&2; return 1; }
}

cloud=$(real_package linux-image-cloud-amd64)
stock=$(real_package linux-image-amd64)
if [ -z "$cloud" ] || [ -z "$stock" ]; then
	# No package lists on this machine yet.
	sudo=
	[ "$(id -u)" = 0 ] || sudo=sudo
	$sudo apt-get update -q >&2
	cloud=$(real_package linux-image-cloud-amd64)
	stock=$(real_package linux-image-amd64)
fi
[ -n "$cloud" ] && [ -n "$stock" ] || { echo "error: apt knows no linux-image-cloud-amd64 or linux-image-amd64" >&2; exit 1; }

# The drivers of what guests have: the power button; virtio's devices, and what those need.
modules="evdev button virtio virtio_ring virtio_pci virtio_pci_modern_dev virtio_pci_legacy_dev virtio_blk virtio_net failover
	net_failover virtio_console virtio-rng rng-core virtio_balloon"

for p in "$cloud" "$stock" busybox-static memtest86+; do
	fetch "$p"
	# shellcheck disable=SC2046
	dpkg-deb --fsys-tarfile "$(package_file "$p")" | tar -x -C "$work" --wildcards --no-anchored \
		'vmlinuz-*' 'bin/busybox' 'memtest86+x64.bin' $(printf '%s.ko ' $modules) 2>/dev/null || true
done
for f in "$work/boot/vmlinuz-${cloud#linux-image-}" "$work/boot/vmlinuz-${stock#linux-image-}" "$work/bin/busybox" \
	"$work/boot/memtest86+x64.bin"; do
	[ -s "$f" ] || { echo "error: the packages in $cache hold no ${f#"$work"}" >&2; exit 1; }
done

for release in "${cloud#linux-image-}" "${stock#linux-image-}"; do
	"$work/bin/busybox" depmod -b "$work" "$release"
done
/usr/bin/python3 "$here/initramfs.py" "$work/bin/busybox" "$here/rc" "$work/lib/modules" "$out/initrd.img"
cp "$work/boot/memtest86+x64.bin" "$out/memtest"
cp "$work/boot/vmlinuz-${stock#linux-image-}" "$out/vmlinuz-amd64"
cp "$work/boot/vmlinuz-${cloud#linux-image-}" "$out/vmlinuz"
