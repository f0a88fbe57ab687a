/*
 * The header: two copies at the start of every leg, in the clear but for the wrapped master keys. Slots are
 * records one after the other; each wraps the same master key under the keys of its factors. Changing a slot
 * rewrites the header and nothing else.
 */
#include <sodium.h>
#include "crypto/util.h"
#include "internal.h"

#define HEADER_VERSION 1u
#define REKEYING_VERSION                                                                                     \
	3u /* while there is a record of FACTOR_OLD_MASTER behind the slots; 2: the same with one volume alone */
#define FACTOR_OLD_MASTER 0xffu
#define SLOTS_MAX         8u

const char vdisk_magic[8] = "HolonVD\0";

struct header_disk {
	char magic[8];
	uint32_t version;
	uint32_t slot_bytes; /* used of slots[] */
	uint64_t generation;
	uint8_t id[VDISK_ID_SIZE];
	uint8_t cipher;
	uint8_t anchored; /* 1: a keeper has to know it */
	uint8_t reserved[2];
	uint32_t next_slot;
	uint8_t mac[BLAKE3_SIZE];      /* keyed by the master key, over everything but mac and checksum */
	uint8_t checksum[BLAKE3_SIZE]; /* over everything before it and the slots: tells a torn copy */
	uint8_t slots[HEADER_BYTES - 112];
};
_Static_assert(sizeof(struct header_disk) == HEADER_BYTES, "a header copy is two blocks");

struct slot_disk {
	uint32_t bytes; /* of this record, the parameters of its factors behind it */
	uint32_t number;
	uint8_t factors[2];
	uint8_t reserved[6];
	char label[32];
	uint8_t nonce[24];
	uint8_t wrapped[VDISK_KEY_SIZE + TAG_SIZE];
};

static void hash_header(const struct header_disk *header, const uint8_t *key, uint8_t digest[BLAKE3_SIZE])
{
	struct blake3 hash;
	if (key)
		blake3_init_keyed(&hash, key);
	else
		blake3_init(&hash);
	/* The checksum covers the MAC, the MAC not itself. */
	blake3_update(&hash, header,
	              key ? offsetof(struct header_disk, mac) : offsetof(struct header_disk, checksum));
	blake3_update(&hash, header->slots, sizeof(header->slots));
	blake3_final(&hash, digest, BLAKE3_SIZE);
}

static size_t slot_size(const struct slot_disk *slot)
{
	size_t size = sizeof(*slot) + factor_params_size(slot->factors[0]);
	return slot->factors[1] ? size + factor_params_size(slot->factors[1]) : size;
}

/* The record at AT, or 0 at the end or where it makes no sense. */
static const struct slot_disk *slot_at(const struct header_disk *header, size_t at, struct slot_disk *copy)
{
	if (header->slot_bytes > sizeof(header->slots) || at + sizeof(*copy) > header->slot_bytes)
		return NULL;
	memcpy(copy, header->slots + at, sizeof(*copy));
	if (!factor_params_size(copy->factors[0]) ||
	    (copy->factors[1] && !factor_params_size(copy->factors[1])) || copy->bytes != slot_size(copy) ||
	    at + copy->bytes > header->slot_bytes || copy->label[sizeof(copy->label) - 1])
		return NULL;
	return copy;
}

static void wrap_key(const uint8_t keys[2][VDISK_KEY_SIZE], const struct slot_disk *slot,
                     uint8_t key[VDISK_KEY_SIZE])
{
	blake3_derive_key(key, VDISK_KEY_SIZE, "Holon vdisk slot", 16, keys,
	                  slot->factors[1] ? 2 * VDISK_KEY_SIZE : VDISK_KEY_SIZE);
}

/* What a slot's seal binds: its head without nonce and seal, its parameters, the container. */
static size_t slot_associated(const uint8_t *record, const struct slot_disk *slot,
                              const uint8_t id[VDISK_ID_SIZE],
                              uint8_t out[sizeof(struct slot_disk) + 2 * FACTOR_PARAMS_MAX + VDISK_ID_SIZE])
{
	size_t head = offsetof(struct slot_disk, nonce);
	size_t params = slot->bytes - sizeof(*slot);
	memcpy(out, record, head);
	memcpy(out + head, record + sizeof(*slot), params);
	memcpy(out + head + params, id, VDISK_ID_SIZE);
	return head + params + VDISK_ID_SIZE;
}

