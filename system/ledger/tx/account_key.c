/* Keys in the storage of a system account; signatures and proofs by them. */
#include "tx/account_key.h"

#include <sys/random.h>

const struct address account_key_system = {
    {0x00, 0x00, 'h', 'o', 'l', 'o', 'n', 0, 0, 0, 0, 0, 0, 0, 0, 0, 'k', 'e', 'y', 's'}};

static const char transaction_context[] = "Holon ledger v1: transaction";
static const char change_context[] = "Holon ledger v1: key change";

void account_key_hash(struct hash32 *out, const uint8_t public_key[HYBRID_SIGN_PK_SIZE])
{
	uint8_t bytes[1 + HYBRID_SIGN_PK_SIZE] = {TRANSACTION_HYBRID};
	memcpy(bytes + 1, public_key, HYBRID_SIGN_PK_SIZE);
	keccak256(out->bytes, bytes, sizeof bytes);
}

void account_key_address(struct address *out, const uint8_t public_key[HYBRID_SIGN_PK_SIZE])
{
	struct hash32 hash;
	account_key_hash(&hash, public_key);
	memcpy(out->bytes, hash.bytes + 12, 20);
}

bool account_key_read(struct state *state, const struct address *account, struct hash32 *out)
{
	struct account *system = state_account(state, &account_key_system);
	struct u256 name;
	*out = (struct hash32){{0}};
	if (system->now.nonce == 0) /* nobody has ever changed a key */
		return false;
	word_from_address(&name, account);
	const struct slot *slot = state_slot(state, system, &name);
	u256_store(out->bytes, &slot->value);
	return !u256_is_zero(&slot->value);
}

const char *account_key_check(struct state *state, const struct transaction *t, const struct address *sender)
{
	struct hash32 placed;
	struct hash32 signed_by;
	const bool changed = account_key_read(state, sender, &placed);
	if (t->type != TRANSACTION_HYBRID)
		return changed ? "the account's key was replaced by a hybrid one: only that signs for it"
		               : NULL;
	account_key_hash(&signed_by, t->public_key);
	if (changed ? hash32_equal(&placed, &signed_by) : !memcmp(signed_by.bytes + 12, sender->bytes, 20))
		return NULL;
	return "the hybrid key is not the account's";
}

static bool sign(const struct hybrid_sign_key *key, const struct hash32 *digest, const char *context,
                 uint8_t *signature)
{
	uint8_t fresh[HYBRID_SIGN_RND_SIZE];
	const bool hedged = getrandom(fresh, sizeof fresh, 0) == sizeof fresh;
	return hybrid_sign(key, digest->bytes, 32, context, strlen(context), hedged ? fresh : NULL,
	                   signature) == CRYPTO_OK;
}

static bool verify(const uint8_t *public_key, const struct hash32 *digest, const char *context,
                   const uint8_t *signature)
{
	return hybrid_verify(public_key, HYBRID_SIGN_PK_SIZE, digest->bytes, 32, context, strlen(context),
	                     signature, HYBRID_SIGN_SIGNATURE_SIZE) == CRYPTO_OK;
}

bool account_key_sign(const struct hybrid_sign_key *key, const struct hash32 *signing_hash,
                      uint8_t signature[HYBRID_SIGN_SIGNATURE_SIZE])
{
	return sign(key, signing_hash, transaction_context, signature);
}

bool account_key_verify(const struct transaction *t)
{
	return t->public_key && t->hybrid_signature &&
	       verify(t->public_key, &t->signing_hash, transaction_context, t->hybrid_signature);
}

/* Of chain, account and the key before: a proof is good at one place alone. */
static void change_digest(struct hash32 *out, uint64_t chain_id, const struct address *account,
                          const struct hash32 *before)
{
	uint8_t bytes[8 + 20 + 32];
	for (int i = 0; i < 8; i++)
		bytes[i] = (uint8_t)(chain_id >> (56 - 8 * i));
	memcpy(bytes + 8, account->bytes, 20);
	memcpy(bytes + 28, before->bytes, 32);
	keccak256(out->bytes, bytes, sizeof bytes);
}

bool account_key_prove(const struct hybrid_sign_key *key, uint64_t chain_id, const struct address *account,
                       const struct hash32 *before, uint8_t data[KEY_CHANGE_SIZE])
{
	struct hash32 digest;
	change_digest(&digest, chain_id, account, before);
	memcpy(data, key->pk, HYBRID_SIGN_PK_SIZE);
	return sign(key, &digest, change_context, data + HYBRID_SIGN_PK_SIZE);
}

bool account_key_change(struct state *state, uint64_t chain_id, const struct address *account,
                        const uint8_t *data, size_t size)
{
	struct hash32 before;
	struct hash32 after;
	struct hash32 digest;
	struct u256 name;
	struct u256 value;
	if (size != KEY_CHANGE_SIZE)
		return false;
	(void)account_key_read(state, account, &before);
	change_digest(&digest, chain_id, account, &before);
	if (!verify(data, &digest, change_context, data + HYBRID_SIGN_PK_SIZE))
		return false;
	account_key_hash(&after, data);
	word_from_address(&name, account);
	u256_load(&value, after.bytes);
	struct account *system = state_account(state, &account_key_system);
	if (system->now.nonce == 0) /* else it would count as empty, and go */
		state_set_nonce(state, system, 1);
	struct slot *slot = state_slot(state, system, &name);
	state_warm_slot(state, slot);
	state_set_slot(state, system, slot, &value);
	return true;
}
