/* Reference-counted byte strings and the allocator that does not fail. */
#include "ledger/dag/blob.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *checked(void *memory, size_t size)
{
	if (!memory && size) {
		fprintf(
		    stderr,
		    "holon-ledger: out of memory (%zu bytes): give the validator more and start it again\n",
		    size);
		abort();
	}
	return memory;
}

struct blob *blob_create(size_t size)
{
	struct blob *blob = checked(malloc(sizeof(*blob) + size), sizeof(*blob) + size);
	atomic_init(&blob->references, 1);
	blob->size = (uint32_t)size;
	return blob;
}

struct blob *blob_copy(const void *data, size_t size)
{
	struct blob *blob = blob_create(size);
	if (size)
		memcpy(blob->data, data, size);
	return blob;
}

struct blob *blob_hold(struct blob *blob)
{
	atomic_fetch_add_explicit(&blob->references, 1, memory_order_relaxed);
	return blob;
}

void blob_release(struct blob *blob)
{
	if (blob && atomic_fetch_sub_explicit(&blob->references, 1, memory_order_acq_rel) == 1)
		free(blob);
}

void *ledger_allocate(size_t count, size_t size)
{
	return checked(calloc(count, size), count * size);
}
