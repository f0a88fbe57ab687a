/* The applications that a node can run, and the trivial one: it counts payloads and chains the commits'
 * digests. */
#include "ledger/node/application.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "crypto/blake3.h"
#include "ledger/node/bytes.h"
#include "ledger/rpc/application.h"

struct bytes_state {
	uint64_t index, payloads;
	uint8_t root[LEDGER_ROOT_SIZE];
};

struct bytes {
	char file[300];
	struct bytes_state state;
	struct bytes_figures figures;
};

static uint64_t monotonic_us(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static bool state_write(const char *file, const struct bytes_state *state)
{
	char fresh[310];
	uint8_t check[BLAKE3_SIZE];
	snprintf(fresh, sizeof(fresh), "%s.new", file);
	FILE *out = fopen(fresh, "w");
	blake3_hash(check, state, sizeof(*state));
	bool good = out && fwrite(state, sizeof(*state), 1, out) == 1 &&
	            fwrite(check, sizeof(check), 1, out) == 1 && !fflush(out) && !fdatasync(fileno(out));
	if (out)
		good = !fclose(out) && good;
	return good && !rename(fresh, file);
}

static bool state_read(const char *file, struct bytes_state *state)
{
	uint8_t check[BLAKE3_SIZE], right[BLAKE3_SIZE];
	FILE *in = fopen(file, "r");
	bool good = in && fread(state, sizeof(*state), 1, in) == 1 && fread(check, sizeof(check), 1, in) == 1;
	if (in)
		fclose(in);
	blake3_hash(right, state, sizeof(*state));
	return good && !memcmp(check, right, sizeof(check));
}

static void *bytes_open(const char *directory, const char *const *options, size_t option_count)
{
	struct bytes *bytes = calloc(1, sizeof(*bytes));
	if (!bytes)
		return NULL;
	snprintf(bytes->file, sizeof(bytes->file), "%s/state", directory);
	if (!state_read(bytes->file, &bytes->state))
		memset(&bytes->state, 0, sizeof(bytes->state));
	for (size_t i = 0; i < option_count; i++)
		if (sscanf(options[i], "measure=%lu-%lu", &bytes->figures.from_us,
		           &bytes->figures.until_us) != 2) {
			fprintf(stderr, "holon-ledger: the application bytes knows no option '%s'\n",
			        options[i]);
			free(bytes);
			return NULL;
		}
	return bytes;
}

/* What was measured stays in the file `figures` beside the state. */
static void bytes_close(void *application)
{
	struct bytes *bytes = application;
	char name[310];
	snprintf(name, sizeof(name), "%.*sfigures", (int)(strlen(bytes->file) - strlen("state")),
	         bytes->file);
	FILE *out = bytes->figures.until_us ? fopen(name, "w") : NULL;
	if (out && (fwrite(&bytes->figures, sizeof(bytes->figures), 1, out) != 1 || fclose(out)))
		fprintf(stderr, "holon-ledger: cannot write %s\n", name);
	free(application);
}

static bool bytes_apply(void *application, const struct ledger_commit *commit, struct ledger_applied *applied)
{
	struct bytes *bytes = application;
	struct blake3 hash;
	struct bytes_figures *figures = &bytes->figures;
	uint64_t now = figures->until_us ? monotonic_us() : 0;
	blake3_init(&hash);
	blake3_update(&hash, bytes->state.root, LEDGER_ROOT_SIZE);
	blake3_update(&hash, commit->digest, LEDGER_DIGEST_SIZE);
	blake3_final(&hash, bytes->state.root, LEDGER_ROOT_SIZE);
	bytes->state.index = commit->index;
	bytes->state.payloads += commit->payload_count;
	for (size_t i = 0; now && i < commit->payload_count; i++) {
		uint64_t sent;
		if (commit->payloads[i].size < 16)
			continue;
		memcpy(&sent, commit->payloads[i].data + 8, sizeof(sent));
		if (sent < figures->from_us || sent >= figures->until_us || now < sent)
			continue;
		uint64_t late = (now - sent) / BYTES_BUCKET_US;
		figures->buckets[late < BYTES_BUCKETS ? late : BYTES_BUCKETS - 1]++;
		figures->payloads++;
	}
	figures->total = bytes->state.payloads;
	applied->index = commit->index;
	memcpy(applied->root, bytes->state.root, LEDGER_ROOT_SIZE);
	return true;
}

static bool bytes_applied(void *application, struct ledger_applied *applied)
{
	struct bytes *bytes = application;
	struct bytes_state durable;
	if (!state_read(bytes->file, &durable))
		memset(&durable, 0, sizeof(durable));
	applied->index = durable.index;
	memcpy(applied->root, durable.root, LEDGER_ROOT_SIZE);
	return true;
}

static bool bytes_flush(void *application)
{
	struct bytes *bytes = application;
	return state_write(bytes->file, &bytes->state);
}

static bool bytes_snapshot(void *application, ledger_chunk_sink sink, void *context)
{
	struct bytes *bytes = application;
	return sink(context, (const uint8_t *)&bytes->state, sizeof(bytes->state));
}

static bool bytes_restore(void *application, const char *file, const struct ledger_applied *expected)
{
	struct bytes *bytes = application;
	struct bytes_state state;
	FILE *in = fopen(file, "r");
	bool good = in && fread(&state, sizeof(state), 1, in) == 1 && state.index == expected->index &&
	            !memcmp(state.root, expected->root, LEDGER_ROOT_SIZE);
	if (in)
		fclose(in);
	good = good && state_write(bytes->file, &state);
	if (good)
		bytes->state = state;
	return good;
}

static const struct ledger_application bytes_application = {
    .name = "bytes",
    .open = bytes_open,
    .close = bytes_close,
    .apply = bytes_apply,
    .applied = bytes_applied,
    .flush = bytes_flush,
    .snapshot = bytes_snapshot,
    .restore = bytes_restore,
};

/* A line for each application. */
static const struct ledger_application *const applications[] = {&bytes_application, &evm_application};

const struct ledger_application *ledger_application_find(const char *name)
{
	for (size_t i = 0; i < sizeof(applications) / sizeof(applications[0]); i++)
		if (!strcmp(applications[i]->name, name))
			return applications[i];
	return NULL;
}
