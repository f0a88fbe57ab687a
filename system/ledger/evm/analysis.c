/*
 * Translation of bytecode. One pass finds the jump destinations, a second emits instructions block by block,
 * summing up fixed gas and stack needs, and puts fused forms where a pattern allows. Work and memory are
 * linear in the code's size; code that no jump reaches after an unconditional end is not translated.
 */
#include "evm/opcodes.h"
#include "num/arena.h"

#include <stdlib.h>

#define NO_BLOCK SIZE_MAX

struct translation {
	const uint8_t *bytes;
	size_t size;
	enum fork fork;
	struct instruction *out;
	size_t count;
	struct u256 *wide;
	size_t wide_count;
	uint32_t *targets;
	uint32_t *jumps; /* instructions whose value is a target's program counter */
	size_t jump_count;
	/* the block under way */
	size_t head;
	uint32_t gas;
	int height; /* of the stack, against the block's entry */
	int lowest;
	int highest;
};

static struct instruction *emit(struct translation *t, instruction_handler *run)
{
	struct instruction *instruction = &t->out[t->count++];
	instruction->run = run;
	instruction->value = 0;
	return instruction;
}

static void emit_jump(struct translation *t, instruction_handler *run, size_t target)
{
	t->jumps[t->jump_count++] = (uint32_t)t->count;
	emit(t, run)->value = target;
}

static void begin_block(struct translation *t)
{
	t->head = t->count;
	emit(t, op_block);
	t->gas = 0;
	t->height = t->lowest = t->highest = 0;
}

static void end_block(struct translation *t)
{
	if (t->head == NO_BLOCK)
		return;
	struct instruction *head = &t->out[t->head];
	head->block.gas = t->gas;
	/* What no stack can satisfy becomes a block that always fails: need 1025, range 0. */
	const int need = -t->lowest;
	const int most = 1024 - t->highest;
	const bool possible = need <= 1024 && most >= need;
	head->block.need = (uint16_t)(possible ? need : 1025);
	head->block.range = (uint16_t)(possible ? most - need : 0);
	t->head = NO_BLOCK;
}

/* Accounts for one instruction of the bytecode. */
static void account_for(struct translation *t, unsigned opcode)
{
	const struct opcode_info *info = &opcodes[opcode];
	t->gas += info->gas;
	t->height -= info->takes;
	if (t->height < t->lowest)
		t->lowest = t->height;
	t->height += info->gives;
	if (t->height > t->highest)
		t->highest = t->height;
}

static bool is_push(unsigned opcode)
{
	return opcode >= OPCODE_PUSH0 && opcode <= OPCODE_PUSH32;
}

/* The constant pushed at `at`; bytes beyond the end of the code are zero. */
static void read_constant(const struct translation *t, size_t at, struct u256 *out)
{
	const unsigned length = t->bytes[at] - OPCODE_PUSH0;
	uint8_t bytes[32] = {0};
	for (unsigned i = 0; i < length && at + 1 + i < t->size; i++)
		bytes[32 - length + i] = t->bytes[at + 1 + i];
	u256_load(out, bytes);
}

static unsigned opcode_at(const struct translation *t, size_t at)
{
	return at < t->size ? t->bytes[at] : (unsigned)OPCODE_STOP;
}

/* When a PUSH at `at` holds a valid jump destination and is followed by `opcode`: the destination, else 0. */
static size_t static_target(const struct translation *t, size_t at, unsigned opcode)
{
	const unsigned push = opcode_at(t, at);
	if (!is_push(push) || push == OPCODE_PUSH0 || opcode_at(t, at + 1 + (push - OPCODE_PUSH0)) != opcode)
		return 0;
	struct u256 constant;
	read_constant(t, at, &constant);
	return u256_fits64(&constant) && constant.w[0] < t->size && t->targets[constant.w[0]] ? constant.w[0]
	                                                                                      : 0;
}

/* this [ISZERO] PUSH JUMPI with a static target. Returns the bytes taken, or 0. */
static size_t fuse_condition(struct translation *t, size_t at)
{
	const struct fused *form = &fused[t->bytes[at]];
	if (!form->jumpi)
		return 0;
	size_t next = at + 1;
	const bool negated = opcode_at(t, next) == OPCODE_ISZERO && form->not_jumpi;
	if (negated)
		next++;
	const size_t target = static_target(t, next, OPCODE_JUMPI);
	if (!target)
		return 0;
	const unsigned push = t->bytes[next];
	account_for(t, t->bytes[at]);
	if (negated)
		account_for(t, OPCODE_ISZERO);
	account_for(t, push);
	account_for(t, OPCODE_JUMPI);
	emit_jump(t, negated ? form->not_jumpi : form->jumpi, target);
	return next + 2 + (push - OPCODE_PUSH0) - at;
}

/* A PUSH, with what follows it where they fuse. Returns the bytes taken; *ended when a block ended with it.
 */
