/* The steward: the first unit. Reads the manifest from the system image, starts every unit in it with just
 * the capabilities it names, and starts again what fails.
 *
 * All long-lived objects that units share (channels, the console stream) are made here once and outlive any
 * unit's restart. The steward itself serves one channel, "steward", and waits on one event with a bit for
 * each unit.
 */
#include <holon/handoff.h>
#include <holon.h>
#include <holon/command.h>
#include <crypto/blake3.h>
#include <sysimg/sysimg.h>
#include "manifest.h"
#include "pins.h"
#include "console.interface.h"
#include "steward.interface.h"

/* The kernel puts the first program, its stack and pages below this. */
#define FREE_BASE         (NATIVE_BASE + (1ull << 34))
#define RESERVE_MEMORY    (6ull << 20) /* also for what a dead unit leaves pinned, until the device is reset */
#define RESERVE_CAPS      256u
#define CHANNELS_MAX      16
#define RESTARTS_MAX      100
#define RESTARTS_AT_ONCE  3
#define SABOTAGE_START_NS 1000000000ull
#define DEVELOPMENT       "trust=development"
#define SABOTAGE_BIT      (1ull << 63)
#define RESTART_WAIT_NS                                                                                      \
	100000000ull /* after a failure, so that a unit failing at once does not starve the rest */

struct supervised {
	handle_t unit; /* 0: not running */
	uint32_t restarts;
};

static struct steward {
	const struct handoff *boot;
	struct thread_page *page;
	struct sysimg image;
	handle_t image_memory;
	uint64_t image_bytes;
	handle_t event;
	handle_t pause;     /* never signalled: for waiting */
	unsigned sabotaged; /* index of a unit, and how often it is killed; 0: never */
	uint64_t sabotage_ms;
	struct manifest manifest;
	struct supervised units[MANIFEST_UNITS_MAX];
	struct {
		char name[24];
		handle_t channel;
	} channels[CHANNELS_MAX];
	handle_t stream, stream_console, stream_program; /* memory; the event of side 0, of side 1 */
} steward;

#define LOG(...) log_print(steward.boot->system, steward.page, __VA_ARGS__)

static handle_t module_find(const char *name, uint64_t *bytes)
{
	for (uint64_t i = 0; i < steward.boot->module_count && i < HANDOFF_MODULE_MAX; i++) {
		if (strncmp(steward.boot->modules[i].name, name, sizeof(steward.boot->modules[i].name)) ==
		    0) {
			*bytes = steward.boot->modules[i].size;
			return steward.boot->modules[i].handle;
		}
	}
	*bytes = 0;
	return 0;
}

/* The channel NAME, made at its first mention. */
static handle_t channel_find(const char *name)
{
	unsigned i = 0;
	for (; i < CHANNELS_MAX && steward.channels[i].name[0]; i++)
		if (strcmp(steward.channels[i].name, name) == 0)
			return steward.channels[i].channel;
	int64_t channel = i < CHANNELS_MAX ? channel_create(CHANNEL_DONATING) : E_QUOTA_CAPS;
	if (channel < 0)
		return 0;
	text_copy(steward.channels[i].name, sizeof(steward.channels[i].name), name);
	steward.channels[i].channel = (handle_t)channel;
	return (handle_t)channel;
}

/* What GIVE stands for, into SPAWN. Objects made for the unit alone are put into MADE, to be dropped after
 * the grant. */
