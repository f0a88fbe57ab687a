/*
 * holon-ledger evm-test: runs Ethereum's state tests (execution-spec-tests, one JSON object a line: {file,
 * name, test}), plain or compressed with zstd. Each post is one transaction on a state built anew; the
 * state's root and the hash of the logs must be as the test says, and a transaction the test expects to be
 * refused must be.
 */
#include "command.h"
#include "num/hex.h"
#include "state/world.h"
#include "tx/apply.h"

#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <zstd.h>

#define MAX_WHY 200

static const char *const fork_names[FORK_COUNT] = {"Cancun", "Prague", "Osaka"};

struct suite {
	char **lines;
	size_t count;
	size_t next; /* atomic */
	const char *fork;
	const char *match;
	pthread_mutex_t output;
	size_t passed;
	size_t failed;
};

/* ---- reading JSON ---- */
static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	return text ? text : "";
}

static struct u256 number_of(const json_t *object, const char *key)
{
	struct u256 value = U256_ZERO;
	(void)hex_to_u256(&value, text_of(object, key));
	return value;
}

/* Bytes in the arena. */
static const uint8_t *bytes_of(const char *text, size_t *size, struct arena *arena)
{
	const size_t room = strlen(text) / 2;
	uint8_t *bytes = arena_alloc(arena, room + 1);
	const long length = hex_decode(bytes, room, text);
	*size = length > 0 ? (size_t)length : 0;
	return bytes;
}

static void test_block_hash(void *context, uint64_t number, struct hash32 *out)
{
	char text[24];
	(void)context;
	const int length = snprintf(text, sizeof text, "%llu", (unsigned long long)number);
	keccak256(out->bytes, text, (size_t)length);
}

/* ---- a state whose backend has nothing: all accounts are written before the transaction ---- */
static void load_no_account(void *context, const struct address *address, struct account_data *out)
{
	(void)context;
	(void)address;
	*out = account_nothing;
}

static void load_no_slot(void *context, const struct address *address, const struct u256 *key,
                         struct u256 *out)
{
	(void)context;
	(void)address;
	(void)key;
	*out = U256_ZERO;
}

static const struct code *load_no_code(void *context, const struct hash32 *hash, struct code_cache *cache)
{
	(void)context;
	(void)hash;
	(void)cache;
	return &code_empty;
}

static void build_state(struct state *state, const json_t *pre, struct arena *arena)
{
	const char *key;
	json_t *fields;
	state_begin(state);
	json_object_foreach((json_t *)(uintptr_t)pre, key, fields)
	{
		struct address address;
		if (hex_decode(address.bytes, 20, key) != 20)
			continue;
		struct account *account = state_account(state, &address);
		const struct u256 balance = number_of(fields, "balance");
		const struct u256 nonce = number_of(fields, "nonce");
		state_set_balance(state, account, &balance);
		state_set_nonce(state, account, nonce.w[0]);
		size_t size;
		const uint8_t *code = bytes_of(text_of(fields, "code"), &size, arena);
		struct hash32 hash;
		keccak256(hash.bytes, code, size);
		state_set_code(state, account, code_cache_add(state->codes, &hash, code, size));
		const char *slot_key;
		json_t *slot_value;
		json_object_foreach(json_object_get(fields, "storage"), slot_key, slot_value)
		{
			struct u256 word;
			struct u256 value;
			if (!hex_to_u256(&word, slot_key) ||
			    !hex_to_u256(&value, json_string_value(slot_value)))
				continue;
			struct slot *slot = state_slot(state, account, &word);
			state_warm_slot(state, slot);
			state_set_slot(state, account, slot, &value);
		}
	}
	state_end(state);
}

