/* A first unit that tests the kernel from user mode, on the machine: each line it logs is a check's result;
 * then it switches the machine off. Takes the steward's place in a boot bundle; kernel/test/boot_test runs
 * it. */
#include <holon/handoff.h>
#include <holon/syscall.h>
#include "holon.h"
#include "test.h"

static const struct handoff *boot;
static struct thread_page *page;

void report(bool passed, const char *name, int64_t value)
{
	if (passed)
		log_print(boot->system, page, "ok kernel: %s\n", name);
	else
		log_print(boot->system, page, "not ok kernel: %s - got %ld\n", name, (long)value);
}

/* ---- Threads of this unit ---- */

#define STACK_BYTES 16384u

/* Starts ENTRY(ARGUMENT, EXTRA, thread page) in a new thread on BUDGET; its handle. */
static int64_t thread_run(void (*entry)(uint64_t, uint64_t, struct thread_page *), uint64_t argument,
                          uint64_t extra, handle_t budget)
{
	handle_t page_memory, stack_memory;
	void *thread_page = window_allocate(PAGE_SIZE_BYTES, &page_memory);
	uint8_t *stack = window_allocate(STACK_BYTES, &stack_memory);

	if (!thread_page || !stack)
		return E_QUOTA_MEMORY;
	struct thread_spec spec = {
	    .entry = (uint64_t)entry,
	    .stack = (uint64_t)stack + STACK_BYTES - 8,
	    .argument = {argument, extra},
	    .budget = budget,
	    .page_address = (uint64_t)thread_page,
	    .name = "test",
	};
	int64_t thread = thread_create(page, boot->unit, boot->space, page_memory, 0, &spec);

	if (thread < 0)
		return thread;
	int64_t started = thread_start((handle_t)thread);

	return started < 0 ? started : thread;
}

/* ---- Small things ---- */

static void test_basics(void)
{
	struct system_info info = {0};
	uint64_t first = clock_ns(), second = clock_ns();

	report(boot->magic == HANDOFF_MAGIC, "the first unit gets the handoff", (int64_t)boot->magic);
	log_print(boot->system, page, "null call: %lu ns\n", (unsigned long)(second - first));
	report(second >= first && first > 0, "the clock runs forward", (int64_t)(second - first));
	int64_t result = syscall6(SYSCALL_COUNT + 7, 0, 0, 0, 0, 0, 0, 0);

	report(result == E_CALL, "an unknown call is refused", result);
	result = cap_delete(0x123456789ull);
	report(result == E_HANDLE, "a handle from nowhere is refused", result);
	result = event_signal(boot->space, 1);
	report(result == E_TYPE, "a handle of another type is refused", result);
	result = system_info(page, &info);
	report(!result && info.cpu_count == boot->machine.cpu_count && info.memory_free < info.memory_bytes,
	       "system_info", result);
	log_print(boot->system, page, "machine: %u processors, %lu MiB free\n", info.cpu_count,
	          (unsigned long)(info.memory_free >> 20));
	/* Whoever writes behind a mark makes no line that looks like another's: boot_test looks for both. */
	result = cap_copy(boot->system, RIGHT_LOG | RIGHT_COPY, log_mark("attacker"));
	log_print((handle_t)result, page, "first\nnot ok forged\033[m\ttext");
	result = cap_copy((handle_t)result, RIGHT_LOG, log_mark("another"));
	report(result == E_ARGUMENT, "a mark of the log stays", result);
}

static void test_labels(void)
{
	struct label label = {.owner = "test", .kind = "file", .name = "motd", .zone = ZONE_PERSISTENT};
	struct label wanted = {.kind = "file"}, other = {.kind = "file", .name = "fstab"};
	handle_t memory = (handle_t)memory_create(MEMORY_ANONYMOUS, PAGE_SIZE_BYTES, 0, 0);
	uint64_t index = 0, nowhere = 0;
	int64_t found;

	memory_label(page, memory, &label);
	found = memory_find(page, boot->unit, &index, &wanted);
	report(found > 0 && index == HANDLE_INDEX(memory), "memory is found by its label", found);
	cap_delete((handle_t)found);
	report(memory_find(page, boot->unit, &nowhere, &other) == E_NOT_FOUND, "and by no other", 0);
	cap_delete(memory);
}

