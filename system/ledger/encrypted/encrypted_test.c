/* The encrypted mempool: envelopes, every region damaged; four openers with liars among clients and validators. */
#include "crypto/test_support.h"
#include "ledger/encrypted/opener.h"

#define N 4

static uint8_t kem[DAG_MAX_VALIDATORS][MLKEM768_EK_SIZE], dk[DAG_MAX_VALIDATORS][MLKEM768_DK_SIZE];
static struct envelope_keys keys = {5, 15, (const uint8_t (*)[MLKEM768_EK_SIZE])kem};
static uint8_t envelope[16 << 10], copy[16 << 10], key[ENVELOPE_KEY], again[ENVELOPE_KEY], plain[600],
    saved[600], opened[70000];

/* The key from the shares of the validators in `who`. */
static bool combine(const struct envelope_view *view, const uint8_t *in, const uint8_t *who, unsigned count)
{
	uint8_t shares[DAG_MAX_VALIDATORS][ENVELOPE_KEY];
	for (unsigned i = 0; i < count; i++)
		if (!envelope_share(view, in, who[i], dk[who[i]], shares[i]))
			return false;
	envelope_combine((const uint8_t(*)[ENVELOPE_KEY])shares, who, count, again);
	return !memcmp(again, key, ENVELOPE_KEY);
}

static void test_envelope(void)
{
	struct envelope_view view;
	size_t size = envelope_size(N, sizeof(plain));
	bool good = envelope_seal(&keys, key, ENVELOPE_ONE, plain, sizeof(plain), envelope) == CRYPTO_OK &&
	            envelope_decode(envelope, size, 5, 15, &view);
	for (uint8_t i = 0; i < N; i++)
		for (uint8_t j = 0; j < N; j++)
			good = good && (i == j || combine(&view, envelope, (uint8_t[]){i, j}, 2));
	check(good, "encrypted: any f+1 shares give the key");
	check(!combine(&view, envelope, (uint8_t[]){0}, 1), "encrypted: f shares do not");
	check(envelope_open(&view, envelope, size, &keys, key, opened) &&
	          !memcmp(opened, plain, sizeof(plain)),
	      "encrypted: the key opens it and makes it again");
	check(!envelope_decode(envelope, size, 6, 15, &view) &&
	          !envelope_decode(envelope, size, 5, 7, &view) &&
	          !envelope_decode(envelope, size - 1, 5, 15, &view),
	      "encrypted: another epoch, committee or length is refused");
	unsigned tried = 0, passed = 0;
	for (size_t byte = 0; byte < size; byte += byte < 60 ? 1 : 61, tried++) {
		memcpy(copy, envelope, size);
		copy[byte] ^= (uint8_t)(1 << byte % 8);
		passed += envelope_decode(copy, size, 5, 15, &view) &&
		          envelope_open(&view, copy, size, &keys, key, opened);
	}
	check(!passed, "encrypted: the key opens nothing damaged (%u bytes tried)", tried);
	uint8_t wrong[ENVELOPE_KEY];
	(void)envelope_decode(envelope, size, 5, 15, &view);
	memcpy(wrong, key, sizeof(wrong));
	wrong[31] ^= 1;
	check(!envelope_open(&view, envelope, size, &keys, wrong, opened),
	      "encrypted: another key does not open it");
	memcpy(copy, envelope, size);
	copy[1] = ENVELOPE_BUNDLE;
	check(envelope_decode(copy, size, 5, 15, &view) &&
	          !envelope_open(&view, copy, size, &keys, key, opened),
	      "encrypted: one payload does not pass for a bundle");
	keys.members = ~0ull;
	uint8_t *large = ledger_allocate(1, envelope_size(64, 100));
	uint8_t many[22];
	for (unsigned i = 0; i < sizeof(many); i++)
		many[i] = (uint8_t)(i * 2 + 1);
	good = envelope_seal(&keys, key, ENVELOPE_ONE, plain, 100, large) == CRYPTO_OK &&
	       envelope_decode(large, envelope_size(64, 100), 5, ~0ull, &view) &&
	       combine(&view, large, many, 22) && !combine(&view, large, many, 21);
	check(good, "encrypted: 64 validators, 22 shares");
	free(large);
	keys.members = 15;
}

