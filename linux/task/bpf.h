/* Classic BPF as seccomp(2) takes it: programs that look at the 64 bytes of struct seccomp_data and answer a number. No
 * program loops, so that one runs at most as many steps as it is long. Pure: tested on the build machine.
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
uint32_t bpf_run(const struct bpf_instruction *program, const uint32_t data[BPF_DATA_BYTES / 4]);
