/*
 * WOTS+ (FIPS 205 section 5): digits, chains, compression of the public key.
 *
 * Chains are independent, so they run side by side: whenever one has come to its end, the next takes its
 * lane.
 */
#include "slhdsa_internal.h"

void slhdsa_wots_digits(const struct slhdsa_params *params, const uint8_t *value,
                        uint8_t digits[SLHDSA_MAX_CHAINS])
{
	unsigned count = 2u * params->n, checksum = 0;
	for (unsigned i = 0; i < count; i += 2) {
		digits[i] = value[i / 2] >> 4;
		digits[i + 1] = value[i / 2] & 15;
	}
	for (unsigned i = 0; i < count; i++)
		checksum += WOTS_W - 1u - digits[i];
	digits[count] = checksum >> 8 & 15;
	digits[count + 1] = checksum >> 4 & 15;
	digits[count + 2] = checksum & 15;
}

/* A chain in a lane. */
struct runner {
	unsigned chain;
	uint8_t step;
};

void slhdsa_wots_advance(const struct slhdsa_hasher *hasher, const struct slhdsa_address *base,
                         uint32_t first_leaf, unsigned leaves, uint8_t (*values)[SLHDSA_MAX_N],
                         const uint8_t *starts, const uint8_t *ends)
{
	unsigned chains = slhdsa_chains(hasher->params), n = hasher->params->n, next = 0, used = 0, leaf = 0,
	         chain = 0;
	struct runner runners[SLHDSA_LANES];
	struct slhdsa_lanes lanes;
	for (;;) {
		for (; used < hasher->lanes && next < leaves * chains; next++) {
			if (starts[next] < ends[next]) {
				runners[used] = (struct runner){next, starts[next]};
				lanes.address[used] = *base;
				address_set_type(&lanes.address[used], ADDRESS_WOTS_HASH);
				address_set_keypair(&lanes.address[used], first_leaf + leaf);
				address_set_chain(&lanes.address[used], chain);
				address_set_step(&lanes.address[used], starts[next]);
				memcpy(lanes.value[used], values[next], n);
				used++;
			}
			if (++chain == chains) {
				chain = 0;
				leaf++;
			}
		}
		if (used == 0)
			break;
		slhdsa_hash_lanes(hasher, &lanes, used, n);
		for (unsigned i = 0; i < used;) {
			if (++runners[i].step < ends[runners[i].chain]) {
				address_set_step(&lanes.address[i], runners[i].step);
				i++;
				continue;
			}
			/* Done: the last lane moves here, and is looked at next. */
			memcpy(values[runners[i].chain], lanes.value[i], n);
			used--;
			runners[i] = runners[used];
			lanes.address[i] = lanes.address[used];
			memcpy(lanes.value[i], lanes.value[used], n);
		}
	}
	crypto_wipe(&lanes, sizeof lanes);
}

void slhdsa_wots_compress(const struct slhdsa_hasher *hasher, const struct slhdsa_address *base,
                          uint32_t leaf, const uint8_t (*values)[SLHDSA_MAX_N], uint8_t out[SLHDSA_MAX_N])
{
	struct slhdsa_address address = *base;
	address_set_type(&address, ADDRESS_WOTS_PK);
	address_set_keypair(&address, leaf);
	slhdsa_hash_values(hasher, &address, values, slhdsa_chains(hasher->params), out);
}
