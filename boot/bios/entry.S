/* The reader's entry, and the way down to real mode for BIOS calls.
 *
 * It lives at 0x8000, all code and data below 0x10000 so that real mode reaches it with segment 0. C runs in
 * 32-bit protected mode, flat segments, interrupts off; bios_call drops to real mode for one software interrupt. */
	.section .head, "ax"
	.code16
	.globl	_start
_start:
	jmp	start16
	.balign 4
	.ascii	"HLNB"				/* checked by the boot sector */
	.globl	medium_parts
medium_parts:	.quad 0, 0			/* at offset 8, filled in by tools/mkiso: offset and size, in bytes, of the bundle, */
	.quad	0, 0				/* of the loader, */
	.quad	0, 0, 0, 0, 0, 0		/* and, for the installer, of BOOTX64.EFI, certificate and README */

start16:
	movb	%dl, boot_drive
	movb	%cl, boot_sector_shift
	cli
	/* A processor without CPUID (before the 486's successors) cannot toggle flag bit 21. */
	pushfl
	popl	%eax
	movl	%eax, %ecx
	xorl	$0x200000, %eax
	pushl	%eax
	popfl
	pushfl
	popl	%eax
	xorl	%ecx, %eax
	jz	too_old
	movl	$0x80000000, %eax
	cpuid
	cmpl	$0x80000001, %eax
	jb	too_old
	movl	$0x80000001, %eax
	cpuid
	testl	$0x20000000, %edx		/* long mode */
	jz	too_old
	rdtsc
	movl	%eax, start_tsc
	movl	%edx, start_tsc + 4
	lgdtl	gdt_pointer
	movl	%cr0, %eax
	orb	$1, %al
	movl	%eax, %cr0
	ljmpl	$0x08, $start32

too_old:
	movw	$too_old_text, %si
1:	lodsb
	testb	%al, %al
	jz	2f
	pushw	%ax
	movb	$0x0e, %ah
	movw	$7, %bx
	int	$0x10
	popw	%ax
	movw	$0x2f8, %dx			/* the log port, as in loader/say.c */
	outb	%al, %dx
	jmp	1b
2:	movw	$0x2fd, %dx			/* until all is sent */
4:	inb	%dx, %al
	testb	$0x40, %al
	jz	4b
	movw	$0xf4, %dx			/* QEMU's isa-debug-exit, where it is there */
	movl	$0x7d, %eax
	outl	%eax, %dx
3:	hlt
	jmp	3b
too_old_text:
	.asciz	"\r\nHolon cannot start: this processor has no 64-bit mode. Holon needs an x86-64 processor.\r\n"

	.code32
start32:
	movw	$0x10, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	movl	$0x7c00, %esp
	cld
	xorl	%eax, %eax
	movl	$bss_start, %edi
	movl	$bss_end, %ecx
	subl	%edi, %ecx
	rep stosb
	call	reader_main
1:	hlt
	jmp	1b

/* From 32-bit code to real mode, with data segments at 0; changes AX, and disturbs nothing else. */
	.macro	REAL_MODE
	ljmpl	$0x18, $1f
	.code16
1:	movw	$0x20, %ax			/* 16-bit limits before leaving protected mode */
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	movl	%cr0, %eax
	andb	$0xfe, %al
	movl	%eax, %cr0
	ljmp	$0, $2f
2:	xorw	%ax, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	movw	%ax, %fs
	movw	%ax, %gs
	.endm

/* void bios_call(uint8_t vector, struct bios_registers *registers): one BIOS software interrupt in real mode. */
	.text
	.globl	bios_call
bios_call:
	pushl	%ebp
	pushl	%ebx
	pushl	%esi
	pushl	%edi
	movl	20(%esp), %eax
	movb	%al, vector
	movl	24(%esp), %esi			/* struct bios_registers: 7 dwords and 2 words, kept below 64 KiB */
	movl	$registers, %edi
	movl	$8, %ecx
	rep movsl
	movl	%esp, saved_stack
	REAL_MODE
	movl	registers + 0, %eax
	movl	registers + 4, %ebx
	movl	registers + 8, %ecx
	movl	registers + 12, %edx
	movl	registers + 16, %esi
	movl	registers + 20, %edi
	movl	registers + 24, %ebp
	movw	registers + 28, %es
	sti
	.byte	0xcd				/* int */
vector:	.byte	0
	cli
	cld
	pushfw
	movw	%es, %cs:registers + 28
	pushw	%ax
	xorw	%ax, %ax
	movw	%ax, %ds
	popw	%ax
	popw	registers + 30
	movl	%eax, registers + 0
	movl	%ebx, registers + 4
	movl	%ecx, registers + 8
	movl	%edx, registers + 12
	movl	%esi, registers + 16
	movl	%edi, registers + 20
	movl	%ebp, registers + 24
	lgdtl	gdt_pointer
	movl	%cr0, %eax
	orb	$1, %al
	movl	%eax, %cr0
	ljmpl	$0x08, $3f
	.code32
3:	movw	$0x10, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	movl	saved_stack, %esp
	movl	$registers, %esi
	movl	24(%esp), %edi
	movl	$8, %ecx
	rep movsl
	popl	%edi
	popl	%esi
	popl	%ebx
	popl	%ebp
	ret

/* void bios_chain(uint8_t drive): the sector at BUFFER goes to 7C00h, where our stack was, and runs there as the BIOS would start it. */
	.globl	bios_chain
bios_chain:
	movb	4(%esp), %dl
	cld
	movl	$0x20000, %esi
	movl	$0x7c00, %edi
	movl	$128, %ecx
	rep movsl
	REAL_MODE
	movw	$0x7c00, %sp
	sti
	ljmp	$0, $0x7c00
	.code32

	.data
	.balign 8
gdt:	.quad	0				/* stays in use until the kernel has its own */
	.quad	0x00cf9a000000ffff		/* 08: 32-bit code */
	.quad	0x00cf92000000ffff		/* 10: data */
	.quad	0x00009a000000ffff		/* 18: 16-bit code */
	.quad	0x000092000000ffff		/* 20: 16-bit data */
	.quad	0x00af9a000000ffff		/* 28: 64-bit code */
gdt_pointer:
	.word	. - gdt - 1
	.long	gdt
	.balign 4
registers:	.fill 8, 4, 0
saved_stack:	.long 0
	.globl	start_tsc, boot_drive, boot_sector_shift
start_tsc:		.quad 0
boot_drive:		.byte 0
boot_sector_shift:	.byte 0
