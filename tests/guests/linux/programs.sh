#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Adds programs of Debian's packages to the Linux guests' root: programs.sh OUTDIR IMAGE
# OUTDIR/initrd.img is there already. The packages are kept as those of fetch.sh.
set -eu

out=$(cd "$1" && pwd)
image=$2
here=$(dirname "$0")
cache=${INGOT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/ingot}
work=$(mktemp -d "$out/.programs.XXXXXX")
trap 'rm -rf "$work"' EXIT

# Of each image: the programs, the packages that they and the libraries that they are linked with come from, and the libraries
# that they do without.
case $image in
initrd-stress.img)
	programs="usr/bin/stress-ng"
	packages="stress-ng libapparmor1 libbsd0 libc6 libcrypt1 libdrm2 libegl1 libexpat1 libffi8 libgbm1 libgles2 libglvnd0
		libipsec-mb1 libjpeg62-turbo libjudydebian1 libkmod2 liblzma5 libmd0 libsctp1 libssl3 libwayland-server0
		libxxhash0 libzstd1 zlib1g"
	without=
	;;
initrd-tools.img)
	programs="sbin/mke2fs sbin/e2fsck sbin/sfdisk sbin/ethtool usr/bin/fio usr/bin/iperf3 usr/bin/lspci"
	packages="e2fsprogs ethtool fdisk fio iperf3 pciutils libaio1 libblkid1 libc6 libcom-err2 libext2fs2 libfdisk1 libiperf0
		libkmod2 liblzma5 libmnl0 libnuma1 libpci3 libreadline8 libsctp1 libsmartcols1 libssl3 libtinfo6 libudev1 libuuid1
		libzstd1 zlib1g"
	# fio's way to storage that the guests don't have, ten times as large as all the rest.
	without="libgfapi.so.0 libibverbs.so.1 libnbd.so.0 libpmem.so.1 libpmemblk.so.1 librados.so.2 librbd.so.1 librdmacm.so.1"
	;;
*)
	echo "error: no image is called $image" >&2
	exit 1
	;;
esac

for p in $packages; do
	if ! ls "$cache/$p"_*.deb >/dev/null 2>&1; then
		(cd "$cache" && apt-get download -q "$p" 2>"$work/log" >&2) || { cat "$work/log" >&2; exit 1; }
	fi
	dpkg-deb -x "$(ls -t "$cache/$p"_*.deb | head -n 1)" "$work"
done
# shellcheck disable=SC2086
/usr/bin/python3 "$here/programs.py" "$work" "$out/initrd.img" "$out/$image" --without "$without" $programs
