/* Every call of the interface and every other way into the kernel, attacked: with its objects at their limits. What a
 * stretch with interrupts off took, the kernel itself says, in one that counts its work or times it
 * (kernel/base/work_check.c). Rows are named by abi/substrate.interface; bench/latency/run misses the ones that are not here. */
#include <holon/handoff.h>
#include "latency.h"
#include "text.h"

#define AREA      (NATIVE_BASE + (1ull << 36)) /* where mappings are made */
#define MIB       (1ull << 20)
#define WAITERS   64u
#define FAR       (1ull << 60) /* ns: a deadline that never comes */
#define HIGH      120u         /* a priority above this program's */
#define LOW       20u          /* and one below */
#define ACCESS    (MAP_READ | MAP_WRITE)
#define MANY_CAPS 4000u

struct attack {
	unsigned path;
	const char *how;
	void (*run)(void);
};

static struct message none;

/* ---- What several attacks need ---- */

static handle_t event(void)
{
	return must(event_create(), "event");
}

static handle_t memory(uint64_t bytes)
{
	return must(memory_create(MEMORY_ANONYMOUS, bytes, 0, 0), "memory");
}

/* MEMORY of that size, every page of it written. */
static handle_t full_memory(uint64_t bytes)
{
	handle_t object = memory(bytes);
	uint8_t *window = window_map(object, 0, bytes, ACCESS);

	for (uint64_t at = 0; at < bytes; at += PAGE_SIZE_BYTES)
		window[at] = 1;
	window_unmap(window, bytes);
	return object;
}

static void map(uint64_t address, handle_t object, uint64_t offset, uint64_t bytes, uint64_t flags)
{
	if (space_map(boot->space, address, object, offset, bytes, flags))
		must(0, "space_map");
}

static void unmap(uint64_t address, uint64_t bytes)
{
	if (space_unmap(boot->space, address, bytes))
		must(0, "space_unmap");
}

static void touch(uint64_t address)
{
	*(volatile char *)address = 1;
}

/* Lets threads of lower priority run. */
static void pause_for(uint64_t ns)
{
	static handle_t never;

	never = never ? never : event();
	(void)event_wait(never, clock_ns() + ns, 0);
}

static handle_t high_budget(void)
{
	static handle_t budget;

	return budget = budget ? budget : budget_at(0, HIGH);
}

static void wait_event(uint64_t handle)
{
	(void)event_wait((handle_t)handle, DEADLINE_NEVER, 0);
	thread_exit();
}

/* COUNT threads that wait for EVENT. */
static void waiters(handle_t for_event, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		cap_delete(thread_run(wait_event, for_event, high_budget()));
}

static handle_t unit_below(handle_t parent, uint64_t bytes, uint64_t caps)
{
	struct unit_spec spec = {.memory_bytes = bytes, .caps = caps, .priority_max = 100, .name = "attack"};

	return must(unit_create(page, parent, &spec), "unit");
}

/* A capability with COUNT derived from it, each from the one before (DEEP) or all from it. */
static handle_t derived(unsigned count, bool deep, handle_t object)
{
	handle_t root = must(cap_copy(object, RIGHT_ALL & ~RIGHT_RESIZE, 0), "copy"), from = root;

	for (unsigned i = 0; i < count; i++) {
		handle_t made = must(cap_copy(from, RIGHT_READ | RIGHT_COPY, 0), "derived copy");

		from = deep ? made : root;
	}
	return root;
}

/* ---- Messages ---- */

/* The largest message: all its bytes and four capabilities, each of which is copied. */
static uint64_t largest(struct thread_page *to, handle_t object)
{
	for (unsigned i = 0; i < MESSAGE_CAPS_MAX; i++) {
		to->caps[i] = object;
		to->cap_modes[i] = CAP_TRANSFER_COPY;
	}
	return MESSAGE_BYTES_MAX | MESSAGE_CAPS_MAX << 12;
}

static struct {
	handle_t channel[9], object;
	bool saves;
	unsigned waits; /* how many of the chain's servers wait for the next one */
} ipc;

/* AT: its own page. Until the channel goes. */
static void big_server(uint64_t at)
{
	struct thread_page *own = (struct thread_page *)at;
	struct message message = {.info = 0};
	int64_t status = channel_receive(ipc.channel[0], &message, DEADLINE_NEVER);

	while (!status) {
		for (unsigned i = 0; i < INFO_CAPS(message.info); i++)
			cap_delete(own->caps[i]);
		message.info = largest(own, ipc.object);
		if (ipc.saves) {
			(void)channel_reply(must(reply_save(), "reply_save"), &message);
			status = channel_receive(ipc.channel[0], &message, DEADLINE_NEVER);
		} else {
			status = channel_reply_receive(ipc.channel[0], &message, DEADLINE_NEVER);
		}
	}
	thread_exit();
}

static void forget_caps(void)
{
	for (unsigned i = 0; i < MESSAGE_CAPS_MAX; i++)
		cap_delete(page->caps[i]);
}

static void big_calls(bool donating, bool saves)
{
	struct message message = none;

	ipc.saves = saves;
	ipc.object = memory(PAGE_SIZE_BYTES);
	ipc.channel[0] = must(channel_create(donating ? CHANNEL_DONATING : 0), "channel");
	thread_run_own_page(big_server, high_budget());
	for (unsigned i = 0; i < 200; i++) {
		message.info = largest(page, ipc.object);
		if (channel_call(ipc.channel[0], &message, DEADLINE_NEVER))
			must(0, "channel_call");
		forget_caps();
	}
	cap_delete(ipc.channel[0]);
}

static void call_big(void)
{
	big_calls(true, false);
	big_calls(false, false);
}

static void call_saved(void)
{
	big_calls(true, true);
}

/* Serves a channel of the chain by calling on the next one. */
static void chain_server(uint64_t index)
{
	struct message message;

	(void)channel_receive(ipc.channel[index], &message, DEADLINE_NEVER);
	ipc.waits++;
	(void)channel_call(ipc.channel[index + 1], &message, DEADLINE_NEVER);
	thread_exit();
}

