/*
 * The verifier: a function whose code passes cannot break the VM, whatever its instructions say. Every
 * register, constant, cache, captured value, function, native and jump is in range; execution cannot run off
 * the end; names are strings. Values may still be of the wrong kind: the instructions check that themselves.
 */
#include "program.h"
#include "vm.h"

#include <stdlib.h>

const char *const opcode_names[OPCODE_COUNT] = {
#define X(name, operands) #name,
    OPCODES(X)
#undef X
};

const char *const opcode_operands[OPCODE_COUNT] = {
#define X(name, operands) operands,
    OPCODES(X)
#undef X
};

static bool is_name(const struct proto *p, unsigned k)
{
	return k < p->constant_count && (p->program->bare || is_string(p->constants[k]));
}

static const char *check_ins(const struct proto *p, uint32_t at)
{
	const struct ins *i = &p->code[at];
	if (i->op >= OPCODE_COUNT)
		return "an unknown operation";
	const char *kinds = opcode_operands[i->op];
	unsigned operands[5] = {i->a, i->b, i->c, i->d, 0}, registers = p->registers;
	bool jumps = false;
	for (unsigned k = 0; k < 4; k++) {
		switch (kinds[k]) {
		case 'r':
		case 'w':
			if (operands[k] >= registers)
				return "a register out of range";
			break;
		case 'k':
			if (operands[k] >= p->constant_count)
				return "a constant out of range";
			break;
		case 'g':
			if (operands[k] >= p->program->global_count)
				return "a global out of range";
			break;
		case 'x':
			if (operands[k] >= p->capture_count)
				return "a captured value out of range";
			break;
		case 'p':
			if (operands[k] >= p->inner_count)
				return "an inner function out of range";
			break;
		case 'c':
			if (operands[k] >= p->cache_count)
				return "a cache out of range";
			break;
		case 'f':
			if (operands[k] >= p->program->function_count)
				return "a function out of range";
			break;
		case 'n':
			if (operands[k] >= native_count)
				return "a built-in function out of range";
			break;
		case 'j':
			jumps = true;
			break;
		case 'C': /* a run of arguments; at least one register, for the result */
			if (i->a + (i->b ? i->b : 1u) > registers)
				return "arguments out of range";
			break;
		case 'D': /* the same behind a callee */
			if (i->a + i->b + 1u > registers)
				return "arguments out of range";
			break;
		case 'R':
			if (operands[k] + operands[k + 1] > registers)
				return "a run of registers out of range";
			break;
		case 'M':
			if (operands[k] + 2u * operands[k + 1] > registers)
				return "a run of registers out of range";
			break;
		case 'I':
			if (i->a + (i->op == OP_NEXT2 ? 3u : 2u) > registers)
				return "an iteration out of range";
			break;
		case 'F':
			if (i->a + 3u > registers)
				return "a counted loop out of range";
			break;
		default:
			break;
		}
	}
	if (jumps && i->op != OP_LOADI) {
		int64_t target = (int64_t)at + 1 + i->jump;
		if (target < 0 || target >= p->count)
			return "a jump out of the function";
		if ((i->op == OP_LOOP || i->op == OP_FORLOOP) != (target <= at))
			return i->op == OP_LOOP || i->op == OP_FORLOOP ? "a loop that jumps forwards"
			                                               : "a jump backwards that is no loop";
	}
	switch (i->op) {
	case OP_GETFIELD:
	case OP_SETFIELD:
	case OP_CALLM:
	case OP_CHECK:
		if (!is_name(p, i->c))
			return "a name that is no string";
		if (i->op == OP_CHECK && (i->b & ~TYPE_OPTIONAL) >= TYPE_KINDS)
			return "an unknown type";
		break;
	case OP_SEND:
		if (i->c && i->b + 2u > registers)
			return "a register out of range";
		break;
	case OP_CALLN: {
		const struct native_entry *n = &natives[i->c];
		if (i->b < (unsigned)n->least || (n->most >= 0 && i->b > (unsigned)n->most))
			return "a built-in function with a wrong number of arguments";
		if (!strcmp(n->name, "__collapse") || !strcmp(n->name, "__launch") ||
		    !strcmp(n->name, "__extend")) {
			if (!i->b)
				return "a built-in function without arguments";
		}
		break;
	}
	case OP_CALLF: {
		const struct proto *f = p->program->functions[i->c];
		if (i->b != f->params)
			return "a function with a wrong number of arguments";
		break;
	}
	case OP_CLOSURE: {
		const struct proto *inner = p->inner[i->b];
		for (uint32_t k = 0; k < inner->capture_count; k++)
			if (inner->captures[k].local ? inner->captures[k].index >= registers
			                             : inner->captures[k].index >= p->capture_count)
				return "a capture out of range";
		break;
	}
	default:
		break;
	}
	return NULL;
}

/* A cache remembers a built-in function for a number of arguments: instructions do not share one. */
static bool caches_apart(const struct proto *p)
{
	uint8_t *used = calloc(p->cache_count + 1u, 1);
	bool apart = true;
	if (!used)
		abort();
	for (uint32_t at = 0; at < p->count && apart; at++) {
		const struct ins *i = &p->code[at];
		if (strchr(opcode_operands[i->op], 'c'))
			apart = !used[i->d]++;
	}
	free(used);
	return apart;
}

const char *proto_verify(const struct proto *p)
{
	if (p->registers < 1 || p->registers > REGISTERS_MAX + 8 || p->params > p->registers ||
	    p->required > p->params)
		return "wrong counts";
	if (!p->count)
		return "no code";
	uint8_t last = p->code[p->count - 1].op;
	if (last != OP_RETNIL && last != OP_RET && last != OP_RAISE && last != OP_JMP && last != OP_LOOP)
		return "code that runs off its end";
	for (uint32_t at = 0; at < p->count; at++) {
		const char *wrong = check_ins(p, at);
		if (wrong)
			return wrong;
	}
	if (!caches_apart(p))
		return "a cache of two instructions";
	for (uint32_t i = 0; i < p->inner_count; i++) {
		const char *wrong = proto_verify(p->inner[i]);
		if (wrong)
			return wrong;
	}
	return NULL;
}

static const char *verify_outer(struct proto *p)
{
	if (!p)
		return NULL;
	const char *wrong = p->capture_count ? "a top-level function that captures" : proto_verify(p);
	p->verified = !wrong;
	return wrong;
}

const char *program_verify(struct program *program)
{
	const char *wrong = NULL;
	for (uint32_t i = 0; i < program->function_count && !wrong; i++)
		wrong = verify_outer(program->functions[i]);
	for (uint32_t i = 0; i < program->global_count && !wrong; i++)
		wrong = verify_outer(program->globals[i].initial);
	for (uint32_t i = 0; i < program->test_count && !wrong; i++)
		wrong = verify_outer(program->tests[i]);
	for (uint32_t i = 0; i < program->intention_count && !wrong; i++)
		for (unsigned k = 0; k < CLAUSES && !wrong; k++)
			wrong = verify_outer(program->intentions[i].clauses[k]);
	for (uint32_t i = 0; i < program->paradox_count && !wrong; i++)
		for (unsigned k = 0; k < CLAUSES && !wrong; k++)
			wrong = verify_outer(program->paradoxes[i].clauses[k]);
	return wrong;
}
