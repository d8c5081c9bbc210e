#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Makes one bootable image, for CD and USB stick, of Ingot, a configuration and the files that it names:
#   boot/iso.sh [-k] [-d DIR]... BUILD CONFIG OUT.iso [ESP.img]
# GRUB starts ingot.elf on BIOS and on UEFI. The EFI system partition in it holds GRUB as
# \EFI\BOOT\BOOTX64.EFI and ingot.efi with the same files in \EFI\INGOT. With ESP.img, a second such partition is written there whose
# BOOTX64.EFI is ingot.efi itself.
# A file is looked for beside CONFIG, then in each DIR. -k: go on where the configuration is wrong or a file
# is missing, for tests of how that looks at boot. Environment: CMDLINE, Ingot's boot line; GRUB_TIMEOUT, seconds (2);
# GRUB_DEFAULT, the menu entry (ingot or ingot-efi).
set -eu

keep_going= dirs= dir_options=
while getopts kd: option; do
	case $option in
	k) keep_going=1 ;;
	d) dirs="$dirs $OPTARG" dir_options="$dir_options -d $OPTARG" ;;
	*) exit 2 ;;
	esac
done
shift $((OPTIND - 1))
build=$1 config=$2 out=$3 esp_out=${4:-}
cmdline=${CMDLINE:-}

# BIOS: from the CD or stick that the firmware started. UEFI: the same, from the ESP.
bios_modules="biosdisk iso9660 part_msdos part_gpt multiboot2 normal configfile search search_fs_file serial terminal test echo ls cat reboot halt"
efi_modules="iso9660 fat part_msdos part_gpt multiboot2 chain normal configfile search search_fs_file serial terminal test echo ls cat reboot halt efi_gop all_video"

[ -r "$config" ] || { echo "error: cannot read $config" >&2; exit 1; }
work=$(mktemp -d "$build/.iso.XXXXXX")
trap 'rm -rf "$work"' EXIT
tree=$work/tree
mkdir -p "$tree/boot/grub" "$tree/ingot"

# shellcheck disable=SC2086
files=$("$build/host/ingot-config" $dir_options --files "$config") || [ -n "$keep_going" ] || exit 1
cp "$config" "$tree/ingot/ingot.cfg"
for f in $files; do
	for dir in "$(dirname "$config")" $dirs; do
		[ -f "$dir/$f" ] || continue
		mkdir -p "$(dirname "$tree/ingot/$f")"
		cp -L "$dir/$f" "$tree/ingot/$f"
		break
	done
done
cp "$build/ingot.elf" "$build/ingot.efi" "$tree/boot/"

{
	cat <<-END
	if [ "\$grub_platform" = pc ]; then
		serial --unit=0 --speed=115200
		terminal_input serial console
		terminal_output serial console
	fi
	set timeout=${GRUB_TIMEOUT:-2}
	set default=${GRUB_DEFAULT:-ingot}
	menuentry "Ingot" --id ingot {
		multiboot2 /boot/ingot.elf $cmdline
		module2 --nounzip /ingot/ingot.cfg ingot.cfg
	END
	for f in $files; do
		[ ! -f "$tree/ingot/$f" ] || echo "	module2 --nounzip /ingot/$f $f"
	done
	cat <<-END
	}
	if [ "\$grub_platform" = efi ]; then
		menuentry "Ingot, by its UEFI loader" --id ingot-efi {
			# GRUB sees no partitions on a CD: there the loader finds the ESP by itself.
			if [ -f (\$boot_device)/EFI/INGOT/INGOT.EFI ]; then
				set root=\$boot_device
				chainloader /EFI/INGOT/INGOT.EFI $cmdline
			else
				chainloader /boot/ingot.efi $cmdline
			fi
		}
	fi
	END
} >"$tree/boot/grub/grub.cfg"

# GRUB's images: complete in themselves, they only look for the menu, by a file name that no other image has.
id=$(cat $(find "$tree" -type f | sort) | sha256sum | cut -c 1-32)
mkdir "$tree/.disk"
echo "$id" >"$tree/.disk/$id"
cat >"$work/early.cfg" <<-END
	set boot_device=\$root
	export boot_device
	search --no-floppy --set=root --file /.disk/$id
	set prefix=(\$root)/boot/grub
	configfile /boot/grub/grub.cfg
END
# shellcheck disable=SC2086
grub-mkimage -O i386-pc-eltorito -c "$work/early.cfg" -p /boot/grub -o "$tree/boot/grub/eltorito.img" $bios_modules
# shellcheck disable=SC2086
grub-mkimage -O x86_64-efi -c "$work/early.cfg" -p /boot/grub -o "$work/grubx64.efi" $efi_modules

# A FAT partition: make_esp OUT BOOTX64.EFI. Its files go in BOOTX64.EFI first, so that the firmware finds
# GRUB within the 32 MiB that El Torito can describe.
make_esp() {
	bytes=$(cat "$2" "$build/ingot.efi" | wc -c)
	bytes=$((bytes + $(find "$tree/ingot" -type f -printf '%s\n' | awk '{ n += $1 + 8192 } END { print n }')))
	# FAT32 needs 65525 clusters; below that mkfs makes FAT16, which firmware reads as well.
	rm -f "$1"
	truncate -s $(((bytes + bytes / 50 + 0x200000) / 0x100000 * 0x100000)) "$1"
	mformat -i "$1" -v INGOT -T $(($(stat -c %s "$1") / 512)) -h 16 -s 63 ::
	mmd -i "$1" ::/EFI ::/EFI/BOOT ::/EFI/INGOT
	mcopy -i "$1" "$2" ::/EFI/BOOT/BOOTX64.EFI
	mcopy -i "$1" "$build/ingot.efi" ::/EFI/INGOT/INGOT.EFI
	mcopy -s -i "$1" "$tree"/ingot/* ::/EFI/INGOT/
}
make_esp "$tree/boot/esp.img" "$work/grubx64.efi"

# The ESP lies within the ISO file system, so that a count of 0 reaches to its end, and is a GPT partition for USB sticks.
# El Torito describes at most 65535 sectors of 512 bytes. UEFI Specification, "ISO-9660 and El Torito": 0
# means everything to the end of the medium.
esp_sectors=$(($(stat -c %s "$tree/boot/esp.img") / 512))
[ "$esp_sectors" -le 65535 ] || esp_sectors=0
xorriso -as mkisofs -quiet -R -iso-level 3 -V INGOT -o "$out" \
	--grub2-mbr /usr/lib/grub/i386-pc/boot_hybrid.img --protective-msdos-label \
	-b boot/grub/eltorito.img -no-emul-boot -boot-load-size 4 -boot-info-table --grub2-boot-info \
	-eltorito-alt-boot -e boot/esp.img -no-emul-boot -boot-load-size "$esp_sectors" -efi-boot-part --efi-boot-image \
	"$tree" 2>"$work/xorriso.log" || { cat "$work/xorriso.log" >&2; exit 1; }

if [ -n "$esp_out" ]; then
	cp "$build/ingot.efi" "$work/boot.efi"
	make_esp "$esp_out" "$work/boot.efi"
fi
