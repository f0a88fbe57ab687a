/* Attacks by and on tracers: hostile ROUNDS SEED. Whatever they do, everybody must be gone at the end, and the kernel be
 * there: tracers that are killed in the midst of it, tracees killed at every stop, exec and exit under trace, threads that
 * race, garbage in every request. Runs on Linux too.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static unsigned long state = 1;
static unsigned pick(unsigned below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (unsigned)(state >> 11) % below;
}

static long pt(long request, pid_t pid, uintptr_t address, uintptr_t data)
{
	return syscall(SYS_ptrace, request, (long)pid, address, data);
}

static void sleep_us(unsigned us)
{
	struct timespec time = {0, us * 1000l};
	nanosleep(&time, 0);
}

/* ---- What is traced ---- */

static void *busy(void *argument)
{
	unsigned long own = (uintptr_t)argument;
	for (int i = 0;; i++) {
		own = own * 6364136223846793005ul + 1442695040888963407ul;
		switch (own >> 60) {
		case 0:
			syscall(SYS_getppid);
			break;
		case 1:
			kill(getpid(), SIGUSR1);
			break;
		case 2:
			sleep_us(100);
			break;
		case 3:
			raise(SIGSTOP);
			break;
		case 4:
			if (own & 0x10000)
				kill(getpid(), SIGCONT);
			break;
		case 5:
			if (!(own & 0x3f00))
				return 0;
			break;
		default:
			sched_yield();
			break;
		}
	}
}

static void ignore(int signal)
{
	(void)signal;
}

static void tracee(int kind)
{
	pthread_t thread;
	char *arguments[] = {"hostile", "busy", 0};
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGUSR1, ignore);
	signal(SIGTRAP, ignore);
	for (int i = 0; i < (kind & 3); i++)
		pthread_create(&thread, 0, busy, (void *)(uintptr_t)(state + (unsigned)i));
	if (kind & 4) {
		pid_t pid = kind & 8 ? vfork() : fork();
		if (!pid)
			_exit(3);
		waitpid(pid, 0, 0);
	}
	if (kind & 16)
		execv("/proc/self/exe", arguments);
	busy((void *)(uintptr_t)state);
	if (kind & 32)
		pthread_exit(0);
	_exit(4);
}

/* ---- Who traces ---- */

static char page[4096];
static struct iovec vector = {page, sizeof(page)};

/* One request that may be nonsense. */
static void request(pid_t pid)
{
	static const int requests[] = {PTRACE_CONT,
	                               PTRACE_CONT,
	                               PTRACE_CONT,
	                               PTRACE_SYSCALL,
	                               PTRACE_SYSCALL,
	                               PTRACE_SINGLESTEP,
	                               PTRACE_SINGLESTEP,
	                               PTRACE_PEEKDATA,
	                               PTRACE_POKEDATA,
	                               PTRACE_PEEKUSER,
	                               PTRACE_POKEUSER,
	                               PTRACE_GETREGS,
	                               PTRACE_SETREGS,
	                               PTRACE_GETFPREGS,
	                               PTRACE_SETFPREGS,
	                               PTRACE_GETREGSET,
	                               PTRACE_SETREGSET,
	                               PTRACE_GETSIGINFO,
	                               PTRACE_SETSIGINFO,
	                               PTRACE_GETEVENTMSG,
	                               PTRACE_LISTEN,
	                               PTRACE_INTERRUPT,
	                               PTRACE_SETOPTIONS,
	                               PTRACE_GETSIGMASK,
	                               PTRACE_SETSIGMASK,
	                               PTRACE_DETACH,
	                               PTRACE_ATTACH,
	                               PTRACE_SEIZE,
	                               PTRACE_KILL,
	                               PTRACE_GET_SYSCALL_INFO,
	                               31,
	                               32,
	                               PTRACE_PEEKSIGINFO,
	                               30};
	int number = requests[pick(sizeof(requests) / sizeof(*requests))];
	uintptr_t address = pick(3) ? pick(1024) * 8ul : (uintptr_t)page + pick(4096);
	uintptr_t data = pick(3) ? (uintptr_t)page : pick(70);
	if (number == PTRACE_GETREGSET || number == PTRACE_SETREGSET) {
		static const unsigned kinds[] = {1, 2, 0x202, 0x777};
		vector.iov_len = pick(2) ? sizeof(page) : pick(900);
		address = kinds[pick(4)];
		data = (uintptr_t)&vector;
	} else if (number == PTRACE_SETOPTIONS) {
		data = pick(4) ? pick(256) | (pick(2) << 20) : state;
	} else if (number == PTRACE_CONT || number == PTRACE_SYSCALL || number == PTRACE_SINGLESTEP) {
		data = pick(4) ? 0 : pick(66);
		address = 0;
	} else if (number == PTRACE_SETREGS && pick(4)) {
		pt(PTRACE_GETREGS, pid, 0, (uintptr_t)page);
		((unsigned long *)page)[pick(27)] = pick(2) ? state : 0x7fffffffffff;
	} else if (number == PTRACE_POKEUSER && pick(2)) {
		address = 848 + pick(8) * 8;
		data = pick(2) ? (uintptr_t)page : pick(0x10000) << 16 | pick(256);
	} else if (number == PTRACE_SEIZE) {
		address = 0;
		data = pick(256);
	}
	pt(number, pid, address, data);
}

