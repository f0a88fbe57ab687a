/* Whose turn it is. A call is served at once and to its end, but for what takes long:
 *
 *   - A passphrase is tried in a thread of its own. Files are served meanwhile; calls of the control are held until it is over (but lists
 *     and grants), so there is one try at a time, and what the call under way knows of vaults stays true.
 *   - What deleted snapshots held is given back in steps, between the calls of others and for half of the time at most. Who asked for it
 *     is answered at the end.
 */
#include "vault.h"

#define STEP_BLOCKS  512u
#define WORKER_STACK (256u << 10)
#define HELD_MAX     4u

/* A call of the control that has to wait. */
struct held {
	struct message message;
	handle_t reply, caps[MESSAGE_CAPS_MAX];
	uint8_t bytes[MESSAGE_BYTES_MAX];
};

static struct {
	struct held calls[HELD_MAX];
	unsigned first, count;
} held;

static struct {
	handle_t start; /* 0: there is no thread */
	int (*work)(void *argument);
	void *argument;
	int status;
	bool busy;
} worker;

static uint64_t step_at; /* when the next step of a deletion may be */

/* ---- Calls ---- */

static void serve(struct message *message)
{
	const struct session *session;
	switch (BADGE_KIND(message->badge)) {
	case BADGE_CONTROL:
		service.clock_offset = service.owner_offset;
		vault_serve(&control_operations, 0, message, service.page);
		return;
	case BADGE_MOUNT:
		service.clock_offset = service.owner_offset;
		file_serve(&mount_operations, 0, message, service.page);
		return;
	case BADGE_SESSION:
		session = session_of(message->badge);
		service.clock_offset = session ? session->clock_offset : service.owner_offset;
		file_serve(&session_operations, 0, message, service.page);
		return;
	default:
		message->badge = 0;
		file_serve(&session_operations, 0, message, service.page);
	}
}

/* Answers the call that was served, unless that is done later. */
static void reply(const struct message *message)
{
	handle_t to = service.reply;
	if (!service.kept && channel_reply(to, message) < 0 && to)
		cap_delete(to); /* it is of no use; one that has answered is gone */
	service.kept = false;
	service.reply = 0;
}

handle_t turn_keep(void)
{
	int64_t kept = service.reply ? (int64_t)service.reply : reply_save();
	service.reply = 0;
	service.kept = kept > 0;
	return service.kept ? (handle_t)kept : 0;
}

static void hold(struct message *message)
{
	handle_t caps[MESSAGE_CAPS_MAX];
	unsigned cap_count = interface_received(service.page, message->info, caps);
	int64_t saved = held.count < HELD_MAX ? reply_save() : VAULT_E_BUSY;
	if (saved < 0) {
		interface_drop(caps, cap_count);
		message->info = 0;
		message->words[0] = (uint64_t)saved;
		channel_reply(0, message);
		return;
	}
	struct held *call = &held.calls[(held.first + held.count++) % HELD_MAX];
	call->message = *message;
	call->reply = (handle_t)saved;
	memcpy(call->caps, service.page->caps, sizeof(call->caps));
	memcpy(call->bytes, service.page->bytes, sizeof(call->bytes));
}

static void serve_held(void)
{
	while (held.count) {
		struct held *call = &held.calls[held.first];
		struct message message = call->message;
		service.reply = call->reply;
		memcpy(service.page->caps, call->caps, sizeof(call->caps));
		memcpy(service.page->bytes, call->bytes, sizeof(call->bytes));
		explicit_bzero(call, sizeof(*call)); /* credentials */
		held.first = (held.first + 1) % HELD_MAX;
		held.count--;
		serve(&message);
		reply(&message);
	}
}

/* ---- Deletions ---- */

static struct vault *vault_that_deletes(void)
{
	for (unsigned i = 0; i < VAULTS_MAX; i++)
		if (service.vaults[i].name[0] && service.vaults[i].deletes)
			return &service.vaults[i];
	return 0;
}

void deletion_end(struct vault *vault, int64_t result)
{
	const struct message message = {.words = {(uint64_t)result}};
	if (vault->waiting && channel_reply(vault->waiting, &message) < 0)
		cap_delete(vault->waiting);
	vault->waiting = 0;
	vault->deletes = false;
}

