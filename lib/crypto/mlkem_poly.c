/*
 * The arithmetic of ML-KEM in portable C. Inner loops run over neighbouring coefficients without branches, so
 * that a compiler can use whatever vectors its target has.
 */
#include "mlkem_poly.h"

const int16_t mlkem_zetas[128] = {
    -1044, -758,  -359,  -1517, 1493,  1422,  287,   202,   -171,  622,   1577, 182,   962,   -1202, -1474,
    1468,  573,   -1325, 264,   383,   -829,  1458,  -1602, -130,  -681,  1017, 732,   608,   -1542, 411,
    -205,  -1571, 1223,  652,   -552,  1015,  -1293, 1491,  -282,  -1544, 516,  -8,    -320,  -666,  -1618,
    -1162, 126,   1469,  -853,  -90,   -271,  830,   107,   -1421, -247,  -951, -398,  961,   -1508, -725,
    448,   -1065, 677,   -1275, -1103, 430,   555,   843,   -1251, 871,   1550, 105,   422,   587,   177,
    -235,  -291,  -460,  1574,  1653,  -246,  778,   1159,  -147,  -777,  1483, -602,  1119,  -1590, 644,
    -872,  349,   418,   329,   -156,  -75,   817,   1097,  603,   610,   1322, -1285, -1465, 384,   -1215,
    -136,  1218,  -1335, -874,  220,   -1187, -1659, -1185, -1530, -1278, 794,  -1510, -854,  -870,  478,
    -108,  -308,  996,   991,   958,   -1460, 1522,  1628,
};

/* The butterflies of one layer; with a constant distance a compiler vectorises the short ones too. */
CRYPTO_INLINE void layer(int16_t *c, unsigned distance, const int16_t *zetas)
{
	for (unsigned start = 0; start < MLKEM_N; start += 2 * distance) {
		int16_t zeta = *zetas++, *low = c + start, *high = low + distance;
		for (unsigned i = 0; i < distance; i++) {
			int16_t t = mlkem_montgomery(high[i], zeta);
			high[i] = (int16_t)(low[i] - t);
			low[i] = (int16_t)(low[i] + t);
		}
	}
}

CRYPTO_INLINE void inverse_layer(int16_t *c, unsigned distance, const int16_t *zetas)
{
	for (unsigned start = 0; start < MLKEM_N; start += 2 * distance) {
		int16_t zeta = *zetas--, *low = c + start, *high = low + distance;
		for (unsigned i = 0; i < distance; i++) {
			int16_t t = low[i], difference = (int16_t)(high[i] - t);
			low[i] = (int16_t)(t + high[i]);
			high[i] = mlkem_montgomery(difference, zeta);
		}
	}
}

static void reduce(struct mlkem_poly *p)
{
	for (unsigned i = 0; i < MLKEM_N; i++)
		p->c[i] = mlkem_barrett(p->c[i]);
}

static void ntt(struct mlkem_poly *p)
{
	/* Each layer adds less than q to the bound: from below q to below 8 q, within 16 bits. */
	layer(p->c, 128, mlkem_zetas + 1);
	layer(p->c, 64, mlkem_zetas + 2);
	layer(p->c, 32, mlkem_zetas + 4);
	layer(p->c, 16, mlkem_zetas + 8);
	layer(p->c, 8, mlkem_zetas + 16);
	layer(p->c, 4, mlkem_zetas + 32);
	layer(p->c, 2, mlkem_zetas + 64);
	reduce(p);
}

static void inverse_ntt(struct mlkem_poly *p)
{
	/* Sums double their bound in each layer, so they are reduced after every third (8 q at most). */
	inverse_layer(p->c, 2, mlkem_zetas + 127);
	inverse_layer(p->c, 4, mlkem_zetas + 63);
	inverse_layer(p->c, 8, mlkem_zetas + 31);
	reduce(p);
	inverse_layer(p->c, 16, mlkem_zetas + 15);
	inverse_layer(p->c, 32, mlkem_zetas + 7);
	inverse_layer(p->c, 64, mlkem_zetas + 3);
	reduce(p);
	inverse_layer(p->c, 128, mlkem_zetas + 1);
	for (unsigned i = 0; i < MLKEM_N; i++)
		p->c[i] = mlkem_montgomery(p->c[i], MLKEM_INVNTT);
}

