/* Starting sub-kernels and services: the unit that a blueprint asks for, inside its parent's, with what its profile is
 * given and nothing else. Nothing exceeds the parent's: quotas are carved from its own, CPUs, priorities, shares and flags
 * are cut to its own. */
#include <text.h>
#include "manager.h"
#include "profile.h"
#include "screen.h"
#include "start.h"

#define PRIORITY       32u /* of the first */
#define RESERVE_MEMORY (2ull << 20)
#define RESERVE_CAPS   1024u
#define MINIMUM_MEMORY (1ull << 20)
#define MINIMUM_CAPS   128u
#define STACK_BYTES    65536u
#define SLICE_MIN      100000ull /* ns: below it, changing threads would be most of the work */
/* Of the capability to a service's channel that its asker gets: the service tells it from others' by it. */
#define SERVICE_CONTROL_BADGE (1ull << 60)

/* An argument of a child, behind LENGTH bytes of others; the new length. What does not fit is left out. */
static uint64_t argument_add(char *buffer, size_t size, uint64_t length, const char *format, uint64_t value,
                             const char *text)
{
	int more = text ? text_format(buffer + length, size - length, format, text)
	                : text_format(buffer + length, size - length, format, value);
	return more > 0 && (uint64_t)more < size - length ? length + (uint64_t)more + 1 : length;
}

/* For uname whether this is a development image, and the image; for a tree its profile and its times. */
static uint64_t arguments_make(char *buffer, size_t size, const struct subkernel *child,
                               const struct blueprint *blueprint, const struct connection *connection)
{
	uint64_t length = 0;
	if (start_word(manager.info, "trust=development"))
		length = argument_add(buffer, size, length, "%s", 0, "trust=development");
	if (child->image[0])
		length = argument_add(buffer, size, length, "image=%s", 0, child->image);
	for (unsigned i = 0; i < blueprint->volume_count; i++) {
		const struct blueprint_volume *volume = &blueprint->volumes[i];
		char word[sizeof(volume->path) + 16];
		text_format(word, sizeof(word), "%u=%s:%s", i, volume->read_only ? "ro" : "rw", volume->path);
		length = argument_add(buffer, size, length, "share%s", 0, word);
	}
	if (!child->native)
		return length;
	length = argument_add(buffer, size, length, "profile=%s", 0, child->profile);
	if (connection->screen_word)
		length = argument_add(buffer, size, length, "framebuffer=%s", 0, connection->screen_word);
	length = argument_add(buffer, size, length, "slice=%lu", child->slice_ns, 0);
	length = argument_add(buffer, size, length, "budget=%lu", blueprint->budget_ns, 0);
	return argument_add(buffer, size, length, "period=%lu", blueprint->budget_period_ns, 0);
}

/* Memory that is read and shared, of whatever is no service. */
static void fill_memory(struct spawn *spawn, const struct connection *connection)
{
	const uint32_t memory = RIGHT_READ | RIGHT_COPY | RIGHT_MOVE;
	spawn_give(spawn, "stream", connection->memory, memory | RIGHT_WRITE, 0, STREAM_BYTES);
	if (connection->command_bytes)
		spawn_give(spawn, "command", connection->command, memory, 0, connection->command_bytes);
	if (connection->add.object)
		spawn_give(spawn, "add", connection->add.object, memory, 0, connection->add.bytes);
}

/* What lines of the kernel's log begin with, whoever in the sub-kernel writes them. */
static uint64_t mark_of(const struct subkernel *child)
{
	char mark[16];
	text_format(mark, sizeof(mark), "sub-%lu", child->number);
	return log_mark(mark);
}

