#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Runs an image in an emulator, the serial console on the terminal:
#   BOOT=grub-bios|grub-efi|efi CPU=auto|amd|intel CPUS=n MEM=2G DISK=file NIC=yes|no boot/run.sh BUILD IMAGE.iso ESP.img
# amd is QEMU, with nested KVM where the machine has SVM. intel is QEMU with nested KVM where it has VMX, else Bochs.
# DISK is the content of a disk that the machine has (NVMe; Bochs: ATA). NIC is a card in the emulator's own network, which
# leads outside by address translation (10.0.2.0/24, gateway and DHCP at 10.0.2.2).
set -eu

build=$1 iso=$2 esp=$3
boot=${BOOT:-grub-bios} cpu=${CPU:-auto} cpus=${CPUS:-2} mem=${MEM:-2G} disk=${DISK:-} nic=${NIC:-no}
here=$(dirname "$0")
ovmf=/usr/share/ovmf/OVMF.fd

# /dev/kvm alone proves nothing: it may be there without any way to run a guest in a guest.
kvm=none
if [ -w /dev/kvm ]; then
	if grep -qw vmx /proc/cpuinfo; then kvm=intel; fi
	if grep -qw svm /proc/cpuinfo; then kvm=amd; fi
fi
[ "$cpu" != auto ] || { cpu=amd; [ "$kvm" = none ] || cpu=$kvm; }
case $cpu in amd | intel) ;; *) echo "error: CPU=$cpu; it must be amd or intel" >&2; exit 1 ;; esac
case $boot in grub-bios | grub-efi | efi) ;; *) echo "error: BOOT=$boot; it must be grub-bios, grub-efi or efi" >&2; exit 1 ;; esac

case $nic in yes | no) ;; *) echo "error: NIC=$nic; it must be yes or no" >&2; exit 1 ;; esac
[ -z "$disk" ] || [ -w "$disk" ] || { echo "error: DISK=$disk: no file that can be written" >&2; exit 1; }

case $mem in
*[Gg]) mem_mb=$((${mem%[Gg]} * 1024)) ;;
*[Mm]) mem_mb=${mem%[Mm]} ;;
*) echo "error: MEM=$mem; write it as 2G or 1536M" >&2; exit 1 ;;
esac

run_qemu() {
	if [ "$kvm" = "$cpu" ]; then
		set -- -accel kvm -cpu host
	else
		set -- -accel tcg -cpu max,+svm,+npt
	fi
	case $boot in
	grub-bios) set -- "$@" -drive "file=$iso,media=cdrom,if=none,id=boot" -device ide-cd,drive=boot,bootindex=0 ;;
	grub-efi) set -- "$@" -bios "$ovmf" -drive "file=$iso,media=cdrom,if=none,id=boot" -device ide-cd,drive=boot,bootindex=0 ;;
	efi) set -- "$@" -bios "$ovmf" -drive "file=$esp,format=raw,snapshot=on,if=none,id=boot" -device ide-hd,drive=boot,bootindex=0 ;;
	esac
	[ -z "$disk" ] || set -- "$@" -drive "file=$disk,format=raw,if=none,id=disk" -device nvme,drive=disk,serial=run
	if [ "$nic" = yes ]; then set -- "$@" -nic user,model=e1000e; else set -- "$@" -nic none; fi
	exec qemu-system-x86_64 -machine q35 "$@" -smp "$cpus" -m "$mem_mb" -display none -serial mon:stdio
}

run_bochs() {
	rom="file=/usr/share/bochs/BIOS-bochs-latest, options=fastboot"
	boot_medium="ata0-master: type=cdrom, path=\"$iso\", status=inserted"
	boot_device=cdrom
	ignore_bad_msrs=0
	if [ "$boot" != grub-bios ]; then
		rom="file=$ovmf"
		ignore_bad_msrs=1 # OVMF reads IA32_PLATFORM_ID, which Bochs doesn't have
	fi
	if [ "$boot" = efi ]; then
		boot_medium="ata0-master: type=disk, path=\"$esp\", mode=volatile"
		boot_device=disk
	fi
	data_disk='' slots='' card=''
	if [ -n "$disk" ]; then
		# Bochs knows disks by cylinders of 16 heads and 63 sectors.
		[ $(($(stat -c %s "$disk") % 516096)) = 0 ] || {
			echo "error: DISK=$disk: Bochs wants a multiple of 516096 bytes: truncate -s %516096 $disk" >&2
			exit 1
		}
		data_disk="ata1-master: type=disk, path=\"$disk\", mode=flat"
	fi
	if [ "$nic" = yes ]; then
		slots=', slot1=e1000'
		card='e1000: enabled=1, mac=52:54:00:aa:bb:00, ethmod=slirp'
	fi
	cat >"$build/bochsrc" <<-END
		config_interface: textconfig
		display_library: rfb, options="timeout=0"
		romimage: $rom
		vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
		cpu: model=corei7_skylake_x, count=$cpus, ips=50000000, reset_on_triple_fault=0, ignore_bad_msrs=$ignore_bad_msrs
		memory: guest=$mem_mb, host=$mem_mb
		pci: enabled=1, chipset=i440fx$slots
		clock: sync=none, time0=local
		ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
		ata1: enabled=1, ioaddr1=0x170, ioaddr2=0x370, irq=15
		$boot_medium
		$data_disk
		$card
		boot: $boot_device
		com1: enabled=1, mode=term, dev=@TERMINAL@
		log: $build/bochs.log
		panic: action=fatal
		error: action=ignore
		info: action=ignore
		debug: action=ignore
		sound: driver=dummy
		speaker: enabled=0
		plugin_ctrl: unmapped=1, biosdev=1, speaker=0, extfpuirq=1, iodebug=0, parallel=0, gameport=0
	END
	exec /usr/bin/python3 "$here/bochs.py" "$build/bochsrc"
}

if [ "$cpu" = "$kvm" ]; then
	with="QEMU with nested KVM"
elif [ "$cpu" = amd ]; then
	with="QEMU"
else
	with="Bochs"
fi
echo "Ingot in $with: $cpu, $cpus CPUs, $mem, $boot. Leave the emulator: Ctrl-A X. Detach from a guest: Ctrl-]"
if [ "$with" = Bochs ]; then run_bochs; else run_qemu; fi
