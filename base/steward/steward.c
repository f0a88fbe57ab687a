/* The steward: the first unit. Reads the manifest from the system image, starts every unit in it with just
 * the capabilities it names, and starts again what fails.
 *
 * All long-lived objects that units share (channels, the console stream) are made here once and outlive any
 * unit's restart. The steward itself serves one channel, "steward", and waits on one event with a bit for
 * each unit.
 */
#include <holon/attest.h>
#include <holon/handoff.h>
#include <holon.h>
#include <holon/bundle.h>
#include <holon/command.h>
#include <crypto/blake3.h>
#include <sysimg/sysimg.h>
#include "pins.h"
#include "supervise.h"
#include "trial.h"
#include "console.interface.h"
#include "steward.interface.h"

/* The kernel puts the first program, its stack and pages below this. */
#define FREE_BASE         (NATIVE_BASE + (1ull << 34))
#define RESERVE_MEMORY    (6ull << 20) /* also for what a dead unit leaves pinned, until the device is reset */
#define RESERVE_CAPS      256u
#define SABOTAGE_START_NS 1000000000ull
#define DEVELOPMENT       "trust=development"
#define SLICE_NS          1000000ull /* of services: short, since they have one priority */
#define SABOTAGE_BIT      (1ull << 63)
static struct steward {
	const struct handoff *boot;
	struct thread_page *page;
	struct sysimg image;
	handle_t image_memory;
	uint64_t image_bytes;
	unsigned sabotaged; /* index of a unit, and how often it is killed; 0: never */
	uint64_t sabotage_ms;
	handle_t measured;                               /* struct measured */
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

/* What the loader handed over, and nothing that is secret of it: a struct measured, and each module. */
static bool give_measured(struct spawn *spawn)
{
	const struct handoff *boot = steward.boot;
	struct measured *measured;
	if (!steward.measured) {
		measured = window_allocate(sizeof(*measured), &steward.measured);
		if (!measured)
			return false;
		measured->firmware = boot->firmware;
		measured->module_count = boot->module_count;
		measured->trust = boot->trust;
		memcpy(measured->command_line, boot->command_line, sizeof(measured->command_line));
		for (uint32_t i = 0; i < boot->module_count && i < HANDOFF_MODULE_MAX; i++)
			memcpy(measured->modules[i], boot->modules[i].name, sizeof(measured->modules[i]));
		window_unmap(measured, sizeof(*measured));
	}
	if (!spawn_give(spawn, "measured", steward.measured, RIGHT_READ, 0, sizeof(*measured)))
		return false;
	for (uint32_t i = 0; i < boot->module_count && i < HANDOFF_MODULE_MAX; i++) {
		char name[24];
		text_format(name, sizeof(name), "module%u", i);
		if (boot->modules[i].handle &&
		    !spawn_give(spawn, name, boot->modules[i].handle, RIGHT_READ, 0, boot->modules[i].size))
			return false;
	}
	return true;
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
	case GIVE_USE: /* its own, or what nobody serves */
		return spawn_give(spawn, give->name, supervise_channel(give->name),
		                  RIGHT_CALL | RIGHT_COPY | RIGHT_MOVE, badge, 0);
	case GIVE_LOG:
		return spawn_give(spawn, "log", steward.boot->system, RIGHT_LOG | RIGHT_COPY | RIGHT_MOVE,
		                  log_mark(give->name), 0);
	case GIVE_IMAGE:
		return spawn_give(spawn, "image", steward.image_memory, memory, 0, steward.image_bytes);
	case GIVE_ADD:
	case GIVE_COMMAND:
		handle = module_find(give->kind == GIVE_ADD ? "add" : "command", &bytes);
		return !handle || spawn_give(spawn, give->kind == GIVE_ADD ? "add" : "command", handle,
		                             memory, 0, bytes);
	case GIVE_SIGNATURES: /* to be read alone */
		for (unsigned i = 0; i < 2; i++) {
			const char *name = i ? BUNDLE_KEYS : BUNDLE_MANIFEST;
			handle = module_find(name, &bytes);
			if (handle &&
			    !spawn_give(spawn, name, handle, RIGHT_READ | RIGHT_COPY | RIGHT_MOVE, 0, bytes))
				return false;
		}
		return true;
	case GIVE_MEASURED:
		return give_measured(spawn);
	case GIVE_STREAM:
		/* Both sides are given whole: the console is side 0, the manager passes side 1 on. */
		return spawn_give(spawn, "stream", steward.stream,
		                  RIGHT_READ | RIGHT_WRITE | RIGHT_COPY | RIGHT_MOVE, 0, STREAM_BYTES) &&
		       spawn_give(spawn, "stream-event", steward.stream_console, event, 0, 0) &&
		       spawn_give(spawn, "stream-peer", steward.stream_program, event, 0, 0);
	case GIVE_FRAMEBUFFER:
		return !steward.boot->framebuffer.handle ||
		       spawn_give(spawn, "framebuffer", steward.boot->framebuffer.handle,
		                  RIGHT_READ | RIGHT_WRITE | RIGHT_COPY | RIGHT_MOVE, 0,
		                  steward.boot->framebuffer.size);
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
	case GIVE_REGISTERS:
		object = memory_create(MEMORY_DEVICE, give->count, give->base, steward.boot->system);
		*made = object < 0 ? 0 : (handle_t)object;
		return spawn_give(spawn, give->name, *made, RIGHT_READ | RIGHT_WRITE, 0, give->base);
	case GIVE_SERVE:
	case GIVE_LINK:
	case GIVE_BLOCKS:
		break;
	}
	return false;
}