static void test_memory(void)
{
	handle_t memory;
	uint64_t *words = window_allocate(1 << 20, &memory);
	bool zero = words != 0;

	report(zero, "memory can be made and mapped", 0);
	if (!words)
		return;
	for (unsigned i = 0; i < (1 << 20) / 8; i += 512)
		zero &= words[i] == 0;
	report(zero, "fresh memory reads as zero", 0);
	for (unsigned i = 0; i < (1 << 20) / 8; i += 512)
		words[i] = i + 1;
	int64_t clone = memory_clone(memory, 0, 1 << 20);

	report(clone > 0, "memory can be cloned", clone);
	uint64_t *copy = clone > 0 ? window_map((handle_t)clone, 0, 1 << 20, MAP_READ | MAP_WRITE) : 0;

	if (!copy)
		return;
	words[512] = 77;
	copy[1024] = 88;
	report(copy[512] == 513 && words[1024] == 1025 && copy[0] == 1 && words[512] == 77 &&
	           copy[1024] == 88,
	       "a clone and its source do not see each other's writes", (int64_t)copy[512]);
	int64_t result = memory_discard(memory, 0, 1 << 20);

	report(!result && words[512] == 0 && copy[512] == 513, "discarded pages read as zero", result);
	result = space_protect(boot->space, (uint64_t)copy, 1 << 20, MAP_READ | MAP_WRITE | MAP_EXECUTE);
	report(result == E_WX, "writable and executable at once is refused", result);
	window_unmap(copy, 1 << 20);
	result = cap_delete((handle_t)clone);
	report(!result, "a clone can be deleted", result);
	window_unmap(words, 1 << 20);
	cap_delete(memory);
}

static void test_events(void)
{
	handle_t event = (handle_t)event_create();
	uint64_t bits = 0;
	int64_t result = event_signal(event, 5);

	result = result ? result : event_wait(event, DEADLINE_POLL, &bits);
	report(!result && bits == 5, "an event keeps its bits until someone waits", result);
	result = event_wait(event, DEADLINE_POLL, &bits);
	report(result == E_TIMEOUT, "a poll of an empty event times out", result);
	uint64_t before = clock_ns();

	event_timer(event, before + 3000000, 2);
	result = event_wait(event, DEADLINE_NEVER, &bits);
	report(!result && bits == 2 && clock_ns() >= before + 3000000, "a timer signals its event", result);
	before = clock_ns();
	result = event_wait(event, before + 2000000, &bits);
	report(result == E_TIMEOUT && clock_ns() >= before + 2000000, "a wait ends at its deadline", result);
	result = cap_delete(event);
	report(!result && event_signal(event, 1) == E_HANDLE, "a deleted capability is dead", result);
}

/* ---- Calls ---- */

static void server(uint64_t channel, uint64_t unused, struct thread_page *own)
{
	struct message message;
	int64_t result = channel_receive(channel, &message, DEADLINE_NEVER);

	(void)unused;
	(void)own;
	while (result == 0 && message.words[0] != 0xdead) {
		for (unsigned i = 0; i < MESSAGE_WORDS; i++)
			message.words[i] = message.words[i] * 2 + message.badge;
		message.info = 0;
		result = channel_reply_receive(channel, &message, DEADLINE_NEVER);
	}
	thread_exit();
}

static void test_calls(unsigned cpu, const char *name)
{
	handle_t channel = (handle_t)channel_create(CHANNEL_DONATING * (cpu == 0));
	int64_t badged = cap_copy(channel, RIGHT_CALL | RIGHT_COPY, 1000);
	int64_t thread = thread_run(server, channel, 0, boot->machine.cpus[cpu].budget);
	struct message message = {0};
	bool right = true;
	int64_t result = badged < 0 ? badged : thread < 0 ? thread : 0;

	for (uint64_t round = 0; round < 1000 && !result && right; round++) {
		for (unsigned i = 0; i < MESSAGE_WORDS; i++)
			message.words[i] = round + i;
		message.info = 0;
		result = channel_call((handle_t)badged, &message, clock_ns() + 2000000000ull);
		for (unsigned i = 0; i < MESSAGE_WORDS; i++)
			right &= message.words[i] == (round + i) * 2 + 1000;
	}
	report(!result && right, name, result);
	uint64_t before = clock_ns();

	for (unsigned round = 0; round < 1000 && !result; round++)
		result = channel_call((handle_t)badged, &message, DEADLINE_NEVER);
	log_print(boot->system, page, "call and reply: %lu ns\n",
	          (unsigned long)(clock_ns() - before) / 1000);
	message.words[0] = 0xdead;
	result = channel_call(channel, &message, clock_ns() + 2000000000ull);
	report(result == E_PEER, "the caller of a server that exits gets E_PEER", result);
	cap_delete((handle_t)thread);
	cap_delete((handle_t)badged);
	cap_delete(channel);
}

