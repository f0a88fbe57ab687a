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

/*
 * Butterflies of `count` neighbours with others, by one zeta or by one each (`step` 0 or 1). The middle
 * products of the Montgomery reduction pass through memory: seeing them stored as 16 bits, a compiler
 * multiplies 16-bit lanes.
 */
CRYPTO_INLINE void middle_products(int16_t *m, const int16_t *a, const int16_t *zetas, unsigned step,
                                   unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		m[i] = (int16_t)(a[i] * (int16_t)(zetas[step * i] * MLKEM_QINV));
}

/* mlkem_montgomery() with its middle product known. */
CRYPTO_INLINE int16_t montgomery_with(int16_t a, int16_t b, int16_t m)
{
	int16_t high = (int16_t)((a * b) >> 16), low = (int16_t)((m * MLKEM_Q) >> 16);
	return (int16_t)(high - low);
}

/* a times the zetas over R; `m` is working memory for `count` numbers. */
CRYPTO_INLINE void multiply_row(int16_t *a, int16_t *m, const int16_t *zetas, unsigned step, unsigned count)
{
	middle_products(m, a, zetas, step, count);
	for (unsigned i = 0; i < count; i++)
		a[i] = montgomery_with(a[i], zetas[step * i], m[i]);
}

CRYPTO_INLINE void butterflies(int16_t *low, int16_t *high, int16_t *m, const int16_t *zetas, unsigned step,
                               unsigned count)
{
	multiply_row(high, m, zetas, step, count);
	for (unsigned i = 0; i < count; i++) {
		int16_t t = high[i];
		high[i] = (int16_t)(low[i] - t);
		low[i] = (int16_t)(low[i] + t);
	}
}

CRYPTO_INLINE void inverse_butterflies(int16_t *low, int16_t *high, int16_t *m, const int16_t *zetas,
                                       unsigned step, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		int16_t t = low[i];
		low[i] = (int16_t)(t + high[i]);
		high[i] = (int16_t)(high[i] - t);
	}
	multiply_row(high, m, zetas, step, count);
}

/* One layer; a compiler vectorises distances of 8 and more. */
CRYPTO_INLINE void layer(int16_t *c, int16_t *m, unsigned distance, const int16_t *zetas)
{
	for (unsigned start = 0; start < MLKEM_N; start += 2 * distance) {
		int16_t zeta = *zetas++;
		butterflies(c + start, c + start + distance, m, &zeta, 0, distance);
	}
}

CRYPTO_INLINE void inverse_layer(int16_t *c, int16_t *m, unsigned distance, const int16_t *zetas)
{
	for (unsigned start = 0; start < MLKEM_N; start += 2 * distance) {
		int16_t zeta = *zetas--;
		inverse_butterflies(c + start, c + start + distance, m, &zeta, 0, distance);
	}
}

/*
 * The layers of distance 4 and 2 stay within eight neighbours. They run on the transposed coefficients, row j
 * holding those of index 8 b + j, so that they too are whole rows.
 */
#define ROWS    8
#define COLUMNS (MLKEM_N / ROWS)

struct working_memory {
	int16_t rows[ROWS][COLUMNS], m[MLKEM_N / 2];
};

static void transpose(int16_t rows[ROWS][COLUMNS], const int16_t *c)
{
	for (unsigned b = 0; b < COLUMNS; b++)
		for (unsigned j = 0; j < ROWS; j++)
			rows[j][b] = c[ROWS * b + j];
}

static void transpose_back(int16_t *c, int16_t rows[ROWS][COLUMNS])
{
	for (unsigned b = 0; b < COLUMNS; b++)
		for (unsigned j = 0; j < ROWS; j++)
			c[ROWS * b + j] = rows[j][b];
}

static void reduce(int16_t *c)
{
	for (unsigned i = 0; i < MLKEM_N; i++)
		c[i] = mlkem_barrett(c[i]);
}

