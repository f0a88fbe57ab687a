# bool probe(void (*what)(uint64_t), uint64_t argument): whether WHAT came back; false where it was a fault, from whose place
# probe_fault, the thread's fault entry, leaves it.
	.text
	.globl probe, probe_fault
probe:
	push %rbx
	push %rbp
	push %r12
	push %r13
	push %r14
	push %r15
	sub $8, %rsp
	mov %rsp, kept(%rip)
	mov %rdi, %rax
	mov %rsi, %rdi
	call *%rax
	mov $1, %eax
	jmp 1f
probe_fault:
	mov kept(%rip), %rsp
	xor %eax, %eax
1:	add $8, %rsp
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbp
	pop %rbx
	ret
	.bss
	.balign 8
kept:	.quad 0
	.section .note.GNU-stack, "", @progbits