static int judge(const struct header_disk *header)
{
	uint8_t digest[BLAKE3_SIZE];
	if (memcmp(header->magic, vdisk_magic, sizeof(vdisk_magic)) != 0)
		return VDISK_FORMAT;
	if (header->version < HEADER_VERSION || header->version > REKEYING_VERSION)
		return VDISK_VERSION;
	hash_header(header, NULL, digest);
	if (memcmp(digest, header->checksum, sizeof(digest)) != 0)
		return VDISK_DAMAGED;
	if (header->cipher != VDISK_CIPHER_AES_256_GCM && header->cipher != VDISK_CIPHER_XCHACHA20_POLY1305)
		return VDISK_VERSION;
	return header->slot_bytes <= sizeof(header->slots) ? VDISK_OK : VDISK_DAMAGED;
}

/* The newest good copy on a backend. */
static int read_copies(const struct vdisk_backend *backend, struct header_disk *best)
{
	int status = VDISK_FORMAT;
	struct header_disk *copy = malloc(sizeof(*copy));
	if (!copy)
		return VDISK_NO_MEMORY;
	best->generation = 0;
	for (unsigned i = 0; i < 2; i++) {
		int found =
		    backend->read(backend->context, (uint64_t)i * HEADER_BYTES, copy, HEADER_BYTES) < 0
		        ? VDISK_IO
		        : judge(copy);
		if (found == VDISK_OK && (status != VDISK_OK || copy->generation > best->generation))
			*best = *copy;
		if (status != VDISK_OK && found != VDISK_FORMAT)
			status = found;
	}
	free(copy);
	return status;
}

int header_write(struct vdisk *disk)
{
	struct header_disk *header = (struct header_disk *)(void *)disk->header;
	header->generation++;
	hash_header(header, disk->master, header->mac);
	hash_header(header, NULL, header->checksum);
	for (unsigned i = 0; i < 2; i++) {
		TRY(legs_write(disk, (uint64_t)i * HEADER_BLOCKS, header, HEADER_BLOCKS));
		TRY(legs_flush(disk));
	}
	return VDISK_OK;
}

static void derive_super_key(uint8_t key[VDISK_KEY_SIZE], const uint8_t master[VDISK_KEY_SIZE])
{
	blake3_derive_key(key, VDISK_KEY_SIZE, "Holon vdisk superblock", 22, master, VDISK_KEY_SIZE);
}

static void derive_keys(struct vdisk *disk)
{
	derive_super_key(disk->super_key, disk->master);
}