static bool give_resolve(struct spawn *spawn, const struct manifest_give *give, uint64_t badge,
                         handle_t *made)
{
	const uint32_t memory = RIGHT_READ | RIGHT_EXECUTE | RIGHT_COPY | RIGHT_MOVE;
	const uint32_t event = RIGHT_SIGNAL | RIGHT_WAIT | RIGHT_MANAGE | RIGHT_COPY | RIGHT_MOVE;
	uint64_t bytes;
	handle_t handle;
	int64_t object;
	switch (give->kind) {
	case GIVE_SERVE:
		return spawn_give(spawn, give->name, channel_find(give->name),
		                  RIGHT_RECEIVE | RIGHT_CALL | RIGHT_COPY | RIGHT_MOVE, 0, 0);
	case GIVE_USE:
		return spawn_give(spawn, give->name, channel_find(give->name),
		                  RIGHT_CALL | RIGHT_COPY | RIGHT_MOVE, badge, 0);
	case GIVE_LOG:
		return spawn_give(spawn, "log", steward.boot->system, RIGHT_LOG | RIGHT_COPY | RIGHT_MOVE, 0,
		                  0);
	case GIVE_IMAGE:
		return spawn_give(spawn, "image", steward.image_memory, memory, 0, steward.image_bytes);
	case GIVE_ADD:
	case GIVE_COMMAND:
		handle = module_find(give->kind == GIVE_ADD ? "add" : "command", &bytes);
		return !handle || spawn_give(spawn, give->kind == GIVE_ADD ? "add" : "command", handle,
		                             memory, 0, bytes);
	case GIVE_STREAM:
		/* Both sides are given whole: the console is side 0, the manager passes side 1 on. */
		return spawn_give(spawn, "stream", steward.stream,
		                  RIGHT_READ | RIGHT_WRITE | RIGHT_COPY | RIGHT_MOVE, 0, STREAM_BYTES) &&
		       spawn_give(spawn, "stream-event", steward.stream_console, event, 0, 0) &&
		       spawn_give(spawn, "stream-peer", steward.stream_program, event, 0, 0);
	case GIVE_FRAMEBUFFER:
		return !steward.boot->framebuffer.handle ||
		       spawn_give(spawn, "framebuffer", steward.boot->framebuffer.handle,
		                  RIGHT_READ | RIGHT_WRITE, 0, steward.boot->framebuffer.size);
	case GIVE_DEVICES:
		return spawn_give(spawn, "devices", steward.boot->system,
		                  RIGHT_IRQ | RIGHT_PORT | RIGHT_DEVICE | RIGHT_READ | RIGHT_COPY, 0, 0);
	case GIVE_PORT:
		object = ioport_create(steward.boot->system, (uint16_t)give->base, give->count);
		*made = object < 0 ? 0 : (handle_t)object;
		return spawn_give(spawn, give->name, *made, RIGHT_ALL, 0, give->base);
	case GIVE_IRQ:
		object = irq_create(steward.boot->system, give->base, 0, 0);
		*made = object < 0 ? 0 : (handle_t)object;
		return spawn_give(spawn, give->name, *made, RIGHT_ALL, 0, give->base);
	}
	return false;
}

static uint64_t framebuffer_describe(const struct manifest_unit *unit, char *buffer, size_t size)
{
	const struct handoff *boot = steward.boot;
	for (unsigned i = 0; i < unit->give_count && boot->framebuffer.handle; i++) {
		if (unit->gives[i].kind != GIVE_FRAMEBUFFER)
			continue;
		int length =
		    text_format(buffer, size, "framebuffer=%u,%u,%u,%u", boot->framebuffer.width,
		                boot->framebuffer.height, boot->framebuffer.stride, boot->framebuffer.format);
		return (size_t)length < size ? (uint64_t)length + 1 : 0;
	}
	return 0;
}

static bool unit_is_devmgr(const struct manifest_unit *unit)
{
	for (unsigned i = 0; i < unit->give_count; i++)
		if (unit->gives[i].kind == GIVE_DEVICES)
			return true;
	return false;
}

/* The argument "seed=" with 32 bytes in hexadecimal for the next unit, of the loader's seed, never the same twice; and what that is
 * worth, "seed-bits=". */
static uint64_t seed_words(char *buffer, size_t size)
{
	static uint64_t number;
	uint8_t seed[BLAKE3_SIZE];
	char bits[32];
	number++;
	blake3_keyed_hash(seed, steward.boot->seed, &number, sizeof(number));
	uint64_t length = seed_word(buffer, size, seed);
	size_t more = (size_t)text_format(bits, sizeof(bits), "seed-bits=%u%s", steward.boot->seed_bits,
	                                  steward.boot->seed_flags & HANDOFF_SEED_STEADY ? ",steady" : "") +
	              1;
	if (!length || more > size - length)
		return 0;
	memcpy(buffer + length, bits, more);
	return length + more;
}

/* Arguments of UNIT: its own words, the framebuffer's description where it is given that, then the boot
 * command line's where it asks for them, "raw" where the command has no terminal. */
