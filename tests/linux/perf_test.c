/* perf_event_open(2): software counters of tasks and processors, in groups, inherited, begun by exec, read from the mapped page. */
#define _GNU_SOURCE
#include "check.h"
#include <fcntl.h>
#include <linux/perf_event.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

static int open_event(struct perf_event_attr *attr, int pid, int cpu, int group, unsigned long flags)
{
	return (int)syscall(SYS_perf_event_open, attr, pid, cpu, group, flags);
}

static struct perf_event_attr software(uint64_t config)
{
	return (struct perf_event_attr){
	    .type = PERF_TYPE_SOFTWARE, .size = sizeof(struct perf_event_attr), .config = config};
}

static int open_software(uint64_t config)
{
	struct perf_event_attr attr = software(config);
	return open_event(&attr, 0, -1, -1, 0);
}

static uint64_t value_of(int event)
{
	uint64_t words[5] = {0};
	return read(event, words, sizeof(words)) < 8 ? UINT64_MAX : words[0];
}

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;
	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void spin_ms(unsigned ms)
{
	for (uint64_t end = clock_ns(CLOCK_THREAD_CPUTIME_ID) + ms * 1000000ull;
	     clock_ns(CLOCK_THREAD_CPUTIME_ID) < end;)
		;
}

static void touch(unsigned pages)
{
	volatile char *memory =
	    mmap(0, pages * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (unsigned i = 0; i < pages; i++)
		memory[i * 4096] = 1;
}

static void test_counting(void)
{
	int event = open_software(PERF_COUNT_SW_TASK_CLOCK);
	uint64_t before = value_of(event);
	spin_ms(30);
	uint64_t after = value_of(event);
	check("clock-counts", after - before >= 25000000 && after - before < 10000000000ull);
	pause_ms(50);
	check("clock-sleeps", value_of(event) - after < 40000000);
	check("stops", ioctl(event, PERF_EVENT_IOC_DISABLE, 0) == 0 &&
	                   (before = value_of(event), spin_ms(5), value_of(event) == before));
	check("goes-on", ioctl(event, PERF_EVENT_IOC_ENABLE, 0) == 0 &&
	                     (spin_ms(5), value_of(event) >= before + 4000000));
	ioctl(event, PERF_EVENT_IOC_DISABLE, 0);
	check("reset", ioctl(event, PERF_EVENT_IOC_RESET, 0) == 0 && value_of(event) == 0);
	close(event);
	event = open_software(PERF_COUNT_SW_PAGE_FAULTS);
	before = value_of(event);
	touch(200);
	check("faults", value_of(event) - before >= 200 && value_of(event) - before < 1000);
	close(event);
	event = open_software(PERF_COUNT_SW_CONTEXT_SWITCHES);
	before = value_of(event);
	for (int i = 0; i < 10; i++)
		pause_ms(1);
	check("switches", value_of(event) - before >= 10);
	close(event);
	struct perf_event_attr attr = software(PERF_COUNT_SW_CONTEXT_SWITCHES);
	attr.exclude_kernel = 1;
	event = open_event(&attr, 0, -1, -1, 0);
	pause_ms(1);
	check("switches-are-the-kernels", value_of(event) == 0);
	close(event);
	event = open_software(PERF_COUNT_SW_DUMMY);
	check("dummy", value_of(event) == 0);
	close(event);
	event = open_software(PERF_COUNT_SW_PAGE_FAULTS_MAJ);
	check("major", event >= 0 && value_of(event) < 100);
	close(event);
	cpu_set_t all, one;
	sched_getaffinity(0, sizeof(all), &all);
	event = open_software(PERF_COUNT_SW_CPU_MIGRATIONS);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		if (CPU_ISSET(cpu, &all))
			sched_setaffinity(0, sizeof(one), &one);
	}
	check("migrations", value_of(event) + 1 >= (unsigned)CPU_COUNT(&all) &&
	                        (CPU_COUNT(&all) > 1 || value_of(event) == 0));
	sched_setaffinity(0, sizeof(all), &all);
	close(event);
}

