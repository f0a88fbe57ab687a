/* Propagation of mounts: mount_namespaces(7), "Shared subtrees".
 *
 * Peers are a ring and have a group's number. A slave hangs on one mount of its master's group. What is mounted in one of a
 * group comes into all of the group and, downwards, into all slaves: mount_propagation_next goes through them.
 */
#include "../internal.h"
#include "../proc/proc.h"
#include "name.h"

static uint64_t next_group = 1;

static struct mount *peer_next(const struct mount *mount)
{
	return list_entry(mount->peers.next, struct mount, peers);
}

/* Peers first, and behind each its slaves, with their peers and slaves. */
struct mount *mount_propagation_next(struct mount *at, struct mount *from)
{
	if (!list_empty(&at->slaves))
		return list_first(&at->slaves, struct mount, slave);
	for (;;) {
		struct mount *master = at->master;
		if (master == from->master) {
			/* In FROM's own group. */
			struct mount *next = peer_next(at);
			return next == from ? 0 : next;
		}
		if (at->slave.next != &master->slaves)
			return list_entry(at->slave.next, struct mount, slave);
		at = master;
	}
}

static void slave_of(struct mount *mount, struct mount *master)
{
	list_remove(&mount->slave);
	mount->master = master;
	if (master)
		list_append(&master->slaves, &mount->slave);
}

/* MOUNT leaves its group; its slaves go to a peer, or else become slaves of its master, or private. */
static void leave_group(struct mount *mount)
{
	struct mount *heir = peer_next(mount), *slave, *next;
	if (heir == mount)
		heir = mount->master;
	list_for_each_safe(slave, next, &mount->slaves, slave) slave_of(slave, heir);
	list_remove(&mount->peers);
	mount->group = 0;
}

void mount_unshare(struct mount *mount)
{
	leave_group(mount);
	slave_of(mount, 0);
}

void mount_set_propagation(struct mount *mount, uint64_t type)
{
	if (type == MS_SHARED) {
		if (!mount->group)
			mount->group = next_group++;
		mount->unbindable = false;
		return;
	}
	struct mount *peer = peer_next(mount), *master = peer == mount ? mount->master : peer;
	bool slave = type == MS_SLAVE && (mount->group || mount->master);
	leave_group(mount);
	slave_of(mount, slave ? master : 0);
	mount->unbindable = type == MS_UNBINDABLE;
}

void mount_share_as(struct mount *copy, struct mount *from)
{
	if (from->group) {
		copy->group = from->group;
		list_append(&from->peers, &copy->peers);
	}
	if (from->master)
		slave_of(copy, from->master);
}

/* What the copy for AT is to be a peer or, with *SLAVE, a slave of: TOP; the copy in a peer of AT's; or that in its
 * master. */
static struct mount *source_for(struct mount *top, struct mount *at, const struct mount *from, bool *slave)
{
	struct mount *peer = at;
	*slave = false;
	if (at->group && at->group == from->group)
		return top;
	while ((peer = peer_next(peer)) != at)
		if (peer->copy)
			return peer->copy;
	*slave = true;
	peer = at->master;
	do {
		if (peer == from)
			return top;
		if (peer->copy)
			return peer->copy;
	} while ((peer = peer_next(peer)) != at->master);
	return top;
}

void mount_lock_tree(struct mount *top)
{
	for (struct mount *each = top; each; each = mount_next(each, top)) {
		each->locked |= each != top;
		each->flags_kept |= (each->read_only ? MS_RDONLY : 0) | (each->flags & MS_KEPT) | MS_NOATIME;
	}
}

/* A copy of TOP at WHERE in AT, which propagation from FROM leads to. */
static int propagate_to(struct mount *top, struct mount *at, const struct mount *from, struct dentry *where)
{
	int error;
	bool slave;
	struct mount *source = source_for(top, at, from, &slave);
	struct mount *copy = mount_copy_tree(source, source->root, false, &error);
	mount_copy_end(source);
	if (!copy)
		return error;
	uint32_t count = 0;
	for (struct mount *each = copy; each; each = mount_next(each, copy)) {
		struct mount *peer = peer_next(each);
		count++;
		if (!slave)
			continue;
		/* It is told of changes and tells nobody, but for its own peers. */
		leave_group(each);
		slave_of(each, peer == each ? 0 : peer);
		if (at->group)
			each->group = next_group++;
	}
	if (at->namespace->count + count > (uint32_t)sysctl_mount_max.value) {
		mount_drop_tree(copy);
		return -ENOSPC;
	}
	if (at->namespace->common.owner != from->namespace->common.owner)
		mount_lock_tree(copy);
	struct path place = {at, where};
	struct mount *covered;
	/* On top of what is there. */
	while (place.dentry->mounts && (covered = mount_on(&place)) != 0)
		place = (struct path){covered, covered->root};
	mount_place(copy, &place);
	for (struct mount *each = copy; each; each = mount_next(each, copy))
		mount_enter(each, at->namespace);
	at->copy = copy;
	return 0;
}

int mount_propagate(struct mount *top, const struct path *where)
{
	int error = 0;
	struct mount *from = where->mount, *at;
	/* What comes below a shared mount is shared itself. */
	for (struct mount *each = top; each; each = mount_next(each, top))
		mount_set_propagation(each, MS_SHARED);
	for (at = from; !error && (at = mount_propagation_next(at, from)) != 0;)
		if (at->namespace && dentry_below(where->dentry, at->root))
			error = propagate_to(top, at, from, where->dentry);
	for (at = from; (at = mount_propagation_next(at, from)) != 0;) {
		if (error && at->copy)
			mount_drop_tree(at->copy);
		at->copy = 0;
	}
	return error;
}