static void chain_caller(uint64_t index)
{
	struct message message = none;

	(void)channel_call(ipc.channel[index], &message, DEADLINE_NEVER);
	thread_exit();
}

/* A caller of high priority that waits on a chain of servers, each behind one that waits for the next, and in a queue of
 * many callers. */
static void call_chain(void)
{
	handle_t low = budget_at(0, LOW);

	ipc.waits = 0;
	for (unsigned i = 0; i < 9; i++)
		ipc.channel[i] = must(channel_create(CHANNEL_DONATING), "channel");
	for (unsigned i = 0; i < 8; i++)
		cap_delete(thread_run(chain_server, i, low));
	cap_delete(thread_run(chain_caller, 0, low));
	while (ipc.waits < 8)
		pause_for(100000);
	for (unsigned i = 0; i < WAITERS; i++)
		cap_delete(thread_run(chain_caller, i % 9, low));
	pause_for(1000000);
	for (unsigned i = 0; i < WAITERS; i++)
		cap_delete(thread_run(chain_caller, 0, high_budget()));
	for (unsigned i = 9; i-- > 0;)
		cap_delete(ipc.channel[i]);
	pause_for(1000000);
}

/* AT: its own page. A call whose last capability is none. */
static void bad_caller(uint64_t at)
{
	struct thread_page *own = (struct thread_page *)at;
	struct message message = {.info = largest(own, ipc.object)};

	own->caps[MESSAGE_CAPS_MAX - 1] = 0;
	(void)channel_call(ipc.channel[0], &message, DEADLINE_NEVER);
	thread_exit();
}

static void call_bad(void)
{
	struct message message = none;

	ipc.object = memory(PAGE_SIZE_BYTES);
	ipc.channel[0] = must(channel_create(CHANNEL_DONATING), "channel");
	for (unsigned i = 0; i < WAITERS; i++)
		thread_run_own_page(bad_caller, budget_at(0, LOW));
	pause_for(1000000);
	(void)channel_receive(ipc.channel[0], &message, 1);
	cap_delete(ipc.channel[0]);
	pause_for(1000000);
}

static void channels(void)
{
	for (unsigned i = 0; i < 100; i++)
		cap_delete(must(channel_create(0), "channel"));
}

/* ---- Events ---- */

static void events(void)
{
	for (unsigned i = 0; i < 100; i++)
		cap_delete(event());
}

static void signals(void)
{
	handle_t woken = event();

	waiters(woken, WAITERS);
	for (unsigned i = 0; i < WAITERS + 1; i++)
		event_signal(woken, 1);
	waiters(woken, 3);
	cap_delete(woken);
}

static handle_t timers[400];

static void arm_timers(uint64_t from, uint64_t distance)
{
	for (unsigned i = 0; i < 400; i++) {
		timers[i] = timers[i] ? timers[i] : event();
		if (event_timer(timers[i], from + (i * 7919ull % 400) * distance, 1))
			must(0, "event_timer");
	}
}

static void timers_armed(void)
{
	arm_timers(FAR, 1000);
	for (unsigned i = 0; i < 400; i += 3)
		event_timer(timers[i], DEADLINE_NEVER, 0);
	arm_timers(FAR, 1);
}

static void waits(void)
{
	handle_t waited = event();

	arm_timers(FAR, 1000);
	waiters(waited, WAITERS);
	for (unsigned i = 0; i < 20; i++)
		(void)event_wait(waited, clock_ns() + 20000, 0);
	cap_delete(waited);
}

static void timers_expire(void)
{
	static handle_t woken[40];

	for (unsigned i = 0; i < 40; i++) {
		woken[i] = woken[i] ? woken[i] : event();
		waiters(woken[i], 1);
	}
	pause_for(1000000);
	for (unsigned i = 0; i < 40; i++)
		event_timer(woken[i], clock_ns() + 300000 - i * 5, 1);
	arm_timers(clock_ns() + 400000, 0);
	pause_for(3000000);
}

static void binds(void)
{
	handle_t bound = event();

	for (unsigned i = 0; i < 20; i++) {
		event_bind(bound, 0);
		event_bind(0, 0);
	}
	cap_delete(bound);
}

/* ---- Capabilities ---- */

static void copies(void)
{
	handle_t object = event(), root = derived(MANY_CAPS, false, object);

	cap_revoke(root);
	cap_delete(root);
	cap_delete(object);
}

static void deletes(void)
{
	handle_t object = memory(64 * MIB), root;

	cap_delete(derived(MANY_CAPS, false, object));
	root = derived(MANY_CAPS, true, object);
	cap_delete(root);
	cap_delete(object);
	cap_delete(full_memory(16 * MIB));
}

static void revokes(void)
{
	handle_t object = event(), root = derived(MANY_CAPS, false, object);

	cap_revoke(root);
	cap_delete(root);
	root = derived(MANY_CAPS, true, object);
	cap_revoke(root);
	cap_delete(root);
	cap_delete(object);
}

static void infos(void)
{
	handle_t object = event();

	(void)cap_info(object, 0);
	cap_delete(object);
}

/* ---- Units ---- */

static void large_units(void)
{
	handle_t unit = unit_below(boot->unit, 96 * MIB, 8000),
	         object = must(memory_create_in(unit, 32 * MIB), "memory");
	uint8_t *window = window_map(object, 0, 32 * MIB, ACCESS);

	for (uint64_t at = 0; at < 32 * MIB; at += PAGE_SIZE_BYTES)
		window[at] = 1;
	window_unmap(window, 32 * MIB);
	for (unsigned i = 0; i < MANY_CAPS; i++)
		if (unit_grant(unit, object, RIGHT_READ, 0) < 0)
			break;
	for (unsigned i = 0; i < 100; i++)
		cap_delete(unit_below(unit, 128 << 10, 10));
	for (unsigned i = 0; i < 40; i++) { /* with just so many copies outside as are passed on in a slice */
		int64_t granted = unit_grant(unit, object, RIGHT_ALL, 0);

		for (unsigned copy = 0; granted > 0 && copy < 19; copy++)
			if (unit_cap(unit, (uint32_t)granted) < 0)
				must(0, "unit_cap");
	}
	cap_delete(object);
	unit_destroy(unit);
	cap_delete(unit);
}

