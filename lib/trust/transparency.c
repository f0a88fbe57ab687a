/* Hashes and proofs of the transparency log. */
#include "transparency.h"

#include <crypto/blake3.h>
#include <crypto/sha2.h>
#include <string.h>

static const char magic[] = "HolonLogProof1";
enum { MAGIC_BYTES = sizeof(magic) - 1, BOUNDARIES_MAX = 1024 };

/* What validators sign, as system/ledger/dag/wire.h has it. */
enum {
	MESSAGE_CHECKPOINT = 8,
	MESSAGE_STATE = 10,
	ORDER_EPOCH = 1, /* offsets within the order's encoding */
	ORDER_MEMBERS = 9,
	ORDER_INDEX = 17,
	ORDER_LEADER_ROUND = 25,
	ORDER_LEAST_BYTES = 33,
	CHECKPOINT_BYTES = 49,
};
static const char checkpoint_context[] = "Holon ledger v1: checkpoint";

static uint64_t load(const uint8_t *bytes, unsigned count)
{
	uint64_t value = 0;

	for (unsigned index = count; index-- > 0;)
		value = value << 8 | bytes[index];
	return value;
}

static void store(uint8_t *bytes, unsigned count, uint64_t value)
{
	for (unsigned index = 0; index < count; index++)
		bytes[index] = (uint8_t)(value >> (8 * index));
}

bool transparency_entry(const uint8_t *bytes, size_t count)
{
	size_t size = record_size(bytes, count);
	uint64_t kind;

	if (!size || size >= count || count > TRANSPARENCY_ENTRY_MAX)
		return false;
	kind = load(bytes + 8, 4);
	if (kind == RECORD_KEY_LIST)
		return count - size == TRUST_ROOT_SIGNATURE_BYTES;
	return (kind == RECORD_CERTIFICATE || kind == RECORD_REVOCATIONS || kind == RECORD_BOOT) &&
	       count - size == HYBRID_SIGN_SIGNATURE_SIZE;
}

void transparency_leaf(uint8_t out[TRANSPARENCY_HASH_BYTES], const uint8_t *entry, size_t count)
{
	struct sha256 hash;

	sha256_init(&hash);
	sha256_update(&hash, "\0", 1);
	sha256_update(&hash, entry, count);
	sha256_final(&hash, out);
}

void transparency_node(uint8_t out[TRANSPARENCY_HASH_BYTES], const uint8_t left[TRANSPARENCY_HASH_BYTES],
                       const uint8_t right[TRANSPARENCY_HASH_BYTES])
{
	struct sha256 hash;

	sha256_init(&hash);
	sha256_update(&hash, "\1", 1);
	sha256_update(&hash, left, TRANSPARENCY_HASH_BYTES);
	sha256_update(&hash, right, TRANSPARENCY_HASH_BYTES);
	sha256_final(&hash, out);
}

/* RFC 9162, section 2.1.3.2. */
bool transparency_root(uint8_t out[TRANSPARENCY_HASH_BYTES], const uint8_t leaf[TRANSPARENCY_HASH_BYTES],
                       uint64_t index, uint64_t size, const uint8_t (*path)[TRANSPARENCY_HASH_BYTES],
                       unsigned count)
{
	uint64_t node = index, last = size - 1;

	if (index >= size)
		return false;
	memcpy(out, leaf, TRANSPARENCY_HASH_BYTES);
	for (unsigned step = 0; step < count; step++) {
		if (!last)
			return false;
		if ((node & 1) || node == last) {
			transparency_node(out, path[step], out);
			while (!(node & 1) && node) {
				node >>= 1;
				last >>= 1;
			}
		} else {
			transparency_node(out, out, path[step]);
		}
		node >>= 1;
		last >>= 1;
	}
	return last == 0;
}

void transparency_state_root(uint8_t out[32], const uint8_t application_root[32], const uint8_t core[32],
                             uint64_t log_size, const uint8_t log_root[TRANSPARENCY_HASH_BYTES])
{
	static const char context[] = "Holon ledger v1: state";
	struct blake3 hash;
	uint8_t size[8];

	store(size, 8, log_size);
	blake3_init_derive_key(&hash, context, sizeof(context) - 1);
	blake3_update(&hash, application_root, 32);
	blake3_update(&hash, core, 32);
	blake3_update(&hash, size, 8);
	blake3_update(&hash, log_root, TRANSPARENCY_HASH_BYTES);
	blake3_final(&hash, out, 32);
}

