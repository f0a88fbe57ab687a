/* States as files: served in parts to who is behind, and fetched from a peer by this node. */
#include "ledger/node/node_internal.h"

#include <stdlib.h>
#include <unistd.h>

void snapshot_name(const struct ledger_node *node, uint64_t index, char out[320])
{
	snprintf(out, 320, "%s/snapshot-%lu", node->options.directory, index);
}

void snapshot_serve(struct ledger_node *node, unsigned peer, uint64_t index)
{
	char name[320];
	node->snapshot_until_us = node->now_us + SNAPSHOT_US;
	snapshot_name(node, index, name);
	FILE *in = fopen(name, "r");
	if (!in) {
		/* Told, so that the other side asks elsewhere at once. */
		struct blob *none = blob_create(25);
		none->data[0] = SNAPSHOT_PART;
		store_le64(none->data + 1, index);
		memset(none->data + 9, 0, 16);
		transport_send(node->transport, peer, LANE_BATCHES, none);
		blob_release(none);
		return;
	}
	fseek(in, 0, SEEK_END);
	long total = ftell(in);
	rewind(in);
	for (uint64_t offset = 0; total >= 0 && offset <= (uint64_t)total; offset += SNAPSHOT_BYTES) {
		uint64_t part =
		    (uint64_t)total - offset < SNAPSHOT_BYTES ? (uint64_t)total - offset : SNAPSHOT_BYTES;
		struct blob *blob = blob_create(25 + part);
		blob->data[0] = SNAPSHOT_PART;
		store_le64(blob->data + 1, index);
		store_le64(blob->data + 9, offset);
		store_le64(blob->data + 17, (uint64_t)total);
		if (fread(blob->data + 25, 1, part, in) == part)
			transport_send(node->transport, peer, LANE_BATCHES, blob);
		blob_release(blob);
	}
	fclose(in);
}

void restore_end(struct ledger_node *node, bool good)
{
	if (node->restore_file)
		fclose(node->restore_file);
	node->restore_file = NULL;
	if (!good) {
		dag_restored(node->dag, node->restoring, false);
		node->restoring = 0;
	}
}

void restore_begin(struct ledger_node *node, const struct dag_effect *effect)
{
	char name[320];
	struct blob *blob = blob_create(9);
	restore_end(node, true);
	node->restoring = effect->index;
	node->restore_peer = effect->peer;
	node->restore_offset = 0;
	memcpy(node->restore_root, &effect->digest, LEDGER_ROOT_SIZE);
	snprintf(name, sizeof(name), "%s/restore", node->options.directory);
	node->restore_file = fopen(name, "w");
	blob->data[0] = SNAPSHOT_WANT;
	store_le64(blob->data + 1, effect->index);
	transport_send(node->transport, effect->peer, LANE_CONSENSUS, blob);
	blob_release(blob);
}

void restore_part(struct ledger_node *node, unsigned peer, const struct blob *blob)
{
	if (blob->size < 25 || peer != node->restore_peer || !node->restore_file ||
	    load_le64(blob->data + 1) != node->restoring || load_le64(blob->data + 9) != node->restore_offset)
		return;
	uint64_t total = load_le64(blob->data + 17);
	size_t part = blob->size - 25;
	if (!total) {
		restore_end(node, false);
		return;
	}
	node->restore_offset += part;
	if (node->restore_offset > total || fwrite(blob->data + 25, 1, part, node->restore_file) != part ||
	    (node->restore_offset < total && !part)) {
		restore_end(node, false);
		return;
	}
	if (node->restore_offset < total)
		return;
	struct job job = {.kind = JOB_RESTORE, .index = node->restoring};
	memcpy(job.root, node->restore_root, LEDGER_ROOT_SIZE);
	snprintf(job.file, sizeof(job.file), "%s/restore", node->options.directory);
	restore_end(node, true);
	executor_push(node->executor, &job);
}