static uint64_t framebuffer_describe(const struct manifest_unit *unit, char *buffer, size_t size)
{
	const struct handoff *boot = steward.boot;
	if (!boot->framebuffer.handle || !manifest_gives(unit, GIVE_FRAMEBUFFER))
		return 0;
	int length =
	    text_format(buffer, size, "framebuffer=%u,%u,%u,%u", boot->framebuffer.width,
	                boot->framebuffer.height, boot->framebuffer.stride, boot->framebuffer.format);
	return (size_t)length < size ? (uint64_t)length + 1 : 0;
}

static bool unit_is_devmgr(const struct manifest_unit *unit)
{
	return manifest_gives(unit, GIVE_DEVICES);
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

static bool program_find(const struct manifest_unit *unit, struct spawn *spawn, const char **why,
                         int64_t *error)
{
	int64_t node = sysimg_path(&steward.image, unit->program);
	if (node < 0) {
		*why = "its program is not in the system image";
		*error = E_NOT_FOUND;
		return false;
	}
	if (!sysimg_verify(&steward.image, (uint32_t)node)) {
		*why = "its program does not match its digest";
		*error = E_FAULT;
		return false;
	}
	const struct sysimg_node *file = &steward.image.nodes[node];
	spawn->image = steward.image_memory;
	spawn->image_offset = file->offset;
	spawn->image_bytes = file->size;
	spawn->image_map = steward.image.bytes + file->offset;
	if (unit_is_devmgr(unit))
		pins_epoch();
	return true;
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
	for (unsigned i = 0; i < supervisor.manifest.unit_count; i++) {
		size_t length = strlen(supervisor.manifest.units[i].name);
		if (strncmp(option, supervisor.manifest.units[i].name, length) != 0 || option[length] != ',')
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
		event_timer(supervisor.event, clock_ns() + more_ns + steward.sabotage_ms * 1000000,
		            SABOTAGE_BIT);
}

static void sabotage(void)
{
	const struct supervised *supervised = &supervisor.units[steward.sabotaged];
	if (supervised->unit) {
		LOG("steward: %s is killed, as the boot option says\n",
		    supervisor.manifest.units[steward.sabotaged].name);
		supervise_again(steward.sabotaged);
	}
	if (supervised->unit)
		sabotage_next(0);
}

static int64_t serve_finished(void *context, uint64_t badge, uint64_t status, uint32_t reboot)
{
	(void)context;
	(void)badge;
	unsigned code = status & 0x7f ? 128 + (status & 0x7f) : status >> 8 & 0xff;
	int64_t drained =
	    console_drain(supervise_channel("console"), steward.page, clock_ns() + 3000000000ull);
	if (drained < 0)
		LOG("steward: the console did not drain: %s\n", error_text(drained));
	LOG("holon-run: exit %u\n", code);
	return system_control(steward.boot->system, reboot ? SYSTEM_REBOOT : SYSTEM_POWER_OFF, 0);
}

static int64_t serve_works(void *context, uint64_t badge)
{
	(void)context;
	(void)badge;
	trial_passed();
	return E_OK;
}

static bool devmgr_calls(uint64_t badge)
{
	return badge && badge <= supervisor.manifest.unit_count &&
	       unit_is_devmgr(&supervisor.manifest.units[badge - 1]);
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
	if (index >= supervisor.manifest.unit_count)
		return E_NOT_FOUND;
	int64_t result = unit_info(steward.page, supervisor.units[index].unit, &info);
	*restarts = supervisor.units[index].restarts;
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
	wrong = manifest_parse(&supervisor.manifest, (const char *)steward.image.bytes + file->offset,
	                       file->size, &line);
	if (wrong) {
		LOG("steward: etc/manifest, line %u:\n", line);
		return wrong;
	}
	int64_t event = event_create();
	int64_t console = event_create();
	int64_t program = event_create();
	int64_t stream = memory_create(MEMORY_ANONYMOUS, STREAM_BYTES, 0, 0);
	wrong = supervise_prepare();
	if (wrong)
		return wrong;
	if (event < 0 || console < 0 || program < 0 || stream < 0 ||
	    event_bind((handle_t)event, steward.boot->thread) < 0)
		return "cannot make the events and the console stream";
	supervisor.event = (handle_t)event;
	steward.stream = (handle_t)stream;
	steward.stream_console = (handle_t)console;
	steward.stream_program = (handle_t)program;
	return 0;
}

static _Noreturn void serve(void)
{
	static const struct steward_operations operations = {.finished = serve_finished,
	                                                     .works = serve_works,
	                                                     .pin = serve_pin,
	                                                     .unpin = serve_unpin,
	                                                     .unit = serve_unit};
	handle_t channel = supervise_channel("steward");
	struct message message = {0};
	struct unit_info info;
	int64_t result = channel_receive(channel, &message, DEADLINE_NEVER);
	for (;;) {
		if (result >= 0 && !(message.info & INFO_EVENT)) {
			steward_serve(&operations, 0, &message, steward.page);
			result = channel_reply_receive(channel, &message, DEADLINE_NEVER);
			continue;
		}
		if (result >= 0)
			for (unsigned i = 0; i < supervisor.manifest.unit_count; i++)
				if (message.words[0] >> i & 1 && supervise_ended(i, &info))
					supervise_again(i);
		if (result >= 0 && message.words[0] & SABOTAGE_BIT)
			sabotage();
		if (result >= 0 && message.words[0] & TRIAL_BIT)
			trial_look();
		result = channel_receive(channel, &message, DEADLINE_NEVER);
	}
}

/* Numbers for where units lie, of the loader's seed, and none that is given to a unit. */
static void choose_places(void)
{
	static const char use[] = "places of units";
	uint8_t hash[BLAKE3_SIZE];
	uint64_t places[4];
	blake3_keyed_hash(hash, steward.boot->seed, use, sizeof(use));
	memcpy(places, hash, sizeof(places));
	spawn_places(places);
}

void holon_start(const struct handoff *boot, struct thread_page *page);

/* Entered from start.S, in place of the runtime's own: the first unit gets the handoff. */
void holon_start(const struct handoff *boot, struct thread_page *page)
{
	steward.boot = boot;
	steward.page = page;
	window_init(boot->space, FREE_BASE);
	choose_places();
	supervisor.name = "steward";
	supervisor.page = page;
	supervisor.log = boot->system;
	supervisor.unit = boot->unit;
	supervisor.cpu_count = boot->machine.cpu_count;
	supervisor.cpu_mask = (1u << boot->machine.cpu_count) - 1;
	supervisor.slice_ns = SLICE_NS;
	supervisor.reserve_memory = RESERVE_MEMORY;
	supervisor.reserve_caps = RESERVE_CAPS;
	supervisor.program = program_find;
	supervisor.give = give_resolve;
	supervisor.arguments = arguments_make;
	const char *wrong = boot->magic == HANDOFF_MAGIC ? prepare() : "bad boot information";
	if (wrong) {
		LOG("steward: %s\n", wrong);
		unit_exit(1);
	}
	for (unsigned i = 0; i < supervisor.manifest.unit_count; i++)
		supervise_start(i);
	trial_begin(boot, supervisor.event); /* the event has one timer: who sabotages has it */
	sabotage_prepare();
	sabotage_next(SABOTAGE_START_NS);
	serve();
}
