/* Core files: what is left of a process that a signal has ended. core(5), elf(5). */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "linux_abi.h"

struct file;
struct process;
struct task;

/* The other threads' registers are complete only in the guest's state of threads that have come out of their calls: those
 * wait for the end of the dump in core_wait. */
struct core_dump {
	struct task *task; /* who writes it */
	int signal;
	const struct linux_siginfo *info;
};

/* SIGNAL ends the current process: writes a core file where it may and does (core(5)), and exits. The common lock is held
 * alone. */
_Noreturn void process_exit_signal(int signal, const struct linux_siginfo *info);
/* A thread of a process that ends: returns when its core file, if there is one in the making, is written. */
void core_wait(struct task *task);

/* ---- Parts ---- */

#define CORE_NAME_BYTES 512u
extern char sysctl_core_pattern[128];
/* The file's name as sysctl_core_pattern wants it. False: it wants none, or it is too long. */
bool core_name(const struct task *task, int signal, char name[CORE_NAME_BYTES]);
/* It wants a program to take the core: */
static inline bool core_piped(void)
{
	return sysctl_core_pattern[0] == '|';
}
/* ... these, in TEXT, are its name and its arguments. False: there is no absolute path, or they are too many or too long. */
#define CORE_WORDS 64u
bool core_words(const struct task *task, int signal, char text[CORE_NAME_BYTES],
                const char *words[CORE_WORDS + 1]);
/* Starts that program: the pipe that it reads, or 0, with a line in the log. */
struct file *core_helper_start(const struct core_dump *dump);
/* All of PROCESS's core is in OUTPUT, which is released. */
void core_helper_end(struct file *output, const struct process *process);

/* coredump_filter: what of a process's memory goes into its core file. */
enum core_filter {
	CORE_PRIVATE = 1,
	CORE_SHARED = 2,
	CORE_FILE_PRIVATE = 4,
	CORE_FILE_SHARED = 8,
	CORE_ELF_HEADERS = 16,
	CORE_FILTER_ALL = 0x1ff,
	CORE_FILTER_DEFAULT = 0x33
};

/* Writes of at most LIMIT bytes in all, in order; what lies between is a hole. */
struct core_output {
	struct file *file;
	struct process *process; /* whose end by SIGKILL ends the writing */
	uint64_t at, limit, held;
	char *buffer; /* CORE_BUFFER_BYTES */
	bool pipe;    /* it takes zeros for holes */
	bool failed;
};
#define CORE_BUFFER_BYTES 65536u
void core_put(struct core_output *out, const void *from, uint64_t bytes);
void core_skip(struct core_output *out, uint64_t bytes);
/* What is held is written, and the file is as long as what was put and skipped. */
void core_finish(struct core_output *out);

/* The notes of DUMP's process; with OUT 0 only counts them. How many bytes. NAMES: the note of mapped files, or 0. */
uint64_t core_notes(struct core_output *out, const struct core_dump *dump, const void *names,
                    uint64_t names_bytes);

/* Those that end a process with a core file: signal(7). */
#define CORE_SIGNALS                                                                                         \
	(SIGNAL_BIT(SIGQUIT) | SIGNAL_BIT(SIGILL) | SIGNAL_BIT(SIGTRAP) | SIGNAL_BIT(SIGABRT) |              \
	 SIGNAL_BIT(SIGBUS) | SIGNAL_BIT(SIGFPE) | SIGNAL_BIT(SIGSEGV) | SIGNAL_BIT(SIGXCPU) |               \
	 SIGNAL_BIT(SIGXFSZ) | SIGNAL_BIT(SIGSYS))
