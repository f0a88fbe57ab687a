/* The subcommands of `flux`; each takes its arguments and returns the exit status. */
#ifndef FLUX_COMMANDS_H
#define FLUX_COMMANDS_H

#include "options.h"

struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help;
};

/* The program `flux`: its exit status. */
int flux_main(int argc, char **argv);

int command_run(int argc, char **argv);
int command_replay(int argc, char **argv);
int command_check(int argc, char **argv);
int command_test(int argc, char **argv);
int command_dump(int argc, char **argv);
int command_fmt(int argc, char **argv);
int command_explain(int argc, char **argv);
int command_repl(int argc, char **argv);
int command_debug(int argc, char **argv);
int command_profile(int argc, char **argv);
int command_doc(int argc, char **argv);
int command_lsp(int argc, char **argv);

bool parse_run_options(int argc, char **argv, struct run_options *options, const char **file);
void watch_interrupts(struct vm *vm);
/* Runs with the options; the exit status. */
int run_with(const char *file, struct run_options *options);
/* The source of a file in the canonical layout, comments kept. Freed by the caller; NULL: it has errors. */
char *format_source(struct source *source);

#endif
