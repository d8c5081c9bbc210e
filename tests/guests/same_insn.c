/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What instructions do that Ingot intercepts or emulates, in each privilege and with a single step: its output is compared with the same
 * guest's on the bare machine. Where an answer is a matter of the machine (CPUID's, the time stamp's) it is thrown away.
 */
#include "hv/lib/util.h"
#include "hv/x86/desc.h"
#include "tests/guests/lib/probe.h"

#define ALL      (RFLAGS_STATUS)
#define LOGIC    RFLAGS_AF                                       /* undefined after AND, OR, XOR, TEST */
#define BIT_TEST (RFLAGS_OF | RFLAGS_SF | RFLAGS_AF | RFLAGS_PF) /* after BT, BTS, BTR, BTC */
#define SHIFTS   (RFLAGS_OF | RFLAGS_AF)
#define MULS     (RFLAGS_SF | RFLAGS_ZF | RFLAGS_AF | RFLAGS_PF)

#define FORGET   "\n xor %eax, %eax\n xor %ebx, %ebx\n xor %ecx, %ecx\n xor %edx, %edx"
#define PORT     "mov $0x3ff, %edx\n" /* COM1's scratch register: reads as written */
#define CF8      "mov $0xcf8, %edx\n" /* the PCI address: 32 bits that read as written, but for 30:24 and 1:0 */

