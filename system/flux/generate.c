/* See generate.h. Names are chosen from what is in scope, so most programs compile; loops have small bounds. */
#include "generate.h"

#include <string.h>

struct generator {
	struct text *out;
	uint64_t random;
	unsigned locals, depth, functions, budget, loops;
	bool in_function, events, in_lambda;
};

static unsigned pick(struct generator *g, unsigned n)
{
	g->random ^= g->random << 13;
	g->random ^= g->random >> 7;
	g->random ^= g->random << 17;
	return (unsigned)((g->random * 0x2545F4914F6CDD1Du >> 33) % n);
}

static void put(struct generator *g, const char *text)
{
	text_put(g->out, text, strlen(text));
}

static void expression(struct generator *g);

static void literal(struct generator *g)
{
	static const char *const constants[] = {"0",
	                                        "1",
	                                        "2",
	                                        "3",
	                                        "7",
	                                        "10",
	                                        "-1",
	                                        "100",
	                                        "281474976710655",
	                                        "140737488355327",
	                                        "9223372036854775807",
	                                        "0.5",
	                                        "2.5",
	                                        "1e3",
	                                        "-0.25",
	                                        "true",
	                                        "false",
	                                        "nil",
	                                        "\"\"",
	                                        "\"a\"",
	                                        "\"héy\"",
	                                        "\"abc\"",
	                                        "1s",
	                                        "250ms"};
	put(g, constants[pick(g, sizeof(constants) / sizeof(constants[0]))]);
}

static void variable(struct generator *g)
{
	if (g->locals && pick(g, 5))
		text_print(g->out, "v%u", pick(g, g->locals));
	else
		text_print(g->out, pick(g, 3) ? "g%u" : "k%u", pick(g, 2));
}

static void arguments(struct generator *g, unsigned count)
{
	put(g, "(");
	for (unsigned i = 0; i < count; i++) {
		if (i)
			put(g, ", ");
		expression(g);
	}
	put(g, ")");
}

static void binary(struct generator *g)
{
	static const char *const operators[] = {"+", "-", "*",  "/",  "%",  "++", "==", "!=",
	                                        "<", ">", "<=", ">=", "&&", "||", "~/", "&",
	                                        "|", "^", "<<", ">>", "+",  "-",  "++"};
	put(g, "(");
	expression(g);
	text_print(g->out, " %s ", operators[pick(g, sizeof(operators) / sizeof(operators[0]))]);
	expression(g);
	put(g, ")");
}

static void pattern_match(struct generator *g)
{
	put(g, "(match ");
	expression(g);
	put(g, " { 1 | 2 => ");
	expression(g);
	text_print(g->out, ", [p%u, _] => p%u, ", g->depth, g->depth);
	text_print(g->out, "S { a: q%u } => q%u, 3..8 => ", g->depth, g->depth);
	expression(g);
	text_print(g->out, ", r%u if is_string(r%u) => r%u ++ \"!\", _ => ", g->depth, g->depth, g->depth);
	expression(g);
	put(g, " })");
}

static void lambda(struct generator *g)
{
	bool saved = g->in_lambda;
	unsigned locals = g->locals;
	g->in_lambda = true;
	text_print(g->out, "fn(x%u) => ", g->depth);
	put(g, "(");
	text_print(g->out, "x%u ", g->depth);
	put(g, pick(g, 2) ? "+ " : "++ ");
	expression(g);
	put(g, ")");
	g->in_lambda = saved;
	g->locals = locals;
}

static void collection(struct generator *g)
{
	static const char *const calls[] = {
	    "len",   "reverse",   "sorted",  "sum",     "max",    "first",      "last",     "unique",
	    "keys",  "to_string", "inspect", "type_of", "to_int", "is_nil",     "is_error", "abs",
	    "floor", "chars",     "flatten", "hash",    "copy",   "json_write", "enumerate"};
	switch (pick(g, 6)) {
	case 0:
		put(g, "[");
		for (unsigned i = 0, n = pick(g, 4); i < n; i++) {
			if (i)
				put(g, ", ");
			expression(g);
		}
		put(g, "]");
		break;
	case 1:
		put(g, "{ a: ");
		expression(g);
		put(g, ", \"b\": ");
		expression(g);
		put(g, " }");
		break;
	case 2:
		put(g, "S { a: ");
		expression(g);
		put(g, " }");
		break;
	case 3:
		put(g, "map([1, 2, 3], ");
		lambda(g);
		put(g, ")");
		break;
	case 4:
		put(g, "(");
		expression(g);
		put(g, pick(g, 2) ? ")[" : ").a");
		if (g->out->bytes[g->out->length - 1] == '[') {
			expression(g);
			put(g, "]");
		}
		break;
	default:
		put(g, calls[pick(g, sizeof(calls) / sizeof(calls[0]))]);
		arguments(g, 1);
	}
}

