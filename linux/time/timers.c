/* Timers of processes: setitimer(2), alarm(2), timer_create(2), and RLIMIT_CPU.
 *
 * Real time is the timer worker's. Of CPU time the substrate does not say when so much is used: each process
 * that has an end of it set looks at its account when the nearest may have come, and less often while it
 * sleeps.
 */
#include "internal.h"
#include "time/account.h"

#define LOOK_MIN_NS       1000000u
#define LOOK_MAX_NS       200000000u
#define CPU_CLOCK_PROCESS 2u /* low bits of negative clock ids */
#define CPU_CLOCK_THREAD  6u

/* END, or 0, that has come by NOW moves on by INTERVAL (0: no more); *OVERRUN: the ends left out. */
static uint64_t next_end(uint64_t end, uint64_t interval, uint64_t now, uint64_t *overrun)
{
	*overrun = 0;
	if (!interval)
		return 0;
	end += interval;
	if (end <= now) {
		*overrun = (now - end) / interval + 1;
		end += *overrun * interval;
	}
	return end;
}

/* ---- Interval timers ---- */

static void real_timer_expire(struct timer *timer)
{
	struct process *process = container_of(timer, struct process, real_timer);
	if (process->real_interval)
		timer_set(timer, timer->deadline + process->real_interval);
	(void)signal_send_process(process, SIGALRM, 0);
}

static struct linux_itimerval real_timer_get(const struct process *process)
{
	struct linux_itimerval value = {0};
	uint64_t now = clock_monotonic();
	if (process->real_timer.armed) {
		uint64_t left =
		    process->real_timer.deadline > now ? process->real_timer.deadline - now : 1000;
		value.value = timeval_of(left < 1000 ? 1000 : left);
		value.interval = timeval_of(process->real_interval);
	}
	return value;
}

static void real_timer_set(struct process *process, uint64_t value, uint64_t interval)
{
	process->real_timer.expire = real_timer_expire;
	process->real_interval = interval;
	if (value)
		timer_set(&process->real_timer, clock_monotonic() + value);
	else
		timer_cancel(&process->real_timer);
}

static void cpu_look(struct timer *timer);

void process_cpu_watch(struct process *process)
{
	process->cpu_timer.expire = cpu_look;
	process->cpu_wait = 0;
	if (!process->zombie)
		cpu_look(&process->cpu_timer);
}

/* What the interval timer WHICH counts: ITIMER_VIRTUAL user time alone, ITIMER_PROF all. */
static uint64_t interval_now(const struct process *process, int which)
{
	return which == 1 ? process_times(process).user_ns : process_cpu_ns(process);
}

static struct linux_itimerval cpu_timer_get(const struct process *process, int which)
{
	const struct cpu_interval *timer = &process->cpu_intervals[which - 1];
	struct linux_itimerval value = {0};
	uint64_t now = interval_now(process, which);
	if (timer->end) {
		value.value = timeval_of(timer->end > now + 1000 ? timer->end - now : 1000);
		value.interval = timeval_of(timer->interval);
	}
	return value;
}

SYSCALL_HANDLER(getitimer, int which, uint64_t address)
{
	const struct process *process = current_task()->process;
	if (which < 0 || which > 2)
		return -EINVAL;
	struct linux_itimerval value = which ? cpu_timer_get(process, which) : real_timer_get(process);
	return copy_to_user(address, &value, sizeof(value));
}

SYSCALL_HANDLER(setitimer, int which, uint64_t new_address, uint64_t old_address)
{
	struct process *process = current_task()->process;
	struct linux_itimerval value = {0}, old;
	if (which < 0 || which > 2)
		return -EINVAL;
	if (new_address && copy_from_user(&value, new_address, sizeof(value)))
		return -EFAULT;
	if (value.value.tv_sec < 0 || value.value.tv_usec < 0 || value.value.tv_usec > 999999 ||
	    value.interval.tv_sec < 0 || value.interval.tv_usec < 0 || value.interval.tv_usec > 999999)
		return -EINVAL;
	uint64_t ns = timeval_ns(&value.value), interval = timeval_ns(&value.interval);
	if (which == 0) {
		old = real_timer_get(process);
		real_timer_set(process, ns, interval);
	} else {
		struct cpu_interval *timer = &process->cpu_intervals[which - 1];
		old = cpu_timer_get(process, which);
		timer->end = ns ? interval_now(process, which) + ns : 0;
		timer->interval = interval;
		process_cpu_watch(process);
	}
	return old_address ? copy_to_user(old_address, &old, sizeof(old)) : 0;
}

SYSCALL_HANDLER(alarm, uint32_t seconds)
{
	struct process *process = current_task()->process;
	struct linux_itimerval old = real_timer_get(process);
	real_timer_set(process, seconds * NS_PER_SECOND, 0);
	return old.value.tv_sec + (old.value.tv_usec >= 500000 || (!old.value.tv_sec && old.value.tv_usec));
}

/* ---- POSIX timers ---- */

enum { SIGEV_SIGNAL = 0, SIGEV_NONE = 1, SIGEV_THREAD = 2, SIGEV_THREAD_ID = 4 };

