/* A first unit that tests messages, waits and deaths between units and CPUs, on the machine. The same program
 * is the servers: its start page's arguments say which role. Each line it logs is a check's result.
 */
#include <holon/handoff.h>
#include <holon.h>
#include "../guest_enter.h"

static const struct handoff *boot;
static struct thread_page *page;
static const void *image;
static handle_t image_memory;
static uint64_t image_bytes;

#define SECOND 1000000000ull
#define CPUS   (boot->machine.cpu_count)

static void report(bool passed, const char *name, int64_t value)
{
	log_print(boot->system, page, passed ? "ok messages: %s\n" : "not ok messages: %s - got %ld\n", name,
	          (long)value);
}

static uint64_t soon(void)
{
	return clock_ns() + SECOND;
}

static void pause_for(uint64_t ns)
{
	static handle_t never;

	if (!never)
		never = (handle_t)event_create();
	(void)event_wait(never, clock_ns() + ns, 0);
}

/* ---- Servers, in units of their own ---- */

static handle_t named(const struct start_info *info, char first)
{
	for (const struct start_capability *cap = info->caps; cap->name[0]; cap++)
		if (cap->name[0] == first)
			return cap->handle;
	return 0;
}

static void fault_again(void)
{
	*(volatile uint64_t *)16 = 1;
}

static void server(const struct start_info *info)
{
	handle_t channel = named(info, 'c'), event = named(info, 'e');
	char role = info->arguments[0];
	struct message message;
	int64_t result = channel_receive(channel, &message, DEADLINE_NEVER);

	if (role == 'f') /* fault */
		*(volatile uint64_t *)8 = 1;
	if (role == 'l') { /* a fault entry that faults itself */
		thread_set(0, THREAD_SET_FAULT_ENTRY, (uint64_t)fault_again);
		fault_again();
	}
	if (role == 'h') { /* hang */
		event_signal(event, 1);
		for (;;)
			pause_for(SECOND);
	}
	if (role == 's') { /* save: answers the first call after the second came */
		int64_t saved = reply_save();

		event_signal(event, 1);
		if (channel_receive(channel, &message, DEADLINE_NEVER) < 0)
			unit_exit(1);
		message.info = 0;
		message.words[0] = 77;
		channel_reply((handle_t)saved, &message);
		saved = reply_save(); /* the second is never answered, but dropped */
		cap_delete((handle_t)saved);
		result = channel_receive(channel, &message, DEADLINE_NEVER);
	}
	while (!result) {
		for (unsigned i = 0; i < INFO_CAPS(message.info); i++) {
			event_signal(page->caps[i], 1ull << i);
			cap_delete(page->caps[i]);
		}
		for (unsigned i = 0; i < INFO_BYTES(message.info); i++)
			page->bytes[i] ^= 0x5a;
		for (unsigned i = 0; i < MESSAGE_WORDS; i++)
			message.words[i] = message.words[i] * 3 + i + message.badge;
		message.info = INFO_MAKE(INFO_BYTES(message.info), 0);
		result = channel_reply_receive(channel, &message, DEADLINE_NEVER);
	}
	unit_exit(result);
}

static handle_t serve(char role, handle_t channel, handle_t event, uint64_t caps, unsigned cpu,
                      handle_t notice)
{
	const char *why = "";
	char arguments[2] = {role, 0};
	struct spawn spawn = {.unit = {.memory_bytes = 2 << 20,
	                               .caps = caps,
	                               .priority_max = 127,
	                               .event = notice,
	                               .event_bits = 1,
	                               .name = "server"},
	                      .parent = boot->unit,
	                      .image = image_memory,
	                      .image_bytes = image_bytes,
	                      .image_map = image,
	                      .stack_bytes = 16384,
	                      .priority = 110,
	                      .cpu_mask = 1u << cpu,
	                      .slice_ns = 4000000,
	                      .arguments = arguments,
	                      .arguments_bytes = 2,
	                      .cap_count = 2,
	                      .caps = {{.name = "channel", .handle = channel, .rights = RIGHT_RECEIVE},
	                               {.name = "event", .handle = event, .rights = RIGHT_SIGNAL}}};
	int64_t unit = spawn_unit(page, &spawn, CPUS, &why);

	if (unit < 0)
		report(false, why, unit);
	return unit < 0 ? 0 : (handle_t)unit;
}

static void gone(handle_t unit)
{
	int64_t result = unit_destroy(unit);

	if (result)
		report(false, "a server's unit can be destroyed", result);
	cap_delete(unit);
}

/* ---- Threads of this unit ---- */

