/* Verification: see trust.h. */
#include "trust.h"
#include <crypto/sha3.h>

size_t strlen(const char *text); /* the loader has one, and no libc's headers */

const struct record_rule key_list_rules[KEY_LIST_FIELDS] = {
    [KEYS_EPOCH] = {1, FORM_NUMBER, false, 0, 0},
    [KEYS_KEYS] = {2, FORM_ITEMS, false, TRUST_KEY_ITEM_BYTES, TRUST_KEYS_MAX},
    [KEYS_REVOKED] = {3, FORM_ITEMS, true, TRUST_ID_BYTES, TRUST_REVOKED_MAX},
};
const struct record_rule certificate_rules[CERTIFICATE_FIELDS] = {
    [CERT_NAME] = {1, FORM_TEXT, false, 1, TRUST_NAME_MAX},
    [CERT_SUBJECT] = {2, FORM_BYTES, false, HYBRID_SIGN_PK_SIZE, HYBRID_SIGN_PK_SIZE},
    [CERT_ISSUER] = {3, FORM_BYTES, false, TRUST_ID_BYTES, TRUST_ID_BYTES},
    [CERT_SPACES] = {4, FORM_LIST, false, 0, 16},
    [CERT_CEILING] = {5, FORM_LIST, false, 0, 64},
    [CERT_FROM] = {6, FORM_NUMBER, false, 0, 0},
    [CERT_UNTIL] = {7, FORM_NUMBER, false, 0, 0},
    [CERT_EPOCH] = {8, FORM_NUMBER, false, 0, 0},
};
const struct record_rule capsule_rules[CAPSULE_FIELDS] = {
    [CAPSULE_NAME] = {1, FORM_TEXT, false, 1, TRUST_NAME_MAX},
    [CAPSULE_VERSION] = {2, FORM_TEXT, false, 1, 64},
    [CAPSULE_PAYLOAD_HASH] = {3, FORM_BYTES, false, TRUST_HASH_BYTES, TRUST_HASH_BYTES},
    [CAPSULE_PAYLOAD_BYTES] = {4, FORM_NUMBER, false, 0, 0},
    [CAPSULE_REQUIRED] = {5, FORM_LIST, true, 0, 64},
    [CAPSULE_OPTIONAL] = {6, FORM_LIST, true, 0, 64},
    [CAPSULE_ENDPOINTS] = {7, FORM_LIST, true, 0, 64},
    [CAPSULE_MEMORY] = {8, FORM_NUMBER, false, 0, 0},
    [CAPSULE_CAPABILITIES] = {9, FORM_NUMBER, false, 0, 0},
    [CAPSULE_CPU] = {10, FORM_NUMBER, false, 0, 0},
    [CAPSULE_COMMAND] = {11, FORM_TEXT, true, 1, 1024},
};
const struct record_rule revocation_rules[REVOCATION_FIELDS] = {
    [REVOKE_ISSUER] = {1, FORM_BYTES, false, TRUST_ID_BYTES, TRUST_ID_BYTES},
    [REVOKE_EPOCH] = {2, FORM_NUMBER, false, 0, 0},
    [REVOKE_LEAST_EPOCH] = {3, FORM_NUMBER, false, 0, 0},
    [REVOKE_IDS] = {4, FORM_ITEMS, true, TRUST_HASH_BYTES, TRUST_REVOKED_MAX},
};

const char trust_context_keys[] = "Holon key list", trust_context_certificate[] = "Holon certificate",
           trust_context_capsule[] = "Holon capsule", trust_context_revocations[] = "Holon revocations";