static void unit_infos(void)
{
	handle_t unit = unit_below(boot->unit, 32 * MIB, 4000);
	struct unit_info info;

	for (unsigned i = 0; i < 100; i++)
		cap_delete(unit_below(unit, 128 << 10, 10));
	unit_info(page, unit, &info);
	unit_extend(unit, MIB, 100);
	for (unsigned i = 0; i < 200; i++)
		if (unit_grant(unit, unit, RIGHT_READ, 0) < 0)
			break;
	for (unsigned i = 1; i < 200; i++)
		cap_delete((handle_t)unit_cap(unit, i));
	unit_destroy(unit);
	cap_delete(unit);
}

/* A thread of UNIT, in this program's space. */
static handle_t thread_in(handle_t unit, void (*entry)(uint64_t), uint64_t argument, handle_t budget)
{
	handle_t page_memory;
	void *own = window_allocate(PAGE_SIZE_BYTES, &page_memory);
	uint8_t *stack = window_allocate(8192, 0);
	struct thread_spec spec = {.entry = (uint64_t)entry,
	                           .stack = (uint64_t)stack + 8192 - 8,
	                           .argument = {argument},
	                           .budget = budget,
	                           .page_address = (uint64_t)own};
	handle_t thread = must(thread_create(page, unit, boot->space, page_memory, 0, &spec), "thread");

	cap_delete(page_memory);
	return thread;
}

static void exit_unit(uint64_t unused)
{
	(void)unused;
	unit_exit(0);
}

/* Makes COUNT threads of UNIT that wait for the event WAITED. */
static void threads_wait_in(handle_t unit, handle_t waited, unsigned count)
{
	int64_t granted = unit_grant(unit, waited, RIGHT_ALL, 0);

	for (unsigned i = 0; i < count; i++) {
		handle_t thread = thread_in(unit, wait_event, (uint64_t)granted, high_budget());

		thread_start(thread);
		cap_delete(thread);
	}
	pause_for(1000000);
}

static void units(void)
{
	static handle_t unit[126];
	uint64_t bytes = 32 * MIB, caps = 8000;
	handle_t waited = event();

	for (unsigned i = 0; i < 126; i++, bytes -= 65536, caps -= 8)
		unit[i] = unit_below(i ? unit[i - 1] : boot->unit, bytes, caps);
	threads_wait_in(unit[125], waited, 12);
	unit_freeze(unit[0], 1);
	unit_freeze(unit[0], 0);
	unit_destroy(unit[0]);
	for (unsigned i = 0; i < 126; i++)
		cap_delete(unit[i]);
	cap_delete(waited);
}

static handle_t unit_of_waiters(unsigned count, handle_t *waited)
{
	handle_t unit = unit_below(boot->unit, 16 * MIB, 400);

	*waited = event();
	threads_wait_in(unit, *waited, count);
	return unit;
}

static void freezes(void)
{
	handle_t waited, unit = unit_of_waiters(WAITERS, &waited);

	for (unsigned i = 0; i < 60; i++)
		cap_delete(unit_below(unit, 64 << 10, 4));
	unit_freeze(unit, 1);
	event_signal(waited, 1);
	unit_freeze(unit, 0);
	unit_destroy(unit);
	cap_delete(unit);
	cap_delete(waited);
}

/* Units with just so many waiting threads that a slice might take on several of them. */
static void families(void)
{
	handle_t family = unit_below(boot->unit, 64 * MIB, 4000), waited = event();

	for (unsigned i = 0; i < 13; i++) {
		handle_t child = unit_below(family, 2 * MIB, 100);

		threads_wait_in(child, waited, 11);
		cap_delete(child);
	}
	unit_freeze(family, 1);
	unit_freeze(family, 0);
	unit_destroy(family);
	cap_delete(family);
	cap_delete(waited);
}

static void exits(void)
{
	handle_t waited, unit = unit_of_waiters(WAITERS * 2, &waited);
	handle_t last = thread_in(unit, exit_unit, 0, high_budget());

	thread_start(last);
	pause_for(1000000);
	cap_delete(last);
	unit_destroy(unit);
	cap_delete(unit);
	cap_delete(waited);
}

/* ---- Memory ---- */

static void memories(void)
{
	for (unsigned i = 0; i < 100; i++)
		cap_delete(memory(1ull << 47));
}

/* A few pages far apart in an object as large as there may be. */
static handle_t sparse_memory(void)
{
	handle_t object = memory(1ull << 47);
	uint64_t offset = PAGE_SIZE_BYTES;

	for (unsigned i = 0; i < 8; i++, offset *= 23) {
		volatile char *window =
		    window_map(object, offset & -PAGE_SIZE_BYTES, PAGE_SIZE_BYTES, ACCESS);

		*window = 1;
		window_unmap((void *)window, PAGE_SIZE_BYTES);
	}
	return object;
}

static void clones(void)
{
	handle_t object = full_memory(16 * MIB), sparse = sparse_memory();

	cap_delete(must(memory_clone(object, 0, 16 * MIB), "clone"));
	cap_delete(must(memory_clone(object, PAGE_SIZE_BYTES, 16 * MIB - PAGE_SIZE_BYTES), "clone"));
	cap_delete(must(memory_clone(sparse, 0, 1ull << 47), "clone"));
	cap_delete(sparse);
	cap_delete(object);
}