static int add_slot(struct vdisk *disk, const enum vdisk_factor factors[2],
                    const struct vdisk_credentials *credentials, const struct vdisk_cost *cost,
                    const char *label, char *words)
{
	struct header_disk *header = (struct header_disk *)(void *)disk->header;
	uint8_t record[sizeof(struct slot_disk) + 2 * FACTOR_PARAMS_MAX] = {0};
	uint8_t associated[sizeof(record) + VDISK_ID_SIZE];
	uint8_t keys[2][VDISK_KEY_SIZE] = {{0}};
	uint8_t key[VDISK_KEY_SIZE];
	struct slot_disk slot = {.factors = {(uint8_t)factors[0], (uint8_t)factors[1]}};
	if (!factor_params_size(factors[0]) || (factors[1] && !factor_params_size(factors[1])))
		return VDISK_RANGE;
	slot.number = header->next_slot;
	slot.bytes = (uint32_t)slot_size(&slot);
	if (header->slot_bytes + slot.bytes > sizeof(header->slots))
		return VDISK_LIMIT;
	size_t length = label ? strlen(label) : 0;
	memcpy(slot.label, label ? label : "", length < sizeof(slot.label) ? length : sizeof(slot.label) - 1);
	size_t at = sizeof(slot);
	int status = VDISK_OK;
	for (unsigned i = 0; i < 2 && factors[i] && status == VDISK_OK; i++) {
		status = factor_create(disk, factors[i], credentials, cost, words, record + at, keys[i]);
		at += factor_params_size(factors[i]);
	}
	if (status == VDISK_OK && disk->random(slot.nonce, sizeof(slot.nonce)) < 0)
		status = VDISK_IO;
	if (status == VDISK_OK) {
		memcpy(record, &slot, sizeof(slot));
		size_t bytes = slot_associated(record, &slot, header->id, associated);
		wrap_key((const uint8_t(*)[VDISK_KEY_SIZE])keys, &slot, key);
		crypto_aead_xchacha20poly1305_ietf_encrypt_detached(
		    slot.wrapped, slot.wrapped + VDISK_KEY_SIZE, NULL, disk->master, VDISK_KEY_SIZE,
		    associated, bytes, NULL, slot.nonce, key);
		memcpy(record, &slot, sizeof(slot));
		memcpy(header->slots + header->slot_bytes, record, slot.bytes);
		header->slot_bytes += slot.bytes;
		header->next_slot++;
	}
	crypto_wipe(keys, sizeof(keys));
	crypto_wipe(key, sizeof(key));
	return status;
}

int header_create(struct vdisk *disk, const struct vdisk_create *create,
                  const struct vdisk_credentials *credentials)
{
	struct header_disk *header = calloc(1, sizeof(*header));
	if (!header)
		return VDISK_NO_MEMORY;
	disk->header = (uint8_t *)header;
	memcpy(header->magic, vdisk_magic, sizeof(vdisk_magic));
	header->version = HEADER_VERSION;
	header->next_slot = 1;
	header->cipher = (uint8_t)disk->cipher;
	if (disk->random(header->id, sizeof(header->id)) < 0 ||
	    disk->random(disk->master, sizeof(disk->master)) < 0 ||
	    disk->random(disk->volume_keys[0], VDISK_KEY_SIZE) < 0)
		return VDISK_IO;
	memcpy(disk->volume_keys[1], disk->volume_keys[0], VDISK_KEY_SIZE);
	memcpy(disk->id, header->id, sizeof(disk->id));
	derive_keys(disk);
	return add_slot(disk, create->factors, credentials, &create->cost, create->label, NULL);
}

static bool open_slot(struct vdisk *disk, const struct header_disk *header, size_t at,
                      const struct slot_disk *slot, const struct vdisk_credentials *credentials)
{
	uint8_t associated[sizeof(*slot) + 2 * FACTOR_PARAMS_MAX + VDISK_ID_SIZE];
	uint8_t keys[2][VDISK_KEY_SIZE] = {{0}};
	uint8_t key[VDISK_KEY_SIZE];
	const uint8_t *params = header->slots + at + sizeof(*slot);
	bool good = true;
	for (unsigned i = 0; i < 2 && slot->factors[i] && good; i++) {
		good = factor_open(slot->factors[i], credentials, params, keys[i]) == VDISK_OK;
		params += factor_params_size(slot->factors[i]);
	}
	if (good) {
		size_t bytes = slot_associated(header->slots + at, slot, header->id, associated);
		wrap_key((const uint8_t(*)[VDISK_KEY_SIZE])keys, slot, key);
		good = crypto_aead_xchacha20poly1305_ietf_decrypt_detached(
		           disk->master, NULL, slot->wrapped, VDISK_KEY_SIZE, slot->wrapped + VDISK_KEY_SIZE,
		           associated, bytes, slot->nonce, key) == 0;
	}
	crypto_wipe(keys, sizeof(keys));
	crypto_wipe(key, sizeof(key));
	return good;
}

/* The newest header of all legs. A leg that is empty (a new one) is welcome, one with something else on it is
 * not. */
