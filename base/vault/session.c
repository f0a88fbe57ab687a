/* Sessions: each names only objects that it was given, and ends with its client. */
#include "vault.h"

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
	    service.sessions[index].badge != badge || !service.sessions[index].vault)
		return 0;
	return &service.sessions[index];
}

/* ---- Objects in use ---- */

static struct node_use *use_find(struct node_use *uses, uint32_t slots, uint64_t inode)
{
	uint32_t at = (uint32_t)(inode * 0x9e3779b97f4a7c15ull >> 32) & (slots - 1);
	while (uses[at].inode && uses[at].inode != inode)
		at = (at + 1) & (slots - 1);
	return &uses[at];
}

bool session_knows(const struct session *session, uint64_t inode)
{
	return inode && session->use_slots && use_find(session->uses, session->use_slots, inode)->inode;
}

static bool uses_grow(struct session *session)
{
	uint32_t slots = session->use_slots ? session->use_slots * 2 : 64;
	struct node_use *uses = calloc(slots, sizeof(*uses));
	if (!uses)
		return false;
	for (uint32_t i = 0; i < session->use_slots; i++)
		if (session->uses[i].inode)
			*use_find(uses, slots, session->uses[i].inode) = session->uses[i];
	free(session->uses);
	session->uses = uses;
	session->use_slots = slots;
	return true;
}

int64_t session_use(struct session *session, uint64_t inode)
{
	if (session->use_count >= NODES_MAX ||
	    (session->use_count * 2 >= session->use_slots && !uses_grow(session)))
		return VAULT_E_NO_MEMORY;
	struct node_use *use = use_find(session->uses, session->use_slots, inode);
	if (!use->inode) {
		int status = holonfs_use(session->vault->fs, inode);
		if (status < 0)
			return file_error(status);
		use->inode = inode;
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
	for (uint32_t at = (hole + 1) & mask; session->uses[at].inode; at = (at + 1) & mask) {
		struct node_use moved = session->uses[at];
		session->uses[at] = (struct node_use){0};
		*use_find(session->uses, session->use_slots, moved.inode) = moved;
	}
}

int64_t session_forget(struct session *session, uint64_t inode, uint64_t count)
{
	if (!session_knows(session, inode))
		return FILE_E_STALE;
	if (inode == session->root)
		return E_OK;
	struct node_use *use = use_find(session->uses, session->use_slots, inode);
	if (count < use->count) {
		use->count -= count;
		return E_OK;
	}
	use_remove(session, use);
	int status = holonfs_forget(session->vault->fs, inode, 1);
	return status < 0 ? file_error(status) : E_OK;
}

/* ---- Beginning and end ---- */

void session_end(struct session *session)
{
	for (uint32_t i = 0; i < session->use_slots; i++)
		if (session->uses[i].inode)
			(void)(holonfs_forget(session->vault->fs, session->uses[i].inode, 1) < 0);
	free(session->uses);
	free(session->pending.value);
	if (session->buffer) {
		memset(session->buffer, 0, session->buffer_bytes);
		window_unmap(session->buffer, session->buffer_bytes);
		cap_delete(session->buffer_memory);
	}
	cap_delete(session->quota);
	cap_delete(session->changes);
	session->vault->reserved -= session->reserved;
	session->vault->sessions--;
	if (session->write)
		vault_touch(session->vault);
	*session = (struct session){0};
}

void sessions_clean(struct vault *vault, bool all)
{
	for (unsigned i = 0; i < SESSIONS_MAX; i++) {
		struct session *session = &service.sessions[i];
		uint64_t badge;
		if (session->vault == vault && (all || cap_info(session->changes, &badge) < 0))
			session_end(session);
	}
}

/* Whether directory A is B or above it. */
static bool is_above(struct holonfs *fs, uint64_t a, uint64_t b)
{
	for (;;) {
		uint64_t parent;
		if (a == b)
			return true;
		if (b == HOLONFS_ROOT || holonfs_parent(fs, b, &parent) < 0 || parent == b)
			return false;
		b = parent;
	}
}

static bool is_excluded(struct vault *vault, uint64_t root, uint32_t flags)
{
	for (unsigned i = 0; i < SESSIONS_MAX; i++) {
		const struct session *other = &service.sessions[i];
		bool write = flags & FILE_SESSION_WRITE;
		if (other->vault != vault || (!write && !other->write) ||
		    (other->shared && flags & FILE_SESSION_SHARED))
			continue;
		if (is_above(vault->fs, other->root, root) || is_above(vault->fs, root, other->root))
			return true;
	}
	return false;
}

int64_t session_open(void *context, uint64_t badge, handle_t quota, handle_t changes, uint32_t flags,
                     int64_t now_ns, handle_t *given, uint64_t *root, const void **attributes,
                     uint32_t *bytes)
{
	static struct file_attributes reply;
	struct holonfs_attributes found;
	struct session *session = 0;
	uint64_t index = BADGE_INDEX(badge);
	(void)context;
	if (index >= MOUNTS_MAX || service.mounts[index].badge != badge || !service.mounts[index].vault)
		return FILE_E_IO; /* the vault was closed, or put back */
	const struct mount *mount = &service.mounts[index];
	struct vault *vault = mount->vault;
	if (!(flags & (FILE_SESSION_READ | FILE_SESSION_WRITE)) ||
	    flags & ~(uint32_t)(FILE_SESSION_READ | FILE_SESSION_WRITE | FILE_SESSION_SHARED))
		return E_ARGUMENT;
	if (flags & FILE_SESSION_WRITE && mount->read_only)
		return FILE_E_READ_ONLY;
	sessions_clean(vault, false);
	if (is_excluded(vault, mount->inode, flags))
		return FILE_E_BUSY;
	for (unsigned i = 0; i < SESSIONS_MAX && !session; i++)
		if (!service.sessions[i].vault)
			session = &service.sessions[i];
	int status = session ? holonfs_get(vault->fs, mount->inode, &found) : 0;
	if (!session || status < 0)
		return session ? file_error(status) : VAULT_E_BUSY;
	*session = (struct session){
	    .vault = vault,
	    .badge = BADGE(BADGE_SESSION, service.next_number++, (uint64_t)(session - service.sessions)),
	    .root = mount->inode,
	    .write = flags & FILE_SESSION_WRITE,
	    .shared = flags & FILE_SESSION_SHARED,
	    .clock_offset = now_ns - (int64_t)clock_ns()};
	int64_t result = session_use(session, mount->inode);
	if (result >= 0)
		result = channel_give(session->badge, given);
	vault->sessions++;
	if (result < 0) {
		session_end(session);
		return result;
	}
	session->quota = quota;
	session->changes = changes;
	attributes_convert(&found, &reply);
	*root = mount->inode;
	*attributes = &reply;
	*bytes = sizeof(reply);
	return E_OK;
}

int64_t call_begin(uint64_t badge, uint64_t node, bool writes, struct session **session, struct holonfs **fs)
{
	*session = session_of(badge);
	if (!*session || vault_has_failed((*session)->vault))
		return FILE_E_IO;
	if (node && !session_knows(*session, node))
		return FILE_E_STALE;
	if (writes && !(*session)->write)
		return FILE_E_READ_ONLY;
	*fs = (*session)->vault->fs;
	return E_OK;
}

int64_t call_end(struct session *session, int64_t result)
{
	struct vault *vault = session->vault;
	vault_touch(vault);
	int relieved = holonfs_relieve(vault->fs);
	return result < 0 || relieved >= 0 ? result : file_error(relieved);
}
