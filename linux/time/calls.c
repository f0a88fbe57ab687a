/* The time system calls: clock_gettime(2), nanosleep(2), setitimer(2), timer_create(2), times(2). */
#include "internal.h"

SYSCALL_HANDLER(clock_gettime, int clock, uint64_t address)
{
	uint64_t ns;
	int error = clock_read(clock, &ns);
	return error ? error : put_user_timespec(address, ns);
}

SYSCALL_HANDLER(clock_getres, int clock, uint64_t address)
{
	uint64_t ns;
	int error = clock_read(clock, &ns);
	if (error || !address)
		return error;
	bool coarse = clock == CLOCK_REALTIME_COARSE || clock == CLOCK_MONOTONIC_COARSE;
	return put_user_timespec(address, coarse ? 4000000 : 1);
}

SYSCALL_HANDLER(clock_settime, int clock, uint64_t address)
{
	uint64_t ns;
	int error = address ? get_user_timespec(address, &ns) : -EFAULT;
	if (error)
		return error;
	if (clock != CLOCK_REALTIME)
		return -EINVAL;
	if (!capable(CAP_SYS_TIME))
		return -EPERM;
	clock_set_realtime(ns);
	return 0;
}

SYSCALL_HANDLER(gettimeofday, uint64_t time_address, uint64_t zone_address)
{
	struct linux_timespec now = clock_realtime_timespec();
	struct linux_timeval time = {now.tv_sec, now.tv_nsec / 1000};
	if (time_address && copy_to_user(time_address, &time, sizeof(time)))
		return -EFAULT;
	return zone_address ? clear_user(zone_address, 8) : 0;
}

SYSCALL_HANDLER(settimeofday, uint64_t time_address, uint64_t zone_address)
{
	struct linux_timeval time;
	(void)zone_address;
	if (!capable(CAP_SYS_TIME))
		return -EPERM;
	if (!time_address)
		return 0;
	if (copy_from_user(&time, time_address, sizeof(time)))
		return -EFAULT;
	if (time.tv_sec < 0 || time.tv_usec < 0 || time.tv_usec >= 1000000)
		return -EINVAL;
	clock_set_realtime((uint64_t)time.tv_sec * NS_PER_SECOND + (uint64_t)time.tv_usec * 1000);
	return 0;
}

SYSCALL_HANDLER(time, uint64_t address)
{
	int64_t seconds = clock_realtime_timespec().tv_sec;
	if (address && put_user_u64(address, (uint64_t)seconds))
		return -EFAULT;
	return seconds;
}

/* ---- Sleeping ---- */

static int64_t sleep_restart(struct task *task);

static int64_t sleep_to(uint64_t deadline, uint64_t remaining_address, bool relative)
{
	struct task *task = current_task();
	int result;
	do
		result = wait_sleep(deadline);
	while (!result);
	if (result == -ETIMEDOUT)
		return 0;
	if (!relative)
		return -ERESTARTNOHAND;
	uint64_t now = clock_monotonic();
	if (now >= deadline)
		return 0;
	if (remaining_address && put_user_timespec(remaining_address, deadline - now))
		return -EFAULT;
	task->restart = sleep_restart;
	task->restart_data[0] = deadline;
	task->restart_data[1] = remaining_address;
	return -ERESTART_RESTARTBLOCK;
}

static int64_t sleep_restart(struct task *task)
{
	return sleep_to(task->restart_data[0], task->restart_data[1], true);
}

SYSCALL_HANDLER(nanosleep, uint64_t address, uint64_t remaining_address)
{
	uint64_t ns;
	int error = address ? get_user_timespec(address, &ns) : -EFAULT;
	if (error)
		return error;
	if (!ns)
		return 0;
	return sleep_to(clock_monotonic() + ns, remaining_address, true);
}

SYSCALL_HANDLER(clock_nanosleep, int clock, int flags, uint64_t address, uint64_t remaining_address)
{
	uint64_t ns, deadline;
	int error = address ? get_user_timespec(address, &ns) : -EFAULT;
	if (error)
		return error;
	if (flags & TIMER_ABSTIME) {
		error = clock_deadline(clock, ns, &deadline);
		return error ? error : sleep_to(deadline, 0, false);
	}
	error = clock_deadline(clock, 1, &deadline);
	if (error || !ns)
		return error;
	return sleep_to(clock_monotonic() + ns, remaining_address, true);
}

/* ---- Interval timers ---- */

static uint64_t timeval_ns(const struct linux_timeval *time)
{
	uint64_t seconds = (uint64_t)time->tv_sec;
	return seconds > INT64_MAX / NS_PER_SECOND - 1
	           ? INT64_MAX
	           : seconds * NS_PER_SECOND + (uint64_t)time->tv_usec * 1000;
}

static struct linux_timeval timeval_of(uint64_t ns)
{
	return (struct linux_timeval){(int64_t)(ns / NS_PER_SECOND), (int64_t)(ns % NS_PER_SECOND / 1000)};
}

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

SYSCALL_HANDLER(getitimer, int which, uint64_t address)
{
	struct linux_itimerval value = {0};
	if (which < 0 || which > 2)
		return -EINVAL;
	if (which == 0)
		value = real_timer_get(current_task()->process);
	return copy_to_user(address, &value, sizeof(value));
}