static void bundle_put(uint8_t **at, const void *payload, uint32_t size)
{
	store_le32(*at, size);
	memcpy(*at + 4, payload, size);
	*at += 4 + size;
}

static void test_bundle(void)
{
	uint8_t bundle[400], *end = bundle;
	const uint8_t *at = bundle;
	uint32_t size;
	bundle_put(&end, "a", 1);
	bundle_put(&end, plain, 100);
	bundle_put(&end, "bc", 2);
	size_t total = (size_t)(end - bundle);
	check(envelope_bundle_count(bundle, total) == 3, "bundle: its payloads are counted");
	bool good = envelope_bundle_next(&at, end, &size) == bundle + 4 && size == 1;
	good = good && !memcmp(envelope_bundle_next(&at, end, &size), plain, 100) && size == 100;
	good = good && !memcmp(envelope_bundle_next(&at, end, &size), "bc", 2) && size == 2;
	check(good && !envelope_bundle_next(&at, end, &size), "bundle: they come out in order");
	unsigned counted = 0;
	for (size_t cut = 0; cut < total; cut++)
		counted += envelope_bundle_count(bundle, cut) != 0;
	check(counted == 2, "bundle: what ends within a payload is none");
	store_le32(bundle, 0);
	check(!envelope_bundle_count(bundle, total), "bundle: an empty payload spoils it");
	store_le32(bundle, UINT32_MAX);
	check(!envelope_bundle_count(bundle, total), "bundle: so does one longer than the rest");
	uint8_t *many = ledger_allocate(ENVELOPE_MAX_BUNDLE + 1, 5), *last = many;
	for (unsigned i = 0; i < ENVELOPE_MAX_BUNDLE; i++)
		bundle_put(&last, "x", 1);
	good = envelope_bundle_count(many, (size_t)(last - many)) == ENVELOPE_MAX_BUNDLE;
	bundle_put(&last, "x", 1);
	check(good && !envelope_bundle_count(many, (size_t)(last - many)), "bundle: 1,024 payloads, no more");
	free(many);
}

/* ---- four openers on a small bus ---- */

static struct opener *openers[N];
static unsigned ready[N], valid[N];
static uint64_t last[N];
static struct blob *submitted[64];
static unsigned submitted_author[64], submitted_count;
static uint64_t now = 1000, cut; /* validators whose shares get lost */
static bool lie;                 /* validator 0 sends wrong shares */
static uint64_t executed;        /* validators that start again, and had executed what comes now */

static void run(void)
{
	bool moved = true;
	while (moved) {
		moved = false;
		for (unsigned i = 0; i < N; i++) {
			struct opener_output out;
			while (opener_next(openers[i], &out)) {
				moved = true;
				if (out.kind == OPENER_SUBMIT) {
					if (submitted_count < 64) {
						submitted[submitted_count] = blob_hold(out.blob);
						submitted_author[submitted_count++] = i;
					}
				} else if (out.kind == OPENER_READY) {
					ready[i]++;
					last[i] = out.effect.index;
					for (unsigned j = 0; j < out.opened_count; j++)
						valid[i] +=
						    out.opened[j].plain &&
						    out.opened[j].size == sizeof(plain) &&
						    !memcmp(out.opened[j].plain, plain, sizeof(plain));
					dag_effect_release(&out.effect);
					opened_release(out.opened, out.opened_count);
				} else {
					for (unsigned j = 0; j < N; j++) {
						if (j == i || (out.peer != DAG_EVERYONE && out.peer != j) ||
						    (cut >> i & 1))
							continue;
						struct blob *message =
						    blob_copy(out.blob->data, out.blob->size);
						if (lie && i == 0 && message->size > 20)
							message->data[20] ^= 1;
						opener_receive(openers[j], i, message);
						blob_release(message);
					}
				}
				blob_release(out.blob);
			}
		}
	}
}