static handle_t run(void (*entry)(uint64_t, uint64_t, struct thread_page *), uint64_t argument,
                    uint64_t extra, handle_t budget)
{
	handle_t page_memory;
	void *thread_page = window_allocate(PAGE_SIZE_BYTES, &page_memory);
	uint8_t *stack = window_allocate(16384, 0);
	struct thread_spec spec = {.entry = (uint64_t)entry,
	                           .stack = (uint64_t)stack + 16384 - 8,
	                           .argument = {argument, extra},
	                           .budget = budget,
	                           .page_address = (uint64_t)thread_page};
	int64_t thread = thread_create(page, boot->unit, boot->space, page_memory, 0, &spec);

	if (thread < 0 || thread_start((handle_t)thread))
		report(false, "a thread can be started", thread);
	return (handle_t)thread;
}

/* As often as its CPU, which the host may not let run, has not stopped it in time. */
static int64_t stop(handle_t thread)
{
	int64_t result;

	do
		result = thread_stop(thread);
	while (result == E_BUSY);
	return result;
}

static volatile int64_t caller_result;
static volatile uint32_t caller_done;

static void caller(uint64_t channel, uint64_t deadline, struct thread_page *own)
{
	struct message message = {.words = {1}};

	(void)own;
	caller_result = channel_call(channel, &message, deadline);
	__atomic_fetch_add(&caller_done, 1, __ATOMIC_SEQ_CST);
	thread_exit();
}

static bool wait_for(volatile uint32_t *word, uint32_t value)
{
	uint64_t until = soon();

	while (*word < value && clock_ns() < until)
		pause_for(100000);
	return *word >= value;
}

/* ---- The tests ---- */

static void test_content(unsigned cpu, uint64_t flags, const char *name)
{
	handle_t channel = (handle_t)channel_create(flags), event = (handle_t)event_create();
	handle_t badged = (handle_t)cap_copy(channel, RIGHT_CALL, 4000);
	handle_t unit = serve('e', channel, event, 64, cpu, 0);
	bool right = true;
	int64_t result = 0;

	for (uint64_t round = 0; round < 300 && right && !result; round++) {
		struct message message = {.info = INFO_MAKE(round * 12 % (MESSAGE_BYTES_MAX + 1), round % 5)};
		uint64_t bits = 0;

		for (unsigned i = 0; i < MESSAGE_WORDS; i++)
			message.words[i] = round * 100 + i;
		for (unsigned i = 0; i < INFO_BYTES(message.info); i++)
			page->bytes[i] = (uint8_t)(round + i);
		for (unsigned i = 0; i < INFO_CAPS(message.info); i++) {
			int64_t copy = cap_copy(event, RIGHT_SIGNAL | RIGHT_MOVE | RIGHT_COPY, 0);

			page->caps[i] = i & 1 ? (handle_t)copy : event;
			page->cap_modes[i] =
			    i & 1 ? CAP_TRANSFER_MOVE : CAP_TRANSFER_COPY | RIGHT_SIGNAL << 16;
			if (!(i & 1))
				cap_delete((handle_t)copy);
		}
		uint64_t expect = (1ull << INFO_CAPS(message.info)) - 1;
		uint64_t bytes = INFO_BYTES(message.info);

		result = channel_call(badged, &message, soon());
		for (unsigned i = 0; i < MESSAGE_WORDS; i++)
			right &= message.words[i] == (round * 100 + i) * 3 + i + 4000;
		for (unsigned i = 0; i < bytes; i++)
			right &= page->bytes[i] == (uint8_t)((round + i) ^ 0x5a);
		(void)event_wait(event, DEADLINE_POLL, &bits);
		right &= bits == expect;
	}
	report(right && !result, name, result);
	gone(unit);
	cap_delete(badged);
	cap_delete(channel);
	cap_delete(event);
}