#define AT_ANY(X)                                                                                            \
	X(cpuid, "cpuid" FORGET, 0)                                                                          \
	X(cpuid_prefixed, ".byte 0xf3, 0x66, 0x0f, 0xa2" FORGET, 0)                                          \
	X(cpuid_lock, ".byte 0xf0, 0x0f, 0xa2" FORGET, 0)                                                    \
	X(cpuid_long, ".fill 14, 1, 0x66\n cpuid" FORGET, 0)                                                 \
	X(rdtsc, "rdtsc" FORGET, 0)                                                                          \
	X(rdtscp, "rdtscp" FORGET, 0)                                                                        \
	X(pause, "pause", 0)                                                                                 \
	X(in8, PORT "mov $0x5a, %al\n out %al, %dx\n xor %eax, %eax\n in %dx, %al", 0)                       \
	X(in32, CF8 "mov $0x80abcdec, %eax\n out %eax, %dx\n xor %eax, %eax\n in %dx, %eax", 0)              \
	X(out_imm, "out %al, $0x80", 0)                                                                      \
	X(outs, PORT "mov %rdi, %rsi\n outsb\n in %dx, %al", 0)                                              \
	X(outs_rep, PORT "mov %rdi, %rsi\n rep outsb\n in %dx, %al", 0)                                      \
	X(outs_none, PORT "xor %ecx, %ecx\n mov %rdi, %rsi\n rep outsb", 0)                                  \
	X(outs_back, PORT "lea 4(%rdi), %rsi\n std\n rep outsb\n cld", 0)                                    \
	X(outs_absent, PORT "lea 0x1000(%rdi), %rsi\n outsb", 0)                                             \
	X(outs_into_absent, PORT "lea 0xffe(%rdi), %rsi\n mov $5, %ecx\n rep outsb", 0)                      \
	X(outs_noncanonical, PORT "mov $0x8000000000000000, %rsi\n outsb", 0)                                \
	X(ins, PORT "mov $0x77, %al\n out %al, %dx\n insb", 0)                                               \
	X(ins_rep, PORT "mov $0x78, %al\n out %al, %dx\n rep insb", 0)                                       \
	X(ins_back, PORT "mov $0x79, %al\n out %al, %dx\n add $8, %rdi\n std\n rep insb\n cld", 0)           \
	X(insl, CF8 "mov $0x80654320, %eax\n out %eax, %dx\n mov $2, %ecx\n rep insl", 0)                    \
	X(ins_absent, PORT "add $0x1000, %rdi\n insb", 0)                                                    \
	X(ins_into_absent,                                                                                   \
	  PORT "mov $0x7a, %al\n out %al, %dx\n add $0xffe, %rdi\n mov $5, %ecx\n rep insb", 0)              \
	X(ins_addr32, PORT "addr32 insb", 0)                                                                 \
	X(cr0_read, "mov %cr0, %rax", 0)                                                                     \
	X(cr0_nw, "mov %cr0, %rax\n or $0x20000000, %rax\n mov %rax, %cr0", 0)                               \
	X(cr0_high, "mov %cr0, %rax\n bts $32, %rax\n mov %rax, %cr0", 0)                                    \
	X(cr0_ts, "mov %cr0, %rax\n or $8, %rax\n mov %rax, %cr0\n fnop", 0)                                 \
	X(cr0_em, "mov %cr0, %rax\n or $4, %rax\n mov %rax, %cr0\n fnop", 0)                                 \
	X(cr0_wait, "mov %cr0, %rax\n or $10, %rax\n mov %rax, %cr0\n fwait", 0)                             \
	X(clts, "mov %cr0, %rax\n or $8, %rax\n mov %rax, %cr0\n clts\n mov %cr0, %rax", 0)                  \
	X(smsw, "smsw %eax", 0)                                                                              \
	X(lmsw, "smsw %eax\n or $8, %eax\n lmsw %ax\n mov %cr0, %rax", 0)                                    \
	X(lmsw_no_pe, "smsw %eax\n and $~1, %eax\n lmsw %ax\n mov %cr0, %rax", 0)                            \
	X(cr2, "mov %rax, %cr2\n mov %cr2, %rbx", 0)                                                         \
	X(cr3_again, "mov %cr3, %rax\n mov %rax, %cr3\n xor %eax, %eax", 0)                                  \
	X(cr4_pge, "mov %cr4, %rax\n xor $0x80, %rax\n mov %rax, %cr4\n mov %cr4, %rbx", 0)                  \
	X(cr5, ".byte 0x0f, 0x20, 0xe8", 0)                                                                  \
	X(cr8,                                                                                               \
	  "mov $7, %eax\n mov %rax, %cr8\n xor %eax, %eax\n mov %cr8, %rax\n xor %ebx, %ebx\n mov %rbx, "    \
	  "%cr8",                                                                                            \
	  0)                                                                                                 \
	X(cr8_16, "mov $16, %eax\n mov %rax, %cr8", 0)                                                       \
	X(dr_write, "mov %rcx, %dr0\n mov %dr0, %rax", 0)                                                    \
	X(dr6_high, "bts $33, %rax\n mov %rax, %dr6", 0)                                                     \
	X(dr7_high, "mov $0x400, %eax\n bts $32, %rax\n mov %rax, %dr7", 0)                                  \
	X(dr7_read, "mov %dr7, %rax", 0)                                                                     \
	X(invlpg, "invlpg (%rdi)", 0)                                                                        \
	X(invlpg_noncanonical, "mov $0x8000000000000000, %rax\n invlpg (%rax)", 0)                           \
	X(invd, "invd", 0)                                                                                   \
	X(wbinvd, "wbinvd", 0)                                                                               \
	X(xgetbv, "xor %ecx, %ecx\n xgetbv", 0)                                                              \
	X(xsetbv, "xor %ecx, %ecx\n mov $1, %eax\n xor %edx, %edx\n xsetbv", 0)                              \
	X(xsetbv_on,                                                                                         \
	  "mov %cr4, %rax\n bts $18, %rax\n mov %rax, %cr4\n xor %ecx, %ecx\n mov $1, %eax\n xor %edx, "     \
	  "%edx\n"                                                                                           \
	  "xsetbv\n xgetbv",                                                                                 \
	  0)                                                                                                 \
	X(xsetbv_no_x87,                                                                                     \
	  "mov %cr4, %rax\n bts $18, %rax\n mov %rax, %cr4\n xor %ecx, %ecx\n mov $2, %eax\n xor %edx, "     \
	  "%edx\n"                                                                                           \
	  "xsetbv",                                                                                          \
	  0)                                                                                                 \
	X(xsetbv_register,                                                                                   \
	  "mov %cr4, %rax\n bts $18, %rax\n mov %rax, %cr4\n mov $7, %ecx\n mov $1, %eax\n xor %edx, %edx\n" \
	  "xsetbv",                                                                                          \
	  0)                                                                                                 \
	X(rdmsr_efer, "mov $0xc0000080, %ecx\n rdmsr", 0)                                                    \
	X(rdmsr_unknown, "mov $0x12345, %ecx\n rdmsr", 0)                                                    \
	X(wrmsr_unknown, "mov $0x12345, %ecx\n wrmsr", 0)                                                    \
	X(wrmsr_efer_lme, "mov $0xc0000080, %ecx\n rdmsr\n btr $8, %eax\n wrmsr", 0)                         \
	X(wrmsr_efer_reserved, "mov $0xc0000080, %ecx\n rdmsr\n bts $1, %eax\n wrmsr", 0)                    \
	X(wrmsr_lstar, "mov $0xc0000082, %ecx\n mov $0x80000000, %edx\n xor %eax, %eax\n wrmsr", 0)          \
	X(wrmsr_gs_base, "mov $0xc0000102, %ecx\n mov $0x00800000, %edx\n wrmsr", 0)                         \
	X(wrmsr_pat, "mov $0x277, %ecx\n mov $0x02020202, %eax\n mov %eax, %edx\n wrmsr", 0)                 \
	X(wrmsr_sysenter, "mov $0x176, %ecx\n mov $0x1234, %eax\n xor %edx, %edx\n wrmsr\n rdmsr", 0)        \
	X(wrmsr_star, "mov $0xc0000081, %ecx\n mov $0x18, %edx\n wrmsr\n xor %eax, %eax\n rdmsr", 0)         \
	X(rdpmc_far, "mov $0x12345, %ecx\n rdpmc", 0)                                                        \
	X(swapgs, "swapgs\n swapgs", 0)                                                                      \
	X(ud2, "ud2", 0)                                                                                     \
	X(int3, "int3", 0)                                                                                   \
	X(icebp, ".byte 0xf1", 0)                                                                            \
	X(int_gate_absent, "int $0x21", 0)                                                                   \
	X(int_gate_kernel, "int $0x20", 0)                                                                   \
	X(int_beyond_limit, "int $0xff", 0)                                                                  \
	X(into, ".byte 0xce", 0)                                                                             \
	X(lock_nop, ".byte 0xf0, 0x90", 0)                                                                   \
	X(too_long, ".fill 15, 1, 0x66\n nop", 0)                                                            \
	X(divide, "xor %edx, %edx\n xor %ecx, %ecx\n div %ecx", ALL)                                         \
	X(divide_big, "mov $5, %edx\n mov $3, %ecx\n div %ecx", ALL)                                         \
	X(jump_noncanonical, "mov $0x8000000000000000, %rax\n jmp *%rax", 0)                                 \
	X(load_noncanonical, "mov $0x8000000000000000, %rbx\n mov (%rbx), %eax", 0)                          \
	X(stack_noncanonical, "mov $0x8000000000000000, %rbx\n mov %rbx, %rsp\n push %rax", 0)               \
	X(selector_beyond, "mov $0x1230, %eax\n mov %eax, %fs", 0)                                           \
	X(selector_tss, "mov $0x28, %eax\n mov %eax, %fs", 0)                                                \
	X(selector_kernel, "mov $0x10, %eax\n mov %eax, %fs", 0)                                             \
	X(stack_null, "xor %eax, %eax\n mov %eax, %ss", 0)                                                   \
	X(ltr_busy, "mov $0x28, %eax\n ltr %ax", 0)                                                          \
	X(lldt_bad, "mov $0x10, %eax\n lldt %ax", 0)                                                         \
	X(lldt_null, "xor %eax, %eax\n lldt %ax\n sldt %ebx", 0)                                             \
	X(lar, "mov $0x10, %eax\n lar %eax, %ebx", ALL & ~RFLAGS_ZF)                                         \
	X(lsl_bad, "mov $0x1230, %eax\n lsl %eax, %ebx", ALL & ~RFLAGS_ZF)                                   \
	X(verr, "mov $0x10, %eax\n verr %ax", ALL & ~RFLAGS_ZF)                                              \
	X(syscall_off, "syscall", 0)                                                                         \
	X(sysret_off, "sysretq", 0)                                                                          \
	X(sysenter_null, "sysenter", 0)                                                                      \
	X(iret_bad_cs, "push $0\n push $0\n push $2\n push $0x1230\n push $0\n iretq", 0)                    \
	X(rsm, "rsm", 0)                                                                                     \
	X(cli, "cli", 0)                                                                                     \
	X(popf_iopl, "push $0x3002\n popfq\n pushfq\n pop %rax\n push $2\n popfq", 0)                        \
	X(single_step_on, "push $0x102\n popfq\n nop\n nop", 0)                                              \
	X(single_step_in, PORT "push $0x102\n popfq\n in %dx, %al\n nop", 0)                                 \
	X(stack_shadow, "mov %ss, %eax\n push $0x102\n popfq\n mov %eax, %ss\n nop\n nop", 0)

