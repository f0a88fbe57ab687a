/* One path at a time: the crossing alone, many times, best and worst. */
#include <holon/handoff.h>
#include "latency.h"

#define ROUNDS 1000

static void measure_calls(void)
{
	handle_t channel = must(channel_create(CHANNEL_DONATING), "channel");
	struct result words = {0}, bytes = {0}, remote = {0};

	server_unit(channel, 0);
	measure_call(channel, 0);
	for (unsigned i = 0; i < ROUNDS; i++)
		result_add(&words, measure_call(channel, 0));
	result_print("call and reply, two units, one CPU, 8 words", &words);
	for (unsigned i = 0; i < ROUNDS; i++)
		result_add(&bytes, measure_call(channel, MESSAGE_BYTES_MAX));
	result_print("the same with 3,584 bytes both ways", &bytes);
	if (boot->machine.cpu_count < 2)
		return;
	channel = must(channel_create(0), "channel");
	server_unit(channel, 1);
	measure_call(channel, 0);
	for (unsigned i = 0; i < ROUNDS; i++)
		result_add(&remote, measure_call(channel, 0));
	result_print("call and reply, two units, two CPUs, 8 words", &remote);
}

/* ---- Wakes ---- */

static struct {
	handle_t event;
	volatile uint64_t from;
	struct result result;
} wake;

static void woken(uint64_t unused)
{
	(void)unused;
	for (;;) {
		uint64_t bits;

		if (event_wait(wake.event, DEADLINE_NEVER, &bits))
			thread_exit();
		uint64_t now = ticks();

		if (wake.from)
			result_add(&wake.result, now - wake.from);
		wake.from = 0;
	}
}

static void measure_wakes(void)
{
	wake.event = must(event_create(), "event");
	thread_run(woken, 0, budget_at(0, 120));
	thread_yield();
	for (unsigned i = 0; i < ROUNDS; i++) {
		wake.from = ticks();
		event_signal(wake.event, 1);
	}
	result_print("event signal to the woken thread", &wake.result);

	/* The second serial port interrupts when it is told that it may (16550: transmitter empty). */
	handle_t ports = must(ioport_create(boot->system, 0x2f8, 8), "ports");
	handle_t irq = must(irq_create(boot->system, 3, 0, 0), "irq");
	struct result out = {0};

	ioport_out(ports, 0x2fb, 1, 3);
	ioport_out(ports, 0x2fc, 1, 8);
	for (unsigned i = 0; i < ROUNDS; i++) {
		uint64_t from = ticks();

		ioport_out(ports, 0x2f9, 1, 0);
		result_add(&out, ticks() - from);
	}
	wake.result = (struct result){0};
	if (irq_bind(irq, wake.event, 1))
		must(0, "irq_bind");
	for (unsigned i = 0; i < ROUNDS; i++) {
		wake.from = ticks() + out.best + overhead;
		ioport_out(ports, 0x2f9, 1, 2);
		ioport_out(ports, 0x2f9, 1, 0);
		(void)ioport_in(ports, 0x2fa, 1);
		irq_ack(irq);
	}
	if (wake.result.count)
		result_print("device interrupt to the woken thread", &wake.result);
}

/* ---- Switches ---- */

static volatile bool yields = true;

static void yielder(uint64_t unused)
{
	(void)unused;
	while (yields)
		thread_yield();
	thread_exit();
}

static void measure_switches(void)
{
	struct result result = {0};

	thread_run(yielder, 0, boot->machine.cpus[0].budget);
	for (unsigned i = 0; i < 10; i++)
		thread_yield();
	for (unsigned i = 0; i < ROUNDS; i++)
		result_add(&result, measure_syscall(SYS_THREAD_YIELD, 0, 0) / 2);
	result_print("context switch (yield between two threads)", &result);
	yields = false; /* or the ends of its time slices would fall into what is measured next */
	thread_yield();
}

/* ---- Small calls, memory ---- */

static void measure_small(void)
{
	struct result null = {0}, lookup = {0}, map = {0}, map_large = {0}, unmap = {0}, zero = {0},
	              end = {0};
	handle_t memory = must(memory_create(MEMORY_ANONYMOUS, 4 << 20, 0, 0), "memory");
	uint64_t address = NATIVE_BASE + (1ull << 36);

	for (unsigned i = 0; i < ROUNDS; i++) {
		result_add(&null, measure_syscall(SYSCALL_COUNT, 0, 0));
		result_add(&lookup, measure_syscall(SYS_CAP_INFO, memory, 0));
	}
	result_print("null system call (there and back)", &null);
	result_print("cap_info (null call and one capability lookup)", &lookup);
	for (unsigned i = 0; i < 500; i++) {
		uint64_t from = ticks();

		(void)space_map(boot->space, address, memory, 0, PAGE_SIZE_BYTES, MAP_READ | MAP_WRITE);
		uint64_t mapped = ticks();

		*(volatile uint64_t *)address = 1;
		uint64_t touched = ticks();

		(void)space_unmap(boot->space, address, PAGE_SIZE_BYTES);
		result_add(&map, mapped - from);
		result_add(&unmap, ticks() - touched);
	}
	result_print("map one page", &map);
	result_print("unmap one touched page", &unmap);
	for (unsigned i = 0; i < 500; i++) {
		uint64_t from = ticks();

		(void)space_map(boot->space, address, memory, 0, 4 << 20, MAP_READ | MAP_WRITE);
		(void)space_unmap(boot->space, address, 4 << 20);
		result_add(&map_large, ticks() - from);
	}
	result_print("map and unmap 1,024 pages", &map_large);
	(void)space_map(boot->space, address, memory, 0, 4 << 20, MAP_READ | MAP_WRITE);
	for (unsigned i = 1; i < 1024; i++) {
		volatile uint64_t *word = (volatile uint64_t *)(address + i * PAGE_SIZE_BYTES);
		uint64_t from = ticks();

		*word = 1;
		result_add(&zero, ticks() - from);
	}
	result_print("demand-zero fault", &zero);
	(void)space_unmap(boot->space, address, 4 << 20);
	uint64_t from = ticks();

	cap_delete(memory);
	result_add(&end, ticks() - from);
	result_print("end a memory object of 1,024 pages", &end);
}

/* ---- Guests ---- */

static void measure_guests(void)
{
	static const uint8_t loop[] = {0x0f, 0x05, 0xeb, 0xfc}; /* syscall; jmp */
	handle_t state_memory, code_memory;
	struct guest_state *state = window_allocate(PAGE_SIZE_BYTES, &state_memory);
	uint8_t *code = window_allocate(PAGE_SIZE_BYTES, &code_memory);
	handle_t space = must(space_create(SPACE_GUEST, 0), "guest space");
	struct result result = {0};

	__builtin_memcpy(code, loop, sizeof loop);
	if (space_map(space, 0x400000, code_memory, 0, PAGE_SIZE_BYTES, MAP_READ | MAP_EXECUTE) ||
	    guest_bind(state_memory, 0) || guest_space(space))
		must(0, "guest");
	*state = (struct guest_state){.rip = 0x400000, .rflags = 0x202};
	for (unsigned i = 0; i < 5; i++)
		measure_guest(SYS_GUEST_ENTER);
	for (unsigned i = 0; i < ROUNDS; i++)
		result_add(&result, measure_guest(SYS_GUEST_ENTER));
	result_print("guest system call (into the guest and back out)", &result);
	guest_space(0);
}

void measure_paths(void)
{
	measure_small();
	measure_guests();
	measure_calls();
	measure_wakes();
	measure_switches();
}
