/*
 * Fuzzes a snapshot as it comes from a peer: the file's trailer, what the node keeps itself, and the records of the
 * chain. A quorum is taken to have signed whatever root the trailer's parts give, so that all is read; nothing of it
 * may be installed, since the records do not lead to that root. The first byte chooses how much of the file is as it should be:
 * a raw file; records of the right form with any content; and whether the trailer is a good one.
 */
#include "ledger/node/snapshot_file.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define RAW        1 /* the input is the file up to the trailer, or with it */
#define NO_TRAILER 2

static struct snapshot_holder holder;
static struct snapshot_parts parts;
static char directory[] = "/tmp/holon-snapshot-fuzz-XXXXXX", file[64];
static uint8_t start[4096]; /* a good snapshot without its end: configuration and first header */
static size_t start_size;
static struct ledger_applied
    good; /* the one state whose snapshot would be right: none but this may be installed */

static bool start_sink(void *context, const uint8_t *data, size_t size)
{
	(void)context;
	if (start_size + size > sizeof(start))
		return false;
	memcpy(start + start_size, data, size);
	start_size += size;
	return true;
}

static void clean(void)
{
	char command[80];
	snprintf(command, sizeof(command), "rm -r %s", directory);
	(void)!system(command);
}

static void prepare(void)
{
	char name[64];
	if (!mkdtemp(directory) || atexit(clean))
		abort();
	snprintf(name, sizeof(name), "%s/application", directory);
	snprintf(file, sizeof(file), "%s/restore", directory);
	holder.application = ledger_application_find("evm");
	if (!holder.application || mkdir(name, 0700))
		abort();
	holder.state = holder.application->open(name, NULL, 0);
	holder.ordered = ordered_open(directory, 15);
	if (!holder.state || !holder.ordered ||
	    !holder.application->snapshot(holder.state, start_sink, NULL) || start_size < 5)
		abort();
	start_size -= 5; /* the record that ends it */
	if (!holder.application->applied(holder.state, &good))
		abort();
	parts.core = ordered_encode(holder.ordered);
	ordered_digests(holder.ordered, 0, &parts.digests);
}

/* Each record: kind and size from the input, then as much content as there is. */
static void put_records(FILE *out, const uint8_t *data, size_t size)
{
	static const char kinds[] = "AAASSDHCE";
	(void)!fwrite(start, 1, start_size, out);
	while (size >= 2) {
		uint8_t content[256] = {0}, head[5] = {(uint8_t)kinds[data[0] % 9]};
		size_t wanted = head[0] == 'A' ? 92 : head[0] == 'S' ? 64 : head[0] == 'E' ? 0 : data[1];
		size_t given = size - 2 < wanted ? size - 2 : wanted;
		head[4] = (uint8_t)wanted;
		memcpy(content, data + 2, given);
		(void)!fwrite(head, 1, sizeof(head), out);
		(void)!fwrite(content, 1, wanted, out);
		data += 2 + given;
		size -= 2 + given;
	}
	(void)!fwrite("E\0\0\0", 1, 5, out);
}

/* The root that the trailer's parts give. False: the file has no trailer, or it is that of the right snapshot. */
static bool trailer_root(uint8_t root[LEDGER_ROOT_SIZE])
{
	uint8_t trailer[SNAPSHOT_TRAILER];
	struct ordered_digests digests;
	FILE *in = fopen(file, "r");
	bool read = in && !fseek(in, -SNAPSHOT_TRAILER, SEEK_END) &&
	            fread(trailer, 1, sizeof(trailer), in) == sizeof(trailer);
	if (in)
		fclose(in);
	if (!read || !memcmp(trailer + 80, good.root, LEDGER_ROOT_SIZE))
		return false;
	snapshot_trailer_digests(trailer, &digests);
	ordered_state_root(&digests, trailer + 80, root);
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t root[LEDGER_ROOT_SIZE] = {0};
	struct ledger_applied after;
	if (!holder.application)
		prepare();
	if (size < 1 + LEDGER_ROOT_SIZE)
		return 0;
	memcpy(parts.application_root, data + 1, LEDGER_ROOT_SIZE);
	FILE *out = fopen(file, "w");
	if (!out)
		abort();
	if (data[0] & RAW)
		(void)!fwrite(data + 1 + LEDGER_ROOT_SIZE, 1, size - 1 - LEDGER_ROOT_SIZE, out);
	else
		put_records(out, data + 1 + LEDGER_ROOT_SIZE, size - 1 - LEDGER_ROOT_SIZE);
	if (!(data[0] & NO_TRAILER) && !snapshot_write_trailer(&holder, &parts, out))
		abort();
	if (fclose(out))
		abort();
	if (trailer_root(root) &&
	    (snapshot_install(&holder, file, 7, root) != SNAPSHOT_BAD ||
	     !holder.application->applied(holder.state, &after) || after.index != good.index))
		abort();
	return 0;
}