static void resizes(void)
{
	handle_t object = full_memory(16 * MIB), sparse = sparse_memory();

	map(AREA, object, 0, 16 * MIB, ACCESS | MAP_POPULATE);
	memory_resize(object, 0);
	memory_resize(object, 1ull << 47);
	memory_resize(sparse, 0);
	unmap(AREA, 16 * MIB);
	cap_delete(object);
	object = full_memory(PAGE_SIZE_BYTES);
	memory_resize(object, 1ull << 47);
	cap_delete(sparse);
	cap_delete(object);
}

static void discards(void)
{
	handle_t object = memory(PAGE_SIZE_BYTES), full = full_memory(16 * MIB), sparse = sparse_memory();

	for (unsigned i = 0; i < 2000; i++)
		map(AREA + i * 2 * PAGE_SIZE_BYTES, object, 0, PAGE_SIZE_BYTES, ACCESS);
	for (unsigned i = 0; i < 2000; i++)
		touch(AREA + i * 2 * PAGE_SIZE_BYTES);
	memory_discard(object, 0, PAGE_SIZE_BYTES);
	unmap(AREA, 4000 * PAGE_SIZE_BYTES);
	map(AREA, full, 0, 16 * MIB, ACCESS | MAP_POPULATE);
	memory_discard(full, 0, 16 * MIB);
	unmap(AREA, 16 * MIB);
	memory_discard(sparse, 0, 1ull << 47);
	cap_delete(sparse);
	cap_delete(full);
	cap_delete(object);
}

static void touch_area(uint64_t offset)
{
	touch(AREA + offset);
	thread_exit();
}

/* Many threads that wait for one page, and for as many others. */
static void supplies(void)
{
	handle_t asked = event(), source = full_memory(MIB);
	handle_t pager = must(syscall6(SYS_MEMORY_CREATE, MEMORY_PAGER, MIB, 0, 0, 0, asked, 0), "pager");

	map(AREA, pager, 0, MIB, ACCESS);
	for (unsigned i = 0; i < 2 * WAITERS; i++)
		cap_delete(thread_run(touch_area, i < WAITERS ? 0 : i * PAGE_SIZE_BYTES, high_budget()));
	while (memory_wanted(pager) >= 0)
		;
	if (memory_pager(pager, asked, PAGER_WRITES))
		must(0, "memory_pager");
	while (memory_wanted(pager) >= 0)
		;
	if (memory_answer(pager, 0, MIB / 2, PAGER_ALLOW))
		must(0, "memory_answer");
	if (memory_supply(pager, 0, source, 0, MIB))
		must(0, "memory_supply");
	if (memory_answer(pager, 0, MIB, PAGER_ALLOW))
		must(0, "memory_answer");
	unmap(AREA, MIB);
	cap_delete(pager);
	cap_delete(source);
	cap_delete(asked);
}

static void dirties(void)
{
	handle_t object = full_memory(32 * MIB);
	uint8_t *window = window_map(object, 0, 32 * MIB, ACCESS | MAP_POPULATE);

	for (unsigned round = 0; round < 2; round++) {
		memory_dirty(object, 0, 28000 / 8 * PAGE_SIZE_BYTES, DIRTY_WRITEBACK);
		for (uint64_t at = 0; at < 32 * MIB; at += PAGE_SIZE_BYTES)
			window[at] = 1;
	}
	window_unmap(window, 32 * MIB);
	cap_delete(object);
}

static void memory_infos(void)
{
	handle_t object = full_memory(32 * MIB), sparse = sparse_memory();
	struct memory_info info;

	memory_info(page, object, &info);
	memory_info(page, sparse, &info);
	cap_delete(sparse);
	cap_delete(object);
}

static void labels(void)
{
	struct label label = {.owner = "a", .kind = "b", .name = "c"};
	handle_t object = memory(PAGE_SIZE_BYTES);

	for (unsigned i = 0; i < 40; i++)
		memory_label(page, object, &label);
	cap_delete(object);
}

/* ---- Spaces ---- */

static void spaces(void)
{
	for (unsigned i = 0; i < 20; i++)
		cap_delete(must(space_create(SPACE_GUEST, 0), "space"));
}

/* COUNT mappings of one page each, which do not join. */
static handle_t small_mappings(unsigned count)
{
	handle_t object = memory(MIB);

	for (unsigned i = 0; i < count; i++) {
		map(AREA + i * PAGE_SIZE_BYTES, object, i % 2 * PAGE_SIZE_BYTES * 2, PAGE_SIZE_BYTES, ACCESS);
		touch(AREA + i * PAGE_SIZE_BYTES);
	}
	return object;
}

static void maps(void)
{
	handle_t small = small_mappings(1024), object = full_memory(16 * MIB);

	map(AREA, object, 0, 1024 * PAGE_SIZE_BYTES, ACCESS | MAP_REPLACE);
	map(AREA, object, 0, 16 * MIB, ACCESS | MAP_REPLACE | MAP_POPULATE);
	unmap(AREA, 16 * MIB);
	map(AREA, object, 0, 16 * MIB, ACCESS | MAP_POPULATE);
	for (unsigned i = 0; i < 16; i++)
		unmap(AREA + i * MIB, PAGE_SIZE_BYTES);
	map(AREA, object, 0, 16 * MIB, ACCESS | MAP_REPLACE);
	unmap(AREA, 16 * MIB);
	cap_delete(object);
	cap_delete(small);
}

/* Small mappings, each the last reference to its object. */
static void unmap_small(void)
{
	for (unsigned i = 0; i < 64; i++) {
		handle_t object = memory(2 * PAGE_SIZE_BYTES);

		map(AREA + i * 2 * PAGE_SIZE_BYTES, object, 0, 2 * PAGE_SIZE_BYTES, ACCESS);
		touch(AREA + i * 2 * PAGE_SIZE_BYTES);
		touch(AREA + i * 2 * PAGE_SIZE_BYTES + PAGE_SIZE_BYTES);
		cap_delete(object);
	}
	unmap(AREA, 64 * 2 * PAGE_SIZE_BYTES);
}

