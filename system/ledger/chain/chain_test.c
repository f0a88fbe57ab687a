/*
 * The chain: a token is deployed and used; nonces out of order; the same commits give the same blocks on a second chain
 * and with other numbers of workers; a snapshot restores to the same head and a tampered one is refused; what was not
 * flushed is gone after reopening; states of past blocks; an exported chain, executed again; proofs of a state that others replaced.
 */
#include "chain/archive.h"
#include "chain/pins.h"

#include "tx/signature.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int failures;

static void check(bool good, const char *name)
{
	printf(good ? "ok chain: %s\n" : "not ok chain: %s - wrong result\n", name);
	failures += !good;
}

/* Adds the calldata's second word to the slot named by its first, takes it from the caller's slot, and logs. */
static const uint8_t code[] = {0x5f, 0x35, 0x80, 0x54, 0x60, 0x20, 0x35, 0x01, 0x90, 0x55, /* s[a] += b */
                               0x33, 0x54, 0x60, 0x01, 0x01, 0x33, 0x55, /* s[caller] += 1 */
                               0x60, 0x20, 0x5f, 0x5f, 0x37, 0x60, 0x20, 0x5f, 0xa0, 0x00}; /* log0 */
#define MAX_PAYLOADS 4000

struct payloads {
	struct ordered_items items[MAX_PAYLOADS];
	size_t count;
};

static void add(struct payloads *payloads, unsigned account, uint64_t nonce, bool create,
                const struct address *to, const uint8_t *data, size_t size)
{
	uint8_t key[32] = {0};
	key[0] = (uint8_t)(1 + account / 256);
	key[31] = (uint8_t)account;
	struct transaction t = {.type = TRANSACTION_DYNAMIC_FEE,
	                        .has_chain_id = true,
	                        .chain_id = CHAIN_DEFAULT_ID,
	                        .nonce = nonce,
	                        .gas_limit = 300000,
	                        .create = create,
	                        .data = data,
	                        .data_size = size};
	if (to)
		t.to = *to;
	struct rlp_writer writer = {0};
	if (!transaction_sign(&t, key))
		abort();
	transaction_encode(&writer, &t, false);
	payloads->items[payloads->count++] = (struct ordered_items){writer.bytes, writer.length};
}

static void clear(struct payloads *payloads)
{
	for (size_t i = 0; i < payloads->count; i++)
		free((void *)(uintptr_t)payloads->items[i].bytes);
	payloads->count = 0;
}

static struct payloads first, second, third;

static void make_payloads(void)
{
	uint8_t creation[sizeof code + 11] = {0x60, sizeof code, 0x80, 0x60, 0x0a,
	                                      0x5f, 0x39,        0x5f, 0xf3, 0x00};
	uint8_t call[64] = {0};
	uint8_t key[32] = {0};
	struct address deployer, contract;
	memcpy(creation + 10, code, sizeof code);
	key[0] = 1;
	if (!signature_address(&deployer, key))
		abort();
	evm_create_address(&contract, &deployer, 0);
	add(&first, 0, 0, true, NULL, creation, 10 + sizeof code);
	for (unsigned i = 0; i < 320; i++) {
		call[31] = (uint8_t)(i % 13);
		call[63] = (uint8_t)i;
		add(&second, 1 + i % 40, 7 - i / 40, false, &contract, call,
		    sizeof call); /* nonces from above */
	}
	add(&second, 3, 99, false, &contract, call, sizeof call); /* never valid here */
	second.items[second.count++] = (struct ordered_items){calloc(1, 4), 4};
	for (unsigned i = 0; i < 50; i++)
		add(&third, 1 + i % 10, 8 + i / 10, false, &contract, call, sizeof call);
}

static bool run(struct chain *chain, uint64_t index, const struct payloads *payloads)
{
	static const uint8_t digest[32] = {1, 2, 3};
	const struct chain_commit commit = {index, 1700000000000 + index * 1000, digest, payloads->items,
	                                    payloads->count};
	return chain_execute(chain, &commit);
}