static void test_deaths(unsigned cpu)
{
	handle_t channel = (handle_t)channel_create(CHANNEL_DONATING), event = (handle_t)event_create();
	handle_t notice = (handle_t)event_create();
	handle_t unit = serve('h', channel, event, 64, cpu, notice);
	struct message message = {.words = {1}};
	uint64_t bits = 0;

	caller_done = 0;
	run(caller, channel, DEADLINE_NEVER, boot->machine.cpus[cpu].budget);
	int64_t result = event_wait(event, soon(), &bits);

	report(!result, "a server has a call", result);
	result = channel_call(channel, &message, clock_ns() + 2000000);

	report(result == E_TIMEOUT, "a call that nobody receives times out", result);
	gone(unit);
	report(wait_for(&caller_done, 1) && caller_result == E_PEER,
	       "the caller of a server that is destroyed gets E_PEER", caller_result);

	unit = serve('f', channel, event, 64, cpu, notice);
	(void)event_wait(notice, DEADLINE_POLL, &bits);
	result = channel_call(channel, &message, soon());
	report(result == E_PEER, "the caller of a server that faults gets E_PEER", result);
	result = event_wait(notice, soon(), &bits);
	struct unit_info info = {0};

	(void)unit_info(page, unit, &info);
	report(!result && info.state == UNIT_FAILED && info.fault.address == 8,
	       "its unit has failed, and tells where", (int64_t)info.state);
	gone(unit);

	unit = serve('l', channel, event, 64, cpu, notice);
	result = channel_call(channel, &message, soon());
	(void)unit_info(page, unit, &info);
	report(result == E_PEER && info.state == UNIT_FAILED && info.fault.address == 16,
	       "a fault entry that faults itself fails the unit", result);
	gone(unit);

	unit = serve('s', channel, event, 64, cpu, notice);
	caller_done = 0;
	run(caller, channel, DEADLINE_NEVER, boot->machine.cpus[0].budget);
	result = event_wait(event, soon(), &bits);
	report(!result, "a call is saved", result);
	result = channel_call(channel, &message, soon());
	report(wait_for(&caller_done, 1) && !caller_result, "a saved reply answers later", caller_result);
	report(result == E_PEER, "a saved reply that is deleted gives E_PEER", result);

	/* The caller dies while it is served: the server goes on. */
	gone(unit);
	unit = serve('e', channel, event, 64, cpu, notice);
	for (unsigned round = 0; round < 20; round++) {
		handle_t thread =
		    run(caller, channel, DEADLINE_NEVER, boot->machine.cpus[round % CPUS].budget);

		(void)stop(thread);
		cap_delete(thread);
	}
	result = channel_call(channel, &message, soon());
	report(!result, "a server outlives callers that are stopped", result);

	result = unit_freeze(unit, true);
	caller_done = 0;
	run(caller, channel, DEADLINE_NEVER, boot->machine.cpus[cpu].budget);
	pause_for(3000000);
	report(!result && !caller_done, "a frozen server does not answer", result);
	result = unit_freeze(unit, false);
	report(!result && wait_for(&caller_done, 1) && !caller_result, "thawed, it does", caller_result);

	caller_done = 0;
	cap_delete(
	    channel); /* one is left, the server's: the object lives on, but the caller waits for another */
	channel = (handle_t)channel_create(0);
	handle_t thread = run(caller, channel, DEADLINE_NEVER, boot->machine.cpus[cpu].budget);

	uint64_t until = soon();

	do /* until it waits */
		pause_for(100000);
	while ((result = thread_cancel(thread)) == E_STATE && clock_ns() < until);
	report(!result && wait_for(&caller_done, 1) && caller_result == E_CANCELLED,
	       "a waiting call can be cancelled", caller_result);
	/* One that has not called yet finds no channel: again, and later. */
	caller_result = E_HANDLE;
	for (uint64_t ns = 3000000; caller_result == E_HANDLE && ns < 2 * SECOND; ns *= 4) {
		caller_done = 0;
		run(caller, channel, DEADLINE_NEVER, boot->machine.cpus[0].budget);
		pause_for(ns);
		cap_delete(channel);
		(void)wait_for(&caller_done, 1);
		channel = (handle_t)channel_create(0);
	}
	cap_delete(channel);
	report(caller_result == E_PEER, "a channel that goes lets its callers go", caller_result);
	gone(unit);
	cap_delete(event);
	cap_delete(notice);
}

static void test_quota(void)
{
	handle_t channel = (handle_t)channel_create(CHANNEL_DONATING), event = (handle_t)event_create();
	handle_t unit = serve('e', channel, event, 12, 0, 0);
	struct message message = {.info = INFO_MAKE(0, 4)};
	struct unit_info info = {0};

	(void)unit_info(page, unit, &info);
	for (uint64_t left = info.caps_quota - info.caps_used; left > 1; left--)
		(void)unit_grant(unit, event, RIGHT_WAIT, 0);
	for (unsigned i = 0; i < 4; i++) {
		page->caps[i] = event;
		page->cap_modes[i] = CAP_TRANSFER_COPY;
	}
	int64_t result = channel_call(channel, &message, soon());

	report(result == E_QUOTA_CAPS, "a receiver without room for capabilities: the sender's error",
	       result);
	message.info = 0;
	result = channel_call(channel, &message, soon());
	report(!result, "and the receiver goes on", result);
	gone(unit);
	cap_delete(channel);
	cap_delete(event);
}

