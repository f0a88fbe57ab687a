/* Where other CPUs begin: copied to a page below 1 MiB, entered in real mode with CS = page >> 4. Goes straight to long
 * mode on the tables that smp.c put into the parameters, then to the kernel with the stack and CPU from there. */
	.section .rodata
	.global trampoline_start, trampoline_end
	.code16
trampoline_start:
	cli
	cld
	mov	%cs, %ax
	mov	%ax, %ds
	xor	%ebx, %ebx
	mov	%ax, %bx
	shl	$4, %ebx		/* linear base of this page */
	lea	(trampoline_gdt - trampoline_start)(%ebx), %eax
	mov	%eax, (trampoline_gdtr - trampoline_start + 2)
	lgdtl	(trampoline_gdtr - trampoline_start)
	lea	(trampoline_long - trampoline_start)(%ebx), %eax
	mov	%eax, (trampoline_far - trampoline_start)
	mov	$0x20, %eax		/* PAE */
	mov	%eax, %cr4
	mov	(trampoline_parameters - trampoline_start), %eax
	mov	%eax, %cr3
	mov	$0xc0000080, %ecx	/* EFER: long mode, no-execute */
	xor	%edx, %edx
	mov	$0x900, %eax
	wrmsr
	mov	$0x80000001, %eax	/* paging and protection at once */
	mov	%eax, %cr0
	ljmpl	*(trampoline_far - trampoline_start)

	.code64
trampoline_long:
	mov	$0x10, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	mov	(trampoline_parameters + 8 - trampoline_start)(%rbx), %rsp
	mov	(trampoline_parameters + 16 - trampoline_start)(%rbx), %rdi
	mov	(trampoline_parameters + 24 - trampoline_start)(%rbx), %rax
	xor	%ebp, %ebp
	jmp	*%rax

	.balign 8
trampoline_gdt:
	.quad	0, 0x00af9b000000ffff, 0x00cf93000000ffff
trampoline_gdtr:
	.word	23
	.long	0
	.balign 4
trampoline_far:
	.long	0
	.word	8
	.balign 8
	.global trampoline_parameters
trampoline_parameters:			/* tables, stack, struct cpu, entry point */
	.quad	0, 0, 0, 0
trampoline_end:

	.section .note.GNU-stack, "", @progbits
