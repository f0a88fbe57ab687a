/* Portals: a channel of this sub-kernel whose calls a guest program answers (abi/holon/portal.h). What `subkernel run --volume`
 * gives to a child.
 *
 * One worker a portal receives the calls, on its own budget, so that no child holds a lock of this personality at a
 * child's priority. It hands each to the guest and waits for the answer: the caller waits as long as the guest takes, and
 * gets an error when the guest is gone. What the guest answers are words and bytes; capabilities are made here: a session
 * is a badge of the channel, the buffer is this personality's own memory, all of whose pages are there before anybody sees
 * it. Nothing that the child sends is looked at here but the number of the call and how much of it there is. */
#include <holon/blueprint.h>
#include <holon/file.h>
#include <holon/guest_calls.h>
#include <holon/portal.h>
#include "../internal.h"
#include "../time/account.h"
#include "../include/file.h"
#include "../mm/area.h"
#include "native.h"
#define file_create file_service_create
#include "file.interface.h"
#undef file_create
#include "subkernel.interface.h"

#define PORTALS_MAX   32u
#define BADGE_MOUNT   (1ull << 60)
#define BADGE_SESSION (2ull << 60)

enum portal_event { PORTAL_ANSWERED = 1, PORTAL_ENDED = 2 };
enum portal_state { PORTAL_IDLE, PORTAL_ASKED, PORTAL_TAKEN, PORTAL_DONE };

struct portal {
	handle_t channel, event; /* EVENT: what the worker waits on */
	enum portal_state state;
	bool ended;     /* no guest has it any more */
	bool withdrawn; /* its channel is revoked: nobody calls it any more */
	uint64_t token; /* by which the manager knows what was offered of it last; 0: nothing */
	struct list link;
	struct wait_queue wait;
	uint64_t session; /* badge of the one session there is; 0: none */
	uint64_t sessions;
	handle_t buffer_memory;
	uint8_t *buffer;
	uint64_t buffer_bytes;
	struct portal_message message;
};

static unsigned portal_count;
static struct list portals = LIST_INIT(portals);

static void buffer_free(struct portal *portal)
{
	if (portal->buffer) {
		space_unmap(machine.space, (uint64_t)portal->buffer, portal->buffer_bytes);
		window_put((uint64_t)portal->buffer, portal->buffer_bytes);
	}
	if (portal->buffer_memory)
		cap_delete(portal->buffer_memory);
	portal->buffer = 0;
	portal->buffer_memory = 0;
	portal->buffer_bytes = 0;
}

static void portal_free(struct portal *portal)
{
	list_remove(&portal->link);
	buffer_free(portal);
	if (portal->channel) {
		cap_revoke(portal->channel); /* who calls it shall not wait for another to answer */
		cap_delete(portal->channel);
	}
	if (portal->event)
		cap_delete(portal->event);
	heap_free(portal);
	portal_count--;
}

/* transfer(): a buffer of BYTES in place of the one before; *GIVEN is the caller's capability. */
static int64_t buffer_make(struct portal *portal, uint64_t bytes, handle_t *given)
{
	if (!bytes || bytes % PAGE_SIZE_BYTES || bytes > PORTAL_BUFFER_MAX)
		return E_ARGUMENT;
	buffer_free(portal);
	int64_t memory = memory_create(MEMORY_ANONYMOUS, bytes, 0, 0);
	uint64_t window = memory < 0 ? 0 : window_take(bytes, PAGE_SIZE_BYTES);
	portal->buffer_memory = memory < 0 ? 0 : (handle_t)memory;
	int64_t result = memory < 0 ? memory : E_QUOTA_MEMORY;
	if (window)
		result =
		    space_map(machine.space, window, portal->buffer_memory, 0, bytes, MAP_READ | MAP_WRITE);
	if (result >= 0 && window) {
		portal->buffer = (uint8_t *)window;
		portal->buffer_bytes = bytes;
	} else if (window) {
		window_put(window, bytes);
	}
	for (uint64_t page = 0; portal->buffer && result >= 0 && page < bytes; page += PAGE_SIZE_BYTES)
		result = probe_write(window + page) ? E_QUOTA_MEMORY : E_OK;
	int64_t copy = result < 0 ? result
	                          : cap_copy(portal->buffer_memory,
	                                     RIGHT_READ | RIGHT_WRITE | RIGHT_COPY | RIGHT_MOVE, 0);
	if (copy < 0) {
		buffer_free(portal);
		return copy;
	}
	*given = (handle_t)copy;
	return E_OK;
}