/* What QEMU's TCG does not check, and then is lost: not run there. */
#define CHECKED(X)                                                                                           \
	X(lgdt_noncanonical, "bts $63, %rax\n push %rax\n push %rax\n lgdt 6(%rsp)", RFLAGS_STATUS)          \
	X(ltr_null, "xor %eax, %eax\n ltr %ax", 0)                                                           \
	X(cr4_reserved, "mov %cr4, %rax\n bts $15, %rax\n mov %rax, %cr4", 0)                                \
	X(cr4_high, "mov %cr4, %rax\n bts $40, %rax\n mov %rax, %cr4", 0)                                    \
	X(cr0_no_pe, "mov %cr0, %rax\n and $~1, %rax\n mov %rax, %cr0", 0)                                   \
	X(cr3_high, "mov %cr3, %rax\n bts $62, %rax\n mov %rax, %cr3", 0)                                    \
	X(cr4_no_pae, "mov %cr4, %rax\n and $~0x20, %rax\n mov %rax, %cr4", 0)

#define AT_USER(X)                                                                                           \
	X(hlt, "hlt", 0)                                                                                     \
	X(sti, "sti", 0)                                                                                     \
	X(vmcall_user, "mov $0x12345678, %eax\n vmxoff", 0)                                                  \
	X(clgi_user, "clgi", 0)

