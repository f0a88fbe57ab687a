/* Measures kernel paths from user mode, as the first unit of a machine that counts instructions as time
 * (docs/realtime.md). Prints "latency: NAME: best N, worst N of N" and powers off. */
#include <holon/handoff.h>
#include "latency.h"

const struct handoff *boot;
struct thread_page *page;
uint64_t overhead;
static struct system_info machine;
static const void *image;
static uint64_t image_bytes;
static handle_t image_memory;

uint64_t now_ns(void)
{
	return machine.clock.ns_base + (uint64_t)(((unsigned __int128)(ticks() - machine.clock.tsc_base) *
	                                           machine.clock.multiplier) >>
	                                          machine.clock.shift);
}

void result_add(struct result *result, uint64_t value)
{
	value = value > overhead ? value - overhead : 0;
	if (!result->count || value < result->best)
		result->best = value;
	if (value > result->worst)
		result->worst = value;
	result->count++;
}

void result_print(const char *name, const struct result *result)
{
	log_print(boot->system, page, "latency: %s: best %lu, worst %lu of %lu\n", name,
	          (unsigned long)result->best, (unsigned long)result->worst, (unsigned long)result->count);
}

handle_t must(int64_t result, const char *what)
{
	if (result > 0)
		return (handle_t)result;
	log_print(boot->system, page, "latency: failed: %s: %s\n", what, error_text(result));
	system_control(boot->system, SYSTEM_POWER_OFF, 0);
	unit_exit(1);
}

handle_t budget_at(unsigned cpu, uint32_t priority)
{
	struct budget_spec spec = {.cpu = cpu, .priority = priority, .quota_ns = 10000000};

	return must(budget_create(page, boot->unit, &spec), "budget");
}

#define STACK_BYTES 16384u

static handle_t run(void (*entry)(uint64_t), uint64_t argument, bool own_page, handle_t budget)
{
	handle_t page_memory;
	void *thread_page = window_allocate(PAGE_SIZE_BYTES, &page_memory);
	uint8_t *stack = window_allocate(STACK_BYTES, 0);
	struct thread_spec spec = {.entry = (uint64_t)entry,
	                           .stack = (uint64_t)stack + STACK_BYTES - 8,
	                           .argument = {own_page ? (uint64_t)thread_page : argument},
	                           .budget = budget,
	                           .page_address = (uint64_t)thread_page};
	handle_t thread = must(thread_create(page, boot->unit, boot->space, page_memory, 0, &spec), "thread");

	if (thread_start(thread))
		must(0, "thread_start");
	cap_delete(page_memory);
	return thread;
}

handle_t thread_run(void (*entry)(uint64_t), uint64_t argument, handle_t budget)
{
	return run(entry, argument, false, budget);
}

handle_t thread_run_own_page(void (*entry)(uint64_t), handle_t budget)
{
	return run(entry, 0, true, budget);
}

handle_t server_unit(handle_t channel, unsigned cpu)
{
	const char *why = "";
	struct spawn spawn = {
	    .unit = {.memory_bytes = 4 << 20, .caps = 64, .priority_max = 127, .name = "server"},
	    .parent = boot->unit,
	    .image = image_memory,
	    .image_bytes = image_bytes,
	    .image_map = image,
	    .stack_bytes = 16384,
	    .priority = 100,
	    .cpu_mask = 1u << cpu,
	    .slice_ns = 10000000,
	    .cap_count = 1,
	    .caps = {{.name = "channel", .handle = channel, .rights = RIGHT_RECEIVE}}};

	return must(spawn_unit(page, &spawn, boot->machine.cpu_count, &why), why);
}

void holon_start(const void *info, struct thread_page *thread_page);
void holon_start(const void *info, struct thread_page *thread_page)
{
	const struct start_info *start = info;

	page = thread_page;
	if (start->magic == START_MAGIC) {
		for (const struct start_capability *cap = start->caps; cap->name[0]; cap++)
			if (cap->name[0] == 'c') /* "channel" */
				serve(cap->handle);
	}
	boot = info;
	window_init(boot->space, NATIVE_BASE + (1ull << 34));
	system_info(page, &machine);
	for (unsigned module = 0; module < boot->module_count; module++)
		if (boot->modules[module].name[0] == 's' && boot->modules[module].name[1] == 'y') {
			image_memory = boot->modules[module].handle;
			image_bytes = boot->modules[module].size;
			image = window_map(image_memory, 0, (image_bytes + 4095) & ~4095ull, MAP_READ);
		}
	overhead = measure_overhead();
	/* The kernels that count or time their own work are slower: they are for the attacks alone. */
	if (!measure_attacks()) {
		measure_paths();
		measure_stretches();
	}
	log_print(boot->system, page, "latency: done\n");
	system_control(boot->system, SYSTEM_POWER_OFF, 0);
	unit_exit(0);
}
