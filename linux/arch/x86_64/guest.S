/* The way between guest and personality: the loop of every task, the entry for faults of the personality itself, and the
 * only instructions that touch guest memory.
 *
 * guest_loop runs at the top of the native stack. guest_enter preserves only RSP; the task and its guest state page are
 * found from it. Registers across a handler: RBX guest state, RBP task, R12 the call's number.
 */
#include <holon/syscall_numbers.inc>
#include <fault_entry.inc>
#include "layout.inc"

/* The handler at R13, with the guest's arguments and for its result. */
.macro run_handler
	mov STATE_RDI(%rbx), %rdi
	mov STATE_RSI(%rbx), %rsi
	mov STATE_RDX(%rbx), %rdx
	mov STATE_R10(%rbx), %rcx
	mov STATE_R8(%rbx), %r8
	mov STATE_R9(%rbx), %r9
	call *%r13
	mov %rax, STATE_RAX(%rbx)
.endm

	.text
	.globl guest_loop
	.type guest_loop, @function
guest_loop:
	mov %rsp, %rbp
	and $-AREA_BYTES, %rbp
	mov AREA_TASK(%rbp), %rbp
	mov $-1, %r12
	cmpq $0, TASK_WORK(%rbp) /* and the files held for the call */
	jne work
enter:
	mov %rsp, %rcx /* nobody else came to its guest on this processor meanwhile: task/rseq.h */
	and $-AREA_BYTES, %rcx
	movl $1, AREA_INSIDE(%rcx)
	mov AREA_PLACE(%rcx), %rdx
	shr $16, %rcx
	cmp %ecx, (%rdx)
	jne replace
	rdtsc /* how long the task was in the personality: time/account.c */
	shl $32, %rdx
	or %rdx, %rax
	sub TASK_ENTERED(%rbp), %rax
	add %rax, TASK_SYSTEM(%rbp)
	mov $SYS_GUEST_ENTER, %eax
	syscall
	mov %rsp, %rbx
	and $-AREA_BYTES, %rbx
	mov AREA_TASK(%rbx), %rbp
	add $AREA_STATE, %rbx
	movl $0, (AREA_INSIDE - AREA_STATE)(%rbx)
	mov %rax, %rcx
	rdtsc
	shl $32, %rdx
	or %rdx, %rax
	mov %rax, TASK_ENTERED(%rbp)
	test %rcx, %rcx
	jnz other
	mov STATE_RAX(%rbx), %r12
	cmpb $0, TASK_TRAPS(%rbp)
	jne trapped
call:
	cmp $SYSCALL_TABLE_COUNT, %r12
	jae unknown
	lea linux_syscall_table(%rip), %rax
	mov (%rax, %r12, 8), %r13
	test %r13, %r13
	jz unknown
	lea linux_syscall_modes(%rip), %rax
	movzbl (%rax, %r12), %eax
	cmp $MODE_SHARED, %eax
	je share
	ja alone
	run_handler
	cmpq $0, TASK_WORK(%rbp) /* and the files held for the call */
	je enter
work:
	mov %r12, %rdi
	call guest_work
	jmp enter

replace:
	mov %r12, %rdi
	call rseq_enter
	test %al, %al
	jz enter
	mov $-1, %r12 /* the call itself is over */
	jmp work

	/* A filter or a tracer looks at the call before it runs, and may have answered it. */
trapped:
	mov %r12, %rdi
	call guest_trapped
	test %rax, %rax
	mov %r12, %rcx
	mov %rax, %r12
	jns call
	mov %rcx, %rdi
	call guest_work
	jmp enter

	/* The common lock, shared: see sync/lock.c. */
share:
	mov (AREA_SLOT - AREA_STATE)(%rbx), %rax
	lock incl (%rax)
	cmpl $0, common_word(%rip)
	jne share_contended
have_share:
	movl $MODE_SHARED, (AREA_MODE - AREA_STATE)(%rbx)
	run_handler
	mov (AREA_SLOT - AREA_STATE)(%rbx), %rax
	lock decl (%rax)
	cmpl $0, common_word(%rip)
	jne wake_drain
	cmpq $0, TASK_WORK(%rbp)
	je enter
	jmp work
share_contended:
	call common_shared_slow
	jmp have_share
wake_drain:
	call common_shared_wake
	jmp done

	/* The common lock, alone. */
alone:
	xor %eax, %eax
	mov $1, %ecx
	lock cmpxchg %ecx, common_word(%rip)
	jne alone_contended
	mov common_slot_count(%rip), %ecx
	lea common_slots(%rip), %rax
1:
	cmpl $0, (%rax)
	jne alone_drain
	add $SLOT_BYTES, %rax
	dec %ecx
	jnz 1b
have_alone:
	movl $MODE_ALONE, (AREA_MODE - AREA_STATE)(%rbx)
	run_handler
	xor %eax, %eax
	xchg %eax, common_word(%rip)
	cmp $1, %eax
	jne wake_waiter
done:
	cmpq $0, TASK_WORK(%rbp)
	je enter
	jmp work
alone_contended:
	call common_alone_slow
	jmp have_alone
alone_drain:
	call common_drain
	jmp have_alone
wake_waiter:
	call common_alone_wake
	jmp done
unknown:
	mov %r12, %rdi
	call guest_unknown_call
	mov %rax, STATE_RAX(%rbx)
	jmp done
other:
	mov %rcx, %rdi
	call guest_other_exit
	mov $-1, %r12
	jmp done