static uint64_t arguments_make(const struct manifest_unit *unit, char *buffer, size_t size)
{
	uint64_t length = unit->arguments_bytes;
	memcpy(buffer, unit->arguments, length);
	length += framebuffer_describe(unit, buffer + length, size - length);
	if (unit_is_devmgr(unit) && size - length > 32)
		length +=
		    (uint64_t)text_format(buffer + length, size - length, "rsdp=%lx", steward.boot->rsdp) + 1;
	if (unit->seed)
		length += seed_words(buffer + length, size - length);
	if (unit->trust && steward.boot->trust.flags & HANDOFF_TRUST_DEVELOPMENT &&
	    sizeof(DEVELOPMENT) < size - length) {
		memcpy(buffer + length, DEVELOPMENT, sizeof(DEVELOPMENT));
		length += sizeof(DEVELOPMENT);
	}
	if (!unit->options)
		return length;
	for (const char *at = steward.boot->command_line; *at;) {
		size_t word = 0;
		while (at[word] && at[word] != ' ')
			word++;
		if (word && length + word + 1 < size) {
			memcpy(buffer + length, at, word);
			buffer[length + word] = 0;
			length += word + 1;
		}
		at += word + (at[word] == ' ');
	}
	uint64_t bytes;
	handle_t command = module_find("command", &bytes);
	const struct command_header *header = command ? window_map(command, 0, bytes, MAP_READ) : 0;
	if (header) {
		if (bytes >= sizeof(*header) && !(header->flags & COMMAND_TERMINAL) && length + 4 < size) {
			memcpy(buffer + length, "raw", 4);
			length += 4;
		}
		window_unmap((void *)(uintptr_t)header, bytes);
	}
	return length;
}

static bool unit_start(unsigned index)
{
	const struct manifest_unit *unit = &steward.manifest.units[index];
	static struct spawn spawn;
	static char arguments[START_ARGUMENTS_SIZE];
	handle_t made[MANIFEST_GIVES_MAX] = {0};
	struct unit_info own;
	const char *why = "its program is not in the system image";
	memset(&spawn, 0, sizeof(spawn));
	int64_t node = sysimg_path(&steward.image, unit->program);
	int64_t result = E_NOT_FOUND;
	if (node >= 0 && !sysimg_verify(&steward.image, (uint32_t)node)) {
		why = "its program does not match its digest";
		result = E_FAULT;
	} else if (node >= 0 && (result = unit_info(steward.page, steward.boot->unit, &own)) >= 0) {
		const struct sysimg_node *file = &steward.image.nodes[node];
		text_copy(spawn.unit.name, sizeof(spawn.unit.name), unit->name);
		spawn.unit.memory_bytes = unit->memory != MANIFEST_REST ? unit->memory
		                          : own.memory_quota - own.memory_used > RESERVE_MEMORY
		                              ? own.memory_quota - own.memory_used - RESERVE_MEMORY
		                              : 0;
		spawn.unit.caps = unit->caps != MANIFEST_REST ? unit->caps
		                  : own.caps_quota - own.caps_used > RESERVE_CAPS
		                      ? own.caps_quota - own.caps_used - RESERVE_CAPS
		                      : 0;
		spawn.unit.priority_max = unit->priority;
		spawn.unit.flags = unit->wx ? UNIT_WX : 0;
		spawn.unit.event = steward.event;
		spawn.unit.event_bits = 1ull << index;
		spawn.parent = steward.boot->unit;
		spawn.image = steward.image_memory;
		spawn.image_offset = file->offset;
		spawn.image_bytes = file->size;
		spawn.image_map = steward.image.bytes + file->offset;
		spawn.stack_bytes = unit->stack;
		spawn.priority = unit->priority;
		spawn.cpu_mask = (1u << steward.boot->machine.cpu_count) - 1;
		spawn.slice_ns = 4000000;
		spawn.arguments = arguments;
		spawn.arguments_bytes = arguments_make(unit, arguments, sizeof(arguments));
		if (unit_is_devmgr(unit))
			pins_epoch();
		why = "a capability it is to be given";
		bool all = true;
		for (unsigned i = 0; i < unit->give_count && all; i++)
			all = give_resolve(&spawn, &unit->gives[i], index + 1, &made[i]);
		result = all ? spawn_unit(steward.page, &spawn, steward.boot->machine.cpu_count, &why)
		             : E_ARGUMENT;
	}
	for (unsigned i = 0; i < unit->give_count; i++)
		if (made[i])
			cap_delete(made[i]);
	if (result < 0) {
		LOG("steward: cannot start %s: %s: %s\n", unit->name, why, error_text(result));
		return false;
	}
	steward.units[index].unit = (handle_t)result;
	return true;
}

