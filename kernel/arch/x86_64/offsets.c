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
	OFFSET(CPU_WORK, cpu, work);

	OFFSET(THREAD_REGISTERS, thread, registers);

	OFFSET(THREAD_GUEST, thread, guest);
	OFFSET(THREAD_GUEST_SPACE, thread, guest_space);
	OFFSET(THREAD_RETURN_RSP, thread, guest_return_rsp);
	OFFSET(THREAD_RETURN_RIP, thread, guest_return_rip);
	OFFSET(THREAD_IN_GUEST, thread, in_guest);
	OFFSET(THREAD_KICKED, thread, kicked);
	OFFSET(HANDOFF_ROOT, handoff, root);
	OFFSET(SPACE_NATIVE_ROOT, space, native_root);
	OFFSET(SPACE_GUEST_ROOT, space, guest_root);

	CONSTANT(NUMBER_GUEST_ENTER, SYS_GUEST_ENTER);
	CONSTANT(BOOT_STACK, HANDOFF_STACK(0, 0));
	CONSTANT(NATIVE_SLOT, NATIVE_BASE >> 39);
	CONSTANT(USER_SLOTS, 256);
	CONSTANT(FLAGS_FORBIDDEN, ~(FLAGS_USER | FLAG_IF | FLAG_FIXED));
	CONSTANT(FLAGS_FORCED, FLAG_IF | FLAG_FIXED);
	CONSTANT(MSR_GS, (int)MSR_GS_BASE);
	CONSTANT(MSR_SPECULATION, MSR_SPEC_CTRL);
	CONSTANT(MACHINE_SPEC_CTRL,
	         __builtin_offsetof(struct handoff_machine, features) + HANDOFF_X86_SPEC_CTRL_SHIFT / 8);
	CONSTANT(DATA, SELECTOR_KERNEL_DATA);
	CONSTANT(FENCE, HANDOFF_X86_ENTRY_FENCE);
	CONSTANT(IBRS, HANDOFF_X86_ENTRY_IBRS);
	CONSTANT(VERW, HANDOFF_X86_EXIT_VERW);
	CONSTANT(RETPOLINE, HANDOFF_X86_RETPOLINE);
}