struct linux_sigevent {
	uint64_t value;
	int32_t signal, notify, thread, pad[11];
};
_Static_assert(sizeof(struct linux_sigevent) == 64, "sigevent");

struct posix_timer {
	struct timer timer;
	struct list link; /* in process->posix_timers */
	struct process *process;
	int32_t id, clock, notify, signal, thread;
	uint64_t value, interval, overrun;
	uint64_t end; /* on a CPU-time clock (negative); 0 = off. Others: timer */
};

static struct posix_timer *posix_timer_find(int id)
{
	struct posix_timer *timer;
	list_for_each(timer, &current_task()->process->posix_timers, link) if (timer->id == id) return timer;
	return 0;
}

static void posix_timer_notify(struct posix_timer *timer)
{
	if (timer->notify == SIGEV_NONE)
		return;
	struct linux_siginfo info = {.si_signo = timer->signal,
	                             .si_code = SI_TIMER,
	                             .timer_id = timer->id,
	                             .overrun = (int32_t)timer->overrun,
	                             .timer_value = timer->value};
	struct task *task = timer->notify == SIGEV_THREAD_ID ? task_by_id(timer->thread) : 0;
	if (task && task->process == timer->process)
		(void)signal_send_task(task, timer->signal, &info);
	else
		(void)signal_send_process(timer->process, timer->signal, &info);
}

static void posix_timer_expire(struct timer *base)
{
	struct posix_timer *timer = container_of(base, struct posix_timer, timer);
	uint64_t next = next_end(base->deadline, timer->interval, clock_monotonic(), &timer->overrun);
	if (next)
		timer_set(base, next);
	posix_timer_notify(timer);
}

/* What is left until END of CPU time; moves it on and says so when it has come. UINT64_MAX: no end. */
static uint64_t cpu_interval_look(struct process *process, struct cpu_interval *timer, uint64_t used,
                                  int signal)
{
	uint64_t overrun;
	if (timer->end && used >= timer->end) {
		timer->end = next_end(timer->end, timer->interval, used, &overrun);
		(void)signal_send_process(process, signal, 0);
	}
	return timer->end ? timer->end - used : UINT64_MAX;
}

static uint64_t posix_timer_look(struct posix_timer *timer)
{
	uint64_t now;
	if (!timer->end || clock_read_kept(timer->clock, &now))
		return UINT64_MAX;
	if (now >= timer->end) {
		timer->end = next_end(timer->end, timer->interval, now, &timer->overrun);
		posix_timer_notify(timer);
	}
	return timer->end ? timer->end - now : UINT64_MAX;
}

/* RLIMIT_CPU: SIGXCPU at the soft limit and each second after it, SIGKILL at the hard one. */
static uint64_t cpu_limit_look(struct process *process, uint64_t used)
{
	const struct linux_rlimit *limit = &process->limits[RLIMIT_CPU];
	uint64_t soft = limit->current ? limit->current : 1, left = UINT64_MAX;
	if (limit->maximum < UINT64_MAX / NS_PER_SECOND) {
		if (used >= limit->maximum * NS_PER_SECOND) {
			(void)signal_send_process(process, SIGKILL, 0);
			return left;
		}
		left = limit->maximum * NS_PER_SECOND - used;
	}
	if (soft >= UINT64_MAX / NS_PER_SECOND)
		return left;
	uint64_t end = soft * NS_PER_SECOND;
	if (end < process->cpu_warned)
		end = process->cpu_warned;
	if (used >= end) {
		(void)signal_send_process(process, SIGXCPU, 0);
		end = process->cpu_warned = used + NS_PER_SECOND;
	}
	return end - used < left ? end - used : left;
}

static void cpu_look(struct timer *base)
{
	struct process *process = container_of(base, struct process, cpu_timer);
	struct posix_timer *timer;
	uint64_t used = process_cpu_ns(process);
	uint64_t left = cpu_limit_look(process, used), each;
	static const int signals[2] = {SIGVTALRM, SIGPROF};
	for (int i = 0; i < 2; i++) {
		if (!process->cpu_intervals[i].end)
			continue;
		each = cpu_interval_look(process, &process->cpu_intervals[i], interval_now(process, i + 1),
		                         signals[i]);
		left = each < left ? each : left;
	}
	list_for_each(timer, &process->posix_timers, link)
	{
		each = posix_timer_look(timer);
		left = each < left ? each : left;
	}
	if (left == UINT64_MAX) {
		timer_cancel(base);
		return;
	}
	if (process->thread_count > 1)
		left /= process->thread_count;
	/* Asleep: the next look comes later and later. */
	uint64_t later = used == process->cpu_seen ? process->cpu_wait * 2 : 0;
	if (later > LOOK_MAX_NS)
		later = LOOK_MAX_NS;
	process->cpu_seen = used;
	process->cpu_wait = left < LOOK_MIN_NS ? LOOK_MIN_NS : left;
	if (process->cpu_wait < later)
		process->cpu_wait = later;
	timer_set(base, clock_monotonic() + process->cpu_wait);
}

