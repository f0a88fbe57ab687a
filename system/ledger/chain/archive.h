/*
 * The chain as a file, and its execution again: what `holon-ledger export` writes and `replay` reads. The file has all that goes
 * into execution (each block's transactions, its time, its commit's digest) and what came out of it (the block's hash, which
 * commits to state, receipts and logs). Replaying executes from genesis and compares every hash.
 *
 *   "HolonChain1\n", configuration 32 (chain id, gas limit, quota, window)
 *   a block: 'B', commit index 8, time in ms 8, digest 32, hash 32, transactions 4, each: size 4, bytes
 *   'E', blocks 8, transactions 8
 *
 * Numbers are big-endian.
 */
#ifndef LEDGER_ARCHIVE_H
#define LEDGER_ARCHIVE_H

#include "chain/chain.h"

#include <stdio.h>

struct archive_figures {
	uint64_t blocks, transactions;
	struct hash32 head;
};

/* The blocks of the store in `directory`, of a stopped node. False with a message; also when the store begins at a snapshot and
 * lacks older blocks. */
bool archive_export(const char *directory, FILE *out, struct archive_figures *figures);
/* Executes the file in the empty `directory`, with `workers` threads beside this one. False with a message at the first block whose
 * hash is another, and for a file that is malformed or cut off. */
bool archive_replay(FILE *in, const char *directory, unsigned workers, struct archive_figures *figures);

#endif
