/* Instructions that move: the stack, jumps, block heads, ends. */
#include "evm/frame.h"
#include "evm/opcodes.h"

OP(block)
{
	gas -= ip->block.gas;
	if (UNLIKELY(gas < 0))
		FAIL(EVM_OUT_OF_GAS);
	const uint64_t height = (uint64_t)(sp - f->stack);
	if (UNLIKELY(height - ip->block.need > ip->block.range))
		FAIL(EVM_STACK_ERROR);
	NEXT;
}

void frame_fail(const struct instruction *ip, struct u256 *sp, int64_t why, struct frame *f)
{
	(void)ip;
	(void)sp;
	f->status = (enum evm_status)why;
	f->gas = 0;
	f->output = NULL;
	f->output_size = 0;
}

OP(invalid)
{
	(void)gas;
	FAIL(EVM_BAD_INSTRUCTION);
}

OP(stop)
{
	(void)ip;
	(void)sp;
	f->status = EVM_SUCCESS;
	f->gas = gas;
	f->output = NULL;
	f->output_size = 0;
}

/* ---- constants and the stack ---- */
OP(push)
{
	*++sp = u256_from(ip->value);
	NEXT;
}

OP(push_wide)
{
	*++sp = *ip->wide;
	NEXT;
}

OP(pop)
{
	sp--;
	NEXT;
}

#define DUP(n)                                                                                               \
	OP(dup##n)                                                                                           \
	{                                                                                                    \
		sp[1] = sp[1 - (n)];                                                                         \
		sp++;                                                                                        \
		NEXT;                                                                                        \
	}
#define SWAP(n)                                                                                              \
	OP(swap##n)                                                                                          \
	{                                                                                                    \
		const struct u256 top = *sp;                                                                 \
		*sp = sp[-(n)];                                                                              \
		sp[-(n)] = top;                                                                              \
		NEXT;                                                                                        \
	}                                                                                                    \
	OP(swap##n##_pop)                                                                                    \
	{                                                                                                    \
		sp[-(n)] = *sp;                                                                              \
		sp--;                                                                                        \
		NEXT;                                                                                        \
	}
#define FOR_1_TO_16(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15) X(16)
FOR_1_TO_16(DUP)
FOR_1_TO_16(SWAP)

#define SWAP_POP_ENTRY(n) op_swap##n##_pop,
instruction_handler *const swap_pop[16] = {FOR_1_TO_16(SWAP_POP_ENTRY)};

/* ---- jumps ---- */
static inline const struct instruction *destination(const struct frame *f, const struct u256 *target)
{
	const struct code *code = f->code;
	if (UNLIKELY(!u256_fits64(target) || target->w[0] >= code->size))
		return NULL;
	const uint32_t index = code->targets[target->w[0]];
	return index ? code->instructions + index : NULL;
}

OP(jump)
{
	const struct instruction *target = destination(f, sp);
	if (UNLIKELY(!target))
		FAIL(EVM_BAD_JUMP);
	sp--;
	GO(target);
}

OP(jumpi)
{
	const struct u256 *where = sp;
	const bool holds = !u256_is_zero(sp - 1);
	sp -= 2;
	if (!holds)
		NEXT;
	const struct instruction *target = destination(f, where);
	if (UNLIKELY(!target))
		FAIL(EVM_BAD_JUMP);
	GO(target);
}

OP(jump_to)
{
	GO(ip->target);
}

OP(jumpi_to)
{
	const bool holds = !u256_is_zero(sp);
	sp--;
	if (holds)
		GO(ip->target);
	NEXT;
}

/* JUMPDEST: its block's head does the work. */
OP(nothing)
{
	NEXT;
}

/* GAS: what is left includes what the block's later instructions have been charged for. */
OP(gas)
{
	*++sp = u256_from((uint64_t)gas + ip->value);
	NEXT;
}

static inline void end_with_output(const struct u256 *sp, int64_t gas, struct frame *f,
                                   enum evm_status status)
{
	f->status = status;
	f->gas = gas;
	f->output_size = sp[-1].w[0];
	f->output = f->output_size ? f->memory + sp->w[0] : NULL;
}

OP(return )
{
	if (UNLIKELY(!frame_need_word(f, sp, sp - 1, &gas)))
		FAIL(EVM_OUT_OF_GAS);
	end_with_output(sp, gas, f, EVM_SUCCESS);
}

OP(revert)
{
	if (UNLIKELY(!frame_need_word(f, sp, sp - 1, &gas)))
		FAIL(EVM_OUT_OF_GAS);
	end_with_output(sp, gas, f, EVM_REVERTED);
}
