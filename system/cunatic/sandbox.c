/* See sandbox.h. */
#include "sandbox.h"

#include "../flux/options.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __x86_64__
#define CALLS_OF AUDIT_ARCH_X86_64
#else
#define CALLS_OF AUDIT_ARCH_AARCH64
#endif
#define ANSWER_TIME_MS 2000
#define STEPS          20000 /* calls and loop turns for one answer */

void confine(size_t memory)
{
#define ALLOW(number)                                                                                        \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
	struct sock_filter filter[] = {
	    /* Another calling convention would give the numbers another meaning. */
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, CALLS_OF, 1, 0),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	    ALLOW(__NR_read),
	    ALLOW(__NR_write),
	    ALLOW(__NR_mmap),
	    ALLOW(__NR_munmap),
	    ALLOW(__NR_mremap),
	    ALLOW(__NR_brk),
	    ALLOW(__NR_madvise),
	    ALLOW(__NR_exit),
	    ALLOW(__NR_exit_group),
	    ALLOW(__NR_rt_sigreturn),
	    ALLOW(__NR_clock_gettime),
	    ALLOW(__NR_getrandom),
	    ALLOW(__NR_futex),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
#undef ALLOW
	struct sock_fprog program = {.len = sizeof(filter) / sizeof(filter[0]), .filter = filter};
	struct rlimit none = {0, 0}, bytes = {memory, memory}, seconds = {600, 600};
	setrlimit(RLIMIT_CORE, &none);
	setrlimit(RLIMIT_FSIZE, &none);
	setrlimit(RLIMIT_AS, &bytes);
	setrlimit(RLIMIT_CPU, &seconds);
	prctl(PR_SET_DUMPABLE, 0);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	/* A kernel without seccomp says EINVAL: the process has no open file but its pipes, and the limits above. */
	prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static bool read_exact(int fd, void *bytes, size_t size)
{
	for (size_t done = 0; done < size;) {
		ssize_t n = read(fd, (char *)bytes + done, size - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		done += (size_t)n;
	}
	return true;
}

bool write_exact(int fd, const void *bytes, size_t size)
{
	for (size_t done = 0; done < size;) {
		ssize_t n = write(fd, (const char *)bytes + done, size - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		done += (size_t)n;
	}
	return true;
}

/* ---- in the candidate's process ---- */
static value find_policy(struct vm *vm)
{
	for (uint32_t i = 0; i < vm->program->function_count; i++)
		if (!strcmp(vm->program->functions[i]->name, "decide") &&
		    vm->program->functions[i]->params == 3)
			return from_object(function_new(vm, vm->program->functions[i], 0));
	return V_NIL;
}

static _Noreturn void candidate(int from, int to, const char *text, size_t length)
{
	struct run_options options = {.memory = 32u << 20};
	char ready = 0;
	confine(512u << 20);
	struct source *source = source_new("policy", text, length);
	struct vm *vm = vm_create(options.memory, 0);
	struct program *program = source ? program_build(vm, source, false) : NULL;
	vm->out = NULL;
	value policy = V_NIL;
	if (program && program_ok(program) && !program_verify(program)) {
		vm_set_fuel(vm, STEPS);
		if (program_start(vm))
			policy = find_policy(vm);
	}
	vm_root_push(vm, policy);
	ready = policy != V_NIL;
	if (!write_exact(to, &ready, 1) || !ready)
		_exit(1);
	for (;;) {
		struct question questions[BATCH_MAX] = {0};
		double answers[BATCH_MAX];
		unsigned count;
		if (!read_exact(from, &count, sizeof(count)) || count > BATCH_MAX ||
		    !read_exact(from, questions, count * sizeof(questions[0])))
			_exit(0);
		for (unsigned i = 0; i < count; i++) {
			/* Whole numbers go in as integers, as a program would write them. */
			value args[3] = {from_double(questions[i].queue), from_double(questions[i].rate),
			                 from_double(questions[i].cost)};
			vm->fuel_limited = false;
			vm->stopping = false;
			value v = vm_call_limited(vm, policy, args, 3, STEPS);
			answers[i] = NAN;
			if (v != V_RAISE)
				to_double(v, &answers[i]);
		}
		if (!write_exact(to, answers, count * sizeof(answers[0])))
			_exit(0);
	}
}

/* ---- in the judge's process ---- */
static bool read_in_time(int fd, void *bytes, size_t size, int timeout_ms)
{
	struct pollfd p = {fd, POLLIN, 0};
	for (size_t done = 0; done < size;) {
		int ready = poll(&p, 1, timeout_ms ? timeout_ms : ANSWER_TIME_MS);
		if (ready < 0 && errno == EINTR)
			continue;
		if (ready <= 0)
			return false;
		ssize_t n = read(fd, (char *)bytes + done, size - done);
		if (n <= 0)
			return false;
		done += (size_t)n;
	}
	return true;
}

bool sandbox_start(struct sandbox *sandbox, const char *source, size_t length)
{
	int to[2], from[2];
	char ready = 0;
	sandbox->timeout_ms = 0;
	if (pipe(to) != 0)
		return false;
	if (pipe(from) != 0) {
		close(to[0]);
		close(to[1]);
		return false;
	}
	fflush(NULL);
	sandbox->pid = fork();
	if (sandbox->pid == 0) {
		dup2(to[0], 0);
		dup2(from[1], 1);
		for (int fd = 2; fd < 256; fd++)
			close(fd);
		candidate(0, 1, source, length);
	}
	close(to[0]);
	close(from[1]);
	sandbox->to = to[1];
	sandbox->from = from[0];
	if (sandbox->pid > 0 && read_in_time(sandbox->from, &ready, 1, 0) && ready == 1)
		return true;
	sandbox_end(sandbox);
	return false;
}

bool sandbox_ask(struct sandbox *sandbox, const struct question *questions, unsigned count, double *answers)
{
	if (count > BATCH_MAX || !write_exact(sandbox->to, &count, sizeof(count)) ||
	    !write_exact(sandbox->to, questions, count * sizeof(questions[0])) ||
	    !read_in_time(sandbox->from, answers, count * sizeof(answers[0]), sandbox->timeout_ms))
		return false;
	for (unsigned i = 0; i < count; i++)
		if (!isfinite(answers[i]))
			return false;
	return true;
}

void sandbox_end(struct sandbox *sandbox)
{
	close(sandbox->to);
	close(sandbox->from);
	if (sandbox->pid > 0) {
		kill(sandbox->pid, SIGKILL);
		while (waitpid(sandbox->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	sandbox->pid = -1;
}
