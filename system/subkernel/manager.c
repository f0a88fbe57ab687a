/* The sub-kernel manager: creates, lists, freezes and destroys sub-kernels, to any depth.
 *
 * A sub-kernel is a unit with the linux personality in it. Its children are units inside its unit, so their
 * quotas are carved from its own and the kernel takes a whole subtree at once. This service holds the unit
 * capabilities; a sub-kernel holds only a badged capability of the manager's channel, whose badge (its
 * number) says on whose behalf it calls: it reaches its own subtree and nothing else, and gives no flag, CPU
 * or priority that it does not have itself.
 *
 * A service that a sub-kernel asks for is started like a child, with its own program: its unit is inside the
 * asker's, and it is paid by it and ends with it.
 *
 * The manifest's own sub-kernels (resident.h) are children of the first that this service creates. The one called "ledger" is
 * reached by those alone that hold the ledger's capability: the switch connects their links with its port.
 */
#include <holon.h>
#include <holon/blueprint.h>
#include <sysimg/sysimg.h>
#include "entered.h"
#include "network.h"
#include "blocks.h"
#include "resident.h"
#include "realtime.h"
#include "steward.interface.h"
#include "subkernel.interface.h"
#include "vfs.interface.h"

#define SUBKERNELS_MAX 256
#define DEPTH_MAX      64
#define EVENT_SLOTS    56u
#define SLICE_NS       4000000ull
#define PRIORITY       32u
#define RESERVE_MEMORY (2ull << 20)
#define RESERVE_CAPS   1024u
#define MINIMUM_MEMORY (1ull << 20)
#define MINIMUM_CAPS   128u
#define STACK_BYTES    65536u
#define REFRESH_NS     1000000000ull
/* Of the capability to a service's channel that its asker gets: the service tells it from others' by it. */
#define SERVICE_CONTROL_BADGE (1ull << 60)
/* Each failure in a row is one death of the file service, which the steward starts again. */
#define VERIFY_ATTEMPTS 8

struct subkernel {
	uint64_t number; /* 0: free slot */
	struct subkernel *parent;
	handle_t unit;
	handle_t peer;    /* the creator's event, told when this one ends; 0 for the first */
	handle_t channel; /* of a service */
	handle_t control; /* told when there is a task for it (task()) */
	handle_t stream;  /* its terminal's memory, as its creator gave it */
	struct offer {
		handle_t object;
		uint64_t bytes, token;
	} offers[2]; /* for its next child: enum blueprint_offer - 1 */
	uint32_t depth, flags, cpu_mask, priority;
	bool frozen, ended;
	uint64_t status;
	char name[32];
	struct network_link link;
	char profile[16];
	char image[32];
};

static struct manager {
	const struct start_info *info;
	struct thread_page *page;
	handle_t log, channel, event, image_memory, vfs, entropy;
	handle_t
	    generation_memory; /* seen by all: a page whose first word changes when one may not be who it was */
	uint64_t *generation;
	uint64_t image_bytes;
	struct sysimg image;
	struct subkernel table[SUBKERNELS_MAX];
	uint64_t next_number, next_token;
	uint64_t tick_at;          /* when links and residents are looked after next */
	uint64_t realtime_at_boot; /* seconds since 1970 */
} manager;

#define LOG(...) log_print(manager.log, manager.page, __VA_ARGS__)

static struct subkernel *find(uint64_t number)
{
	for (unsigned i = 0; number && i < SUBKERNELS_MAX; i++)
		if (manager.table[i].number == number)
			return &manager.table[i];
	return 0;
}

static bool descends(const struct subkernel *child, const struct subkernel *ancestor)
{
	for (; child; child = child->parent)
		if (child == ancestor)
			return true;
	return false;
}

/* The descendant NUMBER of the caller's, not the caller itself. */
static struct subkernel *descendant(uint64_t badge, uint64_t number)
{
	struct subkernel *caller = find(badge);
	struct subkernel *child = find(number);
	return caller && child && child != caller && descends(child, caller) ? child : 0;
}

/* What a child is connected to: its terminal's stream, its command; or a service's channel alone. */
struct connection {
	handle_t channel;
	handle_t memory, event, peer; /* the stream: side 1 waits on event and signals peer */
	handle_t command;
	uint64_t command_bytes;
	handle_t add;
	uint64_t add_bytes;
	handle_t volume;
	bool serves; /* others reach a port of it */
};

/* For uname whether this is a development image, and IMAGE. */
static uint64_t arguments_make(char *buffer, size_t size, const char *image)
{
	static const char development[] = "trust=development";
	uint64_t length = 0;
	if (start_word(manager.info, development) && size >= sizeof(development)) {
		memcpy(buffer, development, sizeof(development));
		length = sizeof(development);
	}
	if (image[0])
		length += (uint64_t)text_format(buffer + length, size - length, "image=%s", image) + 1;
	return length;
}

