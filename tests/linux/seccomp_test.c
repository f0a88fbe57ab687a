/* seccomp(2): what filters may be, what their answers do, who inherits them. */
#define _GNU_SOURCE
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include "check.h"

#define fails(call, number) ((call) == -1 && errno == (number))

/* A filter that answers ACTION for call NUMBER, and lets all others through. */
static int install(int number, unsigned action, unsigned flags)
{
	struct sock_filter program[] = {
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
	    BPF_STMT(BPF_RET | BPF_K, action),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog all = {sizeof(program) / sizeof(*program), program};
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &all);
}

static int trap_signal, trap_call, trap_data;
static void *trap_address;
static void on_trap(int signal, siginfo_t *info, void *context)
{
	(void)context;
	trap_signal = signal;
	trap_call = info->si_syscall;
	trap_data = info->si_errno;
	trap_address = info->si_call_addr;
}

static void *other_thread(void *unused)
{
	(void)unused;
	pause_ms(100);
	return syscall(SYS_getppid) == -1 && errno == ENOTNAM ? (void *)1 : 0;
}

static void *dying_thread(void *unused)
{
	(void)unused;
	install(SYS_getppid, SECCOMP_RET_KILL_THREAD, 0);
	syscall(SYS_getppid);
	return (void *)1;
}

static void answers(void)
{
	struct sigaction action = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};
	check("errno", install(SYS_getppid, SECCOMP_RET_ERRNO | 7, 0) == 0 && fails(syscall(SYS_getppid), 7));
	check("stricter-counts",
	      install(SYS_getppid, SECCOMP_RET_ALLOW, 0) == 0 && fails(syscall(SYS_getppid), 7));
	check("newest-of-equals",
	      install(SYS_getppid, SECCOMP_RET_ERRNO | 9, 0) == 0 && fails(syscall(SYS_getppid), 9));
	sigaction(SIGSYS, &action, 0);
	check("trap", install(SYS_getpgid, SECCOMP_RET_TRAP | 5, 0) == 0);
	long result = syscall(SYS_getpgid, 0);
	check("trap-signal",
	      trap_signal == SIGSYS && trap_call == SYS_getpgid && trap_data == 5 && trap_address);
	check("trap-result", result == SYS_getpgid);
	check("trace-untraced",
	      install(SYS_getsid, SECCOMP_RET_TRACE, 0) == 0 && fails(syscall(SYS_getsid, 0), ENOSYS));
	check("mode", prctl(PR_GET_SECCOMP) == 2);
	check("fork-inherits", exited(in_child(_exit(syscall(SYS_getppid) == -1 ? 3 : 4)), 3));
	check(
	    "kill-process",
	    killed(in_child(install(SYS_getgid, SECCOMP_RET_KILL_PROCESS, 0); syscall(SYS_getgid)), SIGSYS));
	check("kill-unknown-action",
	      killed(in_child(install(SYS_getgid, 0x00020000, 0); syscall(SYS_getgid)), SIGSYS));
}

static void threads(void)
{
	pthread_t thread;
	void *result;
	pthread_create(&thread, 0, other_thread, 0);
	check("tsync", install(SYS_getppid, SECCOMP_RET_ERRNO | ENOTNAM, SECCOMP_FILTER_FLAG_TSYNC) == 0);
	pthread_join(thread, &result);
	check("tsync-reaches-threads", result == (void *)1);
	check("kill-thread", exited(in_child(pthread_create(&thread, 0, dying_thread, 0);
	                                     pthread_join(thread, &result); _exit(5)),
	                            5));
}

int main(void)
{
	struct sock_filter allow[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
	struct sock_filter endless[] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0)};
	struct sock_filter outside[] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 64), BPF_STMT(BPF_RET | BPF_K, 0)};
	struct sock_filter half[] = {BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 0), BPF_STMT(BPF_RET | BPF_K, 0)};
	struct sock_fprog programs[] = {{1, allow},   {0, allow}, {1, endless},
	                                {2, outside}, {2, half},  {1, 0}};
	unsigned trap = SECCOMP_RET_TRAP, unknown = 0x12340000;
	check("action-known", syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &trap) == 0);
	check("action-unknown",
	      fails(syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &unknown), EOPNOTSUPP));
	check("operation-unknown", fails(syscall(SYS_seccomp, 99, 0, 0), EINVAL));
	check("unprivileged",
	      exited(in_child(_exit(setuid(1000) || install(0, 0, 0) != -1 || errno != EACCES)), 0));
	check("no-new-privileges", prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	static const char *const names[] = {"allow",        "empty",     "endless",
	                                    "load-outside", "load-half", "no-memory"};
	static const int errors[] = {0, EINVAL, EINVAL, EINVAL, EINVAL, EINVAL};
	for (int i = 1; i < 6; i++)
		check(names[i],
		      fails(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &programs[i]), errors[i]));
	check("flags-unknown",
	      fails(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 1 << 20, &programs[0]), EINVAL));
	int status = in_child(answers(); _exit(check_failures != 0));
	int other = in_child(threads(); _exit(check_failures != 0));
	check("strict", exited(in_child(prctl(PR_SET_SECCOMP, 1, 0, 0, 0); syscall(SYS_exit, 6)), 6));
	check("strict-kills",
	      killed(in_child(prctl(PR_SET_SECCOMP, 1, 0, 0, 0); syscall(SYS_getpid)), SIGKILL));
	return check_failures != 0 || status || other;
}