static void start(void)
{
	for (unsigned i = 0; i < N; i++) {
		struct opener_config config = {.self = i, .keys = keys, .patience_us = 100};
		memcpy(config.dk, dk[i], sizeof(config.dk));
		opener_destroy(openers[i]);
		openers[i] = opener_create(&config);
		ready[i] = valid[i] = 0;
	}
	for (unsigned i = 0; i < submitted_count; i++)
		blob_release(submitted[i]);
	submitted_count = 0;
	cut = executed = 0;
	lie = false;
}

/* A commit with one batch by `author` of these payloads, to validators in `to`. */
static void commit(uint64_t index, unsigned author, const uint8_t *const *payloads, const size_t *sizes,
                   unsigned count, uint64_t to)
{
	size_t total = WIRE_BATCH_HEAD;
	for (unsigned i = 0; i < count; i++)
		total += 4 + sizes[i];
	struct blob *batch = blob_create(total);
	memset(batch->data, 0, WIRE_BATCH_HEAD);
	batch->data[0] = DAG_BATCH;
	store_le16(batch->data + 1, (uint16_t)author);
	store_le32(batch->data + 12, count);
	uint8_t *at = batch->data + WIRE_BATCH_HEAD;
	for (unsigned i = 0; i < count; i++) {
		store_le32(at, (uint32_t)sizes[i]);
		memcpy(at + 4, payloads[i], sizes[i]);
		at += 4 + sizes[i];
	}
	for (unsigned i = 0; i < N; i++) {
		if (!(to >> i & 1))
			continue;
		struct dag_effect effect = {.kind = DAG_COMMITTED, .index = index, .batch_count = 1};
		effect.batches = ledger_allocate(1, sizeof(*effect.batches));
		effect.batches[0] = (struct dag_payloads){blob_hold(batch), (uint16_t)author};
		if (executed >> i & 1) {
			opener_executed(openers[i], &effect);
			dag_effect_release(&effect);
		} else {
			opener_commit(openers[i], &effect, true, now);
		}
	}
	blob_release(batch);
}

static void tick(uint64_t ahead)
{
	now += ahead;
	for (unsigned i = 0; i < N; i++)
		opener_tick(openers[i], now);
	run();
}

/* The responses that were submitted, in the sequence. */
static void commit_responses(uint64_t index)
{
	for (unsigned i = 0; i < submitted_count; i++) {
		const uint8_t *payload = submitted[i]->data;
		size_t size = submitted[i]->size;
		commit(index + i, submitted_author[i], &payload, &size, 1, 15);
		run();
	}
}

static bool all(const unsigned *counts, unsigned want)
{
	bool good = true;
	for (unsigned i = 0; i < N; i++)
		good = good && counts[i] == want;
	return good;
}

