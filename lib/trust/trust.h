/* The chain of trust: an offline root certifies signing keys, these certify signers of capsules and sign releases, and
 * signers sign capsules within what their certificate allows.
 *
 *   root (SLH-DSA-SHA2-192s)  signs the key list
 *   key list                  hybrid keys (Ed25519 and ML-DSA-65) with roles and times; keys that are revoked
 *   certifier                 signs certificates and revocations
 *   signer                    signs capsules: its certificate has its name spaces, its ceiling of capabilities, its time
 *
 * Files: a signed record is the record and its signature, one behind the other. A capsule is manifest, signer's
 * signature, certificate, certifier's signature, payload. Signatures are over the record's bytes under a context of
 * their own, so that none can stand for another.
 *
 * trust_capsule checks in one order, and the first fault is told: form of the manifest, form of the certificate, the
 * certificate's issuer, its signature, its time, its epoch, its revocation, the capsule's name, its capabilities, its
 * signature, the payload. Nothing of the payload is looked at before the signature over its hash is good.
 */
#pragma once

#include <crypto/hybrid_sign.h>
#include <crypto/keys.h>
#include <crypto/slhdsa.h>
#include "record.h"

#define TRUST_ROOT_SET SLHDSA_SHA2_192S
enum {
	TRUST_ROOT_BYTES = 48,
	TRUST_ROOT_SIGNATURE_BYTES = 16224,
	TRUST_ID_BYTES = KEY_ID_SIZE,
	TRUST_HASH_BYTES = SHA3_256_SIZE,
	TRUST_KEYS_MAX = 8,
	TRUST_REVOKED_MAX = 1024,
	TRUST_KEY_ITEM_BYTES = 17 + HYBRID_SIGN_PK_SIZE, /* role, from, until, public key */
	TRUST_NAME_MAX = 128,
};

/* A development key signs boot manifests with the development flag, a release key those without (boot.h). */
enum trust_role { ROLE_RELEASE = 1, ROLE_CERTIFIER = 2, ROLE_DEVELOPMENT = 4 };

/* Indices into the fields of each kind; tags are these plus one. */
enum key_list_field { KEYS_EPOCH, KEYS_KEYS, KEYS_REVOKED, KEY_LIST_FIELDS };
enum certificate_field {
	CERT_NAME,
	CERT_SUBJECT,
	CERT_ISSUER, /* id of the certifier's key */
	CERT_SPACES, /* names "a.b" for all of "a.b" and "a.b.…" */
	CERT_CEILING,
	CERT_FROM, /* seconds since 1970 */
	CERT_UNTIL,
	CERT_EPOCH,
	CERTIFICATE_FIELDS
};
enum capsule_field {
	CAPSULE_NAME,
	CAPSULE_VERSION,
	CAPSULE_PAYLOAD_HASH, /* SHA3-256 */
	CAPSULE_PAYLOAD_BYTES,
	CAPSULE_REQUIRED, /* capabilities it does not run without */
	CAPSULE_OPTIONAL,
	CAPSULE_ENDPOINTS,
	CAPSULE_MEMORY,       /* bytes */
	CAPSULE_CAPABILITIES, /* how many handles */
	CAPSULE_CPU,          /* thousandths of one processor */
	CAPSULE_COMMAND,
	CAPSULE_FIELDS
};
enum revocation_field { REVOKE_ISSUER, REVOKE_EPOCH, REVOKE_LEAST_EPOCH, REVOKE_IDS, REVOCATION_FIELDS };

extern const struct record_rule key_list_rules[KEY_LIST_FIELDS], certificate_rules[CERTIFICATE_FIELDS],
    capsule_rules[CAPSULE_FIELDS], revocation_rules[REVOCATION_FIELDS];

/* Contexts of the signatures. */
extern const char trust_context_keys[], trust_context_certificate[], trust_context_capsule[],
    trust_context_revocations[];