static int read_newest(struct vdisk *disk, struct header_disk *newest)
{
	struct header_disk *copy = malloc(sizeof(*copy));
	int status = VDISK_FORMAT;
	if (!copy)
		return VDISK_NO_MEMORY;
	newest->generation = 0;
	for (unsigned i = 0; i < disk->leg_count; i++) {
		int found = read_copies(&disk->legs[i].backend, copy);
		if (found == VDISK_OK) {
			if (status == VDISK_OK && memcmp(copy->id, newest->id, sizeof(copy->id)) != 0) {
				status = VDISK_DIVERGED;
				break;
			}
			if (status != VDISK_OK || copy->generation > newest->generation)
				*newest = *copy;
			status = VDISK_OK;
			continue;
		}
		if (found == VDISK_IO) {
			disk->legs[i].failed = true;
		} else if (found == VDISK_FORMAT) {
			const struct vdisk_backend *backend = &disk->legs[i].backend;
			if (backend->read(backend->context, 0, copy, HEADER_BYTES) < 0 ||
			    !sodium_is_zero((const uint8_t *)copy, HEADER_BYTES)) {
				status = VDISK_FORMAT;
				break;
			}
		}
		if (status != VDISK_OK && found != VDISK_FORMAT)
			status = found;
	}
	free(copy);
	return status;
}

bool header_copy_is_good(struct vdisk *disk, unsigned leg, unsigned copy)
{
	const struct vdisk_backend *backend = &disk->legs[leg].backend;
	struct header_disk *found = malloc(sizeof(*found));
	bool good =
	    found &&
	    backend->read(backend->context, (uint64_t)copy * HEADER_BYTES, found, HEADER_BYTES) >= 0 &&
	    judge(found) == VDISK_OK;
	free(found);
	return good;
}

int header_welcomes(const struct vdisk *disk, const struct vdisk_backend *backend)
{
	struct header_disk *copy = malloc(sizeof(*copy));
	if (!copy)
		return VDISK_NO_MEMORY;
	int status = read_copies(backend, copy);
	if (status == VDISK_OK)
		status = memcmp(copy->id, disk->id, sizeof(copy->id)) == 0 ? VDISK_OK : VDISK_DIVERGED;
	else if (status == VDISK_FORMAT)
		status = backend->read(backend->context, 0, copy, HEADER_BYTES) < 0 ? VDISK_IO
		         : sodium_is_zero((const uint8_t *)copy, HEADER_BYTES)      ? VDISK_OK
		                                                                    : VDISK_FORMAT;
	free(copy);
	return status;
}

/* ---- Rekeying ---- */

static void old_master_key(const struct vdisk *disk, uint8_t key[VDISK_KEY_SIZE])
{
	blake3_derive_key(key, VDISK_KEY_SIZE, "Holon vdisk old master key", 26, disk->master,
	                  VDISK_KEY_SIZE);
}

/* Opens the record behind the slots, at AT, whose key the superblocks may still need. */
static bool open_old_master(struct vdisk *disk, const struct header_disk *header, size_t at)
{
	struct slot_disk record;
	uint8_t key[VDISK_KEY_SIZE];
	uint8_t old[VDISK_KEY_SIZE];
	if (at + sizeof(record) != header->slot_bytes)
		return false;
	memcpy(&record, header->slots + at, sizeof(record));
	old_master_key(disk, key);
	bool good = record.factors[0] == FACTOR_OLD_MASTER &&
	            crypto_aead_xchacha20poly1305_ietf_decrypt_detached(
	                old, NULL, record.wrapped, VDISK_KEY_SIZE, record.wrapped + VDISK_KEY_SIZE,
	                header->id, VDISK_ID_SIZE, record.nonce, key) == 0;
	if (good)
		derive_super_key(disk->old_super_key, old);
	disk->has_old_master = good;
	crypto_wipe(key, sizeof(key));
	crypto_wipe(old, sizeof(old));
	return good;
}

