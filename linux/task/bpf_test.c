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
	static const uint16_t codes[] = {0x20, 0x00, 0x80, 0x60, 0x01, 0x61, 0x81, 0x02, 0x03, 0x04, 0x0c,
	                                 0x14, 0x24, 0x34, 0x3c, 0x44, 0x54, 0x64, 0x6c, 0x74, 0x84, 0xa4,
	                                 0x05, 0x15, 0x1d, 0x25, 0x35, 0x45, 0x4d, 0x06, 0x16, 0x07, 0x87,
	                                 0x94, 0x28, 0x30, 0x40, 0x48, 0x50, 0xb1, 0x9c};
	unsigned accepted = 0, packet_accepted = 0;
	uint32_t data[16];
	srand(1);
	for (unsigned round = 0; round < 200000; round++) {
		uint32_t length = 1 + (uint32_t)rand() % 12;
		struct bpf_instruction *program = malloc(length * sizeof(*program));
		for (uint32_t i = 0; i < length; i++)
			program[i] = (struct bpf_instruction){
			    codes[(uint32_t)rand() % (sizeof(codes) / sizeof(*codes))], (uint8_t)(rand() % 6),
			    (uint8_t)(rand() % 6),
			    (uint32_t)rand() % 70 - (rand() % 4   ? 0
			                             : rand() % 3 ? 0x200000u
			                                          : 0x1000u)};
		program[length - 1].code = 6;
		for (unsigned i = 0; i < 16; i++)
			data[i] = (uint32_t)rand();
		if (bpf_valid(program, length)) {
			accepted++;
			(void)bpf_run(program, data);
		}
		if (bpf_packet_valid(program, length)) {
			uint32_t count = (uint32_t)rand() % 64;
			uint8_t *bytes = malloc(count);
			memset(bytes, rand(), count);
			const struct bpf_packet packet = {.bytes = bytes,
			                                  .count = count,
			                                  .network = bytes + count / 2,
			                                  .network_count = count - count / 2};
			packet_accepted++;
			(void)bpf_packet_run(program, &packet);
			free(bytes);
		}
		free(program);
	}
	check("random-programs", accepted > 1000);
	check("random-packet-programs", packet_accepted > 1000);
}

#define PACKET_RUN(packet, ...) bpf_packet_run(PROGRAM(__VA_ARGS__), packet)
#define packet_valid(...)                                                                                    \
	bpf_packet_valid(PROGRAM(__VA_ARGS__), sizeof(PROGRAM(__VA_ARGS__)) / sizeof(struct bpf_instruction))

static void packets(void)
{
	uint8_t frame[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 8, 0, 0x45, 0, 0, 40, 1, 2, 3, 4, 64, 6};
	const struct bpf_packet packet = {.bytes = frame,
	                                  .count = sizeof(frame),
	                                  .network = frame + 14,
	                                  .network_count = sizeof(frame) - 14,
	                                  .protocol = 0x800,
	                                  .interface = 3,
	                                  .kind = 4};
	check("packet-half", PACKET_RUN(&packet, {0x28, 0, 0, 12}, {0x16, 0, 0, 0}) == 0x800);
	check("packet-word", PACKET_RUN(&packet, {0x20, 0, 0, 1}, {0x16, 0, 0, 0}) == 0x02030405);
	check("packet-end", PACKET_RUN(&packet, {0x30, 0, 0, 23}, {0x16, 0, 0, 0}) == 6 &&
	                        PACKET_RUN(&packet, {0x30, 0, 0, 24}, RETURN(7)) == 0 &&
	                        PACKET_RUN(&packet, {0x20, 0, 0, 21}, RETURN(7)) == 0);
	check("packet-header-length",
	      PACKET_RUN(&packet, {0xb1, 0, 0, 14}, {0x87, 0, 0, 0}, {0x16, 0, 0, 0}) == 20);
	check("packet-indirect",
	      PACKET_RUN(&packet, {0x01, 0, 0, 9}, {0x50, 0, 0, 14}, {0x16, 0, 0, 0}) == 6);
	check("packet-indirect-wraps",
	      PACKET_RUN(&packet, {0x01, 0, 0, 0xffffffff}, {0x50, 0, 0, 1}, {0x16, 0, 0, 0}) == 1);
	check("packet-network", PACKET_RUN(&packet, {0x30, 0, 0, 0xfff00009}, {0x16, 0, 0, 0}) == 6 &&
	                            PACKET_RUN(&packet, {0x30, 0, 0, 0xfff0000a}, RETURN(1)) == 0);
	check("packet-no-link-header", PACKET_RUN(&packet, {0x30, 0, 0, 0xffe00000}, RETURN(1)) == 0);
	check("packet-extra", PACKET_RUN(&packet, {0x20, 0, 0, 0xfffff000}, {0x16, 0, 0, 0}) == 0x800 &&
	                          PACKET_RUN(&packet, {0x20, 0, 0, 0xfffff008}, {0x16, 0, 0, 0}) == 3 &&
	                          PACKET_RUN(&packet, {0x20, 0, 0, 0xfffff004}, {0x16, 0, 0, 0}) == 4);
	check("packet-length", PACKET_RUN(&packet, {0x80, 0, 0, 0}, {0x16, 0, 0, 0}) == sizeof(frame));
	check("packet-modulo", PACKET_RUN(&packet, {0, 0, 0, 17}, {0x94, 0, 0, 5}, {0x16, 0, 0, 0}) == 2 &&
	                           PACKET_RUN(&packet, {0x9c, 0, 0, 0}, RETURN(5)) == 0);
	check("packet-refused",
	      !packet_valid({0x38, 0, 0, 0}, RETURN(0)) && !packet_valid({0x94, 0, 0, 0}, RETURN(0)) &&
	          !packet_valid({0x20, 0, 0, 0xfffff00c}, RETURN(0)) &&
	          !packet_valid({0xa1, 0, 0, 0}, RETURN(0)) && !packet_valid({0x20, 0, 0, 0}) &&
	          packet_valid({0x20, 0, 0, 0xfffffff}, RETURN(0)));
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
	packets();
	random_programs();
	return failures != 0;
}
