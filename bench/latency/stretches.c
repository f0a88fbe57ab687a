/* How long the kernel may keep a thread of the highest priority waiting: it asks for a timer again and again,
 * while a thread of low priority runs the longest system calls there are. What it is late by, above what it
 * is late by when nothing else runs, is the longest stretch with interrupts off. */
#include "latency.h"

static struct {
	handle_t event;
	volatile bool stop, running;
	volatile uint64_t step;
	struct result result;
} probe;

static void probing(uint64_t unused)
{
	uint64_t step = 0;

	(void)unused;
	for (;;) {
		/* The distance varies, so that every point of a long call is hit some time. */
		step = step * 6364136223846793005ull + 1442695040888963407ull;
		uint64_t deadline = now_ns() + 6000 + (step >> 33) % 3001, bits;

		if (event_timer(probe.event, deadline, 1) || event_wait(probe.event, DEADLINE_NEVER, &bits))
			thread_exit();
		uint64_t late = now_ns() - deadline;

		if (probe.running)
			result_add(&probe.result, late + overhead);
	}
}

static void probe_start(void)
{
	probe.result = (struct result){0};
	probe.running = true;
}

static void probe_end(const char *name)
{
	probe.running = false;
	result_print(name, &probe.result);
}

static void idle_for(uint64_t ns)
{
	uint64_t until = now_ns() + ns;

	while (now_ns() < until)
		;
}

static volatile bool sharing;

static void share(uint64_t unused)
{
	(void)unused;
	while (sharing)
		;
	thread_exit();
}

static void sleep_for(uint64_t ns)
{
	handle_t event = must(event_create(), "event");
	uint64_t bits;

	if (event_timer(event, now_ns() + ns, 1) || event_wait(event, DEADLINE_NEVER, &bits))
		must(0, "event_wait");
	cap_delete(event);
}

/* Two threads below the probe share a budget in short time slices: now and then one ends just before the probe's timer
 * does, and the kernel takes two interrupts in a row. */
static void measure_slices(void)
{
	struct budget_spec spec = {.cpu = 0, .priority = 1, .quota_ns = 20000};
	handle_t budget = must(budget_create(page, boot->unit, &spec), "budget");

	sharing = true;
	cap_delete(thread_run(share, 0, budget));
	cap_delete(thread_run(share, 0, budget));
	sleep_for(1000000);
	probe_start();
	sleep_for(20000000);
	probe_end("timer interrupt where time slices end, to the woken thread");
	sharing = false;
	sleep_for(1000000);
	cap_delete(budget);
}

/* A unit as large as fits: memory, objects, capabilities, children. */
static handle_t large_unit(void)
{
	struct unit_spec spec = {
	    .memory_bytes = 96 << 20, .caps = 8000, .priority_max = 100, .name = "large"};
	handle_t unit = must(unit_create(page, boot->unit, &spec), "unit");
	handle_t memory = must(memory_create_in(unit, 64 << 20), "memory");
	uint8_t *window = window_map(memory, 0, 64 << 20, MAP_READ | MAP_WRITE);

	for (uint64_t at = 0; at < 64 << 20; at += PAGE_SIZE_BYTES)
		window[at] = 1;
	window_unmap(window, 64 << 20);
	for (unsigned i = 0; i < 4000; i++)
		if (unit_grant(unit, memory, RIGHT_READ, 0) < 0)
			break;
	struct unit_spec child = {.memory_bytes = 128 << 10, .caps = 10, .priority_max = 10, .name = "child"};

	for (unsigned i = 0; i < 100; i++) {
		int64_t made = unit_create(page, unit, &child);

		if (made < 0)
			break;
		cap_delete((handle_t)made);
	}
	cap_delete(memory);
	return unit;
}

void measure_stretches(void)
{
	probe.event = must(event_create(), "event");
	thread_run(probing, 0, budget_at(0, 127));

	probe_start();
	idle_for(3000000);
	probe_end("timer interrupt to the woken thread");

	handle_t unit = large_unit();

	probe_start();
	int64_t result = unit_destroy(unit);

	probe_end("the same while the largest unit is destroyed");
	if (result)
		log_print(boot->system, page, "latency: failed: unit_destroy: %s\n", error_text(result));
	cap_delete(unit);

	handle_t memory = must(memory_create(MEMORY_ANONYMOUS, 64 << 20, 0, 0), "memory");
	uint8_t *window = window_map(memory, 0, 64 << 20, MAP_READ | MAP_WRITE);

	probe_start();
	for (uint64_t at = 0; at < 64 << 20; at += PAGE_SIZE_BYTES)
		window[at] = 1;
	probe_end("the same during 16,384 demand-zero faults");
	probe_start();
	handle_t clone = must(memory_clone(memory, 0, 64 << 20), "clone");

	probe_end("the same while 64 MiB are cloned");
	probe_start();
	cap_delete(clone);
	probe_end("the same while the clone is deleted");
	probe_start();
	window_unmap(window, 64 << 20);
	probe_end("the same while 64 MiB are unmapped");
	for (unsigned i = 0; i < 6000; i++)
		if (cap_copy(memory, RIGHT_READ, 0) < 0)
			break;
	probe_start();
	must(cap_revoke(memory) == E_OK, "cap_revoke");
	probe_end("the same while 6,000 capabilities are revoked");
	probe_start();
	cap_delete(memory);
	probe_end("the same while 64 MiB are freed");
	measure_slices();
}
