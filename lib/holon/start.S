/* A native program's first instructions: RDI start page, RDX thread page, RSP the stack's top. */
	.text
	.globl _start
_start:
	xor %ebp, %ebp
	and $-16, %rsp
	mov %rdx, %rsi
	call holon_start
	ud2
	.section .note.GNU-stack, "", @progbits
