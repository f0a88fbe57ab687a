/* What opens a vault: the credentials that people give, and the calls of abi/vault.interface on key slots. */
#include "vault.h"

_Static_assert((int)VAULT_FACTOR_OPEN == VDISK_FACTOR_OPEN &&
                   (int)VAULT_FACTOR_PASSPHRASE == VDISK_FACTOR_PASSPHRASE &&
                   (int)VAULT_FACTOR_WORDS == VDISK_FACTOR_RECOVERY &&
                   (int)VAULT_FACTOR_KEY_FILE == VDISK_FACTOR_KEY_FILE &&
                   (int)VAULT_FACTOR_SECRET_FILE == VDISK_FACTOR_SECRET_FILE &&
                   (int)VAULT_FACTOR_MACHINE == VDISK_FACTOR_MACHINE &&
                   (int)VAULT_FACTOR_SEALED == VDISK_FACTOR_SEALED,
               "factors are the library's");

int64_t keys_take(struct keys *keys, const void *data, uint32_t bytes)
{
	struct vault_credentials head;
	memset(keys, 0, sizeof(*keys));
	if (bytes < sizeof(head) || bytes > VAULT_CREDENTIALS_MAX)
		return E_ARGUMENT;
	memcpy(&head, data, sizeof(head));
	uint64_t sum = (uint64_t)head.passphrase_bytes + head.words_bytes + head.key_file_bytes;
	if (head.flags & ~(uint32_t)VAULT_CREDENTIAL_MACHINE || sum != bytes - sizeof(head))
		return E_ARGUMENT;
	int64_t result = head.flags & VAULT_CREDENTIAL_MACHINE ? machine_give(keys) : E_OK;
	if (result < 0)
		return result;
	keys->credentials.helper = &turn_helper;
	const uint8_t *from = (const uint8_t *)data + sizeof(head);
	uint8_t *to = keys->bytes;
	if (head.passphrase_bytes) {
		keys->credentials.passphrase = memcpy(to, from, head.passphrase_bytes);
		keys->credentials.passphrase_bytes = head.passphrase_bytes;
		to += head.passphrase_bytes + 1;
		from += head.passphrase_bytes;
	}
	if (head.words_bytes) {
		keys->credentials.recovery_words = memcpy(to, from, head.words_bytes);
		to += head.words_bytes + 1; /* which is NUL */
		from += head.words_bytes;
	}
	if (head.key_file_bytes) {
		keys->credentials.key_file = memcpy(to, from, head.key_file_bytes);
		keys->credentials.key_file_bytes = head.key_file_bytes;
	}
	return E_OK;
}

int64_t keys_factors(const struct keys *keys, bool draws, enum vdisk_factor factors[2])
{
	int status = vdisk_credentials_factors(&keys->credentials, draws, factors);
	return status == VDISK_LIMIT ? E_ARGUMENT : vault_error(status);
}

int64_t keys_error(const struct keys *keys, int status)
{
	return status == VDISK_KEY && keys->machine_error < 0 ? keys->machine_error : vault_error(status);
}

void keys_wipe(struct keys *keys)
{
	explicit_bzero(keys, sizeof(*keys));
}

int64_t keys_slots(void *context, uint64_t badge, uint32_t index, const char *name, const void **info,
                   uint32_t *bytes)
{
	static struct vault_slot reply;
	struct vdisk_slot_info slots[8];
	unsigned count = 0;
	struct vault *vault = vault_find(name);
	(void)context, (void)badge;
	if (!vault)
		return FILE_E_NOT_FOUND;
	int64_t result =
	    vault_error(vdisk_slot_list(vault->disk, slots, sizeof(slots) / sizeof(slots[0]), &count));
	if (result < 0)
		return result;
	if (index >= count)
		return E_NOT_FOUND;
	reply = (struct vault_slot){.number = slots[index].number,
	                            .factors = {slots[index].factors[0], slots[index].factors[1]}};
	memcpy(reply.label, slots[index].label, sizeof(reply.label));
	*info = &reply;
	*bytes = sizeof(reply);
	return E_OK;
}

