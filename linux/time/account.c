/* CPU time: how much each task has used, user and system apart, and how long tasks waited for a processor.
 *
 * The substrate counts the time of a whole unit, not of a thread. What one thread used is estimated: its CPU runs the
 * threads that are ready there in turn, with equal slices, so each gets its share of every moment that passes. A CPU's
 * "share time" advances by the time that passes divided by the number of ready threads; a thread has used what share
 * time advanced while it was ready. Time that the CPU spent for other units is in it.
 *
 * System time is measured: guest.S adds up the processor's counter while a task is in the personality, sleeping left out.
 * Its part of the counter's advance while the task was ready is the part of the task's CPU time that is system time. What
 * the substrate itself does for a guest (entering and leaving it) counts as user time.
 */
#include "internal.h"
#include "time/account.h"

struct share {
	uint64_t last; /* when `advanced` and the rest were brought up to date, ns */
	uint64_t advanced, busy, crowded;
	uint64_t awake, system; /* of threads that sleep or have gone: of the processor's counter */
	uint32_t ready;
	uint8_t pad[12];
};
_Static_assert(sizeof(struct share) == 64, "a line of the cache for each CPU");
static struct share shares[CPU_MAX] __attribute__((aligned(64)));

static inline void add(uint64_t *to, uint64_t value)
{
	__atomic_fetch_add(to, value, __ATOMIC_RELAXED);
}

/* Brings SHARE up to now; its share time. Two at once differ by what passes between two lines. */
static uint64_t share_time(struct share *share)
{
	uint64_t now = clock_monotonic(), last = __atomic_load_n(&share->last, __ATOMIC_RELAXED);
	uint32_t ready = __atomic_load_n(&share->ready, __ATOMIC_RELAXED);
	if (now > last && __atomic_compare_exchange_n(&share->last, &last, now, false, __ATOMIC_RELAXED,
	                                              __ATOMIC_RELAXED)) {
		if (ready) {
			add(&share->advanced, (now - last) / ready);
			add(&share->busy, now - last);
		}
		if (ready > 1)
			add(&share->crowded, now - last);
	}
	return __atomic_load_n(&share->advanced, __ATOMIC_RELAXED);
}

void account_ready(struct task *task)
{
	struct account *account = &task->account;
	struct share *share = &shares[task->area->cpu];
	if (account->gone)
		return;
	account->cpu = task->area->cpu;
	account->base = account->used - share_time(share);
	account->woke = task->entered = processor_counter();
	__atomic_fetch_add(&share->ready, 1, __ATOMIC_RELAXED);
	__atomic_store_n(&task->area->ready, true, __ATOMIC_RELEASE);
}

void account_asleep(struct task *task)
{
	struct account *account = &task->account;
	struct share *share = &shares[account->cpu];
	uint64_t counter = processor_counter();
	if (!task->area->ready)
		return;
	task->system_counter += counter - task->entered;
	task->entered = counter;
	account->awake += counter - account->woke;
	add(&share->awake, counter - account->woke);
	add(&share->system, task->system_counter - account->system_flushed);
	account->system_flushed = task->system_counter;
	account->used = account->base + share_time(share);
	__atomic_store_n(&task->area->ready, false, __ATOMIC_RELEASE);
	__atomic_fetch_sub(&share->ready, 1, __ATOMIC_RELAXED);
}

uint32_t account_ready_on(uint32_t cpu)
{
	return __atomic_load_n(&shares[cpu].ready, __ATOMIC_RELAXED);
}

void account_moved(void)
{
	account_asleep(current_task());
	account_ready(current_task());
}

static bool is_ready(const struct task *task)
{
	return task->area && __atomic_load_n(&task->area->ready, __ATOMIC_ACQUIRE);
}

uint64_t task_cpu_ns(const struct task *task)
{
	const struct account *account = &task->account;
	return is_ready(task) ? account->base + share_time(&shares[account->cpu]) : account->used;
}

uint64_t process_cpu_ns(const struct process *process)
{
	uint64_t sum = process->gone.user_ns + process->gone.system_ns;
	struct task *task;
	list_for_each(task, &process->threads, thread_link) sum += task_cpu_ns(task);
	return sum;
}

/* VALUE * PART / WHOLE, to a millionth of VALUE; all of it where PART is not less. */
static uint64_t portion(uint64_t value, uint64_t part, uint64_t whole)
{
	if (part >= whole)
		return value;
	while (whole >> 43) {
		whole >>= 1;
		part >>= 1;
	}
	uint64_t fraction = (part << 20) / whole;
	return (value >> 20) * fraction + ((value & 0xfffff) * fraction >> 20);
}