/* ---- Wakes between CPUs ---- */

static struct pair {
	handle_t ping, pong;
	volatile uint32_t rounds;
} pairs[CPU_MAX];

static void ponger(uint64_t index, uint64_t unused, struct thread_page *own)
{
	struct pair *pair = &pairs[index];

	(void)unused;
	(void)own;
	for (;;) {
		if (event_wait(pair->ping, DEADLINE_NEVER, 0))
			thread_exit();
		pair->rounds++;
		event_signal(pair->pong, 1);
	}
}

static void test_wakes(void)
{
	bool right = true;
	handle_t threads[CPU_MAX];
	int64_t result = 0;

	for (unsigned i = 0; i < CPUS; i++) {
		pairs[i] = (struct pair){.ping = (handle_t)event_create(), .pong = (handle_t)event_create()};
		threads[i] = run(ponger, i, 0, boot->machine.cpus[i].budget);
	}
	for (uint32_t round = 0; round < 2000 && right; round++) {
		for (unsigned i = 0; i < CPUS; i++)
			event_signal(pairs[i].ping, 1);
		for (unsigned i = 0; i < CPUS; i++) {
			result = event_wait(pairs[i].pong, soon(), 0);
			right &= !result && pairs[i].rounds == round + 1;
		}
	}
	report(right, "2,000 wakes to every CPU and back", result);
	for (unsigned i = 0; i < CPUS; i++) {
		int64_t stopped = stop(threads[i]);

		result = result ? result : stopped;
		cap_delete(pairs[i].ping);
		cap_delete(pairs[i].pong);
		cap_delete(threads[i]);
	}
	report(!result, "waiting threads can be stopped", result);
}

static volatile uint64_t spun;

static void spinner(uint64_t unused, uint64_t extra, struct thread_page *own)
{
	(void)unused;
	(void)extra;
	(void)own;
	for (;;)
		spun++;
}

static void test_stops(unsigned cpu)
{
	handle_t thread = run(spinner, 0, 0, boot->machine.cpus[cpu].budget);
	struct thread_state *state = (struct thread_state *)page->bytes;
	bool right = true;
	int64_t result = 0;

	for (unsigned round = 0; round < 50 && right; round++) {
		pause_for(200000);
		result = stop(thread);
		uint64_t before = spun;

		pause_for(100000);
		right &= !result && spun == before;
		result = thread_state(thread, 0);
		right &= !result && state->pc >= NATIVE_BASE && state->pc < NATIVE_END;
		result = thread_start(thread);
		right &= !result;
		uint64_t until = soon();

		while (spun == before && clock_ns() < until)
			pause_for(100000);
		right &= spun != before;
	}
	report(right, "a running thread stops, shows its state, and goes on", result);
	(void)stop(thread);
	cap_delete(thread);
}

/* ---- Kicks ---- */

static volatile uint32_t kicks;
static volatile int64_t guest_ended;
static handle_t guest_state_memory, guest_space_handle;
static struct guest_state *guest;

static void kicked(uint64_t event, uint64_t unused, struct thread_page *own)
{
	int64_t result = guest_bind(guest_state_memory, 0);

	(void)unused;
	(void)own;
	result = result ? result : guest_space(guest_space_handle);
	*guest = (struct guest_state){.rip = 0x400000, .rflags = 0x202};
	while (!result) {
		result = guest_enter();
		if (result == GUEST_EXIT_KICK) {
			kicks++;
			event_signal(event, 1);
			result = guest->exit != GUEST_EXIT_KICK || guest->rip != 0x400000;
		} else if (!result) {
			result = 99;
		}
	}
	guest_ended = result;
	thread_exit();
}

static void test_kicks(unsigned cpu)
{
	handle_t code_memory, event = (handle_t)event_create();
	uint8_t *code = window_allocate(PAGE_SIZE_BYTES, &code_memory);
	bool right = true;
	int64_t result;

	guest_space_handle = (handle_t)space_create(SPACE_GUEST, 0);
	guest = window_allocate(PAGE_SIZE_BYTES, &guest_state_memory);
	code[0] = 0xeb; /* jmp to itself */
	code[1] = 0xfe;
	space_map(guest_space_handle, 0x400000, code_memory, 0, PAGE_SIZE_BYTES, MAP_READ | MAP_EXECUTE);
	handle_t thread = run(kicked, event, 0, boot->machine.cpus[cpu].budget);

	for (unsigned round = 0; round < 100 && right; round++) {
		uint32_t before = kicks;

		(void)event_wait(event, DEADLINE_POLL, 0);
		result = guest_kick(thread);
		uint64_t until = soon();

		while (kicks == before && clock_ns() < until)
			(void)event_wait(event, until, 0);
		right = !result && kicks > before;
	}
	report(right && !guest_ended, "a kick is never lost", guest_ended);
	(void)stop(thread);
	cap_delete(thread);
	cap_delete(guest_space_handle);
	cap_delete(event);
	kicks = 0;
}