static size_t translate_push(struct translation *t, size_t at, bool *ended_flow, bool *ended_block)
{
	const unsigned push = t->bytes[at];
	const size_t length = 1 + (push - OPCODE_PUSH0);
	account_for(t, push);
	size_t target = static_target(t, at, OPCODE_JUMP);
	if (target) {
		account_for(t, OPCODE_JUMP);
		emit_jump(t, op_jump_to, target);
		*ended_flow = *ended_block = true;
		return length + 1;
	}
	target = static_target(t, at, OPCODE_JUMPI);
	if (target) {
		account_for(t, OPCODE_JUMPI);
		emit_jump(t, op_jumpi_to, target);
		*ended_block = true;
		return length + 1;
	}
	struct u256 constant;
	read_constant(t, at, &constant);
	if (!u256_fits64(&constant)) {
		t->wide[t->wide_count] = constant;
		emit(t, op_push_wide)->wide = &t->wide[t->wide_count++];
		return length;
	}
	const unsigned follower = opcode_at(t, at + length);
	if (fused[follower].with_constant && opcodes[follower].since <= t->fork) {
		account_for(t, follower);
		emit(t, fused[follower].with_constant)->value = constant.w[0];
		return length + 1;
	}
	emit(t, op_push)->value = constant.w[0];
	return length;
}

static void translate(struct translation *t)
{
	bool reachable = true;
	begin_block(t);
	for (size_t at = 0; at < t->size;) {
		const unsigned opcode = t->bytes[at];
		if (opcode == OPCODE_JUMPDEST) {
			end_block(t);
			begin_block(t);
			t->targets[at] = (uint32_t)t->head;
			account_for(t, opcode);
			reachable = true;
			at++;
			continue;
		}
		if (!reachable) {
			at += is_push(opcode) ? 1 + (opcode - OPCODE_PUSH0) : 1;
			continue;
		}
		if (t->head == NO_BLOCK)
			begin_block(t);
		bool ends_flow = false;
		bool ends_block = false;
		size_t taken;
		if (is_push(opcode)) {
			taken = translate_push(t, at, &ends_flow, &ends_block);
		} else if ((taken = fuse_condition(t, at))) {
			ends_block = true;
		} else if (opcode >= OPCODE_SWAP1 && opcode < OPCODE_SWAP1 + 16 &&
		           opcode_at(t, at + 1) == OPCODE_POP) {
			account_for(t, opcode);
			account_for(t, OPCODE_POP);
			emit(t, swap_pop[opcode - OPCODE_SWAP1]);
			taken = 2;
		} else if (opcode == OPCODE_SWAP1 && fused[opcode_at(t, at + 1)].after_swap1) {
			account_for(t, opcode);
			account_for(t, t->bytes[at + 1]);
			emit(t, fused[t->bytes[at + 1]].after_swap1);
			taken = 2;
		} else {
			const struct opcode_info *info = &opcodes[opcode];
			const bool known = info->run && info->since <= t->fork;
			if (known)
				account_for(t, opcode);
			struct instruction *instruction = emit(t, known ? info->run : opcodes[0xfe].run);
			instruction->value = opcode == OPCODE_PC ? at : t->gas;
			ends_flow = !known || info->ends_flow;
			ends_block = ends_flow || info->ends_block;
			taken = 1;
		}
		at += taken;
		if (ends_block)
			end_block(t);
		if (ends_flow)
			reachable = false;
	}
	if (t->head == NO_BLOCK)
		begin_block(t);
	emit(t, opcodes[OPCODE_STOP].run);
	end_block(t);
}

/* Turns gas spent so far in the block into what the block still costs. */
static void resolve(struct translation *t, struct instruction *code)
{
	uint32_t block_gas = 0;
	for (size_t i = 0; i < t->count; i++) {
		struct instruction *instruction = &code[i];
		if (instruction->run == op_block)
			block_gas = instruction->block.gas;
		else if (instruction->run == opcodes[OPCODE_GAS].run ||
		         instruction->run == opcodes[OPCODE_SSTORE].run)
			instruction->value = block_gas - instruction->value;
	}
}

void code_analyse(struct code *code, enum fork fork)
{
	struct translation t = {.bytes = code->bytes, .size = code->size, .fork = fork, .head = NO_BLOCK};
	t.targets = checked_zalloc(code->size + (size_t)1, sizeof *t.targets);
	size_t wide_count = 0;
	for (size_t at = 0; at < t.size; at++) {
		const unsigned opcode = t.bytes[at];
		if (opcode == OPCODE_JUMPDEST)
			t.targets[at] = 1;
		else if (is_push(opcode)) {
			wide_count += opcode > OPCODE_PUSH0 + 8;
			at += opcode - OPCODE_PUSH0;
		}
	}
	/* At most a block head and an instruction a byte, and the end's. */
	t.out = checked_alloc((2 * (size_t)code->size + 4) * sizeof *t.out);
	t.jumps = checked_alloc((code->size / 2 + (size_t)1) * sizeof *t.jumps);
	t.wide = checked_alloc((wide_count + 1) * sizeof *t.wide);
	translate(&t);
	struct instruction *instructions = checked_realloc(t.out, t.count * sizeof *t.out);
	resolve(&t, instructions);
	for (size_t i = 0; i < t.jump_count; i++) {
		struct instruction *jump = &instructions[t.jumps[i]];
		jump->target = instructions + t.targets[jump->value];
	}
	free(t.jumps);
	code->instructions = instructions;
	code->targets = t.targets;
	code->wide = t.wide;
}
