/* Sessions: each names only objects that it was given, and ends with its client. */
#include "files.h"

int64_t channel_give(uint64_t badge, handle_t *given)
{
	int64_t copy = cap_copy(service.channel, RIGHT_CALL | RIGHT_COPY | RIGHT_MOVE, badge);
	if (copy < 0)
		return copy;
	*given = (handle_t)copy;
	return E_OK;
}

struct session *session_of(uint64_t badge)
{
	uint64_t index = BADGE_INDEX(badge);
	if (BADGE_KIND(badge) != BADGE_SESSION || index >= SESSIONS_MAX ||
	    service.sessions[index].badge != badge)
		return 0;
	return &service.sessions[index];
}

/* ---- Objects in use ---- */

static struct node_use *use_find(struct node_use *uses, uint32_t slots, uint64_t node)
{
	uint32_t at = (uint32_t)(node * 0x9e3779b97f4a7c15ull >> 32) & (slots - 1);
	while (uses[at].node && uses[at].node != node)
		at = (at + 1) & (slots - 1);
	return &uses[at];
}

bool session_knows(const struct session *session, uint64_t node)
{
	return node && session->use_slots && use_find(session->uses, session->use_slots, node)->node;
}

static bool uses_grow(struct session *session)
{
	uint32_t slots = session->use_slots ? session->use_slots * 2 : 64;
	struct node_use *uses = calloc(slots, sizeof(*uses));
	if (!uses)
		return false;
	for (uint32_t i = 0; i < session->use_slots; i++)
		if (session->uses[i].node)
			*use_find(uses, slots, session->uses[i].node) = session->uses[i];
	free(session->uses);
	session->uses = uses;
	session->use_slots = slots;
	return true;
}

int64_t session_use(struct session *session, uint64_t node)
{
	if (session->use_count >= NODES_MAX ||
	    (session->use_count * 2 >= session->use_slots && !uses_grow(session)))
		return FILESYSTEM_E_NO_MEMORY;
	struct node_use *use = use_find(session->uses, session->use_slots, node);
	if (!use->node) {
		int status = service.fs->operations->use(service.fs, node);
		if (status < 0)
			return status;
		use->node = node;
		session->use_count++;
	}
	use->count++;
	return E_OK;
}

/* Takes USE out; what collided with it moves up. */
static void use_remove(struct session *session, struct node_use *use)
{
	uint32_t mask = session->use_slots - 1;
	uint32_t hole = (uint32_t)(use - session->uses);
	session->uses[hole] = (struct node_use){0};
	session->use_count--;
	for (uint32_t at = (hole + 1) & mask; session->uses[at].node; at = (at + 1) & mask) {
		struct node_use moved = session->uses[at];
		session->uses[at] = (struct node_use){0};
		*use_find(session->uses, session->use_slots, moved.node) = moved;
	}
}

int64_t session_forget(struct session *session, uint64_t node, uint64_t count)
{
	if (!session_knows(session, node))
		return FILE_E_STALE;
	if (node == service.fs->root)
		return E_OK;
	struct node_use *use = use_find(session->uses, session->use_slots, node);
	if (count < use->count) {
		use->count -= count;
		return E_OK;
	}
	use_remove(session, use);
	service.fs->operations->forget(service.fs, node);
	return E_OK;
}

/* ---- Beginning and end ---- */

void session_end(struct session *session)
{
	for (uint32_t i = 0; i < session->use_slots; i++)
		if (session->uses[i].node)
			service.fs->operations->forget(service.fs, session->uses[i].node);
	free(session->uses);
	free(session->pending.value);
	if (session->buffer) {
		memset(session->buffer, 0, session->buffer_bytes);
		window_unmap(session->buffer, session->buffer_bytes);
		cap_delete(session->buffer_memory);
	}
	cap_delete(session->quota);
	cap_delete(session->changes);
	service.reserved -= session->reserved;
	*session = (struct session){0};
	service.ended = --service.session_count == 0;
}

void sessions_clean(void)
{
	for (unsigned i = 0; i < SESSIONS_MAX; i++) {
		uint64_t badge;
		if (service.sessions[i].badge && cap_info(service.sessions[i].changes, &badge) < 0)
			session_end(&service.sessions[i]);
	}
}

static bool is_excluded(uint32_t flags)
{
	for (unsigned i = 0; i < SESSIONS_MAX; i++) {
		const struct session *other = &service.sessions[i];
		if (other->badge && (flags & FILE_SESSION_WRITE || other->write) &&
		    !(other->shared && flags & FILE_SESSION_SHARED))
			return true;
	}
	return false;
}

int64_t session_open(void *context, uint64_t badge, handle_t quota, handle_t changes, uint32_t flags,
                     int64_t now_ns, handle_t *given, uint64_t *root, const void **attributes,
                     uint32_t *bytes)
{
	static struct file_attributes reply;
	struct session *session = 0;
	(void)context, (void)badge;
	if (!service.fs || service.ended)
		return FILE_E_IO;
	if (!(flags & (FILE_SESSION_READ | FILE_SESSION_WRITE)) ||
	    flags & ~(uint32_t)(FILE_SESSION_READ | FILE_SESSION_WRITE | FILE_SESSION_SHARED))
		return E_ARGUMENT;
	if (flags & FILE_SESSION_WRITE && service.fs->read_only)
		return FILE_E_READ_ONLY;
	if (is_excluded(flags))
		return FILE_E_BUSY;
	for (unsigned i = 0; i < SESSIONS_MAX && !session; i++)
		if (!service.sessions[i].badge)
			session = &service.sessions[i];
	int64_t result =
	    session ? service.fs->operations->get(service.fs, service.fs->root, &reply) : FILE_E_BUSY;
	if (result < 0)
		return result;
	*session = (struct session){
	    .badge = BADGE(BADGE_SESSION, service.next_number++, (uint64_t)(session - service.sessions)),
	    .write = flags & FILE_SESSION_WRITE,
	    .shared = flags & FILE_SESSION_SHARED,
	    .clock_offset = now_ns - (int64_t)clock_ns()};
	result = session_use(session, service.fs->root);
	if (result >= 0)
		result = channel_give(session->badge, given);
	service.session_count++;
	if (result < 0) {
		session_end(session);
		service.ended = false; /* another may come */
		return result;
	}
	session->quota = quota;
	session->changes = changes;
	*root = service.fs->root;
	*attributes = &reply;
	*bytes = sizeof(reply);
	return E_OK;
}

int64_t call_begin(uint64_t badge, uint64_t node, bool writes, struct session **session)
{
	*session = session_of(badge);
	if (!*session || service.device.failed)
		return FILE_E_IO;
	if (node && !session_knows(*session, node))
		return FILE_E_STALE;
	if (writes && (!(*session)->write || service.fs->read_only))
		return service.fs->failed ? FILE_E_IO : FILE_E_READ_ONLY;
	return E_OK;
}

int64_t call_end(int64_t result)
{
	service_touch();
	int relieved = service.fs->operations->relieve(service.fs);
	return result < 0 || relieved >= 0 ? result : relieved;
}
