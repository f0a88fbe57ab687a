/* See driver.h. */
#include "driver.h"

#include "foreign.h"
#include "host.interface.h"

/* VALUE of a "barN" capability: bytes to skip, above; pages, below. */
#define BAR_SKIP(value)  (((value) >> 32) * DRIVER_PAGE)
#define BAR_BYTES(value) (((value)&0xffffffffu) * DRIVER_PAGE)
#define CALL_NS          10000000000ull
#define STACK_BYTES      (4u * DRIVER_PAGE) /* of a thread beside the first */

static handle_t pausing; /* an event that nobody signals */

static bool bar_find(struct driver *driver, unsigned index)
{
	struct driver_bar *bar = &driver->bars[index];
	char name[8];
	uint64_t value;

	text_format(name, sizeof(name), "port%u", index);
	bar->ports = start_find(driver->info, name, &value);
	if (bar->ports) {
		bar->port = (uint32_t)value & 0xffff;
		bar->bytes = value >> 16;
		return true;
	}
	text_format(name, sizeof(name), "bar%u", index);
	handle_t memory = start_find(driver->info, name, &value);
	if (!memory)
		return true;
	bar->skip = BAR_SKIP(value);
	bar->bytes = BAR_BYTES(value);
	bar->at = window_map(memory, 0, bar->bytes, MAP_READ | MAP_WRITE);
	return bar->at;
}

/* Interrupts of a line that is devmgr's come as signals of its own. */
static bool line_listen(struct driver *driver)
{
	int64_t copy = cap_copy(driver->event, RIGHT_SIGNAL | RIGHT_COPY | RIGHT_MOVE, 1);

	if (copy < 0)
		return false;
	driver->irq_count = 1;
	driver->irq_level = true;
	if (host_line(driver->host, driver->page, (handle_t)copy, 1, clock_ns() + CALL_NS) >= 0)
		return true;
	cap_delete((handle_t)copy);
	return false;
}

static void irq_answer(struct driver *driver, unsigned index)
{
	if (!driver->irq_shared)
		irq_ack(driver->irqs[index]);
	else if (host_line_answered(driver->host, driver->page, clock_ns() + CALL_NS) < 0)
		driver_fail(driver, "devmgr does not tell of interrupts");
}

static bool init(struct driver *driver, const struct start_info *info, struct thread_page *page,
                 unsigned bound)
{
	uint64_t value = 0;
	bool good = true;

	*driver = (struct driver){.info = info, .page = page};
	driver->log = start_find(info, "log", 0);
	driver->host = start_find(info, "driver", &value);
	driver->irq_shared = value;
	driver->service = start_find(info, "service", 0);
	int64_t event = event_create();
	int64_t pause = event_create();
	driver->event = event < 0 ? 0 : (handle_t)event;
	pausing = pause < 0 ? 0 : (handle_t)pause;
	foreign_init(info->space, page);
	good = driver->host && driver->service && event > 0 && pause > 0 &&
	       event_bind(driver->event, info->thread) >= 0;
	for (unsigned i = 0; i < DRIVER_BARS; i++)
		good = bar_find(driver, i) && good;
	for (unsigned i = 0; i < DRIVER_IRQS && good; i++) {
		char name[8];
		text_format(name, sizeof(name), "irq%u", i);
		handle_t irq = start_find(info, name, &value);
		if (!irq)
			break;
		driver->irqs[driver->irq_count++] = irq;
		driver->irq_level = value;
		good = i >= bound || irq_bind(irq, driver->event, 1ull << i) >= 0;
	}
	if (good && driver->irq_shared)
		good = line_listen(driver);
	if (!good)
		DRIVER_LOG(driver, "driver: devmgr gave too little to start with\n");
	return good;
}

bool driver_init(struct driver *driver, const struct start_info *info, struct thread_page *page)
{
	return init(driver, info, page, DRIVER_IRQS);
}

bool driver_init_first(struct driver *driver, const struct start_info *info, struct thread_page *page)
{
	return init(driver, info, page, 1);
}

bool driver_bar_holds(const struct driver_bar *bar, uint64_t offset, uint64_t bytes)
{
	return bar->at && offset >= bar->skip && offset - bar->skip <= bar->bytes &&
	       bytes <= bar->bytes - (offset - bar->skip);
}

uint32_t driver_config(struct driver *driver, uint32_t offset)
{
	uint32_t value;

	return host_config(driver->host, driver->page, offset, &value, clock_ns() + CALL_NS) >= 0
	           ? value
	           : UINT32_MAX;
}

bool driver_started(struct driver *driver)
{
	return host_start(driver->host, driver->page, clock_ns() + CALL_NS) >= 0;
}

/* Maps PAGES pages of MEMORY at PAGE on, at most DRIVER_MAP_PAGES. */
static bool map_part(struct driver *driver, handle_t memory, uint64_t page, uint64_t pages,
                     uint64_t *addresses, uint64_t *mapping)
{
	const void *list;
	uint32_t bytes;
	int64_t copy = cap_copy(memory, RIGHT_READ | RIGHT_WRITE | RIGHT_COPY | RIGHT_MOVE, 0);

	if (copy < 0)
		return false;
	if (host_map(driver->host, driver->page, (handle_t)copy, page * DRIVER_PAGE, pages * DRIVER_PAGE,
	             mapping, &list, &bytes, clock_ns() + CALL_NS) < 0) {
		cap_delete((handle_t)copy); /* nothing where it went over */
		return false;
	}
	if (bytes != pages * sizeof(*addresses)) {
		host_unmap(driver->host, driver->page, *mapping, clock_ns() + CALL_NS);
		return false;
	}
	memcpy(addresses, list, bytes);
	return true;
}