static int seal_old_master(struct vdisk *disk, const uint8_t old[VDISK_KEY_SIZE])
{
	struct header_disk *header = (struct header_disk *)(void *)disk->header;
	struct slot_disk record = {.bytes = sizeof(record), .factors = {FACTOR_OLD_MASTER}};
	uint8_t key[VDISK_KEY_SIZE];
	if (header->slot_bytes + sizeof(record) > sizeof(header->slots))
		return VDISK_LIMIT;
	if (disk->random(record.nonce, sizeof(record.nonce)) < 0)
		return VDISK_IO;
	old_master_key(disk, key);
	crypto_aead_xchacha20poly1305_ietf_encrypt_detached(record.wrapped, record.wrapped + VDISK_KEY_SIZE,
	                                                    NULL, old, VDISK_KEY_SIZE, header->id,
	                                                    VDISK_ID_SIZE, NULL, record.nonce, key);
	crypto_wipe(key, sizeof(key));
	memcpy(header->slots + header->slot_bytes, &record, sizeof(record));
	header->slot_bytes += sizeof(record);
	header->version = REKEYING_VERSION;
	return VDISK_OK;
}

int header_rekey(struct vdisk *disk, const enum vdisk_factor factors[2],
                 const struct vdisk_credentials *credentials, const struct vdisk_cost *cost,
                 const char *label, char *words)
{
	struct header_disk *header = (struct header_disk *)(void *)disk->header;
	struct header_disk *before = malloc(sizeof(*before));
	uint8_t old[VDISK_KEY_SIZE];
	if (!before)
		return VDISK_NO_MEMORY;
	*before = *header;
	memcpy(old, disk->master, sizeof(old));
	int status = disk->random(disk->master, sizeof(disk->master)) < 0 ? VDISK_IO : VDISK_OK;
	memset(header->slots, 0, sizeof(header->slots));
	header->slot_bytes = 0;
	if (status == VDISK_OK)
		status = add_slot(disk, factors, credentials, cost, label, words);
	if (status == VDISK_OK && !SEEDED(BUG_REKEY_FORGETS_MASTER))
		status = seal_old_master(disk, old);
	if (status < 0) { /* nothing was written: all is as it was */
		*header = *before;
		memcpy(disk->master, old, sizeof(old));
	} else {
		memcpy(disk->old_super_key, disk->super_key, sizeof(disk->super_key));
		disk->has_old_master = true;
		derive_keys(disk);
		status = mark_broken(disk, header_write(disk));
	}
	crypto_wipe(old, sizeof(old));
	free(before);
	return status;
}

int header_rekeyed(struct vdisk *disk)
{
	struct header_disk *header = (struct header_disk *)(void *)disk->header;
	struct slot_disk slot;
	size_t at = 0;
	while (slot_at(header, at, &slot))
		at += slot.bytes;
	memset(header->slots + at, 0, sizeof(header->slots) - at);
	header->slot_bytes = (uint32_t)at;
	header->version = HEADER_VERSION;
	TRY(header_write(disk));
	disk->has_old_master = false;
	crypto_wipe(disk->old_super_key, sizeof(disk->old_super_key));
	return VDISK_OK;
}

int header_open(struct vdisk *disk, const struct vdisk_credentials *credentials)
{
	struct header_disk *header = calloc(1, sizeof(*header));
	struct slot_disk slot;
	uint8_t mac[BLAKE3_SIZE];
	if (!header)
		return VDISK_NO_MEMORY;
	disk->header = (uint8_t *)header;
	TRY(read_newest(disk, header));
	memcpy(disk->id, header->id, sizeof(disk->id));
	TRY(cipher_init(disk, header->cipher));
	if (disk->cipher == VDISK_CIPHER_AES_256_GCM && !disk->has_aes)
		return VDISK_VERSION;
	bool good = false;
	for (size_t at = 0; !good && slot_at(header, at, &slot); at += slot.bytes)
		good = open_slot(disk, header, at, &slot, credentials);
	if (!good)
		return VDISK_KEY;
	derive_keys(disk);
	hash_header(header, disk->master, mac);
	if (!crypto_equal(mac, header->mac, sizeof(mac)))
		return VDISK_DAMAGED;
	size_t end = 0;
	while (slot_at(header, end, &slot))
		end += slot.bytes;
	return header->version == HEADER_VERSION || open_old_master(disk, header, end) ? VDISK_OK
	                                                                               : VDISK_DAMAGED;
}

