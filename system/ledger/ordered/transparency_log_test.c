/* The log's roots and paths against RFC 9162's definition, written down naively; cutting, reopening, finding. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ledger/ordered/transparency_log.h"
#include "trust/transparency.h"

#define MOST 135

static int failures;

static void check(bool good, const char *name)
{
	printf(good ? "ok transparency log: %s\n" : "not ok transparency log: %s - wrong result\n", name);
	failures += !good;
}

static size_t entry_of(unsigned i, uint8_t entry[16])
{
	memset(entry, (int)i, 16);
	return 1 + i % 16;
}

/* MTH of section 2.1.1, over leaves [from, from + size). Depth: the logarithm of MOST. */
static void naive_root(unsigned from, unsigned size, uint8_t out[LOG_HASH]) /* NOLINT(misc-no-recursion) */
{
	uint8_t entry[16], left[LOG_HASH], right[LOG_HASH];
	if (size == 1) {
		transparency_leaf(out, entry, entry_of(from, entry));
		return;
	}
	unsigned k = 1;
	while (2 * k < size)
		k *= 2;
	naive_root(from, k, left);
	naive_root(from + k, size - k, right);
	transparency_node(out, left, right);
}

static bool paths_lead(struct transparency_log *log, unsigned size)
{
	uint8_t root[LOG_HASH], wanted[LOG_HASH], path[LOG_PATH][LOG_HASH], leaf[LOG_HASH], entry[16];
	bool good = true;
	transparency_log_root(log, size, wanted);
	for (unsigned i = 0; i < size; i++) {
		unsigned count = transparency_log_path(log, i, size, path);
		uint64_t index;
		transparency_leaf(leaf, entry, entry_of(i, entry));
		good = good &&
		       transparency_root(root, leaf, i, size, (const uint8_t(*)[LOG_HASH])path, count) &&
		       !memcmp(root, wanted, LOG_HASH);
		good = good && transparency_log_find(log, leaf, size, &index) && index == i;
		/* A neighbour's place, or one hash less, leads elsewhere or nowhere. */
		if (size > 1)
			good = good &&
			       (!transparency_root(root, leaf, i ^ 1, size, (const uint8_t(*)[LOG_HASH])path,
			                           count) ||
			        memcmp(root, wanted, LOG_HASH) != 0) &&
			       (!count || !transparency_root(root, leaf, i, size,
			                                     (const uint8_t(*)[LOG_HASH])path, count - 1));
	}
	return good;
}

int main(void)
{
	char directory[] = "/tmp/holon-transparency-XXXXXX", file[64];
	uint8_t entry[16], root[LOG_HASH], wanted[LOG_HASH];
	uint64_t bytes[MOST + 1] = {0};
	if (!mkdtemp(directory))
		return 1;
	snprintf(file, sizeof(file), "%s/log", directory);
	struct transparency_log *log = transparency_log_open(file, 0);
	bool appended = log != NULL, roots = true, paths = true;
	for (unsigned i = 0; i < MOST && appended; i++) {
		appended = transparency_log_append(log, entry, entry_of(i, entry));
		bytes[i + 1] = transparency_log_bytes(log);
		naive_root(0, i + 1, wanted);
		transparency_log_root(log, i + 1, root);
		roots = roots && !memcmp(root, wanted, LOG_HASH);
		paths = paths && paths_lead(log, i + 1);
	}
	check(appended && transparency_log_size(log) == MOST && transparency_log_sync(log), "appends");
	check(roots, "roots are RFC 9162's");
	check(paths, "paths lead to them, and nowhere else");
	bool old = true;
	for (unsigned size = 1; size <= MOST; size++) {
		naive_root(0, size, wanted);
		transparency_log_root(log, size, root);
		old = old && !memcmp(root, wanted, LOG_HASH) && paths_lead(log, size);
	}
	check(old, "of older sizes, too");
	/* Entry i is i % 16 + 1 bytes of i: the kind of those with a ninth byte is i. */
	uint64_t index = 0;
	check(transparency_log_newest(log, 45, UINT64_MAX, &index) && index == 45 &&
	          transparency_log_newest(log, 45, 46, &index) &&
	          !transparency_log_newest(log, 45, 45, &index) &&
	          !transparency_log_newest(log, 48, UINT64_MAX, &index),
	      "finds the newest of a kind");
	check(transparency_log_append(log, entry, entry_of(45, entry)) &&
	          transparency_log_newest(log, 45, UINT64_MAX, &index) && index == 45,
	      "which the same entry once more does not change");
	check(transparency_log_cut(log, bytes[50]) && transparency_log_size(log) == 50 && paths_lead(log, 50),
	      "is cut");
	transparency_log_close(log);
	log = transparency_log_open(file, bytes[33]);
	check(log && transparency_log_size(log) == 33 && paths_lead(log, 33),
	      "opens at what was known to be durable");
	check(log && transparency_log_newest(log, 30, UINT64_MAX, &index) && index == 30 &&
	          !transparency_log_newest(log, 45, UINT64_MAX, &index),
	      "and knows the kinds again");
	size_t size;
	uint8_t *found = transparency_log_entry(log, 20, &size);
	check(found && size == entry_of(20, entry) && !memcmp(found, entry, size), "gives an entry");
	free(found);
	check(!transparency_log_entry(log, 33, &size), "and none beyond the end");
	transparency_log_close(log);
	check(!transparency_log_open(file, bytes[33] - 1), "a file that ends within an entry is refused");
	unlink(file);
	rmdir(directory);
	return failures ? 1 : 0;
}