/* The guest's answer to MESSAGE, whose bytes are in PAGE; false: it is gone. The common lock is not held. */
static bool ask_guest(struct portal *portal, struct message *message, struct thread_page *page)
{
	personality_lock();
	memcpy(portal->message.words, message->words, sizeof(message->words));
	portal->message.info = message->info;
	portal->message.badge = message->badge;
	memcpy(portal->message.bytes, page->bytes, sizeof(portal->message.bytes));
	portal->state = PORTAL_ASKED;
	wake_all(&portal->wait, 0);
	while (portal->state != PORTAL_DONE && !portal->ended)
		worker_wait_for(portal->event, DEADLINE_NEVER);
	bool answered = portal->state == PORTAL_DONE;
	portal->state = PORTAL_IDLE;
	if (answered) {
		memcpy(message->words, portal->message.words, sizeof(message->words));
		message->info = portal->message.info;
		memcpy(page->bytes, portal->message.bytes, sizeof(portal->message.bytes));
	}
	personality_unlock();
	return answered;
}

/* What call is made with BADGE: session() alone of a mount, all others of the session. */
static int64_t judge(const struct portal *portal, const struct message *message)
{
	uint32_t call = (uint32_t)message->words[0];
	if (message->words[0] >> 32 != FILE_VERSION)
		return E_SUPPORT;
	if (message->badge == BADGE_MOUNT)
		return call != FILE_SESSION ? FILE_E_STALE : portal->session ? FILE_E_BUSY : E_OK;
	return message->badge != portal->session || call == FILE_SESSION ? FILE_E_STALE : E_OK;
}

/* Answers MESSAGE in place. */
static void portal_answer(struct portal *portal, struct message *message)
{
	struct thread_page *page = current_page();
	handle_t received[MESSAGE_CAPS_MAX], given = 0;
	unsigned count = interface_received(page, message->info, received);
	uint32_t call = (uint32_t)message->words[0];
	int64_t result = judge(portal, message);
	interface_drop(received, count); /* a session ends with this portal, and that with the child */
	if (result >= 0 && call == FILE_TRANSFER) {
		personality_lock();
		result = buffer_make(portal, message->words[1], &given);
		personality_unlock();
		message->info = 0;
	} else if (result >= 0) {
		result = ask_guest(portal, message, page) ? (int64_t)message->words[0] : FILE_E_IO;
	}
	if (result >= 0 && call == FILE_SESSION) {
		uint64_t badge = BADGE_SESSION | ++portal->sessions;
		/* One that was withdrawn while the guest answered begins no session that nobody would revoke. */
		personality_lock();
		int64_t copy = portal->withdrawn
		                   ? FILE_E_STALE
		                   : cap_copy(portal->channel, RIGHT_CALL | RIGHT_COPY | RIGHT_MOVE, badge);
		personality_unlock();
		given = copy < 0 ? 0 : (handle_t)copy;
		portal->session = copy < 0 ? 0 : badge;
		result = copy < 0 ? copy : result;
	}
	if (result >= 0 && call == FILE_END)
		portal->session = 0;
	uint32_t bytes = result < 0 ? 0 : INFO_BYTES(message->info);
	page->caps[0] = given;
	page->cap_modes[0] = CAP_TRANSFER_MOVE;
	message->info = INFO_MAKE(bytes < PORTAL_BYTES_MAX ? bytes : PORTAL_BYTES_MAX, given ? 1 : 0);
	message->words[0] = (uint64_t)result;
}

static void portal_worker(void *argument)
{
	struct portal *portal = argument;
	struct message message = {0};
	personality_unlock();
	int64_t result = event_bind(portal->event, 0);
	while (result >= 0 && !__atomic_load_n(&portal->ended, __ATOMIC_ACQUIRE)) {
		account_asleep(current_task());
		result = channel_receive(portal->channel, &message, DEADLINE_NEVER);
		account_ready(current_task());
		if (result < 0 || message.info & INFO_EVENT)
			continue;
		portal_answer(portal, &message);
		(void)channel_reply(0, &message); /* whoever asked may be gone */
	}
	(void)event_bind(0, 0);
	personality_lock();
	while (!portal->ended) /* where nothing could be received: the file still has it */
		worker_wait_for(portal->event, DEADLINE_NEVER);
	portal_free(portal);
	worker_end();
}

/* ---- The guest's side ---- */

static void portal_release(struct file *file)
{
	struct portal *portal = file->private;
	__atomic_store_n(&portal->ended, true, __ATOMIC_RELEASE);
	event_signal(portal->event, PORTAL_ENDED); /* the worker frees it */
}

