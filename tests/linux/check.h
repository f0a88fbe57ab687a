/* Reporting for the Linux regression programs: each runs on any Linux and on Holon, prints a line a check,
 * and exits 0 only if all passed.
 */
#pragma once

#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int check_failures __attribute__((unused));

static inline void check_at(int condition, const char *name, const char *text, int line)
{
	if (condition) {
		printf("ok %s\n", name);
	} else {
		printf("not ok %s - line %d: %s (errno %d)\n", name, line, text, errno);
		check_failures++;
	}
	fflush(stdout);
}
#define check(name, condition) check_at((condition) ? 1 : 0, name, #condition, __LINE__)

/* Runs a statement in a child and returns its wait status. */
#define in_child(...)                                                                                        \
	({                                                                                                   \
		fflush(stdout);                                                                              \
		pid_t in_child_pid = fork();                                                                 \
		if (in_child_pid == 0) {                                                                     \
			__VA_ARGS__;                                                                         \
			_exit(99);                                                                           \
		}                                                                                            \
		int in_child_status = -1;                                                                    \
		waitpid(in_child_pid, &in_child_status, 0);                                                  \
		in_child_status;                                                                             \
	})
#define exited(status, code) (WIFEXITED(status) && WEXITSTATUS(status) == (code))
#define killed(status, sig)  (WIFSIGNALED(status) && WTERMSIG(status) == (sig))

static inline void pause_ms(int ms)
{
	struct timespec time = {ms / 1000, ms % 1000 * 1000000};
	nanosleep(&time, 0);
}