static void unmaps(void)
{
	uint64_t wide = 400ull << 30;
	handle_t object = memory(wide);

	map(AREA, object, 0, wide, ACCESS);
	touch(AREA);
	touch(AREA + wide - PAGE_SIZE_BYTES);
	for (unsigned i = 1; i < 400; i += 40)
		touch(AREA + ((uint64_t)i << 30));
	unmap(AREA, wide);
	cap_delete(object);
	unmap_small();
	object = small_mappings(1024);
	unmap(AREA, 1024 * PAGE_SIZE_BYTES);
	cap_delete(object);
	object = full_memory(16 * MIB);
	map(AREA, object, 0, 16 * MIB, ACCESS | MAP_POPULATE);
	unmap(AREA + MIB, 14 * MIB);
	unmap(AREA, 16 * MIB);
	cap_delete(object);
}

/* A guest space with tables all over its half, then unmapped whole; and its end. */
static void guest_unmaps(void)
{
	handle_t space = must(space_create(SPACE_GUEST, 0), "space"), object = memory(PAGE_SIZE_BYTES);

	for (uint64_t i = 1; i < 100; i++)
		(void)space_map(space, i * 1ull << 40, object, 0, PAGE_SIZE_BYTES, ACCESS | MAP_POPULATE);
	object = full_memory(PAGE_SIZE_BYTES);
	for (uint64_t i = 1; i < 100; i++)
		(void)space_map(space, (i << 40) + (i << 31), object, 0, PAGE_SIZE_BYTES,
		                ACCESS | MAP_POPULATE);
	(void)space_unmap(space, PAGE_SIZE_BYTES, NATIVE_BASE - PAGE_SIZE_BYTES);
	(void)space_map(space, PAGE_SIZE_BYTES, object, 0, NATIVE_BASE - PAGE_SIZE_BYTES, ACCESS);
	(void)space_unmap(space, PAGE_SIZE_BYTES, NATIVE_BASE - PAGE_SIZE_BYTES);
	(void)space_unmap(space, NATIVE_END, USER_END - NATIVE_END);
	cap_delete(space);
	cap_delete(object);
}

static void protects(void)
{
	handle_t object = memory(4 * MIB);

	map(AREA, object, 0, 4 * MIB, ACCESS);
	for (unsigned at = 0; at < 4 * MIB; at += PAGE_SIZE_BYTES)
		touch(AREA + at);
	for (unsigned at = 0; at < 4 * MIB; at += 2 * PAGE_SIZE_BYTES)
		(void)space_protect(boot->space, AREA + at, PAGE_SIZE_BYTES, MAP_READ);
	(void)space_protect(boot->space, AREA, 4 * MIB, 0);
	unmap(AREA, 4 * MIB);
	object = small_mappings(1024);
	(void)space_protect(boot->space, AREA, 4 * MIB, MAP_READ);
	unmap(AREA, 4 * MIB);
	cap_delete(object);
}

/* ---- Threads ---- */

static void spin(uint64_t unused)
{
	(void)unused;
	for (;;)
		;
}

static void threads(void)
{
	handle_t budget = budget_at(0, LOW), waited = event();
	struct thread_state *state = (struct thread_state *)page->bytes;

	for (unsigned i = 0; i < 20; i++) {
		handle_t thread = thread_run(spin, 0, budget),
		         waiter = thread_run(wait_event, waited, high_budget());

		thread_stop(thread);
		thread_set(thread, THREAD_SET_BUDGET, high_budget());
		thread_set(thread, THREAD_SET_BUDGET, budget);
		thread_set(thread, THREAD_SET_FAULT_ENTRY, (uint64_t)spin);
		thread_set(thread, THREAD_SET_FS_BASE, 0x1000);
		thread_state(thread, 0);
		thread_state(thread, 1);
		state->vector_bytes = 1;
		thread_state(thread, 1);
		thread_start(thread);
		thread_cancel(waiter);
		thread_stop(waiter);
		thread_stop(thread);
		cap_delete(waiter);
		cap_delete(thread);
	}
	thread_set(boot->thread, THREAD_SET_FS_BASE, 0);
	cap_delete(waited);
	cap_delete(budget);
}

static void leaves(uint64_t unused)
{
	(void)unused;
	thread_exit();
}

/* A thread that has a caller, serves a channel, has a bound event and a timer. */
static void leaves_much(uint64_t channel)
{
	struct message message;
	handle_t bound = event();

	event_bind(bound, 0);
	(void)channel_receive((handle_t)channel, &message, FAR);
	thread_exit();
}

static void thread_exits(void)
{
	handle_t channel = must(channel_create(CHANNEL_DONATING), "channel");

	for (unsigned i = 0; i < 20; i++) {
		struct message message = none;

		cap_delete(thread_run(leaves, 0, high_budget()));
		cap_delete(thread_run(leaves_much, channel, high_budget()));
		(void)channel_call(channel, &message, DEADLINE_NEVER);
	}
	cap_delete(channel);
}

static void yields(void)
{
	handle_t budget[24];

	for (unsigned i = 0; i < 24; i++) {
		budget[i] = budget_at(0, 100);
		cap_delete(thread_run(leaves, 0, budget[i]));
	}
	for (unsigned i = 0; i < 100; i++)
		thread_yield();
	for (unsigned i = 0; i < 24; i++)
		cap_delete(budget[i]);
}

/* ---- Budgets ---- */

static void budgets(void)
{
	struct budget_spec spec = {
	    .cpu = 0, .priority = HIGH, .quota_ns = 20000, .period_ns = 400000, .refills_max = 8};
	handle_t budget;
	uint64_t cpu;

	if (HIGH <= 127)
		spec.priority = 140;
	budget = must(budget_create(page, boot->unit, &spec), "budget");
	for (unsigned i = 0; i < 16; i++)
		cap_delete(thread_run(spin, 0, budget));
	for (unsigned i = 0; i < 20; i++) {
		pause_for(50000);
		spec.quota_ns = 10000 + i * 500;
		budget_configure(page, budget, &spec);
		budget_info(budget, &cpu);
	}
	cap_delete(budget); /* its threads go on by their fallback, below this one */
}

