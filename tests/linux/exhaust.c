/* What an ordinary program can do to use everything up, and whether the first process, which waits for it,
 * gets away unharmed: the offenders are refused or killed, afterwards all is as before. Run as the first
 * process of a machine with little memory (tests/linux/exhaustion): it kills every other process there is.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <sys/sysinfo.h>
#include "check.h"

#define MIB (1ul << 20)
/* What the personality keeps for reuse: native threads, up to an eighth of the memory, and parts of its heap.
 */
#define KEPT_BYTES  (18 * MIB)
#define DRIFT_BYTES (2 * MIB)

static uint64_t free_bytes(void)
{
	struct sysinfo info;
	sysinfo(&info);
	return (uint64_t)info.freeram * info.mem_unit;
}

static void ignore_all_signals(void)
{
	for (int signal = 1; signal < 65; signal++)
		sigaction(signal, &(struct sigaction){.sa_handler = SIG_IGN}, 0);
}

static void fork_without_end(void)
{
	for (;;)
		if (fork() < 0)
			sched_yield();
}

/* Each with memory of its own. */
static void fork_and_touch(void)
{
	for (;;) {
		if (fork() > 0)
			continue;
		volatile char *bytes =
		    mmap(0, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		for (size_t at = 0; bytes != MAP_FAILED && at < MIB; at += 4096)
			bytes[at] = 1;
	}
}

static void fork_and_wait(void)
{
	for (;;) {
		pid_t pid = vfork();
		if (pid == 0)
			_exit(fork() < 0);
		waitpid(pid, 0, 0);
	}
}

static void *sleep_without_end(void *unused)
{
	for (;;)
		pause_ms(100000);
	return unused;
}

static void start_threads(void)
{
	for (;;) {
		pthread_t thread;
		if (pthread_create(&thread, 0, sleep_without_end, 0))
			sched_yield();
	}
}

static void eat_memory(void)
{
	for (;;) {
		volatile char *bytes =
		    mmap(0, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		for (size_t at = 0; bytes != MAP_FAILED && at < MIB; at += 4096)
			bytes[at] = 1;
	}
}

/* By system calls that write to fresh pages. */
static void read_into_memory(void)
{
	int zero = open("/dev/zero", O_RDONLY);
	for (;;) {
		char *bytes = mmap(0, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (bytes == MAP_FAILED || read(zero, bytes, MIB) < 0)
			sched_yield();
	}
}

static void fill_pipes(void)
{
	static char bytes[65536];
	for (;;) {
		int ends[2];
		if (pipe2(ends, O_NONBLOCK)) {
			if (fork() < 0)
				sched_yield();
			continue;
		}
		while (write(ends[1], bytes, sizeof(bytes)) > 0)
			;
	}
}

static void fill_files(void)
{
	static char bytes[65536];
	for (int number = 0;; number++) {
		char name[32];
		snprintf(name, sizeof(name), "/tmp/fill%d", number % 50);
		int fd = open(name, O_CREAT | O_WRONLY | O_APPEND, 0600);
		for (int i = 0; i < 100 && write(fd, bytes, sizeof(bytes)) > 0; i++)
			;
		if (fd < 0 || close(fd))
			sched_yield();
	}
}

static void map_without_end(void)
{
	int fd = open("/proc/self/exe", O_RDONLY);
	for (;;) {
		char *bytes = mmap(0, 8 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
		if (bytes == MAP_FAILED)
			sched_yield();
		else
			bytes[4096] = 1;
	}
}

static void remove_files(void)
{
	for (int number = 0; number < 50; number++) {
		char name[32];
		snprintf(name, sizeof(name), "/tmp/fill%d", number);
		unlink(name);
	}
}

static void reap_all(void)
{
	kill(-1, SIGKILL);
	while (waitpid(-1, 0, 0) > 0 || errno == EINTR)
		;
}

static void offend(const char *name, void (*offender)(void), uint64_t kept)
{
	char text[80];
	uint64_t before = free_bytes();
	pid_t pid = fork();
	if (pid == 0) {
		ignore_all_signals();
		offender();
	}
	/* In the middle of it the first process goes on, and gets pages that it never touched before. */
	volatile char stack[80 * 1024];
	for (size_t i = 0; i < sizeof(stack) / 8192; i++) {
		pause_ms(50);
		stack[i * 8192] = 1;
	}
	reap_all();
	remove_files();
	snprintf(text, sizeof(text), "%s: programs start again", name);
	check(text, pid > 0 && exited(in_child(execl("/bin/true", "true", (char *)0)), 0));
	uint64_t after = free_bytes();
	snprintf(text, sizeof(text), "%s: the memory is back", name);
	check(text, after + kept > before);
	printf("# %s: %lu KiB free before, %lu after\n", name, before / 1024, after / 1024);
}

int main(void)
{
	offend("fork", fork_without_end, KEPT_BYTES);
	offend("vfork", fork_and_wait, DRIFT_BYTES);
	offend("fork and touch", fork_and_touch, DRIFT_BYTES);
	offend("threads", start_threads, DRIFT_BYTES);
	offend("memory", eat_memory, DRIFT_BYTES);
	offend("reading", read_into_memory, DRIFT_BYTES);
	offend("pipes", fill_pipes, DRIFT_BYTES);
	offend("files", fill_files, DRIFT_BYTES);
	offend("mappings", map_without_end, DRIFT_BYTES);
	return check_failures != 0;
}
