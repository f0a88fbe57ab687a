/* The form of heads, and the check of their certificates. */
#include "ledger/node/head.h"

#include "crypto/util.h"

#define ENTRY (1 + HYBRID_SIGN_SIGNATURE_SIZE)

void head_encode(uint8_t out[HEAD_STATEMENT], const struct head *head)
{
	out[0] = HEAD_MESSAGE;
	store_le64(out + 1, head->epoch);
	store_le64(out + 9, head->index);
	store_le64(out + 17, head->time_ms);
	memcpy(out + 25, head->root, LEDGER_ROOT_SIZE);
}

bool head_decode(struct head *head, const uint8_t *certificate, size_t size)
{
	if (size <= HEAD_STATEMENT || certificate[0] != HEAD_MESSAGE ||
	    size != HEAD_STATEMENT + 1 + (size_t)certificate[HEAD_STATEMENT] * ENTRY)
		return false;
	head->epoch = load_le64(certificate + 1);
	head->index = load_le64(certificate + 9);
	head->time_ms = load_le64(certificate + 17);
	memcpy(head->root, certificate + 25, LEDGER_ROOT_SIZE);
	return true;
}

bool head_signed(const uint8_t *certificate, size_t size, const struct network *network, uint64_t members)
{
	const unsigned wanted = committee_validity(set_size(members));
	struct head head;
	uint64_t good = 0;
	if (!members || !head_decode(&head, certificate, size))
		return false;
	const uint8_t *entry = certificate + HEAD_STATEMENT + 1;
	for (unsigned i = 0; i < certificate[HEAD_STATEMENT] && set_size(good) < wanted;
	     i++, entry += ENTRY) {
		const unsigned voter = entry[0];
		if (voter < DAG_MAX_VALIDATORS && (members & ~good & set_of(voter)) &&
		    network->peers[voter].known &&
		    hybrid_verify(network->peers[voter].key, HYBRID_SIGN_PK_SIZE, certificate, HEAD_STATEMENT,
		                  HEAD_CONTEXT, sizeof HEAD_CONTEXT - 1, entry + 1,
		                  HYBRID_SIGN_SIGNATURE_SIZE) == CRYPTO_OK)
			good |= set_of(voter);
	}
	return set_size(good) >= wanted;
}
