/* The time system calls: clock_gettime(2), nanosleep(2), times(2), getrusage(2). Timers: timers.c. */
#include "internal.h"
#include "time/account.h"

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

/* struct timex, of which a sub-kernel can only read: its clock is not disciplined from inside. */
struct linux_timex {
	uint32_t modes, pad1;
	int64_t offset, frequency, maximum_error, estimated_error;
	int32_t status, pad2;
	int64_t constant, precision, tolerance;
	struct linux_timeval time;
	int64_t tick, pps_frequency, jitter;
	int32_t shift, pad3;
	int64_t stability, jitter_count, calibrations, errors, stability_count;
	int32_t tai, padding[11];
};
_Static_assert(sizeof(struct linux_timex) == 208, "struct timex");

static int64_t adjust(uint64_t address)
{
	enum { STA_UNSYNC = 64, TIME_ERROR = 5 };
	struct linux_timex timex;
	if (copy_from_user(&timex, address, sizeof(timex)))
		return -EFAULT;
	if (timex.modes)
		return capable(CAP_SYS_TIME) ? -EINVAL : -EPERM;
	struct linux_timespec now = clock_realtime_timespec();
	timex = (struct linux_timex){.maximum_error = 16000000,
	                             .estimated_error = 16000000,
	                             .status = STA_UNSYNC,
	                             .constant = 2,
	                             .precision = 1,
	                             .tolerance = 32768000,
	                             .tick = 10000,
	                             .time = {now.tv_sec, now.tv_nsec / 1000}};
	return copy_to_user(address, &timex, sizeof(timex)) ? -EFAULT : TIME_ERROR;
}

SYSCALL_HANDLER(adjtimex, uint64_t address)
{
	return adjust(address);
}

SYSCALL_HANDLER(clock_adjtime, int clock, uint64_t address)
{
	uint64_t ns;
	int error = clock_read(clock, &ns);
	return error ? error : clock == CLOCK_REALTIME ? adjust(address) : -EOPNOTSUPP;
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

/* ---- Usage ---- */

SYSCALL_HANDLER(times, uint64_t address)
{
	struct process *process = current_task()->process;
	const struct linux_rusage *children = &process->children_usage;
	struct cpu_times times = process_times(process);
	struct linux_tms tms = {.utime = (int64_t)(times.user_ns / TICK_NS),
	                        .stime = (int64_t)(times.system_ns / TICK_NS),
	                        .cutime = (int64_t)(timeval_ns(&children->ru_utime) / TICK_NS),
	                        .cstime = (int64_t)(timeval_ns(&children->ru_stime) / TICK_NS)};
	if (address && copy_to_user(address, &tms, sizeof(tms)))
		return -EFAULT;
	return (int64_t)(clock_monotonic() / TICK_NS);
}

void usage_of_process(struct process *process, struct linux_rusage *usage)
{
	memset(usage, 0, sizeof(*usage));
	struct cpu_times times = process_times(process);
	usage->ru_utime = timeval_of(times.user_ns);
	usage->ru_stime = timeval_of(times.system_ns);
	usage->ru_minflt = (int64_t)process->minor_faults;
	usage->ru_nvcsw = (int64_t)process->voluntary_switches;
	struct task *task;
	list_for_each(task, &process->threads, thread_link)
	{
		usage->ru_minflt += (int64_t)task->minor_faults;
		usage->ru_nvcsw += (int64_t)task->voluntary_switches;
	}
}

static void timeval_add(struct linux_timeval *sum, const struct linux_timeval *more)
{
	sum->tv_sec += more->tv_sec;
	sum->tv_usec += more->tv_usec;
	if (sum->tv_usec >= 1000000) {
		sum->tv_usec -= 1000000;
		sum->tv_sec++;
	}
}

void usage_add(struct linux_rusage *sum, const struct linux_rusage *more)
{
	timeval_add(&sum->ru_utime, &more->ru_utime);
	timeval_add(&sum->ru_stime, &more->ru_stime);
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
		usage.ru_utime = timeval_of(task_times(task).user_ns);
		usage.ru_stime = timeval_of(task_times(task).system_ns);
		usage.ru_minflt = (int64_t)task->minor_faults;
		usage.ru_nvcsw = (int64_t)task->voluntary_switches;
		break;
	default:
		return -EINVAL;
	}
	return copy_to_user(address, &usage, sizeof(usage));
}
