/*
 * Reference-counted byte strings: a message is received once and then shared by whatever keeps it (the DAG,
 * the log's writer, the sending queues) without being copied. The count is atomic, since the log is written
 * by another thread; the bytes are not changed once shared.
 */
#ifndef LEDGER_DAG_BLOB_H
#define LEDGER_DAG_BLOB_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct blob {
	atomic_uint references;
	uint32_t size;
	uint8_t data[];
};

/* One reference, bytes undefined. Ends the program when there is no memory, as ledger_allocate() does. */
struct blob *blob_create(size_t size);
struct blob *blob_copy(const void *data, size_t size);
struct blob *blob_hold(struct blob *blob);
/* NULL is allowed. */
void blob_release(struct blob *blob);

/*
 * Zeroed memory. A validator without memory stops with a message and recovers from its log: carrying on
 * half-blind would be worse, and every quantity that peers can make grow has a limit.
 */
void *ledger_allocate(size_t count, size_t size);

#endif