static void logs_hash(const struct state *state, size_t count, struct hash32 *out)
{
	struct rlp_writer writer = {0};
	const size_t list = rlp_begin_list(&writer);
	for (size_t i = 0; i < count; i++) {
		const struct log *log = &state->logs[i];
		const size_t entry = rlp_begin_list(&writer);
		rlp_put_bytes(&writer, log->address.bytes, 20);
		const size_t topics = rlp_begin_list(&writer);
		for (unsigned t = 0; t < log->topic_count; t++) {
			uint8_t topic[32];
			u256_store(topic, &log->topics[t]);
			rlp_put_bytes(&writer, topic, 32);
		}
		rlp_end_list(&writer, topics);
		rlp_put_bytes(&writer, log->data, log->data_size);
		rlp_end_list(&writer, entry);
	}
	rlp_end_list(&writer, list);
	keccak256(out->bytes, writer.bytes, writer.length);
	rlp_free(&writer);
}

/* ---- one post ---- */
struct machine {
	struct evm *evms[FORK_COUNT];
	struct code_cache codes[FORK_COUNT];
	struct state states[FORK_COUNT];
	struct arena arena;
};

static void read_block(struct evm *evm, const json_t *test, const char *fork, struct rules *rules)
{
	const json_t *env = json_object_get(test, "env");
	const json_t *schedule =
	    json_object_get(json_object_get(json_object_get(test, "config"), "blobSchedule"), fork);
	struct evm_block *block = &evm->block;
	*block = (struct evm_block){.block_hash = test_block_hash};
	(void)hex_decode(block->coinbase.bytes, 20, text_of(env, "currentCoinbase"));
	block->number = number_of(env, "currentNumber").w[0];
	block->timestamp = number_of(env, "currentTimestamp").w[0];
	block->gas_limit = number_of(env, "currentGasLimit").w[0];
	block->random = number_of(env, "currentRandom");
	block->base_fee = number_of(env, "currentBaseFee");
	block->chain_id = number_of(json_object_get(test, "config"), "chainid").w[0];
	if (block->chain_id == 0)
		block->chain_id = 1;
	uint64_t fraction = number_of(schedule, "baseFeeUpdateFraction").w[0];
	rules->max_blobs = (unsigned)number_of(schedule, "max").w[0];
	if (!schedule) {
		fraction = rules->fork == FORK_CANCUN ? 3338477 : 5007716;
		rules->max_blobs = rules->fork == FORK_CANCUN ? 6 : 9;
	}
	blob_base_fee(&block->blob_base_fee, number_of(env, "currentExcessBlobGas").w[0],
	              fraction ? fraction : 1);
}

static bool expect(const struct hash32 *found, const json_t *post, const char *key, const char *what,
                   char *why)
{
	struct hash32 wanted;
	if (hex_decode(wanted.bytes, 32, text_of(post, key)) != 32) {
		snprintf(why, MAX_WHY, "the test has no %s", key);
		return false;
	}
	if (hash32_equal(found, &wanted))
		return true;
	char text[67];
	snprintf(why, MAX_WHY, "%s is %s, not %s", what, hex_encode(text, found->bytes, 32),
	         text_of(post, key));
	return false;
}

static bool run_post(struct machine *machine, const json_t *test, const json_t *post, enum fork fork,
                     char *why)
{
	struct evm *evm = machine->evms[fork];
	struct state *state = &machine->states[fork];
	struct rules rules = {.fork = fork, .has_token = true};
	arena_reset(&machine->arena);
	state_clear(state);
	code_cache_clear(&machine->codes[fork]);
	evm->state = state;
	read_block(evm, test, fork_names[fork], &rules);
	build_state(state, json_object_get(test, "pre"), &machine->arena);

	struct world world;
	struct hash32 root;
	struct hash32 logs;
	world_init(&world, NULL, NULL);
	(void)world_commit(&world, state, &root);
	state_mark_committed(state);

	size_t size;
	const uint8_t *bytes = bytes_of(text_of(post, "txbytes"), &size, &machine->arena);
	struct transaction transaction;
	struct address sender;
	struct applied applied = {0};
	if (transaction_decode(&transaction, bytes, size, &machine->arena, &applied.why)) {
		if (transaction_sender(&transaction, &sender))
			applied = transaction_apply(evm, &rules, &transaction, &sender);
		else
			applied.why = "invalid signature";
	}
	logs_hash(state, applied.valid ? state->log_count : 0, &logs);
	(void)world_commit(&world, state, &root);
	state_mark_committed(state);
	world_deinit(&world);

	const char *exception = json_string_value(json_object_get(post, "expectException"));
	if (exception && applied.valid) {
		snprintf(why, MAX_WHY, "accepted, though %s", exception);
		return false;
	}
	if (!exception && !applied.valid) {
		snprintf(why, MAX_WHY, "refused: %s", applied.why);
		return false;
	}
	return expect(&root, post, "hash", "state root", why) &&
	       expect(&logs, post, "logs", "logs hash", why);
}