static void ntt(struct mlkem_poly *p)
{
	struct working_memory s;
	int16_t even[COLUMNS], odd[COLUMNS];
	/* Each layer adds less than q to the bound: from below q to below 8 q, within 16 bits. */
	layer(p->c, s.m, 128, mlkem_zetas + 1);
	layer(p->c, s.m, 64, mlkem_zetas + 2);
	layer(p->c, s.m, 32, mlkem_zetas + 4);
	layer(p->c, s.m, 16, mlkem_zetas + 8);
	layer(p->c, s.m, 8, mlkem_zetas + 16);
	transpose(s.rows, p->c);
	for (unsigned b = 0; b < COLUMNS; b++) {
		even[b] = mlkem_zetas[64 + 2 * b];
		odd[b] = mlkem_zetas[65 + 2 * b];
	}
	for (unsigned j = 0; j < 4; j++)
		butterflies(s.rows[j], s.rows[j + 4], s.m, mlkem_zetas + 32, 1, COLUMNS);
	for (unsigned j = 0; j < 2; j++) {
		butterflies(s.rows[j], s.rows[j + 2], s.m, even, 1, COLUMNS);
		butterflies(s.rows[j + 4], s.rows[j + 6], s.m, odd, 1, COLUMNS);
	}
	reduce(&s.rows[0][0]);
	transpose_back(p->c, s.rows);
	crypto_wipe(&s, sizeof s);
}

static void inverse_ntt(struct mlkem_poly *p)
{
	struct working_memory s;
	int16_t whole[COLUMNS], even[COLUMNS], odd[COLUMNS];
	/* Sums double their bound in each layer, so they are reduced after every third (8 q at most). */
	transpose(s.rows, p->c);
	for (unsigned b = 0; b < COLUMNS; b++) {
		whole[b] = mlkem_zetas[63 - b];
		even[b] = mlkem_zetas[127 - 2 * b];
		odd[b] = mlkem_zetas[126 - 2 * b];
	}
	for (unsigned j = 0; j < 2; j++) {
		inverse_butterflies(s.rows[j], s.rows[j + 2], s.m, even, 1, COLUMNS);
		inverse_butterflies(s.rows[j + 4], s.rows[j + 6], s.m, odd, 1, COLUMNS);
	}
	for (unsigned j = 0; j < 4; j++)
		inverse_butterflies(s.rows[j], s.rows[j + 4], s.m, whole, 1, COLUMNS);
	transpose_back(p->c, s.rows);
	inverse_layer(p->c, s.m, 8, mlkem_zetas + 31);
	reduce(p->c);
	inverse_layer(p->c, s.m, 16, mlkem_zetas + 15);
	inverse_layer(p->c, s.m, 32, mlkem_zetas + 7);
	inverse_layer(p->c, s.m, 64, mlkem_zetas + 3);
	reduce(p->c);
	inverse_layer(p->c, s.m, 128, mlkem_zetas + 1);
	const int16_t scale = MLKEM_INVNTT;
	for (unsigned i = 0; i < MLKEM_N; i += COLUMNS)
		multiply_row(p->c + i, s.m, &scale, 0, COLUMNS);
	crypto_wipe(&s, sizeof s);
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

/* The bits of a secret message pass behind the barrier: a compiler that sees a factor of 0 or 1, or a mask of one value, may
 * make a branch of it, as some do. */
CRYPTO_INLINE uint16_t hide_bit(uint32_t value, unsigned d)
{
	return (uint16_t)(d == 1 ? crypto_barrier32(value) : value);
}

CRYPTO_INLINE void compress_d(uint8_t *out, const struct mlkem_poly *p, unsigned d)
{
	uint16_t packed[MLKEM_N];
	for (unsigned i = 0; i < MLKEM_N; i++)
		packed[i] = mlkem_compress1(hide_bit((uint16_t)mlkem_canonical(p->c[i]), d), d);
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
			p->c[8 * i + j] = mlkem_decompress1(hide_bit(group[j], d), d);
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