/* TOTAL has been used by now, at the counters SYSTEM and AWAKE: what is new of it since TOLD is divided as they say. */
static void divide(struct cpu_told *told, uint64_t total, uint64_t system, uint64_t awake)
{
	uint64_t before = told->times.user_ns + told->times.system_ns;
	if (total <= before)
		return;
	uint64_t part = portion(total - before, system - told->system, awake - told->awake);
	told->times.system_ns += part;
	told->times.user_ns += total - before - part;
	told->system = system;
	told->awake = awake;
}

struct cpu_times task_times(struct task *task)
{
	struct account *account = &task->account;
	uint64_t awake = account->awake, system = task->system_counter, now = processor_counter();
	if (is_ready(task))
		awake += now - account->woke;
	if (task == current_task()) /* which is in a call; of others in one, that call is not known yet */
		system += now - task->entered;
	divide(&account->told, task_cpu_ns(task), system, awake);
	return account->told.times;
}

struct cpu_times process_times(const struct process *process)
{
	struct cpu_times sum = process->gone;
	struct task *task;
	list_for_each(task, &process->threads, thread_link)
	{
		struct cpu_times each = task_times(task);
		sum.user_ns += each.user_ns;
		sum.system_ns += each.system_ns;
	}
	return sum;
}

uint64_t task_wait_ns(const struct task *task)
{
	/* The counter's advance in time, as clock_monotonic() has it: what it was ready for, but did not use. */
	const struct clock_params *clock = clock_parameters();
	uint64_t awake = task->account.awake, used = task_cpu_ns(task);
	if (is_ready(task))
		awake += processor_counter() - task->account.woke;
	uint64_t ns = (uint64_t)((unsigned __int128)awake * clock->multiplier >> clock->shift);
	return ns > used ? ns - used : 0;
}

void account_gone(struct task *task)
{
	struct cpu_times *gone = &task->process->gone, last = task_times(task);
	account_asleep(task);
	task->account.gone = true;
	gone->user_ns += last.user_ns;
	gone->system_ns += last.system_ns;
}

void cpu_times_of_machine(struct cpu_times times[CPU_MAX], uint64_t used)
{
	static struct cpu_told told[CPU_MAX];
	uint64_t awake[CPU_MAX] = {0}, system[CPU_MAX] = {0}, busy = 0, now = processor_counter();
	for (uint32_t cpu = 0; cpu < machine.cpu_count; cpu++) {
		(void)share_time(&shares[cpu]);
		awake[cpu] = shares[cpu].awake;
		system[cpu] = shares[cpu].system;
		busy += shares[cpu].busy;
	}
	for (struct process *process = process_next(0); process; process = process_next(process)) {
		const struct task *task;
		list_for_each(task, &process->threads, thread_link)
		{
			if (!is_ready(task))
				continue;
			awake[task->account.cpu] += now - task->account.woke;
			system[task->account.cpu] += task->system_counter - task->account.system_flushed;
		}
	}
	for (uint32_t cpu = 0; cpu < machine.cpu_count; cpu++) {
		divide(&told[cpu], portion(used, shares[cpu].busy, busy), system[cpu], awake[cpu]);
		times[cpu] = told[cpu].times;
	}
}

/* ---- Waiting for a processor: /proc/pressure/cpu ----
 * "Some" wait while a CPU has more ready threads than one. Of several CPUs the mean counts, weighted by how busy each
 * was since the last look; Linux' documentation of pressure stall information says the same. */

static uint64_t stalled_ns;

uint64_t cpu_stalled_ns(void)
{
	static uint64_t busy_seen[CPU_MAX], crowded_seen[CPU_MAX];
	uint64_t weighted = 0, weights = 0;
	for (uint32_t cpu = 0; cpu < machine.cpu_count; cpu++) {
		struct share *share = &shares[cpu];
		(void)share_time(share);
		uint64_t busy = (share->busy - busy_seen[cpu]) >> 10,
		         crowded = share->crowded - crowded_seen[cpu];
		weighted += (crowded >> 10) * busy;
		weights += busy;
		busy_seen[cpu] = share->busy;
		crowded_seen[cpu] = share->crowded;
	}
	stalled_ns += weights ? (weighted / weights) << 10 : 0;
	return stalled_ns;
}