/* A personality, which needs much; or a service with its channel. */
static void fill_caps(struct spawn *spawn, const struct subkernel *child, const struct connection *connection)
{
	spawn_give(spawn, "log", manager.log, RIGHT_LOG | RIGHT_COPY | RIGHT_MOVE, mark_of(child), 0);
	spawn_give(spawn, "entropy", manager.entropy, RIGHT_CALL, 0, 0);
	spawn_give(spawn, "generation", manager.generation_memory, RIGHT_READ, 0, 0);
	if (connection->channel) {
		spawn_give(spawn, "serve", connection->channel,
		           RIGHT_RECEIVE | RIGHT_CALL | RIGHT_COPY | RIGHT_MOVE, 0, 0);
		/* Keys and anchors of vaults: for whose asker may use the TPM itself. */
		if (child->parent->flags & BLUEPRINT_TPM && strcmp(child->profile, "vault") == 0)
			spawn_give(spawn, "tpm", tpm_find(), RIGHT_CALL, 0, 0);
		return;
	}
	fill_memory(spawn, connection);
	spawn_give(spawn, "stream-event", connection->event, RIGHT_WAIT | RIGHT_SIGNAL | RIGHT_MANAGE, 0, 0);
	spawn_give(spawn, "stream-peer", connection->peer, RIGHT_SIGNAL, 0, 0);
	/* Only its value counts: the wall clock's seconds at the kernel's start. */
	spawn_give(spawn, "epoch", manager.log, RIGHT_LOG, mark_of(child), manager.realtime_at_boot);
	spawn_give(spawn, "image", manager.image_memory, RIGHT_READ | RIGHT_EXECUTE | RIGHT_COPY | RIGHT_MOVE,
	           0, manager.image_bytes);
	spawn_give(spawn, "vfs", manager.vfs, RIGHT_CALL, 0, 0);
	spawn_give(spawn, "control", manager.channel, RIGHT_CALL, child->number, 0);
	spawn_give(spawn, "control-event", child->control, RIGHT_WAIT | RIGHT_SIGNAL, 0, 0);
	if (child->flags & BLUEPRINT_NESTING)
		spawn_give(spawn, "manager", manager.channel, RIGHT_CALL, child->number, 0);
	spawn_give(spawn, "link", child->link.channel, RIGHT_CALL, 0, 0);
	for (unsigned i = 0; i < BLUEPRINT_VOLUMES_MAX; i++) {
		char name[24];
		text_format(name, sizeof(name), "share%u", i);
		spawn_give(spawn, name, connection->shares[i].object, RIGHT_CALL | RIGHT_COPY | RIGHT_MOVE, 0,
		           0);
	}
	if (connection->volume.object)
		spawn_give(spawn, "volume", connection->volume.object, RIGHT_CALL | RIGHT_COPY | RIGHT_MOVE,
		           0, 0);
}