SYSCALL_HANDLER(timer_create, int clock, uint64_t event_address, uint64_t id_address)
{
	struct process *process = current_task()->process;
	struct linux_sigevent event = {.signal = SIGALRM, .notify = SIGEV_SIGNAL};
	uint64_t ignored;
	if (event_address && copy_from_user(&event, event_address, sizeof(event)))
		return -EFAULT;
	/* The worker will read the clock: "one's own" is not good enough. */
	bool own = clock < 0 && clock >> 3 == -1;
	if (clock == CLOCK_PROCESS_CPUTIME_ID || (own && !(clock & 4)))
		clock = (int)(~(uint32_t)process->number << 3 | CPU_CLOCK_PROCESS);
	else if (clock == CLOCK_THREAD_CPUTIME_ID || own)
		clock = (int)(~(uint32_t)current_task()->number << 3 | CPU_CLOCK_THREAD);
	int error = clock < 0 ? clock_read(clock, &ignored) : clock_deadline(clock, 1, &ignored);
	if (error)
		return error;
	/* SIGEV_THREAD is the C library's to do: to it a signal is sent. */
	if ((event.notify & ~SIGEV_THREAD_ID) > SIGEV_THREAD ||
	    (event.notify != SIGEV_NONE && (event.signal < 1 || event.signal > SIGNAL_COUNT)))
		return -EINVAL;
	struct posix_timer *timer = heap_allocate(sizeof(*timer));
	if (!timer)
		return -EAGAIN;
	timer->id = process->next_timer++;
	timer->process = process;
	timer->clock = clock_keep(clock);
	timer->notify = event.notify;
	timer->signal = event.signal;
	timer->thread = pid_named(event.thread);
	timer->value = event_address ? event.value : (uint64_t)timer->id;
	timer->timer.expire = posix_timer_expire;
	if (put_user_u32(id_address, (uint32_t)timer->id)) {
		heap_free(timer);
		return -EFAULT;
	}
	list_append(&process->posix_timers, &timer->link);
	return 0;
}

static struct linux_itimerspec posix_timer_get(const struct posix_timer *timer)
{
	struct linux_itimerspec spec = {.interval = timespec_of(timer->interval)};
	uint64_t now = clock_monotonic(), end = timer->timer.armed ? timer->timer.deadline : timer->end;
	if (timer->clock < 0 && clock_read_kept(timer->clock, &now))
		end = 0; /* whose clock it was has gone */
	if (end)
		spec.value = timespec_of(end > now ? end - now : 1);
	return spec;
}

SYSCALL_HANDLER(timer_settime, int id, int flags, uint64_t new_address, uint64_t old_address)
{
	struct posix_timer *timer = posix_timer_find(id);
	struct linux_itimerspec spec, old;
	uint64_t value, interval, deadline;
	if (!timer || !new_address)
		return -EINVAL;
	if (copy_from_user(&spec, new_address, sizeof(spec)))
		return -EFAULT;
	if (timespec_ns(&spec.value, &value) || timespec_ns(&spec.interval, &interval))
		return -EINVAL;
	old = posix_timer_get(timer);
	timer->interval = interval;
	timer->overrun = 0;
	timer_cancel(&timer->timer);
	if (timer->clock < 0) {
		uint64_t now = 0;
		if (!(flags & TIMER_ABSTIME))
			(void)clock_read_kept(timer->clock, &now);
		timer->end = value ? now + value : 0;
		process_cpu_watch(timer->process);
	} else if (value) {
		deadline = clock_monotonic() + value;
		if (flags & TIMER_ABSTIME)
			(void)clock_deadline(timer->clock, value, &deadline);
		timer_set(&timer->timer, deadline);
	}
	return old_address ? copy_to_user(old_address, &old, sizeof(old)) : 0;
}

SYSCALL_HANDLER(timer_gettime, int id, uint64_t address)
{
	struct posix_timer *timer = posix_timer_find(id);
	if (!timer)
		return -EINVAL;
	struct linux_itimerspec spec = posix_timer_get(timer);
	return copy_to_user(address, &spec, sizeof(spec));
}

SYSCALL_HANDLER(timer_getoverrun, int id)
{
	struct posix_timer *timer = posix_timer_find(id);
	return timer ? (int64_t)timer->overrun : -EINVAL;
}

static void posix_timer_destroy(struct posix_timer *timer)
{
	timer_cancel(&timer->timer);
	list_remove(&timer->link);
	heap_free(timer);
}

SYSCALL_HANDLER(timer_delete, int id)
{
	struct posix_timer *timer = posix_timer_find(id);
	if (!timer)
		return -EINVAL;
	posix_timer_destroy(timer);
	return 0;
}

/* exec and exit: POSIX timers go; the interval timer stays over an exec. */
void process_timers_exit(struct process *process)
{
	struct posix_timer *timer, *next;
	list_for_each_safe(timer, next, &process->posix_timers, link) posix_timer_destroy(timer);
	if (process->zombie) {
		timer_cancel(&process->real_timer);
		timer_cancel(&process->cpu_timer);
	}
}
