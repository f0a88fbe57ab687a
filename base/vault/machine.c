/* What the machine's TPM keeps for vaults (lib/tpm/tpm_seal.h): keys, sealed to the state in which the machine was when a slot was made, and
 * for each anchored vault a note of how new it is (struct vdisk_mark), at an index that follows from the vault's name for itself and under a
 * key that follows from its master key. Whoever puts an old state of the device back cannot put the note back, and who removes the note
 * cannot make it again: a vault that says that it is anchored, and that the TPM does not know, is refused. */
#include <crypto/util.h>
#include <holon/tpm.h>
#include <tpm/tpm_seal.h>
#include "tpm.interface.h"
#include "vault.h"

#define COMMAND_NS  30000000000ull /* making the storage key takes the longest: seconds, where a TPM is slow */
#define INDEX_FIRST 0x01900000u    /* and the 2^20 above it, of those that are the owner's */
#define INDEX_MASK  0xfffffu
#define MARK_BYTES  16u

_Static_assert(TPM_SEALED_MAX == VDISK_SEALED_MAX && TPM_SECRET_SIZE == VDISK_KEY_SIZE &&
                   TPM_KEY_SIZE == VDISK_KEY_SIZE && TPM_BUFFER == TPM_COMMAND_MAX,
               "sizes are the TPM's");

static handle_t channel(void)
{
	return start_find(service.info, "tpm", 0);
}

bool machine_present(void)
{
	return channel() != 0;
}

static size_t call(void *context, const uint8_t *command, size_t count, uint8_t *answer, size_t room)
{
	const void *said;
	uint32_t bytes;
	(void)context;
	int64_t result = tpm_command(channel(), service.page, command, (uint32_t)count, &said, &bytes,
	                             clock_ns() + COMMAND_NS);
	bool good = result >= 0 && bytes <= room;
	if (good)
		memcpy(answer, said, bytes);
	explicit_bzero(service.page->bytes, TPM_BUFFER);
	return good ? bytes : 0;
}

static struct tpm tpm = {.call = call, .random = entropy_get};

static int64_t error_of(enum tpm_status status)
{
	switch (status) {
	case TPM_OK:
		return E_OK;
	case TPM_REFUSED:
		return VAULT_E_STATE;
	case TPM_UNMEASURED:
		return VAULT_E_UNMEASURED;
	case TPM_FAILED:
	case TPM_MISSING:
	case TPM_FULL:
		break;
	}
	return VAULT_E_TPM;
}

/* ---- Sealed keys ---- */

static int seal(void *context, const uint8_t *secret, uint8_t sealed[VDISK_SEALED_MAX], size_t *bytes)
{
	struct keys *keys = context;
	enum tpm_status status = tpm_seal(&tpm, secret, sealed, bytes);
	keys->machine_error = error_of(status);
	return status == TPM_OK ? VDISK_OK : VDISK_KEY;
}

static int unseal(void *context, const uint8_t *sealed, size_t bytes, uint8_t *secret)
{
	struct keys *keys = context;
	enum tpm_status status = tpm_unseal(&tpm, sealed, bytes, secret);
	keys->machine_error = error_of(status);
	return status == TPM_OK ? VDISK_OK : VDISK_KEY;
}

int64_t machine_give(struct keys *keys)
{
	if (!machine_present())
		return VAULT_E_NO_TPM;
	keys->sealer = (struct vdisk_sealer){.context = keys, .seal = seal, .unseal = unseal};
	keys->credentials.sealer = &keys->sealer;
	return E_OK;
}

/* ---- Anchors ---- */

static uint32_t index_of(const uint8_t id[VDISK_ID_SIZE])
{
	return INDEX_FIRST | (load_be32(id) & INDEX_MASK);
}

static uint32_t index_of_disk(const struct vdisk *disk)
{
	struct vdisk_info info;
	vdisk_get_info(disk, &info);
	return index_of(info.id);
}

static int find(void *context, const uint8_t id[VDISK_ID_SIZE], const uint8_t key[VDISK_KEY_SIZE],
                bool anchored, struct vdisk_mark *mark)
{
	uint8_t note[MARK_BYTES];
	(void)context;
	if (!machine_present() || tpm_note_read(&tpm, index_of(id), key, note, sizeof(note)) != TPM_OK)
		return anchored ? VDISK_STALE : VDISK_OK;
	*mark = (struct vdisk_mark){.state = load_be64(note), .slots = load_be64(note + 8)};
	return VDISK_OK;
}

const struct vdisk_keeper machine_keeper = {.find = find};

static enum tpm_status note(const struct vdisk *disk, bool make)
{
	uint8_t key[VDISK_KEY_SIZE];
	uint8_t bytes[MARK_BYTES];
	const struct vdisk_mark mark = vdisk_mark(disk);
	store_be64(bytes, mark.state);
	store_be64(bytes + 8, mark.slots);
	vdisk_anchor_key(disk, key);
	enum tpm_status status = make ? tpm_note_make(&tpm, index_of_disk(disk), key, bytes, sizeof(bytes))
	                              : tpm_note_write(&tpm, index_of_disk(disk), key, bytes, sizeof(bytes));
	explicit_bzero(key, sizeof(key));
	return status;
}

int64_t anchor_begin(struct vdisk *disk)
{
	if (!machine_present())
		return VAULT_E_NO_TPM;
	enum tpm_status status = note(disk, true);
	if (status != TPM_OK)
		return status == TPM_REFUSED ? VAULT_E_TPM : error_of(status);
	return vdisk_is_anchored(disk) ? E_OK : vault_error(vdisk_set_anchored(disk, true));
}

int64_t anchor_end(struct vdisk *disk)
{
	uint8_t key[VDISK_KEY_SIZE];
	uint8_t bytes[MARK_BYTES];
	vdisk_anchor_key(disk, key);
	/* Another vault's note may be at the index. */
	if (machine_present() &&
	    tpm_note_read(&tpm, index_of_disk(disk), key, bytes, sizeof(bytes)) == TPM_OK)
		(void)tpm_note_remove(&tpm, index_of_disk(disk));
	explicit_bzero(key, sizeof(key));
	return vdisk_is_anchored(disk) ? vault_error(vdisk_set_anchored(disk, false)) : E_OK;
}

void anchor_renew(struct vdisk *disk)
{
	if (vdisk_is_anchored(disk) && (!machine_present() || note(disk, false) != TPM_OK))
		log_print(service.log, service.page,
		          "vault: the TPM did not take how new a vault is: what it knows is older\n");
}