static void tracer(void)
{
	pid_t pids[3] = {0};
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (int i = 0; i < 3; i++) {
		int kind = (int)pick(64), me = (int)pick(2);
		pids[i] = fork();
		if (!pids[i]) {
			if (me)
				pt(PTRACE_TRACEME, 0, 0, 0);
			tracee(kind);
		}
		if (!me)
			pt(pick(2) ? PTRACE_ATTACH : PTRACE_SEIZE, pids[i], 0, pick(2) ? 0 : pick(256));
	}
	for (unsigned i = 0, rounds = 100 + pick(400); i < rounds; i++) {
		int status;
		pid_t pid = waitpid(-1, &status, __WALL | WNOHANG);
		if (pid <= 0) {
			request(pids[pick(3)]);
			sleep_us(50);
			continue;
		}
		if (WIFSTOPPED(status)) {
			for (unsigned n = pick(4); n; n--)
				request(pid);
			if (!pick(20))
				kill(pid, SIGKILL);
			pt(pick(3)   ? PTRACE_CONT
			   : pick(2) ? PTRACE_SYSCALL
			             : PTRACE_SINGLESTEP,
			   pid, 0, pick(2) ? 0 : (uintptr_t)WSTOPSIG(status) & 0x3f);
		}
	}
	for (int i = 0; i < 3; i++)
		if (pick(2))
			kill(pids[i], SIGKILL);
	_exit(0);
}

static void *spin(void *argument)
{
	return busy(argument);
}

int main(int count, char **arguments)
{
	if (count > 1 && !strcmp(arguments[1], "busy")) {
		pthread_t thread;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		signal(SIGUSR1, ignore);
		pthread_create(&thread, 0, spin, 0);
		busy((void *)3);
		_exit(5);
	}
	unsigned rounds = count > 1 ? (unsigned)atoi(arguments[1]) : 10;
	unsigned long seed = count > 2 ? strtoul(arguments[2], 0, 0) : 1;
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	for (unsigned round = 0; round < rounds; round++) {
		pid_t pids[2];
		for (int i = 0; i < 2; i++) {
			state = (seed + 1) * 0x9e3779b97f4a7c15ul + round * 2 + (unsigned)i + 1;
			pick(2);
			pids[i] = fork();
			if (!pids[i])
				tracer();
		}
		state = seed * 77 + round + 1;
		sleep_us(pick(200000));
		for (int i = 0; i < 2; i++)
			if (pick(2))
				kill(pids[i], SIGKILL);
		/* Everybody goes, orphans too: they come here. */
		int alarm_round = 0, status;
		pid_t pid;
		while ((pid = waitpid(-1, &status, __WALL | WNOHANG)) >= 0) {
			if (pid == 0) {
				sleep_us(2000);
				if (++alarm_round > 300) { /* those that a dead tracer left stopped */
					char path[64], list[4096];
					snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
					FILE *file = fopen(path, "r");
					if (file && fgets(list, sizeof(list), file))
						for (char *at = strtok(list, " "); at; at = strtok(0, " "))
							kill(atoi(at), SIGKILL);
					if (file)
						fclose(file);
				}
				if (alarm_round > 20000) {
					printf("stuck in round %u\n", round);
					system("cat /proc/[0-9]*/stat");
					return 1;
				}
			}
		}
		if (errno != ECHILD)
			return 2;
	}
	printf("survived %u rounds\n", rounds);
	return 0;
}
