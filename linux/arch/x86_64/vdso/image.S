/* The linked vDSO, to be copied into the object that guests map. */
	.section .rodata.vdso, "a"
	.balign 8
	.globl vdso_image_start, vdso_image_end
vdso_image_start:
	.incbin "build/gen/linux/vdso.so"
vdso_image_end:
	.section .note.GNU-stack, "", @progbits
