# SPDX-License-Identifier: BSD-2-Clause
# The product sources that each host unit test links: UNIT_NAME := path/a.c path/b.c. Libraries: UNIT_NAME_LIBS; own
# compiler flags: UNIT_NAME_FLAGS. Each also gets tests/unit/support.c (panic, log, ... as weak fakes).
UNIT_acpi := drivers/acpi.c drivers/acpi_madt.c drivers/acpi_fadt.c
UNIT_bitset := mm/bitset.c
UNIT_decode := hv/decode.c
UNIT_decode_LIBS := -lZydis
UNIT_gpa := mm/gpa.c
UNIT_memmap := mm/memmap.c
UNIT_page_alloc := mm/page_alloc.c mm/bitset.c mm/memmap.c
UNIT_pagetable := mm/pagetable.c mm/pt_format_host.c mm/pt_format_ept.c mm/pt_format_npt.c
# Renamed, so that the host's own stay in use.
UNIT_string := hv/lib/string.c hv/lib/str.c
UNIT_string_FLAGS := -fno-builtin $(foreach f,memcpy memmove memset memcmp memchr strlen strcmp strncmp strchr,-D$(f)=image_$(f))
UNIT_fmt := hv/lib/fmt.c hv/lib/str.c
UNIT_log := hv/lib/log.c hv/lib/fmt.c hv/lib/str.c
UNIT_multiboot2 := boot/multiboot2.c hv/lib/fmt.c hv/lib/str.c
UNIT_config := hv/config.c hv/config_keys.c hv/config_value.c hv/config_print.c hv/cpuid_table.c hv/cpuid_choice.c hv/lib/ini.c hv/lib/words.c hv/lib/fmt.c hv/lib/str.c
UNIT_svm_exit := svm/exit.c
UNIT_svm_state := svm/state.c svm/inject.c svm/exit.c svm/asid.c svm/msrpm.c svm/check.c
UNIT_vmx_caps := vmx/caps.c vmx/msr_bitmap.c
UNIT_vmx_exit := vmx/exit.c vmx/exit_text.c vmx/guest_state.c hv/lib/fmt.c hv/lib/str.c
# The way from exit to entry alone, with VMREAD and VMWRITE counted; what else vmx/run.c does is not called.
UNIT_vmx_run := vmx/run.c vmx/exit.c hv/cpuid.c
UNIT_vmx_run_FLAGS := -fno-pie -include tests/unit/counted_vmcs.h
UNIT_vmx_run_LIBS := -no-pie -Wl,--unresolved-symbols=ignore-all
UNIT_lapic := hv/vdev/lapic.c hv/vdev/lapic_ipi.c hv/vdev/lapic_regs.c hv/vdev/lapic_timer.c
UNIT_io_bus := hv/io_bus.c
UNIT_ioapic := hv/vdev/ioapic.c hv/vm_irq.c hv/io_bus.c
UNIT_pic := hv/vdev/pic.c hv/io_bus.c
UNIT_mux := hv/mgmt/mux.c hv/mgmt/mux_out.c hv/mgmt/guest_text.c hv/mgmt/line_edit.c hv/lib/fmt.c hv/lib/str.c
UNIT_uart := hv/vdev/uart.c hv/io_bus.c
UNIT_tsc := drivers/tsc.c
UNIT_timer := hv/timer_queue.c
UNIT_work := hv/work.c
UNIT_vcpu := hv/vcpu.c
UNIT_vcpu_FLAGS := -fno-pie -include tests/unit/one_cpu.h
UNIT_vcpu_LIBS := -no-pie -Wl,--unresolved-symbols=ignore-all
UNIT_sched := hv/sched.c hv/sched_cap.c hv/sched_move.c
UNIT_pit := hv/vdev/pit.c hv/vdev/pit_channel.c hv/io_bus.c
UNIT_guest_walk := hv/guest_walk.c hv/insn.c hv/decode.c mm/gpa.c
UNIT_emulate := $(wildcard hv/emulate*.c) hv/guest_walk.c hv/insn.c hv/decode.c mm/gpa.c hv/lib/fmt.c hv/lib/str.c
UNIT_emulate_native := $(UNIT_emulate)
UNIT_efi_memory := boot/efi/memory.c hv/lib/str.c
UNIT_efi_options := boot/efi/options.c hv/lib/str.c
UNIT_mitigations := hv/mitigations.c hv/speculation.c mm/pt_format_ept.c
UNIT_pv := hv/hypercall.c hv/pv_steal.c hv/pv_eoi.c mm/gpa.c
UNIT_hpet := hv/vdev/hpet.c hv/io_bus.c
UNIT_pci := $(wildcard hv/vdev/pci*.c) hv/io_bus.c
UNIT_pci_bar := $(UNIT_pci)
UNIT_pci_msix := $(UNIT_pci)
UNIT_pci_intx := $(UNIT_pci)
UNIT_pm := hv/vdev/pm.c $(UNIT_pci)
UNIT_rtc := hv/vdev/rtc.c hv/lib/calendar.c hv/io_bus.c
UNIT_virtqueue := hv/vdev/virtqueue.c hv/vdev/vq_chain.c mm/gpa.c
UNIT_virtio := hv/vdev/virtio.c hv/vdev/virtio_pci.c $(UNIT_virtqueue)
UNIT_fuzz_virtqueue := $(UNIT_virtqueue)
UNIT_fuzz_virtio := $(UNIT_virtio)
UNIT_virtio_rng := hv/vdev/virtio_rng.c hv/vdev/virtio.c $(UNIT_virtqueue)
UNIT_random := hv/random.c
UNIT_vdev := $(wildcard hv/vdev/*.c) hv/vm_irq.c hv/io_bus.c hv/random.c hv/lib/calendar.c mm/gpa.c $(UNIT_config)
UNIT_cpuid := hv/cpuid.c hv/cpuid_table.c hv/cpuid_choice.c mm/gpa.c hv/lib/words.c hv/lib/fmt.c hv/lib/str.c
UNIT_insn := hv/insn.c hv/guest_walk.c hv/decode.c mm/gpa.c
UNIT_cr_msr := hv/cr.c hv/msr.c hv/msr_table.c hv/pvclock.c hv/insn.c hv/decode.c hv/guest_walk.c mm/gpa.c
UNIT_LOAD := $(wildcard hv/load*.c) mm/gpa.c hv/lib/fmt.c hv/lib/str.c
UNIT_load := $(UNIT_LOAD)
UNIT_load_pvh := $(UNIT_LOAD)
UNIT_load_multiboot := $(UNIT_LOAD)
UNIT_load_multiboot2 := $(UNIT_LOAD)
UNIT_load_flat := $(UNIT_LOAD)
UNIT_load_linux := $(UNIT_LOAD) hv/guest_acpi.c
UNIT_bios := hv/vdev/bios.c hv/io_bus.c mm/gpa.c
UNIT_screen := drivers/screen.c drivers/screen_font.c hv/lib/str.c
UNIT_shell := hv/mgmt/shell.c hv/mgmt/commands.c hv/mgmt/line_edit.c hv/lib/words.c hv/lib/fmt.c hv/lib/str.c
UNIT_event := hv/event.c
UNIT_exit := hv/exit.c hv/task_switch.c hv/cr.c hv/insn.c hv/decode.c hv/guest_walk.c mm/gpa.c vmx/exit.c svm/exit.c
UNIT_isolation := hv/isolation.c mm/page_alloc.c mm/bitset.c mm/memmap.c mm/pagetable.c mm/pt_format_ept.c mm/pt_format_host.c hv/lib/fmt.c hv/lib/str.c
