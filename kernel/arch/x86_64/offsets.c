/* Offsets that entry.S needs, as assembler constants: this file is compiled to assembly, never linked. */
#include "x86.h"

#define OFFSET(name, type, member)                                                                           \
	__asm__ volatile("\n#define " #name " %c0" ::"i"(__builtin_offsetof(struct type, member)))
#define CONSTANT(name, value) __asm__ volatile("\n#define " #name " %c0" ::"i"(value))

void offsets(void);
void offsets(void)
{
	OFFSET(CPU_CURRENT, cpu, current);
	OFFSET(CPU_SCRATCH, cpu, scratch);
	OFFSET(CPU_STACK, cpu, kernel_stack);
	OFFSET(CPU_RESCHEDULE, cpu, reschedule);
	OFFSET(CPU_CR3, cpu, arch.cr3);

	OFFSET(THREAD_REGISTERS, thread, registers);
	OFFSET(FRAME_CS, arch_registers, cs);
	OFFSET(R_R15, thread, registers.r15);
	OFFSET(R_R14, thread, registers.r14);
	OFFSET(R_R13, thread, registers.r13);
	OFFSET(R_R12, thread, registers.r12);
	OFFSET(R_RBP, thread, registers.rbp);
	OFFSET(R_RBX, thread, registers.rbx);
	OFFSET(R_R10, thread, registers.r10);
	OFFSET(R_R9, thread, registers.r9);
	OFFSET(R_R8, thread, registers.r8);
	OFFSET(R_RAX, thread, registers.rax);
	OFFSET(R_RDX, thread, registers.rdx);
	OFFSET(R_RSI, thread, registers.rsi);
	OFFSET(R_RDI, thread, registers.rdi);
	OFFSET(R_VECTOR, thread, registers.vector);
	OFFSET(R_RIP, thread, registers.rip);
	OFFSET(R_RFLAGS, thread, registers.rflags);
	OFFSET(R_RSP, thread, registers.rsp);
	OFFSET(R_FS_BASE, thread, registers.fs_base);
	OFFSET(R_GS_BASE, thread, registers.gs_base);
	OFFSET(R_GUEST, thread, registers.guest_mode);

	OFFSET(THREAD_GUEST, thread, guest);
	OFFSET(THREAD_GUEST_SPACE, thread, guest_space);
	OFFSET(THREAD_RETURN_RSP, thread, guest_return_rsp);
	OFFSET(THREAD_RETURN_RIP, thread, guest_return_rip);
	OFFSET(THREAD_IN_GUEST, thread, in_guest);
	OFFSET(THREAD_KICKED, thread, kicked);
	OFFSET(SPACE_NATIVE_ROOT, space, native_root);
	OFFSET(SPACE_GUEST_ROOT, space, guest_root);

	OFFSET(G_RAX, guest_state, rax);
	OFFSET(G_RBX, guest_state, rbx);
	OFFSET(G_RCX, guest_state, rcx);
	OFFSET(G_RDX, guest_state, rdx);
	OFFSET(G_RSI, guest_state, rsi);
	OFFSET(G_RDI, guest_state, rdi);
	OFFSET(G_RBP, guest_state, rbp);
	OFFSET(G_RSP, guest_state, rsp);
	OFFSET(G_R8, guest_state, r8);
	OFFSET(G_R9, guest_state, r9);
	OFFSET(G_R10, guest_state, r10);
	OFFSET(G_R11, guest_state, r11);
	OFFSET(G_R12, guest_state, r12);
	OFFSET(G_R13, guest_state, r13);
	OFFSET(G_R14, guest_state, r14);
	OFFSET(G_R15, guest_state, r15);
	OFFSET(G_RIP, guest_state, rip);
	OFFSET(G_RFLAGS, guest_state, rflags);
	OFFSET(G_FS_BASE, guest_state, fs_base);
	OFFSET(G_GS_BASE, guest_state, gs_base);
	OFFSET(G_EXIT, guest_state, exit);

	CONSTANT(NUMBER_GUEST_ENTER, SYS_GUEST_ENTER);
	CONSTANT(NATIVE_SLOT, NATIVE_BASE >> 39);
	CONSTANT(USER_SLOTS, 256);
	CONSTANT(FLAGS_FORBIDDEN, ~(FLAGS_USER | FLAG_IF | FLAG_FIXED));
	CONSTANT(FLAGS_FORCED, FLAG_IF | FLAG_FIXED);
	CONSTANT(MSR_GS, (int)MSR_GS_BASE);
}
