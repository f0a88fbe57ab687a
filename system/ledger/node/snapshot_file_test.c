/*
 * A snapshot's way onto the disk: what a crash leaves between the application and what the node keeps itself is
 * made whole at the next start; what is no snapshot, or over and done with, is only removed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "crypto/test_support.h"
#include "ledger/node/snapshot_file.h"

/* An application whose state is one number, durable at once. */
struct number {
	struct ledger_applied applied;
	unsigned restores;
	bool fails;
};

static bool number_applied(void *application, struct ledger_applied *applied)
{
	*applied = ((struct number *)application)->applied;
	return true;
}

static bool number_snapshot(void *application, ledger_chunk_sink sink, void *context)
{
	const struct number *number = application;
	return sink(context, (const uint8_t *)&number->applied, sizeof(number->applied));
}

static bool number_restore(void *application, const char *file, const struct ledger_applied *expected)
{
	struct number *number = application;
	struct ledger_applied read;
	FILE *in = fopen(file, "r");
	bool good = in && fread(&read, sizeof(read), 1, in) == 1 && read.index == expected->index &&
	            !memcmp(read.root, expected->root, sizeof(read.root)) && !number->fails;
	if (in)
		fclose(in);
	number->restores++;
	if (good)
		number->applied = read;
	return good;
}

static const struct ledger_application application = {
    .name = "number", .applied = number_applied, .snapshot = number_snapshot, .restore = number_restore};

static char directory[] = "/tmp/snapshot_file_test-XXXXXX";

static struct ordered *open_in(const char *name)
{
	char path[128], command[160];
	snprintf(path, sizeof(path), "%s/%s", directory, name);
	snprintf(command, sizeof(command), "mkdir -p %s", path);
	return system(command) ? NULL : ordered_open(path, 15);
}

/* Votes of a quorum, the last in commit `index`, which ends the epoch: so that what the node keeps changes. */
static void vote(struct ordered *ordered, uint64_t index)
{
	for (unsigned i = 0; i < 3; i++) {
		struct blob *blob = blob_create(WIRE_BATCH_HEAD + 4 + ORDERED_VOTE_SIZE);
		memset(blob->data, 0, blob->size);
		blob->data[0] = DAG_BATCH;
		store_le16(blob->data + 1, (uint16_t)i);
		store_le32(blob->data + 12, 1);
		store_le32(blob->data + 16, ORDERED_VOTE_SIZE);
		blob->data[20] = ORDERED_VOTE;
		store_le64(blob->data + 29, 7);
		struct dag_payloads batch = {blob, (uint16_t)i};
		struct dag_commit commit = {.index = index - 2 + i};
		struct dag_effect effect = {
		    .index = index - 2 + i, .commit = &commit, .batches = &batch, .batch_count = 1};
		check(ordered_commit(ordered, &effect, true, 15), "a vote is taken");
		blob_release(blob);
	}
}

int main(void)
{
	char file[256], kept[SNAPSHOT_NAME], folder[128];
	uint8_t root[LEDGER_ROOT_SIZE];
	if (!mkdtemp(directory))
		return 1;
	/* A node at commit 30, and its snapshot. */
	struct number source = {.applied = {.index = 30}};
	memset(source.applied.root, 0x30, LEDGER_ROOT_SIZE);
	struct snapshot_holder from = {&application, &source, open_in("source")};
	vote(from.ordered, 30);
	struct blob *core = ordered_encode(from.ordered);
	struct snapshot_parts parts = {.core = core};
	memcpy(parts.application_root, source.applied.root, LEDGER_ROOT_SIZE);
	ordered_digests(from.ordered, 30, &parts.digests);
	ordered_state_root(&parts.digests, source.applied.root, root);
	snprintf(folder, sizeof(folder), "%s/target", directory);
	snprintf(file, sizeof(file), "%s/restore", folder);
	struct number target = {.applied = {.index = 3}};
	struct snapshot_holder to = {&application, &target, open_in("target")};
	uint64_t members;

	check(snapshot_write(&from, file, &parts) && snapshot_keep(file, 30, root, kept) &&
	          access(file, F_OK) && !access(kept, F_OK),
	      "snapshot: a fetched one is kept under a name that says what it is");
	target.fails = true;
	check(snapshot_install(&to, kept, 30, root) == SNAPSHOT_BAD &&
	          !ordered_ends(to.ordered, 30, &members),
	      "snapshot: what the application refuses changes nothing");
	target.fails = false;
	/* The crash: the application has it, the rest was not written. */
	target.applied = source.applied;
	check(snapshot_recover(&to, folder) && ordered_ends(to.ordered, 30, &members) && members == 7 &&
	          access(kept, F_OK),
	      "snapshot: a start completes what a crash interrupted");
	ordered_close(to.ordered);
	to.ordered = open_in("target");
	check(ordered_ends(to.ordered, 30, &members), "snapshot: durably");

	unsigned restores = target.restores;
	(void)(snapshot_write(&from, file, &parts) && snapshot_keep(file, 30, root, kept));
	check(snapshot_recover(&to, folder) && target.restores == restores && access(kept, F_OK),
	      "snapshot: one that is whole is not installed again");
	target.applied.index = 31;
	(void)(snapshot_write(&from, file, &parts) && snapshot_keep(file, 30, root, kept));
	check(snapshot_recover(&to, folder) && target.applied.index == 31 && access(kept, F_OK),
	      "snapshot: nor does an old one take back what came after");
	target.applied.index = 3;
	(void)(snapshot_write(&from, file, &parts) && snapshot_keep(file, 30, root, kept));
	check(snapshot_recover(&to, folder) && target.applied.index == 30 && access(kept, F_OK),
	      "snapshot: one of which nothing was installed yet is installed");
	/* Not what was signed: the last byte of the ordered core's digest is another. */
	target.applied.index = 3;
	(void)(snapshot_write(&from, file, &parts) && snapshot_keep(file, 30, root, kept));
	FILE *out = fopen(kept, "r+");
	check(out && !fseek(out, -(124 - 31), SEEK_END) && fputc(0xee, out) == 0xee && !fclose(out) &&
	          snapshot_recover(&to, folder) && target.applied.index == 3 && access(kept, F_OK),
	      "snapshot: one that is not what was signed is removed");
	/* The application alone is at the snapshot's commit, and the file is damaged: nobody may go on. */
	ordered_close(to.ordered);
	char name[160];
	snprintf(name, sizeof(name), "%s/ordered", folder);
	unlink(name);
	to.ordered = open_in("target");
	target.applied = source.applied;
	(void)(snapshot_write(&from, file, &parts) && snapshot_keep(file, 30, root, kept));
	check(!truncate(kept, 100) && !snapshot_recover(&to, folder) && !access(kept, F_OK),
	      "snapshot: a half that cannot be completed stops the start");
	blob_release(core);
	ordered_close(from.ordered);
	ordered_close(to.ordered);
	char command[64];
	snprintf(command, sizeof(command), "rm -r %s", directory);
	return test_finish() | (system(command) != 0);
}
