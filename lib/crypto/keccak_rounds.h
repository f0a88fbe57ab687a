/*
 * The body of Keccak-f[1600] for any lane type: include after defining KECCAK_NAME(name) (what the functions
 * are called), LANE (a type with ^ & ~ << >>, scalar or vector) and LANE_ROUND_CONSTANT(i). Defines
 * KECCAK_NAME(keccak_rounds)(LANE lanes[25]) and undefines its parameters.
 *
 * Rounds run in pairs from one set of lanes into another, so that nothing is copied; all indices are
 * constants once the compiler has inlined them, and the lanes live in registers as far as these reach.
 */
#include "keccak_vector.h"

CRYPTO_WRAPS CRYPTO_INLINE LANE KECCAK_NAME(lane_rotate)(LANE lane, unsigned bits)
{
	return bits == 0 ? lane : lane << bits | lane >> (64 - bits);
}

/* One plane `y` of the next state: theta's sums applied, rho, pi and chi. Lane X of the plane comes from
 * column X + 3y. */
CRYPTO_WRAPS CRYPTO_INLINE void KECCAK_NAME(keccak_plane)(LANE *restrict out, const LANE *restrict in,
                                                          const LANE *sums, unsigned y)
{
	LANE b[5];
#pragma clang loop unroll(full)
	for (unsigned x = 0; x < 5; x++) {
		unsigned column = (x + 3 * y) % 5, from = column + 5 * x;
		b[x] = KECCAK_NAME(lane_rotate)(in[from] ^ sums[column], keccak_rotation[from]);
	}
#pragma clang loop unroll(full)
	for (unsigned x = 0; x < 5; x++)
		out[5 * y + x] = b[x] ^ (~b[(x + 1) % 5] & b[(x + 2) % 5]);
}

CRYPTO_WRAPS CRYPTO_INLINE void KECCAK_NAME(keccak_round)(LANE *restrict out, const LANE *restrict in,
                                                          LANE constant)
{
	LANE parity[5], sums[5];
#pragma clang loop unroll(full)
	for (unsigned x = 0; x < 5; x++)
		parity[x] = in[x] ^ in[x + 5] ^ in[x + 10] ^ in[x + 15] ^ in[x + 20];
#pragma clang loop unroll(full)
	for (unsigned x = 0; x < 5; x++)
		sums[x] = parity[(x + 4) % 5] ^ KECCAK_NAME(lane_rotate)(parity[(x + 1) % 5], 1);
	KECCAK_NAME(keccak_plane)(out, in, sums, 0);
	out[0] ^= constant;
	KECCAK_NAME(keccak_plane)(out, in, sums, 1);
	KECCAK_NAME(keccak_plane)(out, in, sums, 2);
	KECCAK_NAME(keccak_plane)(out, in, sums, 3);
	KECCAK_NAME(keccak_plane)(out, in, sums, 4);
}

CRYPTO_INLINE void KECCAK_NAME(keccak_rounds)(LANE lanes[KECCAK_LANES])
{
	LANE even[KECCAK_LANES], odd[KECCAK_LANES];
	memcpy(even, lanes, sizeof even);
	for (unsigned round = 0; round < KECCAK_ROUNDS; round += 2) {
		KECCAK_NAME(keccak_round)(odd, even, LANE_ROUND_CONSTANT(round));
		KECCAK_NAME(keccak_round)(even, odd, LANE_ROUND_CONSTANT(round + 1));
	}
	memcpy(lanes, even, sizeof even);
}

#undef LANE
#undef LANE_ROUND_CONSTANT
#undef KECCAK_NAME