static void run_line(struct suite *suite, struct machine *machine, const char *line)
{
	json_error_t error;
	json_t *object = json_loads(line, 0, &error);
	if (!object) {
		pthread_mutex_lock(&suite->output);
		printf("FAIL - - - 0: line is not JSON: %s\n", error.text);
		suite->failed++;
		pthread_mutex_unlock(&suite->output);
		return;
	}
	const char *file = text_of(object, "file");
	const char *name = text_of(object, "name");
	const json_t *test = json_object_get(object, "test");
	const char *fork_name;
	json_t *posts;
	if (!json_is_object(json_object_get(test, "post"))) {
		pthread_mutex_lock(&suite->output);
		printf("FAIL %s %s - 0: line has no test with posts\n", file, name);
		suite->failed++;
		pthread_mutex_unlock(&suite->output);
		json_decref(object);
		return;
	}
	if (!suite->match || strstr(file, suite->match) || strstr(name, suite->match)) {
		json_object_foreach(json_object_get(test, "post"), fork_name, posts)
		{
			int fork = 0;
			while (fork < FORK_COUNT && strcmp(fork_name, fork_names[fork]) != 0)
				fork++;
			if (fork == FORK_COUNT || (suite->fork && strcmp(suite->fork, fork_name) != 0))
				continue;
			for (size_t i = 0; i < json_array_size(posts); i++) {
				char why[MAX_WHY] = "";
				const bool passed =
				    run_post(machine, test, json_array_get(posts, i), (enum fork)fork, why);
				pthread_mutex_lock(&suite->output);
				if (passed) {
					suite->passed++;
				} else {
					suite->failed++;
					printf("FAIL %s %s %s %zu: %s\n", file, name, fork_name, i, why);
				}
				pthread_mutex_unlock(&suite->output);
			}
		}
	}
	json_decref(object);
}

static void *work(void *argument)
{
	struct suite *suite = argument;
	struct machine machine = {0};
	const struct state_backend nothing = {NULL, load_no_account, load_no_slot, load_no_code};
	for (int fork = 0; fork < FORK_COUNT; fork++) {
		machine.evms[fork] = evm_create((enum fork)fork);
		code_cache_init(&machine.codes[fork], (enum fork)fork);
		state_init(&machine.states[fork], &nothing, &machine.codes[fork]);
	}
	for (size_t i; (i = __atomic_fetch_add(&suite->next, 1, __ATOMIC_RELAXED)) < suite->count;)
		run_line(suite, &machine, suite->lines[i]);
	for (int fork = 0; fork < FORK_COUNT; fork++) {
		evm_destroy(machine.evms[fork]);
		state_deinit(&machine.states[fork]);
		code_cache_deinit(&machine.codes[fork]);
	}
	arena_deinit(&machine.arena);
	return NULL;
}

/* ---- files ---- */
static char *read_plain(FILE *file, size_t *size)
{
	size_t room = (size_t)1 << 20;
	char *data = checked_alloc(room);
	*size = 0;
	for (size_t got; (got = fread(data + *size, 1, room - *size, file)) > 0;) {
		*size += got;
		if (*size == room)
			data = checked_realloc(data, room *= 2);
	}
	return data;
}

static char *decompress(char *packed, size_t packed_size, size_t *size)
{
	ZSTD_DCtx *context = ZSTD_createDCtx();
	ZSTD_inBuffer in = {packed, packed_size, 0};
	size_t room = packed_size * 16 + 65536;
	char *data = checked_alloc(room);
	size_t status = 1;
	*size = 0;
	ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, 31);
	while (in.pos < in.size || status) {
		ZSTD_outBuffer out = {data + *size, room - *size, 0};
		const size_t before = in.pos;
		status = ZSTD_decompressStream(context, &out, &in);
		*size += out.pos;
		if (ZSTD_isError(status) || (in.pos == before && out.pos == 0 && in.pos == in.size))
			break;
		if (*size == room)
			data = checked_realloc(data, room *= 2);
	}
	ZSTD_freeDCtx(context);
	free(packed);
	if (status) {
		free(data);
		return NULL;
	}
	return data;
}

