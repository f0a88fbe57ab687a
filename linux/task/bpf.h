/* Classic BPF: programs that look at some bytes and answer a number. As seccomp(2) takes it they look at the 64 bytes of
 * struct seccomp_data, as socket(7) does (SO_ATTACH_FILTER) at a packet. No program loops, so that one runs at most as
 * many steps as it is long. Pure: tested on the build machine.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define BPF_LENGTH_MAX 4096u
#define BPF_DATA_BYTES 64u /* struct seccomp_data */

struct bpf_instruction {
	uint16_t code;
	uint8_t jump_true, jump_false;
	uint32_t k;
};

/* True when PROGRAM of LENGTH instructions can be run: every instruction is one that seccomp allows, jumps stay inside,
 * loads stay inside the data and never read what was not stored, the last one returns. */
bool bpf_valid(const struct bpf_instruction *program, uint32_t length);
/* What PROGRAM, which is valid, answers for DATA. */
uint32_t bpf_run(const struct bpf_instruction *program, const uint32_t data[BPF_DATA_BYTES / 4])
    __attribute__((nonnull));

/* What a filter of a socket sees: the packet from where its family begins, and from its network and link headers on
 * (count 0: there is none). */
struct bpf_packet {
	const uint8_t *bytes, *network, *link;
	uint32_t count, network_count, link_count;
	uint32_t interface;
	uint16_t protocol; /* Ethertype */
	uint16_t hardware; /* ARPHRD_* */
	uint8_t kind;      /* PACKET_HOST... */
	uint32_t random, processor;
};

#define BPF_EXTRA_RANDOM 0xfffff038u /* the address of a load of `random` */

/* True when PROGRAM of LENGTH instructions can be run on packets. Loads may go astray: they end the program with 0. */
bool bpf_packet_valid(const struct bpf_instruction *program, uint32_t length);
/* How many bytes of PACKET the PROGRAM, which is valid, wants; 0: not the packet. */
uint32_t bpf_packet_run(const struct bpf_instruction *program, const struct bpf_packet *packet)
    __attribute__((nonnull));
