/* Restartable sequences: counters a processor that eight threads raise without atomic instructions, while they are taken off their
 * processors, moved, interrupted by handlers and sent to pages that are not there; what rseq(2) and membarrier(2) refuse; and
 * sequences that are wrong. Each sequence is long between its load and its store, so that many are cut short: a test goes on until
 * it has seen that.
 */
#define _GNU_SOURCE
#include "check.h"
#include <linux/membarrier.h>
#include <linux/rseq.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdatomic.h>
#include <sys/ptrace.h>
#include <sys/rseq.h>
#include <sys/syscall.h>

#define THREADS  8
#define CPUS     64
#define SEQUENCE 20000 /* rounds of a sequence's loop */
#define WANTED   16    /* sequences cut short */
#define SECONDS  60

static struct rseq *own_area(void)
{
	return (struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset);
}

static long rseq(void *area, uint32_t bytes, int flags, uint32_t signature)
{
	return syscall(SYS_rseq, area, bytes, flags, signature);
}

static long membarrier(int command, unsigned flags, int cpu)
{
	return syscall(SYS_membarrier, command, flags, cpu);
}

/* Adds one to *COUNTER on processor CPU after ROUNDS of waiting, and reads *TOUCH meanwhile: 1, or 0 where it was cut short. */
static __attribute__((noinline)) int add(volatile uint64_t *counter, uint32_t cpu, uint64_t rounds,
                                         const volatile char *touch)
{
	struct rseq *area = own_area();
	__asm__ goto(".pushsection .data.sequences, \"aw\"\n"
	             ".balign 32\n"
	             "3: .long 0, 0\n"
	             ".quad 1f, 2f - 1f, 4f\n"
	             ".popsection\n"
	             "lea 3b(%%rip), %%rax\n"
	             "mov %%rax, 8(%[area])\n"
	             "1: cmp %[cpu], 4(%[area])\n"
	             "jne 4f\n"
	             "mov (%[counter]), %%rcx\n"
	             "mov %[rounds], %%rax\n"
	             "5: dec %%rax\n"
	             "jnz 5b\n"
	             "movb (%[touch]), %%al\n"
	             "inc %%rcx\n"
	             "mov %%rcx, (%[counter])\n"
	             "2:\n"
	             ".pushsection .text.sequences, \"ax\"\n"
	             ".byte 0x0f, 0xb9, 0x3d\n"
	             ".long %c[signature]\n"
	             "4: jmp %l[aborted]\n"
	             ".popsection\n"
	             :
	             : [area] "r"(area), [cpu] "r"(cpu), [counter] "r"(counter), [rounds] "r"(rounds),
	               [touch] "r"(touch), [signature] "i"(RSEQ_SIG)
	             : "memory", "cc", "rax", "rcx"
	             : aborted);
	return 1;
aborted:
	return 0;
}

static struct counter {
	volatile uint64_t value;
	char padding[120];
} counters[CPUS];
static atomic_uint_fast64_t added, cut;
static atomic_int stopping;
static const char *touched = "";

static void raise_one(void)
{
	for (;;) {
		uint32_t cpu = own_area()->cpu_id_start;
		if (add(&counters[cpu % CPUS].value, cpu, SEQUENCE, touched))
			break;
		cut++;
	}
	added++;
}

static void *raise_on(void *argument)
{
	(void)argument;
	while (!stopping)
		raise_one();
	return 0;
}

static uint64_t sum(void)
{
	uint64_t total = 0;
	for (int i = 0; i < CPUS; i++)
		total += counters[i].value;
	return total;
}

/* Eight threads raise counters, and STEP is done to them again and again, until enough sequences were cut short. */
static void count_with(const char *name, void (*step)(const pthread_t *threads))
{
	char text[64];
	pthread_t threads[THREADS];
	memset(counters, 0, sizeof(counters));
	added = cut = 0;
	stopping = 0;
	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], 0, raise_on, 0);
	time_t end = time(0) + SECONDS;
	while (time(0) < end && cut < WANTED)
		step(threads);
	stopping = 1;
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], 0);
	snprintf(text, sizeof(text), "%s-counts", name);
	check(text, sum() == added && added > 0);
	snprintf(text, sizeof(text), "%s-cuts-short", name);
	check(text, cut >= WANTED);
}