/* To the local APIC's count, at RSI + 380h, and between it and memory. */
#define ON_DEVICE(X)                                                                                         \
	X(mov_load, "mov 0x380(%rsi), %eax", 0)                                                              \
	X(mov_load_high, "mov 0x380(%rsi), %r9d", 0)                                                         \
	X(mov_store, "mov %eax, 0x380(%rsi)", 0)                                                             \
	X(mov_imm, "movl $0x1badcafe, 0x380(%rsi)", 0)                                                       \
	X(mov_indexed, "mov $0x70, %ebx\n mov %eax, (%rsi,%rbx,8)\n mov 0x374(%rsi,%rcx,4), %edx", 0)        \
	X(movslq, "movl $0x81234567, 0x380(%rsi)\n movslq 0x380(%rsi), %rax", 0)                             \
	X(movbe_load, "movbe 0x380(%rsi), %eax", 0)                                                          \
	X(movbe_store, "movbe %eax, 0x380(%rsi)", 0)                                                         \
	X(movnti, "movnti %eax, 0x380(%rsi)", 0)                                                             \
	X(add_store, "add %eax, 0x380(%rsi)", 0)                                                             \
	X(add_load, "add 0x380(%rsi), %eax", 0)                                                              \
	X(add_imm8, "addl $-1, 0x380(%rsi)", 0)                                                              \
	X(add_imm32, "addl $0x7fffffff, 0x380(%rsi)", 0)                                                     \
	X(adc_store, "stc\n adc %eax, 0x380(%rsi)", 0)                                                       \
	X(sbb_store, "stc\n sbb %eax, 0x380(%rsi)", 0)                                                       \
	X(sbb_load, "clc\n sbb 0x380(%rsi), %eax", 0)                                                        \
	X(sub_store, "sub %eax, 0x380(%rsi)", 0)                                                             \
	X(sub_load, "sub 0x380(%rsi), %eax", 0)                                                              \
	X(and_store, "and %eax, 0x380(%rsi)", LOGIC)                                                         \
	X(and_load, "and 0x380(%rsi), %eax", LOGIC)                                                          \
	X(or_store, "or %eax, 0x380(%rsi)", LOGIC)                                                           \
	X(or_lock, "lock orl $0x80000000, 0x380(%rsi)", LOGIC)                                               \
	X(xor_store, "xor %eax, 0x380(%rsi)", LOGIC)                                                         \
	X(xor_lock, "lock xor %eax, 0x380(%rsi)", LOGIC)                                                     \
	X(cmp_store, "cmp %eax, 0x380(%rsi)", 0)                                                             \
	X(cmp_load, "cmp 0x380(%rsi), %eax", 0)                                                              \
	X(cmp_imm, "cmpl $0x12345678, 0x380(%rsi)", 0)                                                       \
	X(test_reg, "test %eax, 0x380(%rsi)", LOGIC)                                                         \
	X(test_imm, "testl $0x80000000, 0x380(%rsi)", LOGIC)                                                 \
	X(not_, "notl 0x380(%rsi)", 0)                                                                       \
	X(neg, "negl 0x380(%rsi)", 0)                                                                        \
	X(inc, "stc\n incl 0x380(%rsi)", 0)                                                                  \
	X(dec, "decl 0x380(%rsi)", 0)                                                                        \
	X(dec_lock, "lock decl 0x380(%rsi)", 0)                                                              \
	X(bt_imm, "btl $4, 0x380(%rsi)", BIT_TEST)                                                           \
	X(bts_imm, "btsl $31, 0x380(%rsi)", BIT_TEST)                                                        \
	X(btr_lock, "lock btrl $4, 0x380(%rsi)", BIT_TEST)                                                   \
	X(btc_reg, "btc %ecx, 0x380(%rsi)", BIT_TEST)                                                        \
	X(bts_far, "mov $0x1c05, %ecx\n bts %ecx, (%rsi)", BIT_TEST)                                         \
	X(xchg, "xchg %eax, 0x380(%rsi)", 0)                                                                 \
	X(xadd, "xadd %eax, 0x380(%rsi)", 0)                                                                 \
	X(xadd_lock, "lock xadd %eax, 0x380(%rsi)", 0)                                                       \
	X(cmpxchg_equal, "mov $0x12345678, %eax\n cmpxchg %edx, 0x380(%rsi)", 0)                             \
	X(cmpxchg_other, "cmpxchg %edx, 0x380(%rsi)", 0)                                                     \
	X(cmpxchg_lock, "mov $0x12345678, %eax\n lock cmpxchg %edx, 0x380(%rsi)", 0)                         \
	X(cmov, "test %ecx, %ecx\n cmovnz 0x380(%rsi), %eax", LOGIC)                                         \
	X(cmov_not, "test %ecx, %ecx\n cmovz 0x380(%rsi), %eax", LOGIC)                                      \
	X(shl, "shll $3, 0x380(%rsi)", SHIFTS)                                                               \
	X(sar_cl, "sarl %cl, 0x380(%rsi)", SHIFTS)                                                           \
	X(shl_none, "xor %ecx, %ecx\n shll %cl, 0x380(%rsi)", 0)                                             \
	X(rol, "roll $1, 0x380(%rsi)", 0)                                                                    \
	X(rcr, "stc\n rcrl $1, 0x380(%rsi)", 0)                                                              \
	X(shld, "shld $4, %eax, 0x380(%rsi)", SHIFTS)                                                        \
	X(imul, "imul 0x380(%rsi), %eax", MULS)                                                              \
	X(mul, "mull 0x380(%rsi)", MULS)                                                                     \
	X(div, "mov $1, %edx\n divl 0x380(%rsi)", ALL)                                                       \
	X(div_big, "mov $0x7fffffff, %edx\n divl 0x380(%rsi)", ALL)                                          \
	X(div_zero, "movl $0, 0x380(%rsi)\n xor %edx, %edx\n divl 0x380(%rsi)", ALL)                         \
	X(stos, "lea 0x380(%rsi), %rdi\n stosl", 0)                                                          \
	X(stos_rep, "lea 0x380(%rsi), %rdi\n mov $1, %ecx\n rep stosl", 0)                                   \
	X(stos_back, "lea 0x380(%rsi), %rdi\n mov $1, %ecx\n std\n rep stosl\n cld", 0)                      \
	X(lods, "add $0x380, %rsi\n lodsl", 0)                                                               \
	X(movs_from, "add $0x380, %rsi\n movsl", 0)                                                          \
	X(movs_to, "xchg %rsi, %rdi\n add $0x380, %rdi\n mov $1, %ecx\n rep movsl", 0)                       \
	X(movs_to_absent, "add $0x380, %rsi\n add $0x1000, %rdi\n movsl", 0)                                 \
	X(movs_within, "add $0x380, %rsi\n mov %rsi, %rdi\n mov $1, %ecx\n rep movsl", 0)                    \
	X(cmps, "add $0x380, %rsi\n cmpsl", 0)                                                               \
	X(cmps_repe, "add $0x380, %rsi\n mov $1, %ecx\n repe cmpsl", 0)                                      \
	X(scas, "lea 0x380(%rsi), %rdi\n scasl", 0)                                                          \
	X(scas_repne, "lea 0x380(%rsi), %rdi\n mov $1, %ecx\n mov $0x12345678, %eax\n repne scasl", 0)       \
	X(rep_none, "lea 0x380(%rsi), %rdi\n xor %ecx, %ecx\n rep stosl", 0)                                 \
	X(lock_mov, ".byte 0xf0, 0x89, 0x86, 0x80, 0x03, 0x00, 0x00", 0)                                     \
	X(lock_cmp, ".byte 0xf0, 0x39, 0x86, 0x80, 0x03, 0x00, 0x00", 0)

