/* The entropy service: seeds every unit's own generator (abi/entropy.interface).
 *
 * It begins with what the loader gathered and judged (the firmware's generator, the TPM's, the processor's, jitter), which the steward
 * passes on, never the same to two starts. It adds the processor's generator, each virtio entropy device that devmgr lists, and the
 * jitter of timer interrupts: at once while too little is credited, then every REFRESH_NS, and the time of each request.
 */
#include <holon.h>
#include <holon/device.h>
#include <crypto/util.h>
#include "device.interface.h"
#include "entropy.interface.h"
#include "pool.h"
#include "random.interface.h"
#include "text.h"

#define BIT_TIMER   1ull
#define BIT_DEVICES 2ull
#define JITTER_NS                                                                                            \
	200000ull /* between two samples; twice as long after each block that was worth nothing, up to: */
#define JITTER_MAX_NS  20000000ull
#define REFRESH_NS     (60ull * 1000000000ull)
#define DEVICE_WAIT_NS 1000000000ull /* for devmgr or a driver to take a call */
#define DEVICE_BUSY_NS 50000000ull   /* until a device that had nothing ready is asked again */
#define DEVICE_LATER_NS                                                                                      \
	2000000000ull /* devices are looked for when the system has started, if they are not needed sooner */
#define DEVICES_MAX  64u
#define DEVICE_BYTES 64u
#define WORDS        8u

static struct service {
	const struct start_info *info;
	struct thread_page *page;
	handle_t log, channel, devices, event;
	struct pool pool;
	struct jitter jitter;
	uint64_t jitter_ns, last; /* between samples; the counter when the last wait began */
	bool steady;              /* the loader found that the clock does not vary: jitter is worth nothing */
	uint64_t jitter_at, refresh_at, devices_at; /* when what is due; DEADLINE_NEVER: not at all */
	bool device_known;
} service;

#define LOG(...) log_print(service.log, service.page, __VA_ARGS__)

static void credited(const char *source, uint32_t before)
{
	if (before < POOL_WANTED_BITS && service.pool.bits == POOL_WANTED_BITS)
		LOG("%u bits are credited, the last of them to %s\n", POOL_WANTED_BITS, source);
}

static void add(const char *source, const void *data, size_t bytes, uint32_t bits)
{
	uint32_t before = service.pool.bits;
	pool_add(&service.pool, source, data, bytes, bits);
	credited(source, before);
}

/* Half of what the processor promises is credited, and nothing where it repeats itself. */
static void add_processor(void)
{
	uint64_t words[WORDS];
	unsigned count = 0;
	uint32_t bits = 0;
	while (count < WORDS && processor_random(&words[count])) {
		bits = count && words[count] == words[count - 1] ? 0 : bits + 32;
		count++;
	}
	add("the processor's generator", words, count * sizeof(words[0]), count == WORDS ? bits : 0);
	crypto_wipe(words, sizeof(words));
}

static void jitter_next(void)
{
	service.last = processor_counter();
	service.jitter_at = clock_ns() + service.jitter_ns;
}

static void jitter_start(void)
{
	if (service.jitter_at != DEADLINE_NEVER)
		return;
	service.jitter_ns = JITTER_NS;
	jitter_next();
}

static void jitter_take(void)
{
	uint64_t time = processor_counter() - service.last;
	uint32_t bits, before = service.pool.bits;
	if (jitter_add(&service.jitter, &service.pool, time ^ time >> 8, !service.steady, &bits)) {
		credited("the jitter of interrupts", before);
		if (service.pool.bits == POOL_WANTED_BITS) {
			service.jitter_at = DEADLINE_NEVER;
			return;
		}
		if (!bits && service.jitter_ns < JITTER_MAX_NS)
			service.jitter_ns *= 2;
	}
	jitter_next();
}

/* All entropy devices there are; what they give is credited for half. */
static void add_devices(void)
{
	for (uint32_t i = 0; i < DEVICES_MAX; i++) {
		struct device_info info;
		const void *data;
		uint32_t bytes;
		uint64_t count;
		handle_t device;
		if (device_list(service.devices, service.page, i, &count, &data, &bytes,
		                clock_ns() + DEVICE_WAIT_NS) < 0)
			return;
		if (bytes != sizeof(info))
			continue;
		memcpy(&info, data, sizeof(info));
		info.name[sizeof(info.name) - 1] = 0;
		if (info.kind != DEVICE_RANDOM || device_open(service.devices, service.page, info.name,
		                                              &device, clock_ns() + DEVICE_WAIT_NS) < 0)
			continue;
		uint8_t mixed[DEVICE_BYTES];
		int64_t result = random_bytes(device, service.page, DEVICE_BYTES, &data, &bytes,
		                              clock_ns() + DEVICE_WAIT_NS);
		if (result >= 0 && bytes == DEVICE_BYTES) {
			memcpy(mixed, data, sizeof(mixed));
			memset(service.page->bytes, 0, DEVICE_BYTES + 8);
			add("an entropy device", mixed, sizeof(mixed), 4 * sizeof(mixed));
			crypto_wipe(mixed, sizeof(mixed));
			if (!service.device_known)
				LOG("%s is mixed in\n", info.name);
			service.device_known = true;
		} else if (result == E_BUSY) {
			service.devices_at = clock_ns() + DEVICE_BUSY_NS;
		}
		cap_delete(device);
	}
}

