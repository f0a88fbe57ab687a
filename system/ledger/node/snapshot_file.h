/*
 * Snapshots as files, and how one takes the place of what a node has: the application's state and what the
 * node keeps itself (ordered.h). Those are two places on the disk. So that a crash cannot leave one without
 * the other, the whole file is durable under a name that tells what it is before either is touched, and a
 * start installs again what a crash interrupted.
 */
#ifndef LEDGER_NODE_SNAPSHOT_FILE_H
#define LEDGER_NODE_SNAPSHOT_FILE_H

#include "ledger/node/application.h"
#include "ledger/ordered/ordered.h"

#define SNAPSHOT_NAME 448 /* bytes of a file's name, with its path */

/* Whose state it is. */
struct snapshot_holder {
	const struct ledger_application *application;
	void *state;
	struct ordered *ordered;
};

/* What a snapshot holds beside the application's own part. */
struct snapshot_parts {
	uint8_t application_root[LEDGER_ROOT_SIZE];
	struct ordered_digests digests;
	const struct blob *core;
};

/* The end of the file: what it is made of is said in snapshot_file.c. */
#define SNAPSHOT_TRAILER 124
bool snapshot_write_trailer(struct snapshot_holder *holder, const struct snapshot_parts *parts, FILE *out);
void snapshot_trailer_digests(const uint8_t trailer[SNAPSHOT_TRAILER], struct ordered_digests *digests);

/* Writes the state after the last applied commit, of which `parts` tells; no file is left when it fails. */
bool snapshot_write(struct snapshot_holder *holder, const char *file, const struct snapshot_parts *parts);

/*
 * Makes a snapshot that was fetched durable as FILE-INDEX-ROOT, whose name goes to `kept`. False: it cannot
 * be; the file is gone, and `kept` is where nothing is.
 */
bool snapshot_keep(const char *file, uint64_t index, const uint8_t root[LEDGER_ROOT_SIZE],
                   char kept[SNAPSHOT_NAME]);

enum snapshot_result {
	SNAPSHOT_DONE, /* all is as of the snapshot's commit, durably */
	SNAPSHOT_BAD,  /* it is not what was signed, or the disk fails; nothing of it was installed */
	SNAPSHOT_TORN, /* the application has it, the rest could not be written: to be installed again until it is done */
};
/* `root` is that of the whole state, which a quorum signed. The snapshot comes from one peer, which may lie. */
enum snapshot_result snapshot_install(struct snapshot_holder *holder, const char *file, uint64_t index,
                                      const uint8_t root[LEDGER_ROOT_SIZE]);

/* At a start: ends what a crash interrupted in the node's folder. False, with a message, when it cannot. */
bool snapshot_recover(struct snapshot_holder *holder, const char *directory);

#endif
