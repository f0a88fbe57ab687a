/* See machine.h; and the load averages, which are sampled every five seconds. proc(5). */
#include "../internal.h"
#include "../include/vnode.h"
#include "../time/account.h"
#include "machine.h"

static void memory_pages(uint64_t *total, uint64_t *free)
{
	uint64_t used;
	linux_memory(total, &used);
	*free = (*total > used ? *total - used : 0) / PAGE_SIZE_BYTES;
	*total /= PAGE_SIZE_BYTES;
}

void text_vmstat(struct proc_text *text, const struct proc_subject *subject)
{
	uint64_t total, free, faults = 0;
	(void)subject;
	memory_pages(&total, &free);
	for (struct process *process = process_next(0); process; process = process_next(process)) {
		const struct task *task;
		faults += process->minor_faults;
		list_for_each(task, &process->threads, thread_link) faults += task->minor_faults;
	}
	proc_print(text,
	           "nr_free_pages %lu\nnr_anon_pages %lu\nnr_mapped 0\nnr_file_pages 0\nnr_dirty 0\n"
	           "nr_writeback 0\nnr_shmem 0\npgpgin 0\npgpgout 0\npswpin 0\npswpout 0\n",
	           free, total - free);
	proc_print(text, "pgfault %lu\npgmajfault 0\noom_kill 0\n", faults);
}

static void cpu_heads(struct proc_text *text)
{
	for (uint32_t cpu = 0; cpu < machine.cpu_count; cpu++)
		proc_print(text, "       CPU%u", cpu);
	proc_print(text, "\n");
}

/* Interrupts are the substrate's and its drivers'; a sub-kernel has none. */
void text_interrupts(struct proc_text *text, const struct proc_subject *subject)
{
	(void)subject;
	proc_print(text, "    ");
	cpu_heads(text);
}

void text_softirqs(struct proc_text *text, const struct proc_subject *subject)
{
	(void)subject;
	proc_print(text, "             ");
	cpu_heads(text);
}

void text_buddyinfo(struct proc_text *text, const struct proc_subject *subject)
{
	uint64_t total, free;
	(void)subject;
	memory_pages(&total, &free);
	proc_print(text,
	           "Node 0, zone   Normal %6lu      0      0      0      0      0      0      0      0      "
	           "0      0 \n",
	           free);
}

void text_zoneinfo(struct proc_text *text, const struct proc_subject *subject)
{
	uint64_t total, free;
	(void)subject;
	memory_pages(&total, &free);
	proc_print(text,
	           "Node 0, zone   Normal\n  pages free     %lu\n        min      0\n        low      0\n"
	           "        high     0\n        spanned  %lu\n        present  %lu\n        managed  %lu\n",
	           free, total, total, total);
}

/* ---- Load averages: an exponential mean of how many threads want to run, as Linux has it ---- */

#define LOAD_INTERVAL_NS (5 * NS_PER_SECOND)

static uint32_t averages[3];
static uint32_t stalled[3]; /* in parts of LOAD_ONE: for how much of the last 10, 60, 300 s somebody waited */
static struct timer load_timer;

static void load_sample(struct timer *timer)
{
	/* exp(-5 s / 1, 5, 15 min), of LOAD_ONE */
	static const uint32_t keeps[3] = {1884, 2014, 2037};
	uint32_t running = thread_running_count() * LOAD_ONE;
	for (unsigned i = 0; i < 3; i++)
		averages[i] = (averages[i] * keeps[i] + running * (LOAD_ONE - keeps[i])) / LOAD_ONE;
	/* exp(-5 s / 10, 60, 300 s) */
	static const uint32_t stall_keeps[3] = {1242, 1884, 2014};
	static uint64_t seen_ns, seen_stalled_ns;
	uint64_t now = clock_monotonic(), total = cpu_stalled_ns();
	uint64_t part = (total - seen_stalled_ns) * LOAD_ONE / (now - seen_ns + 1);
	for (unsigned i = 0; i < 3; i++)
		stalled[i] = (stalled[i] * stall_keeps[i] +
		              (uint32_t)(part < LOAD_ONE ? part : LOAD_ONE) * (LOAD_ONE - stall_keeps[i])) /
		             LOAD_ONE;
	seen_ns = now;
	seen_stalled_ns = total;
	timer_set(timer, now + LOAD_INTERVAL_NS);
}

void load_start(void)
{
	load_timer.expire = load_sample;
	timer_set(&load_timer, clock_monotonic() + LOAD_INTERVAL_NS);
}

void load_averages(uint32_t loads[3])
{
	memcpy(loads, averages, sizeof(averages));
}

/* The whole machine is never without a thread that runs while others wait for a processor: "full" is 0. */
static void text_cpu_pressure(struct proc_text *text, const struct proc_subject *subject)
{
	static const char *const spans[3] = {"avg10", "avg60", "avg300"};
	(void)subject;
	proc_print(text, "some");
	for (unsigned i = 0; i < 3; i++)
		proc_print(text, " %s=%u.%02u", spans[i], stalled[i] * 100 / LOAD_ONE,
		           stalled[i] * 10000 / LOAD_ONE % 100);
	proc_print(text, " total=%lu\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n",
	           cpu_stalled_ns() / 1000);
}

/* Nothing is paged out: nobody waits for memory, and waiting for a disk is not measured. */
static const char some_full[] = "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"
                                "full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n";

const struct proc_entry pressure_entries[] = {PROC_TEXT("cpu", text_cpu_pressure),
                                              PROC_FIXED("io", (void *)some_full),
                                              PROC_FIXED("memory", (void *)some_full),
                                              {0}};

const struct proc_entry sysvipc_entries[] = {PROC_TEXT("msg", text_sysvipc_msg),
                                             PROC_TEXT("sem", text_sysvipc_sem),
                                             PROC_TEXT("shm", text_sysvipc_shm),
                                             {0}};
