/* Whom this system trusts with capsules. The roots are those of the boot manifest, which the loader verified and no program here can
 * change; the list of keys is the boot's, until a newer one of the same root is taken. Kept lists are verified each time that they
 * are read: a directory that programs can write to cannot make anything trusted, and a kept list that is damaged stops all rather
 * than be forgotten. */
#include "capsule.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <trust/show.h>
#include "../subkernel/libholon.h"

#define KEYS        ".keys"
#define REVOCATIONS ".revocations"

static struct bytes signed_by_boot(enum holon_signed what, uint8_t buffer[CAPSULE_LIST_FILE_MAX],
                                   uint64_t *now)
{
	long got = holon_signed(what, buffer, CAPSULE_LIST_FILE_MAX, now);

	if (got < 0)
		stop(CAPSULE_IMPOSSIBLE, "%s",
		     errno == ENOSYS   ? "this is not Holon"
		     : errno == EPERM  ? "this sub-kernel may have no sub-kernels, and capsules run in some"
		     : errno == ENOENT ? "this system started without signatures: there is nobody to trust"
		                       : strerror(errno));
	return (struct bytes){buffer, (size_t)got};
}

/* A root's name in files. */
static void root_name(char name[17], const uint8_t *root)
{
	for (unsigned byte = 0; byte < 8; byte++)
		snprintf(name + 2 * byte, 3, "%02x", root[byte]);
}

static const char *refusal(enum trust_error error, enum record_error detail, const struct field *wrong)
{
	static char text[TRUST_REFUSAL_MAX];

	if (!error)
		return 0;
	trust_refusal(text, sizeof(text), error, detail, wrong);
	return text;
}

/* The place of ROOT, a new one for a new root. */
static struct anchor *anchor_of(struct anchors *anchors, const uint8_t *root)
{
	for (unsigned index = 0; index < BOOT_ROOTS_MAX; index++) {
		struct anchor *anchor = &anchors->at[index];

		if (!anchor->root)
			anchor->root = root;
		if (memcmp(anchor->root, root, TRUST_ROOT_BYTES) == 0)
			return anchor;
	}
	abort(); /* the manifest has no more of them */
}

/* Takes a list that is not older than the one in use. */
static enum trust_error take_keys(struct anchors *anchors, struct bytes bytes, enum record_error *detail,
                                  struct anchor **taken)
{
	struct key_list list;
	const uint8_t *root;
	enum trust_error error = trust_capsule_keys(&list, &root, anchors->manifest.at,
	                                            anchors->manifest.count, bytes.at, bytes.count, detail);

	if (error)
		return error;
	*taken = anchor_of(anchors, root);
	if ((*taken)->list_bytes.at && list.epoch < (*taken)->list.epoch)
		return TRUST_ROLLBACK;
	(*taken)->list = list;
	(*taken)->list_bytes = bytes;
	return TRUST_OK;
}

/* The same of revocations, which a certifier of one of the lists signed. */
static enum trust_error take_revocations(struct anchors *anchors, struct bytes bytes,
                                         enum record_error *detail, struct anchor **taken)
{
	enum trust_error first = TRUST_ISSUER;

	for (unsigned index = 0; index < BOOT_ROOTS_MAX && anchors->at[index].root; index++) {
		struct anchor *anchor = &anchors->at[index];
		const uint64_t least = anchor->revocations_bytes.at ? anchor->revocations.epoch : 0;
		struct revocations revocations;
		enum trust_error error = trust_revocations(&revocations, &anchor->list, bytes.at, bytes.count,
		                                           anchors->now, least, detail);

		if (!error) {
			anchor->revocations = revocations;
			anchor->revocations_bytes = bytes;
			*taken = anchor;
			return TRUST_OK;
		}
		if (first == TRUST_ISSUER)
			first = error;
	}
	return first;
}

struct looking {
	struct anchors *anchors;
	bool revocations;
};

/* A kept list. That of a root that this system does not have waits for one that does. */
static void look_at(const struct store *store, const char *name, void *context)
{
	struct looking *looking = context;
	const char *suffix = looking->revocations ? REVOCATIONS : KEYS;
	struct anchor *taken = 0;
	enum record_error detail = RECORD_OK;
	bool ours = false;

	for (unsigned index = 0; index < BOOT_ROOTS_MAX && looking->anchors->at[index].root; index++) {
		char known[17];

		root_name(known, looking->anchors->at[index].root);
		ours |= strcmp(known, name) == 0;
	}
	if (!ours && looking->revocations)
		return;

	struct bytes bytes = store_read(store, name, suffix, CAPSULE_LIST_FILE_MAX);
	enum trust_error error = !bytes.at ? TRUST_OK
	                         : looking->revocations
	                             ? take_revocations(looking->anchors, bytes, &detail, &taken)
	                             : take_keys(looking->anchors, bytes, &detail, &taken);

	if (error && error != TRUST_ROLLBACK && (ours || error != TRUST_ISSUER))
		stop(CAPSULE_REFUSED,
		     "the kept list %s/%s%s is not to be trusted: %s. Nothing runs until a good one is "
		     "taken: delete it and say "
		     "'capsule %s FILE' with the newest list",
		     store->path, name, suffix, refusal(error, detail, &(struct field){0}),
		     looking->revocations ? "revoke" : "keys");
}