/* ---- Guests ---- */

static void guests(void)
{
	static const uint8_t code[] = {0x0f, 0x05, 0xf4}; /* syscall; hlt: a fault */
	handle_t state_memory, code_memory, space = must(space_create(SPACE_GUEST, 0), "space"), kicked;
	struct guest_state *state = window_allocate(PAGE_SIZE_BYTES, &state_memory);
	uint8_t *text = window_allocate(PAGE_SIZE_BYTES, &code_memory);

	__builtin_memcpy(text, code, sizeof code);
	if (space_map(space, 0x400000, code_memory, 0, PAGE_SIZE_BYTES, MAP_READ | MAP_EXECUTE))
		must(0, "guest");
	kicked = thread_run(wait_event, event(), high_budget());
	for (unsigned i = 0; i < 20; i++) {
		if (guest_bind(state_memory, 0) || guest_space(0) || guest_space(space))
			must(0, "guest");
		guest_kick(kicked);
		*state = (struct guest_state){.rip = 0x400000, .rflags = 0x202, .rcx = i};
		measure_guest(SYS_GUEST_ENTER);
		measure_guest(SYS_GUEST_ENTER);
	}
	guest_space(0);
	cap_delete(kicked);
	cap_delete(space);
}

/* The last reference to a guest space with few pages, behind many empty entries in each table, of the last reference to a memory object that
 * is as sparse: the call that lets go of it has to take both down. */
static void guest_space_ends(void)
{
	static const uint16_t far[][4] = {/* entries of the tables, from the root's on */
	                                  {1, 0, 0, 0},       {2, 0, 19, 0},      {2, 511, 0, 0},
	                                  {127, 511, 511, 0}, {253, 511, 511, 0}, {255, 511, 511, 213}};
	handle_t state, space = must(space_create(SPACE_GUEST, 0), "space"), object = memory(1ull << 47);

	(void)window_allocate(PAGE_SIZE_BYTES, &state);
	for (unsigned i = 0; i < sizeof far / sizeof *far; i++) {
		uint64_t at = (uint64_t)far[i][0] << 39 | (uint64_t)far[i][1] << 30 |
		              (uint64_t)far[i][2] << 21 | (uint64_t)far[i][3] << 12;
		uint64_t bytes = far[i][3] ? 43 * PAGE_SIZE_BYTES : PAGE_SIZE_BYTES;

		map(AREA, object, at, bytes, ACCESS);
		for (uint64_t byte = 0; byte < bytes; byte += PAGE_SIZE_BYTES)
			touch(AREA + byte);
		unmap(AREA, bytes);
		if (space_map(space, at, object, at, bytes, ACCESS | MAP_POPULATE))
			must(0, "guest");
	}
	if (guest_bind(state, 0) || guest_space(space))
		must(0, "guest");
	cap_delete(object);
	cap_delete(space);
	guest_space(0);
	cap_delete(state);
}

/* ---- Devices, the machine ---- */

static void irqs(void)
{
	handle_t made[60], woken = event();
	uint64_t message;

	for (unsigned i = 0; i < 60; i++)
		made[i] = must(irq_create(boot->system, IRQ_MSI, 0, &message), "irq");
	for (unsigned i = 0; i < 60; i++) {
		irq_bind(made[i], woken, 1);
		irq_ack(made[i]);
		cap_delete(made[i]);
	}
	cap_delete(woken);
}

/* The second serial port interrupts as soon as it may (16550: transmitter empty). */
static void device_interrupts(void)
{
	handle_t ports = must(ioport_create(boot->system, 0x2f8, 8), "ports"), woken = event();
	handle_t irq = must(irq_create(boot->system, 3, 0, 0), "irq");

	waiters(woken, WAITERS);
	irq_bind(irq, woken, 1);
	ioport_out(ports, 0x2fb, 1, 3);
	ioport_out(ports, 0x2fc, 1, 8);
	for (unsigned i = 0; i < WAITERS; i++) {
		ioport_out(ports, 0x2f9, 1, 2);
		ioport_out(ports, 0x2f9, 1, 0);
		(void)ioport_in(ports, 0x2fa, 1);
		irq_ack(irq);
	}
	cap_delete(irq);
	cap_delete(ports);
	cap_delete(woken);
}

/* As many pages as a pin may have: absent ones, and ones that a clone shares. */
static void pins(void)
{
	uint64_t bytes = 448 * PAGE_SIZE_BYTES;
	handle_t object = memory(bytes), shared = full_memory(bytes);
	handle_t clone = must(memory_clone(shared, 0, bytes), "clone");

	cap_delete(must(pin_create(boot->system, object, 0, bytes), "pin"));
	cap_delete(must(pin_create(boot->system, shared, 0, bytes), "pin"));
	cap_delete(clone);
	cap_delete(shared);
	cap_delete(object);
}

static void machine_info(void)
{
	struct system_info info;

	system_info(page, &info);
	system_control(boot->system, SYSTEM_CONFINED + 1, 0);
	(void)clock_ns();
	(void)syscall6(SYSCALL_COUNT, 0, 0, 0, 0, 0, 0, 0);
}

static void log_writes(void)
{
	/* A slice ends with its line. */
	for (unsigned i = 0; i < 1000; i++)
		page->bytes[i] = i == 999 ? '\n' : ' ';
	(void)syscall6(SYS_LOG_WRITE, boot->system, 1000, 0, 0, 0, 0, 0);
}

/* ---- Faults ---- */

