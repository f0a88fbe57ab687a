/* The sub-kernel manager: creates, lists, freezes and destroys sub-kernels, to any depth.
 *
 * A sub-kernel is a unit with the linux personality in it, or with the steward of a native tree. Its children are units
 * inside its unit, so their quotas are carved from its own and the kernel takes a whole subtree at once. This service
 * holds the unit capabilities; a sub-kernel holds only a badged capability of the manager's channel, whose badge (its
 * number) says on whose behalf it calls: it reaches its own subtree and nothing else, and gives no flag, CPU
 * or priority that it does not have itself.
 *
 * A service that a sub-kernel asks for is started like a child, with its own program: its unit is inside the
 * asker's, and it is paid by it and ends with it.
 *
 * The manifest's own sub-kernels (resident.h) are children of the first that this service creates. The one called "ledger" is
 * reached by those alone that hold the ledger's capability: the switch connects their links with its port.
 */
#include "manager.h"
#include "profile.h"
#include "blocks.h"
#include "entered.h"
#include "attest.interface.h"
#include "mixer.interface.h"
#include "realtime.h"
#include "resident.h"
#include "screen.h"
#include "console.interface.h"
#include "subkernel.interface.h"
#include "tpm.interface.h"

#define REFRESH_NS 1000000000ull
#define ATTEST_NS  10000000000ull /* making a key, and the TPM's part of it */
#define SERVICE_NS 3000000000ull  /* the console, the TPM's driver and the mixer answer at once */

struct manager manager;

struct subkernel *subkernel_find(uint64_t number)
{
	for (unsigned i = 0; number && i < SUBKERNELS_MAX; i++)
		if (manager.table[i].number == number)
			return &manager.table[i];
	return 0;
}

bool subkernel_descends(const struct subkernel *child, const struct subkernel *ancestor)
{
	for (; child; child = child->parent)
		if (child == ancestor)
			return true;
	return false;
}

struct subkernel *subkernel_descendant(uint64_t badge, uint64_t number)
{
	struct subkernel *caller = subkernel_find(badge);
	struct subkernel *child = subkernel_find(number);
	return caller && child && child != caller && subkernel_descends(child, caller) ? child : 0;
}

void subkernel_forget(struct subkernel *subkernel)
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
	offers_drop_all(&subkernel->offers);
	entered_forget(subkernel->number);
	*subkernel = (struct subkernel){0};
}

void subkernel_end(struct subkernel *subkernel, uint64_t status)
{
	if (subkernel->unit) {
		unit_destroy(subkernel->unit);
		cap_delete(subkernel->unit);
		subkernel->unit = 0;
	}
	network_destroy(&subkernel->link); /* with those nested in it */
	screen_return(subkernel->number);
	entered_end(subkernel->number);
	/* Whoever calls a service that has ended shall not wait for another. */
	if (subkernel->channel) {
		cap_revoke(subkernel->channel);
		cap_delete(subkernel->channel);
		subkernel->channel = 0;
	}
	for (unsigned i = 0; i < SUBKERNELS_MAX; i++) {
		struct subkernel *other = &manager.table[i];
		if (other->number && other != subkernel && subkernel_descends(other, subkernel)) {
			other->ended = true;
			screen_return(other->number);
			entered_end(other->number);
			other->parent =
			    subkernel; /* so that subkernel_descends() never meets a forgotten entry */
		}
	}
	for (unsigned i = 0; i < SUBKERNELS_MAX; i++)
		if (manager.table[i].number && manager.table[i].parent == subkernel && manager.table[i].ended)
			subkernel_forget(&manager.table[i]);
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
			    info.fault.vector, info.fault.pc - subkernel->moved, info.fault.address);
		bool first = !subkernel->parent;
		subkernel_end(subkernel, status);
		if (first)
			shutdown_finish(status);
	}
}

static int64_t serve_offer(void *context, uint64_t badge, uint32_t what, handle_t object, uint64_t bytes,
                           uint64_t *token)
{
	struct subkernel *caller = subkernel_find(badge);
	(void)context;
	if (!caller || caller->ended || !(caller->flags & BLUEPRINT_NESTING))
		return E_RIGHTS;
	return offers_keep(&caller->offers, what, object, bytes, token);
}

/* ---- Programs in descendants (entered.c) ---- */

static int64_t serve_enter(void *context, uint64_t badge, uint64_t number, handle_t memory, handle_t event,
                           handle_t peer, handle_t command, uint64_t command_bytes, uint64_t *entered)
{
	const struct subkernel *child = subkernel_descendant(badge, number);
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
	if (child->native)
		return E_SUPPORT; /* no personality is there to start it */
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
	struct subkernel *caller = subkernel_find(badge);
	(void)context;
	if (caller && caller->to_end) {
		caller->to_end = false;
		*task = SUBKERNEL_TASK_END;
		*number = 0;
		return E_OK;
	}
	if (caller && (*number = grants_withdrawn(caller))) {
		*task = SUBKERNEL_TASK_WITHDRAW;
		return E_OK;
	}
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
	const struct subkernel *child = subkernel_descendant(badge, number);
	(void)context;
	if (!child || !child->stream)
		return E_NOT_FOUND;
	if (child->sealed)
		return E_RIGHTS;
	int64_t copy = cap_copy(child->stream, RIGHT_READ | RIGHT_COPY | RIGHT_MOVE, 0);
	if (copy < 0)
		return copy;
	*memory = (handle_t)copy;
	return E_OK;
}