enum trust_error {
	TRUST_OK = 0,
	TRUST_FORM,       /* a record is malformed: see detail */
	TRUST_ISSUER,     /* nobody whom the root trusts with that signed it */
	TRUST_KEY_TIME,   /* the issuer's key is not valid at this time */
	TRUST_SIGNATURE,  /* the signature over it is not good */
	TRUST_CERT_TIME,  /* the certificate is not valid yet, or any more */
	TRUST_CERT_EPOCH, /* certificates of its epoch were withdrawn */
	TRUST_REVOKED,    /* it was revoked by name */
	TRUST_NAME,       /* the capsule's name is in no name space of its signer */
	TRUST_CEILING,    /* it asks for a capability that its signer may not give */
	TRUST_CAPSULE_SIGNATURE,
	TRUST_PAYLOAD,  /* the payload is not the one that was signed */
	TRUST_ROLLBACK, /* an older epoch than the one known */
};
const char *trust_error_text(enum trust_error error);

/* A key list that the root has signed. FIELDS point into the bytes it was read from. */
struct key_list {
	struct field fields[KEY_LIST_FIELDS];
	uint64_t epoch;
};
/* Reads and verifies the signed key list [BYTES, + COUNT) under the root key ROOT. LEAST_EPOCH: of the last one seen,
 * or 0. *DETAIL, where not 0, is set for TRUST_FORM. */
enum trust_error trust_key_list(struct key_list *list, const uint8_t *bytes, size_t count,
                                const uint8_t root[TRUST_ROOT_BYTES], uint64_t least_epoch,
                                enum record_error *detail);
/* Verifies SIGNATURE over the record [BYTES, + COUNT) by the key with ID, which must have ROLE at NOW (seconds since
 * 1970) and not be revoked. */
enum trust_error trust_signed_by(const struct key_list *list, const uint8_t *id, enum trust_role role,
                                 uint64_t now, const uint8_t *bytes, size_t count, const char *context,
                                 const uint8_t signature[HYBRID_SIGN_SIGNATURE_SIZE]);

/* Revocations that a certifier has signed. */
struct revocations {
	struct field fields[REVOCATION_FIELDS];
	uint64_t epoch, least_epoch;
};
enum trust_error trust_revocations(struct revocations *revocations, const struct key_list *list,
                                   const uint8_t *bytes, size_t count, uint64_t now, uint64_t least_epoch,
                                   enum record_error *detail);

/* A capsule and what was found in it. Everything points into the file. */
struct capsule {
	struct field manifest[CAPSULE_FIELDS], certificate[CERTIFICATE_FIELDS];
	const uint8_t *manifest_bytes, *certificate_bytes, *payload;
	size_t manifest_count, certificate_count;
	uint64_t payload_count;
	const uint8_t *signature, *certificate_signature;
	uint8_t certificate_id[TRUST_HASH_BYTES]; /* SHA3-256 of its record */
};
/* Whether the certificate with that ID (SHA3-256 of its record) and EPOCH is revoked: TRUST_OK, TRUST_CERT_EPOCH or TRUST_REVOKED. */
enum trust_error trust_certificate_revoked(const struct revocations *revocations,
                                           const uint8_t id[TRUST_HASH_BYTES], uint64_t epoch);
/* Finds the parts of the capsule file [BYTES, + COUNT) and reads its records; verifies nothing. */
enum trust_error trust_capsule_read(struct capsule *capsule, const uint8_t *bytes, size_t count,
                                    enum record_error *detail);
/* Reads and verifies it. REVOCATIONS may be 0: then none are known. *WRONG, where not 0, is set to the capability or
 * name at fault. */
enum trust_error trust_capsule(struct capsule *capsule, const uint8_t *bytes, size_t count,
                               const struct key_list *list, const struct revocations *revocations,
                               uint64_t now, enum record_error *detail, struct field *wrong);
/* When what vouches for the verified CAPSULE ends, in seconds since 1970: its certificate's time, or that of the key in LIST that
 * signed it, whichever comes first. */
uint64_t trust_capsule_until(const struct capsule *capsule, const struct key_list *list);
/* Whether NAME is in the name space SPACE, and whether it is a good name at all: parts of a-z, 0-9 and '-', divided by
 * dots, each beginning with a letter. */
bool trust_name_within(const struct field *name, const struct field *space);
bool trust_name_good(const struct field *name);
