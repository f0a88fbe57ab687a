/* A plugin of QEMU's emulator that counts the instructions that a machine's processors execute: what a guest does, not what it
 * waits, since a halted processor executes none. It counts whole translated blocks when they begin; one that a fault leaves
 * early counts whole.
 *
 * A program inside sets a mark by executing a NOP of seven bytes whose unused displacement is MARK_MAGIC | its number (work.c):
 * for each a line "NUMBER INSTRUCTIONS" goes to the file that the argument out=FILE names.
 *
 * With arguments part=NAME:OFFSET:FILE, FILE being the code of a program (its .text alone, which begins at OFFSET of a page), each line goes on with NAME, the instructions
 * that the program executed itself, and those of the kernel since it was the last to run outside of it: calls, interrupts
 * and the way to the next program. Where code was loaded is learned from blocks of some length whose bytes stand at the
 * same place of just one page of just one part (parts of a library are in other programs too, so that there can be several
 * such places); from then on a block is a part's that stands there. What is no part's is "others". One processor only.
 *
 * Source: QEMU, "QEMU TCG Plugins", the interface of version 1. Debian packs no header of it, so what is used is declared here. */
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "mark.h"

struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum { QEMU_PLUGIN_CB_NO_REGS = 0, QEMU_PLUGIN_INLINE_ADD_U64 = 0 };
enum { PARTS_MOST = 8, OTHERS = PARTS_MOST, KERNEL, PAGE = 4096, COMPARED = 24, TELLING = 18, PLACES = 32 };

typedef void (*block_translated)(uint64_t id, struct qemu_plugin_tb *block);
typedef void (*on_execution)(unsigned processor, void *context);

void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, block_translated callback);
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *block, int operation, void *counter,
                                              uint64_t add);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *instruction, on_execution callback,
                                            int flags, void *context);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *block, on_execution callback, int flags,
                                          void *context);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *block);
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

static struct part {
	const char *name;
	uint8_t *code;
	size_t bytes;
	unsigned places;
	uint64_t begin[PLACES]; /* where it seems to have been loaded */
	uint64_t own, kernel;   /* instructions */
} parts[PARTS_MOST + 1] = {[OTHERS] = {.name = "others"}};
static unsigned part_count, running = OTHERS;

static void marked(unsigned processor, void *context)
{
	(void)processor;
	bool good = fprintf(output, "%" PRIuPTR " %" PRIu64, (uintptr_t)context, executed) > 0;
	for (unsigned i = 0; part_count && i <= OTHERS; i++)
		if (parts[i].name)
			good &= fprintf(output, " %s %" PRIu64 " %" PRIu64, parts[i].name, parts[i].own,
			                parts[i].kernel) > 0;
	if (fprintf(output, "\n") < 0 || !good)
		perror("count: the output cannot be written");
}

/* ---- Whose a block is ---- */

static void ran(unsigned processor, void *context)
{
	const unsigned part = (uintptr_t)context & 15, count = (unsigned)((uintptr_t)context >> 4);
	(void)processor;
	if (part == KERNEL) {
		parts[running].kernel += count;
		return;
	}
	running = part;
	parts[part].own += count;
}

/* The part whose code has BYTES at its place in a page that ADDRESS has. */
static unsigned part_of(uint64_t address, const uint8_t *bytes, size_t count)
{
	if (address >> 63)
		return KERNEL;
	unsigned found = OTHERS, places = 0;
	for (unsigned i = 0; i < part_count; i++) {
		const struct part *part = &parts[i];
		for (unsigned j = 0; j < part->places; j++) {
			uint64_t at = address - part->begin[j];
			if (at < part->bytes && count <= part->bytes - at &&
			    memcmp(part->code + at, bytes, count) == 0)
				return i;
		}
	}
	uint64_t begin = 0;
	for (unsigned i = 0; i < part_count && count >= TELLING; i++)
		for (size_t at = address % PAGE; at + count <= parts[i].bytes; at += PAGE)
			if (memcmp(parts[i].code + at, bytes, count) == 0) {
				found = i;
				begin = address - at;
				places++;
			}
	if (places != 1 || parts[found].places == PLACES)
		return OTHERS;
	parts[found].begin[parts[found].places++] = begin;
	return found;
}

static void told(struct qemu_plugin_tb *block, size_t count)
{
	uint8_t bytes[COMPARED];
	size_t held = 0;
	for (size_t i = 0; i < count; i++) {
		const struct qemu_plugin_insn *instruction = qemu_plugin_tb_get_insn(block, i);
		size_t size = qemu_plugin_insn_size(instruction);
		if (held + size > sizeof(bytes))
			break;
		memcpy(bytes + held, qemu_plugin_insn_data(instruction), size);
		held += size;
	}
	qemu_plugin_register_vcpu_tb_exec_cb(
	    block, ran, QEMU_PLUGIN_CB_NO_REGS,
	    (void *)(uintptr_t)(count << 4 | part_of(qemu_plugin_tb_vaddr(block), bytes, held)));
}

/* TEXT: NAME:OFFSET:FILE, OFFSET being that of the code's beginning in its page. */
static bool part_add(char *text)
{
	char *offset = strchr(text, ':'), *path = offset ? strchr(offset + 1, ':') : NULL;
	FILE *file = path ? fopen(path + 1, "r") : NULL;
	size_t first;
	if (!file || part_count == PARTS_MOST)
		return false;
	*offset = 0;
	first = strtoul(offset + 1, NULL, 0) % PAGE;
	struct part *part = &parts[part_count++];
	*part = (struct part){.name = strdup(text), .code = calloc(1, 8u << 20)};
	if (part->name && part->code)
		part->bytes = first + fread(part->code + first, 1, (8u << 20) - first, file);
	fclose(file);
	return part->bytes > first;
}

static void translated(uint64_t id, struct qemu_plugin_tb *block)
{
	static const uint8_t nop[] = {MARK_NOP};
	size_t count = qemu_plugin_tb_n_insns(block);
	(void)id;
	qemu_plugin_register_vcpu_tb_exec_inline(block, QEMU_PLUGIN_INLINE_ADD_U64, &executed, count);
	if (part_count)
		told(block, count);
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
	for (int i = 0; i < count; i++) {
		if (strncmp(arguments[i], "out=", 4) == 0)
			output = fopen(arguments[i] + 4, "w");
		if (strncmp(arguments[i], "part=", 5) == 0 && !part_add(arguments[i] + 5)) {
			fprintf(stderr, "count: %s cannot be read, or is one too many\n", arguments[i]);
			return 1;
		}
	}
	if (!output) {
		fprintf(stderr, "count: give out=FILE, a file that can be written\n");
		return 1;
	}
	setvbuf(output, NULL, _IOLBF, 0);
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
