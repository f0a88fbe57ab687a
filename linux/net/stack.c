/* See stack.h. */
#include "stack.h"
#include "link.h"

#define ARENA_MOST   (1ull << 30)
#define ARENA_LEAST  (256ull << 10)
#define ARENA_OTHERS (64ull << 20) /* the most of those without a link */
#define LOOPBACK_MTU 65535u
#define TURN_NS      50000ull /* others have the locks between two turns of the worker, however much arrives */

struct lock stack_lock = LOCK_INIT(LOCK_STACK);
uint8_t *stack_bounce;
static struct list started = LIST_INIT(started); /* those with a stack */
static struct net_namespace *active;             /* of the section that stack_begin began */
static struct task *worker;
static uint64_t wake_at = UINT64_MAX; /* when the worker looks next */

struct net_namespace net_namespace_first = {
    .common = {.kind = NAMESPACE_NET, .references = 1, .inode = 4026531840, .owner = &user_namespace_first},
    .link = LIST_INIT(net_namespace_first.link)};

struct net_namespace *net_of_task(const struct task *task)
{
	const struct namespaces *own = task->namespaces;
	return own ? container_of(own->of[NAMESPACE_NET], struct net_namespace, common)
	           : &net_namespace_first;
}

struct net_namespace *net_current(void)
{
	return net_of_task(current_task());
}

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
		struct net_namespace *net;
		bool more = false;
		wake_at = UINT64_MAX;
		list_for_each(net, &started, link)
		{
			(void)net_advance(net->stack, clock_monotonic());
			if (net == &net_namespace_first)
				more = link_run();
			uint64_t next = net_advance(net->stack, 0);
			wake_at = next < wake_at ? next : wake_at;
		}
		link_flush();
		if (more && clock_monotonic() + TURN_NS < wake_at)
			wake_at = clock_monotonic() + TURN_NS;
		uint64_t deadline = wake_at;
		lock_release(&stack_lock);
		worker_wait(deadline == UINT64_MAX ? DEADLINE_NEVER : deadline);
	}
}

static bool add_loopback(struct net_namespace *net)
{
	const struct net_link_config config = {
	    .name = "lo", .kind = NET_LINK_LOOPBACK, .mtu = LOOPBACK_MTU, .segment_max = LOOPBACK_MTU};
	net->loopback = net_link_add(net->stack, &config);
	if (net->loopback)
		stack_set_up(net->loopback, net == &net_namespace_first);
	return net->loopback;
}

void stack_set_up(struct net_link *link, bool up)
{
	static const uint8_t four[4] = {127, 0, 0, 1};
	const struct net_address ipv4 = net_ipv4(four), ipv6 = {{[15] = 1}};
	net_link_set_up(link, up);
	if (!up || net_link_number(link) != 1)
		return;
	(void)net_address_add(link, &ipv4, 8); /* or it has them */
	(void)net_address_add(link, &ipv6, 128);
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

/* The worker and the buffer that all stacks use. */
static bool common_start(void)
{
	if (!stack_bounce)
		stack_bounce = pages_allocate(STACK_BOUNCE_BYTES / PAGE_SIZE_BYTES);
	if (stack_bounce && !worker)
		worker = worker_create("net", stack_work, 0);
	return worker;
}

static void arena_free(struct net_namespace *net)
{
	space_unmap(machine.space, (uint64_t)net->arena, net->arena_bytes);
	window_put((uint64_t)net->arena, net->arena_bytes);
	cap_delete(net->arena_memory);
	net->arena = 0;
}

bool stack_start(struct net_namespace *net)
{
	uint64_t total, used, most = net == &net_namespace_first ? ARENA_MOST : ARENA_OTHERS;
	if (net->stack)
		return true;
	linux_memory(&total, &used);
	uint64_t bytes = total / 8 & ~(PAGE_SIZE_BYTES - 1);
	bytes = bytes > most ? most : bytes < ARENA_LEAST ? ARENA_LEAST : bytes;
	struct net_config config = {.arena_bytes = bytes,
	                            .grow = stack_grow,
	                            .copy = stack_copy,
	                            .random = stack_random,
	                            .profile = NET_PROFILE_LINUX,
	                            .now_ns = clock_monotonic()};
	if (!common_start())
		return false;
	net->arena_bytes = bytes;
	net->arena = config.arena = arena_reserve(bytes, &net->arena_memory);
	if (!config.arena)
		return false;
	lock_acquire(&stack_lock);
	net->stack = net_create(&config);
	bool made = net->stack && add_loopback(net);
	if (made)
		list_append(&started, &net->link);
	else
		net->stack = 0;
	lock_release(&stack_lock);
	if (!made)
		arena_free(net);
	return made;
}

struct namespace *net_namespace_copy(struct namespace *from, struct user_namespace *owner, int *error)
{
	struct net_namespace *made = heap_allocate(sizeof(*made));
	(void)from;
	*error = made ? namespace_init(&made->common, NAMESPACE_NET, owner) : -ENOMEM;
	if (*error) {
		heap_free(made);
		return 0;
	}
	list_init(&made->link);
	return &made->common;
}

/* Its sockets have gone before it; what they left behind goes with the arena. */
void net_namespace_free(struct namespace *namespace)
{
	struct net_namespace *gone = container_of(namespace, struct net_namespace, common);
	if (gone->stack) {
		lock_acquire(&stack_lock);
		list_remove(&gone->link);
		lock_release(&stack_lock);
		arena_free(gone);
	}
	namespace_deinit(namespace);
	heap_free(gone);
}

struct net *stack_get(void)
{
	return active->stack;
}

uint64_t stack_event(void)
{
	return worker_event(worker);
}

struct net_link *stack_loopback(void)
{
	return active->loopback;
}

void stack_again(struct net_namespace *net)
{
	active = net;
	(void)net_advance(net->stack, clock_monotonic());
}

void stack_begin(struct net_namespace *net)
{
	lock_acquire(&stack_lock);
	stack_again(net);
}

void stack_run(void)
{
	/* At the time of stack_begin: packets on the loopback are due at once. */
	uint64_t next = net_advance(active->stack, 0);
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
