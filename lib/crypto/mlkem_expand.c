/*
 * The long hash computations of ML-KEM, side by side: sampling the matrix (one SHAKE128 stream an entry) and
 * the digests of keys and ciphertexts that an operation needs besides. A digest is a chain of a dozen
 * permutations that nothing else shortens; here it takes one of four lanes while streams fill the others, so
 * that hardly a permutation of the 4-way Keccak is wasted.
 */
#include "mlkem_expand.h"
#include "keccak.h"
#include "sha3.h"

#define LANES    4
#define NOTHING  0xff
#define PAD_END  ((uint64_t)0x80 << 56)
#define SHAKE_ID 0x1f

/* What the lanes are at. Jobs are the digests, then the entries of the matrix. */
struct lanes {
	struct keccak_x4 states;
	uint8_t job[LANES];
	uint16_t progress[LANES]; /* blocks absorbed, or coefficients found */
	uint8_t block[SHAKE128_RATE];
};

static void absorb_digest_block(struct lanes *s, unsigned lane, const struct mlkem_digest *digest)
{
	size_t size = digest->head_size + digest->body_size, at = (size_t)SHAKE256_RATE * s->progress[lane];
	size_t length = size - at < SHAKE256_RATE ? size - at : SHAKE256_RATE, done = 0;
	memset(s->block, 0, SHAKE256_RATE);
	if (at < digest->head_size) {
		done = digest->head_size - at;
		memcpy(s->block, digest->head + at, done);
	}
	if (done < length)
		memcpy(s->block + done, digest->body + (at + done - digest->head_size), length - done);
	if (length < SHAKE256_RATE) {
		s->block[length] = digest->suffix;
		s->block[SHAKE256_RATE - 1] |= 0x80;
	}
	for (unsigned i = 0; i < SHAKE256_RATE / 8; i++)
		s->states.lanes[i][lane] ^= load_le64(s->block + 8 * i);
	s->progress[lane]++;
}

/* Lets all lanes with a job take a step. With vectors, four cost as much as two; a single one is better off
 * alone. */
static void permute(struct lanes *s, unsigned active, bool vectors)
{
	if (vectors && active > 1) {
		keccak_permute_x4(&s->states);
		return;
	}
	uint64_t state[KECCAK_LANES];
	for (unsigned lane = 0; lane < LANES; lane++) {
		if (s->job[lane] == NOTHING)
			continue;
		for (unsigned i = 0; i < KECCAK_LANES; i++)
			state[i] = s->states.lanes[i][lane];
		keccak_permute(state);
		for (unsigned i = 0; i < KECCAK_LANES; i++)
			s->states.lanes[i][lane] = state[i];
	}
	crypto_wipe(state, sizeof state);
}

void mlkem_expand(const struct mlkem_ops *ops, struct mlkem_poly *a_hat, const uint8_t rho[32], unsigned k,
                  bool transposed, const struct mlkem_digest *digests, unsigned digest_count)
{
	struct lanes s;
	unsigned next = 0, jobs = digest_count + k * k;
	bool vectors = crypto_cpu_features() & CRYPTO_CPU_AVX2;
	memset(&s.states, 0, sizeof s.states);
	memset(s.job, NOTHING, sizeof s.job);
	for (;;) {
		unsigned active = 0;
		for (unsigned lane = 0; lane < LANES; lane++) {
			if (s.job[lane] == NOTHING && next < jobs) {
				for (unsigned i = 0; i < KECCAK_LANES; i++)
					s.states.lanes[i][lane] = 0;
				s.progress[lane] = 0;
				s.job[lane] = (uint8_t)next++;
				if (s.job[lane] < digest_count) {
					absorb_digest_block(&s, lane, &digests[s.job[lane]]);
				} else {
					/* XOF(rho, j, i) for entry i, j: its only block. */
					unsigned entry = s.job[lane] - digest_count, row = entry / k,
					         column = entry % k;
					uint64_t tail = transposed ? row | column << 8 : column | row << 8;
					for (unsigned i = 0; i < 4; i++)
						s.states.lanes[i][lane] = load_le64(rho + 8 * i);
					s.states.lanes[4][lane] = tail | (uint64_t)SHAKE_ID << 16;
					s.states.lanes[SHAKE128_RATE / 8 - 1][lane] = PAD_END;
				}
			}
			active += s.job[lane] != NOTHING;
		}
		if (active == 0)
			break;
		permute(&s, active, vectors);
		for (unsigned lane = 0; lane < LANES; lane++) {
			if (s.job[lane] == NOTHING)
				continue;
			if (s.job[lane] < digest_count) {
				const struct mlkem_digest *digest = &digests[s.job[lane]];
				size_t size = digest->head_size + digest->body_size;
				if (s.progress[lane] <= size / SHAKE256_RATE) {
					absorb_digest_block(&s, lane, digest);
					continue;
				}
				for (unsigned i = 0; i < 4; i++)
					store_le64(digest->out + 8 * i, s.states.lanes[i][lane]);
				s.job[lane] = NOTHING;
				continue;
			}
			for (unsigned i = 0; i < SHAKE128_RATE / 8; i++)
				store_le64(s.block + 8 * i, s.states.lanes[i][lane]);
			unsigned have = ops->reject(&a_hat[s.job[lane] - digest_count], s.progress[lane],
			                            s.block, SHAKE128_RATE);
			s.progress[lane] = (uint16_t)have;
			if (have == MLKEM_N)
				s.job[lane] = NOTHING;
		}
	}
	/* A digest may have been of a secret. */
	crypto_wipe(&s, sizeof s);
}
