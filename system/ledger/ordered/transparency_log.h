/*
 * The entries of the transparency log on this node: a file that only grows, and in memory the hashes of all full subtrees, so that
 * appending, the root and a path cost a logarithm. What the log means and how proofs are checked: trust/transparency.h.
 *
 * One thread appends; any thread may ask for paths.
 */
#ifndef LEDGER_ORDERED_TRANSPARENCY_LOG_H
#define LEDGER_ORDERED_TRANSPARENCY_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define LOG_HASH 32
#define LOG_PATH 64

struct transparency_log;

/* Opens or creates the file. Bytes beyond `bytes` are what a crash left half done, and are cut off. NULL with a message. */
struct transparency_log *transparency_log_open(const char *file, uint64_t bytes);
void transparency_log_close(struct transparency_log *log);
/* False when the disk fails: then nothing was appended. Durable after transparency_log_sync(). */
bool transparency_log_append(struct transparency_log *log, const uint8_t *entry, size_t size);
bool transparency_log_sync(struct transparency_log *log);

uint64_t transparency_log_size(struct transparency_log *log);
uint64_t transparency_log_bytes(struct transparency_log *log);
/* Of the tree of the first `size` entries; of none: zeros. */
void transparency_log_root(struct transparency_log *log, uint64_t size, uint8_t root[LOG_HASH]);
/* Where the entry with this leaf hash is, among the first `size`; false when it is not. */
bool transparency_log_find(struct transparency_log *log, const uint8_t leaf[LOG_HASH], uint64_t size,
                           uint64_t *index);
/* The newest entry of a kind (enum record_kind) below `before`; false when there is none. */
bool transparency_log_newest(struct transparency_log *log, uint8_t kind, uint64_t before, uint64_t *index);
/* RFC 9162, section 2.1.3.1: the path of leaf `index` in the tree of the first `size`. Its length. */
unsigned transparency_log_path(struct transparency_log *log, uint64_t index, uint64_t size,
                               uint8_t path[LOG_PATH][LOG_HASH]);
/* An entry's bytes, from malloc(); NULL when there is none, or it cannot be read. */
uint8_t *transparency_log_entry(struct transparency_log *log, uint64_t index, size_t *size);

/* Cuts off what is beyond `bytes`. */
bool transparency_log_cut(struct transparency_log *log, uint64_t bytes);
/* Copies the first `bytes` of the file. */
bool transparency_log_copy(struct transparency_log *log, uint64_t bytes, FILE *out);
/* Makes `log` what `other` is, whose file takes the place of its file; `other` is closed. */
bool transparency_log_become(struct transparency_log *log, struct transparency_log *other);

#endif