static void expression(struct generator *g)
{
	if (g->depth > 5 || !g->budget) {
		if (pick(g, 2))
			literal(g);
		else
			variable(g);
		return;
	}
	g->budget--;
	g->depth++;
	switch (pick(g, 16)) {
	case 0:
	case 1:
	case 2:
		literal(g);
		break;
	case 3:
	case 4:
	case 5:
		variable(g);
		break;
	case 6:
	case 7:
	case 8:
		binary(g);
		break;
	case 9:
		put(g, pick(g, 2) ? "!" : "-");
		put(g, "(");
		expression(g);
		put(g, ")");
		break;
	case 10:
	case 11:
		collection(g);
		break;
	case 12:
		if (g->functions) {
			text_print(g->out, "f%u", pick(g, g->functions));
			arguments(g, 2);
		} else {
			literal(g);
		}
		break;
	case 13:
		put(g, "(if ");
		expression(g);
		put(g, " then ");
		expression(g);
		put(g, " else ");
		expression(g);
		put(g, ")");
		break;
	case 14:
		if (pick(g, 2)) {
			put(g, "(try ");
			expression(g);
			put(g, ")");
		} else {
			put(g, "(");
			expression(g);
			put(g, " otherwise ");
			expression(g);
			put(g, ")");
		}
		break;
	default:
		pattern_match(g);
	}
	g->depth--;
}

static void statements(struct generator *g, unsigned count);

static void block(struct generator *g)
{
	unsigned locals = g->locals;
	put(g, "{\n");
	g->depth++;
	statements(g, 1 + pick(g, 3));
	g->depth--;
	g->locals = locals;
	put(g, "}\n");
}

static void effect(struct generator *g)
{
	switch (pick(g, 6)) {
	case 0:
		put(g, "m.accept(\"k\").write(");
		expression(g);
		text_print(g->out, ", %u);\n", pick(g, 5));
		break;
	case 1:
		put(g, "print(m.accept(\"k\").read());\n");
		break;
	case 2:
		put(g, "set_current_timeline(create_timeline());\n");
		break;
	case 3:
		put(g, "merge_timelines(current_timeline(), \"primary\");\n");
		break;
	case 4:
		put(g,
		    "print(collapse(dist { 1: 2, 2: 3, \"x\": 1 }, weighted_random), random_int(1, 9));\n");
		break;
	default:
		put(g, "print(listen(user, 1s, \"none\"), now() > 0s);\n");
	}
}

