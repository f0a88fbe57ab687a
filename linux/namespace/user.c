/* User namespaces: which capabilities count where, and which ids stand for which. user_namespaces(7), capabilities(7).
 *
 * Maps are written once, by map.c; a range's place is found by going through at most ID_RANGES of them. The first user
 * namespace has none, and translates nothing.
 */
#include "../internal.h"
#include "../fs/name.h"
#include "../keys/keys.h"
#include "../proc/proc.h"

struct user_namespace user_namespace_first = {
    .common = {.kind = NAMESPACE_USER, .references = 1, .inode = 4026531837},
    .maps_root = true,
    .users = LIST_INIT(user_namespace_first.users),
    .most = {[0 ... NAMESPACE_KINDS - 1] = 4096},
};

/* How many namespaces of each kind UID has made in its user namespace and those inside. */
struct user_count {
	struct list link;
	uint32_t uid;
	uint32_t used[NAMESPACE_KINDS];
};

struct user_namespace *user_namespace_current(void)
{
	return current_task()->credentials.user;
}

bool user_namespace_within(const struct user_namespace *inner, const struct user_namespace *outer)
{
	while (inner && inner->level > outer->level)
		inner = inner->common.owner;
	return inner == outer;
}

bool credentials_capable(const struct credentials *credentials, const struct user_namespace *namespace,
                         unsigned capability)
{
	for (const struct user_namespace *at = namespace;; at = at->common.owner) {
		if (at == credentials->user)
			return credentials->cap_effective >> capability & 1;
		if (at->level <= credentials->user->level)
			return false;
		/* Who made it has all of them in it, from where it was made. */
		if (at->common.owner == credentials->user && at->creator_uid == credentials->euid)
			return true;
	}
}

bool capable_in(const struct user_namespace *namespace, unsigned capability)
{
	return credentials_capable(&current_task()->credentials, namespace, capability);
}

bool capable_own(unsigned capability)
{
	return current_task()->credentials.cap_effective >> capability & 1;
}

bool capable_over(const struct vnode *vnode, unsigned capability)
{
	const struct user_namespace *user = user_namespace_current();
	return capable_own(capability) &&
	       (user == &user_namespace_first || (id_up(user, &user->uids, vnode->uid) != ID_NONE &&
	                                          id_up(user, &user->gids, vnode->gid) != ID_NONE));
}

/* ---- Ids ---- */

uint32_t id_down(const struct user_namespace *namespace, const struct id_map *map, uint32_t id)
{
	if (namespace == &user_namespace_first)
		return id;
	uint32_t count = __atomic_load_n(&map->count, __ATOMIC_ACQUIRE);
	for (uint32_t i = 0; i < count; i++)
		if (id - map->ranges[i].inside < map->ranges[i].count)
			return id - map->ranges[i].inside + map->ranges[i].outside;
	return ID_NONE;
}

bool id_range_down(const struct user_namespace *namespace, const struct id_map *map, uint32_t id,
                   uint32_t count, uint32_t *outside)
{
	*outside = id;
	if (namespace == &user_namespace_first)
		return true;
	for (uint32_t i = 0; i < map->count; i++) {
		const struct id_range *range = &map->ranges[i];
		uint32_t at = id - range->inside;
		*outside = range->outside + at;
		if (id >= range->inside && at < range->count && count <= range->count - at)
			return true;
	}
	return false;
}

uint32_t id_up(const struct user_namespace *namespace, const struct id_map *map, uint32_t id)
{
	if (namespace == &user_namespace_first)
		return id;
	uint32_t count = __atomic_load_n(&map->count, __ATOMIC_ACQUIRE);
	for (uint32_t i = 0; i < count; i++)
		if (id - map->ranges[i].outside < map->ranges[i].count)
			return id - map->ranges[i].outside + map->ranges[i].inside;
	return ID_NONE;
}

uint32_t uid_named(uint32_t uid)
{
	const struct user_namespace *user = user_namespace_current();
	return id_down(user, &user->uids, uid);
}

uint32_t gid_named(uint32_t gid)
{
	const struct user_namespace *user = user_namespace_current();
	return id_down(user, &user->gids, gid);
}

uint32_t uid_seen_in(const struct user_namespace *namespace, uint32_t uid)
{
	uint32_t seen = id_up(namespace, &namespace->uids, uid);
	return seen == ID_NONE && namespace != &user_namespace_first ? ID_OVERFLOW : seen;
}

uint32_t gid_seen_in(const struct user_namespace *namespace, uint32_t gid)
{
	uint32_t seen = id_up(namespace, &namespace->gids, gid);
	return seen == ID_NONE && namespace != &user_namespace_first ? ID_OVERFLOW : seen;
}