/* A unit that will not be started again: who waits for one of its services must not wait for ever. */
static void channels_end(const struct manifest_unit *unit)
{
	for (unsigned i = 0; i < unit->give_count; i++) {
		if (unit->gives[i].kind != GIVE_SERVE)
			continue;
		handle_t channel = channel_find(unit->gives[i].name);
		cap_revoke(channel);
		cap_delete(channel);
	}
}

/* Clears away a unit that has ended, and starts it again where the manifest says so. */
static void unit_again(unsigned index)
{
	const struct manifest_unit *unit = &steward.manifest.units[index];
	struct supervised *supervised = &steward.units[index];
	unit_destroy(supervised->unit);
	cap_delete(supervised->unit);
	supervised->unit = 0;
	if (unit->restart && supervised->restarts < RESTARTS_MAX) {
		supervised->restarts++;
		LOG("steward: starting %s again\n", unit->name);
		if (supervised->restarts > RESTARTS_AT_ONCE)
			event_wait(steward.pause, clock_ns() + RESTART_WAIT_NS, 0);
		if (unit_start(index))
			return;
	}
	LOG("steward: %s is not started again\n", unit->name);
	channels_end(unit);
}

/* Looks at a unit whose bit was signalled; starts it again if it has ended and is to be restarted. */
static void unit_check(unsigned index)
{
	const struct manifest_unit *unit = &steward.manifest.units[index];
	struct supervised *supervised = &steward.units[index];
	struct unit_info info;
	if (!supervised->unit || unit_info(steward.page, supervised->unit, &info) < 0 ||
	    (info.state != UNIT_STOPPED && info.state != UNIT_FAILED))
		return;
	if (info.state == UNIT_FAILED)
		LOG("steward: %s failed: exception %lu at %lx, address %lx\n", unit->name, info.fault.vector,
		    info.fault.pc, info.fault.address);
	else
		LOG("steward: %s ended with status %ld\n", unit->name, info.exit_status);
	unit_again(index);
}

/* The boot option "kill=NAME,MS" (for tests): every MS milliseconds the unit NAME is destroyed, as if it had
 * failed; the first time a second later. */
static void sabotage_prepare(void)
{
	const char *option = steward.boot->command_line;
	while (*option && strncmp(option, "kill=", 5) != 0) {
		while (*option && *option != ' ')
			option++;
		option += *option == ' ';
	}
	if (!*option)
		return;
	option += 5;
	for (unsigned i = 0; i < steward.manifest.unit_count; i++) {
		size_t length = strlen(steward.manifest.units[i].name);
		if (strncmp(option, steward.manifest.units[i].name, length) != 0 || option[length] != ',')
			continue;
		steward.sabotaged = i;
		for (option += length + 1; *option >= '0' && *option <= '9' && steward.sabotage_ms < 100000;
		     option++)
			steward.sabotage_ms = steward.sabotage_ms * 10 + (uint64_t)(*option - '0');
		return;
	}
}

static void sabotage_next(uint64_t more_ns)
{
	if (steward.sabotage_ms)
		event_timer(steward.event, clock_ns() + more_ns + steward.sabotage_ms * 1000000,
		            SABOTAGE_BIT);
}

static void sabotage(void)
{
	struct supervised *supervised = &steward.units[steward.sabotaged];
	if (supervised->unit) {
		LOG("steward: %s is killed, as the boot option says\n",
		    steward.manifest.units[steward.sabotaged].name);
		unit_again(steward.sabotaged);
	}
	if (supervised->unit)
		sabotage_next(0);
}

static int64_t serve_finished(void *context, uint64_t badge, uint64_t status)
{
	(void)context;
	(void)badge;
	unsigned code = status & 0x7f ? 128 + (status & 0x7f) : status >> 8 & 0xff;
	int64_t drained = console_drain(channel_find("console"), steward.page, clock_ns() + 3000000000ull);
	if (drained < 0)
		LOG("steward: the console did not drain: %s\n", error_text(drained));
	LOG("holon-run: exit %u\n", code);
	return system_control(steward.boot->system, SYSTEM_POWER_OFF, 0);
}

static bool devmgr_calls(uint64_t badge)
{
	return badge && badge <= steward.manifest.unit_count &&
	       unit_is_devmgr(&steward.manifest.units[badge - 1]);
}