void deletion_begin(struct vault *vault)
{
	struct vdisk_volume volume = {.number = 0};
	while (!vault->read_only && !vault->deletes &&
	       vdisk_volume_next(vault->disk, volume.number, &volume) == VDISK_OK)
		vault->deletes = volume.deleting;
}

static void delete_some(struct vault *vault)
{
	uint64_t begin = clock_ns();
	int64_t result = vault_settle(vault);
	int status = result < 0 ? VDISK_OK : vdisk_delete_step(vault->disk, STEP_BLOCKS);
	if (status <= 0)
		deletion_end(vault, result < 0 ? result : vault_error(status));
	uint64_t now = clock_ns();
	step_at = now + (now - begin);
}

/* ---- The loop ---- */

static int64_t receive(struct message *message)
{
	for (;;) {
		struct vault *vault = vault_that_deletes();
		if (vault && clock_ns() >= step_at)
			delete_some(vault);
		vault = vault_that_deletes();
		int64_t result = channel_receive(service.channel, message, vault ? step_at : DEADLINE_NEVER);
		if (result != E_TIMEOUT)
			return result;
	}
}

/* False: it was a call. */
static bool take_event(const struct message *message)
{
	if (!(message->info & INFO_EVENT))
		return false;
	if (message->words[0] & EVENT_WORKED)
		worker.busy = false;
	if (message->words[0] & EVENT_TIMER)
		vault_sync_all(!worker.busy);
	return true;
}

int64_t turns_run(void)
{
	struct message message = {0};
	int64_t result = receive(&message);
	while (result >= 0) {
		if (take_event(&message)) {
			result = receive(&message);
			continue;
		}
		serve(&message);
		if (!service.reply && !service.kept && !vault_that_deletes()) {
			result = channel_reply_receive(service.channel, &message, DEADLINE_NEVER);
			continue;
		}
		reply(&message);
		serve_held();
		result = receive(&message);
	}
	return result;
}

/* ---- What takes long ---- */

static void worker_main(void *unused)
{
	uint64_t bits;
	(void)unused;
	while (event_wait(worker.start, DEADLINE_NEVER, &bits) >= 0) {
		worker.status = worker.work(worker.argument);
		event_signal(service.timer, EVENT_WORKED);
	}
}

static bool worker_exists(void)
{
	int64_t start = worker.start ? (int64_t)worker.start : event_create();
	if (worker.start || start < 0)
		return worker.start != 0;
	worker.start = (handle_t)start;
	if (native_thread_start(worker_main, 0, WORKER_STACK, (handle_t)start, 0) >= 0)
		return true;
	cap_delete(worker.start);
	worker.start = 0;
	return false;
}

static int run_aside(void *context, int (*work)(void *argument), void *argument)
{
	int64_t saved = service.reply ? (int64_t)service.reply : reply_save();
	int64_t clock_offset = service.clock_offset;
	struct message message;
	(void)context;
	if (saved < 0 || !worker_exists()) { /* then all wait */
		service.reply = saved < 0 ? 0 : (handle_t)saved;
		return work(argument);
	}
	worker.work = work;
	worker.argument = argument;
	worker.busy = true;
	event_signal(worker.start, 1);
	while (worker.busy) {
		if (receive(&message) < 0)
			unit_exit(1); /* nobody can call any more */
		if (take_event(&message))
			continue;
		uint32_t operation = (uint32_t)message.words[0];
		if (BADGE_KIND(message.badge) == BADGE_CONTROL && operation != VAULT_LIST &&
		    operation != VAULT_GRANT) {
			hold(&message);
			continue;
		}
		service.reply = 0;
		serve(&message);
		reply(&message);
	}
	service.reply = (handle_t)saved;
	service.clock_offset = clock_offset;
	/* What comes next may commit: what was written meanwhile goes with it as a whole. */
	for (unsigned i = 0; i < VAULTS_MAX; i++)
		if (service.vaults[i].name[0])
			(void)vault_settle(
			    &service.vaults[i]); /* it cannot: then it commits nothing else either */
	return worker.status;
}

const struct vdisk_helper turn_helper = {.run = run_aside};