/* Each in tables and nodes of its own. */
static void far_faults(void)
{
	handle_t object = memory(1ull << 38), clone, small = memory(PAGE_SIZE_BYTES);

	map(AREA, object, 0, 1ull << 38, ACCESS);
	for (uint64_t i = 0; i < 32; i++)
		touch(AREA + (i * 7 << 30) + (i << 22));
	clone = must(memory_clone(object, 0, 1ull << 38), "clone");
	for (uint64_t i = 0; i < 32; i++)
		touch(AREA + (i * 7 << 30) + (i << 22));
	unmap(AREA, 1ull << 38);
	cap_delete(clone);
	cap_delete(object);
	for (unsigned i = 0; i < 2000; i++)
		map(AREA + i * 2 * PAGE_SIZE_BYTES, small, 0, PAGE_SIZE_BYTES, ACCESS);
	for (unsigned i = 0; i < 2000; i++)
		touch(AREA + i * 2 * PAGE_SIZE_BYTES);
	clone = must(memory_clone(small, 0, PAGE_SIZE_BYTES), "clone");
	touch(AREA);
	unmap(AREA, 4000 * PAGE_SIZE_BYTES);
	cap_delete(clone);
	cap_delete(small);
}

static void around_faults(void)
{
	handle_t object = full_memory(16 * MIB);

	map(AREA, object, 0, 16 * MIB, ACCESS);
	for (uint64_t at = 0; at < 16 * MIB; at += 16 * PAGE_SIZE_BYTES)
		touch(AREA + at);
	unmap(AREA, 16 * MIB);
	cap_delete(object);
}

static void faulty(uint64_t unused)
{
	(void)unused;
	__asm__ volatile("ud2");
}

static void exceptions(void)
{
	for (unsigned i = 0; i < 10; i++) {
		handle_t waited, unit = unit_of_waiters(i ? 0 : WAITERS, &waited);
		handle_t thread = thread_in(unit, faulty, 0, high_budget());

		thread_start(thread);
		pause_for(300000);
		cap_delete(thread);
		unit_destroy(unit);
		cap_delete(unit);
		cap_delete(waited);
	}
}

static void idles(void)
{
	cap_delete(full_memory(4 * MIB));
	pause_for(10000000);
}

/* ---- Two CPUs ---- */

static volatile bool go, remote_runs;

/* On the other CPU: wakes many threads of this one at once, again and again. */
static void remote_signals(uint64_t handles)
{
	const handle_t *events = (const handle_t *)handles;

	remote_runs = true;
	while (!go)
		;
	for (unsigned i = 0; i < 100; i++)
		event_signal(events[i], 1);
	thread_exit();
}

static void mailbox(void)
{
	static handle_t woken[100];

	if (boot->machine.cpu_count < 2)
		return;
	go = remote_runs = false;
	for (unsigned i = 0; i < 100; i++)
		waiters(woken[i] = event(), 1);
	pause_for(1000000);
	cap_delete(thread_run(remote_signals, (uint64_t)woken, budget_at(1, HIGH)));
	while (!remote_runs)
		pause_for(100000);
	go = true;
	pause_for(3000000);
	for (unsigned i = 0; i < 100; i++)
		cap_delete(woken[i]);
}

/* Threads that run, wait and die on the other CPU are stopped from this one. */
static void remote_threads(void)
{
	handle_t waited, thread;

	if (boot->machine.cpu_count < 2)
		return;
	waited = event();
	for (unsigned i = 0; i < 10; i++) {
		thread = thread_run(spin, 0, budget_at(1, HIGH));
		pause_for(100000);
		thread_stop(thread);
		thread_start(thread);
		cap_delete(thread);
		thread = thread_run(wait_event, waited, budget_at(1, HIGH));
		pause_for(100000);
		thread_stop(thread);
		cap_delete(thread);
	}
	cap_delete(waited);
}

/* The other CPU runs in this space while translations go. */
static void remote_space(void)
{
	handle_t thread;

	if (boot->machine.cpu_count < 2)
		return;
	thread = thread_run(spin, 0, budget_at(1, HIGH));
	pause_for(100000);
	unmap_small();
	thread_stop(thread);
	cap_delete(thread);
}