static char *read_file(const char *path, size_t *size)
{
	FILE *file = fopen(path, "rb");
	if (!file) {
		fprintf(stderr, "evm-test: cannot open %s: %m\n", path);
		return NULL;
	}
	char *data = read_plain(file, size);
	const bool bad = ferror(file);
	fclose(file);
	if (bad) {
		fprintf(stderr, "evm-test: cannot read %s: %m\n", path);
		free(data);
		return NULL;
	}
	static const uint8_t magic[4] = {0x28, 0xb5, 0x2f, 0xfd};
	if (*size >= 4 && memcmp(data, magic, 4) == 0) {
		data = decompress(data, *size, size);
		if (!data)
			fprintf(stderr, "evm-test: %s is not a whole zstd file\n", path);
	}
	return data;
}

static void add_lines(struct suite *suite, char *data, size_t size)
{
	size_t room = suite->count;
	for (char *line = data, *end = data + size; line < end;) {
		char *stop = memchr(line, '\n', (size_t)(end - line));
		if (!stop)
			stop = end; /* read_file() left room for a terminator */
		*stop = 0;
		if (stop > line) {
			if (suite->count == room || room == 0) {
				room = room ? room * 2 : 1024;
				suite->lines = checked_realloc(suite->lines, room * sizeof *suite->lines);
			}
			suite->lines[suite->count++] = line;
		}
		line = stop + 1;
	}
}

static int usage(void)
{
	fprintf(stderr,
	        "usage: holon-ledger evm-test [--fork F] [--jobs N] [--match WORD] FILE.jsonl[.zst]...\n"
	        "  F is Cancun, Prague or Osaka; WORD is part of a test's file or name\n");
	return 2;
}

int command_evm_test(int count, char **arguments)
{
	struct suite suite = {.output = PTHREAD_MUTEX_INITIALIZER};
	long jobs = sysconf(_SC_NPROCESSORS_ONLN);
	char **data = checked_zalloc((size_t)count, sizeof *data);
	int files = 0;
	int status = 2;
	for (int i = 1; i < count; i++) {
		const char *argument = arguments[i];
		const bool option = !strcmp(argument, "--fork") || !strcmp(argument, "--jobs") ||
		                    !strcmp(argument, "--match");
		if ((option && i + 1 == count) || (!option && argument[0] == '-')) {
			usage();
			goto done;
		}
		if (!strcmp(argument, "--fork")) {
			suite.fork = arguments[++i];
		} else if (!strcmp(argument, "--jobs")) {
			jobs = strtol(arguments[++i], NULL, 10);
		} else if (!strcmp(argument, "--match")) {
			suite.match = arguments[++i];
		} else {
			size_t size;
			data[files] = read_file(argument, &size);
			if (!data[files]) {
				status = 1;
				goto done;
			}
			data[files] = checked_realloc(data[files], size + 1);
			add_lines(&suite, data[files++], size);
		}
	}
	if (files == 0 || jobs < 1 || jobs > 256) {
		usage();
		goto done;
	}
	pthread_t threads[256];
	for (long i = 1; i < jobs; i++)
		if (pthread_create(&threads[i], NULL, work, &suite) != 0) {
			fprintf(stderr, "evm-test: cannot start thread %ld of %ld; going on with fewer\n", i,
			        jobs);
			jobs = i;
		}
	work(&suite);
	for (long i = 1; i < jobs; i++)
		pthread_join(threads[i], NULL);
	printf("%zu passed, %zu failed\n", suite.passed, suite.failed);
	status = suite.failed || suite.passed == 0;
done:
	for (int i = 0; i < files; i++)
		free(data[i]);
	free((void *)data);
	free((void *)suite.lines);
	return status;
}