static struct chain *open_chain(const char *directory, unsigned workers)
{
	mkdir(directory, 0700);
	const struct chain_config config = {
	    .chain_id = CHAIN_DEFAULT_ID, .gas_limit = 40000000, .workers = workers, .durable = true};
	return chain_open(directory, &config);
}

static bool write_chunk(void *context, const uint8_t *data, size_t size)
{
	return fwrite(data, 1, size, context) == size;
}

static bool snapshot(struct chain *chain, const char *path)
{
	FILE *file = fopen(path, "wb");
	const bool good = chain_snapshot(chain, write_chunk, file);
	return fclose(file) == 0 && good;
}

static void flip(const char *path)
{
	FILE *file = fopen(path, "r+b");
	fseek(file, -40, SEEK_END);
	const int byte = fgetc(file);
	fseek(file, -40, SEEK_END);
	fputc(byte ^ 1, file);
	fclose(file);
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk)
{
	(void)status;
	(void)type;
	(void)walk;
	return remove(path);
}

/* The contract's slots 0 to 12 and a caller's nonce, as of a block. */
static bool look(struct chain_view *view, uint64_t number, const struct address *contract, uint64_t out[14])
{
	uint8_t key[32] = {1};
	struct address caller;
	key[31] = 1;
	if (!chain_view_at(view, number) || !signature_address(&caller, key))
		return false;
	for (uint64_t i = 0; i < 13; i++) {
		const struct u256 name = u256_from(i);
		out[i] = state_slot(&view->state, state_account(&view->state, contract), &name)->value.w[0];
	}
	out[13] = state_account(&view->state, &caller)->now.nonce;
	return true;
}

static void test_past(const char *directory)
{
	uint8_t key[32] = {1};
	struct address deployer, contract;
	struct chain_view view;
	uint64_t now[4][14], then[14], heads[4] = {0};
	const struct payloads *lists[] = {&first, &second, &third};
	bool same = true;
	const struct chain_config config = {
	    .chain_id = CHAIN_DEFAULT_ID, .gas_limit = 40000000, .past_window = 16};
	if (!signature_address(&deployer, key))
		abort();
	evm_create_address(&contract, &deployer, 0);
	mkdir(directory, 0700);
	struct chain *chain = chain_open(directory, &config);
	if (!chain || !chain_view_open(chain, &view)) {
		check(false, "a chain that keeps its past");
		return;
	}
	for (unsigned i = 0; i < 3; i++) {
		same = same && run(chain, i + 1, lists[i]) && chain_flush(chain) && chain_view_renew(&view);
		heads[i] = view.head.number;
		same = same && look(&view, heads[i], &contract, now[i]);
	}
	for (unsigned i = 0; i < 3; i++)
		same = same && look(&view, heads[i], &contract, then) && !memcmp(now[i], then, sizeof then);
	check(same && memcmp(now[1], now[2], sizeof then) != 0, "old states are what they were");
	check(look(&view, 0, &contract, then) && then[13] == 0, "down to genesis");
	check(look(&view, heads[2], &contract, then) && !memcmp(now[2], then, sizeof then), "and back");
	check(!chain_view_at(&view, heads[2] + 1), "a block to come has none");
	/* Blocks of one transaction each, until the first fall out of the window. */
	for (unsigned i = 0; i < 20; i++) {
		struct payloads one = {.count = 0};
		add(&one, 200, i, false, &contract, (const uint8_t *)"", 0);
		same = same && run(chain, 4 + i, &one);
		clear(&one);
	}
	same = same && chain_flush(chain) && chain_view_renew(&view);
	check(same && chain_view_oldest(&view) == view.head.number - 16, "the window moves along");
	check(!chain_view_at(&view, heads[0]), "what fell out of it is gone");
	check(look(&view, view.head.number - 16, &contract, then) && chain_view_renew(&view),
	      "its oldest is there");
	chain_view_close(&view);
	chain_close(chain);
}

