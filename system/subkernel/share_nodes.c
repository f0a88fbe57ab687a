/* See share_nodes.h. A node is found by the number of its inode, in a table of open addressing. */
#include "share_nodes.h"
#include <errno.h>
#include <fcntl.h>
#include <holon/file.h>
#include <stdlib.h>
#include <unistd.h>

#define SLOTS_FIRST 64u

int64_t share_failed(void)
{
	return errno > 0 && errno <= 133 ? -200 - errno : FILE_E_IO;
}

static struct share_node *slot_of(struct share_node *nodes, uint32_t slots, uint64_t number)
{
	uint32_t at = (uint32_t)(number * 0x9e3779b97f4a7c15ull >> 32) & (slots - 1);
	while (nodes[at].number && nodes[at].number != number)
		at = (at + 1) & (slots - 1);
	return &nodes[at];
}

struct share_node *share_node_find(const struct share *share, uint64_t number)
{
	struct share_node *node = number ? slot_of(share->nodes, share->slots, number) : 0;
	return node && node->number ? node : 0;
}

bool share_nodes_grow(struct share *share)
{
	uint32_t slots = share->slots ? share->slots * 2 : SLOTS_FIRST;
	struct share_node *nodes = calloc(slots, sizeof(*nodes));
	if (!nodes)
		return false;
	for (uint32_t i = 0; i < share->slots; i++)
		if (share->nodes[i].number)
			*slot_of(nodes, slots, share->nodes[i].number) = share->nodes[i];
	free(share->nodes);
	share->nodes = nodes;
	share->slots = slots;
	return true;
}

int64_t share_node_use(struct share *share, int file, struct stat *status)
{
	if (fstatat(file, "", status, AT_EMPTY_PATH)) {
		int64_t result = share_failed();
		close(file);
		return result;
	}
	struct share_node *node = 0;
	int64_t result = status->st_dev == share->device && status->st_ino ? E_OK : FILE_E_OTHER_DEVICE;
	if (result >= 0 && (node = share_node_find(share, status->st_ino))) {
		node->count++;
		close(file);
		return E_OK;
	}
	if (result >= 0 &&
	    (share->used >= share->most || (share->used * 2 >= share->slots && !share_nodes_grow(share))))
		result = -200 - ENFILE;
	if (result < 0) {
		close(file);
		return result;
	}
	*slot_of(share->nodes, share->slots, status->st_ino) =
	    (struct share_node){.number = status->st_ino, .count = 1, .file = file};
	share->used++;
	return E_OK;
}

static void open_forget(struct share *share, uint64_t number)
{
	for (unsigned i = 0; i < SHARE_OPEN_MAX; i++)
		if (share->open[i].number == number) {
			close(share->open[i].file);
			share->open[i].number = 0;
		}
}

void share_node_remove(struct share *share, struct share_node *node)
{
	uint32_t mask = share->slots - 1, at = (uint32_t)(node - share->nodes);
	open_forget(share, node->number);
	close(node->file);
	*node = (struct share_node){0};
	share->used--;
	for (at = (at + 1) & mask; share->nodes[at].number; at = (at + 1) & mask) {
		struct share_node moved = share->nodes[at];
		share->nodes[at] = (struct share_node){0};
		*slot_of(share->nodes, share->slots, moved.number) = moved;
	}
}