/* ---- The file `network` ---- */

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The word at *TEXT, which moves behind it. */
static size_t word(const char **text, const char *end, const char **begin)
{
	while (*text < end && **text == ' ')
		++*text;
	*begin = *text;
	while (*text < end && **text != ' ')
		++*text;
	return (size_t)(*text - *begin);
}

static bool is(const char *begin, size_t count, const char *wanted)
{
	return count == strlen(wanted) && !memcmp(begin, wanted, count);
}

static bool witness_line(struct transparency_witnesses *witnesses, const char *text, const char *end)
{
	const char *begin;
	size_t count = word(&text, end, &begin);
	bool member = is(begin, count, "validator");
	unsigned number = 0;

	if (is(begin, count, "rule"))
		return true;
	if (!member && !is(begin, count, "standby"))
		return false;
	count = word(&text, end, &begin);
	if (!count || count > 2)
		return false;
	for (size_t index = 0; index < count; index++) {
		if (begin[index] < '0' || begin[index] > '9')
			return false;
		number = number * 10 + (unsigned)(begin[index] - '0');
	}
	(void)word(&text, end, &begin); /* address */
	(void)word(&text, end, &begin); /* port */
	count = word(&text, end, &begin);
	if (number >= TRANSPARENCY_WITNESSES_MAX || witnesses->known[number] ||
	    count != 2 * (size_t)HYBRID_SIGN_PK_SIZE)
		return false;
	for (size_t index = 0; index < HYBRID_SIGN_PK_SIZE; index++) {
		int high = hex_value(begin[2 * index]), low = hex_value(begin[2 * index + 1]);

		if (high < 0 || low < 0)
			return false;
		witnesses->keys[number][index] = (uint8_t)(high << 4 | low);
	}
	witnesses->known[number] = true;
	witnesses->members |= member ? (uint64_t)1 << number : 0;
	return true;
}

bool transparency_witnesses(struct transparency_witnesses *witnesses, const char *text, size_t count)
{
	const char *end = text + count, *line = text;
	bool first = true;

	memset(witnesses, 0, sizeof(*witnesses));
	while (line < end) {
		const char *stop = memchr(line, '\n', (size_t)(end - line));
		bool good;

		if (!stop)
			return false;
		good = first ? is(line, (size_t)(stop - line), "holon-ledger-network 1")
		             : witness_line(witnesses, line, stop);
		if (!good)
			return false;
		first = false;
		line = stop + 1;
	}
	return witnesses->members != 0;
}

/* ---- Proofs ---- */

static unsigned bits(uint64_t set)
{
	return (unsigned)__builtin_popcountll(set);
}

/* The digest of a message of KIND. */
static void message_digest(uint8_t out[32], uint8_t kind, const uint8_t *bytes, size_t count)
{
	uint8_t key[BLAKE3_KEY_SIZE] = "Holon ledger message v1";

	key[BLAKE3_KEY_SIZE - 1] = kind;
	blake3_keyed_hash(out, key, bytes, count);
}

struct state_message {
	const uint8_t *order, *root, *signatures;
	size_t order_count;
	unsigned signature_count;
	uint64_t epoch, members, index;
	bool boundary; /* the start of an epoch: signed by the one before */
};

static bool state_read(struct state_message *state, const uint8_t *bytes, size_t count)
{
	if (count < 5 || bytes[0] != MESSAGE_STATE)
		return false;
	state->order_count = load(bytes + 1, 4);
	if (state->order_count < ORDER_LEAST_BYTES || state->order_count > count - 5 ||
	    count - 5 - state->order_count < 34)
		return false;
	state->order = bytes + 5;
	state->root = state->order + state->order_count;
	state->signature_count = (unsigned)load(state->root + 32, 2);
	state->signatures = state->root + 34;
	state->epoch = load(state->order + ORDER_EPOCH, 8);
	state->members = load(state->order + ORDER_MEMBERS, 8);
	state->index = load(state->order + ORDER_INDEX, 8);
	state->boundary = load(state->order + ORDER_LEADER_ROUND, 8) == 0;
	return count - 5 - state->order_count - 34 ==
	       (size_t)state->signature_count * (2 + HYBRID_SIGN_SIGNATURE_SIZE);
}