static void test_archive(const char *directory, const char *again, const char *file)
{
	struct archive_figures written, replayed;
	FILE *out = fopen(file, "w+b");
	check(archive_export(directory, out, &written) && written.transactions > 300, "a chain is exported");
	mkdir(again, 0700);
	rewind(out);
	check(archive_replay(out, again, 2, &replayed) && replayed.blocks == written.blocks &&
	          replayed.transactions == written.transactions &&
	          hash32_equal(&replayed.head, &written.head),
	      "and executed again, bit for bit");
	rewind(out);
	check(!archive_replay(out, again, 0, &replayed), "not over a chain that is there");
	fclose(out);
	flip(file);
	nftw(again, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
	mkdir(again, 0700);
	out = fopen(file, "rb");
	check(!archive_replay(out, again, 0, &replayed), "a changed file is noticed");
	fclose(out);
}

/* ---- states that stay readable for proofs ---- */
struct proof {
	struct trie_bytes nodes[2][64]; /* of the account, and of its slot */
	size_t count[2];
	uint8_t room[65536];
	size_t used;
};

static void keep_node(void *context, size_t account, long slot, const uint8_t *node, size_t size)
{
	struct proof *proof = context;
	(void)account;
	memcpy(proof->room + proof->used, node, size);
	proof->nodes[slot >= 0][proof->count[slot >= 0]++] =
	    (struct trie_bytes){proof->room + proof->used, size};
	proof->used += size;
}

/* The value of the contract's slot 7 as a pin proves it; -1 when it does not. */
static int64_t proven(struct chain_pin *pin, const struct address *contract)
{
	static struct proof proof;
	const struct u256 slot = u256_from(7);
	uint8_t key[32], bytes[32];
	struct trie_bytes value;
	struct hash32 root;
	struct u256 word;
	proof = (struct proof){.used = 0};
	chain_pin_prove(pin, contract, 1, &slot, 1, keep_node, &proof);
	keccak256(key, contract->bytes, 20);
	if (trie_check(&chain_pin_block(pin)->state_root, key, 32, proof.nodes[0], proof.count[0], &value) !=
	    TRIE_PRESENT)
		return -1;
	struct rlp_reader reader = rlp_reader(value.bytes, value.size), fields;
	const uint8_t *skipped;
	size_t length;
	if (!rlp_read_list(&reader, &fields) || !rlp_read_bytes(&fields, &skipped, &length) ||
	    !rlp_read_bytes(&fields, &skipped, &length) || !rlp_read_exact(&fields, root.bytes, 32))
		return -1;
	u256_store(bytes, &slot);
	keccak256(key, bytes, 32);
	if (trie_check(&root, key, 32, proof.nodes[1], proof.count[1], &value) != TRIE_PRESENT)
		return -1;
	reader = rlp_reader(value.bytes, value.size);
	return rlp_read_u256(&reader, &word) ? (int64_t)word.w[0] : -1;
}

static void test_pins(const char *directory)
{
	uint8_t key[32] = {1};
	struct address deployer, contract;
	struct chain *chain = open_chain(directory, 0);
	if (!chain || !signature_address(&deployer, key))
		abort();
	evm_create_address(&contract, &deployer, 0);
	bool good = run(chain, 1, &first) && run(chain, 2, &second) && chain_flush(chain);
	chain_pin(chain, 2);
	check(!chain_pin_hold(chain, 2), "as long as nobody asks for proofs no state is kept for them");
	chain_pin(chain, 2);
	struct chain_pin *old = chain_pin_hold(chain, 2);
	good = good && old && run(chain, 3, &third) && chain_flush(chain);
	chain_pin(chain, 3);
	struct chain_pin *new = chain_pin_hold(chain, 3);
	if (!good || !new) {
		check(false, "states are kept for proofs");
		return;
	}
	const int64_t before = proven(old, &contract), after = proven(new, &contract);
	check(before > 0 && after > before,
	      "proofs of a state that was replaced lead to its root, and so those of the one after");
	for (uint64_t i = 0; i < PINS_KEPT; i++)
		chain_pin(chain, 4 + i);
	check(!chain_pin_hold(chain, 2) && !chain_pin_hold(chain, 3) && proven(old, &contract) == before,
	      "what fell out of the ring is there for who holds it, and for nobody else");
	chain_pin_release(chain, old);
	chain_pin_release(chain, new);
	chain_close(chain);
}

int main(void)
{
	char base[] = "/tmp/holon-chain-test-XXXXXX";
	char paths[7][64];
	char file[64];
	struct hash32 heads[3];
	if (!mkdtemp(base))
		return 1;
	for (int i = 0; i < 7; i++)
		snprintf(paths[i], sizeof paths[i], "%s/%d", base, i);
	snprintf(file, sizeof file, "%s/snapshot", base);
	make_payloads();

	struct chain *a = open_chain(paths[0], 0);
	struct chain *b = open_chain(paths[1], 3);
	check(a && b, "opens");
	check(run(a, 1, &first) && run(a, 2, &second) && chain_flush(a), "executes and flushes");
	check(run(b, 1, &first) && chain_flush(b) && run(b, 2, &second) && chain_flush(b),
	      "the same, flushed in between");
	chain_head_hash(a, &heads[0], true);
	chain_head_hash(b, &heads[1], true);
	check(hash32_equal(&heads[0], &heads[1]), "same head with other workers and other flushes");

	struct chain_view view;
	check(chain_view_open(a, &view), "a view opens");
	uint64_t included = 0;
	for (uint64_t n = 1; n <= view.head.number; n++) {
		struct block_header block;
		included += chain_view_block(&view, n, &block) ? block.transaction_count : 0;
	}
	check(included == 321,
	      "every transaction that became valid is in a block, whatever the order it came in");
	struct receipt receipt;
	check(chain_view_receipt(&view, view.head.number, 0, &receipt) && receipt.success &&
	          receipt.log_count == 1,
	      "its receipt has the log");
	chain_view_close(&view);

	check(snapshot(a, file), "a snapshot is written");
	struct chain *c = open_chain(paths[2], 1);
	check(chain_restore(c, file, 2, &heads[0]), "and restored");
	chain_head_hash(c, &heads[2], true);
	check(hash32_equal(&heads[0], &heads[2]), "with the same head");
	check(run(a, 3, &third) && run(c, 3, &third) && chain_flush(a) && chain_flush(c), "both go on");
	chain_head_hash(a, &heads[0], true);
	chain_head_hash(c, &heads[2], true);
	check(hash32_equal(&heads[0], &heads[2]), "to the same head");
	flip(file);
	chain_head_hash(b, &heads[1], true);
	struct chain *d = open_chain(paths[3], 1);
	check(!chain_restore(d, file, 2, &heads[1]), "a tampered snapshot is refused");
	check(run(d, 1, &first) && chain_flush(d), "and harms nothing");

	uint64_t index;
	struct hash32 root;
	check(run(b, 3, &third), "a commit that is not flushed");
	chain_close(b);
	b = open_chain(paths[1], 0);
	chain_executed(b, &index, &root);
	check(index == 2, "is gone after reopening");
	check(run(b, 3, &third) && chain_flush(b), "and can be executed again");
	chain_head_hash(b, &heads[1], true);
	check(hash32_equal(&heads[0], &heads[1]), "with the same head");

	chain_close(a);
	chain_close(b);
	chain_close(c);
	chain_close(d);
	test_past(paths[4]);
	test_archive(paths[0], paths[5], file);
	test_pins(paths[6]);
	clear(&first);
	clear(&second);
	clear(&third);
	nftw(base, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
	return failures ? 1 : 0;
}
