/* What the parts of the subkernel command share. */
#pragma once

#include <holon/blueprint.h>
#include <stdbool.h>
#include <stdint.h>

/* Says why WHAT failed, by errno, and gives the status to exit with. */
int fail(const char *what);
/* A number with K, M or G; exits with a message where TEXT is none. */
uint64_t number(const char *text, const char *what);
/* The descendant that TEXT names, by its number or by a name that only one has; 0 after a message. */
uint64_t find_subkernel(const char *text);

/* command_session.c: the terminal of a child, or of a program in one. */

/* Carries bytes between the standard streams and TERMINAL, whose other side is a terminal where IS_TERMINAL, until its
 * program has ended and all its output is here. Ctrl-Z freezes CHILD where nobody in it follows the key (0: it does not).
 * The status to exit with: the program's. */
int session(int terminal, int is_terminal, uint64_t child);
/* Writes all of BYTES; -1 with errno. */
int write_all(int file, const char *bytes, long count);
/* The status to exit with for a wait status. */
int exit_code(int status);

/* command_volume.c: directories that a child shares. */
/* DIRECTORY:PATH[:ro] becomes the next volume of BLUEPRINT; -1 after a message. */
int volume_take(struct blueprint *blueprint, const char *text);
/* Makes all of them ready for the next child; a status to exit with, after a message, or 0. */
int volumes_offer(struct blueprint *blueprint);
/* Starts the processes that serve them, which end with this one; TERMINAL is the child's. The same results. */
int volumes_serve(int terminal);

/* command_run.c: a child with its session. */
struct run {
	struct blueprint blueprint; /* volumes: volume_take() has seen to them */
	int archive;                /* a tar archive for its root, which is closed; -1: none */
	char **command;             /* 0: a shell */
	bool detach;                /* its number is written, and nothing waits for it */
	void (*started)(void);      /* called once the child is there; 0: nothing is */
	bool keep_log;              /* a detached one's last output is kept when it has ended */
	/* A detached one that ends is started again, unless somebody killed it; without archive and volumes. */
	bool restart;
	/* NAME[:PATH] that its root lies on; 0: none. run_child() asks for it at each start. */
	const char *vault;
	bool vault_read_only;
};
/* Starts the child with this program's environment, and waits for it unless it is detached: the status to exit with, after a
 * message where it was not started. */
int run_child(struct run *run);

/* Each takes the command's own words, the command first, and gives the status to exit with. */
int command_run(int count, char **arguments);
int command_exec(int count, char **arguments);
int command_logs(int count, char **arguments);
int command_copy(int count, char **arguments);
/* What `cp` starts in the child. */
int command_pack(int count, char **arguments);
int command_unpack(int count, char **arguments);
extern const char usage[];
