/*
 * The validator's log: one append-only sequence of records in segment files, written and made durable in
 * groups by a thread of its own. A record is (crc32c 4, size 4, ticket 8, kind 4, zero 4, bytes); what
 * follows the first record that does not check is a write that a crash cut off, and is dropped. Segments
 * whose records are no longer needed are deleted; epoch boundaries, which are needed for ever, are also kept
 * in a file of their own.
 */
#ifndef LEDGER_NODE_LOG_H
#define LEDGER_NODE_LOG_H

#include "ledger/dag/dag.h"

struct node_log;

typedef void (*log_visitor)(void *context, enum dag_record kind, const uint8_t *data, size_t size,
                            uint64_t ticket);

/* Opens or creates the log in `directory`. `wake_fd` (an eventfd) is written to whenever more is durable.
 * NULL with a message. */
struct node_log *log_open(const char *directory, int wake_fd);
/* All records, oldest first, before the first append; `kind` 0 for all. False with a message on an I/O error.
 */
bool log_replay(struct node_log *log, enum dag_record kind, log_visitor visitor, void *context);
/* Takes the reference to `blob`. Tickets rise. */
void log_append(struct node_log *log, enum dag_record kind, struct blob *blob, uint64_t ticket);
/* Hands what was appended to the writer. */
void log_kick(struct node_log *log);
uint64_t log_durable(struct node_log *log);
/* Bytes not yet durable: the caller slows down above a limit of its own. */
uint64_t log_backlog(struct node_log *log);
/* Nonzero errno while writing fails (disk full): the writer tries again each second. */
int log_error(struct node_log *log);
/* Forgets segments that hold only older records. */
void log_forget(struct node_log *log, uint64_t oldest);
/* Reads one record again; NULL if it is gone. */
struct blob *log_read(struct node_log *log, uint64_t ticket);
/* Bytes written and seconds spent waiting for the disk, since the start. */
void log_figures(struct node_log *log, uint64_t *bytes, uint64_t *syncs, double *seconds);
void log_close(struct node_log *log);

#endif
