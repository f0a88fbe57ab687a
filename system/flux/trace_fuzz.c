/*
 * Fuzzes the reader of replay traces. Half of the inputs are traces as they are; the others (first byte even) stand
 * behind a header that is right, for a program that asks for what traces answer. Of these, half are records as they are;
 * the others (second bit set) say what is in the records, whose form is right: kind, name of an answer, length, bytes.
 */
#include "commands.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUEL_MOST   20000
#define MEMORY_MOST (32u << 20)

static const char program_text[] =
    "function main() {\n"
    "let f = args()[\"files\"]; let c = args()[\"clock\"];\n"
    "print(try f.read(\"a\") otherwise 1); print(try f.list(\"b\") otherwise 2);\n"
    "print(try f.info(\"a\") otherwise 3); print(try c.time() otherwise 4);\n"
    "print(try f.write(\"a\", \"b\") otherwise 5);\n"
    "let p = args()[\"process\"];\n"
    "print(try p.run([\"x\"]) otherwise 6); print(try p.start([\"x\"]).alive() otherwise 7);\n"
    "print(collapse(dist {1: 1, 2: 2}, weighted_random));\n"
    "}\n";

static void record(struct text *out, char kind, const char *bytes, size_t length)
{
	text_print(out, "%c %zu\n", kind, length);
	text_put(out, bytes, length);
	text_put(out, "\n", 1);
}

static void records(struct text *out, const uint8_t *data, size_t size)
{
	static const char kinds[] = "OOOOOVEISAWX";
	/* In the order in which the program asks. */
	static const char *const names[] = {"file",    "list",  "info",  "clock", "change",
	                                    "process", "start", "child", "under", "connect"};
	char bytes[300];
	for (unsigned n = 0; size >= 3; n++) {
		char kind = kinds[data[0] % (sizeof(kinds) - 1)];
		const char *name = kind == 'O' ? names[(data[1] < 200 ? n : data[1]) % 10] : "";
		size_t at = kind == 'O' ? strlen(name) + 1 : 0, length = data[2];
		data += 3;
		size -= 3;
		length = length < size ? length : size;
		memcpy(bytes, name, at);
		memcpy(bytes + at, data, length);
		record(out, kind, bytes, at + length);
		data += length;
		size -= length;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static FILE *nowhere;
	static const char arguments[] = "1 20000 0 0 33554432 31";
	char source[sizeof(program_text) + 1] = "m";
	struct text trace = {0};
	if (!nowhere && (!(nowhere = fopen("/dev/null", "w"))))
		abort();
	if (!size)
		return 0;
	if (!(*data & 1)) {
		memcpy(source + 2, program_text, sizeof(program_text) - 1);
		text_put(&trace, "FLUXTRACE 1\n", 12);
		record(&trace, 'S', source, sizeof(program_text) + 1);
		record(&trace, 'A', arguments, sizeof(arguments) - 1);
	}
	if ((*data & 3) == 2)
		records(&trace, data + 1, size - 1);
	else
		text_put(&trace, (const char *)data + 1, size - 1);
	(void)trace_replay_bytes("fuzz", trace.bytes, trace.length, FUEL_MOST, MEMORY_MOST, nowhere);
	return 0;
}