/* ---- Slices ---- */

static volatile uint32_t slice_over;

/* Runs alone for a while, wakes the one who waits for EVENT, and goes on. */
static void spinner(uint64_t event, uint64_t unused, struct thread_page *own)
{
	uint64_t start = clock_ns();

	(void)unused;
	(void)own;
	while (clock_ns() - start < 20000000)
		;
	event_signal((handle_t)event, 1);
	while (!slice_over && clock_ns() - start < 5000000000ull)
		;
	thread_exit();
}

static void test_slices(void)
{
	handle_t event = (handle_t)event_create();
	uint64_t start = clock_ns();
	int64_t result = thread_run(spinner, event, 0, boot->machine.cpus[0].budget);

	if (result > 0)
		result = event_wait(event, DEADLINE_NEVER, 0);
	slice_over = 1;
	report(!result && clock_ns() - start < 4000000000ull,
	       "who is woken by a thread that goes on gets its turn", result);
	cap_delete(event);
}

/* ---- Vector registers ---- */

#define VECTOR_ROUNDS 200

static volatile uint32_t vector_errors, vector_done;

static void vector_check(uint64_t seed, uint64_t unused, struct thread_page *own)
{
	(void)unused;
	(void)own;
	for (uint64_t round = 0; round < VECTOR_ROUNDS; round++) {
		uint64_t value = seed + round, back = 0;

		__asm__ volatile("movq %0, %%xmm3; movq %0, %%xmm15" ::"r"(value) : "memory");
		thread_yield();
		__asm__ volatile("movq %%xmm15, %0" : "=r"(back)::"memory");
		if (back != value)
			__atomic_fetch_add(&vector_errors, 1, __ATOMIC_SEQ_CST);
		__asm__ volatile("movq %%xmm3, %0" : "=r"(back)::"memory");
		if (back != value)
			__atomic_fetch_add(&vector_errors, 1, __ATOMIC_SEQ_CST);
	}
	__atomic_fetch_add(&vector_done, 1, __ATOMIC_SEQ_CST);
	thread_exit();
}

static void test_vectors(void)
{
	handle_t event = (handle_t)event_create();
	uint32_t threads = 0;

	for (uint64_t i = 0; i < 4; i++)
		threads += thread_run(vector_check, i * 0x1000000, 0,
		                      boot->machine.cpus[i % boot->machine.cpu_count].budget) > 0;
	for (unsigned wait = 0; wait < 500 && vector_done < threads; wait++)
		(void)event_wait(event, clock_ns() + 10000000, 0);
	report(vector_done == 4 && !vector_errors, "vector registers belong to their thread", vector_errors);
	cap_delete(event);
}

/* ---- Faults ---- */

static volatile uint64_t fault_seen;

static __attribute__((noreturn)) void fault_entry_c(void)
{
	for (;;)
		thread_exit();
}

static void faulting(uint64_t address, uint64_t unused, struct thread_page *own)
{
	(void)unused;
	thread_set(0, THREAD_SET_FAULT_ENTRY, (uint64_t)fault_entry_c);
	fault_seen = 1;
	*(volatile uint64_t *)address = 1;
	fault_seen = 2;
	(void)own;
	thread_exit();
}

/* A busy host may let the other thread wait for long. */
static void await_fault(handle_t event)
{
	for (unsigned tries = 0; tries < 500 && !fault_seen; tries++)
		(void)event_wait(event, clock_ns() + 20000000, 0);
}

static void test_faults(void)
{
	handle_t event = (handle_t)event_create();
	int64_t thread =
	    thread_run(faulting, NATIVE_END - PAGE_SIZE_BYTES * 5, 0, boot->machine.cpus[0].budget);

	await_fault(event);
	report(thread > 0 && fault_seen == 1, "a fault goes to the thread's fault entry",
	       (int64_t)fault_seen);
	fault_seen = 0;
	thread = thread_run(faulting, 0xffff800000000000ull, 0, boot->machine.cpus[0].budget);
	await_fault(event);
	report(thread > 0 && fault_seen == 1, "the kernel's memory is out of reach", (int64_t)fault_seen);
	cap_delete(event);
}

