/*
 * The instruction set. An instruction is 64 bits: an operation, register a, and operands b, c, d of 16 bits;
 * jumps have a signed 32-bit distance from the next instruction in place of c and d. The table says what each
 * operand is; the verifier, the disassembler and the fuzzer read it.
 */
#ifndef FLUX_OPCODE_H
#define FLUX_OPCODE_H

#include <stdint.h>

struct ins {
	uint8_t op;
	uint8_t a;
	uint16_t b;
	union {
		struct {
			uint16_t c, d;
		};
		int32_t jump;
	};
};

/*
 * Operand kinds: '.' unused, r register read, w register written, k constant, i signed immediate, u count or
 * flag, j jump (c and d), f function of the program, n native, g state variable, p inner function, c inline
 * cache, x captured value, t type. 'R' in b or c: a run of registers that begins there, as many as the next
 * operand says.
 */
#define OPCODES(X)                                                                                           \
	X(MOVE, "wr..")                                                                                      \
	X(LOADK, "wk..")                                                                                     \
	X(LOADI, "w.j.")                                                                                     \
	X(LOADV, "wu..") /* nil, false or true */                                                            \
	X(GETG, "wg..")                                                                                      \
	X(SETG, "rg..")                                                                                      \
	X(GETX, "wx..")                                                                                      \
	X(GETXC, "wx..") /* the contents of a captured cell */                                               \
	X(SETXC, "rx..")                                                                                     \
	X(CELL, "wr..")                                                                                      \
	X(GETC, "wr..")                                                                                      \
	X(SETC, "rr..") /* a: value, b: cell */                                                              \
	X(ADD, "wrr.")                                                                                       \
	X(SUB, "wrr.")                                                                                       \
	X(MUL, "wrr.")                                                                                       \
	X(DIV, "wrr.")                                                                                       \
	X(MOD, "wrr.")                                                                                       \
	X(ADDK, "wrk.")                                                                                      \
	X(SUBK, "wrk.")                                                                                      \
	X(MULK, "wrk.")                                                                                      \
	X(DIVK, "wrk.")                                                                                      \
	X(MODK, "wrk.")                                                                                      \
	X(ADDI, "wri.")                                                                                      \
	X(IDIV, "wrr.")                                                                                      \
	X(POW, "wrr.")                                                                                       \
	X(BAND, "wrr.")                                                                                      \
	X(BOR, "wrr.")                                                                                       \
	X(BXOR, "wrr.")                                                                                      \
	X(SHL, "wrr.")                                                                                       \
	X(SHR, "wrr.")                                                                                       \
	X(NEG, "wr..")                                                                                       \
	X(NOT, "wr..")                                                                                       \
	X(BNOT, "wr..")                                                                                      \
	X(CONCAT, "wrr.")                                                                                    \
	X(EQ, "wrr.")                                                                                        \
	X(NE, "wrr.")                                                                                        \
	X(LT, "wrr.")                                                                                        \
	X(LE, "wrr.")                                                                                        \
	X(GT, "wrr.")                                                                                        \
	X(GE, "wrr.")                                                                                        \
	X(BOOL, "wr..")                                                                                      \
	X(JMP, "..j.")                                                                                       \
	X(LOOP, "..j.") /* a jump backwards */                                                               \
	X(JT, "r.j.")                                                                                        \
	X(JF, "r.j.")                                                                                        \
	X(JLT, "rrj.")                                                                                       \
	X(JLE, "rrj.")                                                                                       \
	X(JNLT, "rrj.")                                                                                      \
	X(JNLE, "rrj.")                                                                                      \
	X(JGT, "rrj.")                                                                                       \
	X(JGE, "rrj.")                                                                                       \
	X(JNGT, "rrj.")                                                                                      \
	X(JNGE, "rrj.")                                                                                      \
	X(JEQ, "rrj.")                                                                                       \
	X(JNE, "rrj.")                                                                                       \
	X(JLTI, "rij.")                                                                                      \
	X(JLEI, "rij.")                                                                                      \
	X(JGTI, "rij.")                                                                                      \
	X(JGEI, "rij.")                                                                                      \
	X(JNLTI, "rij.")                                                                                     \
	X(JNLEI, "rij.")                                                                                     \
	X(JNGTI, "rij.")                                                                                     \
	X(JNGEI, "rij.")                                                                                     \
	X(JEQK, "rkj.")                                                                                      \
	X(JNEK, "rkj.")                                                                                      \
	X(JOK, "r.j.")   /* jump unless nil or an error */                                                   \
	X(JNERR, "r.j.") /* jump unless an error */                                                          \
	X(GETFIELD, "wrkc")                                                                                  \
	X(SETFIELD, "rrkc") /* a: object, b: value */                                                        \
	X(GETIDX, "wrr.")                                                                                    \
	X(SETIDX, "rrr.") /* a[b] = c */                                                                     \
	X(SLICE, "wrrr")                                                                                     \
	X(CALLF, "Cuf.") /* arguments and result from a on; b arguments */                                   \
	X(CALLN, "Cun.")                                                                                     \
	X(CALL, "Du..")  /* callee in a, arguments behind it */                                              \
	X(CALLM, "Dukc") /* receiver in a, arguments behind it */                                            \
	X(RET, "r...")                                                                                       \
	X(RETNIL, "....")                                                                                    \
	X(LIST, "wRu.")                                                                                      \
	X(MAP, "wMu.")                                                                                       \
	X(DIST, "wMu.")                                                                                      \
	X(STRUCT, "wRur") /* c fields from b on, in order; d: register with the struct */                    \
	X(CLOSURE, "wp..")                                                                                   \
	X(ITER, "wru.")    /* c: 1 if [a, b] of two numbers is a range */                                    \
	X(NEXT, "I.j.")    /* a: iterator; a+1 item; jump at the end */                                      \
	X(NEXT2, "I.j.")   /* a+1 key, a+2 item */                                                           \
	X(FORPREP, "Fuj.") /* a: next, a+1: end, a+2: the variable; b: 1 if the end belongs to it */         \
	X(FORLOOP, "F.j.")                                                                                   \
	X(TRY, "w.j.") /* errors from here on land there, in a */                                            \
	X(ENDTRY, "....")                                                                                    \
	X(RAISE, "r...")                                                                                     \
	X(CHECK, "rtkr") /* a has type b; c: name for the message; d: register with the struct */            \
	X(SEND, "rru.")  /* kind, content, c: 1 if a duration is in b + 1 */                                 \
	X(LINE, "....")  /* debugger and profiler */

enum opcode {
#define X(name, operands) OP_##name,
	OPCODES(X)
#undef X
	    OPCODE_COUNT
};

extern const char *const opcode_names[OPCODE_COUNT];
extern const char *const opcode_operands[OPCODE_COUNT];

#endif