/* ---- Budgets ---- */

/* With one CPU time is counted in instructions and the shares must be right. With more it is the build
 * machine's time, and what that machine does while an interrupt is due counts as the budget's. */
static void test_budgets(unsigned cpu)
{
	struct budget_spec spec = {
	    .cpu = cpu, .priority = 140, .quota_ns = 2000000, .period_ns = 10000000, .refills_max = 4};
	struct budget_spec edf = {.cpu = cpu,
	                          .priority = PRIORITY_EDF,
	                          .quota_ns = 1000000,
	                          .period_ns = 10000000,
	                          .deadline_ns = 10000000,
	                          .refills_max = 2};
	int64_t first = budget_create(page, boot->unit, &spec),
	        second = budget_create(page, boot->unit, &edf);
	handle_t threads[2] = {run(spinner, 0, 0, (handle_t)first), run(spinner, 0, 0, (handle_t)second)};
	uint64_t before = clock_ns();

	pause_for(200000000);
	uint64_t passed = clock_ns() - before, used = (uint64_t)budget_info((handle_t)first, 0),
	         used_edf = (uint64_t)budget_info((handle_t)second, 0);

	report(CPUS > 1 ? used > 0 : used <= passed * 26 / 100 && used >= passed * 10 / 100,
	       "a budget of 20 % gets no more, and that", (int64_t)(used * 100 / passed));
	report(CPUS > 1 ? used_edf > 0 : used_edf <= passed * 15 / 100 && used_edf >= passed * 4 / 100,
	       "one of 10 % with deadlines likewise", (int64_t)(used_edf * 100 / passed));
	spec.quota_ns = 9000000;
	int64_t result = budget_create(page, boot->unit, &spec);

	report(result == E_QUOTA_CPU, "a budget that would overload the CPU is refused", result);
	cap_delete((handle_t)first);
	cap_delete((handle_t)second);
	/* Their threads go on, at best effort. */
	for (unsigned i = 0; i < 2; i++) {
		result = stop(threads[i]);
		cap_delete(threads[i]);
	}
	report(!result, "threads outlive the capabilities to their budgets", result);
	spec.quota_ns = 8000000;
	result = budget_create(page, boot->unit, &spec);
	report(result == E_QUOTA_CPU, "a budget that a thread still has keeps its share", result);
}

void holon_start(const void *info, struct thread_page *thread_page);
void holon_start(const void *info, struct thread_page *thread_page)
{
	page = thread_page;
	if (((const struct start_info *)info)->magic == START_MAGIC)
		server(info);
	boot = info;
	window_init(boot->space, NATIVE_BASE + (1ull << 34));
	for (unsigned module = 0; module < boot->module_count; module++)
		if (boot->modules[module].name[0] == 's' && boot->modules[module].name[1] == 'y') {
			image_memory = boot->modules[module].handle;
			image_bytes = boot->modules[module].size;
			image = window_map(image_memory, 0, (image_bytes + 4095) & ~4095ull, MAP_READ);
		}
	test_content(0, CHANNEL_DONATING, "words, bytes, capabilities and badge, one CPU, donating");
	test_content(0, 0, "the same, not donating");
	test_content((unsigned)CPUS - 1, CHANNEL_DONATING, "the same, a server that waited on the last CPU");
	test_content((unsigned)CPUS - 1, 0, "the same, not donating");
	test_quota();
	for (unsigned cpu = 0; cpu<CPUS; cpu += CPUS> 1 ? CPUS - 1 : 1)
		test_deaths(cpu);
	test_wakes();
	for (unsigned cpu = 0; cpu < CPUS; cpu++)
		test_stops(cpu);
	for (unsigned cpu = 0; cpu<CPUS; cpu += CPUS> 1 ? CPUS - 1 : 1)
		test_kicks(cpu);
	test_budgets((unsigned)CPUS - 1);
	log_print(boot->system, page, "messages: done\n");
	system_control(boot->system, SYSTEM_POWER_OFF, 0);
	unit_exit(0);
}