static int64_t serve_pin(void *context, uint64_t badge, handle_t memory, uint64_t offset, uint64_t bytes,
                         uint64_t *pin, const void **addresses, uint32_t *addresses_bytes)
{
	static uint64_t list[PINS_PAGES_MAX];
	(void)context;
	if (!devmgr_calls(badge))
		return E_RIGHTS;
	int64_t result = pins_make(steward.boot->system, memory, offset, bytes, pin);
	if (result < 0)
		return result;
	cap_delete(memory);
	*addresses_bytes = (uint32_t)(bytes / PAGE_SIZE_BYTES * sizeof(uint64_t));
	memcpy(list, steward.page->bytes, *addresses_bytes); /* the reply is made in the page */
	*addresses = list;
	return E_OK;
}

static int64_t serve_unpin(void *context, uint64_t badge, uint64_t pin)
{
	(void)context;
	return devmgr_calls(badge) ? pins_end(pin) : E_RIGHTS;
}

static int64_t serve_unit(void *context, uint64_t badge, uint32_t index, uint32_t *restarts,
                          const void **data, uint32_t *bytes)
{
	static struct unit_info info;
	(void)context;
	(void)badge;
	if (index >= steward.manifest.unit_count)
		return E_NOT_FOUND;
	int64_t result = unit_info(steward.page, steward.units[index].unit, &info);
	*restarts = steward.units[index].restarts;
	*data = &info;
	*bytes = sizeof(info);
	return result;
}

static const char *prepare(void)
{
	unsigned line;
	steward.image_memory = module_find("system", &steward.image_bytes);
	const void *bytes =
	    steward.image_memory ? window_map(steward.image_memory, 0, steward.image_bytes, MAP_READ) : 0;
	if (!bytes)
		return "there is no system image";
	const char *wrong = sysimg_open(&steward.image, bytes, steward.image_bytes, true);
	if (wrong)
		return wrong;
	int64_t node = sysimg_path(&steward.image, "etc/manifest");
	if (node < 0 || !sysimg_verify(&steward.image, (uint32_t)node))
		return "the system image has no intact etc/manifest";
	const struct sysimg_node *file = &steward.image.nodes[node];
	wrong = manifest_parse(&steward.manifest, (const char *)steward.image.bytes + file->offset,
	                       file->size, &line);
	if (wrong) {
		LOG("steward: etc/manifest, line %u:\n", line);
		return wrong;
	}
	int64_t event = event_create();
	int64_t pause = event_create();
	int64_t console = event_create();
	int64_t program = event_create();
	int64_t stream = memory_create(MEMORY_ANONYMOUS, STREAM_BYTES, 0, 0);
	if (event < 0 || pause < 0 || console < 0 || program < 0 || stream < 0 ||
	    event_bind((handle_t)event, steward.boot->thread) < 0)
		return "cannot make the events and the console stream";
	steward.event = (handle_t)event;
	steward.pause = (handle_t)pause;
	steward.stream = (handle_t)stream;
	steward.stream_console = (handle_t)console;
	steward.stream_program = (handle_t)program;
	return 0;
}

static _Noreturn void serve(void)
{
	static const struct steward_operations operations = {
	    .finished = serve_finished, .pin = serve_pin, .unpin = serve_unpin, .unit = serve_unit};
	handle_t channel = channel_find("steward");
	struct message message = {0};
	int64_t result = channel_receive(channel, &message, DEADLINE_NEVER);
	for (;;) {
		if (result >= 0 && !(message.info & INFO_EVENT)) {
			steward_serve(&operations, 0, &message, steward.page);
			result = channel_reply_receive(channel, &message, DEADLINE_NEVER);
			continue;
		}
		if (result >= 0)
			for (unsigned i = 0; i < steward.manifest.unit_count; i++)
				if (message.words[0] >> i & 1)
					unit_check(i);
		if (result >= 0 && message.words[0] & SABOTAGE_BIT)
			sabotage();
		result = channel_receive(channel, &message, DEADLINE_NEVER);
	}
}

void holon_start(const struct handoff *boot, struct thread_page *page);

/* Entered from start.S, in place of the runtime's own: the first unit gets the handoff. */
void holon_start(const struct handoff *boot, struct thread_page *page)
{
	steward.boot = boot;
	steward.page = page;
	window_init(boot->space, FREE_BASE);
	const char *wrong = boot->magic == HANDOFF_MAGIC ? prepare() : "bad boot information";
	if (wrong) {
		LOG("steward: %s\n", wrong);
		unit_exit(1);
	}
	for (unsigned i = 0; i < steward.manifest.unit_count; i++)
		unit_start(i);
	sabotage_prepare();
	sabotage_next(SABOTAGE_START_NS);
	serve();
}