/* ---- Block devices: of those that may use them ---- */

static int64_t serve_block_name(void *context, uint64_t badge, uint32_t index, const char **name)
{
	const struct subkernel *caller = subkernel_find(badge);
	(void)context;
	return caller && caller->flags & BLUEPRINT_BLOCKS
	           ? blocks_name(start_find(manager.info, "device", 0), manager.page, index, name)
	           : E_NOT_FOUND;
}

static int64_t serve_block_open(void *context, uint64_t badge, const char *name, handle_t *device)
{
	const struct subkernel *caller = subkernel_find(badge);
	(void)context;
	return caller && caller->flags & BLUEPRINT_BLOCKS
	           ? blocks_open(start_find(manager.info, "device", 0), manager.page, name, device)
	           : E_RIGHTS;
}

static int64_t serve_input(void *context, uint64_t badge, handle_t *source)
{
	const struct subkernel *caller = subkernel_find(badge);
	(void)context;
	return caller && caller->flags & BLUEPRINT_INPUT
	           ? console_input(start_find(manager.info, "console", 0), manager.page, source,
	                           clock_ns() + SERVICE_NS)
	           : E_RIGHTS;
}

/* Nobody reaches the TPM before the attestation service has put its key there (lib/trust/quote.h): else a program could put its own. */
handle_t tpm_find(void)
{
	static bool ready; /* for as long as the machine runs */
	handle_t tpm = start_find(manager.info, "tpm", 0), attest = start_find(manager.info, "attest", 0);
	if (!tpm || tpm_present(tpm, manager.page, clock_ns() + SERVICE_NS) < 0)
		return 0;
	ready = ready || !attest || attest_ready(attest, manager.page, clock_ns() + ATTEST_NS) >= 0;
	return ready ? tpm : 0;
}

static int64_t serve_attest(void *context, uint64_t badge, handle_t *service)
{
	/* Asked for once: the service may be busy with quotes for seconds, and all sub-kernels would wait for the manager. */
	static handle_t given;
	const struct subkernel *caller = subkernel_find(badge);
	handle_t attest = start_find(manager.info, "attest", 0);
	(void)context;
	if (!caller || !(caller->flags & BLUEPRINT_ATTEST))
		return E_RIGHTS;
	int64_t result =
	    given    ? E_OK
	    : attest ? attest_give(attest, manager.page, lifetime_now(), &given, clock_ns() + SERVICE_NS)
	             : E_NOT_FOUND;
	if (result >= 0)
		result = cap_copy(given, RIGHT_CALL | RIGHT_COPY | RIGHT_MOVE, 0);
	if (result < 0)
		return result;
	*service = (handle_t)result;
	return E_OK;
}

static int64_t serve_tpm(void *context, uint64_t badge, handle_t *service)
{
	const struct subkernel *caller = subkernel_find(badge);
	(void)context;
	if (!caller || !(caller->flags & BLUEPRINT_TPM))
		return E_RIGHTS;
	handle_t tpm = tpm_find();
	int64_t copy = tpm ? cap_copy(tpm, RIGHT_CALL | RIGHT_COPY | RIGHT_MOVE, 0) : E_NOT_FOUND;
	if (copy < 0)
		return copy;
	*service = (handle_t)copy;
	return E_OK;
}

static int64_t serve_sound(void *context, uint64_t badge, handle_t *service)
{
	const struct subkernel *caller = subkernel_find(badge);
	handle_t mixer = start_find(manager.info, "mixer", 0);
	(void)context;
	if (!caller || !(caller->flags & BLUEPRINT_SOUND))
		return E_RIGHTS;
	return mixer ? mixer_give(mixer, manager.page, badge, service, clock_ns() + SERVICE_NS) : E_NOT_FOUND;
}