const char *trust_error_text(enum trust_error error)
{
	static const char *const texts[] = {
	    [TRUST_OK] = "good",
	    [TRUST_FORM] = "it is malformed",
	    [TRUST_ISSUER] = "it was signed by nobody whom the root trusts with that",
	    [TRUST_KEY_TIME] = "the key that signed it is not valid at this time",
	    [TRUST_SIGNATURE] = "the signature over it is not good",
	    [TRUST_CERT_TIME] = "the signer's certificate is not valid at this time",
	    [TRUST_CERT_EPOCH] = "certificates of that age were withdrawn",
	    [TRUST_REVOKED] = "the signer's certificate was revoked",
	    [TRUST_NAME] = "its name is outside its signer's name spaces",
	    [TRUST_CEILING] = "it asks for a capability that its signer may not give",
	    [TRUST_CAPSULE_SIGNATURE] = "the signer's signature over it is not good",
	    [TRUST_PAYLOAD] = "the payload is not the one that was signed",
	    [TRUST_ROLLBACK] = "it is older than one that was seen before",
	};

	return (unsigned)error < sizeof(texts) / sizeof(texts[0]) ? texts[error] : "unknown error";
}

static enum trust_error form(enum record_error error, enum record_error *detail)
{
	if (detail)
		*detail = error;
	return error ? TRUST_FORM : TRUST_OK;
}

/* ---- Names ---- */

bool trust_name_good(const struct field *name)
{
	bool start = true;

	for (uint32_t index = 0; index < name->count; index++) {
		uint8_t c = name->bytes[index];

		if (c == '.') {
			if (start)
				return false;
			start = true;
			continue;
		}
		if (!((c >= 'a' && c <= 'z') || (!start && ((c >= '0' && c <= '9') || c == '-'))))
			return false;
		start = false;
	}
	return name->count && !start;
}

bool trust_name_within(const struct field *name, const struct field *space)
{
	return name->count >= space->count && memcmp(name->bytes, space->bytes, space->count) == 0 &&
	       (name->count == space->count || name->bytes[space->count] == '.');
}

static bool list_has(const struct field *list, const struct field *wanted)
{
	struct field item;

	for (uint32_t at = 0; record_next(list, &at, &item);)
		if (item.count == wanted->count && memcmp(item.bytes, wanted->bytes, item.count) == 0)
			return true;
	return false;
}

/* ---- Keys ---- */

enum trust_error trust_key_list(struct key_list *list, const uint8_t *bytes, size_t count,
                                const uint8_t root[TRUST_ROOT_BYTES], uint64_t least_epoch,
                                enum record_error *detail)
{
	size_t record = record_size(bytes, count);
	enum trust_error error;

	if (!record || count - record != TRUST_ROOT_SIGNATURE_BYTES)
		return form(RECORD_SHORT, detail);
	/* The signature first: nothing unsigned is read into. */
	if (slhdsa_verify(TRUST_ROOT_SET, root, TRUST_ROOT_BYTES, bytes, record, trust_context_keys,
	                  sizeof(trust_context_keys) - 1, bytes + record,
	                  TRUST_ROOT_SIGNATURE_BYTES) != CRYPTO_OK)
		return TRUST_SIGNATURE;
	error =
	    form(record_read(bytes, record, RECORD_KEY_LIST, key_list_rules, KEY_LIST_FIELDS, list->fields),
	         detail);
	if (error)
		return error;
	list->epoch = record_number(&list->fields[KEYS_EPOCH]);
	return list->epoch < least_epoch ? TRUST_ROLLBACK : TRUST_OK;
}

static uint64_t number_at(const uint8_t *bytes)
{
	struct field field = {bytes, 8};

	return record_number(&field);
}

enum trust_error trust_signed_by(const struct key_list *list, const uint8_t *id, enum trust_role role,
                                 uint64_t now, const uint8_t *bytes, size_t count, const char *context,
                                 const uint8_t signature[HYBRID_SIGN_SIGNATURE_SIZE])
{
	const struct key_algorithm_info *info = key_algorithm_find(KEY_HYBRID_SIGN);
	struct field item, wanted = {id, TRUST_ID_BYTES};

	if (list_has(&list->fields[KEYS_REVOKED], &wanted))
		return TRUST_ISSUER;
	for (uint32_t at = 0; record_next(&list->fields[KEYS_KEYS], &at, &item);) {
		const uint8_t *key = item.bytes + 17;
		uint8_t own[TRUST_ID_BYTES];

		key_id(info, key, own);
		if (memcmp(own, id, sizeof(own)) != 0 || !(item.bytes[0] & role))
			continue;
		if (now < number_at(item.bytes + 1) || now >= number_at(item.bytes + 9))
			return TRUST_KEY_TIME;
		return hybrid_verify(key, HYBRID_SIGN_PK_SIZE, bytes, count, context, strlen(context),
		                     signature, HYBRID_SIGN_SIGNATURE_SIZE) == CRYPTO_OK
		           ? TRUST_OK
		           : TRUST_SIGNATURE;
	}
	return TRUST_ISSUER;
}

