/* How a program is run: what the command line says, and the steps of a run. */
#ifndef FLUX_OPTIONS_H
#define FLUX_OPTIONS_H

#include "runtime.h"

#define MAX_WORDS 64

struct run_options {
	uint64_t seed;
	int64_t fuel;     /* 0: no limit */
	int64_t limit_ns; /* of logical time; 0: see intention.c */
	uint64_t memory;  /* bytes */
	bool live, stress, walk, debug, explain, replay;
	const char *input_path, *trace_path;
	const char *words[MAX_WORDS]; /* arguments of the program */
	unsigned word_count;
	const char *read_directory, *write_directory; /* capabilities */
	const char *proc_directory; /* may be read as args.proc: for programs that embed the machine */
	bool allow_clock, allow_process, allow_net, allow_subkernels;
};

/* NULL: the program has errors, which were printed. Owns the source. */
struct vm *run_prepare(struct source *source, const struct run_options *options, FILE *out);
/* The machine goes on with a program that begins with all declarations of the one it has, in their order: what has values
 * keeps them. False: it has errors, which were printed. Owns the source. program_start() comes next. */
bool run_continue(struct vm *vm, struct source *source);
/* Runs a prepared program. False: it failed, or memory ran out; vm->error says why. */
bool run_to_end(struct vm *vm);
int run_program(struct vm *vm); /* the exit status: 0, or 1 after an error, which is printed */
void run_finish(struct vm *vm);
bool trace_begin(struct vm *vm, const struct run_options *options);
bool trace_end(struct vm *vm, int status);

#endif