static void test_formats(void)
{
	uint64_t words[16] = {0}, id = 0, other = 0;
	struct perf_event_attr attr = software(PERF_COUNT_SW_TASK_CLOCK);
	attr.read_format = PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING | PERF_FORMAT_ID |
	                   PERF_FORMAT_LOST;
	int event = open_event(&attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
	check("close-on-exec", fcntl(event, F_GETFD) == FD_CLOEXEC);
	spin_ms(3);
	check("words", read(event, words, sizeof(words)) == 40 && words[0] && words[1] >= words[2] &&
	                   words[2] && words[4] == 0);
	check("id", ioctl(event, PERF_EVENT_IOC_ID, &id) == 0 && id && id == words[3]);
	check("short-read", read(event, words, 39) == -1 && errno == ENOSPC);
	check("bad-memory", read(event, (void *)8, 40) == -1 && errno == EFAULT);
	close(event);
	attr.read_format = PERF_FORMAT_GROUP | PERF_FORMAT_ID | PERF_FORMAT_TOTAL_TIME_ENABLED;
	attr.disabled = 1;
	int leader = open_event(&attr, 0, -1, -1, 0);
	attr = software(PERF_COUNT_SW_PAGE_FAULTS);
	attr.read_format = PERF_FORMAT_GROUP | PERF_FORMAT_ID | PERF_FORMAT_TOTAL_TIME_ENABLED;
	int member = open_event(&attr, 0, -1, leader, 0);
	ioctl(leader, PERF_EVENT_IOC_ID, &id);
	ioctl(member, PERF_EVENT_IOC_ID, &other);
	touch(64);
	check("group", read(leader, words, sizeof(words)) == 48 && words[0] == 2 && words[3] == id &&
	                   words[5] == other && id != other);
	check("group-waits-for-leader", words[1] == 0 && words[2] == 0 && words[4] == 0);
	ioctl(leader, PERF_EVENT_IOC_ENABLE, 0);
	touch(64);
	check("group-counts",
	      read(leader, words, sizeof(words)) == 48 && words[1] && words[2] && words[4] >= 64);
	ioctl(leader, PERF_EVENT_IOC_DISABLE, PERF_IOC_FLAG_GROUP);
	ioctl(leader, PERF_EVENT_IOC_RESET, PERF_IOC_FLAG_GROUP);
	check("group-reset", read(leader, words, sizeof(words)) == 48 && words[2] == 0 && words[4] == 0);
	check("member-reads-group", read(member, words, sizeof(words)) == 48 && words[0] == 2);
	check("no-room", read(leader, words, 47) == -1 && errno == ENOSPC);
	attr.pinned = 1;
	check("member-pinned", open_event(&attr, 0, -1, leader, 0) == -1 && errno == EINVAL);
	attr.pinned = 0;
	check("member-leads-not", open_event(&attr, 0, -1, member, 0) == -1 && errno == EINVAL);
	attr.inherit = 1;
	check("member-inherits", open_event(&attr, 0, -1, leader, 0) == -1 && errno == EINVAL);
	attr.inherit = 0;
	int single = open_event(&attr, 0, -1, leader, PERF_FLAG_FD_NO_GROUP);
	check("no-group", read(single, words, sizeof(words)) == 32 && words[0] == 1);
	close(leader);
	ioctl(member, PERF_EVENT_IOC_ENABLE, 0);
	touch(32);
	check("leader-goes", read(member, words, sizeof(words)) == 32 && words[2] >= 32);
	close(member);
	close(single);
}

static void *thread_spins(void *argument)
{
	(void)argument;
	spin_ms(20);
	return 0;
}

static void test_inherited(void)
{
	struct perf_event_attr attr = software(PERF_COUNT_SW_TASK_CLOCK);
	int plain = open_event(&attr, 0, -1, -1, 0);
	attr.inherit = 1;
	int event = open_event(&attr, 0, -1, -1, 0);
	attr.inherit_thread = 1;
	int threads = open_event(&attr, 0, -1, -1, 0);
	uint64_t before = value_of(event), alone = value_of(plain), with = value_of(threads);
	in_child(spin_ms(120); _exit(0));
	check("child-counts", value_of(event) - before >= 118000000);
	check("child-is-apart", value_of(plain) - alone < 80000000 && value_of(threads) - with < 80000000);
	pthread_t thread;
	with = value_of(threads);
	pthread_create(&thread, 0, thread_spins, 0);
	pthread_join(thread, 0);
	check("thread-counts", value_of(threads) - with >= 18000000);
	/* Those that live are stopped, too. */
	int ready[2];
	pipe(ready);
	pid_t child = fork();
	if (!child) {
		write(ready[1], "x", 1);
		for (;;)
			spin_ms(1);
	}
	char byte;
	read(ready[0], &byte, 1);
	ioctl(event, PERF_EVENT_IOC_DISABLE, 0);
	before = value_of(event);
	pause_ms(20);
	check("all-stop", value_of(event) == before);
	ioctl(event, PERF_EVENT_IOC_ENABLE, 0);
	pause_ms(30);
	check("all-go-on", value_of(event) > before);
	kill(child, SIGKILL);
	waitpid(child, 0, 0);
	check("map-of-inherited",
	      mmap(0, 4096, PROT_READ, MAP_SHARED, event, 0) == MAP_FAILED && errno == EINVAL);
	close(event);
	close(plain);
	close(threads);
}

/* As perf stat does: another process, from its exec on. */
static void test_exec(const char *self)
{
	int go[2];
	pipe(go);
	pid_t child = fork();
	if (!child) {
		char byte;
		read(go[0], &byte, 1);
		execl(self, self, "spin", (char *)0);
		_exit(9);
	}
	struct perf_event_attr attr = software(PERF_COUNT_SW_TASK_CLOCK);
	attr.disabled = attr.inherit = attr.enable_on_exec = 1;
	attr.read_format = PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING;
	int clock = open_event(&attr, child, -1, -1, 0);
	attr.config = PERF_COUNT_SW_PAGE_FAULTS;
	int faults = open_event(&attr, child, -1, -1, 0);
	attr.enable_on_exec = attr.disabled = 0;
	attr.remove_on_exec = 1;
	int removed = open_event(&attr, child, -1, -1, 0);
	check("of-another", clock >= 0 && faults >= 0 && removed >= 0);
	check("not-before-exec", value_of(clock) == 0);
	write(go[1], "x", 1);
	int status;
	waitpid(child, &status, 0);
	check("exec", exited(status, 0));
	uint64_t words[3] = {0};
	check("exec-counts", read(clock, words, sizeof(words)) == 24 && words[0] >= 18000000 &&
	                         words[1] >= words[2] && words[2]);
	check("exec-faults", value_of(faults) >= 100);
	check("removed", value_of(removed) < 100);
	struct pollfd poll_fd = {.fd = clock, .events = POLLIN};
	check("hang-up", poll(&poll_fd, 1, 0) == 1 && poll_fd.revents == POLLHUP);
	check("gone", open_event(&attr, child, -1, -1, 0) == -1 && errno == ESRCH);
	close(clock);
	close(faults);
	close(removed);
}

static void test_page(void)
{
	int event = open_software(PERF_COUNT_SW_TASK_CLOCK);
	check("map-private",
	      mmap(0, 4096, PROT_READ, MAP_PRIVATE, event, 0) == MAP_FAILED && errno == EINVAL);
	check("map-odd", mmap(0, 4 * 4096, PROT_READ, MAP_SHARED, event, 0) == MAP_FAILED && errno == EINVAL);
	check("map-behind",
	      mmap(0, 4096, PROT_READ, MAP_SHARED, event, 4096) == MAP_FAILED && errno == EINVAL);
	check("pause-nothing", ioctl(event, PERF_EVENT_IOC_PAUSE_OUTPUT, 1) == -1 && errno == EINVAL);
	volatile struct perf_event_mmap_page *page =
	    mmap(0, 3 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, event, 0);
	check("map", (void *)page != MAP_FAILED && page->size == 96 && page->data_offset == 4096 &&
	                 page->data_size == 8192);
	check("no-counter-register", page->index == 0 && page->version == 0 && page->data_head == 0);
	spin_ms(2);
	ioctl(event, PERF_EVENT_IOC_DISABLE, 0);
	check("page-is-whole",
	      page->offset >= 0 && (uint64_t)page->offset <= value_of(event) && !(page->lock & 1));
	check("page-time", page->time_enabled && page->time_enabled >= page->time_running);
	check("map-other-size",
	      mmap(0, 5 * 4096, PROT_READ, MAP_SHARED, event, 0) == MAP_FAILED && errno == EINVAL);
	check("map-again", mmap(0, 3 * 4096, PROT_READ, MAP_SHARED, event, 0) != MAP_FAILED);
	/* What a program writes there means nothing to who counts. */
	memset((void *)page, 0xff, 3 * 4096);
	ioctl(event, PERF_EVENT_IOC_RESET, 0);
	check("overwritten", value_of(event) == 0);
	close(event);
	check("page-stays", page->data_size == UINT64_MAX);
}

static void test_refused(void)
{
	struct perf_event_attr attr = software(PERF_COUNT_SW_DUMMY);
	struct {
		struct perf_event_attr attr;
		char more[200];
	} large = {.attr = attr};
	large.attr.size = sizeof(large);
	int event = open_event(&large.attr, 0, -1, -1, 0);
	check("large", event >= 0);
	close(event);
	large.more[199] = 1;
	check("larger", open_event(&large.attr, 0, -1, -1, 0) == -1 && errno == E2BIG &&
	                    large.attr.size >= 112 && large.attr.size < sizeof(large));
	attr.size = 63;
	check("small", open_event(&attr, 0, -1, -1, 0) == -1 && errno == E2BIG);
	attr.size = 0;
	event = open_event(&attr, 0, -1, -1, 0);
	check("size-0", event >= 0);
	check("no-such-request", ioctl(event, 0x2477, 0) == -1 && errno == ENOTTY);
	check("refresh", ioctl(event, PERF_EVENT_IOC_REFRESH, 1) == -1 && errno == EINVAL);
	check("filter", ioctl(event, PERF_EVENT_IOC_SET_FILTER, "x") == -1 && errno == EINVAL);
	check("filter-memory", ioctl(event, PERF_EVENT_IOC_SET_FILTER, 8) == -1 && errno == EFAULT);
	check("output-to-itself", ioctl(event, PERF_EVENT_IOC_SET_OUTPUT, event) == -1 && errno == EINVAL);
	check("output-to-none", ioctl(event, PERF_EVENT_IOC_SET_OUTPUT, -1) == 0);
	check("output-to-what", ioctl(event, PERF_EVENT_IOC_SET_OUTPUT, 0) == -1 && errno == EBADF);
	check("write", write(event, "x", 1) == -1 && errno == EINVAL);
	close(event);
	attr = software(PERF_COUNT_SW_DUMMY);
	check("flags", open_event(&attr, 0, -1, -1, 16) == -1 && errno == EINVAL);
	check("nobody", open_event(&attr, 0x7fffffff, -1, -1, 0) == -1 && errno == ESRCH);
	check("nothing", open_event(&attr, -1, -1, -1, 0) == -1 && errno == EINVAL);
	check("no-processor", open_event(&attr, -1, 5000, -1, 0) == -1 && errno == EINVAL);
	check("no-group", open_event(&attr, 0, -1, 0, 0) == -1 && errno == EBADF);
	check("no-group-file", open_event(&attr, 0, -1, 99, 0) == -1 && errno == EBADF);
	check("group-cgroup", open_event(&attr, -1, 0, -1, PERF_FLAG_PID_CGROUP) == -1 && errno == EINVAL);
	check("attributes", open_event((void *)8, 0, -1, -1, 0) == -1 && errno == EFAULT);
	attr.read_format = 32;
	check("format", open_event(&attr, 0, -1, -1, 0) == -1 && errno == EINVAL);
	attr = software(12);
	check("no-such-counter", open_event(&attr, 0, -1, -1, 0) == -1 && errno == ENOENT);
	attr = software(PERF_COUNT_SW_DUMMY);
	attr.inherit_thread = 1;
	check("threads-of-none", open_event(&attr, 0, -1, -1, 0) == -1 && errno == EINVAL);
	attr = software(PERF_COUNT_SW_CPU_CLOCK);
	event = open_event(&attr, -1, 0, -1, 0);
	check("processor", event >= 0 && (pause_ms(5), value_of(event) >= 4000000));
	close(event);
	int status = in_child({
		setresuid(1000, 1000, 1000);
		attr = software(PERF_COUNT_SW_DUMMY);
		_exit(open_event(&attr, 0, -1, -1, 0) == -1 && errno == EACCES ? 0 : 1);
	});
	check("paranoid", exited(status, 0));
	int paranoid = open("/proc/sys/kernel/perf_event_paranoid", O_RDWR);
	char old[8] = {0};
	pread(paranoid, old, 7, 0);
	check("paranoid-less", write(paranoid, "2", 1) == 1);
	status = in_child({
		setresuid(1000, 1000, 1000);
		attr = software(PERF_COUNT_SW_PAGE_FAULTS);
		int kernel = open_event(&attr, 0, -1, -1, 0);
		attr.exclude_kernel = 1;
		_exit((kernel == -1 && errno == EACCES ? 0 : 1) |
		      (open_event(&attr, 0, -1, -1, 0) >= 0 ? 0 : 2) |
		      (open_event(&attr, 1, -1, -1, 0) == -1 && errno == EACCES ? 0 : 4) |
		      (open_event(&attr, -1, 0, -1, 0) == -1 ? 0 : 8));
	});
	check("unprivileged", exited(status, 0));
	pwrite(paranoid, old, strlen(old), 0);
	close(paranoid);
}

static void test_owned(void)
{
	int event = open_software(PERF_COUNT_SW_TASK_CLOCK);
	prctl(PR_TASK_PERF_EVENTS_DISABLE);
	uint64_t before = value_of(event);
	spin_ms(3);
	check("task-stops-all", value_of(event) == before);
	prctl(PR_TASK_PERF_EVENTS_ENABLE);
	spin_ms(3);
	check("task-starts-all", value_of(event) > before);
	close(event);
}

/* Counters whose tasks, makers and groups end in all orders. */
static void test_ends(void)
{
	struct perf_event_attr attr = software(PERF_COUNT_SW_TASK_CLOCK);
	int events[64], bad = 0;
	attr.inherit = 1;
	for (int i = 0; i < 64; i++) {
		events[i] = open_event(&attr, 0, -1, i % 8 ? events[i - i % 8] : -1, 0);
		bad += events[i] < 0;
	}
	for (int round = 0; round < 20; round++) {
		pid_t children[4];
		for (int i = 0; i < 4; i++) {
			children[i] = fork();
			if (!children[i]) {
				if (i & 1)
					close(events[round * 3]);
				pthread_t thread;
				pthread_create(&thread, 0, thread_spins, 0);
				if (i & 2)
					fork();
				_exit(0);
			}
		}
		close(events[round * 3 + (round & 1)]);
		for (int i = 0; i < 4; i++)
			waitpid(children[i], 0, 0);
	}
	check("ends", bad == 0 && value_of(events[63]) != UINT64_MAX);
	for (int i = 0; i < 64; i++)
		close(events[i]);
}

int main(int count, char **arguments)
{
	if (count > 1) {
		spin_ms(20);
		touch(100);
		return 0;
	}
	struct perf_event_attr attr = software(PERF_COUNT_SW_DUMMY);
	if (open_event(&attr, 0, -1, -1, 0) == -1 && (errno == EACCES || errno == EPERM || errno == ENOSYS) &&
	    getenv("ON_LINUX"))
		return 0; /* a container */
	test_counting();
	test_formats();
	test_inherited();
	test_exec(arguments[0]);
	test_page();
	test_refused();
	test_owned();
	test_ends();
	return check_failures != 0;
}