void anchors_open(struct anchors *anchors, const struct stores *stores)
{
	static uint8_t buffers[2][CAPSULE_LIST_FILE_MAX];
	struct looking looking = {anchors, false};
	enum record_error detail = RECORD_OK;
	struct anchor *taken;

	*anchors = (struct anchors){0};
	anchors->manifest = signed_by_boot(HOLON_SIGNED_MANIFEST, buffers[0], 0);

	struct bytes keys = signed_by_boot(HOLON_SIGNED_KEYS, buffers[1], &anchors->now);
	enum trust_error error = take_keys(anchors, keys, &detail, &taken);

	/* The root that signed the boot need not be one for capsules. */
	if (error && error != TRUST_ISSUER)
		stop(CAPSULE_IMPOSSIBLE, "the boot's key list is not to be trusted: %s",
		     refusal(error, detail, &(struct field){0}));
	if (!anchors->now)
		stop(CAPSULE_IMPOSSIBLE,
		     "this machine has no clock: nothing says which certificates are valid");
	for (unsigned index = 0; index < stores->count; index++)
		store_each(&stores->at[index], KEYS, look_at, &looking);
	looking.revocations = true;
	for (unsigned index = 0; index < stores->count; index++)
		store_each(&stores->at[index], REVOCATIONS, look_at, &looking);
}

const char *anchors_check(const struct anchors *anchors, struct capsule *capsule, struct bytes bytes,
                          uint64_t *until)
{
	enum trust_error first = TRUST_ISSUER;
	enum record_error first_detail = RECORD_OK;
	struct field first_wrong = {0};

	for (unsigned index = 0; index < BOOT_ROOTS_MAX && anchors->at[index].root; index++) {
		const struct anchor *anchor = &anchors->at[index];
		enum record_error detail = RECORD_OK;
		struct field wrong = {0};
		enum trust_error error = trust_capsule(
		    capsule, bytes.at, bytes.count, &anchor->list,
		    anchor->revocations_bytes.at ? &anchor->revocations : 0, anchors->now, &detail, &wrong);

		if (!error) {
			*until = trust_capsule_until(capsule, &anchor->list);
			return 0;
		}
		if (first == TRUST_ISSUER) {
			first = error;
			first_detail = detail;
			first_wrong = wrong;
		}
	}
	return refusal(first, first_detail, &first_wrong);
}

static void keep(const struct anchor *anchor, const struct stores *stores, const char *suffix,
                 struct bytes bytes)
{
	char name[17];

	root_name(name, anchor->root);
	for (unsigned index = 0; index < stores->count; index++)
		store_write(&stores->at[index], name, suffix, bytes.at, bytes.count);
}

const char *anchors_take_keys(struct anchors *anchors, const struct stores *stores, struct bytes bytes)
{
	enum record_error detail = RECORD_OK;
	struct anchor *taken;
	enum trust_error error = take_keys(anchors, bytes, &detail, &taken);

	if (error)
		return refusal(error, detail, &(struct field){0});
	keep(taken, stores, KEYS, bytes);
	return 0;
}

const char *anchors_take_revocations(struct anchors *anchors, const struct stores *stores, struct bytes bytes)
{
	enum record_error detail = RECORD_OK;
	struct anchor *taken;
	enum trust_error error = take_revocations(anchors, bytes, &detail, &taken);

	if (error)
		return refusal(error, detail, &(struct field){0});
	keep(taken, stores, REVOCATIONS, bytes);
	return 0;
}

const char *anchors_revoked(const struct anchors *anchors, const uint8_t certificate[TRUST_HASH_BYTES],
                            uint64_t epoch)
{
	for (unsigned index = 0; index < BOOT_ROOTS_MAX && anchors->at[index].root; index++) {
		const struct anchor *anchor = &anchors->at[index];
		enum trust_error error =
		    anchor->revocations_bytes.at
		        ? trust_certificate_revoked(&anchor->revocations, certificate, epoch)
		        : TRUST_OK;

		if (error)
			return trust_error_text(error);
	}
	return 0;
}