static void prepare(struct mlkem_poly *out, const struct mlkem_poly *b)
{
	for (unsigned i = 0; i < MLKEM_N / 4; i++) {
		int16_t zeta = mlkem_zetas[64 + i];
		out->c[4 * i] = b->c[4 * i];
		out->c[4 * i + 1] = mlkem_montgomery(b->c[4 * i + 1], zeta);
		out->c[4 * i + 2] = b->c[4 * i + 2];
		out->c[4 * i + 3] = mlkem_montgomery(b->c[4 * i + 3], (int16_t)-zeta);
	}
}

/* a / R modulo q for |a| < q 2^15. */
static int16_t reduce32(int32_t a)
{
	int16_t m = (int16_t)((int16_t)a * MLKEM_QINV);
	return (int16_t)((a - m * MLKEM_Q) >> 16);
}

static void dot(struct mlkem_poly *r, const struct mlkem_poly *a, const struct mlkem_poly *b,
                const struct mlkem_poly *prepared, unsigned k)
{
	int32_t even[MLKEM_N / 2] = {0}, odd[MLKEM_N / 2] = {0};
	for (unsigned j = 0; j < k; j++) {
		const int16_t *x = a[j].c, *y = b[j].c, *z = prepared[j].c;
		for (unsigned i = 0; i < MLKEM_N / 2; i++) {
			even[i] += x[2 * i] * z[2 * i] + x[2 * i + 1] * z[2 * i + 1];
			odd[i] += x[2 * i] * y[2 * i + 1] + x[2 * i + 1] * y[2 * i];
		}
	}
	for (unsigned i = 0; i < MLKEM_N / 2; i++) {
		r->c[2 * i] = reduce32(even[i]);
		r->c[2 * i + 1] = reduce32(odd[i]);
	}
	crypto_wipe(even, sizeof even);
	crypto_wipe(odd, sizeof odd);
}

static void scale_add(struct mlkem_poly *r, const struct mlkem_poly *b)
{
	for (unsigned i = 0; i < MLKEM_N; i++)
		r->c[i] = mlkem_barrett((int16_t)(mlkem_montgomery(r->c[i], MLKEM_R2) + b->c[i]));
}

static void add(struct mlkem_poly *r, const struct mlkem_poly *b)
{
	for (unsigned i = 0; i < MLKEM_N; i++)
		r->c[i] = mlkem_barrett((int16_t)(r->c[i] + b->c[i]));
}

static void subtract_from(struct mlkem_poly *r, const struct mlkem_poly *a)
{
	for (unsigned i = 0; i < MLKEM_N; i++)
		r->c[i] = mlkem_barrett((int16_t)(a->c[i] - r->c[i]));
}

static unsigned reject(struct mlkem_poly *p, unsigned have, const uint8_t *bytes, size_t size)
{
	/* Every value is written; one that is too large is overwritten by the next. */
	size_t i = 0;
	for (; i < size && have < MLKEM_N - 1; i += 3) {
		uint16_t first = (uint16_t)(load_le16(bytes + i) & 0xfff);
		uint16_t second = (uint16_t)(load_le16(bytes + i + 1) >> 4);
		p->c[have] = (int16_t)first;
		have += first < MLKEM_Q;
		p->c[have] = (int16_t)second;
		have += second < MLKEM_Q;
	}
	for (; i < size && have < MLKEM_N; i += 3) {
		uint16_t first = (uint16_t)(load_le16(bytes + i) & 0xfff);
		uint16_t second = (uint16_t)(load_le16(bytes + i + 1) >> 4);
		p->c[have] = (int16_t)(first < MLKEM_Q ? first : second);
		have += first < MLKEM_Q || second < MLKEM_Q;
	}
	return have;
}

