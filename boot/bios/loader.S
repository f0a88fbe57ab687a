/* The loader's entry behind the reader: ESP as it was, [ESP + 4] the reader's services. And the way up to the kernel, on the
 * reader's descriptor table. */
	.section .head, "ax"
	.code32
	.globl	_start
_start:
	jmp	1f
	.balign 4
	.ascii	"HLNL"				/* checked by the reader */
1:	cld
	xorl	%eax, %eax
	movl	$bss_start, %edi
	movl	$bss_end, %ecx
	subl	%edi, %ecx
	rep stosb
	jmp	bios_main

	.text
/* const char *platform_on_stack(const char *(*function)(void *), void *argument): the reader's stack is small, and the BIOS
 * needs it where it is. */
	.globl	platform_on_stack
platform_on_stack:
	pushl	%ebp
	movl	%esp, %ebp
	movl	$large_stack_end - 16, %esp
	movl	12(%ebp), %eax
	movl	%eax, (%esp)
	call	*8(%ebp)
	movl	%ebp, %esp
	popl	%ebp
	ret
	.section .bss, "aw", @nobits
	.balign 16
	.fill	65536, 1, 0
large_stack_end:

	.text
/* void enter_long_mode(uint32_t page_tables, uint32_t stack, uint32_t handoff, uint64_t entry, uint32_t efer) */
	.globl	enter_long_mode
enter_long_mode:
	movl	4(%esp), %eax
	movl	8(%esp), %esi
	movl	12(%esp), %edi
	movl	16(%esp), %ebx
	movl	20(%esp), %ebp
	movl	24(%esp), %edx
	movl	%eax, %cr3
	movl	%cr4, %eax
	orl	$0x20, %eax			/* PAE */
	movl	%eax, %cr4
	movl	$0xc0000080, %ecx
	pushl	%edx
	rdmsr
	popl	%edx
	orl	%edx, %eax
	xorl	%edx, %edx
	wrmsr
	movl	%cr0, %eax
	orl	$0x80000000, %eax
	movl	%eax, %cr0
	ljmpl	$0x28, $1f
	.code64
1:	movl	%esi, %esp
	movl	%edi, %edi
	shlq	$32, %rbp
	movl	%ebx, %eax
	orq	%rbp, %rax
	xorl	%ebp, %ebp
	pushq	$0				/* no caller */
	jmpq	*%rax