static void wait_step(const pthread_t *threads)
{
	(void)threads;
	pause_ms(5);
}

static void move_step(const pthread_t *threads)
{
	static unsigned turn;
	cpu_set_t set;
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	turn++;
	for (unsigned i = 0; i < THREADS; i++) {
		CPU_ZERO(&set);
		CPU_SET((turn + i) % (unsigned)cpus, &set);
		pthread_setaffinity_np(threads[i], sizeof(set), &set);
	}
	pause_ms(2);
}

static atomic_int handled;

/* A handler's sequences are its own: the interrupted one begins anew. */
static void handler(int signal)
{
	(void)signal;
	handled++;
	raise_one();
}

static void signal_step(const pthread_t *threads)
{
	for (int i = 0; i < THREADS; i++)
		pthread_kill(threads[i], SIGUSR1);
	pause_ms(2);
}

static void discard_step(const pthread_t *threads)
{
	(void)threads;
	madvise((void *)(uintptr_t)touched, 4096, MADV_DONTNEED);
	pause_ms(1);
}

static void counting(void)
{
	struct sigaction action = {.sa_handler = handler};
	count_with("preemption", wait_step);
	count_with("migration", move_step);
	sigaction(SIGUSR1, &action, 0);
	count_with("handlers", signal_step);
	check("handlers-ran", handled > 0);
	char name[] = "/tmp/rseqXXXXXX";
	int fd = mkstemp(name);
	unlink(name);
	if (ftruncate(fd, 4096))
		exit(1);
	touched = mmap(0, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
	count_with("missing-pages", discard_step);
	touched = "";
	close(fd);
}

/* A handler that comes within a sequence runs before its end; one without a handler is none of its business. */
static void sequences(void)
{
	static volatile uint64_t value;
	struct rseq *area = own_area();
	cpu_set_t all, set;
	check("glibc-registers", __rseq_size >= 20 && (int32_t)area->cpu_id >= 0);
	sched_getaffinity(0, sizeof(all), &all);
	int told = 0, cpus = 0;
	for (int i = 0; i < CPUS; i++) {
		if (!CPU_ISSET(i, &all))
			continue;
		CPU_ZERO(&set);
		CPU_SET(i, &set);
		sched_setaffinity(0, sizeof(set), &set);
		unsigned cpu = 99;
		syscall(SYS_getcpu, &cpu, 0, 0);
		cpus++;
		told += cpu == (unsigned)i && area->cpu_id == cpu && area->cpu_id_start == cpu &&
		        sched_getcpu() == i;
	}
	check("processor-follows-affinity", told == cpus);
	int child = in_child({
		for (int tries = 0; tries < 1000;
		     tries++) /* pages come that are shared with the parent, who may run meanwhile */
			if (area->cpu_id == (uint32_t)sched_getcpu() && add(&value, area->cpu_id, 1, ""))
				_exit(0);
	});
	check("kept-across-fork", exited(child, 0));
	check("other-processor-refused", add(&value, area->cpu_id + 1, 1, "") == 0 && value == 0);
	sched_setaffinity(0, sizeof(all), &all);
	while (!add(&value, area->cpu_id_start, 1, ""))
		;
	check("end-keeps-the-value", value == 1);
}

static void nothing(int signal)
{
	(void)signal;
}

static struct rseq fresh __attribute__((aligned(32)));

static void refusals_run(void)
{
	struct rseq *area = own_area();
	check("registered-busy", rseq(area, 32, 0, RSEQ_SIG) == -1 && errno == EBUSY);
	check("registered-other-signature", rseq(area, 32, 0, 1) == -1 && errno == EPERM);
	check("registered-elsewhere", rseq(&fresh, 32, 0, RSEQ_SIG) == -1 && errno == EINVAL);
	check("registered-other-size", rseq(area, 64, 0, RSEQ_SIG) == -1 && errno == EINVAL);
	check("unregister-elsewhere", rseq(&fresh, 32, 1, RSEQ_SIG) == -1 && errno == EINVAL);
	check("unregister-other-size", rseq(area, 16, 1, RSEQ_SIG) == -1 && errno == EINVAL);
	check("unregister-other-signature", rseq(area, 32, 1, 1) == -1 && errno == EPERM);
	check("unregister-flags", rseq(area, 32, 3, RSEQ_SIG) == -1 && errno == EINVAL);
	check("unregister", rseq(area, 32, 1, RSEQ_SIG) == 0);
	check("unregistered-processor",
	      area->cpu_id == (uint32_t)RSEQ_CPU_ID_UNINITIALIZED && area->cpu_id_start == 0);
	check("unregister-twice", rseq(area, 32, 1, RSEQ_SIG) == -1 && errno == EINVAL);
	check("register-flags", rseq(&fresh, 32, 2, 7) == -1 && errno == EINVAL);
	check("register-size", rseq(&fresh, 31, 0, 7) == -1 && errno == EINVAL);
	check("register-size-zero", rseq(&fresh, 0, 0, 7) == -1 && errno == EINVAL);
	check("register-alignment", rseq((char *)&fresh + 16, 32, 0, 7) == -1 && errno == EINVAL);
	check("register-outside", rseq((void *)0xffff800000000000, 32, 0, 7) == -1 && errno == EFAULT);
	check("register-nothing", rseq(0, 32, 0, 7) == -1 && errno == EFAULT);
	check("nothing-is-not-registered", rseq(0, 32, 1, 7) == -1 && errno == EINVAL);
	check("register-missing-page", rseq((void *)4096, 32, 0, 7) == -1 && errno == EFAULT);
	fresh.rseq_cs = 64;
	check("register", rseq(&fresh, 32, 0, 7) == 0 && fresh.cpu_id < CPUS && fresh.rseq_cs == 0);
	check("register-again-busy", rseq(&fresh, 32, 0, 7) == -1 && errno == EBUSY);
	check("unregister-own", rseq(&fresh, 32, 1, 7) == 0);
}

static void refusals(void)
{
	int failures = check_failures, status = in_child(refusals_run(); _exit(check_failures != failures));
	check("refusals", exited(status, 0));
	/* Registered memory that goes is noticed when the thread goes to another processor, or a handler runs. */
	status = in_child({
		void *page = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		rseq(own_area(), 32, 1, RSEQ_SIG);
		rseq(page, 32, 0, 7);
		munmap(page, 4096);
		signal(SIGUSR1, nothing);
		raise(SIGUSR1);
		_exit(0);
	});
	check("registered-memory-goes", killed(status, SIGSEGV));
}

/* A tracer learns what was registered. */
static void traced(void)
{
	struct {
		uint64_t address;
		uint32_t bytes, signature, flags, pad;
	} seen = {0};
	pid_t child = fork();
	if (child == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		_exit(0);
	}
	waitpid(child, 0, 0);
	check("tracer-learns", ptrace(0x420f, child, sizeof(seen), &seen) == sizeof(seen) &&
	                           seen.address == (uintptr_t)own_area() && seen.bytes == 32 &&
	                           seen.signature == RSEQ_SIG && !seen.flags);
	seen.signature = 0;
	check("tracer-learns-part", ptrace(0x420f, child, 12, &seen) == sizeof(seen) && seen.signature == 0);
	ptrace(PTRACE_CONT, child, 0, 0);
	waitpid(child, 0, 0);
}

/* SEQUENCE is current when a handler is about to run: what comes of it. */
static int run_with(struct rseq_cs *sequence, uint32_t flags)
{
	return in_child({
		struct sigaction action = {.sa_handler = nothing};
		sigaction(SIGUSR1, &action, 0);
		own_area()->flags = flags;
		own_area()->rseq_cs = (uintptr_t)sequence;
		raise(SIGUSR1);
		_exit(own_area()->rseq_cs ? 2 : 0);
	});
}

static struct {
	uint32_t signature;
	char text[28];
} landing = {RSEQ_SIG, {0}};

static void wrong_sequences(void)
{
	uint64_t abort = (uintptr_t)landing.text;
	struct rseq_cs good = {0, 0, abort + 64, 16, abort}, cs;
	check("left-behind-is-cleared", exited(run_with(&good, 0), 0));
	cs = good;
	cs.version = 1;
	check("wrong-version", killed(run_with(&cs, 0), SIGSEGV));
	cs = good;
	cs.abort_ip = cs.start_ip + 8;
	check("abort-inside", killed(run_with(&cs, 0), SIGSEGV));
	cs = good;
	cs.abort_ip++;
	check("wrong-signature", killed(run_with(&cs, 0), SIGSEGV));
	cs = good;
	cs.start_ip = -8ul;
	check("wrong-start", killed(run_with(&cs, 0), SIGSEGV));
	cs = good;
	cs.post_commit_offset = -8ul;
	check("wrong-end", killed(run_with(&cs, 0), SIGSEGV));
	cs = good;
	cs.abort_ip = 8;
	check("missing-end", killed(run_with(&cs, 0), SIGSEGV));
	check("missing-sequence", killed(run_with((struct rseq_cs *)64, 0), SIGSEGV));
	check("sequence-outside", killed(run_with((struct rseq_cs *)-64ul, 0), SIGSEGV));
	check("flags-outside-are-nobodys", exited(run_with(&good, 1), 0));
	cs = good;
	cs.start_ip = 4096;
	cs.post_commit_offset = abort - 8192;
	check("flags-of-a-thread", killed(run_with(&cs, 1), SIGSEGV));
	cs.flags = 1;
	check("flags-of-a-sequence", killed(run_with(&cs, 0), SIGSEGV));
}

/* ---- membarrier(2) ---- */

struct list {
	volatile uint64_t count[CPUS];
};
static struct list lists[2];
static struct list *volatile active = &lists[0];

/* Adds to the active list, whichever that is when the sequence begins. */
static __attribute__((noinline)) int add_active(uint32_t cpu)
{
	struct rseq *area = own_area();
	__asm__ goto(".pushsection .data.sequences, \"aw\"\n"
	             ".balign 32\n"
	             "3: .long 0, 0\n"
	             ".quad 1f, 2f - 1f, 4f\n"
	             ".popsection\n"
	             "lea 3b(%%rip), %%rax\n"
	             "mov %%rax, 8(%[area])\n"
	             "1: cmp %[cpu], 4(%[area])\n"
	             "jne 4f\n"
	             "mov %[active], %%rcx\n"
	             "mov %[cpu], %%eax\n"
	             "lea (%%rcx, %%rax, 8), %%rcx\n"
	             "mov %[rounds], %%eax\n"
	             "5: dec %%eax\n"
	             "jnz 5b\n"
	             "mov (%%rcx), %%rax\n"
	             "inc %%rax\n"
	             "mov %%rax, (%%rcx)\n"
	             "2:\n"
	             ".pushsection .text.sequences, \"ax\"\n"
	             ".byte 0x0f, 0xb9, 0x3d\n"
	             ".long %c[signature]\n"
	             "4: jmp %l[aborted]\n"
	             ".popsection\n"
	             :
	             : [area] "r"(area), [cpu] "r"(cpu), [active] "m"(active), [rounds] "i"(SEQUENCE),
	               [signature] "i"(RSEQ_SIG)
	             : "memory", "cc", "rax", "rcx"
	             : aborted);
	return 1;
aborted:
	return 0;
}

static void *use_lists(void *argument)
{
	(void)argument;
	while (!stopping)
		if (!add_active(own_area()->cpu_id_start % CPUS))
			cut++;
	return 0;
}

static uint64_t total(const struct list *list)
{
	uint64_t all = 0;
	for (int i = 0; i < CPUS; i++)
		all += list->count[i];
	return all;
}

static void barriers(void)
{
	pthread_t threads[THREADS];
	long all = membarrier(MEMBARRIER_CMD_QUERY, 0, 0);
	check("barrier-query", (all & 384) == 384);
	check("barrier-unregistered",
	      membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, 0, 0) == -1 && errno == EPERM);
	check("barrier-unregistered-processor",
	      membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, MEMBARRIER_CMD_FLAG_CPU, 0) == -1 &&
	          errno == EPERM);
	check("barrier-register-flags",
	      membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ, MEMBARRIER_CMD_FLAG_CPU, 0) == -1 &&
	          errno == EINVAL);
	check("barrier-register", membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ, 0, 0) == 0);
	check("barrier-flags",
	      membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, 2, 0) == -1 && errno == EINVAL);
	check("barrier-of-another-kind",
	      membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED, MEMBARRIER_CMD_FLAG_CPU, 0) == -1 &&
	          errno == EINVAL);
	check("barrier-no-such-processor",
	      membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, MEMBARRIER_CMD_FLAG_CPU, 1 << 20) == 0);
	check("barrier-alone", membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, 0, 0) == 0);
	stopping = 0;
	cut = 0;
	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], 0, use_lists, 0);
	/* What is not active any more changes no more once the barrier is over. */
	int late = 0, rounds = 0;
	time_t end = time(0) + SECONDS;
	for (; time(0) < end && (cut < WANTED || rounds < 200); rounds++) {
		struct list *old = active;
		active = old == &lists[0] ? &lists[1] : &lists[0];
		if (rounds % 2) {
			membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, 0, 0);
		} else {
			for (int cpu = 0; cpu < sysconf(_SC_NPROCESSORS_ONLN); cpu++)
				membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, MEMBARRIER_CMD_FLAG_CPU,
				           cpu);
		}
		uint64_t before = total(old);
		pause_ms(1);
		late += total(old) != before;
	}
	stopping = 1;
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], 0);
	check("barrier-ends-sequences", late == 0 && rounds >= 200);
	check("barrier-cuts-short", cut >= WANTED);
}

