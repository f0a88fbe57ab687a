/* See backing.h: a mount that others change meanwhile (a volume that the parent shares).
 *
 * Names are not remembered: each look-up and each listing asks the service, and what is here becomes what it says. So a
 * file that was closed there is seen by the next open here, and the other way round; while it is open, each side has what
 * it read. */
#include "backing_calls.h"
#include "ramfs_data.h"

/* ENTRY's name is gone, or another's. Whoever has its node open goes on with it: how many names it still has, the service
 * knows. */
static void entry_lost(struct ram_node *directory, struct ram_entry *entry)
{
	struct ram_node *node = entry->node;
	const void *data = 0;
	uint32_t bytes = 0;
	struct file_attributes found;
	if (!node) {
		ram_entry_remove(directory, entry);
		return;
	}
	vnode_reference(&node->vnode);
	ram_entry_detach(directory, entry);
	if (node->vnode.references > 1 &&
	    !SERVICE(ram_backing(node), attributes, node->upper, &data, &bytes) && bytes == sizeof(found)) {
		memcpy(&found, data, sizeof(found));
		node->vnode.links = found.links;
	}
	vnode_release(&node->vnode);
}

static bool same_time(struct linux_timespec a, struct linux_timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

/* NODE's attributes become those FOUND; its contents are fetched anew where they have changed. */
static int node_refresh(struct ram_node *node, const struct file_attributes *found)
{
	struct vnode *vnode = &node->vnode;
	struct linux_timespec modified = backing_time(found->modified_ns);
	bool changed = vnode->size != found->size || !same_time(vnode->modified, modified);
	int error = 0;
	vnode->mode = (vnode->mode & S_IFMT) | (found->mode & 07777);
	vnode->uid = found->uid;
	vnode->gid = found->gid;
	vnode->links = found->links;
	if (S_ISREG(vnode->mode) && changed)
		error = backing_data_again(node, found->size);
	if (list_empty(&node->dirty)) {
		node->data.kept = found->bytes_used;
		vnode->modified = modified;
		vnode->changed = backing_time(found->changed_ns);
	}
	return error;
}

bool backing_seen(struct ram_node *directory, const char *name, uint32_t length, uint64_t node)
{
	struct ram_entry *entry = ram_entry_find(directory, name, length);
	if (!entry)
		return false;
	if (entry->node ? entry->node->upper != node : entry->upper != node) {
		entry_lost(directory, entry);
		return false;
	}
	entry->hidden = false;
	return true;
}

int backing_refresh(struct ram_node *directory, const char *name, uint32_t length)
{
	struct backing *backing = ram_backing(directory);
	struct file_attributes found;
	char text[FILE_NAME_MAX + 1];
	if (length > FILE_NAME_MAX)
		return -ENAMETOOLONG;
	memcpy(text, name, length);
	text[length] = 0;
	struct ram_entry *entry = ram_entry_find(directory, name, length);
	int error = backing_lookup(backing, directory->upper, text, &found);
	if (error) {
		if (error == -ENOENT && entry)
			entry_lost(directory, entry);
		return error;
	}
	uint64_t known = !entry ? 0 : entry->node ? entry->node->upper : entry->upper;
	uint32_t mode = !entry ? 0 : entry->node ? entry->node->vnode.mode : entry->mode;
	if (entry && (known != found.node || (mode & S_IFMT) != (found.mode & S_IFMT))) {
		entry_lost(directory, entry);
		entry = 0;
	}
	if (entry && entry->node) {
		error = node_refresh(entry->node, &found);
	} else if (!entry && !(entry = ram_entry_add(directory, text, length, 0, -1))) {
		error = -ENOMEM;
	} else {
		entry->upper = found.node;
		entry->mode = found.mode;
	}
	/* A node keeps one use of its own. */
	(void)SERVICE(backing, forget, found.node, 1);
	return error;
}

int backing_refresh_all(struct ram_node *directory)
{
	struct ram_entry *entry;
	struct ram_entry *following;
	list_for_each(entry, &directory->entries, link) entry->hidden = true;
	int error = backing_list(directory);
	list_for_each_safe(entry, following, &directory->entries, link)
	{
		if (entry->hidden && !error)
			entry_lost(directory, entry);
		else
			entry->hidden = false;
	}
	return error;
}
