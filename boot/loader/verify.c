/* See verify.h for the order. Everything points into the bundle; nothing is copied but what the caller keeps. */
#include "verify.h"

#include "bundle.h"
#include "string.h"

static const uint8_t *entry_bytes(const struct bundle_header *bundle, const struct bundle_entry *entry)
{
	return (const uint8_t *)bundle + entry->offset;
}

static const char *fault(enum trust_error error, enum record_error detail)
{
	return error == TRUST_FORM ? record_error_text(detail) : trust_error_text(error);
}

static const char *parts_verify(const struct bundle_header *bundle, const struct boot_manifest *manifest,
                                char wrong[BUNDLE_NAME_MAX])
{
	unsigned found = 0;
	for (uint32_t i = 0; i < bundle->entry_count; i++) {
		const struct bundle_entry *entry = &bundle->entries[i];
		if (!strcmp(entry->name, BUNDLE_KEYS) || !strcmp(entry->name, BUNDLE_MANIFEST))
			continue;
		enum trust_error error =
		    trust_boot_part(manifest, entry->name, entry_bytes(bundle, entry), entry->size);
		if (error) {
			memcpy(wrong, entry->name, BUNDLE_NAME_MAX);
			return error == TRUST_NAME ? "it was not signed"
			                           : "it is not the one that was signed";
		}
		found++;
	}
	return found == trust_boot_parts(manifest) ? NULL : "a part that was signed is missing";
}

const char *bundle_verify(const struct bundle_header *bundle, uint64_t available,
                          const struct verify_policy *policy, struct verified *verified)
{
	struct key_list list;
	struct boot_manifest manifest;
	enum record_error detail = RECORD_OK;
	memset(verified, 0, sizeof(*verified));
	const char *why = bundle_check(bundle, available);
	if (why)
		return why;
	const struct bundle_entry *keys = bundle_find(bundle, BUNDLE_KEYS);
	const struct bundle_entry *signature = bundle_find(bundle, BUNDLE_MANIFEST);
	if (!keys || !signature)
		return "it is not signed";
	memcpy(verified->part, keys->name, BUNDLE_NAME_MAX);
	enum trust_error error = trust_key_list(&list, entry_bytes(bundle, keys), (size_t)keys->size,
	                                        policy->root, policy->least_epoch, &detail);
	if (error)
		return fault(error, detail);
	memcpy(verified->part, signature->name, BUNDLE_NAME_MAX);
	error = trust_boot(&manifest, &list, entry_bytes(bundle, signature), (size_t)signature->size,
	                   policy->least_rollback, &detail);
	if (error)
		return fault(error, detail);
	memset(verified->part, 0, BUNDLE_NAME_MAX);
	why = parts_verify(bundle, &manifest, verified->part);
	if (why)
		return why;
	verified->development = manifest.flags & BOOT_DEVELOPMENT;
	verified->rollback = manifest.rollback;
	verified->epoch = list.epoch;
	memcpy(verified->signer, manifest.fields[BOOT_SIGNER].bytes, TRUST_ID_BYTES);
	memcpy(verified->build, manifest.fields[BOOT_BUILD].bytes, manifest.fields[BOOT_BUILD].count);
	return NULL;
}
