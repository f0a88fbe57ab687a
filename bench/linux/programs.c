/* Rows of whole programs: busybox's shell, sort, gzip and sha256sum on generated input. */
#define _GNU_SOURCE
#include "bench.h"
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define INPUT  "/tmp/bench-input"
#define SCRIPT "/tmp/bench-script"
#define OUTPUT "/tmp/bench-output"
enum { COMMANDS = 1000 };

static void busybox(const char *applet, const char *argument, const char *second)
{
	pid_t child = fork();
	MUST(child >= 0);
	if (!child) {
		int out = open(OUTPUT, O_WRONLY | O_CREAT | O_TRUNC, 0600);
		if (out < 0 || dup2(out, 1) < 0)
			_exit(126);
		execl("/bin/busybox", applet, argument, second, (char *)NULL);
		_exit(127);
	}
	int status;
	MUST(waitpid(child, &status, 0) == child && !status);
}

static void write_script(void)
{
	FILE *script = fopen(SCRIPT, "w");
	MUST(script);
	for (int i = 0; i < COMMANDS / 5; i++)
		fputs("x=$((x + 1))\n[ -f " SCRIPT
		      " ] && y=\"$x$y\"\ny=${y%%7*}\necho \"$x\" | wc -c\ncat /proc/self/comm\n",
		      script);
	MUST(!fclose(script));
}

/* Lines of words: compressible like text, and in no order. The same on every system. */
static void write_input(void)
{
	static const char *words[] = {"unit",       "channel", "event",   "memory", "space", "thread",
	                              "budget",     "guest",   "steward", "vault",  "node",  "mesh",
	                              "capability", "quota",   "label",   "kernel"};
	FILE *input = fopen(INPUT, "w");
	MUST(input);
	uint32_t state = 12345;
	for (long written = 0; written < megabytes << 20;) {
		state = state * 1664525 + 1013904223;
		written += fprintf(input, "%08x %s %s\n", state, words[state >> 28], words[state >> 20 & 15]);
	}
	MUST(!fclose(input));
}

static void remove_files(void)
{
	unlink(INPUT);
	unlink(SCRIPT);
	unlink(OUTPUT);
}

static void run_script(long n)
{
	while (n--)
		busybox("sh", SCRIPT, NULL);
}

static void run_sort(long n)
{
	while (n--)
		busybox("sort", INPUT, NULL);
}

static void run_gzip(long n)
{
	while (n--)
		busybox("gzip", "-c", INPUT);
}

static void run_sha256sum(long n)
{
	while (n--)
		busybox("sha256sum", INPUT, NULL);
}

const struct row program_rows[] = {
    {"sh, script of 1,000 commands", write_script, run_script, remove_files, 1, 1, 1},
    {"sort", write_input, run_sort, remove_files, 1, 1, 1},
    {"gzip", write_input, run_gzip, remove_files, 1, 1, 1},
    {"sha256sum", write_input, run_sha256sum, remove_files, 1, 1, 1},
    {0},
};
