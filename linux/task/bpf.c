/* See bpf.h. Source: S. McCanne and V. Jacobson, "The BSD Packet Filter" (1993), and seccomp(2). */
#include "bpf.h"

#define CELLS 16u

enum { LD = 0, LDX = 1, ST = 2, STX = 3, ALU = 4, JMP = 5, RET = 6, MISC = 7 };
enum { IMM = 0x00, ABS = 0x20, MEM = 0x60, LEN = 0x80 };
enum {
	ADD = 0x00,
	SUB = 0x10,
	MUL = 0x20,
	DIV = 0x30,
	OR = 0x40,
	AND = 0x50,
	LSH = 0x60,
	RSH = 0x70,
	NEG = 0x80,
	XOR = 0xa0
};
enum { JA = 0x00, JEQ = 0x10, JGT = 0x20, JGE = 0x30, JSET = 0x40 };
enum { K = 0, X = 8, A = 0x10 };
enum { TAX = 0x00, TXA = 0x80 };

static bool alu_valid(const struct bpf_instruction *at)
{
	switch (at->code & 0xf0) {
	case ADD:
	case SUB:
	case MUL:
	case OR:
	case AND:
	case XOR:
		return true;
	case DIV:
		return (at->code & X) || at->k;
	case LSH:
	case RSH:
		return (at->code & X) || at->k < 32;
	case NEG:
		return !(at->code & X);
	default:
		return false;
	}
}

/* Is AT, with LEFT instructions behind it, one that seccomp knows? */
static bool instruction_valid(const struct bpf_instruction *at, uint32_t left)
{
	if (at->code > 0xff)
		return false;
	switch (at->code & 7) {
	case LD:
		return at->code == (LD | ABS)   ? at->k < BPF_DATA_BYTES && !(at->k & 3)
		       : at->code == (LD | MEM) ? at->k < CELLS
		                                : at->code == (LD | IMM) || at->code == (LD | LEN);
	case LDX:
		return at->code == (LDX | MEM) ? at->k < CELLS
		                               : at->code == (LDX | IMM) || at->code == (LDX | LEN);
	case ST:
	case STX:
		return at->code <= STX && at->k < CELLS;
	case ALU:
		return alu_valid(at);
	case JMP:
		if ((at->code & 0xf0) == JA)
			return at->code == (JMP | JA) && at->k < left;
		return (at->code & 0xf0) <= JSET && at->jump_true < left && at->jump_false < left;
	case RET:
		return at->code == (RET | K) || at->code == (RET | A);
	default:
		return at->code == (MISC | TAX) || at->code == (MISC | TXA);
	}
}

/* Each cell must be stored on every way to a load of it: a set of cells per instruction, joined where ways meet. */
static bool cells_valid(const struct bpf_instruction *program, uint32_t length)
{
	uint16_t known[BPF_LENGTH_MAX]; /* what every way so far that jumps here has stored */
	uint16_t now = 0;
	for (uint32_t i = 0; i < length; i++)
		known[i] = 0xffff;
	for (uint32_t i = 0; i < length; i++) {
		const struct bpf_instruction *at = &program[i];
		now &= known[i];
		switch (at->code) {
		case ST:
		case STX:
			now |= (uint16_t)(1u << at->k);
			break;
		case LD | MEM:
		case LDX | MEM:
			if (!(now >> at->k & 1))
				return false;
			break;
		case JMP | JA:
			known[i + 1 + at->k] &= now;
			now = 0xffff;
			break;
		default:
			if ((at->code & 7) != JMP)
				break;
			known[i + 1 + at->jump_true] &= now;
			known[i + 1 + at->jump_false] &= now;
			now = 0xffff;
			break;
		}
	}
	return true;
}

bool bpf_valid(const struct bpf_instruction *program, uint32_t length)
{
	if (!length || length > BPF_LENGTH_MAX || (program[length - 1].code & 7) != RET)
		return false;
	for (uint32_t i = 0; i < length; i++)
		if (!instruction_valid(&program[i], length - 1 - i))
			return false;
	return cells_valid(program, length);
}

static uint32_t alu(uint16_t code, uint32_t a, uint32_t b)
{
	switch (code & 0xf0) {
	case ADD:
		return a + b;
	case SUB:
		return a - b;
	case MUL:
		return a * b;
	case DIV:
		return a / b; /* never by 0: see bpf_run */
	case OR:
		return a | b;
	case AND:
		return a & b;
	case XOR:
		return a ^ b;
	case LSH:
		return a << (b & 31);
	case RSH:
		return a >> (b & 31);
	default:
		return -a; /* NEG */
	}
}

static bool jumps(uint16_t code, uint32_t a, uint32_t b)
{
	switch (code & 0xf0) {
	case JEQ:
		return a == b;
	case JGT:
		return a > b;
	case JGE:
		return a >= b;
	default:
		return a & b; /* JSET */
	}
}

uint32_t bpf_run(const struct bpf_instruction *at, const uint32_t data[BPF_DATA_BYTES / 4])
{
	uint32_t a = 0, x = 0, cells[CELLS] = {0};
	for (;; at++) {
		uint32_t operand = at->code & X ? x : at->k;
		switch (at->code & 7) {
		case LD:
			a = at->code == (LD | ABS)   ? data[at->k / 4]
			    : at->code == (LD | MEM) ? cells[at->k]
			    : at->code == (LD | LEN) ? BPF_DATA_BYTES
			                             : at->k;
			break;
		case LDX:
			x = at->code == (LDX | MEM)   ? cells[at->k]
			    : at->code == (LDX | LEN) ? BPF_DATA_BYTES
			                              : at->k;
			break;
		case ST:
			cells[at->k] = a;
			break;
		case STX:
			cells[at->k] = x;
			break;
		case ALU:
			if ((at->code & 0xf0) == DIV && !operand)
				return 0;
			a = alu(at->code, a, operand);
			break;
		case JMP:
			at += (at->code & 0xf0) == JA       ? at->k
			      : jumps(at->code, a, operand) ? at->jump_true
			                                    : at->jump_false;
			break;
		case RET:
			return at->code & A ? a : at->k;
		default:
			if (at->code == (MISC | TAX))
				x = a;
			else
				a = x;
			break;
		}
	}
}
