/* Commands that come from outside (abi/holon/command.h): the first program's, and those of programs that a parent
 * sub-kernel starts in this one. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <holon/types.h>

struct file;
struct credentials;

struct first_command {
	const char *const *argv, *const *envp; /* each ends in 0 */
	bool no_input;
	uint64_t window, window_bytes; /* where the strings are mapped */
	void *words;
};

/* Reads the module of BYTES in MEMORY; false, with a line in the log, where it is malformed or memory lacks. */
bool command_read(handle_t memory, uint64_t bytes, struct first_command *command);
/* Gives back what command_read took, but for MEMORY itself. */
void command_free(struct first_command *command);
/* Opens the program NAME, looked up in the command's PATH where it has no slash; its path goes to PATH. 0 or an
 * error. */
int command_find(const struct first_command *command, const char *name, char *path, size_t size,
                 struct file **file);
/* Tells whoever started the command, on descriptor 2, that it could not be run. */
void command_refused(const struct first_command *command, int error);
struct task;
struct thread_area;
/* A process of its own, without a parent, of the first namespaces, with all capabilities: for thread_run, whose function opens
 * its files and loads its program. 0: there is no room for it. */
struct task *program_prepare(const char *name, struct thread_area **area);
/* Those of a program from outside: all capabilities. */
void credentials_first(struct credentials *credentials);
