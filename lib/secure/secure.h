/*
 * A secure channel between two parties who know each other by key: X-Wing key agreement (X25519 with
 * ML-KEM-768) and hybrid signatures (Ed25519 with ML-DSA-65) for both sides, AES-256-GCM records. Sans I/O:
 * bytes in, bytes out; the caller owns sockets, clocks and randomness. docs/secure-channel.md has the
 * messages, the key schedule and what is proven.
 *
 *   initiator                                  responder
 *     1 hello: version, context, nonce     ->                     padded to what it may draw: no
 * amplification
 *                                          <-  2 cookie           made from a secret and the address, nothing
 * is kept 3 offer: hello, cookie, X-Wing key   ->
 *                                          <-  4 answer: X-Wing ciphertext, {key, signature}
 *     5 finish: {key, signature}           ->                     {…} encrypted under the handshake's keys
 *
 * There is one suite and one version, so nothing can be talked down. The responder does no post-quantum work
 * before a cookie proved that the initiator receives at its address, and no signature check before the caller
 * approved the key.
 *
 * Stream mode: records in order over a reliable byte stream. Datagram mode: an explicit counter in each
 * record and a window of SECURE_WINDOW against replays; the handshake's messages are datagrams of their own,
 * which the caller repeats on a timeout (secure_handshake_output gives the last again).
 */
#ifndef SECURE_SECURE_H
#define SECURE_SECURE_H

#include "crypto/hybrid_kem.h"
#include "crypto/hybrid_sign.h"

#define SECURE_MAX_CONTEXT   64
#define SECURE_MAX_ADDRESS   64
#define SECURE_SECRET_SIZE   32
#define SECURE_RANDOM_SIZE   128  /* for one handshake */
#define SECURE_MAX_HANDSHAKE 6656 /* bytes of one handshake message, framing included */
#define SECURE_WINDOW        1024
#define SECURE_REKEY_RECORDS (1u << 20)
#define SECURE_REKEY_US      120000000ull
#define SECURE_MAX_RECORD    (1u << 16) /* plaintext bytes of one record */
#define SECURE_STREAM_HEAD   4
#define SECURE_STREAM_COST   (SECURE_STREAM_HEAD + 16) /* bytes a stream record adds */
#define SECURE_DATAGRAM_HEAD 13
#define SECURE_DATAGRAM_COST (SECURE_DATAGRAM_HEAD + 16)

enum secure_mode {
	SECURE_STREAM,
	SECURE_DATAGRAM,
};

enum secure_status {
	SECURE_OK = 0,
	SECURE_MORE,    /* not enough bytes yet (stream) */
	SECURE_APPROVE, /* the peer's key is known (secure_peer): approve it with secure_handshake_approve, or
	                   give up */
	SECURE_DONE,    /* the handshake is complete: secure_handshake_finish */
	SECURE_BAD = -1,    /* malformed, forged or out of order: close a stream, drop a datagram */
	SECURE_REPLAY = -2, /* datagram mode: seen before, or older than the window */
	SECURE_SPENT = -3,  /* counters are used up */
};

/* Who we are and what the channel is for. The strings and keys outlive the handshake. */
struct secure_identity {
	const struct hybrid_sign_key *key;
	const char *context; /* of the use, 1 to SECURE_MAX_CONTEXT bytes: both sides must say the same */
	enum secure_mode mode;
};

/* What a responder needs to answer hellos: one secret, changed now and then; the one before is still
 * honoured. */
struct secure_cookies {
	uint8_t secret[2][SECURE_SECRET_SIZE];
};

struct secure_direction {
	uint8_t key[32], chain[32];
	uint64_t counter;    /* of the next record, over all keys */
	uint32_t generation; /* of keys */
	uint64_t records;    /* under this key */
	uint64_t since_us;
};

struct secure_channel {
	enum secure_mode mode;
	struct secure_direction send, receive;
	struct secure_direction older; /* datagram mode: the receiving key before, for what was under way */
	bool has_older;
	uint64_t window[SECURE_WINDOW / 64];
	uint64_t highest; /* counter received; window covers it and SECURE_WINDOW - 1 below */
	bool any;
	uint8_t exporter[32];
	uint8_t peer[HYBRID_SIGN_PK_SIZE];
};

