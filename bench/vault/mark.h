/* The mark that a program sets for the plugin that counts instructions (count.c): a NOP of seven bytes, nop dword [rax + disp32],
 * which means nothing to processor and system. */
#pragma once

#define MARK_NOP    0x0f, 0x1f, 0x80 /* then the displacement, 32 bits */
#define MARK_MAGIC  0x484c4e00u
#define MARK_NUMBER 0xffu

/* NUMBER: a constant, 0 to 255. */
#define MARK(number)                                                                                         \
	__asm__ volatile(".byte 0x0f, 0x1f, 0x80\n\t.long %c0" : : "i"(MARK_MAGIC | (number)) : "memory")