#define CODE(id, text, ignore) PROBE_CODE(id, text)
AT_ANY(CODE)
CHECKED(CODE)
AT_USER(CODE)
ON_DEVICE(CODE)

struct piece {
	const char *name, *code;
	uint64_t ignore;
};
#define ROW(id, text, ignore) {#id, code_##id, ignore},
static const struct piece any[] = {AT_ANY(ROW)}, checked[] = {CHECKED(ROW)}, user[] = {AT_USER(ROW)},
			  device[] = {ON_DEVICE(ROW)};

static void run(const struct piece *p, unsigned how)
{
	probe(p->name, p->code, how, p->ignore);
}

void test_main(void)
{
	probe_init();
	for (unsigned i = 0; i < ARRAY_SIZE(any); i++) {
		run(&any[i], 0);
		run(&any[i], PROBE_STEP);
		run(&any[i], PROBE_CPL3);
		run(&any[i], PROBE_CPL3 | PROBE_IOPL3);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(checked) && !guest_cmdline_has("tcg"); i++)
		run(&checked[i], 0);
	for (unsigned i = 0; i < ARRAY_SIZE(user); i++)
		run(&user[i], PROBE_CPL3);
	for (unsigned i = 0; i < ARRAY_SIZE(device); i++) {
		run(&device[i], 0);
		run(&device[i], PROBE_CPL3);
	}
}
