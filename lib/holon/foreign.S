/* The fault entry of programs that map memory of untrusted peers (foreign.h): all registers as they were, goes
 * on where foreign_fault says. Nothing but the general registers is in use on the way. */
	.text
	.globl foreign_entry
	.type foreign_entry, @function
	.balign 128
foreign_entry:
	sub $8, %rsp
	pushfq
	push %rax
	push %rcx
	push %rdx
	push %rsi
	push %rdi
	push %r8
	push %r9
	push %r10
	push %r11
	push %rbp
	mov %rsp, %rbp
	and $-16, %rsp
	cld
	call foreign_fault
	mov %rbp, %rsp
	mov %rax, 88(%rsp)
	pop %rbp
	pop %r11
	pop %r10
	pop %r9
	pop %r8
	pop %rdi
	pop %rsi
	pop %rdx
	pop %rcx
	pop %rax
	popfq
	ret
	.size foreign_entry, . - foreign_entry
	.section .note.GNU-stack, "", @progbits