/* What slot_add() and rekey() have in common: a slot by what a person gave or by words that are drawn, for ADD. */
typedef int (*slot_adder)(struct vdisk *disk, const enum vdisk_factor factors[2],
                          const struct vdisk_credentials *credentials, const struct vdisk_cost *cost,
                          const char *label, char *words);

/* The slots of DISK have changed: where it is anchored, the header before is refused from now on. NEW_KEYS change the anchor's, too: the
 * TPM has to know it anew, and a cut before that leaves a vault that it does not know. What fails here undoes no slot. */
static void anchor_slots(struct vdisk *disk, bool new_keys)
{
	if (!new_keys || !vdisk_is_anchored(disk) || anchor_begin(disk) < 0)
		anchor_renew(disk); /* after anchor_begin(): it says what is wrong */
}

static int64_t slot_make(slot_adder add, uint32_t flags, uint32_t cost_kib, const char *name,
                         const char *label, const void *credentials, uint32_t credentials_bytes,
                         const void **words, uint32_t *bytes)
{
	static struct keys keys;
	static char drawn[VDISK_RECOVERY_WORDS_SIZE];
	char own_label[sizeof(((struct vault_slot *)0)->label)] = "";
	struct vault *vault = vault_find(name);
	bool draws = flags & VAULT_WORDS;
	if (!vault)
		return FILE_E_NOT_FOUND;
	if (flags & ~(uint32_t)VAULT_WORDS || strnlen(label, sizeof(own_label)) == sizeof(own_label))
		return E_ARGUMENT;
	memcpy(own_label, label, strlen(label) + 1); /* the page is used by the device's calls */
	int64_t result = keys_take(&keys, credentials, credentials_bytes);
	enum vdisk_factor factors[2];
	if (result >= 0)
		result = keys_factors(&keys, draws, factors);
	memset(drawn, 0, sizeof(drawn));
	if (result >= 0) {
		const struct vdisk_cost cost = {.memory_kib = cost_kib, .passes = cost_kib ? 4 : 0};
		result =
		    keys_error(&keys, add(vault->disk, factors, &keys.credentials, &cost, own_label, drawn));
	}
	if (result >= 0)
		anchor_slots(vault->disk, add == vdisk_rekey_begin);
	keys_wipe(&keys);
	*words = drawn;
	*bytes = draws && result >= 0 ? (uint32_t)strlen(drawn) + 1 : 0;
	return result;
}

int64_t keys_slot_add(void *context, uint64_t badge, uint32_t flags, uint32_t cost_kib, const char *name,
                      const char *label, const void *credentials, uint32_t credentials_bytes,
                      const void **words, uint32_t *bytes)
{
	(void)context, (void)badge;
	return slot_make(vdisk_slot_add, flags, cost_kib, name, label, credentials, credentials_bytes, words,
	                 bytes);
}

int64_t keys_rekey(void *context, uint64_t badge, uint32_t flags, uint32_t cost_kib, const char *name,
                   const char *label, const void *credentials, uint32_t credentials_bytes, const void **words,
                   uint32_t *bytes)
{
	struct vault *vault = vault_find(name);
	(void)context, (void)badge;
	/* What is written up to now goes with it. */
	int status = vault && !vault->read_only ? holonfs_sync(vault->fs) : 0;
	if (status < 0)
		return file_error(status);
	return slot_make(vdisk_rekey_begin, flags, cost_kib, name, label, credentials, credentials_bytes,
	                 words, bytes);
}

int64_t keys_slot_remove(void *context, uint64_t badge, uint32_t number, const char *name)
{
	struct vault *vault = vault_find(name);
	(void)context, (void)badge;
	if (!vault)
		return FILE_E_NOT_FOUND;
	int64_t result = vault_error(vdisk_slot_remove(vault->disk, number));
	if (result >= 0)
		anchor_slots(vault->disk, false);
	return result;
}
