/* The EVM's instructions: what each costs at least, takes from the stack and leaves there, and since when it
 * exists. */
#ifndef LEDGER_EVM_OPCODES_H
#define LEDGER_EVM_OPCODES_H

#include "evm/code.h"

enum opcode {
	OPCODE_STOP = 0x00,
	OPCODE_ADD = 0x01,
	OPCODE_ISZERO = 0x15,
	OPCODE_POP = 0x50,
	OPCODE_SSTORE = 0x55,
	OPCODE_JUMP = 0x56,
	OPCODE_JUMPI = 0x57,
	OPCODE_PC = 0x58,
	OPCODE_GAS = 0x5a,
	OPCODE_JUMPDEST = 0x5b,
	OPCODE_PUSH0 = 0x5f,
	OPCODE_PUSH1 = 0x60,
	OPCODE_PUSH32 = 0x7f,
	OPCODE_DUP1 = 0x80,
	OPCODE_SWAP1 = 0x90,
};

struct opcode_info {
	instruction_handler *run; /* NULL: not an instruction */
	uint16_t gas;
	uint8_t takes;
	uint8_t gives;
	uint8_t since;   /* enum fork */
	bool ends_block; /* control may leave after it, or it needs all gas accounted for */
	bool ends_flow;  /* what follows it is reached by jumps alone */
};

extern const struct opcode_info opcodes[256];

#define DECLARE_OP(name) instruction_handler op_##name

/* Heads of blocks, constants, jumps and the fused forms that translation puts in place of two or three. */
DECLARE_OP(block);
DECLARE_OP(push);
DECLARE_OP(push_wide);
DECLARE_OP(jump_to);
DECLARE_OP(jumpi_to);
DECLARE_OP(iszero_jumpi_to);
DECLARE_OP(nothing);

/* Fused forms: `with_constant` takes the operand on top from the instruction. */
struct fused {
	instruction_handler *with_constant; /* PUSH of up to 64 bits, then this */
	instruction_handler *jumpi;         /* this, PUSH of a valid target, JUMPI */
	instruction_handler *not_jumpi;     /* this, ISZERO, PUSH of a valid target, JUMPI */
	instruction_handler *after_swap1;   /* SWAP1, then this */
};
extern const struct fused fused[256];
extern instruction_handler *const swap_pop[16];

#endif