/* Asks to be told of devices, which lasts until devmgr starts again. */
static void watch_devices(void)
{
	int64_t mine = cap_copy(service.event, RIGHT_SIGNAL | RIGHT_COPY | RIGHT_MOVE, 0);
	if (mine >= 0 && device_watch(service.devices, service.page, (handle_t)mine, BIT_DEVICES, 0,
	                              clock_ns() + DEVICE_WAIT_NS) < 0)
		cap_delete((handle_t)mine);
}

static void work(uint64_t bits)
{
	uint64_t now = clock_ns();
	if (now >= service.jitter_at)
		jitter_take();
	if (now >= service.refresh_at) {
		service.refresh_at = now + REFRESH_NS;
		add_processor();
		jitter_start();
		service.devices_at = now;
	}
	if (service.devices && (bits & BIT_DEVICES || now >= service.devices_at)) {
		service.devices_at = DEADLINE_NEVER;
		watch_devices();
		add_devices();
	}
}

static void timer_set(void)
{
	uint64_t next = service.jitter_at < service.refresh_at ? service.jitter_at : service.refresh_at;
	next = service.devices && service.devices_at < next ? service.devices_at : next;
	event_timer(service.event, next, BIT_TIMER);
}

static int64_t serve_seed(void *context, uint64_t badge, uint64_t *a, uint64_t *b, uint64_t *c, uint64_t *d)
{
	uint64_t words[POOL_SEED_BYTES / 8], time = processor_counter();
	(void)context;
	pool_add(&service.pool, "request", &time, sizeof(time), 0);
	pool_add(&service.pool, "asker", &badge, sizeof(badge), 0);
	if (!pool_seed(&service.pool, (uint8_t *)words))
		return E_BUSY;
	*a = words[0];
	*b = words[1];
	*c = words[2];
	*d = words[3];
	crypto_wipe(words, sizeof(words));
	return E_OK;
}

/* What the loader gathered, and how many bits it says that is worth. */
static void add_start(void)
{
	uint8_t seed[SEED_BYTES];
	const char *text = start_word(service.info, "seed-bits=");
	uint32_t bits = 0;
	for (; text && *text >= '0' && *text <= '9'; text++)
		bits = bits >= 1000 ? bits : bits * 10 + (uint32_t)(*text - '0');
	service.steady = text && strcmp(text, ",steady") == 0;
	bool given = seed_read(service.info, seed);
	add("the loader", seed, sizeof(seed), given ? bits : 0);
	crypto_wipe(seed, sizeof(seed));
}

int program_main(const struct start_info *info, struct thread_page *page)
{
	static const struct entropy_operations operations = {.seed = serve_seed};
	struct message message = {0};
	service.info = info;
	service.page = page;
	service.log = start_find(info, "log", 0);
	service.channel = start_find(info, "entropy", 0);
	service.devices = start_find(info, "device", 0);
	int64_t event = event_create();
	if (event < 0 || event_bind((handle_t)event, info->thread) < 0) {
		LOG("cannot make its event\n");
		return 1;
	}
	service.event = (handle_t)event;
	service.jitter_at = DEADLINE_NEVER;
	service.refresh_at = clock_ns() + REFRESH_NS;
	service.devices_at = clock_ns() + DEVICE_LATER_NS;
	pool_init(&service.pool);
	add_start();
	add_processor();
	if (service.pool.bits < POOL_WANTED_BITS) {
		LOG("%u bits are credited of %u; who makes keys waits for more\n", service.pool.bits,
		    POOL_WANTED_BITS);
		service.devices_at = 0;
		jitter_start();
	}
	timer_set();
	int64_t result = channel_receive(service.channel, &message, DEADLINE_NEVER);
	while (result >= 0) {
		if (message.info & INFO_EVENT) {
			work(message.words[0]);
			timer_set();
			result = channel_receive(service.channel, &message, DEADLINE_NEVER);
			continue;
		}
		entropy_serve(&operations, 0, &message, page);
		result = channel_reply_receive(service.channel, &message, DEADLINE_NEVER);
	}
	LOG("%s\n", error_text(result));
	return 1;
}