static const struct attack attacks[] = {
    {SYS_CHANNEL_CALL, "the largest message", call_big},
    {SYS_CHANNEL_CALL, "a chain of 8 servers, 64 callers before it", call_chain},
    {SYS_CHANNEL_REPLY_RECEIVE, "the largest message", call_big},
    {SYS_CHANNEL_RECEIVE, "the largest message waits", call_saved},
    {SYS_CHANNEL_RECEIVE, "64 callers wait whose last capability is none", call_bad},
    {SYS_CHANNEL_REPLY, "the largest message", call_saved},
    {SYS_REPLY_SAVE, "a donating call", call_saved},
    {SYS_CHANNEL_CREATE, "100 of them", channels},
    {SYS_EVENT_CREATE, "100 of them", events},
    {SYS_EVENT_SIGNAL, "64 threads wait", signals},
    {SYS_EVENT_WAIT, "64 threads wait, 400 timers", waits},
    {SYS_EVENT_BIND, "to the caller", binds},
    {SYS_EVENT_TIMER, "400 timers", timers_armed},
    {SYS_CAP_COPY, "4,000 copies", copies},
    {SYS_CAP_DELETE, "4,000 copies hang from it; the last of 16 MiB", deletes},
    {SYS_CAP_REVOKE, "4,000 copies of it, in a row and in a chain", revokes},
    {SYS_CAP_INFO, "one", infos},
    {SYS_UNIT_CREATE, "126 units deep, 12 threads wait in the last", units},
    {SYS_UNIT_DESTROY, "126 units deep, 12 threads wait in the last", units},
    {SYS_UNIT_DESTROY, "32 MiB, 4,000 capabilities, 40 with 19 copies, 100 children", large_units},
    {SYS_UNIT_DESTROY, "13 children, 11 threads wait in each", families},
    {SYS_UNIT_INFO, "100 children", unit_infos},
    {SYS_UNIT_EXTEND, "a child", unit_infos},
    {SYS_UNIT_GRANT, "200 times", unit_infos},
    {SYS_UNIT_CAP, "200 times", unit_infos},
    {SYS_UNIT_FREEZE, "64 threads, 60 children", freezes},
    {SYS_UNIT_FREEZE, "126 units deep, 12 threads wait in the last", units},
    {SYS_UNIT_FREEZE, "13 children, 11 threads wait in each", families},
    {SYS_UNIT_EXIT, "128 threads wait", exits},
    {SYS_MEMORY_CREATE, "of 128 TiB", memories},
    {SYS_MEMORY_CLONE, "16 MiB; 128 TiB with 8 pages", clones},
    {SYS_MEMORY_RESIZE, "16 MiB; 128 TiB with 8 pages; a page to 128 TiB", resizes},
    {SYS_MEMORY_DISCARD, "a page mapped 2,000 times; 16 MiB", discards},
    {SYS_MEMORY_SUPPLY, "128 threads wait, 64 for one page", supplies},
    {SYS_MEMORY_WANTED, "128 threads wait", supplies},
    {SYS_MEMORY_PAGER, "128 threads wait", supplies},
    {SYS_MEMORY_ANSWER, "128 threads wait", supplies},
    {SYS_MEMORY_DIRTY, "3,500 pages", dirties},
    {SYS_MEMORY_INFO, "32 MiB; 128 TiB with 8 pages", memory_infos},
    {SYS_MEMORY_LABEL, "40 times", labels},
    {SYS_SPACE_CREATE, "a guest's", spaces},
    {SYS_SPACE_MAP, "over 1,024 mappings; 16 MiB populated", maps},
    {SYS_SPACE_UNMAP, "400 GiB with 12 pages; 64 objects; 1,024 mappings", unmaps},
    {SYS_SPACE_UNMAP, "all of a guest's half", guest_unmaps},
    {SYS_SPACE_PROTECT, "1,024 mappings", protects},
    {SYS_THREAD_CREATE, "20 of them", threads},
    {SYS_THREAD_SET, "of another thread", threads},
    {SYS_THREAD_STATE, "with vector state", threads},
    {SYS_THREAD_STOP, "one that waits, one that runs", threads},
    {SYS_THREAD_START, "a stopped one", threads},
    {SYS_THREAD_CANCEL, "one that waits", threads},
    {SYS_THREAD_EXIT, "with a caller, a bound event and a timer", thread_exits},
    {SYS_THREAD_YIELD, "among 24 budgets", yields},
    {SYS_BUDGET_CREATE, "an admitted one", budgets},
    {SYS_BUDGET_CONFIGURE, "16 threads on it", budgets},
    {SYS_BUDGET_INFO, "one in use", budgets},
    {SYS_GUEST_BIND, "again", guests},
    {SYS_GUEST_SPACE, "to and fro", guests},
    {SYS_GUEST_SPACE, "from a sparse space of 128 TiB, that ends", guest_space_ends},
    {SYS_GUEST_ENTER, "the long way", guests},
    {SYS_GUEST_KICK, "one that waits", guests},
    {SYS_IRQ_CREATE, "60 messages", irqs},
    {SYS_IRQ_BIND, "60 times", irqs},
    {SYS_IRQ_ACK, "64 threads wait", device_interrupts},
    {SYS_IOPORT_CREATE, "a serial port", device_interrupts},
    {SYS_IOPORT_IN, "a serial port", device_interrupts},
    {SYS_IOPORT_OUT, "a serial port", device_interrupts},
    {SYS_PIN_CREATE, "448 pages, absent and shared", pins},
    {SYS_SYSTEM_INFO, "once", machine_info},
    {SYS_SYSTEM_CONTROL, "what there is not", machine_info},
    {SYS_LOG_WRITE, "a line of 1,000 characters", log_writes},
    {SYS_CLOCK, "once", machine_info},
    {WORK_UNKNOWN_CALL, "once", machine_info},
    {WORK_PAGE_FAULT, "far apart; copies of a page mapped 2,000 times", far_faults},
    {WORK_PAGE_FAULT, "16 resident neighbours", around_faults},
    {WORK_PAGE_FAULT, "128 threads for a pager", supplies},
    {WORK_EXCEPTION, "ends a unit where 64 threads wait", exceptions},
    {WORK_TIMER_INTERRUPT, "440 expire at once, 40 wake a thread", timers_expire},
    {WORK_TIMER_INTERRUPT, "a used-up budget of 16 threads", budgets},
    {WORK_DEVICE_INTERRUPT, "64 threads wait", device_interrupts},
    {WORK_OTHER_CPU, "100 threads woken at once", mailbox},
    {SYS_THREAD_STOP, "of the other CPU", remote_threads},
    {SYS_SPACE_UNMAP, "while the other CPU runs there", remote_space},
    {WORK_IDLE, "1,024 frames to zero", idles},
};

static int64_t latency(uint64_t what)
{
	return system_control(boot->system, SYSTEM_LATENCY, what);
}

static const char *const *path_names(void)
{
	static const char *const names[] = {PATH_NAMES};

	_Static_assert(sizeof names / sizeof *names == WORK_PATHS, "a name each");
	return names;
}

bool measure_attacks(void)
{
	int64_t longest[WORK_PATHS] = {0};
	void (*run)(void);

	if (latency(LATENCY_TOTAL) < 0)
		return false;
	for (unsigned i = 0; i < sizeof attacks / sizeof *attacks; i++) {
		run = attacks[i].run;
		for (unsigned path = 0; path < WORK_PATHS; path++)
			(void)latency(LATENCY_LONGEST + path);
		run();
		for (unsigned path = 0; path < WORK_PATHS; path++) {
			int64_t found = latency(LATENCY_LONGEST + path);

			if (path == attacks[i].path)
				log_print(boot->system, page, "latency: attack: %s: %s: %ld of %ld\n",
				          path_names()[path], attacks[i].how, (long)found,
				          (long)latency(LATENCY_BOUND + path));
			if (found > longest[path])
				longest[path] = found;
		}
	}
	for (unsigned path = 0; path < WORK_PATHS; path++)
		log_print(boot->system, page, "latency: longest: %s: %ld of %ld\n", path_names()[path],
		          (long)longest[path], (long)latency(LATENCY_BOUND + path));
	return true;
}
