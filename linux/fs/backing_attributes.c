/* See backing.h: extended attributes, which the service gives and takes in pieces of a message. */
#include "backing_calls.h"
#include "name.h"
#include "ramfs_data.h"

#define PIECE_BYTES 3072u

/* The attribute NAME of NODE into VNODE's list; VALUE has room for the largest. */
static int attribute_load(struct ram_node *node, const char *name, uint8_t *value)
{
	struct backing *backing = ram_backing(node);
	uint64_t total = 0;
	uint64_t have = 0;
	do {
		const void *data = 0;
		uint32_t bytes = 0;
		int error =
		    SERVICE(backing, xattr_get, node->upper, (uint32_t)have, name, &total, &data, &bytes);
		if (error)
			return error;
		if (!reply_piece(total, FILE_XATTR_MAX, have, bytes))
			return -EIO;
		memcpy(value + have, data, bytes);
		have += bytes;
	} while (have < total);
	return strncmp(name, "system.", 7) == 0 ? acl_enter(&node->vnode, name, value, total)
	                                        : xattr_enter(&node->vnode, name, value, total);
}

/* Names behind *COOKIE; the first ones beside others. */
static int names_get(struct ram_node *node, uint64_t *cookie, char *names, uint32_t *bytes)
{
	struct backing *backing = ram_backing(node);
	handle_t session = backing->session;
	const void *data = 0;
	*bytes = 0;
	enum common_mode before = *cookie ? COMMON_NOT : change_give(backing);
	int64_t result = file_xattr_list(session, current_page(), node->upper, *cookie, cookie, &data, bytes,
	                                 DEADLINE_NEVER);
	if (result >= 0)
		memcpy(names, data, *bytes);
	common_take(before);
	return result < 0 ? linux_error_of_service(result) : 0;
}

static int all_load(struct ram_node *node, char *names, uint8_t *value)
{
	for (uint64_t cookie = 0;;) {
		uint32_t bytes;
		int error = names_get(node, &cookie, names, &bytes);
		if (error || !bytes || node->attributes_loaded) /* somebody else was faster */
			return error;
		if (names[bytes - 1])
			return -EIO;
		const char *name = 0;
		while ((name = reply_name(names, bytes, name)) != 0) {
			error = attribute_load(node, name, value);
			if (error)
				return error;
		}
	}
}

int backing_attributes_load(struct ram_node *node)
{
	if (node->attributes_loaded || !node->upper)
		return 0;
	char *names = heap_allocate(MESSAGE_BYTES_MAX);
	uint8_t *value = heap_allocate(FILE_XATTR_MAX);
	int error = names && value ? all_load(node, names, value) : -ENOMEM;
	heap_free(names);
	heap_free(value);
	if (error && !node->attributes_loaded) {
		xattr_free(&node->vnode);
		acl_free(&node->vnode);
	} else if (!error) {
		node->attributes_loaded = true;
		node->vnode.acl_unknown = false;
	}
	return error;
}

int backing_attribute_keep(struct ram_node *node, const char *name, const void *value, uint64_t bytes)
{
	struct backing *backing = ram_backing(node);
	int error = backing_copy_up(node, true);
	if (error || !node->upper)
		return error;
	node->attributes_loaded = true; /* of a node that was only in the image: it had none */
	if (!value)
		return CHANGE(backing, xattr_remove, node->upper, name);
	for (uint64_t at = 0; !error && (at < bytes || !at); at += PIECE_BYTES) {
		uint32_t part = bytes - at < PIECE_BYTES ? (uint32_t)(bytes - at) : PIECE_BYTES;
		error = CHANGE(backing, xattr_set, node->upper, 0u, (uint32_t)at, (uint32_t)bytes, name,
		               (const uint8_t *)value + at, part);
	}
	return error;
}
