/* bpf.c: what is refused, and what programs answer. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bpf.h"

static int failures;

static void check(const char *name, bool good)
{
	printf("%sok %s\n", good ? "" : "not ", name);
	failures += !good;
}

#define PROGRAM(...) ((struct bpf_instruction[]){__VA_ARGS__})
#define valid(...)                                                                                           \
	bpf_valid(PROGRAM(__VA_ARGS__), sizeof(PROGRAM(__VA_ARGS__)) / sizeof(struct bpf_instruction))
#define RETURN(k)                                                                                            \
	{                                                                                                    \
		6, 0, 0, k                                                                                   \
	}

/* Random programs: those that are valid end, and read nothing outside (ASan). */
static void random_programs(void)
{
	static const uint16_t codes[] = {0x20, 0x00, 0x80, 0x60, 0x01, 0x61, 0x81, 0x02, 0x03,
	                                 0x04, 0x0c, 0x14, 0x24, 0x34, 0x3c, 0x44, 0x54, 0x64,
	                                 0x6c, 0x74, 0x84, 0xa4, 0x05, 0x15, 0x1d, 0x25, 0x35,
	                                 0x45, 0x4d, 0x06, 0x16, 0x07, 0x87, 0x94, 0x28, 0x30};
	unsigned accepted = 0;
	uint32_t data[16];
	srand(1);
	for (unsigned round = 0; round < 200000; round++) {
		uint32_t length = 1 + (uint32_t)rand() % 12;
		struct bpf_instruction *program = malloc(length * sizeof(*program));
		for (uint32_t i = 0; i < length; i++)
			program[i] = (struct bpf_instruction){
			    codes[(uint32_t)rand() % (sizeof(codes) / sizeof(*codes))], (uint8_t)(rand() % 6),
			    (uint8_t)(rand() % 6), (uint32_t)rand() % 70};
		program[length - 1].code = 6;
		for (unsigned i = 0; i < 16; i++)
			data[i] = (uint32_t)rand();
		if (bpf_valid(program, length)) {
			accepted++;
			(void)bpf_run(program, data);
		}
		free(program);
	}
	check("random-programs", accepted > 1000);
}

int main(void)
{
	uint32_t data[16] = {39, 0xc000003e};
	check("empty", !bpf_valid(PROGRAM(RETURN(0)), 0));
	check("no-return", !valid({0x20, 0, 0, 0}));
	check("load-outside", !valid({0x20, 0, 0, 64}, RETURN(0)) && valid({0x20, 0, 0, 60}, RETURN(0)));
	check("load-crooked", !valid({0x20, 0, 0, 2}, RETURN(0)));
	check("load-half", !valid({0x28, 0, 0, 0}, RETURN(0)));
	check("jump-outside", !valid({0x05, 0, 0, 1}, RETURN(0)) && valid({0x05, 0, 0, 0}, RETURN(0)));
	check("branch-outside", !valid({0x15, 1, 0, 1}, RETURN(0)) && !valid({0x15, 0, 1, 1}, RETURN(0)));
	check("divide-by-zero", !valid({0x34, 0, 0, 0}, RETURN(0)) && valid({0x3c, 0, 0, 0}, RETURN(0)));
	check("shift-too-far", !valid({0x64, 0, 0, 32}, RETURN(0)));
	check("modulo", !valid({0x94, 0, 0, 3}, RETURN(0)));
	check("cell-outside", !valid({0x02, 0, 0, 16}, RETURN(0)));
	check("cell-unset",
	      !valid({0x60, 0, 0, 1}, RETURN(0)) && valid({0x02, 0, 0, 1}, {0x60, 0, 0, 1}, RETURN(0)));
	check("cell-set-on-one-way", !valid({0x15, 0, 1, 1}, {0x02, 0, 0, 1}, {0x60, 0, 0, 1}, RETURN(0)));
	check("run-branch",
	      bpf_run(PROGRAM({0x20, 0, 0, 0}, {0x15, 0, 1, 39}, RETURN(7), RETURN(8)), data) == 7);
	check("run-divide-by-x", bpf_run(PROGRAM({0x3c, 0, 0, 0}, RETURN(5)), data) == 0);
	check("run-alu", bpf_run(PROGRAM({0, 0, 0, 6}, {0x24, 0, 0, 7}, {0x07, 0, 0, 0}, {0x1c, 0, 0, 0},
	                                 {0x44, 0, 0, 9}, {0x16, 0, 0, 0}),
	                         data) == 9);
	check("run-length", bpf_run(PROGRAM({0x80, 0, 0, 0}, {0x16, 0, 0, 0}), data) == 64);
	random_programs();
	return failures != 0;
}
