#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Installs Debian by debootstrap, as on a machine's disk: debian.sh OUTDIR
# makes OUTDIR/debian.img, a disk with a GUID partition table and one partition with a root file system, and its kernel and initrd,
# OUTDIR/debian-vmlinuz and debian-initrd.img. Root's password is `ingot`; network cards get the addresses of the kernel's
# command line (`ip=ADDRESS::::NAME:CARD:off`). Kept in ~/.cache/ingot (INGOT_CACHE) for as long as this script is the same.
# debootstrap and chroot need root: sudo where that is another.
set -eu

mkdir -p "$1"
out=$(cd "$1" && pwd)
cache=${INGOT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/ingot}/debian
kept=$cache/$(sha256sum "$0" | cut -c1-16)
products="debian-vmlinuz debian-initrd.img debian.img" # the last one is what make waits for
sudo=
[ "$(id -u)" = 0 ] || sudo=sudo

packages=systemd-sysv,udev,dbus,kmod,iproute2,iputils-ping,iperf3,pciutils,e2fsprogs,linux-image-cloud-amd64,initramfs-tools
# A multiple of a cylinder of 16 heads and 63 sectors, of which some emulators' disks are.
size=$((1100 * 516096))
start=1048576 # of the partition; as much is left free behind it, with the table's copy in it

# "CODENAME URL" of the distribution that this machine's apt is set up with, without its updates.
archive() {
	# shellcheck disable=SC2016
	apt-get indextargets --format '$(LABEL) $(COMPONENT) $(CODENAME) $(REPO_URI)' | sed -n 's/^Debian main \([a-z]* .*\)/\1/p' | head -n 1
}

install_tree() {
	from=$(archive)
	if [ -z "$from" ]; then
		# No package lists on this machine yet.
		$sudo apt-get update -q >&2
		from=$(archive)
	fi
	[ -n "$from" ] || { echo "error: apt knows no archive of Debian" >&2; return 1; }
	# Nobody needs this installation should the power fail in its midst.
	mkdir -p "$work/tree/etc/dpkg/dpkg.cfg.d"
	echo force-unsafe-io >"$work/tree/etc/dpkg/dpkg.cfg.d/unsafe-io"
	# An initrd with the drivers that a guest's root needs, not with those of all machines.
	mkdir -p "$work/tree/etc/initramfs-tools/conf.d" "$work/tree/usr/share/initramfs-tools/modules.d"
	echo MODULES=list >"$work/tree/etc/initramfs-tools/conf.d/modules"
	printf '%s\n' virtio_pci virtio_blk >"$work/tree/usr/share/initramfs-tools/modules.d/root"
	$sudo debootstrap --variant=minbase --cache-dir="$cache/packages" --include="$packages" "${from%% *}" "$work/tree" "${from#* }" \
		>"$work/log" 2>&1 || { tail -n 20 "$work/log" >&2; return 1; }
}

# What an administrator sets up afterwards; and without what nobody reads here.
configure() {
	set -eu
	echo root:ingot | chroot "$1" chpasswd
	chroot "$1" systemctl -q enable systemd-networkd systemd-network-generator
	echo "/dev/vda1 / ext4 errors=remount-ro 0 1" >"$1/etc/fstab"
	echo debian >"$1/etc/hostname"
	echo "127.0.0.1 localhost debian" >"$1/etc/hosts"
	rm -rf "$1"/etc/dpkg/dpkg.cfg.d/unsafe-io "$1"/etc/resolv.conf "$1"/var/cache/apt/archives/*.deb "$1"/var/lib/apt/lists/* \
		"$1"/usr/share/doc "$1"/usr/share/man "$1"/usr/share/locale
}

make_image() {
	truncate -s $size "$1"
	printf 'label: gpt\nstart=%u, size=%u, type=linux, name=root\n' $((start / 512)) $(((size - 2 * start) / 512)) | /sbin/sfdisk -q "$1"
	# INT 18h, where a boot loader would be: a BIOS that tries this disk goes on to the next.
	printf '\315\030' | dd of="$1" conv=notrunc status=none
	$sudo /sbin/mke2fs -q -t ext4 -L root -E offset=$start,lazy_itable_init=0,lazy_journal_init=0 -d "$work/tree" "$1" \
		$(((size - 2 * start) / 1024))k
}

if [ ! -d "$kept" ]; then
	mkdir -p "$cache/packages"
	work=$(mktemp -d "$cache/.work.XXXXXX")
	trap '$sudo rm -rf --one-file-system "$work"' EXIT
	trap 'exit 1' HUP INT TERM
	echo "installing Debian into a disk image, once: this takes some minutes" >&2
	install_tree
	$sudo sh -c "$(sed -n '/^configure() {$/,/^}$/p' "$0")
configure '$work/tree'"
	mkdir "$work/kept"
	make_image "$work/kept/debian.img"
	cp -L "$work/tree/vmlinuz" "$work/kept/debian-vmlinuz"
	cp -L "$work/tree/initrd.img" "$work/kept/debian-initrd.img"
	find "$cache" -mindepth 1 -maxdepth 1 -type d ! -name packages ! -name '.work.*' -exec rm -r {} +
	# Whoever else was faster, with the same script, has made the same.
	mv -T "$work/kept" "$kept" 2>/dev/null || [ -d "$kept" ]
fi
for f in $products; do
	# An emulator may have the old one open.
	cp --remove-destination --sparse=always "$kept/$f" "$out/$f"
done