enum trust_error trust_revocations(struct revocations *revocations, const struct key_list *list,
                                   const uint8_t *bytes, size_t count, uint64_t now, uint64_t least_epoch,
                                   enum record_error *detail)
{
	size_t record = record_size(bytes, count);
	enum trust_error error;

	if (!record || count - record != HYBRID_SIGN_SIGNATURE_SIZE)
		return form(RECORD_SHORT, detail);
	error = form(record_read(bytes, record, RECORD_REVOCATIONS, revocation_rules, REVOCATION_FIELDS,
	                         revocations->fields),
	             detail);
	if (!error)
		error = trust_signed_by(list, revocations->fields[REVOKE_ISSUER].bytes, ROLE_CERTIFIER, now,
		                        bytes, record, trust_context_revocations, bytes + record);
	if (error)
		return error;
	revocations->epoch = record_number(&revocations->fields[REVOKE_EPOCH]);
	revocations->least_epoch = record_number(&revocations->fields[REVOKE_LEAST_EPOCH]);
	return revocations->epoch < least_epoch ? TRUST_ROLLBACK : TRUST_OK;
}

/* ---- Capsules ---- */

enum trust_error trust_capsule_read(struct capsule *capsule, const uint8_t *bytes, size_t count,
                                    enum record_error *detail)
{
	size_t manifest = record_size(bytes, count), certificate, at;
	enum trust_error error;

	if (!manifest || count - manifest < HYBRID_SIGN_SIGNATURE_SIZE)
		return form(RECORD_SHORT, detail);
	error = form(
	    record_read(bytes, manifest, RECORD_CAPSULE, capsule_rules, CAPSULE_FIELDS, capsule->manifest),
	    detail);
	if (error)
		return error;
	at = manifest + HYBRID_SIGN_SIGNATURE_SIZE;
	certificate = record_size(bytes + at, count - at);
	if (!certificate || count - at - certificate < HYBRID_SIGN_SIGNATURE_SIZE)
		return form(RECORD_SHORT, detail);
	error = form(record_read(bytes + at, certificate, RECORD_CERTIFICATE, certificate_rules,
	                         CERTIFICATE_FIELDS, capsule->certificate),
	             detail);
	if (error)
		return error;
	capsule->manifest_bytes = bytes;
	capsule->manifest_count = manifest;
	capsule->signature = bytes + manifest;
	capsule->certificate_bytes = bytes + at;
	capsule->certificate_count = certificate;
	capsule->certificate_signature = bytes + at + certificate;
	capsule->payload = bytes + at + certificate + HYBRID_SIGN_SIGNATURE_SIZE;
	capsule->payload_count = count - (size_t)(capsule->payload - bytes);
	sha3_256_hash(capsule->certificate_id, capsule->certificate_bytes, certificate);
	if (capsule->payload_count != record_number(&capsule->manifest[CAPSULE_PAYLOAD_BYTES]))
		return form(RECORD_SHORT, detail);
	return TRUST_OK;
}

enum trust_error trust_certificate_revoked(const struct revocations *revocations,
                                           const uint8_t id[TRUST_HASH_BYTES], uint64_t epoch)
{
	struct field field = {id, TRUST_HASH_BYTES};

	if (epoch < revocations->least_epoch)
		return TRUST_CERT_EPOCH;
	return list_has(&revocations->fields[REVOKE_IDS], &field) ? TRUST_REVOKED : TRUST_OK;
}