static int64_t serve_kill(void *context, uint64_t badge, uint64_t number)
{
	struct subkernel *child = subkernel_descendant(badge, number);
	(void)context;
	if (!child) {
		const struct subkernel *in = subkernel_find(entered_kill(badge, number));
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
	struct subkernel *child = subkernel_descendant(badge, number);
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
	struct subkernel *child = subkernel_descendant(badge, number);
	(void)context;
	if (!child)
		return entered_status(badge, number, status);
	if (!child->ended)
		return E_STATE;
	*status = child->status;
	subkernel_forget(child);
	return E_OK;
}

static int64_t serve_signatures(void *context, uint64_t badge, uint64_t *time, uint64_t *manifest_bytes,
                                uint64_t *keys_bytes, handle_t *manifest, handle_t *keys)
{
	int64_t copies[2];
	(void)context;
	(void)badge;
	for (unsigned i = 0; i < 2; i++) {
		if (!manager.signatures[i])
			return E_NOT_FOUND;
	}
	copies[0] = cap_copy(manager.signatures[0], RIGHT_READ | RIGHT_COPY | RIGHT_MOVE, 0);
	copies[1] = cap_copy(manager.signatures[1], RIGHT_READ | RIGHT_COPY | RIGHT_MOVE, 0);
	for (unsigned i = 0; i < 2; i++) {
		if (copies[i] >= 0)
			continue;
		if (copies[!i] >= 0)
			cap_delete((handle_t)copies[!i]);
		return copies[i];
	}
	*time = lifetime_now();
	*manifest_bytes = manager.signatures_bytes[0];
	*keys_bytes = manager.signatures_bytes[1];
	*manifest = (handle_t)copies[0];
	*keys = (handle_t)copies[1];
	return E_OK;
}

static const char *prepare(void)
{
	struct unit_info own;
	const struct start_info *info = manager.info;
	manager.channel = start_find(info, "subkernel", 0);
	manager.vfs = start_find(info, "vfs", 0);
	manager.realtime_at_boot = realtime_at_boot(start_find(info, "rtc", 0));
	manager.expires_at = DEADLINE_NEVER;
	manager.signatures[0] = start_find(info, "manifest", &manager.signatures_bytes[0]);
	manager.signatures[1] = start_find(info, "keys", &manager.signatures_bytes[1]);
	manager.image_memory = start_find(info, "image", &manager.image_bytes);
	network_init(info, manager.page, manager.log);
	int64_t event = event_create();
	if (event < 0 || event_bind((handle_t)event, info->thread) < 0)
		return "cannot make its event";
	manager.event = (handle_t)event;
	manager.next_number = 1;
	if (unit_info(manager.page, info->unit, &own) < 0)
		return "cannot learn its own limits";
	manager.ceiling = own.priority_max;
	manager.cpu_share = own.cpu_share;
	manager.entropy = start_find(info, "entropy", 0);
	manager.generation = window_allocate(PAGE_SIZE_BYTES, &manager.generation_memory);
	if (!manager.generation)
		return "no memory";
	const void *bytes = window_map(manager.image_memory, 0, manager.image_bytes, MAP_READ);
	if (!bytes)
		return "cannot map the system image";
	/* The file service has verified the metadata; here only its form is checked. */
	const char *wrong = sysimg_open(&manager.image, bytes, manager.image_bytes, false);
	const struct sysimg_node *manifest;
	int64_t read = wrong ? E_NOT_FOUND : profile_file("etc/manifest", &manifest);
	if (read < 0 && read != E_NOT_FOUND)
		return "the manifest is not what was signed";
	return wrong ? wrong : residents_read(&manager.image, info);
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

/* What is due by time. A message that came is in the page, and ending a sub-kernel calls others. */
static void look_due(void)
{
	static struct thread_page kept;
	uint64_t now = clock_ns();
	if (now < manager.expires_at && now < shutdown_due())
		return;
	kept = *manager.page;
	lifetime_look();
	shutdown_look();
	*manager.page = kept;
}

/* The next message; in between, once a second, links and residents are looked after. */
static int64_t next_message(struct message *message, bool reply)
{
	int64_t result;
	do {
		uint64_t deadline = network_present() || resident_at(0) ? manager.tick_at : DEADLINE_NEVER;
		if (manager.expires_at < deadline)
			deadline = manager.expires_at;
		if (shutdown_due() < deadline)
			deadline = shutdown_due();
		result = reply ? channel_reply_receive(manager.channel, message, deadline)
		               : channel_receive(manager.channel, message, deadline);
		reply = false;
		/* With every message too: who calls without a pause lives no longer for it. */
		look_due();
		if (result == E_TIMEOUT && clock_ns() >= manager.tick_at) {
			refresh_links();
			shutdown_watch();
			if (!shutdown_begun())
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
	    .signatures = serve_signatures,
	    .power = serve_power,
	    .input = serve_input,
	    .tpm = serve_tpm,
	    .attest = serve_attest,
	    .sound = serve_sound,
	    .revoke = serve_revoke,
	    .freeze = serve_freeze,
	    .status = serve_status,
	};
	manager.info = info;
	spawn_places(info->places);
	manager.page = page;
	manager.log = start_find(info, "log", 0);
	const char *wrong = prepare();
	if (wrong) {
		LOG("subkernel: %s\n", wrong);
		return 1;
	}
	blocks_settle(start_find(info, "device", 0), page);
	if (!start_first())
		shutdown_finish(125 << 8);
	shutdown_watch();
	residents_look();
	manager.tick_at = clock_ns() + REFRESH_NS;
	struct message message = {0};
	int64_t result = next_message(&message, false);
	while (result >= 0) {
		if (message.info & INFO_EVENT) {
			if (message.words[0] & SHUTDOWN_BUTTON)
				shutdown_begin(SUBKERNEL_POWER_OFF);
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