static void test_opener(void)
{
	size_t size = envelope_size(N, sizeof(plain));
	const uint8_t *payloads[3] = {envelope, plain, envelope};
	size_t sizes[3] = {size, 100, size};
	start();
	commit(1, 0, payloads, sizes, 3, 15);
	run();
	check(all(ready, 1) && all(valid, 2), "opener: one exchange of shares opens a commit");
	/* A bundle whose inside is malformed comes from its own client: everyone has the key, and nobody takes anything of it. */
	size_t bundle_size = envelope_size(N, sizeof(plain));
	uint8_t *bundle = ledger_allocate(1, bundle_size);
	uint8_t inside[sizeof(plain)];
	const uint8_t *one = bundle;
	for (unsigned broken = 0; broken < 2; broken++) {
		memset(inside + 4, 7, sizeof(inside) - 4);
		store_le32(inside, broken ? sizeof(inside) : sizeof(inside) - 4);
		memcpy(saved, plain, sizeof(plain));
		memcpy(plain, inside, sizeof(plain));
		start();
		bool sealed =
		    envelope_seal(&keys, key, ENVELOPE_BUNDLE, inside, sizeof(inside), bundle) == CRYPTO_OK;
		commit(1, 0, &one, &bundle_size, 1, 15);
		run();
		check(sealed && all(ready, 1) && all(valid, broken ? 0 : 1),
		      broken ? "opener: a malformed bundle is invalid for all" : "opener: a bundle opens");
		memcpy(plain, saved, sizeof(plain));
	}
	free(bundle);
	start();
	commit(1, 0, payloads, sizes, 3, 7);
	run();
	check(ready[0] == 1 && !ready[3], "opener: three open without the fourth");
	commit(1, 0, payloads, sizes, 3, 8);
	run();
	check(all(ready, 1) && all(valid, 2), "opener: shares that came before the commit count");
	start();
	lie = true;
	commit(1, 0, payloads, sizes, 1, 15);
	run();
	check(all(ready, 1) && all(valid, 1), "opener: a validator's wrong share is dropped");
	start();
	cut = 15;
	commit(1, 0, payloads, sizes, 1, 15);
	run();
	bool none = all(ready, 0);
	cut = 0;
	tick(200);
	check(none && all(ready, 1) && all(valid, 1), "opener: lost shares are asked for again");
	/* All start again at once, and one had not executed what the others had. */
	start();
	executed = 7;
	commit(1, 0, payloads, sizes, 3, 15);
	run();
	none = all(ready, 0) && !opener_stuck(openers[3], now);
	tick(200);
	check(none && ready[3] == 1 && valid[3] == 2 && !ready[0],
	      "opener: those who executed a commit before they started again still give their shares of it");
	start();
	commit(1, 0, payloads, sizes, 3, 8);
	tick(200);
	none = !opener_stuck(openers[3], now) && !opener_stuck(openers[0], now);
	tick(OPENER_STUCK * 100);
	check(none && opener_stuck(openers[3], now) && !opener_stuck(openers[0], now),
	      "opener: one whose commit nobody helps to open says that it is stuck");
	/* A malformed one is settled at once, and a later commit waits for its turn. */
	start();
	memcpy(copy, envelope, size);
	copy[1] = 9;
	payloads[0] = copy;
	commit(1, 0, payloads, sizes, 3, 15);
	run();
	check(all(ready, 1) && all(valid, 1), "opener: a malformed envelope is invalid at once");
	/* One validator's share was broken by the client: the rest can combine, but the envelope is not re-made. */
	start();
	memcpy(copy, envelope, size);
	copy[ENVELOPE_HEAD + MLKEM768_CT_SIZE] ^= 1;
	commit(1, 0, payloads, sizes, 1, 15);
	const uint8_t *other = envelope;
	commit(2, 1, &other, &size, 1, 15);
	run();
	none = all(ready, 0);
	tick(200);
	none = none && all(ready, 0) && submitted_count == N;
	commit_responses(3);
	check(none && ready[0] == 2 + submitted_count && all(valid, 1),
	      "opener: a dishonest envelope is invalid by responses in the sequence, and the next commit "
	      "follows");
	bool same = true;
	for (unsigned i = 0; i < N; i++)
		same = same && last[i] == last[0];
	check(same, "opener: all go on alike");
	/* Nobody's share is good. */
	start();
	memcpy(copy, envelope, size);
	for (unsigned i = 0; i < N; i++)
		copy[ENVELOPE_HEAD + i * ENVELOPE_ENTRY + MLKEM768_CT_SIZE] ^= 1;
	commit(1, 0, payloads, sizes, 1, 15);
	run();
	tick(200);
	commit_responses(2);
	check(ready[0] == 1 + submitted_count && all(valid, 0),
	      "opener: an envelope without one good share is invalid");
	start();
	for (unsigned i = 0; i < N; i++)
		opener_destroy(openers[i]);
}

int main(void)
{
	uint8_t d[32] = {1}, z[32] = {2};
	bool good = true;
	for (unsigned i = 0; i < DAG_MAX_VALIDATORS; i++) {
		d[1] = (uint8_t)i;
		good = good && mlkem_keygen(MLKEM_768, d, z, kem[i], dk[i]) == CRYPTO_OK;
	}
	check(good, "encrypted: keys");
	test_random(key, sizeof(key), "key", 0);
	test_random(plain, sizeof(plain), "plain", 0);
	test_envelope();
	test_bundle();
	test_opener();
	return test_finish();
}