static void portal_describe(struct file *file, char *text, uint32_t size)
{
	(void)file;
	text_format(text, size, "portal:[%lu]", 0ul);
}

static const struct file_ops portal_ops = {.release = portal_release, .describe = portal_describe};

static struct portal *portal_of(uint64_t fd)
{
	struct file *file = file_of((int)fd);
	return file && file->ops == &portal_ops ? file->private : 0;
}

static int64_t portal_create(void)
{
	if (portal_count >= PORTALS_MAX)
		return -EAGAIN;
	struct portal *portal = heap_allocate(sizeof(*portal));
	if (!portal)
		return -ENOMEM;
	portal_count++;
	list_init(&portal->link);
	list_append(&portals, &portal->link);
	wait_queue_init(&portal->wait);
	/* Not donating: a child's calls run on this personality's time, at its priority. */
	int64_t channel = channel_create(0);
	int64_t event = event_create();
	portal->channel = channel < 0 ? 0 : (handle_t)channel;
	portal->event = event < 0 ? 0 : (handle_t)event;
	struct file *file = channel < 0 || event < 0 ? 0 : file_create(&portal_ops, O_RDWR, portal);
	if (!file) {
		portal_free(portal);
		return -ENOMEM;
	}
	if (!worker_create("portal", portal_worker, portal)) {
		file->ops = 0;
		file_release(file);
		portal_free(portal);
		return -ENOMEM;
	}
	return file_give(file, true);
}

static int64_t portal_offer(struct portal *portal)
{
	handle_t manager = start_find(linux_start_info(), "manager", 0);
	uint64_t token = 0;
	int64_t mount = cap_copy(portal->channel, RIGHT_CALL | RIGHT_COPY | RIGHT_MOVE, BADGE_MOUNT);
	if (mount < 0)
		return -ENOMEM;
	personality_unlock();
	int64_t result =
	    subkernel_offer(manager, current_page(), OFFER_SHARE, (handle_t)mount, 0, &token, DEADLINE_NEVER);
	personality_lock();
	if (result < 0)
		cap_delete((handle_t)mount);
	else
		portal->token = token;
	return result < 0 ? linux_error_of_service(result) : (int64_t)token;
}

static int64_t portal_next(struct portal *portal, uint64_t address)
{
	if (portal->state == PORTAL_TAKEN)
		return -EINVAL;
	int result =
	    wait_event(&portal->wait, portal->state == PORTAL_ASKED || portal->withdrawn, DEADLINE_NEVER);
	if (result)
		return result;
	if (portal->state != PORTAL_ASKED)
		return -EPIPE;
	if (copy_to_user(address, &portal->message, sizeof(portal->message)))
		return -EFAULT;
	portal->state = PORTAL_TAKEN;
	return 0;
}

static int64_t portal_reply(struct portal *portal, uint64_t address)
{
	if (portal->state != PORTAL_TAKEN)
		return -EINVAL;
	if (copy_from_user(&portal->message, address, sizeof(portal->message)))
		return -EFAULT;
	portal->state = PORTAL_DONE;
	event_signal(portal->event, PORTAL_ANSWERED);
	return 0;
}

static int64_t portal_copy(const struct portal *portal, uint64_t at, uint64_t address, uint64_t bytes,
                           bool into)
{
	if (bytes > portal->buffer_bytes || at > portal->buffer_bytes - bytes)
		return -EINVAL;
	return into ? copy_from_user(portal->buffer + at, address, bytes)
	            : copy_to_user(address, portal->buffer + at, bytes);
}

void portal_withdraw(uint64_t token)
{
	struct portal *portal;
	list_for_each(portal, &portals, link) if (portal->token == token && !portal->withdrawn)
	{
		/* The mount that was offered, and the session that was opened with it, wherever they are. */
		portal->withdrawn = true;
		cap_revoke(portal->channel);
		wake_all(&portal->wait, 0);
		return;
	}
}

int64_t portal_call(uint64_t number, const struct guest_state *state)
{
	if (number == HOLON_PORTAL_CREATE)
		return portal_create();
	struct portal *portal = portal_of(state->rdi);
	if (!portal)
		return -EBADF;
	switch (number) {
	case HOLON_PORTAL_OFFER:
		return portal_offer(portal);
	case HOLON_PORTAL_NEXT:
		return portal_next(portal, state->rsi);
	case HOLON_PORTAL_ANSWER:
		return portal_reply(portal, state->rsi);
	default:
		return portal_copy(portal, state->rsi, state->rdx, state->r10, state->r8 != 0);
	}
}