/* ---- Units ---- */

static void test_units(void)
{
	uint64_t free_before, free_after;
	struct system_info info;
	struct unit_spec spec = {.memory_bytes = 1 << 20, .caps = 100, .priority_max = 50, .name = "child"};
	struct unit_info child;
	handle_t event = (handle_t)event_create();

	system_info(page, &info);
	free_before = info.memory_free;
	spec.event = event;
	spec.event_bits = 4;
	int64_t unit = unit_create(page, boot->unit, &spec);

	report(unit > 0, "a unit can be made", unit);
	if (unit < 0)
		return;
	int64_t result = unit_info(page, (handle_t)unit, &child);

	report(!result && child.memory_quota == 1 << 20 && child.state == UNIT_CREATED, "unit_info", result);
	spec.memory_bytes = 1ull << 50;
	result = unit_create(page, boot->unit, &spec);
	report(result == E_QUOTA_MEMORY, "a unit cannot be given more than there is", result);
	result = unit_destroy((handle_t)unit);
	report(!result, "a unit can be destroyed", result);
	result = unit_info(page, (handle_t)unit, &child);
	report(result == E_HANDLE, "a destroyed unit's capability is dead", result);
	cap_delete((handle_t)unit);
	cap_delete(event);
	system_info(page, &info);
	free_after = info.memory_free;
	report(free_after + 16 * PAGE_SIZE_BYTES >= free_before, "a destroyed unit's memory comes back",
	       (int64_t)(free_before - free_after));
}

/* ---- Interrupts ---- */

/* The 8254's channel 0, ISA interrupt 0: on these machines the tables send it to another global number. */
static void test_interrupts(void)
{
	handle_t event = (handle_t)event_create();
	int64_t ports = ioport_create(boot->system, 0x40, 4);
	int64_t irq = irq_create(boot->system, 0, 0, 0);
	uint64_t bits = 0;
	int64_t result = irq < 0 ? irq : irq_bind((handle_t)irq, event, 8);

	report(ports > 0 && !result, "an interrupt can be claimed and bound", result);
	ioport_out((handle_t)ports, 0x43, 1, 0x34); /* channel 0, both bytes, rate generator: 100 Hz */
	ioport_out((handle_t)ports, 0x40, 1, 11932 & 255);
	ioport_out((handle_t)ports, 0x40, 1, 11932 >> 8);
	for (unsigned i = 0; i < 3 && !result; i++) {
		irq_ack(irq);
		result = event_wait(event, clock_ns() + 1000000000, &bits);
	}
	report(!result && bits == 8, "a device's interrupts signal an event", result);
	result = ioport_in((handle_t)ports, 0x44, 1) == E_ARGUMENT ? 0 : 1;
	report(!result, "a port outside the range is refused", result);
	uint64_t msi = 0;
	int64_t message = irq_create(boot->system, IRQ_MSI, 0, &msi);

	report(message > 0 && (msi & 0xfff00000) == 0xfee00000, "a message interrupt has an address",
	       (int64_t)msi);
	cap_delete((handle_t)message);
	cap_delete((handle_t)irq);
	cap_delete((handle_t)ports);
	cap_delete(event);
}

void holon_start(const struct handoff *info, struct thread_page *thread_page);
void holon_start(const struct handoff *info, struct thread_page *thread_page)
{
	boot = info;
	page = thread_page;
	window_init(boot->space, NATIVE_BASE + (1ull << 34));
	log_print(boot->system, page, "first unit: running\n");
	test_basics();
	test_events();
	test_memory();
	test_labels();
	test_calls(0, "1,000 calls to a thread of the same CPU");
	if (boot->machine.cpu_count > 1)
		test_calls(1, "1,000 calls to a thread of another CPU");
	test_slices();
	test_vectors();
	test_faults();
	test_units();
	test_interrupts();
	test_guests(boot, page);
	test_random(boot, page);
	log_print(boot->system, page, "first unit: done\n");
	system_control(boot->system, SYSTEM_POWER_OFF, 0);
	unit_exit(1);
}
