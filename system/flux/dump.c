/* The disassembler: every function's instructions with what their operands mean. */
#include "runtime.h"

void proto_dump(struct vm *vm, const struct proto *p, FILE *out)
{
	unsigned line = 0, column, before = 0;
	for (uint32_t at = 0; at < p->count; at++) {
		const struct ins *i = &p->code[at];
		const char *kinds = opcode_operands[i->op];
		unsigned operands[4] = {i->a, i->b, i->c, i->d};
		source_position(p->source, p->places[at], &line, &column);
		if (line != before)
			fprintf(out, "%5u ", line);
		else
			fprintf(out, "      ");
		before = line;
		fprintf(out, "%4u  %-9s", at, opcode_names[i->op]);
		for (unsigned k = 0; k < 4; k++) {
			switch (kinds[k]) {
			case 'r':
			case 'w':
			case 'C':
			case 'D':
			case 'I':
			case 'F':
			case 'R':
			case 'M':
				fprintf(out, " r%u", operands[k]);
				break;
			case 'k': {
				value v = operands[k] < p->constant_count ? p->constants[operands[k]] : V_NIL;
				struct string *s = vm ? value_inspect(vm, v) : NULL;
				fprintf(out, " %.40s", s ? string_bytes(vm, s) : "?");
				break;
			}
			case 'i':
				fprintf(out, " #%d", (int16_t)operands[k]);
				break;
			case 'u':
			case 't':
				fprintf(out, " %u", operands[k]);
				break;
			case 'j':
				if (i->op == OP_LOADI)
					fprintf(out, " #%d", i->jump);
				else
					fprintf(out, " ->%d", (int)at + 1 + i->jump);
				break;
			case 'f':
				fprintf(out, " %s", p->program->functions[operands[k]]->name);
				break;
			case 'n':
				fprintf(out, " %s", natives[operands[k]].name);
				break;
			case 'g':
				fprintf(out, " %s", p->program->globals[operands[k]].name);
				break;
			case 'p':
			case 'x':
				fprintf(out, " %u", operands[k]);
				break;
			default:
				break;
			}
		}
		fputc('\n', out);
	}
	for (uint32_t i = 0; i < p->inner_count; i++) {
		fprintf(out, "\n  inner %u of %s: %u parameters, %u registers, %u captured\n", i, p->name,
		        p->inner[i]->params, p->inner[i]->registers, p->inner[i]->capture_count);
		proto_dump(vm, p->inner[i], out);
	}
}

static void dump_one(struct vm *vm, const char *kind, const struct proto *p, FILE *out)
{
	if (!p)
		return;
	fprintf(out, "=== %s %s: %u parameters, %u registers\n", kind, p->name, p->params, p->registers);
	proto_dump(vm, p, out);
	fputc('\n', out);
}

void program_dump(struct vm *vm, const struct program *program, FILE *out)
{
	for (uint32_t i = 0; i < program->global_count; i++)
		if (program->globals[i].kind == GLOBAL_CONST || program->globals[i].kind == GLOBAL_STATE)
			dump_one(vm, "INITIAL", program->globals[i].initial, out);
		else
			fprintf(out, "=== %s %s\n\n",
			        program->globals[i].kind == GLOBAL_MOSAIC ? "CAUSAL_MOSAIC" : "STRUCT",
			        program->globals[i].name);
	for (uint32_t i = 0; i < program->intention_count; i++) {
		const struct intention *n = &program->intentions[i];
		fprintf(out, "=== INTENTION %s  [priority=%g]\n\n", n->name, n->priority);
		for (unsigned k = 0; k < CLAUSES; k++)
			dump_one(vm, clause_names[k], n->clauses[k], out);
	}
	for (uint32_t i = 0; i < program->function_count; i++)
		dump_one(vm, program->functions[i]->flow ? "FLOW" : "FUNCTION", program->functions[i], out);
	for (uint32_t i = 0; i < program->test_count; i++)
		dump_one(vm, "TEST", program->tests[i], out);
}