struct secure_handshake {
	struct secure_identity identity;
	bool initiator;
	unsigned state;
	uint8_t random[SECURE_RANDOM_SIZE];
	uint8_t expected[HYBRID_SIGN_PK_SIZE]; /* initiator: whom we call */
	uint8_t peer[HYBRID_SIGN_PK_SIZE];
	uint8_t peer_signature[HYBRID_SIGN_SIGNATURE_SIZE];
	uint8_t nonce[32];
	uint8_t transcript[32];
	uint8_t context_hash[32];
	uint8_t kem_seed[HYBRID_KEM_SEED_SIZE];
	uint8_t master[32], key_initiator[32], key_responder[32];
	uint8_t output[SECURE_MAX_HANDSHAKE];
	size_t output_size;
	struct secure_channel channel;
};

/* ---- handshake ---- */

/* `random` is fresh. CRYPTO_BAD_ARGUMENT: the context. */
enum crypto_status secure_initiate(struct secure_handshake *handshake, const struct secure_identity *identity,
                                   const uint8_t peer[HYBRID_SIGN_PK_SIZE],
                                   const uint8_t random[SECURE_RANDOM_SIZE]) CRYPTO_MUST_CHECK;

/*
 * The responder's part that keeps nothing: takes a hello or an offer from `address` (any bytes that name the
 * sender). hello: writes a cookie message to `reply` (SECURE_MAX_HANDSHAKE bytes) and returns SECURE_OK offer
 * with a good cookie: begins `handshake`, whose output is the answer, and returns SECURE_DONE SECURE_MORE: a
 * stream holds only the beginning; else SECURE_BAD `used` is how many bytes of input the message took.
 */
enum secure_status secure_respond(struct secure_handshake *handshake, const struct secure_identity *identity,
                                  const struct secure_cookies *cookies, const void *address,
                                  size_t address_size, const uint8_t *in, size_t size, size_t *used,
                                  const uint8_t random[SECURE_RANDOM_SIZE], uint8_t *reply,
                                  size_t *reply_size) CRYPTO_MUST_CHECK;

/* What is to be sent now, and again on a timeout in datagram mode; NULL for nothing. */
const uint8_t *secure_handshake_output(const struct secure_handshake *handshake, size_t *size);

/* Takes a message of the peer. SECURE_OK: send the new output. A stream may hold more than the message: see
 * `used`. */
enum secure_status secure_handshake_input(struct secure_handshake *handshake, const uint8_t *in, size_t size,
                                          size_t *used) CRYPTO_MUST_CHECK;

/* After SECURE_APPROVE: the key that the peer claims, and its approval, which checks the signature. */
const uint8_t *secure_peer(const struct secure_handshake *handshake);
enum secure_status secure_handshake_approve(struct secure_handshake *handshake) CRYPTO_MUST_CHECK;

/* After SECURE_DONE: the channel. `now_us` starts the clock of rekeying. Wipes the handshake's secrets. */
void secure_handshake_finish(struct secure_handshake *handshake, struct secure_channel *channel,
                             uint64_t now_us);
void secure_handshake_wipe(struct secure_handshake *handshake);

/* ---- records ---- */

/* Encrypts one record of up to SECURE_MAX_RECORD bytes into `out`, which has room for the mode's cost more.
 */
enum secure_status secure_seal(struct secure_channel *channel, uint64_t now_us, const uint8_t *in,
                               size_t size, uint8_t *out, size_t *out_size) CRYPTO_MUST_CHECK;

/*
 * Opens a record in place: on SECURE_OK `*plain` points into `in`. Stream: `used` bytes were the record.
 * Datagram: `in` is the whole datagram. An error of a stream is final.
 */
enum secure_status secure_open(struct secure_channel *channel, uint64_t now_us, uint8_t *in, size_t size,
                               size_t *used, uint8_t **plain, size_t *plain_size) CRYPTO_MUST_CHECK;

/* Key material bound to this channel and `label`, the same on both sides. */
void secure_export(const struct secure_channel *channel, const char *label, uint8_t *out, size_t size);
void secure_channel_wipe(struct secure_channel *channel);

#endif
