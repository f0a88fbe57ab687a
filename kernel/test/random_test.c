/* Random system calls: threads of a small unit make calls with arguments that are now sound, now anything, on
 * two CPUs, until the unit is destroyed under them. Whatever they do is that unit's own trouble: the kernel
 * goes on, and gets back every page. */
#include <holon/handoff.h>
#include "holon.h"
#include "test.h"
#include "text.h"

#define ROUNDS     24
#define THREADS    4
#define HANDLES    16
#define STACK      16384u
#define ROUND_NS   12000000ull
#define UNIT_BYTES (4ull << 20)

/* What a thread of the unit knows: in its first argument. */
struct knowledge {
	uint64_t seed;
	uint64_t handles[HANDLES];
	uint64_t calls;
};

static struct knowledge known[THREADS];

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static uint64_t argument(struct knowledge *k)
{
	uint64_t r = next_random(&k->seed), value = next_random(&k->seed);

	switch (r % 12) {
	case 0:
	case 1:
	case 2:
	case 3:
		return k->handles[value % HANDLES];
	case 4:
		return value % 8;
	case 5:
		return value % 64 * PAGE_SIZE_BYTES;
	case 6:
		return NATIVE_BASE + (value % 512 << 12) + (value % 3 << 38);
	case 7:
		return value % USER_END & -PAGE_SIZE_BYTES;
	case 8:
		return 1ull << value % 64;
	case 9:
		return clock_ns() + value % 2000000;
	case 10:
		return k->handles[value % HANDLES] ^ 1ull << value % 64;
	default:
		return value;
	}
}

static void random_calls(uint64_t index, uint64_t unused, struct thread_page *page)
{
	struct knowledge *k = &known[index];

	(void)unused;
	for (;; k->calls++) {
		uint64_t number = next_random(&k->seed) % (SYSCALL_COUNT + 2), second = 0;
		uint64_t a[6];

		for (unsigned i = 0; i < 6; i++)
			a[i] = argument(k);
		/* Blocking calls get a near deadline most of the time; the rest is for the destroyer to end.
		 */
		if (number == SYS_EVENT_WAIT && k->calls % 16)
			a[1] = DEADLINE_POLL;
		if (number <= SYS_CHANNEL_RECEIVE && k->calls % 16)
			a[2] = DEADLINE_POLL;
		if ((number == SYS_THREAD_EXIT || number == SYS_UNIT_EXIT) && k->calls % 64)
			continue;
		if (next_random(&k->seed) % 4 == 0)
			for (unsigned i = 0; i < 16; i++)
				((volatile uint64_t *)page->bytes)[i] = argument(k);
		for (unsigned i = 0; i < MESSAGE_CAPS_MAX; i++) {
			page->caps[i] = argument(k);
			page->cap_modes[i] = argument(k);
		}
		int64_t result;

		/* All registers but RSP may change under guest_enter and the message calls. */
		register uint64_t r10 __asm__("r10") = a[3];
		register uint64_t r8 __asm__("r8") = a[4];
		register uint64_t r9 __asm__("r9") = a[5];

		__asm__ volatile("push %%rbp; push %%rbx; push %%r12; push %%r13; push %%r14; push %%r15\n\t"
		                 "syscall\n\t"
		                 "pop %%r15; pop %%r14; pop %%r13; pop %%r12; pop %%rbx; pop %%rbp"
		                 : "=a"(result), "+D"(a[0]), "+S"(a[1]), "+d"(a[2]), "+r"(r10), "+r"(r8),
		                   "+r"(r9)
		                 : "a"(number)
		                 : "rcx", "r11", "memory", "cc");
		second = a[2];
		/* What looks like a new handle is used from now on. */
		if (result > UINT32_MAX)
			k->handles[next_random(&k->seed) % HANDLES] = (uint64_t)result;
		else if (second > UINT32_MAX && k->calls % 8 == 0)
			k->handles[next_random(&k->seed) % HANDLES] = second;
	}
}