/* ---- Anchors ---- */

struct vdisk_mark vdisk_mark(const struct vdisk *disk)
{
	const struct header_disk *header = (const struct header_disk *)(const void *)disk->header;
	return (struct vdisk_mark){.state = vdisk_anchor(disk), .slots = header->generation};
}

void vdisk_anchor_key(const struct vdisk *disk, uint8_t key[VDISK_KEY_SIZE])
{
	blake3_derive_key(key, VDISK_KEY_SIZE, "Holon vdisk anchor", 18, disk->master, VDISK_KEY_SIZE);
}

int vdisk_set_anchored(struct vdisk *disk, bool anchored)
{
	struct header_disk *header = (struct header_disk *)(void *)disk->header;
	if (disk->read_only)
		return VDISK_READ_ONLY;
	header->anchored = anchored;
	return header_write(disk);
}

bool vdisk_is_anchored(const struct vdisk *disk)
{
	return ((const struct header_disk *)(const void *)disk->header)->anchored != 0;
}

/* ---- Slots, for people ---- */

static int list(const struct header_disk *header, struct vdisk_slot_info *slots, unsigned room,
                unsigned *count)
{
	struct slot_disk slot;
	*count = 0;
	for (size_t at = 0; *count < room && slot_at(header, at, &slot); at += slot.bytes) {
		struct vdisk_slot_info *info = &slots[(*count)++];
		*info = (struct vdisk_slot_info){.number = slot.number,
		                                 .factors = {slot.factors[0], slot.factors[1]}};
		memcpy(info->label, slot.label, sizeof(info->label));
	}
	return VDISK_OK;
}

int vdisk_slot_list(struct vdisk *disk, struct vdisk_slot_info *slots, unsigned room, unsigned *count)
{
	return list((const struct header_disk *)(const void *)disk->header, slots, room, count);
}

int vdisk_slot_add(struct vdisk *disk, const enum vdisk_factor factors[2],
                   const struct vdisk_credentials *credentials, const struct vdisk_cost *cost,
                   const char *label, char *words)
{
	struct vdisk_slot_info slots[SLOTS_MAX];
	unsigned count;
	TRY(vdisk_slot_list(disk, slots, SLOTS_MAX, &count));
	if (count == SLOTS_MAX)
		return VDISK_LIMIT;
	if (disk->read_only)
		return VDISK_READ_ONLY;
	if (vdisk_is_rekeying(disk))
		return VDISK_BUSY;
	TRY(add_slot(disk, factors, credentials, cost, label, words));
	return header_write(disk);
}

int vdisk_slot_remove(struct vdisk *disk, uint32_t number)
{
	struct header_disk *header = (struct header_disk *)(void *)disk->header;
	struct slot_disk slot;
	if (disk->read_only)
		return VDISK_READ_ONLY;
	if (vdisk_is_rekeying(disk))
		return VDISK_BUSY;
	for (size_t at = 0; slot_at(header, at, &slot); at += slot.bytes) {
		if (slot.number != number)
			continue;
		if (slot.bytes == header->slot_bytes)
			return VDISK_BUSY;
		memmove(header->slots + at, header->slots + at + slot.bytes,
		        header->slot_bytes - at - slot.bytes);
		header->slot_bytes -= slot.bytes;
		memset(header->slots + header->slot_bytes, 0, slot.bytes);
		return header_write(disk);
	}
	return VDISK_NOT_FOUND;
}

int vdisk_probe(const struct vdisk_backend *backend, struct vdisk_slot_info *slots, unsigned room,
                unsigned *count, uint8_t id[VDISK_ID_SIZE])
{
	struct header_disk *header = calloc(1, sizeof(*header));
	*count = 0;
	if (!header)
		return VDISK_NO_MEMORY;
	int status = read_copies(backend, header);
	if (status == VDISK_OK) {
		memcpy(id, header->id, VDISK_ID_SIZE);
		status = list(header, slots, room, count);
	}
	free(header);
	return status;
}
