/* Where other processors begin: copied to a page below 1 MiB and entered in real mode with CS = page >> 4. Goes straight to
 * long mode on the loader's tables, says that it has arrived, and waits for the kernel's address in its struct
 * handoff_cpu, whose own address it keeps in a register, so that the page serves the next processor. What is at the start
 * is struct waiting (cpus.c). Assembled for both loaders, of 32 and 64 bits, alike. */
	.data
	.globl	waiting_start, waiting_end
	.code16
waiting_start:
	jmp	1f
	.balign 8
tables:	.long	0
efer:	.long	0
cpu:	.quad	0
arrived:	.long	0
1:	cli
	cld
	movw	%cs, %ax
	movw	%ax, %ds
	xorl	%ebx, %ebx
	movw	%ax, %bx
	shll	$4, %ebx			/* linear base of this page */
	leal	(gdt - waiting_start)(%ebx), %eax
	movl	%eax, (gdt_pointer - waiting_start + 2)
	lgdtl	(gdt_pointer - waiting_start)
	leal	(long_mode - waiting_start)(%ebx), %eax
	movl	%eax, (far - waiting_start)
	movl	$0x20, %eax			/* PAE */
	movl	%eax, %cr4
	movl	(tables - waiting_start), %eax
	movl	%eax, %cr3
	movl	$0xc0000080, %ecx
	xorl	%edx, %edx
	movl	(efer - waiting_start), %eax
	wrmsr
	movl	$0x80000001, %eax		/* paging and protection at once */
	movl	%eax, %cr0
	ljmpl	*(far - waiting_start)

	.code64
long_mode:
	movl	$0x10, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %ss
	movq	(cpu - waiting_start)(%rbx), %rsi
	movl	$1, (arrived - waiting_start)(%rbx)
1:	pause
	movq	8(%rsi), %rax			/* entry */
	testq	%rax, %rax
	jz	1b
	movq	16(%rsi), %rdi			/* argument, written before the entry */
	xorl	%ebp, %ebp
	jmpq	*%rax

	.balign 8
gdt:	.quad	0
	.quad	0x00af9b000000ffff		/* 08: 64-bit code */
	.quad	0x00cf93000000ffff		/* 10: data */
gdt_pointer:
	.word	. - gdt - 1
	.long	0
	.balign 4
far:	.long	0
	.word	8
waiting_end:
