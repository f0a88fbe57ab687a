/* The boot sector: loads the stage (the 30 KiB at byte 2048 of the medium) to 0x8000 and jumps to it with DL = BIOS
 * drive and CL = log2 of the drive's sector size. Assembled twice: SECTOR_SHIFT 9 for the first sector of a disk or
 * USB stick (its partition table is filled in by tools/mkiso), 11 for a CD's El Torito image without emulation, which
 * the BIOS loads to the same address (El Torito specification 1.0, section 2; BIOS EDD-3, int 13h function 42h). */
	.code16
	.text
	.globl _start
_start:
	cli
	xorw	%ax, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	movw	$0x7c00, %sp
	ljmp	$0, $1f
1:	sti
	cld
	movb	%dl, drive
	movb	$3, %bl				/* attempts */
2:	movb	$0x42, %ah
	movb	drive, %dl
	movw	$packet, %si
	pushw	%bx
	int	$0x13
	popw	%bx
	jnc	3f
	decb	%bl
	jnz	2b
	movw	$text, %si
4:	lodsb
	testb	%al, %al
	jz	5f
	movb	$0x0e, %ah
	movw	$7, %bx
	int	$0x10
	jmp	4b
5:	hlt
	jmp	5b
3:	cmpl	$0x424e4c48, 0x8004		/* "HLNB": the stage's mark */
	movw	$text, %si
	jne	4b
	movb	drive, %dl
	movb	$SECTOR_SHIFT, %cl
	ljmp	$0, $0x8000

drive:	.byte	0
text:	.asciz	"\r\nHolon cannot start: this medium cannot be read.\r\n"

	.org	424
packet:
	.byte	16, 0
	.word	(30 * 1024) >> SECTOR_SHIFT
	.word	0x8000, 0
	.quad	2048 >> SECTOR_SHIFT		/* at 432: of an installed disk, where the installer put the stage */
						/* at 440 disk signature and partition table follow */
	.org	510
	.word	0xaa55
