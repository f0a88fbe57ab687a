/*
 * The arithmetic of ML-DSA in portable C. Inner loops run over neighbouring coefficients without branches, so
 * that a compiler can use whatever vectors its target has.
 */
#include "mldsa_poly.h"
#include "mldsa_zetas.h"

#define VALUE(zeta) zeta,
const int32_t mldsa_zetas[MLDSA_N] = {MLDSA_ZETAS(VALUE)};

static void ntt(struct mldsa_poly *p)
{
	/* Each of the eight layers adds less than q to the bound. */
	unsigned z = 1;
	for (unsigned length = 128; length >= 1; length /= 2)
		for (unsigned start = 0; start < MLDSA_N; start += 2 * length) {
			int32_t zeta = mldsa_zetas[z++];
			int32_t *low = p->c + start, *high = low + length;
			for (unsigned i = 0; i < length; i++) {
				int32_t t = mldsa_montgomery((int64_t)high[i] * zeta);
				high[i] = low[i] - t;
				low[i] = low[i] + t;
			}
		}
}

static void inverse_ntt(struct mldsa_poly *p)
{
	/* Sums double in each layer: from |c| < 6300000 to below 256 times that, within 31 bits. */
	unsigned z = 255;
	for (unsigned i = 0; i < MLDSA_N; i++)
		p->c[i] = mldsa_reduce(p->c[i]);
	for (unsigned length = 1; length <= 128; length *= 2)
		for (unsigned start = 0; start < MLDSA_N; start += 2 * length) {
			int32_t zeta = mldsa_zetas[z--];
			int32_t *low = p->c + start, *high = low + length;
			for (unsigned i = 0; i < length; i++) {
				int32_t t = low[i];
				low[i] = t + high[i];
				high[i] = mldsa_montgomery((int64_t)(high[i] - t) * zeta);
			}
		}
	for (unsigned i = 0; i < MLDSA_N; i++)
		p->c[i] = mldsa_montgomery((int64_t)p->c[i] * MLDSA_INVNTT);
}

static void multiply_add(struct mldsa_poly *sum, const uint8_t *packed, const struct mldsa_poly *b,
                         unsigned count)
{
	for (unsigned i = 0; i < MLDSA_N; i++) {
		int64_t products = 0;
		for (unsigned j = 0; j < count; j++) {
			const uint8_t *at = packed + MLDSA_PACKED_BYTES * j + 3 * i;
			int32_t a = at[0] | at[1] << 8 | at[2] << 16;
			products += (int64_t)a * b[j].c[i];
		}
		sum->c[i] += mldsa_montgomery(products);
	}
}

static void multiply(struct mldsa_poly *r, const struct mldsa_poly *a, const struct mldsa_poly *b,
                     const struct mldsa_poly *plus)
{
	for (unsigned i = 0; i < MLDSA_N; i++)
		r->c[i] = mldsa_montgomery((int64_t)a->c[i] * b->c[i] + (plus ? plus->c[i] : 0));
}

static void subtract(struct mldsa_poly *r, const struct mldsa_poly *a, const struct mldsa_poly *b)
{
	for (unsigned i = 0; i < MLDSA_N; i++)
		r->c[i] = mldsa_reduce(a->c[i] - b->c[i]);
}

static void add(struct mldsa_poly *r, const struct mldsa_poly *a, const struct mldsa_poly *b)
{
	for (unsigned i = 0; i < MLDSA_N; i++)
		r->c[i] = mldsa_reduce(a->c[i] + b->c[i]);
}

static void reduce(struct mldsa_poly *r)
{
	for (unsigned i = 0; i < MLDSA_N; i++)
		r->c[i] = mldsa_reduce(r->c[i]);
}

static bool exceeds(const struct mldsa_poly *p, int32_t bound)
{
	int32_t verdict = 0;
	for (unsigned i = 0; i < MLDSA_N; i++) {
		int32_t sign = p->c[i] >> 31, size = (p->c[i] ^ sign) - sign;
		verdict |= bound - 1 - size;
	}
	return (uint32_t)verdict >> 31;
}

static unsigned reject(uint8_t *packed, unsigned have, const uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size && have < MLDSA_N; i += 3) {
		uint32_t value =
		    bytes[i] | (uint32_t)bytes[i + 1] << 8 | (uint32_t)(bytes[i + 2] & 0x7f) << 16;
		uint8_t *to = packed + (size_t)3 * have;
		to[0] = (uint8_t)value;
		to[1] = (uint8_t)(value >> 8);
		to[2] = (uint8_t)(value >> 16);
		have += value < MLDSA_Q;
	}
	return have;
}

CRYPTO_INLINE void unpack_bits(struct mldsa_poly *p, const uint8_t *in, unsigned bits, int32_t top)
{
	for (unsigned i = 0; i < MLDSA_N / 8; i++) {
		uint32_t group[8];
		bitunpack8(group, in + bits * i, bits);
		for (unsigned j = 0; j < 8; j++)
			p->c[8 * i + j] = top - (int32_t)group[j];
	}
}