static void statement(struct generator *g)
{
	g->budget = 12;
	switch (pick(g, 16)) {
	case 0:
	case 1:
	case 2: {
		unsigned n = g->locals;
		if (n > 12)
			break;
		text_print(g->out, "let v%u = ", n);
		expression(g);
		put(g, ";\n");
		g->locals++;
		return;
	}
	case 3:
	case 4:
		if (!g->locals)
			break;
		text_print(g->out, "v%u %s ", pick(g, g->locals),
		           pick(g, 3)   ? "="
		           : pick(g, 2) ? "+="
		                        : "++=");
		expression(g);
		put(g, ";\n");
		return;
	case 5:
		text_print(g->out, "g%u = ", pick(g, 2));
		expression(g);
		put(g, ";\n");
		return;
	case 6:
		put(g, "if ");
		expression(g);
		put(g, " ");
		block(g);
		if (pick(g, 2)) {
			put(g, "else ");
			block(g);
		}
		return;
	case 7:
		if (g->loops > 2)
			break;
		g->loops++;
		text_print(g->out, "for i%u in ", g->depth);
		switch (pick(g, 4)) {
		case 0:
			text_print(g->out, "0..%u ", pick(g, 6));
			break;
		case 1:
			text_print(g->out, "[1, %u] ", pick(g, 6));
			break;
		case 2:
			put(g, "[\"p\", 2, nil] ");
			break;
		default:
			put(g, "(");
			expression(g);
			put(g, ") ");
		}
		put(g, "{\n");
		text_print(g->out, "g1 = i%u;\nif len(to_string(g1)) > 300 { g1 = 0; break; }\n", g->depth);
		g->depth++;
		unsigned locals = g->locals;
		statements(g, 1 + pick(g, 2));
		if (!pick(g, 4))
			put(g, pick(g, 2) ? "if g1 == 2 { continue; }\n" : "if g1 == 3 { break; }\n");
		g->locals = locals;
		g->depth--;
		put(g, "}\n");
		g->loops--;
		return;
	case 8:
		put(g, "try ");
		block(g);
		text_print(g->out, "catch e%u {\nprint(e%u.message);\n}\n", g->depth, g->depth);
		return;
	case 9:
		if (!g->locals)
			break;
		text_print(g->out, "v%u[", pick(g, g->locals));
		expression(g);
		put(g, "] = ");
		expression(g);
		put(g, ";\n");
		return;
	case 10:
		if (!g->locals)
			break;
		text_print(g->out, "v%u.a = ", pick(g, g->locals));
		expression(g);
		put(g, ";\n");
		return;
	case 11: { /* a closure over a variable that changes */
		unsigned n = g->locals;
		if (n > 12 || !n)
			break;
		text_print(g->out,
		           "let v%u = fn() { v%u = v%u ++ 1; return v%u; };\nprint(try v%u(), try v%u());\n",
		           n, n - 1, n - 1, n - 1, n, n);
		g->locals++;
		return;
	}
	case 12:
		if (g->events) {
			effect(g);
			return;
		}
		break;
	case 13:
		if (g->in_function && !pick(g, 3)) {
			put(g, "return ");
			expression(g);
			put(g, ";\n");
			return;
		}
		break;
	case 14:
		if (!pick(g, 3)) {
			put(g, "fail ");
			expression(g);
			put(g, ";\n");
			return;
		}
		break;
	default:
		break;
	}
	put(g, "print(inspect(");
	expression(g);
	put(g, "));\n");
}

static void statements(struct generator *g, unsigned count)
{
	if (g->depth > 6)
		count = 1;
	for (unsigned i = 0; i < count; i++)
		statement(g);
}

void generate_program(struct text *out, uint64_t seed, bool events)
{
	struct generator generator = {
	    .out = out, .random = seed * 0x9E3779B97F4A7C15u + 0x1234567, .events = events};
	struct generator *g = &generator;
	for (int i = 0; i < 4; i++)
		pick(g, 2);
	put(g, "struct S { a, b: any = 5 }\nstate g0 = 1;\nstate g1 = [];\nconst k0 = 7;\nconst k1 = [1, "
	       "\"two\", 3.5];\n");
	if (events)
		put(g, "causal_mosaic m = sparse_temporal_matrix();\n");
	for (unsigned i = 0, n = pick(g, 3); i < n; i++) {
		text_print(out, "function f%u(v0, v1) {\n", i);
		g->locals = 2;
		g->in_function = true;
		statements(g, 1 + pick(g, 3));
		put(g, "return ");
		g->budget = 8;
		expression(g);
		put(g, ";\n}\n");
		g->functions = i + 1; /* calls only what came before: no recursion */
		g->in_function = false;
	}
	unsigned bodies = events ? 1 + pick(g, 3) : 1;
	for (unsigned i = 0; i < bodies; i++) {
		g->locals = 0;
		if (events)
			text_print(out, "intention I%u {\n%spriority: 0.%u\nexecute: {\n", i,
			           pick(g, 3)   ? ""
			           : pick(g, 2) ? "trigger: after(2s)\n"
			                        : "trigger: every(40s)\n",
			           1 + pick(g, 9));
		else
			put(g, "function main() {\n");
		statements(g, 3 + pick(g, 6));
		put(g, events ? "}\n}\n" : "}\n");
	}
}
