/* See stack.h. */
#include "stack.h"
#include "link.h"

#define ARENA_MOST   (1ull << 30)
#define ARENA_LEAST  (256ull << 10)
#define LOOPBACK_MTU 65535u

struct lock stack_lock = LOCK_INIT(LOCK_STACK);
uint8_t *stack_bounce;
static struct net *stack;
static struct net_link *loopback;
static struct task *worker;
static uint64_t wake_at = UINT64_MAX; /* when the worker looks next */

static void stack_random(void *context, void *bytes, size_t count)
{
	(void)context;
	random_bytes(bytes, count);
}

/* Fresh pages of the arena: they are probed, so that a used-up quota is a refusal and not a fault. */
static bool stack_grow(void *context, void *at, size_t bytes)
{
	(void)context;
	for (uint64_t page = (uint64_t)at; page < (uint64_t)at + bytes; page += PAGE_SIZE_BYTES)
		if (probe_write(page))
			return false;
	return true;
}

static bool stack_copy(void *to, const void *from, size_t count)
{
	return user_copy(to, from, count) == 0;
}

/* Runs what is due when nobody calls. */
static void stack_work(void *argument)
{
	(void)argument;
	for (;;) {
		lock_acquire(&stack_lock);
		stack_again();
		link_run();
		wake_at = net_advance(stack, 0);
		link_flush();
		uint64_t deadline = wake_at;
		lock_release(&stack_lock);
		worker_wait(deadline == UINT64_MAX ? DEADLINE_NEVER : deadline);
	}
}

static bool add_loopback(void)
{
	static const uint8_t four[4] = {127, 0, 0, 1};
	const struct net_address ipv4 = net_ipv4(four), ipv6 = {{[15] = 1}};
	const struct net_link_config config = {
	    .name = "lo", .kind = NET_LINK_LOOPBACK, .mtu = LOOPBACK_MTU, .segment_max = LOOPBACK_MTU};
	loopback = net_link_add(stack, &config);
	return loopback && net_address_add(loopback, &ipv4, 8) == 0 &&
	       net_address_add(loopback, &ipv6, 128) == 0;
}

/* The arena's addresses, without memory yet; 0 when there are none. */
static void *arena_reserve(uint64_t bytes, handle_t *memory)
{
	int64_t object = memory_create(MEMORY_ANONYMOUS, bytes, 0, 0);
	if (object < 0)
		return 0;
	*memory = (handle_t)object;
	uint64_t address = window_take(bytes, PAGE_SIZE_BYTES);
	if (address && space_map(machine.space, address, *memory, 0, bytes, MAP_READ | MAP_WRITE) >= 0)
		return (void *)address;
	if (address)
		window_put(address, bytes);
	cap_delete(*memory);
	return 0;
}

static bool stack_start(void)
{
	uint64_t total, used;
	handle_t memory;
	linux_memory(&total, &used);
	uint64_t bytes = total / 8 & ~(PAGE_SIZE_BYTES - 1);
	bytes = bytes > ARENA_MOST ? ARENA_MOST : bytes < ARENA_LEAST ? ARENA_LEAST : bytes;
	struct net_config config = {.arena_bytes = bytes,
	                            .grow = stack_grow,
	                            .copy = stack_copy,
	                            .random = stack_random,
	                            .profile = NET_PROFILE_LINUX,
	                            .now_ns = clock_monotonic()};
	config.arena = arena_reserve(bytes, &memory);
	if (!config.arena)
		return false;
	stack_bounce = pages_allocate(STACK_BOUNCE_BYTES / PAGE_SIZE_BYTES);
	stack = stack_bounce ? net_create(&config) : 0;
	worker = stack && add_loopback() ? worker_create("net", stack_work, 0) : 0;
	if (worker)
		return true;
	stack = 0;
	loopback = 0;
	pages_free(stack_bounce, stack_bounce ? STACK_BOUNCE_BYTES / PAGE_SIZE_BYTES : 0);
	stack_bounce = 0;
	space_unmap(machine.space, (uint64_t)config.arena, bytes);
	window_put((uint64_t)config.arena, bytes);
	cap_delete(memory);
	return false;
}

struct net *stack_get(void)
{
	return stack || stack_start() ? stack : 0;
}

uint64_t stack_event(void)
{
	return worker_event(worker);
}

struct net_link *stack_loopback(void)
{
	return loopback;
}

void stack_again(void)
{
	(void)net_advance(stack, clock_monotonic());
}

void stack_begin(void)
{
	lock_acquire(&stack_lock);
	stack_again();
}

void stack_run(void)
{
	/* At the time of stack_begin: packets on the loopback are due at once. */
	uint64_t next = net_advance(stack, 0);
	link_flush();
	if (next >= wake_at)
		return;
	wake_at = next;
	event_signal(worker_event(worker), 1);
}

void stack_end(void)
{
	stack_run();
	lock_release(&stack_lock);
}