/* The steward of a native tree: what it needs to load its units, and what the blueprint names for them, to hand it on. */
static void fill_tree(struct spawn *spawn, const struct subkernel *child, const struct profile *profile,
                      const struct connection *connection)
{
	const uint32_t event = RIGHT_WAIT | RIGHT_SIGNAL | RIGHT_MANAGE | RIGHT_COPY | RIGHT_MOVE;
	fill_memory(spawn, connection);
	spawn_give(spawn, "stream-event", connection->event, event, 0, 0);
	spawn_give(spawn, "stream-peer", connection->peer, RIGHT_SIGNAL | RIGHT_COPY | RIGHT_MOVE, 0, 0);
	spawn_give(spawn, "log", manager.log, RIGHT_LOG | RIGHT_COPY | RIGHT_MOVE, mark_of(child), 0);
	spawn_give(spawn, "entropy", manager.entropy, RIGHT_CALL | RIGHT_COPY | RIGHT_MOVE, 0, 0);
	spawn_give(spawn, "image", manager.image_memory, RIGHT_READ | RIGHT_EXECUTE | RIGHT_COPY | RIGHT_MOVE,
	           0, manager.image_bytes);
	spawn_give(spawn, "vfs", manager.vfs, RIGHT_CALL | RIGHT_COPY | RIGHT_MOVE, 0, 0);
	if (profile->link)
		spawn_give(spawn, "link", child->link.channel, RIGHT_CALL | RIGHT_COPY | RIGHT_MOVE, 0, 0);
	if (connection->screen.object)
		spawn_give(spawn, "framebuffer", connection->screen.object,
		           RIGHT_READ | RIGHT_WRITE | RIGHT_COPY | RIGHT_MOVE, 0, connection->screen.bytes);
	if (profile->blocks)
		spawn_give(spawn, "blocks", manager.channel, RIGHT_CALL | RIGHT_COPY | RIGHT_MOVE,
		           child->number, 0);
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

/* CPUs, priorities and shares of CHILD: what the blueprint and the profile ask for, cut to the parent's or refused. */
static int64_t choose_cpu(struct subkernel *child, const struct blueprint *blueprint,
                          const struct profile *profile)
{
	const struct subkernel *parent = child->parent;
	child->cpu_mask = parent ? parent->cpu_mask : (1u << manager.info->cpu_count) - 1;
	if (blueprint->cpu_mask)
		child->cpu_mask &= blueprint->cpu_mask;
	child->priority = parent ? parent->priority : PRIORITY;
	if (blueprint->priority && blueprint->priority < child->priority)
		child->priority = blueprint->priority;
	child->slice_ns = parent ? parent->slice_ns : SUBKERNEL_SLICE;
	if (blueprint->cpu_share)
		child->slice_ns = child->slice_ns * blueprint->cpu_share / 100;
	if (!child->cpu_mask || blueprint->cpu_share > 100 || blueprint->cpu_reserve > 100 ||
	    child->slice_ns < SLICE_MIN)
		return E_ARGUMENT;
	child->cpu_share = blueprint->cpu_reserve * 10000 + profile->cpu_share;
	child->ceiling = child->priority;
	if (profile->ceiling > child->ceiling)
		child->ceiling = profile->ceiling;
	uint32_t highest = parent ? parent->ceiling : manager.ceiling;
	if (blueprint->cpu_reserve && highest > child->ceiling)
		child->ceiling = highest;
	return child->ceiling > highest || child->cpu_share > (parent ? parent->cpu_share : manager.cpu_share)
	           ? E_QUOTA_CPU
	           : E_OK;
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

/* The name goes to logs and to other sub-kernels' terminals: what could be a control sequence there does not.
 */
static void name_copy(char name[32], const char from[32])
{
	memset(name, 0, 32);
	for (unsigned i = 0; i < 31 && from[i]; i++)
		name[i] = from[i] >= ' ' && from[i] <= '~' ? from[i] : '?';
}

/* CHILD's link as its blueprint ASKED; a tree that has one to hand on gets it translated where the blueprint says nothing. The
 * first sub-kernel starts without one where there is none to be had. One without a network that serves others, or may reach
 * the ledger, has a link from which nothing goes outside. */
static int64_t make_link(struct subkernel *child, const struct profile *profile,
                         const struct switch_policy *asked, bool serves)
{
	struct subkernel *parent = child->parent;
	struct switch_policy policy = *asked;
	if (profile->link && policy.mode == SWITCH_NONE)
		policy.mode = SWITCH_NAT;
	if (profile->native && !profile->link && policy.mode != SWITCH_NONE)
		return E_ARGUMENT;
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

static int64_t unit_make(struct subkernel *child, const struct blueprint *blueprint,
                         const struct profile *profile, const struct connection *connection)
{
	static struct spawn spawn;
	static char arguments[START_ARGUMENTS_SIZE - 2];
	struct subkernel *parent = child->parent;
	const char *why;
	memset(&spawn, 0, sizeof(spawn));
	spawn.parent = parent ? parent->unit : manager.info->unit;
	int64_t result = choose_quota(&spawn.unit, blueprint, spawn.parent, parent);
	if (result < 0)
		return result;
	memcpy(spawn.unit.name, child->name, sizeof(spawn.unit.name));
	spawn.unit.priority_max = child->ceiling;
	spawn.unit.best_effort_max = child->priority;
	spawn.unit.cpu_share = child->cpu_share;
	spawn.unit.flags = child->flags & BLUEPRINT_WX ? UNIT_WX : 0;
	spawn.unit.event = manager.event;
	spawn.unit.event_bits = 1ull << (unsigned)(child - manager.table) % EVENT_SLOTS;
	spawn.image = manager.image_memory;
	spawn.image_offset = profile->program->offset;
	spawn.image_bytes = profile->program->size;
	spawn.image_map = manager.image.bytes + profile->program->offset;
	spawn.stack_bytes = STACK_BYTES;
	spawn.priority = child->priority;
	spawn.cpu_mask = child->cpu_mask;
	spawn.slice_ns = child->slice_ns;
	if (profile->native)
		fill_tree(&spawn, child, profile, connection);
	else
		fill_caps(&spawn, child, connection);
	spawn.arguments = arguments;
	spawn.arguments_bytes = arguments_make(arguments, sizeof(arguments), child, blueprint, connection);
	result = spawn_unit(manager.page, &spawn, manager.info->cpu_count, &why);
	child->moved = spawn.moved;
	if (result < 0)
		LOG("subkernel: cannot start %s: %s: %s\n", child->name, why, error_text(result));
	return result;
}

/* What CHILD may do: what the blueprint asks for and the parent may. */
static int64_t choose_flags(struct subkernel *child, const struct blueprint *blueprint,
                            const struct profile *profile, bool service)
{
	uint32_t most = child->parent ? child->parent->flags : ~0u;
	child->flags = service ? 0 : blueprint->flags & most;
	if (child->parent && child->parent->parent)
		child->flags &= ~(uint32_t)BLUEPRINT_LEDGER_NODE;
	if (!profile->native)
		return E_OK;
	child->flags = (profile->blocks ? (uint32_t)BLUEPRINT_BLOCKS : 0) |
	               (profile->screen ? (uint32_t)BLUEPRINT_SCREEN : 0);
	return child->flags & ~most ? E_RIGHTS : E_OK;
}

int64_t subkernel_start(struct subkernel *parent, const struct blueprint *blueprint,
                        struct connection *connection)
{
	struct subkernel *child = 0;
	struct profile profile;
	for (unsigned i = 0; i < SUBKERNELS_MAX && !child; i++)
		if (!manager.table[i].number)
			child = &manager.table[i];
	if (!child || (parent && parent->depth + 1 >= DEPTH_MAX))
		return E_QUOTA_CAPS;
	if (!image_known(blueprint->image))
		return E_NOT_FOUND;
	int64_t result = profile_read(blueprint, connection->channel, &profile);
	if (result < 0)
		return result;
	*child = (struct subkernel){.number = manager.next_number++, .parent = parent};
	child->depth = parent ? parent->depth + 1 : 0;
	child->native = profile.native;
	child->sealed = profile.sealed;
	name_copy(child->name, blueprint->name);
	memcpy(child->profile, blueprint->profile, sizeof(child->profile));
	child->profile[sizeof(child->profile) - 1] = 0;
	memcpy(child->image, blueprint->image, sizeof(child->image));
	memcpy(child->certificate, blueprint->certificate, sizeof(child->certificate));
	child->certificate_epoch = blueprint->certificate_epoch;
	result = choose_flags(child, blueprint, &profile, connection->channel);
	if (result >= 0)
		result = choose_cpu(child, blueprint, &profile);
	if (result >= 0)
		result = make_link(child, &profile, &blueprint->net,
		                   connection->serves || child->flags & BLUEPRINT_LEDGER_NODE);
	if (result >= 0)
		result = lifetime_begin(child, blueprint->expires);
	if (result >= 0)
		result = grants_begin(child, blueprint);
	if (result >= 0 && profile.screen)
		result = screen_lend(child->number, &connection->screen.object, &connection->screen.bytes,
		                     &connection->screen_word);
	int64_t control = result < 0 ? result : event_create();
	child->control = control < 0 ? 0 : (handle_t)control;
	result = control < 0 ? control : unit_make(child, blueprint, &profile, connection);
	if (result < 0) {
		screen_return(child->number);
		network_destroy(&child->link);
		if (child->control)
			cap_delete(child->control);
		child->number = 0;
		return result;
	}
	child->unit = (handle_t)result;
	if (child->parent && child->flags & BLUEPRINT_LEDGER_NODE)
		connect_all();
	else
		connect_ledger(child);
	return (int64_t)child->number;
}

static int64_t blueprint_take(struct blueprint *blueprint, const void *data, uint32_t bytes)
{
	if (bytes != sizeof(*blueprint))
		return E_ARGUMENT;
	memcpy(blueprint, data, sizeof(*blueprint));
	return blueprint->version == BLUEPRINT_VERSION ? E_OK : E_SUPPORT;
}

/* What BLUEPRINT names of what its parent offered; false: something is not there, or its place is none. */
static bool take_offers(struct subkernel *parent, const struct blueprint *blueprint,
                        struct connection *connection)
{
	if (!offers_find(&parent->offers, OFFER_VOLUME, blueprint->root_volume, &connection->volume) ||
	    !offers_find(&parent->offers, OFFER_ARCHIVE, blueprint->archive, &connection->add) ||
	    blueprint->volume_count > BLUEPRINT_VOLUMES_MAX)
		return false;
	for (unsigned i = 0; i < blueprint->volume_count; i++) {
		const struct blueprint_volume *volume = &blueprint->volumes[i];
		size_t length = strnlen(volume->path, sizeof(volume->path));
		if (!volume->token || volume->path[0] != '/' || length == sizeof(volume->path) ||
		    !offers_find(&parent->offers, OFFER_SHARE, volume->token, &connection->shares[i]))
			return false;
	}
	return true;
}

/* Whether CALLER may have children. */
static bool may_nest(const struct subkernel *caller)
{
	return caller && !caller->ended && caller->flags & BLUEPRINT_NESTING && !shutdown_begun();
}

int64_t serve_create(void *context, uint64_t badge, const void *data, uint32_t bytes, handle_t memory,
                     handle_t event, handle_t peer, handle_t command, uint64_t command_bytes,
                     uint64_t *number)
{
	struct subkernel *parent = subkernel_find(badge);
	struct blueprint blueprint;
	struct connection connection = {.memory = memory,
	                                .event = event,
	                                .peer = peer,
	                                .command = command,
	                                .command_bytes = command_bytes};
	(void)context;
	if (!may_nest(parent))
		return E_RIGHTS;
	int64_t result = blueprint_take(&blueprint, data, bytes);
	if (result >= 0 && !take_offers(parent, &blueprint, &connection))
		result = E_ARGUMENT;
	if (result >= 0 &&
	    blueprint.flags & ~parent->flags & (BLUEPRINT_LEDGER | BLUEPRINT_SOUND | BLUEPRINT_ATTEST))
		result = E_RIGHTS; /* asked for by name, and so not left out in silence */
	if (result >= 0 && blueprint.flags & BLUEPRINT_LEDGER_NODE)
		result = parent->parent ? E_RIGHTS : ledger_present() ? E_STATE : E_OK;
	if (result >= 0)
		result = subkernel_start(parent, &blueprint, &connection);
	if (result < 0)
		return result; /* the capabilities that came are deleted by the caller of this function */
	offers_drop(&parent->offers, OFFER_VOLUME, blueprint.root_volume);
	offers_drop(&parent->offers, OFFER_ARCHIVE, blueprint.archive);
	struct subkernel *child = subkernel_find((uint64_t)result);
	for (unsigned i = 0; i < blueprint.volume_count; i++) {
		child->share_tokens[i] = blueprint.volumes[i].token;
		offers_drop(&parent->offers, OFFER_SHARE, blueprint.volumes[i].token);
	}
	child->peer = peer;
	child->stream = memory;
	cap_delete(event);
	cap_delete(command);
	*number = child->number;
	return E_OK;
}

int64_t serve_service(void *context, uint64_t badge, const void *data, uint32_t bytes, handle_t peer,
                      uint64_t *number, handle_t *given)
{
	struct subkernel *parent = subkernel_find(badge);
	struct blueprint blueprint;
	(void)context;
	if (!may_nest(parent))
		return E_RIGHTS;
	int64_t result = blueprint_take(&blueprint, data, bytes);
	int64_t channel = result < 0 ? result : channel_create(CHANNEL_DONATING);
	if (channel < 0)
		return channel;
	struct connection connection = {.channel = (handle_t)channel};
	result = subkernel_start(parent, &blueprint, &connection);
	int64_t control = result < 0 ? result
	                             : cap_copy((handle_t)channel, RIGHT_CALL | RIGHT_COPY | RIGHT_MOVE,
	                                        SERVICE_CONTROL_BADGE);
	struct subkernel *child = result < 0 ? 0 : subkernel_find((uint64_t)result);
	if (control < 0) {
		if (child) {
			subkernel_end(child, 9);
			subkernel_forget(child);
		}
		cap_delete((handle_t)channel);
		return control;
	}
	child->peer = peer;
	child->channel = (handle_t)channel;
	*number = child->number;
	*given = (handle_t)control;
	return E_OK;
}

bool start_first(void)
{
	struct blueprint blueprint = {
	    .version = BLUEPRINT_VERSION,
	    .flags = BLUEPRINT_NESTING | BLUEPRINT_WX | BLUEPRINT_BLOCKS | BLUEPRINT_LEDGER |
	             BLUEPRINT_SCREEN | BLUEPRINT_LEDGER_NODE | BLUEPRINT_POWER | BLUEPRINT_INPUT |
	             BLUEPRINT_TPM | BLUEPRINT_SOUND | BLUEPRINT_ATTEST,
	    .name = "holon",
	    .profile = "linux",
	    .net = {.mode = SWITCH_NAT},
	    /* all of what the manifest gives for admitted budgets is its to hand on */
	    .cpu_reserve = manager.cpu_share / 10000};
	if (start_has(manager.info, "hardened"))
		blueprint.flags &= ~(uint32_t)BLUEPRINT_WX;
	struct connection connection = {.memory = start_find(manager.info, "stream", 0),
	                                /* the manager is given the console's view of the stream */
	                                .event = start_find(manager.info, "stream-peer", 0),
	                                .peer = start_find(manager.info, "stream-event", 0)};
	connection.command = start_find(manager.info, "command", &connection.command_bytes);
	connection.add.object = start_find(manager.info, "add", &connection.add.bytes);
	if (!connection.command)
		connection.command_bytes = 0;
	return subkernel_start(0, &blueprint, &connection) >= 0;
}