static void fill_caps(struct spawn *spawn, const struct subkernel *child, const struct connection *connection)
{
	const uint32_t memory = RIGHT_READ | RIGHT_COPY | RIGHT_MOVE;
	spawn_give(spawn, "log", manager.log, RIGHT_LOG | RIGHT_COPY | RIGHT_MOVE, 0, 0);
	spawn_give(spawn, "entropy", manager.entropy, RIGHT_CALL, 0, 0);
	spawn_give(spawn, "generation", manager.generation_memory, RIGHT_READ, 0, 0);
	if (connection->channel) {
		spawn_give(spawn, "serve", connection->channel,
		           RIGHT_RECEIVE | RIGHT_CALL | RIGHT_COPY | RIGHT_MOVE, 0, 0);
		return;
	}
	/* Only its value counts: the wall clock's seconds at the kernel's start. */
	spawn_give(spawn, "epoch", manager.log, RIGHT_LOG, 0, manager.realtime_at_boot);
	spawn_give(spawn, "image", manager.image_memory, memory | RIGHT_EXECUTE, 0, manager.image_bytes);
	spawn_give(spawn, "vfs", manager.vfs, RIGHT_CALL, 0, 0);
	spawn_give(spawn, "stream", connection->memory, memory | RIGHT_WRITE, 0, STREAM_BYTES);
	spawn_give(spawn, "stream-event", connection->event, RIGHT_WAIT | RIGHT_SIGNAL | RIGHT_MANAGE, 0, 0);
	spawn_give(spawn, "stream-peer", connection->peer, RIGHT_SIGNAL, 0, 0);
	spawn_give(spawn, "control", manager.channel, RIGHT_CALL, child->number, 0);
	spawn_give(spawn, "control-event", child->control, RIGHT_WAIT | RIGHT_SIGNAL, 0, 0);
	if (child->flags & BLUEPRINT_NESTING)
		spawn_give(spawn, "manager", manager.channel, RIGHT_CALL, child->number, 0);
	spawn_give(spawn, "link", child->link.channel, RIGHT_CALL, 0, 0);
	if (connection->command_bytes)
		spawn_give(spawn, "command", connection->command, memory, 0, connection->command_bytes);
	if (connection->add)
		spawn_give(spawn, "add", connection->add, memory, 0, connection->add_bytes);
	if (connection->volume)
		spawn_give(spawn, "volume", connection->volume, RIGHT_CALL | RIGHT_COPY | RIGHT_MOVE, 0, 0);
}

/* Children of PARENT that have ended and whose status nobody has asked for. They hold entries of the table.
 */
static uint64_t ended_children(const struct subkernel *parent)
{
	uint64_t count = 0;
	for (unsigned i = 0; parent && i < SUBKERNELS_MAX; i++)
		count +=
		    manager.table[i].number && manager.table[i].parent == parent && manager.table[i].ended;
	return count;
}

/* Quotas: what the blueprint asks for; 0 is half of what the parent has left (all but a reserve, for the
 * first). An ended child still counts with the least that a living one costs, so that every entry of the
 * table is paid for from the quota of the sub-kernel it stands below, and none can take the others' share. */
static int64_t choose_quota(struct unit_spec *spec, const struct blueprint *blueprint, handle_t parent_unit,
                            const struct subkernel *parent)
{
	struct unit_info info;
	const bool first = !parent;
	int64_t result = unit_info(manager.page, parent_unit, &info);
	if (result < 0)
		return result;
	uint64_t memory_left = info.memory_quota - info.memory_used;
	uint64_t caps_left = info.caps_quota - info.caps_used;
	uint64_t caps_ended = ended_children(parent) * MINIMUM_CAPS;
	caps_left = caps_left > caps_ended ? caps_left - caps_ended : 0;
	spec->memory_bytes = blueprint->memory_bytes;
	spec->caps = blueprint->caps;
	if (!spec->memory_bytes)
		spec->memory_bytes =
		    first && memory_left > RESERVE_MEMORY ? memory_left - RESERVE_MEMORY : memory_left / 2;
	if (!spec->caps)
		spec->caps = first && caps_left > RESERVE_CAPS ? caps_left - RESERVE_CAPS : caps_left / 4 * 3;
	spec->memory_bytes &= ~(PAGE_SIZE_BYTES - 1);
	if (spec->memory_bytes < MINIMUM_MEMORY)
		return E_QUOTA_MEMORY;
	return spec->caps < MINIMUM_CAPS || spec->caps > caps_left ? E_QUOTA_CAPS : E_OK;
}

