/* What holon-run asks the system to run, and the lines it exchanges with the system while that runs.
 *
 * The module "command" (struct handoff) holds a struct command_header and then `size` bytes of NUL-terminated
 * strings: argc arguments, then envc environment strings "NAME=value". All little-endian. The command is
 * looked up in the environment's PATH and starts in the directory "/". Without the module, the system starts
 * an interactive shell.
 *
 * COM1 is the command's terminal or its standard streams. With COMMAND_TERMINAL it is a terminal (the
 * system's line discipline works on it; the option "size=COLUMNSxROWS" of the boot command line gives its
 * size); without it, bytes pass unchanged both ways, standard output and standard error both go there, and
 * nothing else ever does. The program is done with it once all its output has been sent.
 *
 * COM2 is the system's log, line by line, with these control lines.
 * From the system:
 *   holon-run: ready       COM1 and COM2 are open for input; holon-run sends nothing before
 *   holon-run: exit N      the command ended with status N (0 to 255; 128 + signal when one killed it); the
 * system then powers the machine off (ACPI S5; below QEMU also port 0xf4) To the system: eof N standard input
 * ends after N bytes of COM1, counted from the start (without COMMAND_TERMINAL) size COLUMNSxROWS      the
 * terminal's new size
 */
#pragma once

#include <stdint.h>

#define COMMAND_MAGIC   0x444e414d4d4f4348ull /* "HCOMMAND" */
#define COMMAND_VERSION 1

#define COMMAND_ARGUMENT_MAX    4096
#define COMMAND_ENVIRONMENT_MAX 1024
#define COMMAND_SIZE_MAX        (256u << 10) /* bytes of strings */

enum command_flags {
	COMMAND_TERMINAL = 1, /* COM1 is an interactive terminal */
	COMMAND_NO_INPUT = 2, /* standard input is empty: give the command /dev/null */
};

struct command_header {
	uint64_t magic;
	uint32_t version;
	uint32_t flags; /* enum command_flags */
	uint32_t argc;  /* 1 to COMMAND_ARGUMENT_MAX */
	uint32_t envc;  /* 0 to COMMAND_ENVIRONMENT_MAX */
	uint32_t size;  /* bytes of strings that follow the header */
	uint32_t reserved;
};

/* Checks a module of `size` bytes and points out[0 .. argc-1] at the arguments and out[argc .. argc+envc-1]
 * at the environment strings; out has room for argc + envc pointers, at most COMMAND_ARGUMENT_MAX +
 * COMMAND_ENVIRONMENT_MAX. The module is 8-byte aligned. Returns 0 when it is well formed, else a sentence
 * saying what is wrong. */
static inline const char *command_parse(const void *module, uint64_t size, const char **out)
{
	const struct command_header *header = (const struct command_header *)module;
	const char *strings = (const char *)(header + 1);
	uint32_t start = 0, count = 0;
	if (size < sizeof(*header) || header->magic != COMMAND_MAGIC || header->version != COMMAND_VERSION)
		return "the command module is of an unknown form";
	if (header->argc < 1 || header->argc > COMMAND_ARGUMENT_MAX || header->envc > COMMAND_ENVIRONMENT_MAX)
		return "the command has too many or no arguments";
	if (header->size > COMMAND_SIZE_MAX || header->size > size - sizeof(*header))
		return "the command is longer than its module";
	for (uint32_t i = 0; i < header->size; i++) {
		if (strings[i])
			continue;
		if (count == header->argc + header->envc)
			return "the command has more strings than it says";
		out[count++] = strings + start;
		start = i + 1;
	}
	if (count != header->argc + header->envc || start != header->size)
		return "the command has fewer strings than it says";
	return 0;
}