/* Gives the unit's threads something to begin with. */
static void teach(const struct handoff *boot, handle_t unit, struct knowledge *k, uint64_t seed)
{
	handle_t own[HANDLES] = {0};
	unsigned count = 0;

	own[count++] = unit;
	own[count++] = (handle_t)space_create(SPACE_NATIVE, unit);
	own[count++] = (handle_t)memory_create_in(unit, 64 * PAGE_SIZE_BYTES);
	own[count++] = (handle_t)memory_create_in(unit, PAGE_SIZE_BYTES);
	own[count++] = (handle_t)event_create();
	own[count++] = (handle_t)channel_create(CHANNEL_DONATING);
	own[count++] = (handle_t)channel_create(0);
	own[count++] = boot->machine.cpus[0].budget;
	k->seed = seed * 0x9e3779b97f4a7c15ull | 1;
	for (unsigned i = 0; i < HANDLES; i++)
		k->handles[i] = i < count && (int64_t)own[i] > 0
		                    ? (uint64_t)unit_grant(unit, own[i], i == 7 ? RIGHT_READ : RIGHT_ALL,
		                                           i == 5 ? 0 : seed)
		                    : seed;
	for (unsigned i = 1; i < 7; i++)
		cap_delete(own[i]);
}

static int64_t run_round(const struct handoff *boot, struct thread_page *page, handle_t event, uint64_t round,
                         uint8_t *stacks, struct thread_page *pages, handle_t page_memory)
{
	struct unit_spec spec = {
	    .memory_bytes = UNIT_BYTES, .caps = 200, .priority_max = 100, .name = "random"};
	int64_t unit = unit_create(page, boot->unit, &spec), result = unit;

	if (unit < 0)
		return unit;
	for (uint64_t i = 0; i < THREADS; i++) {
		teach(boot, (handle_t)unit, &known[i], round * THREADS + i + 1);
		struct thread_spec thread = {
		    .entry = (uint64_t)random_calls,
		    .stack = (uint64_t)stacks + (i + 1) * STACK - 8,
		    .argument = {i, 0},
		    .budget = boot->machine.cpus[i % boot->machine.cpu_count].budget,
		    .page_address = (uint64_t)&pages[i],
		    .name = "random",
		};

		result = thread_create(page, (handle_t)unit, boot->space, page_memory, i * PAGE_SIZE_BYTES,
		                       &thread);
		if (result == E_STATE ||
		    result == E_HANDLE) /* the unit has ended or destroyed itself already */
			result = 0;
		if (result <= 0)
			break;
		thread_start((handle_t)result);
		cap_delete((handle_t)result);
	}
	(void)event_wait(event, clock_ns() + ROUND_NS, 0);
	int64_t destroyed = unit_destroy((handle_t)unit);

	cap_delete((handle_t)unit);
	return result < 0 || destroyed == E_HANDLE ? result : destroyed;
}

/* The seconds of the boot option "random=SECONDS", with which that many rounds are made as fit in; else 0. */
static uint64_t seconds_wanted(const char *options)
{
	uint64_t seconds = 0;
	while (*options && strncmp(options, "random=", 7) != 0)
		options++;
	if (*options)
		for (options += 7; *options >= '0' && *options <= '9' && seconds < 1000000; options++)
			seconds = seconds * 10 + (uint64_t)(*options - '0');
	return seconds;
}

void test_random(const struct handoff *boot, struct thread_page *page)
{
	handle_t page_memory, stack_memory, event = (handle_t)event_create();
	uint8_t *stacks = window_allocate(THREADS * STACK, &stack_memory);
	struct thread_page *pages = window_allocate(THREADS * PAGE_SIZE_BYTES, &page_memory);
	struct system_info before = {0}, after = {0};
	uint64_t calls = 0, seed = clock_ns();
	uint64_t end = clock_ns() + seconds_wanted(boot->command_line) * 1000000000;
	int64_t result = 0;

	log_print(boot->system, page, "random calls from seed %lu\n", (unsigned long)seed);

	uint64_t round = 0;
	for (; (round < ROUNDS || clock_ns() < end) && result >= 0; round++) {
		result = run_round(boot, page, event, seed + round, stacks, pages, page_memory);
		if (round == ROUNDS / 4)
			system_info(page, &before);
	}
	for (unsigned i = 0; i < THREADS; i++)
		calls += known[i].calls;
	report(result >= 0 && calls > ROUNDS * 20, "random calls stop nobody else",
	       result < 0 ? result : (int64_t)calls);
	system_info(page, &after);
	report(after.memory_free + 64 * PAGE_SIZE_BYTES >= before.memory_free, "and leave no memory behind",
	       (int64_t)(before.memory_free - after.memory_free));
	log_print(boot->system, page, "random calls: %lu in %lu rounds\n", (unsigned long)calls,
	          (unsigned long)round);
	cap_delete(event);
}