bool driver_map(struct driver *driver, handle_t memory, uint64_t pages, uint64_t *addresses,
                uint64_t *mappings)
{
	for (uint64_t page = 0, part; page < pages; page += part) {
		part = pages - page < DRIVER_MAP_PAGES ? pages - page : DRIVER_MAP_PAGES;
		if (!map_part(driver, memory, page, part, addresses + page,
		              &mappings[page / DRIVER_MAP_PAGES])) {
			driver_unmap(driver, page, mappings);
			return false;
		}
	}
	return true;
}

void driver_unmap(struct driver *driver, uint64_t pages, const uint64_t *mappings)
{
	for (uint64_t i = 0; i * DRIVER_MAP_PAGES < pages; i++)
		if (host_unmap(driver->host, driver->page, mappings[i], clock_ns() + CALL_NS) < 0)
			driver_fail(driver, "devmgr does not take a mapping back");
}

void *driver_pages(struct driver *driver, unsigned count, uint64_t *addresses)
{
	uint64_t mappings[1];
	handle_t memory;
	void *at =
	    count && count <= DRIVER_MAP_PAGES ? window_allocate((uint64_t)count * DRIVER_PAGE, &memory) : 0;

	return at && driver_map(driver, memory, count, addresses, mappings) ? at : 0;
}

handle_t driver_client_signal(struct driver *driver, handle_t event, uint64_t *bits)
{
	for (unsigned bit = DRIVER_CLIENT_BIT; bit < DRIVER_CLIENT_BIT + DRIVER_CLIENTS; bit++) {
		if (driver->client_bits >> bit & 1)
			continue;
		int64_t signal = cap_copy(event, RIGHT_SIGNAL | RIGHT_COPY | RIGHT_MOVE, 1ull << bit);
		if (signal < 0)
			return 0;
		driver->client_bits |= *bits = 1ull << bit;
		return (handle_t)signal;
	}
	return 0;
}

void driver_client_ended(struct driver *driver, uint64_t bits)
{
	driver->client_bits &= ~bits;
}

uint64_t driver_memory_bytes(struct driver *driver, handle_t memory)
{
	struct memory_info info;

	return memory_info(driver->page, memory, &info) >= 0 ? info.bytes : 0;
}

void driver_pause(struct driver *driver, uint32_t microseconds)
{
	(void)driver;
	event_wait(pausing, clock_ns() + microseconds * 1000ull, 0);
}

void driver_run(struct driver *driver, void *context, void (*message)(void *context, struct message *message),
                void (*work)(void *context, uint64_t bits))
{
	struct message received = {0};

	(void)(host_ready(driver->host, driver->page, clock_ns() + CALL_NS) < 0);
	int64_t result = channel_receive(driver->service, &received, DEADLINE_NEVER);

	while (result >= 0) {
		if (!(received.info & INFO_EVENT)) {
			message(context, &received);
			result = channel_reply_receive(driver->service, &received, DEADLINE_NEVER);
			continue;
		}
		work(context, received.words[0]);
		for (unsigned i = 0; i < driver->irq_count && driver->irq_level; i++)
			if (received.words[0] >> i & 1)
				irq_answer(driver, i);
		result = channel_receive(driver->service, &received, DEADLINE_NEVER);
	}
	driver_fail(driver, error_text(result));
}

/* What a thread is to do: at the end of its stack. */
struct thread_start {
	void (*entry)(void *argument);
	void *argument;
};

static void thread_main(const struct thread_start *start, uint64_t unused, struct thread_page *page)
{
	(void)unused, (void)page;
	if (!foreign_thread_enter())
		unit_exit(1);
	start->entry(start->argument);
}

bool driver_thread(struct driver *driver, uint32_t cpu, void (*entry)(void *argument), void *argument)
{
	const struct start_info *info = driver->info;
	handle_t page_memory;
	char name[12];
	void *page = window_allocate(DRIVER_PAGE, &page_memory);
	uint8_t *stack = window_allocate(STACK_BYTES, 0);

	text_format(name, sizeof(name), "budget%u", cpu);
	handle_t budget = start_find(info, name, 0);
	if (!page || !stack || !budget || !foreign_thread(page, stack, STACK_BYTES))
		return false;
	struct thread_start *start = (struct thread_start *)(void *)(stack + STACK_BYTES - sizeof(*start));
	*start = (struct thread_start){entry, argument};
	/* As after a call: 8 below a multiple of 16. */
	struct thread_spec spec = {.entry = (uint64_t)thread_main,
	                           .stack = ((uint64_t)start & ~15ull) - 8,
	                           .argument = {(uint64_t)start, 0},
	                           .budget = budget,
	                           .page_address = (uint64_t)page,
	                           .name = "driver"};
	int64_t thread = thread_create(driver->page, info->unit, info->space, page_memory, 0, &spec);
	bool good = thread > 0 && thread_start((handle_t)thread) >= 0;
	if (thread > 0)
		cap_delete((handle_t)thread);
	return good;
}

void driver_fail(struct driver *driver, const char *why)
{
	log_print(driver->log, foreign_page(), "driver: gives up: %s\n", why);
	unit_exit(1);
}
