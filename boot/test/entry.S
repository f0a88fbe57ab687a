/* Entry of the loader's test kernel: the loader's stack serves. */
	.section .text.entry, "ax"
	.globl	_start
_start:
	xorl	%ebp, %ebp
	call	test_main
1:	hlt
	jmp	1b
