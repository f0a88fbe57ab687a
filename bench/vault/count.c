/* A plugin of QEMU's emulator that counts the instructions that a machine's processors execute: what a guest does, not what it
 * waits, since a halted processor executes none. It counts whole translated blocks when they begin; one that a fault leaves
 * early counts whole.
 *
 * A program inside sets a mark by executing a NOP of seven bytes whose unused displacement is MARK_MAGIC | its number (work.c):
 * for each a line "NUMBER INSTRUCTIONS" goes to the file that the argument out=FILE names.
 *
 * Source: QEMU, "QEMU TCG Plugins", the interface of version 1. Debian packs no header of it, so what is used is declared here. */
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include "mark.h"

struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum { QEMU_PLUGIN_CB_NO_REGS = 0, QEMU_PLUGIN_INLINE_ADD_U64 = 0 };

typedef void (*block_translated)(uint64_t id, struct qemu_plugin_tb *block);
typedef void (*on_execution)(unsigned processor, void *context);

void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, block_translated callback);
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *block, int operation, void *counter,
                                              uint64_t add);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *instruction, on_execution callback,
                                            int flags, void *context);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *block, size_t index);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *instruction);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *instruction);

__attribute__((visibility("default"))) extern int qemu_plugin_version;
__attribute__((visibility("default"))) int qemu_plugin_install(uint64_t id, const void *info, int count,
                                                               char **arguments);
int qemu_plugin_version = 1;

static uint64_t executed;
static FILE *output;

static void marked(unsigned processor, void *context)
{
	(void)processor;
	if (fprintf(output, "%" PRIuPTR " %" PRIu64 "\n", (uintptr_t)context, executed) < 0)
		perror("count: the output cannot be written");
}

static void translated(uint64_t id, struct qemu_plugin_tb *block)
{
	static const uint8_t nop[] = {MARK_NOP};
	size_t count = qemu_plugin_tb_n_insns(block);
	(void)id;
	qemu_plugin_register_vcpu_tb_exec_inline(block, QEMU_PLUGIN_INLINE_ADD_U64, &executed, count);
	for (size_t i = 0; i < count; i++) {
		struct qemu_plugin_insn *instruction = qemu_plugin_tb_get_insn(block, i);
		const uint8_t *bytes = qemu_plugin_insn_data(instruction);
		uint32_t value;
		if (qemu_plugin_insn_size(instruction) != sizeof(nop) + sizeof(value) ||
		    memcmp(bytes, nop, sizeof(nop)) != 0)
			continue;
		memcpy(&value, bytes + sizeof(nop), sizeof(value));
		if ((value & ~MARK_NUMBER) == MARK_MAGIC)
			qemu_plugin_register_vcpu_insn_exec_cb(instruction, marked, QEMU_PLUGIN_CB_NO_REGS,
			                                       (void *)(uintptr_t)(value & MARK_NUMBER));
	}
}

int qemu_plugin_install(uint64_t id, const void *info, int count, char **arguments)
{
	(void)info;
	for (int i = 0; i < count; i++)
		if (strncmp(arguments[i], "out=", 4) == 0)
			output = fopen(arguments[i] + 4, "w");
	if (!output) {
		fprintf(stderr, "count: give out=FILE, a file that can be written\n");
		return 1;
	}
	setvbuf(output, NULL, _IOLBF, 0);
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