static enum trust_error certificate_check(const struct capsule *capsule, const struct key_list *list,
                                          const struct revocations *revocations, uint64_t now)
{
	const struct field *certificate = capsule->certificate;
	enum trust_error error = trust_signed_by(list, certificate[CERT_ISSUER].bytes, ROLE_CERTIFIER, now,
	                                         capsule->certificate_bytes, capsule->certificate_count,
	                                         trust_context_certificate, capsule->certificate_signature);

	if (error)
		return error;
	if (now < record_number(&certificate[CERT_FROM]) || now >= record_number(&certificate[CERT_UNTIL]))
		return TRUST_CERT_TIME;
	if (!revocations)
		return TRUST_OK;
	return trust_certificate_revoked(revocations, capsule->certificate_id,
	                                 record_number(&certificate[CERT_EPOCH]));
}

static bool name_allowed(const struct field *name, const struct field *spaces)
{
	struct field space;

	if (!trust_name_good(name))
		return false;
	for (uint32_t at = 0; record_next(spaces, &at, &space);)
		if (trust_name_within(name, &space))
			return true;
	return false;
}

static bool below_ceiling(const struct field *wanted, const struct field *ceiling, struct field *wrong)
{
	struct field item;

	for (uint32_t at = 0; record_next(wanted, &at, &item);)
		if (!list_has(ceiling, &item)) {
			*wrong = item;
			return false;
		}
	return true;
}

enum trust_error trust_capsule(struct capsule *capsule, const uint8_t *bytes, size_t count,
                               const struct key_list *list, const struct revocations *revocations,
                               uint64_t now, enum record_error *detail, struct field *wrong)
{
	enum trust_error error = trust_capsule_read(capsule, bytes, count, detail);
	const struct field *certificate = capsule->certificate;
	uint8_t hash[TRUST_HASH_BYTES];
	struct field unused;

	if (!wrong)
		wrong = &unused;
	if (!error)
		error = certificate_check(capsule, list, revocations, now);
	if (error)
		return error;
	*wrong = capsule->manifest[CAPSULE_NAME];
	if (!name_allowed(wrong, &certificate[CERT_SPACES]))
		return TRUST_NAME;
	if (!below_ceiling(&capsule->manifest[CAPSULE_REQUIRED], &certificate[CERT_CEILING], wrong) ||
	    !below_ceiling(&capsule->manifest[CAPSULE_OPTIONAL], &certificate[CERT_CEILING], wrong))
		return TRUST_CEILING;
	if (hybrid_verify(certificate[CERT_SUBJECT].bytes, HYBRID_SIGN_PK_SIZE, capsule->manifest_bytes,
	                  capsule->manifest_count, trust_context_capsule, sizeof(trust_context_capsule) - 1,
	                  capsule->signature, HYBRID_SIGN_SIGNATURE_SIZE) != CRYPTO_OK)
		return TRUST_CAPSULE_SIGNATURE;
	sha3_256_hash(hash, capsule->payload, (size_t)capsule->payload_count);
	return memcmp(hash, capsule->manifest[CAPSULE_PAYLOAD_HASH].bytes, sizeof(hash)) == 0 ? TRUST_OK
	                                                                                      : TRUST_PAYLOAD;
}

uint64_t trust_capsule_until(const struct capsule *capsule, const struct key_list *list)
{
	const struct key_algorithm_info *info = key_algorithm_find(KEY_HYBRID_SIGN);
	uint64_t until = record_number(&capsule->certificate[CERT_UNTIL]);
	struct field item;

	for (uint32_t at = 0; record_next(&list->fields[KEYS_KEYS], &at, &item);) {
		uint8_t own[TRUST_ID_BYTES];

		key_id(info, item.bytes + 17, own);
		if (memcmp(own, capsule->certificate[CERT_ISSUER].bytes, sizeof(own)) == 0 &&
		    item.bytes[0] & ROLE_CERTIFIER && number_at(item.bytes + 9) < until)
			until = number_at(item.bytes + 9);
	}
	return until;
}
