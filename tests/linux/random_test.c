/* Random system calls with random arguments: children make them, die of them, and the system and this program
 * go on. Arguments: seconds, and a seed to repeat a run.
 */
#define _GNU_SOURCE
#include "check.h"
#include <fcntl.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>

static uint64_t state;

static uint64_t next(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static char buffer[16384] __attribute__((aligned(4096)));

static uint64_t value(void)
{
	static const uint64_t odd[] = {0,
	                               1,
	                               2,
	                               3,
	                               7,
	                               8,
	                               64,
	                               100,
	                               4095,
	                               4096,
	                               4097,
	                               65536,
	                               0x7fffffff,
	                               0x80000000,
	                               0xffffffff,
	                               0x100000000,
	                               0x400000000000,
	                               0x400000010000,
	                               0x407fffffffff,
	                               0x7ffffffff000,
	                               0x7fffffffffff,
	                               0x800000000000,
	                               0xffff800000000000,
	                               0xffffffff80000000,
	                               0x8000000000000000,
	                               0x7fffffffffffffff,
	                               -1ull,
	                               -2ull,
	                               -100ull,
	                               -4096ull};
	uint64_t pick = next();
	switch (pick % 8) {
	case 0:
	case 1:
		return odd[(pick >> 8) % (sizeof(odd) / sizeof(odd[0]))];
	case 2:
		return (uint64_t)buffer + (pick >> 8) % sizeof(buffer);
	case 3:
		return (uint64_t)buffer;
	case 4:
		return (pick >> 8) % 32;
	case 5:
		return 1ull << ((pick >> 8) & 63);
	case 6:
		return (uint64_t)__builtin_frame_address(0) & ~4095ull;
	default:
		return next();
	}
}

/* Calls that would only end the child, wait for ever, or reach outside of it. */
static int avoid(long number)
{
	switch (number) {
	case SYS_exit:
	case SYS_exit_group:
	case SYS_pause:
	case SYS_kill:
	case SYS_tkill:
	case SYS_tgkill:
	case SYS_rt_sigqueueinfo:
	case SYS_rt_tgsigqueueinfo:
	case SYS_pidfd_send_signal:
	case SYS_reboot:
	case SYS_vfork:
	case SYS_setsid:
	case SYS_prlimit64:
	case SYS_setpriority:
	case SYS_sched_setaffinity:
	case SYS_setpgid:
	case SYS_process_vm_writev:
	case SYS_ptrace:
	case SYS_clock_settime:
	case SYS_settimeofday:
	case SYS_clock_adjtime:
	case SYS_adjtimex:
	case SYS_umount2:
	case SYS_mount:
	case SYS_pivot_root:
	case SYS_chroot:
	case SYS_sethostname:
	case SYS_unlink:
	case SYS_unlinkat:
	case SYS_rename:
	case SYS_swapon:
	case SYS_vhangup:
	case SYS_init_module:
	case SYS_delete_module:
	case SYS_kexec_load:
	case SYS_acct:
	case SYS_syslog:
		return 1;
	default:
		return 0;
	}
}

static void child(uint64_t seed)
{
	struct rlimit processes = {40, 40}, memory = {1u << 28, 1u << 28};
	state = seed | 1;
	if (setpgid(0, 0) || chdir("/tmp/random"))
		_exit(1);
	setrlimit(RLIMIT_AS, &memory);
	setrlimit(RLIMIT_NPROC, &processes);
	if (setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534))
		_exit(1);
	/* Ends calls that wait. */
	struct itimerval end = {.it_value = {0, 200000}};
	setitimer(ITIMER_REAL, &end, 0);
	int null = open("/dev/null", O_RDWR);
	for (int fd = 0; fd < 3; fd++)
		dup2(null, fd);
	for (int i = 0; i < 3000; i++) {
		long number = (long)(next() % 470);
		if (next() % 64 == 0)
			number = (long)value();
		if (avoid(number))
			continue;
		if (next() % 4 == 0)
			for (int j = 0; j < 32; j++)
				((uint64_t *)buffer)[next() % (sizeof(buffer) / 8)] = value();
		syscall(number, value(), value(), value(), value(), value(), value());
	}
	_exit(0);
}

int main(int argc, char **argv)
{
	double seconds = argc > 1 ? atof(argv[1]) : 4;
	uint64_t seed = argc > 2 ? strtoull(argv[2], 0, 0) : (uint64_t)time(0) * 0x9e3779b97f4a7c15ull;
	struct timespec start, now;
	int rounds = 0, ended = 0;
	mkdir("/tmp/random", 0777);
	chmod("/tmp/random", 0777);
	clock_gettime(CLOCK_MONOTONIC, &start);
	do {
		int status;
		fflush(stdout);
		pid_t pid = fork();
		if (!pid)
			child(seed + (uint64_t)rounds * 7919);
		for (int tries = 0; tries < 400 && waitpid(pid, &status, WNOHANG) != pid; tries++) {
			pause_ms(10);
			if (tries == 50)
				kill(pid, SIGKILL);
			ended -= tries == 399;
		}
		kill(-pid, SIGKILL);
		ended++;
		rounds++;
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while ((double)(now.tv_sec - start.tv_sec) + (double)(now.tv_nsec - start.tv_nsec) / 1e9 < seconds);
	while (waitpid(-1, 0, WNOHANG) > 0)
		;
	printf("# %d rounds from seed %#llx\n", rounds, (unsigned long long)seed);
	check("every-child-ended", ended == rounds);
	check("still-working", exited(in_child(_exit(9)), 9));
	return check_failures != 0;
}