/* The program of a profile, in the system image; 0: there is no such profile. */
static const char *profile_program(const char profile[16], bool service)
{
	static const struct {
		const char *profile, *program;
		bool service;
	} known[] = {{"linux", "native/linux", false},
	             {"vault", "native/vault", true},
	             {"files", "native/files", true}};
	for (unsigned i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (known[i].service == service && strncmp(profile, known[i].profile, 16) == 0)
			return known[i].program;
	return 0;
}

/* Whether the system image holds the root NAME, a field of a blueprint; "" is the first sub-kernel's. */
static bool image_known(const char name[32])
{
	char path[48];
	if (!name[0])
		return true;
	for (unsigned i = 0; i < 32 && name[i]; i++)
		if (i == 31 || name[i] <= ' ' || name[i] > '~' || name[i] == '/')
			return false;
	text_format(path, sizeof(path), "images/%s", name);
	return sysimg_path(&manager.image, path) >= 0;
}

static int64_t program_verify(const char *program, uint32_t node)
{
	int64_t result = E_PEER;
	for (unsigned i = 0; i < VERIFY_ATTEMPTS && result == E_PEER; i++)
		result = vfs_verify(manager.vfs, manager.page, node, DEADLINE_NEVER);
	if (result < 0)
		LOG("subkernel: cannot verify %s: %s\n", program, error_text(result));
	return result;
}

/* The name goes to logs and to other sub-kernels' terminals: what could be a control sequence there does not.
 */
static void name_copy(char name[32], const char from[32])
{
	memset(name, 0, 32);
	for (unsigned i = 0; i < 31 && from[i]; i++)
		name[i] = from[i] >= ' ' && from[i] <= '~' ? from[i] : '?';
}

/* CHILD's link, as its blueprint asks. The first sub-kernel starts without one where there is none to be had. One without a
 * network that serves others, or may reach the ledger, has a link from which nothing goes outside. */
static int64_t make_link(struct subkernel *child, const struct switch_policy *asked, bool serves)
{
	struct subkernel *parent = child->parent;
	struct switch_policy policy = *asked;
	if (policy.mode == SWITCH_NONE && (serves || child->flags & BLUEPRINT_LEDGER))
		policy = (struct switch_policy){.mode = SWITCH_ONLY};
	if (policy.mode == SWITCH_NONE || (!parent && !network_present()))
		return E_OK;
	int64_t result = network_create(&child->link, parent ? &parent->link : 0, child->name, &policy);
	if (result < 0)
		LOG("subkernel: no link for %s: %s\n", child->name, error_text(result));
	else if (!parent)
		network_forward(&child->link);
	return parent ? result : E_OK;
}

/* ---- The ledger's capability ---- */

/* The resident that serves under NAME and runs, and its sub-kernel; 0: there is none. */
static struct subkernel *serving(const char *name, uint16_t *port)
{
	const struct resident *resident;
	for (unsigned i = 0; (resident = resident_at(i)); i++) {
		struct subkernel *subkernel = find(resident->number);
		if (!subkernel || subkernel->ended || !resident->entry->port ||
		    strcmp(resident->entry->name, name) != 0)
			continue;
		*port = resident->entry->port;
		return subkernel;
	}
	return 0;
}

/* Connects CLIENT with the ledger, where it may reach it, and it is there. */
static void connect_ledger(const struct subkernel *client)
{
	uint16_t port;
	const struct subkernel *ledger = client->flags & BLUEPRINT_LEDGER ? serving("ledger", &port) : 0;
	if (!ledger || ledger == client || client->ended)
		return;
	int64_t result = network_connect(&client->link, &ledger->link, port, "ledger");
	if (result < 0)
		LOG("subkernel: %s is not connected with the ledger: %s\n", client->name, error_text(result));
}

static void connect_all(void)
{
	for (unsigned i = 0; i < SUBKERNELS_MAX; i++)
		if (manager.table[i].number)
			connect_ledger(&manager.table[i]);
}

/* Starts a sub-kernel below PARENT (0: the first). Returns its number. */
static int64_t subkernel_start(struct subkernel *parent, const struct blueprint *blueprint,
                               const struct connection *connection)
{
	static struct spawn spawn;
	static char arguments[192];
	struct subkernel *child = 0;
	for (unsigned i = 0; i < SUBKERNELS_MAX && !child; i++)
		if (!manager.table[i].number)
			child = &manager.table[i];
	const char *program = profile_program(blueprint->profile, connection->channel);
	int64_t node = program ? sysimg_path(&manager.image, program) : -1;
	if (!child || (parent && parent->depth + 1 >= DEPTH_MAX))
		return E_QUOTA_CAPS;
	if (node < 0 || !image_known(blueprint->image))
		return E_NOT_FOUND;
	int64_t result = program_verify(program, (uint32_t)node);
	if (result < 0)
		return result;

	uint32_t all_cpus = (1u << manager.info->cpu_count) - 1;
	*child = (struct subkernel){.number = manager.next_number++, .parent = parent};
	child->depth = parent ? parent->depth + 1 : 0;
	child->flags = blueprint->flags & (parent ? parent->flags : ~0u);
	if (connection->channel)
		child->flags = 0;
	child->cpu_mask = parent ? parent->cpu_mask : all_cpus;
	if (blueprint->cpu_mask)
		child->cpu_mask &= blueprint->cpu_mask;
	child->priority = parent ? parent->priority : PRIORITY;
	if (blueprint->priority && blueprint->priority < child->priority)
		child->priority = blueprint->priority;
	name_copy(child->name, blueprint->name);
	memcpy(child->profile, blueprint->profile, sizeof(child->profile));
	child->profile[sizeof(child->profile) - 1] = 0;
	memcpy(child->image, blueprint->image, sizeof(child->image));

	memset(&spawn, 0, sizeof(spawn));
	handle_t parent_unit = parent ? parent->unit : manager.info->unit;
	const struct sysimg_node *file = &manager.image.nodes[node];
	result = child->cpu_mask ? choose_quota(&spawn.unit, blueprint, parent_unit, parent) : E_ARGUMENT;
	if (result >= 0)
		result = make_link(child, &blueprint->net, connection->serves);
	int64_t control = result < 0 ? result : event_create();
	if (control >= 0)
		child->control = (handle_t)control;
	else
		result = control;
	if (result >= 0) {
		const char *why;
		memcpy(spawn.unit.name, child->name, sizeof(spawn.unit.name));
		spawn.unit.priority_max = child->priority;
		spawn.unit.flags = child->flags & BLUEPRINT_WX ? UNIT_WX : 0;
		spawn.unit.event = manager.event;
		spawn.unit.event_bits = 1ull << (unsigned)(child - manager.table) % EVENT_SLOTS;
		spawn.parent = parent_unit;
		spawn.image = manager.image_memory;
		spawn.image_offset = file->offset;
		spawn.image_bytes = file->size;
		spawn.image_map = manager.image.bytes + file->offset;
		spawn.stack_bytes = STACK_BYTES;
		spawn.priority = child->priority;
		spawn.cpu_mask = child->cpu_mask;
		spawn.slice_ns = SLICE_NS;
		fill_caps(&spawn, child, connection);
		spawn.arguments = arguments;
		spawn.arguments_bytes = arguments_make(arguments, sizeof(arguments), child->image);
		result = spawn_unit(manager.page, &spawn, manager.info->cpu_count, &why);
		if (result < 0)
			LOG("subkernel: cannot start %s: %s: %s\n", child->name, why, error_text(result));
	}
	if (result < 0) {
		network_destroy(&child->link);
		if (child->control)
			cap_delete(child->control);
		child->number = 0;
		return result;
	}
	child->unit = (handle_t)result;
	connect_ledger(child);
	return (int64_t)child->number;
}

static void forget(struct subkernel *subkernel)
{
	if (subkernel->unit)
		cap_delete(subkernel->unit);
	if (subkernel->peer)
		cap_delete(subkernel->peer);
	network_destroy(&subkernel->link);
	if (subkernel->channel)
		cap_delete(subkernel->channel);
	if (subkernel->control)
		cap_delete(subkernel->control);
	if (subkernel->stream)
		cap_delete(subkernel->stream);
	for (unsigned i = 0; i < 2; i++)
		if (subkernel->offers[i].object)
			cap_delete(subkernel->offers[i].object);
	entered_forget(subkernel->number);
	*subkernel = (struct subkernel){0};
}

/* Ends SUBKERNEL with its subtree: the kernel takes all the units at once; then the descendants' entries go.
 * Its own entry stays until its creator has asked for the status. */
static void subkernel_end(struct subkernel *subkernel, uint64_t status)
{
	if (subkernel->unit) {
		unit_destroy(subkernel->unit);
		cap_delete(subkernel->unit);
		subkernel->unit = 0;
	}
	network_destroy(&subkernel->link); /* with those nested in it */
	entered_end(subkernel->number);
	/* Whoever calls a service that has ended shall not wait for another. */
	if (subkernel->channel) {
		cap_revoke(subkernel->channel);
		cap_delete(subkernel->channel);
		subkernel->channel = 0;
	}
	for (unsigned i = 0; i < SUBKERNELS_MAX; i++) {
		struct subkernel *other = &manager.table[i];
		if (other->number && other != subkernel && descends(other, subkernel)) {
			other->ended = true;
			entered_end(other->number);
			other->parent = subkernel; /* so that descends() never meets a forgotten entry */
		}
	}
	for (unsigned i = 0; i < SUBKERNELS_MAX; i++)
		if (manager.table[i].number && manager.table[i].parent == subkernel && manager.table[i].ended)
			forget(&manager.table[i]);
	subkernel->ended = true;
	subkernel->status = status;
	if (subkernel->peer)
		event_signal(subkernel->peer, SUBKERNEL_EVENT_ENDED);
}

/* Units that stopped or failed by themselves. */
static void check_ended(uint64_t bits)
{
	for (unsigned i = 0; i < SUBKERNELS_MAX; i++) {
		struct subkernel *subkernel = &manager.table[i];
		struct unit_info info;
		if (!subkernel->number || subkernel->ended || !(bits >> i % EVENT_SLOTS & 1) ||
		    unit_info(manager.page, subkernel->unit, &info) < 0)
			continue;
		if (info.state != UNIT_STOPPED && info.state != UNIT_FAILED)
			continue;
		uint64_t status = info.state == UNIT_STOPPED ? (uint64_t)info.exit_status : 125 << 8;
		if (info.state == UNIT_FAILED)
			LOG("subkernel: %s failed: exception %lu at %lx, address %lx\n", subkernel->name,
			    info.fault.vector, info.fault.pc, info.fault.address);
		bool first = !subkernel->parent;
		subkernel_end(subkernel, status);
		if (first) {
			int64_t result = steward_finished(start_find(manager.info, "steward", 0),
			                                  manager.page, status, DEADLINE_NEVER);
			LOG("subkernel: the steward did not switch off: %s\n", error_text(result));
		}
	}
}

static int64_t blueprint_take(struct blueprint *blueprint, const void *data, uint32_t bytes, bool service)
{
	if (bytes != sizeof(*blueprint))
		return E_ARGUMENT;
	memcpy(blueprint, data, sizeof(*blueprint));
	return blueprint->version != BLUEPRINT_VERSION || !profile_program(blueprint->profile, service)
	           ? E_SUPPORT
	           : E_OK;
}

static void offer_drop(struct offer *offer)
{
	if (offer->object)
		cap_delete(offer->object);
	*offer = (struct offer){0};
}

static int64_t serve_create(void *context, uint64_t badge, const void *data, uint32_t bytes, handle_t memory,
                            handle_t event, handle_t peer, handle_t command, uint64_t command_bytes,
                            uint64_t *number)
{
	struct subkernel *parent = find(badge);
	struct blueprint blueprint;
	(void)context;
	if (!parent || parent->ended || !(parent->flags & BLUEPRINT_NESTING))
		return E_RIGHTS;
	int64_t result = blueprint_take(&blueprint, data, bytes, false);
	struct offer *volume = &parent->offers[OFFER_VOLUME - 1],
	             *archive = &parent->offers[OFFER_ARCHIVE - 1];
	if (result >= 0 && ((blueprint.root_volume && blueprint.root_volume != volume->token) ||
	                    (blueprint.archive && blueprint.archive != archive->token)))
		result = E_ARGUMENT;
	if (result >= 0 && blueprint.flags & BLUEPRINT_LEDGER && !(parent->flags & BLUEPRINT_LEDGER))
		result = E_RIGHTS; /* asked for by name, and so not left out in silence */
	if (result < 0)
		return result;
	struct connection connection = {.memory = memory,
	                                .event = event,
	                                .peer = peer,
	                                .command = command,
	                                .command_bytes = command_bytes,
	                                .volume = blueprint.root_volume ? volume->object : 0,
	                                .add = blueprint.archive ? archive->object : 0,
	                                .add_bytes = archive->bytes};
	result = subkernel_start(parent, &blueprint, &connection);
	if (result < 0)
		return result; /* the capabilities that came are deleted by the caller of this function */
	if (connection.volume)
		offer_drop(volume);
	if (connection.add)
		offer_drop(archive);
	find((uint64_t)result)->peer = peer;
	find((uint64_t)result)->stream = memory;
	cap_delete(event);
	cap_delete(command);
	*number = (uint64_t)result;
	return E_OK;
}

static int64_t serve_service(void *context, uint64_t badge, const void *data, uint32_t bytes, handle_t peer,
                             uint64_t *number, handle_t *given)
{
	struct subkernel *parent = find(badge);
	struct blueprint blueprint;
	(void)context;
	if (!parent || parent->ended || !(parent->flags & BLUEPRINT_NESTING))
		return E_RIGHTS;
	int64_t result = blueprint_take(&blueprint, data, bytes, true);
	int64_t channel = result < 0 ? result : channel_create(CHANNEL_DONATING);
	if (channel < 0)
		return channel;
	struct connection connection = {.channel = (handle_t)channel};
	result = subkernel_start(parent, &blueprint, &connection);
	int64_t control = result < 0 ? result
	                             : cap_copy((handle_t)channel, RIGHT_CALL | RIGHT_COPY | RIGHT_MOVE,
	                                        SERVICE_CONTROL_BADGE);
	if (control < 0) {
		struct subkernel *child = result < 0 ? 0 : find((uint64_t)result);
		if (child) {
			subkernel_end(child, 9);
			forget(child);
		}
		cap_delete((handle_t)channel);
		return control;
	}
	struct subkernel *child = find((uint64_t)result);
	child->peer = peer;
	child->channel = (handle_t)channel;
	*number = child->number;
	*given = (handle_t)control;
	return E_OK;
}

static int64_t serve_offer(void *context, uint64_t badge, uint32_t what, handle_t object, uint64_t bytes,
                           uint64_t *token)
{
	struct subkernel *caller = find(badge);
	(void)context;
	if (!caller || caller->ended || !(caller->flags & BLUEPRINT_NESTING))
		return E_RIGHTS;
	if (what != OFFER_VOLUME && what != OFFER_ARCHIVE)
		return E_ARGUMENT;
	struct offer *offer = &caller->offers[what - 1];
	offer_drop(offer);
	*offer = (struct offer){.object = object, .bytes = bytes, .token = ++manager.next_token};
	*token = offer->token;
	return E_OK;
}

/* ---- Programs in descendants (entered.c) ---- */

static int64_t serve_enter(void *context, uint64_t badge, uint64_t number, handle_t memory, handle_t event,
                           handle_t peer, handle_t command, uint64_t command_bytes, uint64_t *entered)
{
	const struct subkernel *child = descendant(badge, number);
	struct entered_program program = {.owner = badge,
	                                  .subkernel = number,
	                                  .memory = memory,
	                                  .event = event,
	                                  .peer = peer,
	                                  .command = command,
	                                  .command_bytes = command_bytes};
	(void)context;
	if (!child || child->channel)
		return E_NOT_FOUND;
	if (child->ended)
		return E_STATE;
	program.number = manager.next_number;
	int64_t result = entered_add(&program);
	if (result < 0)
		return result;
	*entered = manager.next_number++;
	event_signal(child->control, 1);
	return E_OK;
}

static int64_t serve_task(void *context, uint64_t badge, uint32_t *task, uint64_t *number)
{
	(void)context;
	return entered_task(badge, task, number);
}

static int64_t serve_take(void *context, uint64_t badge, uint64_t number, uint64_t *command_bytes,
                          handle_t *memory, handle_t *event, handle_t *peer, handle_t *command)
{
	(void)context;
	return entered_take(badge, number, command_bytes, memory, event, peer, command);
}

static int64_t serve_left(void *context, uint64_t badge, uint64_t number, uint64_t status)
{
	(void)context;
	return entered_left(badge, number, status);
}

static int64_t serve_output(void *context, uint64_t badge, uint64_t number, handle_t *memory)
{
	const struct subkernel *child = descendant(badge, number);
	(void)context;
	if (!child || !child->stream)
		return E_NOT_FOUND;
	int64_t copy = cap_copy(child->stream, RIGHT_READ | RIGHT_COPY | RIGHT_MOVE, 0);
	if (copy < 0)
		return copy;
	*memory = (handle_t)copy;
	return E_OK;
}

/* ---- Block devices: of those that may use them ---- */

static int64_t serve_block_name(void *context, uint64_t badge, uint32_t index, const char **name)
{
	const struct subkernel *caller = find(badge);
	(void)context;
	return caller && caller->flags & BLUEPRINT_BLOCKS
	           ? blocks_name(start_find(manager.info, "device", 0), manager.page, index, name)
	           : E_NOT_FOUND;
}

static int64_t serve_block_open(void *context, uint64_t badge, const char *name, handle_t *device)
{
	const struct subkernel *caller = find(badge);
	(void)context;
	return caller && caller->flags & BLUEPRINT_BLOCKS
	           ? blocks_open(start_find(manager.info, "device", 0), manager.page, name, device)
	           : E_RIGHTS;
}

static void describe(const struct subkernel *subkernel, struct subkernel_info *out)
{
	struct unit_info info;
	memset(out, 0, sizeof(*out));
	out->number = subkernel->number;
	out->parent = subkernel->parent ? subkernel->parent->number : 0;
	out->depth = subkernel->depth;
	out->state = subkernel->ended ? SUBKERNEL_ENDED : SUBKERNEL_RUNNING;
	out->flags = subkernel->flags;
	out->cpu_mask = subkernel->cpu_mask;
	memcpy(out->name, subkernel->name, sizeof(out->name));
	memcpy(out->profile, subkernel->profile, sizeof(out->profile));
	struct link_counters counters;
	out->net_mode = subkernel->link.policy.mode;
	if (network_counters(&subkernel->link, &counters)) {
		out->net_sent_bytes = counters.sent_bytes;
		out->net_arrived_bytes = counters.arrived_bytes;
	}
	if (!subkernel->unit || unit_info(manager.page, subkernel->unit, &info) < 0)
		return;
	if (info.frozen && !subkernel->ended) /* itself, or one it stands below */
		out->state = SUBKERNEL_FROZEN;
	out->memory_quota = info.memory_quota;
	out->memory_used = info.memory_used;
	out->memory_children = info.memory_children;
	out->caps_quota = info.caps_quota;
	out->caps_used = info.caps_used;
	out->cpu_time = info.cpu_time;
}

/* The INDEXth of ROOT's subtree in tree order (parents before children, siblings by number); counts *INDEX
 * down. */
static struct subkernel *nth(struct subkernel *root, uint32_t *index)
{
	if (!(*index)--)
		return root;
	for (uint64_t last = 0;;) {
		struct subkernel *next = 0;
		for (unsigned i = 0; i < SUBKERNELS_MAX; i++) {
			struct subkernel *other = &manager.table[i];
			if (other->number > last && other->parent == root &&
			    (!next || other->number < next->number))
				next = other;
		}
		if (!next)
			return 0;
		last = next->number;
		struct subkernel *found = nth(next, index);
		if (found)
			return found;
	}
}

static int64_t serve_list(void *context, uint64_t badge, uint32_t index, const void **data, uint32_t *bytes)
{
	static struct subkernel_info info;
	struct subkernel *caller = find(badge);
	(void)context;
	struct subkernel *found = caller && index < SUBKERNELS_MAX ? nth(caller, &index) : 0;
	if (!found)
		return E_NOT_FOUND;
	describe(found, &info);
	*data = &info;
	*bytes = sizeof(info);
	return E_OK;
}

static int64_t serve_kill(void *context, uint64_t badge, uint64_t number)
{
	struct subkernel *child = descendant(badge, number);
	(void)context;
	if (!child) {
		const struct subkernel *in = find(entered_kill(badge, number));
		if (in)
			event_signal(in->control, 1);
		return in ? E_OK : E_NOT_FOUND;
	}
	struct resident *resident;
	for (unsigned i = 0; (resident = resident_at(i)); i++)
		resident->over |= resident->number == number;
	if (!child->ended)
		subkernel_end(child, 9);
	return E_OK;
}

/* What runs again may have been copied meanwhile: no generator goes on where it was (lib/holon/generator.h). */
static void generation_next(void)
{
	__atomic_add_fetch(manager.generation, 1, __ATOMIC_RELEASE);
}

static int64_t serve_freeze(void *context, uint64_t badge, uint64_t number, uint32_t frozen)
{
	struct subkernel *child = descendant(badge, number);
	(void)context;
	if (!child)
		return E_NOT_FOUND;
	if (child->ended || child->frozen == !!frozen)
		return E_STATE;
	int64_t result = unit_freeze(child->unit, frozen);
	if (result >= 0)
		child->frozen = frozen;
	if (result >= 0 && !frozen)
		generation_next();
	return result;
}

static int64_t serve_status(void *context, uint64_t badge, uint64_t number, uint64_t *status)
{
	struct subkernel *child = descendant(badge, number);
	(void)context;
	if (!child)
		return entered_status(badge, number, status);
	if (!child->ended)
		return E_STATE;
	*status = child->status;
	forget(child);
	return E_OK;
}

static const char *prepare(void)
{
	const struct start_info *info = manager.info;
	manager.channel = start_find(info, "subkernel", 0);
	manager.vfs = start_find(info, "vfs", 0);
	manager.realtime_at_boot = realtime_at_boot(start_find(info, "rtc", 0));
	manager.image_memory = start_find(info, "image", &manager.image_bytes);
	network_init(info, manager.page, manager.log);
	int64_t event = event_create();
	if (event < 0 || event_bind((handle_t)event, info->thread) < 0)
		return "cannot make its event";
	manager.event = (handle_t)event;
	manager.next_number = 1;
	manager.entropy = start_find(info, "entropy", 0);
	manager.generation = window_allocate(PAGE_SIZE_BYTES, &manager.generation_memory);
	if (!manager.generation)
		return "no memory";
	const void *bytes = window_map(manager.image_memory, 0, manager.image_bytes, MAP_READ);
	if (!bytes)
		return "cannot map the system image";
	/* The file service has verified the metadata; here only its form is checked. */
	const char *wrong = sysimg_open(&manager.image, bytes, manager.image_bytes, false);
	int64_t node = wrong ? -1 : sysimg_path(&manager.image, "etc/manifest");
	if (node >= 0 && program_verify("etc/manifest", (uint32_t)node) < 0)
		return "the manifest is not what was signed";
	return wrong ? wrong : residents_read(&manager.image, info);
}

static bool start_first(void)
{
	struct blueprint blueprint = {.version = BLUEPRINT_VERSION,
	                              .flags = BLUEPRINT_NESTING | BLUEPRINT_WX | BLUEPRINT_BLOCKS |
	                                       BLUEPRINT_LEDGER,
	                              .name = "holon",
	                              .profile = "linux",
	                              .net = {.mode = SWITCH_NAT}};
	struct connection connection = {.memory = start_find(manager.info, "stream", 0),
	                                /* the manager is given the console's view of the stream */
	                                .event = start_find(manager.info, "stream-peer", 0),
	                                .peer = start_find(manager.info, "stream-event", 0)};
	connection.command = start_find(manager.info, "command", &connection.command_bytes);
	connection.add = start_find(manager.info, "add", &connection.add_bytes);
	if (!connection.command)
		connection.command_bytes = 0;
	return subkernel_start(0, &blueprint, &connection) >= 0;
}

/* ---- Residents ---- */

static void resident_start(struct resident *resident)
{
	const struct manifest_resident *entry = resident->entry;
	struct subkernel *first = &manager.table[0];
	struct blueprint blueprint = {.version = BLUEPRINT_VERSION,
	                              .profile = "linux",
	                              .memory_bytes = entry->memory,
	                              .caps = entry->caps,
	                              .net = {.mode = entry->nat ? SWITCH_NAT : SWITCH_NONE}};
	text_copy(blueprint.name, sizeof(blueprint.name), entry->name);
	text_copy(blueprint.image, sizeof(blueprint.image), entry->image);
	resident->starts++;
	if (!resident_prepare(resident)) {
		LOG("subkernel: no memory to start %s\n", entry->name);
		return;
	}
	struct connection connection = {.memory = resident->memory,
	                                .event = resident->event,
	                                .peer = resident->peer,
	                                .command = resident->command,
	                                .command_bytes = resident->command_bytes,
	                                .serves = entry->port != 0};
	if (entry->add)
		connection.add = start_find(manager.info, "add", &connection.add_bytes);
	int64_t stream = cap_copy(resident->memory, RIGHT_READ | RIGHT_COPY | RIGHT_MOVE, 0);
	int64_t number = stream < 0 ? stream : subkernel_start(first, &blueprint, &connection);
	if (number < 0) {
		LOG("subkernel: cannot start %s: %s\n", entry->name, error_text(number));
		if (stream >= 0)
			cap_delete((handle_t)stream);
		return;
	}
	find((uint64_t)number)->stream = (handle_t)stream;
	resident->number = (uint64_t)number;
	if (entry->port)
		connect_all();
}

/* Starts those that do not run and shall, and takes what they write. */
static void residents_look(void)
{
	struct resident *resident;
	for (unsigned i = 0; (resident = resident_at(i)); i++) {
		struct subkernel *subkernel = find(resident->number);
		resident_drain(resident);
		if (subkernel && !subkernel->ended)
			continue;
		if (subkernel) {
			LOG("subkernel: %s ended with status %lu\n", resident->entry->name,
			    subkernel->status);
			const uint64_t code = subkernel->status >> 8;
			resident->over |= code == 126 || code == 127; /* there is no such program */
			forget(subkernel);
		}
		resident->number = 0;
		resident->over |= resident->starts && !resident->entry->restart;
		if (!resident->over && resident->starts < RESIDENT_STARTS_MAX && manager.table[0].number)
			resident_start(resident);
	}
}

/* A switch that was restarted is told of links again, parents first. */
static void refresh_links(void)
{
	bool first_again = false;
	for (uint64_t depth = 0; depth < DEPTH_MAX; depth++) {
		for (unsigned i = 0; i < SUBKERNELS_MAX; i++) {
			struct subkernel *subkernel = &manager.table[i];
			if (!subkernel->number || subkernel->depth != depth || !subkernel->link.number)
				continue;
			bool again = network_refresh(&subkernel->link, subkernel->name);
			if (again && !subkernel->parent)
				network_forward(&subkernel->link);
			first_again |= again;
		}
		/* A switch that knows the first link knows the others. */
		if (!first_again)
			return;
	}
	connect_all();
}

/* The next message; in between, once a second, links and residents are looked after. */
static int64_t next_message(struct message *message, bool reply)
{
	int64_t result;
	do {
		uint64_t deadline = network_present() || resident_at(0) ? manager.tick_at : DEADLINE_NEVER;
		result = reply ? channel_reply_receive(manager.channel, message, deadline)
		               : channel_receive(manager.channel, message, deadline);
		reply = false;
		if (result == E_TIMEOUT) {
			refresh_links();
			residents_look();
			manager.tick_at = clock_ns() + REFRESH_NS;
		}
	} while (result == E_TIMEOUT);
	return result;
}

int program_main(const struct start_info *info, struct thread_page *page)
{
	static const struct subkernel_operations operations = {
	    .create = serve_create,
	    .service = serve_service,
	    .offer = serve_offer,
	    .enter = serve_enter,
	    .task = serve_task,
	    .take = serve_take,
	    .left = serve_left,
	    .output = serve_output,
	    .block_name = serve_block_name,
	    .block_open = serve_block_open,
	    .list = serve_list,
	    .kill = serve_kill,
	    .freeze = serve_freeze,
	    .status = serve_status,
	};
	manager.info = info;
	manager.page = page;
	manager.log = start_find(info, "log", 0);
	const char *wrong = prepare();
	if (wrong) {
		LOG("subkernel: %s\n", wrong);
		return 1;
	}
	blocks_settle(start_find(info, "device", 0), page);
	if (!start_first())
		steward_finished(start_find(info, "steward", 0), page, 125 << 8, DEADLINE_NEVER);
	residents_look();
	manager.tick_at = clock_ns() + REFRESH_NS;
	struct message message = {0};
	int64_t result = next_message(&message, false);
	while (result >= 0) {
		if (message.info & INFO_EVENT) {
			check_ended(message.words[0]);
			result = next_message(&message, false);
			continue;
		}
		subkernel_serve(&operations, 0, &message, page);
		result = next_message(&message, true);
	}
	LOG("subkernel: %s\n", error_text(result));
	return 1;
}
