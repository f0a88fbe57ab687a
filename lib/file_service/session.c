/* Sessions: each names only objects that it was given, and ends with its client. */
#include "file_service.h"

struct file_service file_service = {.next_number = 1};

int64_t channel_give(uint64_t badge, handle_t *given)
{
	int64_t copy = cap_copy(file_service.channel, RIGHT_CALL | RIGHT_COPY | RIGHT_MOVE, badge);
	if (copy < 0)
		return copy;
	*given = (handle_t)copy;
	return E_OK;
}

struct session *session_of(uint64_t badge)
{
	uint64_t index = BADGE_INDEX(badge);
	if (BADGE_KIND(badge) != BADGE_SESSION || index >= SESSIONS_MAX ||
	    file_service.sessions[index].badge != badge || !file_service.sessions[index].served)
		return 0;
	return &file_service.sessions[index];
}

/* ---- Objects in use ---- */

bool session_knows(const struct session *session, uint64_t node)
{
	return node && uses_find(&session->uses, node);
}

int64_t session_use(struct session *session, uint64_t node)
{
	struct filesystem *fs = session->served->fs;
	struct node_use *use = session->uses.count < NODES_MAX ? uses_take(&session->uses, node) : 0;
	if (!use)
		return FILESYSTEM_E_NO_MEMORY;
	int status = use->count ? E_OK : fs->operations->use(fs, node);
	if (status < 0) {
		uses_remove(&session->uses, use);
		return status;
	}
	use->count++;
	return E_OK;
}

int64_t session_forget(struct session *session, uint64_t node, uint64_t count)
{
	struct node_use *use = node ? uses_find(&session->uses, node) : 0;
	if (!use)
		return FILE_E_STALE;
	if (node == session->root)
		return E_OK;
	if (count < use->count) {
		use->count -= count;
		return E_OK;
	}
	uses_remove(&session->uses, use);
	session->served->fs->operations->forget(session->served->fs, node);
	return E_OK;
}

/* ---- Beginning and end ---- */

void session_end(struct session *session)
{
	struct served *served = session->served;
	for (uint32_t i = 0; i < session->uses.slots; i++)
		if (session->uses.list[i].node)
			served->fs->operations->forget(served->fs, session->uses.list[i].node);
	free(session->uses.list);
	free(session->pending.value);
	if (session->buffer) {
		memset(session->buffer, 0, session->buffer_bytes);
		window_unmap(session->buffer, session->buffer_bytes);
		cap_delete(session->buffer_memory);
	}
	cap_delete(session->quota);
	cap_delete(session->changes);
	served->reserved -= session->reserved;
	served->sessions--;
	if (session->write) /* what had no name any more is gone now */
		file_service.touch(served);
	*session = (struct session){0};
}

void sessions_clean(const struct served *served, bool all)
{
	for (unsigned i = 0; i < SESSIONS_MAX; i++) {
		struct session *session = &file_service.sessions[i];
		uint64_t badge;
		if (session->served == served && (all || cap_info(session->changes, &badge) < 0))
			session_end(session);
	}
}

/* Whether directory A is B or above it. The way up is as long as the tree is deep. */
static bool is_above(struct filesystem *fs, uint64_t a, uint64_t b)
{
	for (;;) {
		uint64_t parent;
		if (a == b)
			return true;
		if (b == fs->root || fs->operations->parent(fs, b, &parent) < 0 || parent == b)
			return false;
		b = parent;
	}
}

static bool is_excluded(const struct served *served, uint64_t root, uint32_t flags)
{
	for (unsigned i = 0; i < SESSIONS_MAX; i++) {
		const struct session *other = &file_service.sessions[i];
		bool write = flags & FILE_SESSION_WRITE;
		if (other->served != served || (!write && !other->write) ||
		    (other->shared && flags & FILE_SESSION_SHARED))
			continue;
		if (is_above(served->fs, other->root, root) || is_above(served->fs, root, other->root))
			return true;
	}
	return false;
}

int64_t session_begin(struct served *served, uint64_t root, bool read_only, handle_t quota, handle_t changes,
                      uint32_t flags, int64_t now_ns, handle_t *given, const void **attributes,
                      uint32_t *bytes)
{
	static struct file_attributes reply;
	struct session *session = 0;
	if (!(flags & (FILE_SESSION_READ | FILE_SESSION_WRITE)) ||
	    flags & ~(uint32_t)(FILE_SESSION_READ | FILE_SESSION_WRITE | FILE_SESSION_SHARED))
		return E_ARGUMENT;
	if (flags & FILE_SESSION_WRITE && (read_only || served->fs->read_only))
		return FILE_E_READ_ONLY;
	sessions_clean(served, false);
	if (is_excluded(served, root, flags))
		return FILE_E_BUSY;
	for (unsigned i = 0; i < SESSIONS_MAX && !session; i++)
		if (!file_service.sessions[i].served)
			session = &file_service.sessions[i];
	int64_t result = session ? served->fs->operations->get(served->fs, root, &reply) : FILE_E_BUSY;
	if (result < 0)
		return result;
	*session = (struct session){.served = served,
	                            .badge = BADGE(BADGE_SESSION, file_service.next_number++,
	                                           (uint64_t)(session - file_service.sessions)),
	                            .root = root,
	                            .write = flags & FILE_SESSION_WRITE,
	                            .shared = flags & FILE_SESSION_SHARED,
	                            .clock_offset = now_ns - (int64_t)clock_ns()};
	served->sessions++;
	result = session_use(session, root);
	if (result >= 0)
		result = channel_give(session->badge, given);
	if (result < 0) {
		session_end(session);
		return result;
	}
	session->quota = quota;
	session->changes = changes;
	*attributes = &reply;
	*bytes = sizeof(reply);
	return E_OK;
}

/* ---- Calls ---- */

int64_t call_begin(uint64_t badge, uint64_t node, bool writes, struct session **session,
                   struct filesystem **fs)
{
	*session = session_of(badge);
	if (!*session || file_service.has_failed((*session)->served))
		return FILE_E_IO;
	*fs = (*session)->served->fs;
	if (node && !session_knows(*session, node))
		return FILE_E_STALE;
	if (writes && (!(*session)->write || (*fs)->read_only))
		return (*fs)->failed ? FILE_E_IO : FILE_E_READ_ONLY;
	return E_OK;
}

int64_t call_end(struct session *session, int64_t result)
{
	struct filesystem *fs = session->served->fs;
	file_service.touch(session->served);
	int relieved = fs->operations->relieve(fs);
	return result < 0 || relieved >= 0 ? result : relieved;
}

static int64_t no_session(void *context, uint64_t badge, handle_t quota, handle_t changes, uint32_t flags,
                          int64_t now_ns, handle_t *session, uint64_t *root, const void **attributes,
                          uint32_t *bytes)
{
	(void)context, (void)badge, (void)quota, (void)changes, (void)flags, (void)now_ns;
	(void)session, (void)root, (void)attributes, (void)bytes;
	return E_CALL;
}

const struct file_operations session_operations = {.session = no_session, FILE_SERVICE_CALLS};