static void unpack(struct mldsa_poly *p, const uint8_t *in, unsigned bits, int32_t top)
{
	switch (bits) {
	case 3:
		unpack_bits(p, in, 3, top);
		break;
	case 4:
		unpack_bits(p, in, 4, top);
		break;
	case 13:
		unpack_bits(p, in, 13, top);
		break;
	case 18:
		unpack_bits(p, in, 18, top);
		break;
	default:
		unpack_bits(p, in, 20, top);
	}
}

CRYPTO_INLINE void pack_bits(uint8_t *out, const struct mldsa_poly *p, unsigned bits, int32_t top)
{
	for (unsigned i = 0; i < MLDSA_N / 8; i++) {
		uint32_t group[8];
		for (unsigned j = 0; j < 8; j++)
			group[j] = (uint32_t)(top - p->c[8 * i + j]);
		bitpack8(out + bits * i, group, bits);
	}
}

static void pack(uint8_t *out, const struct mldsa_poly *p, unsigned bits, int32_t top)
{
	switch (bits) {
	case 3:
		pack_bits(out, p, 3, top);
		break;
	case 4:
		pack_bits(out, p, 4, top);
		break;
	case 13:
		pack_bits(out, p, 13, top);
		break;
	case 18:
		pack_bits(out, p, 18, top);
		break;
	default:
		pack_bits(out, p, 20, top);
	}
}

static void unpack_t1(struct mldsa_poly *p, const uint8_t *in)
{
	for (unsigned i = 0; i < MLDSA_N / 8; i++) {
		uint32_t group[8];
		bitunpack8(group, in + 10 * i, 10);
		for (unsigned j = 0; j < 8; j++)
			p->c[8 * i + j] = (int32_t)(group[j] << MLDSA_D);
	}
}

CRYPTO_INLINE void decompose_bits(uint8_t *packed, uint8_t *nonzero, struct mldsa_poly *p, int32_t gamma2,
                                  unsigned bits)
{
	for (unsigned i = 0; i < MLDSA_N / 8; i++) {
		uint32_t group[8], byte = 0;
		for (unsigned j = 0; j < 8; j++) {
			int32_t a = mldsa_canonical(p->c[8 * i + j]), high = mldsa_high_bits(a, gamma2);
			group[j] = (uint32_t)high;
			byte |= (uint32_t)-high >> 31 << j;
			p->c[8 * i + j] = mldsa_low_bits(a, high, gamma2);
		}
		nonzero[i] = (uint8_t)byte;
		bitpack8(packed + bits * i, group, bits);
	}
}

static void decompose(uint8_t *high, uint8_t nonzero[MLDSA_HINT_BYTES], struct mldsa_poly *p, int32_t gamma2)
{
	if (gamma2 == MLDSA_GAMMA2_65)
		decompose_bits(high, nonzero, p, MLDSA_GAMMA2_65, 4);
	else
		decompose_bits(high, nonzero, p, MLDSA_GAMMA2_44, 6);
}

CRYPTO_INLINE void use_hint_bits(uint8_t *packed, const struct mldsa_poly *p, const uint8_t *hint,
                                 int32_t gamma2, unsigned bits)
{
	for (unsigned i = 0; i < MLDSA_N / 8; i++) {
		uint32_t group[8];
		for (unsigned j = 0; j < 8; j++) {
			int32_t a = mldsa_canonical(p->c[8 * i + j]);
			group[j] = (uint32_t)mldsa_use_hint1(a, hint[i] >> j & 1, gamma2);
		}
		bitpack8(packed + bits * i, group, bits);
	}
}

static void use_hint(uint8_t *high, struct mldsa_poly *p, const uint8_t hint[MLDSA_HINT_BYTES],
                     int32_t gamma2)
{
	if (gamma2 == MLDSA_GAMMA2_65)
		use_hint_bits(high, p, hint, MLDSA_GAMMA2_65, 4);
	else
		use_hint_bits(high, p, hint, MLDSA_GAMMA2_44, 6);
}

static unsigned make_hint(uint8_t hint[MLDSA_HINT_BYTES], const struct mldsa_poly *low, int32_t gamma2)
{
	unsigned ones = 0;
	for (unsigned i = 0; i < MLDSA_N / 8; i++) {
		uint32_t byte = 0;
		for (unsigned j = 0; j < 8; j++) {
			uint32_t bit = mldsa_make_hint1(low->c[8 * i + j], hint[i] >> j & 1, gamma2);
			byte |= bit << j;
			ones += bit;
		}
		hint[i] = (uint8_t)byte;
	}
	return ones;
}

const struct mldsa_ops mldsa_ops_c = {
    .ntt = ntt,
    .inverse_ntt = inverse_ntt,
    .multiply_add = multiply_add,
    .multiply = multiply,
    .subtract = subtract,
    .add = add,
    .reduce = reduce,
    .exceeds = exceeds,
    .reject = reject,
    .unpack = unpack,
    .pack = pack,
    .unpack_t1 = unpack_t1,
    .decompose = decompose,
    .use_hint = use_hint,
    .make_hint = make_hint,
};
