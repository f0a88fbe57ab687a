/* void enter_kernel(page_tables RCX, stack RDX, handoff R8, entry R9): leaves the firmware's world. The GDT is the
 * loader's own, since the firmware's lies in memory that is now free. */
	.text
	.globl	enter_kernel
enter_kernel:
	cli
	cld
	movq	%rcx, %cr3
	leaq	gdt(%rip), %rax
	movq	%rax, gdt_pointer + 2(%rip)
	lgdt	gdt_pointer(%rip)
	movq	%rdx, %rsp
	movl	$0x10, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %ss
	xorl	%eax, %eax
	movl	%eax, %fs
	movl	%eax, %gs
	movq	%r8, %rdi
	xorl	%ebp, %ebp
	leaq	1f(%rip), %rax
	pushq	$8
	pushq	%rax
	lretq
1:	pushq	$0				/* no caller */
	jmpq	*%r9

	.data
	.balign 8
gdt:	.quad	0
	.quad	0x00af9a000000ffff		/* 08: 64-bit code */
	.quad	0x00cf92000000ffff		/* 10: data */
gdt_pointer:
	.word	. - gdt - 1
	.quad	0