SYSCALL_HANDLER(setitimer, int which, uint64_t new_address, uint64_t old_address)
{
	struct process *process = current_task()->process;
	struct linux_itimerval value = {0}, old = {0};
	if (which < 0 || which > 2)
		return -EINVAL;
	if (new_address && copy_from_user(&value, new_address, sizeof(value)))
		return -EFAULT;
	if (value.value.tv_sec < 0 || value.value.tv_usec < 0 || value.value.tv_usec > 999999 ||
	    value.interval.tv_sec < 0 || value.interval.tv_usec < 0 || value.interval.tv_usec > 999999)
		return -EINVAL;
	if (which == 0) {
		old = real_timer_get(process);
		real_timer_set(process, timeval_ns(&value.value), timeval_ns(&value.interval));
	} else if (value.value.tv_sec || value.value.tv_usec) {
		return -EINVAL; /* CPU-time timers: the substrate does not tell a thread's time as it passes
		                 */
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

enum { SIGEV_SIGNAL = 0, SIGEV_NONE = 1, SIGEV_THREAD_ID = 4 };

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
};

static struct posix_timer *posix_timer_find(int id)
{
	struct posix_timer *timer;
	list_for_each(timer, &current_task()->process->posix_timers, link) if (timer->id == id) return timer;
	return 0;
}

static void posix_timer_expire(struct timer *base)
{
	struct posix_timer *timer = container_of(base, struct posix_timer, timer);
	if (timer->interval) {
		uint64_t now = clock_monotonic(), next = base->deadline + timer->interval;
		timer->overrun = 0;
		if (next <= now) {
			timer->overrun = (now - next) / timer->interval + 1;
			next += timer->overrun * timer->interval;
		}
		timer_set(base, next);
	}
	if (timer->notify == SIGEV_NONE)
		return;
	struct linux_siginfo info = {.si_signo = timer->signal,
	                             .si_code = SI_TIMER,
	                             .timer_id = timer->id,
	                             .overrun = (int32_t)timer->overrun,
	                             .timer_value = timer->value};
	struct task *task = timer->notify == SIGEV_THREAD_ID ? task_find(timer->thread) : 0;
	if (task && task->process == timer->process)
		(void)signal_send_task(task, timer->signal, &info);
	else
		(void)signal_send_process(timer->process, timer->signal, &info);
}

SYSCALL_HANDLER(timer_create, int clock, uint64_t event_address, uint64_t id_address)
{
	struct process *process = current_task()->process;
	struct linux_sigevent event = {.signal = SIGALRM, .notify = SIGEV_SIGNAL};
	uint64_t ignored;
	if (event_address && copy_from_user(&event, event_address, sizeof(event)))
		return -EFAULT;
	if (clock_deadline(clock, 1, &ignored))
		return -EINVAL;
	if ((event.notify & ~SIGEV_THREAD_ID) > SIGEV_NONE ||
	    (event.notify != SIGEV_NONE && (event.signal < 1 || event.signal > SIGNAL_COUNT)))
		return -EINVAL;
	struct posix_timer *timer = heap_allocate(sizeof(*timer));
	if (!timer)
		return -EAGAIN;
	timer->id = process->next_timer++;
	timer->process = process;
	timer->clock = clock;
	timer->notify = event.notify;
	timer->signal = event.signal;
	timer->thread = event.thread;
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
	uint64_t now = clock_monotonic();
	if (timer->timer.armed)
		spec.value = timespec_of(timer->timer.deadline > now ? timer->timer.deadline - now : 1);
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
	if (value) {
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
	if (process->zombie)
		timer_cancel(&process->real_timer);
}

/* ---- Usage ---- */

SYSCALL_HANDLER(times, uint64_t address)
{
	struct process *process = current_task()->process;
	const struct linux_rusage *children = &process->children_usage;
	struct linux_tms tms = {.utime = (int64_t)(process_cpu_ns(process) / 10000000),
	                        .cutime =
	                            children->ru_utime.tv_sec * 100 + children->ru_utime.tv_usec / 10000};
	if (address && copy_to_user(address, &tms, sizeof(tms)))
		return -EFAULT;
	return (int64_t)(clock_monotonic() / 10000000);
}

void usage_of_process(struct process *process, struct linux_rusage *usage)
{
	memset(usage, 0, sizeof(*usage));
	usage->ru_utime = timeval_of(process_cpu_ns(process));
	usage->ru_minflt = (int64_t)process->minor_faults;
	usage->ru_nvcsw = (int64_t)process->voluntary_switches;
	struct task *task;
	list_for_each(task, &process->threads, thread_link)
	{
		usage->ru_minflt += (int64_t)task->minor_faults;
		usage->ru_nvcsw += (int64_t)task->voluntary_switches;
	}
}

void usage_add(struct linux_rusage *sum, const struct linux_rusage *more)
{
	sum->ru_utime.tv_sec += more->ru_utime.tv_sec;
	sum->ru_utime.tv_usec += more->ru_utime.tv_usec;
	if (sum->ru_utime.tv_usec >= 1000000) {
		sum->ru_utime.tv_usec -= 1000000;
		sum->ru_utime.tv_sec++;
	}
	sum->ru_minflt += more->ru_minflt;
	sum->ru_nvcsw += more->ru_nvcsw;
	if (more->ru_maxrss > sum->ru_maxrss)
		sum->ru_maxrss = more->ru_maxrss;
}

SYSCALL_HANDLER(getrusage, int who, uint64_t address)
{
	struct task *task = current_task();
	struct linux_rusage usage = {0};
	switch (who) {
	case 0:
		usage_of_process(task->process, &usage);
		break;
	case -1:
		usage = task->process->children_usage;
		break;
	case 1:
		usage.ru_utime = timeval_of(task_cpu_ns(task));
		usage.ru_nvcsw = (int64_t)task->voluntary_switches;
		break;
	default:
		return -EINVAL;
	}
	return copy_to_user(address, &usage, sizeof(usage));
}