static void binomial(struct mlkem_poly *p, const uint8_t *bytes, unsigned eta)
{
	if (eta == 2) {
		for (unsigned i = 0; i < MLKEM_N / 8; i++) {
			uint32_t t = load_le32(bytes + 4 * i);
			/* Two bits hold the sum of two; then 4 bits a coefficient. */
			t = (t & 0x55555555) + (t >> 1 & 0x55555555);
			for (unsigned j = 0; j < 8; j++) {
				int x = (int)(t >> 4 * j & 3), y = (int)(t >> (4 * j + 2) & 3);
				p->c[8 * i + j] = (int16_t)(x - y);
			}
		}
		return;
	}
	for (unsigned i = 0; i < MLKEM_N / 4; i++) {
		uint32_t t = load_le16(bytes + 3 * i) | (uint32_t)bytes[3 * i + 2] << 16;
		t = (t & 0x249249) + (t >> 1 & 0x249249) + (t >> 2 & 0x249249);
		for (unsigned j = 0; j < 4; j++) {
			int x = (int)(t >> 6 * j & 7), y = (int)(t >> (6 * j + 3) & 7);
			p->c[4 * i + j] = (int16_t)(x - y);
		}
	}
}

static void to_bytes(uint8_t out[MLKEM_POLY_BYTES], const struct mlkem_poly *p)
{
	for (unsigned i = 0; i < MLKEM_N / 2; i++) {
		uint16_t x = (uint16_t)mlkem_canonical(p->c[2 * i]);
		uint16_t y = (uint16_t)mlkem_canonical(p->c[2 * i + 1]);
		out[3 * i] = (uint8_t)x;
		out[3 * i + 1] = (uint8_t)(x >> 8 | y << 4);
		out[3 * i + 2] = (uint8_t)(y >> 4);
	}
}

static void from_bytes(struct mlkem_poly *p, const uint8_t in[MLKEM_POLY_BYTES])
{
	for (unsigned i = 0; i < MLKEM_N / 2; i++) {
		p->c[2 * i] = (int16_t)(load_le16(in + 3 * i) & 0xfff);
		p->c[2 * i + 1] = (int16_t)(load_le16(in + 3 * i + 1) >> 4);
	}
}

CRYPTO_INLINE void compress_d(uint8_t *out, const struct mlkem_poly *p, unsigned d)
{
	uint16_t packed[MLKEM_N];
	for (unsigned i = 0; i < MLKEM_N; i++)
		packed[i] = mlkem_compress1((uint16_t)mlkem_canonical(p->c[i]), d);
	for (unsigned i = 0; i < MLKEM_N / 8; i++) {
		uint32_t group[8];
		for (unsigned j = 0; j < 8; j++)
			group[j] = packed[8 * i + j];
		bitpack8(out + d * i, group, d);
	}
	crypto_wipe(packed, sizeof packed);
}

static void compress(uint8_t *out, const struct mlkem_poly *p, unsigned d)
{
	switch (d) {
	case 1:
		compress_d(out, p, 1);
		break;
	case 4:
		compress_d(out, p, 4);
		break;
	case 5:
		compress_d(out, p, 5);
		break;
	case 10:
		compress_d(out, p, 10);
		break;
	default:
		compress_d(out, p, 11);
	}
}

CRYPTO_INLINE void decompress_d(struct mlkem_poly *p, const uint8_t *in, unsigned d)
{
	for (unsigned i = 0; i < MLKEM_N / 8; i++) {
		uint32_t group[8];
		bitunpack8(group, in + d * i, d);
		for (unsigned j = 0; j < 8; j++)
			p->c[8 * i + j] = mlkem_decompress1((uint16_t)group[j], d);
	}
}

static void decompress(struct mlkem_poly *p, const uint8_t *in, unsigned d)
{
	switch (d) {
	case 1:
		decompress_d(p, in, 1);
		break;
	case 4:
		decompress_d(p, in, 4);
		break;
	case 5:
		decompress_d(p, in, 5);
		break;
	case 10:
		decompress_d(p, in, 10);
		break;
	default:
		decompress_d(p, in, 11);
	}
}

const struct mlkem_ops mlkem_ops_c = {
    .ntt = ntt,
    .inverse_ntt = inverse_ntt,
    .prepare = prepare,
    .dot = dot,
    .scale_add = scale_add,
    .add = add,
    .subtract_from = subtract_from,
    .reject = reject,
    .binomial = binomial,
    .to_bytes = to_bytes,
    .from_bytes = from_bytes,
    .compress = compress,
    .decompress = decompress,
};