uint32_t uid_seen(uint32_t uid)
{
	return uid_seen_in(user_namespace_current(), uid);
}

uint32_t gid_seen(uint32_t gid)
{
	return gid_seen_in(user_namespace_current(), gid);
}

bool setgroups_allowed(void)
{
	const struct user_namespace *user = user_namespace_current();
	return user == &user_namespace_first || (user->gids.count && !user->setgroups_denied);
}

/* ---- Limits ---- */

static struct user_count *count_of(struct user_namespace *namespace, uint32_t uid, bool make)
{
	struct user_count *count;
	list_for_each(count, &namespace->users, link) if (count->uid == uid) return count;
	count = make ? heap_allocate(sizeof(*count)) : 0;
	if (count) {
		count->uid = uid;
		list_append(&namespace->users, &count->link);
	}
	return count;
}

static void uncount(struct user_namespace *owner, uint32_t uid, enum namespace_kind kind,
                    const struct user_namespace *end)
{
	for (; owner != end; uid = owner->creator_uid, owner = owner->common.owner) {
		struct user_count *count = count_of(owner, uid, false);
		count->used[kind]--;
		uint32_t left = 0;
		for (unsigned i = 0; i < NAMESPACE_KINDS; i++)
			left += count->used[i];
		if (!left) {
			list_remove(&count->link);
			heap_free(count);
		}
	}
}

int namespace_init(struct namespace *namespace, enum namespace_kind kind, struct user_namespace *owner)
{
	static uint64_t next_inode = 4026532000;
	uint32_t first = current_task()->credentials.euid, uid = first;
	/* What it takes of the personality's memory is the sub-kernel's. */
	if (pressure_allowance(PAGE_SIZE_BYTES) != PAGE_SIZE_BYTES)
		return -ENOMEM;
	for (struct user_namespace *at = owner; at; uid = at->creator_uid, at = at->common.owner) {
		struct user_count *count = count_of(at, uid, true);
		if (!count || count->used[kind] >= at->most[kind]) {
			if (count) {
				count->used[kind]++; /* it goes where it is unused */
				uncount(at, uid, kind, at->common.owner);
			}
			uncount(owner, first, kind, at);
			return count ? -ENOSPC : -ENOMEM;
		}
		count->used[kind]++;
	}
	namespace->kind = kind;
	namespace->references = 1;
	namespace->inode = next_inode++;
	namespace->counted_uid = first;
	namespace->owner = owner;
	owner->common.references++;
	return 0;
}

/* The end of what namespace_init began. */
void namespace_deinit(struct namespace *namespace)
{
	struct user_namespace *owner = namespace->owner;
	uncount(owner, namespace->counted_uid, namespace->kind, 0);
	namespace_release(&owner->common);
}

/* ---- Life ---- */

int user_namespace_create(const struct credentials *credentials, struct user_namespace **made)
{
	struct user_namespace *parent = credentials->user;
	if (parent->level > NESTING_MAX)
		return -ENOSPC;
	if (!sysctl_user_namespaces.value && !capable(CAP_SYS_ADMIN))
		return -EPERM;
	/* It would have an owner that its parent does not know. */
	if (id_up(parent, &parent->uids, credentials->euid) == ID_NONE ||
	    id_up(parent, &parent->gids, credentials->egid) == ID_NONE)
		return -EPERM;
	struct user_namespace *user = heap_allocate(sizeof(*user));
	int error = user ? namespace_init(&user->common, NAMESPACE_USER, parent) : -ENOMEM;
	if (error) {
		heap_free(user);
		return error;
	}
	user->level = parent->level + 1;
	user->creator_uid = credentials->euid;
	user->creator_gid = credentials->egid;
	user->setgroups_denied = parent->setgroups_denied;
	user->maps_root = credentials->cap_effective >> CAP_SETFCAP & 1;
	list_init(&user->users);
	memcpy(user->most, user_namespace_first.most, sizeof(user->most));
	*made = user;
	return 0;
}

void user_namespace_free(struct user_namespace *user)
{
	keys_namespace_end(user->common.inode);
	heap_free(user->uids.ranges);
	heap_free(user->gids.ranges);
	namespace_deinit(&user->common);
	heap_free(user);
}

void credentials_enter_user(struct credentials *credentials, struct user_namespace *user)
{
	namespace_release(&credentials->user->common);
	credentials->user = user;
	credentials->securebits = 0;
	credentials->cap_inheritable = credentials->cap_ambient = 0;
	credentials->cap_permitted = credentials->cap_effective = credentials->cap_bounding = CAP_ALL;
}