/* ---- A thread that stopped on its way to its guest ---- */

struct stopped {
	atomic_int thread, go, stopped, done;
};
static struct stopped *stopped;

static void pin(int cpu)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

/* A wrong sequence: who is kicked then gets SIGSEGV. */
static void *stop_when_kicked(void *argument)
{
	(void)argument;
	pin(1);
	stopped->thread = (int)syscall(SYS_gettid);
	while (!stopped->go)
		;
	own_area()->rseq_cs = 64;
	for (;;)
		;
	return 0;
}

static void beside_stopped_run(void)
{
	pthread_t thread;
	membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ, 0, 0);
	pthread_create(&thread, 0, stop_when_kicked, 0);
	while (!stopped->stopped) {
		if (stopped->go)
			membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, 0, 0);
		pause_ms(1);
	}
	membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, 0, 0);
	stopped->done = 1;
	pause();
}

/* A barrier waits for nobody whom a tracer has stopped. */
static void beside_stopped(void)
{
	int status = 0;
	cpu_set_t all;
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		return;
	stopped = mmap(0, sizeof(*stopped), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	sched_getaffinity(0, sizeof(all), &all);
	pin(0);
	pid_t child = fork();
	if (child == 0) {
		beside_stopped_run();
		_exit(0);
	}
	while (!stopped->thread)
		pause_ms(1);
	pid_t thread = stopped->thread;
	bool seized = ptrace(PTRACE_SEIZE, thread, 0, 0) == 0;
	stopped->go = 1;
	check("stops-for-its-tracer", seized && waitpid(thread, &status, __WALL) == thread &&
	                                  WIFSTOPPED(status) && WSTOPSIG(status) == SIGSEGV);
	stopped->stopped = 1;
	time_t end = time(0) + SECONDS;
	while (!stopped->done && time(0) < end)
		pause_ms(1);
	check("barrier-beside-a-stopped-thread", stopped->done);
	kill(child, SIGKILL);
	waitpid(thread, 0, __WALL);
	waitpid(child, 0, 0);
	sched_setaffinity(0, sizeof(all), &all);
}

int main(void)
{
	sequences();
	refusals();
	wrong_sequences();
	traced();
	counting();
	barriers();
	beside_stopped();
	return check_failures != 0;
}