/* thread_restart_stack(area, function): throws the stack away and calls FUNCTION(area) at its top. */
	.globl thread_restart_stack
	.type thread_restart_stack, @function
thread_restart_stack:
	lea AREA_STACK_TOP(%rdi), %rsp
	xor %ebp, %ebp
	call *%rsi
	ud2

/* First instruction of a native thread: RDI area, RSI function. */
	.globl thread_first
	.type thread_first, @function
thread_first:
	xor %ebp, %ebp
	call *%rsi
	ud2

/* A fault of the personality. */
	fault_entry_at fault_entry, fault_resolve

/* One fixup: an instruction at FROM that faults goes on at TO; both by their distance from where that stands. */
	.macro fixup from, to
	.pushsection .rodata.fixups, "a"
	.long \from - .
	.long \to - .
	.popsection
	.endm

	.section .rodata.fixups, "a"
	.balign 4
	.globl fixups_start
fixups_start:
	.text

/* size_t user_copy(to, from, bytes): bytes not copied. */
	.globl user_copy
	.type user_copy, @function
user_copy:
	mov %rdx, %rcx
	shr $3, %rcx
	and $7, %edx
.Lcopy_words:
	rep movsq
	mov %edx, %ecx
.Lcopy_bytes:
	rep movsb
	xor %eax, %eax
	ret
.Lcopy_words_fault: /* byte by byte up to the very first that cannot be had */
	lea (%rdx, %rcx, 8), %rcx
	jmp .Lcopy_bytes
.Lcopy_bytes_fault:
	mov %rcx, %rax
	ret
	fixup .Lcopy_words, .Lcopy_words_fault
	fixup .Lcopy_bytes, .Lcopy_bytes_fault

/* size_t user_fill(to, bytes): writes zeroes; bytes not written. */
	.globl user_fill
	.type user_fill, @function
user_fill:
	mov %rsi, %rcx
	mov %esi, %edx
	shr $3, %rcx
	and $7, %edx
	xor %eax, %eax
.Lfill_words:
	rep stosq
	mov %edx, %ecx
.Lfill_bytes:
	rep stosb
	ret
.Lfill_words_fault:
	lea (%rdx, %rcx, 8), %rcx
	jmp .Lfill_bytes
.Lfill_bytes_fault:
	mov %rcx, %rax
	ret
	fixup .Lfill_words, .Lfill_words_fault
	fixup .Lfill_bytes, .Lfill_bytes_fault

/* int64_t user_string(to, from, size): length without the NUL, SIZE when there was none, or -EFAULT. */
	.globl user_string
	.type user_string, @function
user_string:
	xor %eax, %eax
	test %rdx, %rdx
	jz 2f
1:
.Lstring_load:
	movb (%rsi, %rax), %cl
	movb %cl, (%rdi, %rax)
	test %cl, %cl
	jz 2f
	inc %rax
	cmp %rdx, %rax
	jb 1b
2:
	ret
	fixup .Lstring_load, user_fault

	.globl user_load32
user_load32: /* (uint32_t *to, from) */
.Lload32:
	mov (%rsi), %eax
	mov %eax, (%rdi)
	xor %eax, %eax
	ret
	fixup .Lload32, user_fault

	.globl user_load64
user_load64:
.Lload64:
	mov (%rsi), %rax
	mov %rax, (%rdi)
	xor %eax, %eax
	ret
	fixup .Lload64, user_fault

	.globl user_store32
user_store32: /* (to, value) */
.Lstore32:
	mov %esi, (%rdi)
	xor %eax, %eax
	ret
	fixup .Lstore32, user_fault

	.globl user_store64
user_store64:
.Lstore64:
	mov %rsi, (%rdi)
	xor %eax, %eax
	ret
	fixup .Lstore64, user_fault

	.globl user_exchange32
user_exchange32: /* (address, expected, desired, uint32_t *seen) */
	mov %esi, %eax
.Lexchange32:
	lock cmpxchg %edx, (%rdi)
	mov %eax, (%rcx)
	xor %eax, %eax
	ret
	fixup .Lexchange32, user_fault

	.globl probe_write
probe_write: /* (address): 0 when a byte there can be written */
.Lprobe:
	lock orb $0, (%rdi)
	xor %eax, %eax
	ret
	fixup .Lprobe, user_fault

user_fault:
	mov $-14, %rax /* -EFAULT */
	ret

/* Vector state of the guest: XSAVE or FXSAVE into, and back from, 64-byte aligned memory. The restoring instruction
 * faults on areas that a guest made up: 0 or -EFAULT. */
	.globl vector_xsave
vector_xsave: /* (area, mask) */
	mov %rsi, %rdx
	mov %esi, %eax
	shr $32, %rdx
	xsave (%rdi)
	ret
	.globl vector_fxsave
vector_fxsave:
	fxsave (%rdi)
	ret
	.globl vector_xrstor
vector_xrstor:
	mov %rsi, %rdx
	mov %esi, %eax
	shr $32, %rdx
.Lxrstor:
	xrstor (%rdi)
	xor %eax, %eax
	ret
	fixup .Lxrstor, user_fault
	.globl vector_fxrstor
vector_fxrstor:
.Lfxrstor:
	fxrstor (%rdi)
	xor %eax, %eax
	ret
	fixup .Lfxrstor, user_fault

	.section .rodata.fixups, "a"
	.globl fixups_end
fixups_end:
	.section .note.GNU-stack, "", @progbits