/* Whether a quorum of MEMBERS, who decide in EPOCH, signed the state. */
static bool state_signed(const struct state_message *state, uint64_t epoch, uint64_t members,
                         const struct transparency_witnesses *witnesses)
{
	uint8_t checkpoint[CHECKPOINT_BYTES] = {MESSAGE_CHECKPOINT}, digest[32];
	unsigned quorum = 2 * bits(members) / 3 + 1;
	uint64_t good = 0;

	store(checkpoint + 1, 8, epoch);
	store(checkpoint + 9, 8, state->index);
	message_digest(checkpoint + 17, MESSAGE_STATE, state->order, state->order_count + 32);
	message_digest(digest, MESSAGE_CHECKPOINT, checkpoint, sizeof(checkpoint));
	for (unsigned index = 0; index < state->signature_count && bits(good) < quorum; index++) {
		const uint8_t *entry = state->signatures + (size_t)index * (2 + HYBRID_SIGN_SIGNATURE_SIZE);
		unsigned voter = (unsigned)load(entry, 2);

		if (voter >= TRANSPARENCY_WITNESSES_MAX || !(members >> voter & 1) || (good >> voter & 1) ||
		    !witnesses->known[voter])
			continue;
		if (hybrid_verify(witnesses->keys[voter], HYBRID_SIGN_PK_SIZE, digest, sizeof(digest),
		                  checkpoint_context, sizeof(checkpoint_context) - 1, entry + 2,
		                  HYBRID_SIGN_SIGNATURE_SIZE))
			return false;
		good |= (uint64_t)1 << voter;
	}
	return members && bits(good) >= quorum;
}

struct reader {
	const uint8_t *next;
	size_t left;
};

static const uint8_t *take(struct reader *reader, size_t count)
{
	const uint8_t *bytes = reader->next;

	if (count > reader->left)
		return NULL;
	reader->next += count;
	reader->left -= count;
	return bytes;
}

static bool take_state(struct reader *reader, struct state_message *state)
{
	const uint8_t *size = take(reader, 4), *bytes = size ? take(reader, load(size, 4)) : NULL;

	return bytes && state_read(state, bytes, load(size, 4));
}

enum trust_error transparency_follow(const uint8_t *message, size_t count,
                                     const struct transparency_witnesses *witnesses, uint64_t *epoch,
                                     uint64_t *members)
{
	struct state_message state;

	if (!state_read(&state, message, count) || !state.boundary || state.epoch != *epoch + 1)
		return TRUST_FORM;
	if (!state_signed(&state, *epoch, *members, witnesses))
		return TRUST_ISSUER;
	*epoch = state.epoch;
	*members = state.members;
	return TRUST_OK;
}

enum trust_error transparency_verify(const uint8_t *proof, size_t proof_count, const uint8_t *entry,
                                     size_t entry_count, const struct transparency_witnesses *witnesses,
                                     struct transparency_figures *figures)
{
	struct reader reader = {proof, proof_count};
	const uint8_t *head = take(&reader, MAGIC_BYTES + 17), *path, *roots, *count;
	uint8_t leaf[TRANSPARENCY_HASH_BYTES], log_root[TRANSPARENCY_HASH_BYTES], state_root[32];
	uint64_t members = witnesses->members, epoch = 0;
	struct state_message state;

	if (!head || memcmp(head, magic, MAGIC_BYTES) != 0 || head[MAGIC_BYTES + 16] > TRANSPARENCY_PATH_MAX)
		return TRUST_FORM;
	figures->index = load(head + MAGIC_BYTES, 8);
	figures->size = load(head + MAGIC_BYTES + 8, 8);
	path = take(&reader, (size_t)head[MAGIC_BYTES + 16] * TRANSPARENCY_HASH_BYTES);
	roots = take(&reader, 64);
	count = take(&reader, 2);
	if (!path || !roots || !count || load(count, 2) > BOUNDARIES_MAX)
		return TRUST_FORM;
	for (unsigned boundary = 0; boundary < load(count, 2); boundary++) {
		const uint8_t *size = take(&reader, 4), *message = size ? take(&reader, load(size, 4)) : NULL;
		enum trust_error error =
		    message ? transparency_follow(message, load(size, 4), witnesses, &epoch, &members)
		            : TRUST_FORM;

		if (error)
			return error;
	}
	if (!take_state(&reader, &state) || reader.left)
		return TRUST_FORM;
	/* The state that starts an epoch is signed by the epoch before. */
	if (state.epoch - state.boundary != epoch || !state_signed(&state, epoch, members, witnesses))
		return TRUST_ISSUER;
	transparency_leaf(leaf, entry, entry_count);
	if (!transparency_root(log_root, leaf, figures->index, figures->size,
	                       (const uint8_t(*)[TRANSPARENCY_HASH_BYTES])path, head[MAGIC_BYTES + 16]))
		return TRUST_SIGNATURE;
	transparency_state_root(state_root, roots + 32, roots, figures->size, log_root);
	figures->epoch = epoch;
	figures->commit = state.index;
	return memcmp(state_root, state.root, sizeof(state_root)) ? TRUST_SIGNATURE : TRUST_OK;
}
