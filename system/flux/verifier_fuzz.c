/*
 * Fuzzes the verifier: the code of a compiled program is changed at the places that the input names, and what the
 * verifier still accepts runs, within little fuel and memory. The input begins with 2 bytes that choose the program: 0 the
 * one below, else a random one of that seed (generate.h). Then come changes of 4 bytes: the place (16 bits, of all code
 * bytes in turn) and what is added to the byte there and to the next.
 */
#include "commands.h"
#include "generate.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHANGES_MAX 16

static const char program_text[] =
    "struct S { a: int, b }\n"
    "state total = 1;\n"
    "const table = {\"x\": 1, \"y\": [1, 2, 3]};\n"
    "causal_mosaic memory = sparse_temporal_matrix();\n"
    "function add(a, b = 2) { total += a; return a + b * 3 - a / 2; }\n"
    "function deep(n) { if n <= 0 { return 0; } return 1 + deep(n - 1); }\n"
    "function risky(x) { if x > 2 { fail \"big\"; } return x; }\n"
    "function main() {\n"
    "  let s = S { a: 1, b: \"two\" }; s.a = 5; s.b = [s.a, 1.5, \"z\"];\n"
    "  let m = {\"k\": 1}; m[\"j\"] = s; let l = [3, 1, 2]; l[0] = 9;\n"
    "  let count = 0; let step = fn(x) { count += x; return count; };\n"
    "  for i in 0..5 { step(i); if i == 3 { continue; } l.push(i % 2); }\n"
    "  for k, v in m { print(k, v); }\n"
    "  for c in \"abc\" { print(c ++ \"!\"); }\n"
    "  while count > 3 { count = count - 2; }\n"
    "  try { risky(3); } catch e { print(e.message); }\n"
    "  let r = try risky(4) otherwise 7;\n"
    "  let t = match s { S { a: 5 } => l[1:2], [x, _] => x, _ => -r };\n"
    "  let d = dist {1: 2, 3: 4}; print(collapse(d, max_weight), collapse(d, weighted_random), t);\n"
    "  memory.accept(\"k\").write(1, 0.5); print(memory.accept(\"k\").read());\n"
    "  print(add(1), add(2, 3), deep(10), total, 7 ~/ 2, 2 ** 8, 6 & 3 | 1 ^ 2, 1 << 4 >> 1, !r, ~r);\n"
    "  print(len(l), to_string(m), l.map(fn(x) => x * 2), if r < 9 then 1.5 < 2 else s == m);\n"
    "}\n";

static void change(struct program *program, const uint8_t *data)
{
	size_t place = (size_t)(data[0] << 8 | data[1]), total = 0;
	for (uint32_t i = 0; i < program->function_count; i++)
		total += program->functions[i]->count * sizeof(struct ins);
	if (!total) /* a program of intentions alone */
		return;
	place %= total;
	for (uint32_t i = 0; i < program->function_count; i++) {
		struct proto *p = program->functions[i];
		size_t bytes = p->count * sizeof(struct ins);
		if (place < bytes) {
			uint8_t *code = (uint8_t *)p->code;
			code[place] = (uint8_t)(code[place] + data[2]);
			code[(place + 1) % bytes] = (uint8_t)(code[(place + 1) % bytes] + data[3]);
			return;
		}
		place -= bytes;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static FILE *nowhere;
	if (!nowhere && (!(nowhere = fopen("/dev/null", "w"))))
		abort();
	struct run_options options = {.seed = 3, .fuel = 3000, .memory = 16u << 20};
	options.stress = size > 4 && size & 4;
	struct text text = {0};
	unsigned seed = size > 1 ? (unsigned)(data[0] << 8 | data[1]) : 0;
	if (seed)
		generate_program(&text, seed, seed % 3 == 0);
	else
		text_put(&text, program_text, sizeof(program_text) - 1);
	struct source *source = source_new("fuzz", text.bytes, text.length);
	free(text.bytes);
	struct vm *vm = source ? run_prepare(source, &options, nowhere) : NULL;
	if (!vm && !seed)
		abort(); /* the program above has an error */
	if (!vm)
		return 0;
	for (size_t i = 2; i + 4 <= size && i < CHANGES_MAX * 4 + 2; i += 4)
		change(vm->program, data + i);
	if (!program_verify(vm->program))
		run_to_end(vm);
	run_finish(vm);
	return 0;
}
