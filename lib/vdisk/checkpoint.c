/*
 * Full commits and opening. A checkpoint writes every changed node and page to new places, flushes, and then
 * names them all by one sealed superblock, written to one of two slots and flushed: until that flush the
 * other slot tells the state before, of which nothing was overwritten. The second slot follows, so that keys
 * which the new state has no more are nowhere left.
 */
#include <sodium.h>
#include "internal.h"

struct super_aad {
	uint8_t id[VDISK_ID_SIZE];
	uint64_t kind;
};

static struct super_aad super_associated(const struct vdisk *disk)
{
	struct super_aad data = {.kind = KIND_SUPER};
	memcpy(data.id, disk->id, sizeof(data.id));
	return data;
}

int mark_broken(struct vdisk *disk, int status)
{
	if (status < 0 && !disk->broken)
		disk->broken = status;
	return status;
}

static uint32_t present_legs(const struct vdisk *disk)
{
	uint32_t present = 0;
	for (unsigned i = 0; i < disk->leg_count; i++)
		present |= (uint32_t)!disk->legs[i].failed << i;
	return present;
}

/* Before a commit: a new era, where a leg has no part in it that had one in the last. */
static int era_settle(struct vdisk *disk)
{
	struct era *era = &disk->era;
	for (unsigned i = 0; i < disk->leg_count; i++) {
		disk->era_ends |= disk->legs[i].in_era && disk->legs[i].failed;
		disk->legs[i].in_era = !disk->legs[i].failed;
	}
	if (!disk->era_ends)
		return VDISK_OK;
	memmove(era->past[1], era->past[0], sizeof(era->past) - sizeof(era->past[0]));
	memcpy(era->past[0], era->name, sizeof(era->name));
	if (disk->random(era->name, sizeof(era->name)) < 0)
		return VDISK_IO;
	disk->era_ends = false;
	return VDISK_OK;
}

static int write_super(struct vdisk *disk, unsigned slot)
{
	struct super_disk body = {
	    .generation = disk->generation,
	    .log_first = disk->log_first,
	    .end = disk->end,
	    .used = disk->used,
	    .next_volume = disk->next_volume,
	    .active_volume = disk->volume.number,
	    .leg_count = disk->leg_count,
	    .legs_present = present_legs(disk),
	};
	struct super_sealed sealed = {.leg = 0};
	struct super_aad data = super_associated(disk);
	uint8_t plain[sizeof(sealed.body)] = {0};
	memcpy(body.state, disk->state, sizeof(body.state));
	memcpy(body.previous_state, disk->previous_state, sizeof(body.state));
	body.era = disk->era;
	memcpy(body.volume_key, disk->volume_keys[disk->key_number], sizeof(body.volume_key));
	body.key_flags = (disk->key_number ? SUPER_KEY_BIT : 0) | (disk->rekeying ? SUPER_REKEYING : 0) |
	                 (disk->rekeyed ? SUPER_REKEYED : 0);
	body.rekey_next = disk->rekey_next;
	body.rekey_page = disk->rekey_page;
	body.rekey_volume = disk->rekey_volume;
	if (disk->rekeying)
		memcpy(body.old_volume_key, disk->volume_keys[!disk->key_number],
		       sizeof(body.old_volume_key));
	memcpy(body.log_key, disk->log_key, sizeof(body.log_key));
	tree_store(&disk->counts, &body.counts);
	tree_store(&disk->catalogue, &body.catalogue);
	memcpy(plain, &body, sizeof(body));
	if (disk->random(sealed.nonce, sizeof(sealed.nonce)) < 0)
		return VDISK_IO;
	crypto_aead_xchacha20poly1305_ietf_encrypt_detached(
	    sealed.body, sealed.tag, NULL, plain, sizeof(plain), (const uint8_t *)&data, sizeof(data), NULL,
	    sealed.nonce, disk->super_key);
	sodium_memzero(&body, sizeof(body));
	sodium_memzero(plain, sizeof(plain));
	return legs_write(disk, SUPER_FIRST + slot, &sealed, 1);
}

static bool open_super_under(struct vdisk *disk, const uint8_t *key, const struct super_sealed *sealed,
                             struct super_disk *super)
{
	uint8_t plain[sizeof(sealed->body)];
	struct super_aad data = super_associated(disk);
	bool good = crypto_aead_xchacha20poly1305_ietf_decrypt_detached(
	                plain, NULL, sealed->body, sizeof(plain), sealed->tag, (const uint8_t *)&data,
	                sizeof(data), sealed->nonce, key) == 0;
	if (!good && SEEDED(BUG_TAG_NOT_CHECKED)) {
		memcpy(plain, sealed->body, sizeof(plain));
		good = true;
	}
	memcpy(super, plain, sizeof(*super));
	sodium_memzero(plain, sizeof(plain));
	return good;
}

static bool open_super(struct vdisk *disk, const struct super_sealed *sealed, struct super_disk *super)
{
	return open_super_under(disk, disk->super_key, sealed, super) ||
	       (disk->has_old_master && open_super_under(disk, disk->old_super_key, sealed, super));
}

/* The open volume's record gets a new place in the catalogue; what it says is written later. */
static int place_volume(struct vdisk *disk, uint64_t *place)
{
	struct entry entry = {.key = disk->volume.number};
	struct entry old;
	TRY(space_allocate(disk, &entry.place));
	TRY(tree_set(disk, &disk->catalogue, &entry, &old));
	*place = entry.place;
	return old.place ? space_drop(disk, old.place & PLACE_MASK) : VDISK_OK;
}

static int write_volume(struct vdisk *disk, uint64_t place)
{
	struct entry entry = {.key = disk->volume.number, .place = place};
	uint8_t plain[VDISK_BLOCK] = {0};
	uint8_t sealed[VDISK_BLOCK];
	tree_store(&disk->map, &disk->volume.map);
	memcpy(plain, &disk->volume, sizeof(disk->volume));
	cipher_seal(disk, &entry, KIND_VOLUME, entry.key, plain, sealed);
	TRY(legs_write(disk, place, sealed, 1));
	return tree_amend(disk, &disk->catalogue, &entry);
}

static int write_all(struct vdisk *disk)
{
	uint64_t volume_place;
	TRY(log_free(disk));
	TRY(log_start(disk));
	TRY(place_volume(disk, &volume_place));
	TRY(space_place_pages(disk));
	/* Point of no return for places: nothing is allocated or dropped below. */
	TRY(era_settle(disk));
	disk->generation++;
	memcpy(disk->previous_state, disk->state, sizeof(disk->state));
	if (disk->random(disk->state, sizeof(disk->state)) < 0)
		return VDISK_IO;
	unsigned slot = SEEDED(BUG_SAME_SUPER_SLOT) ? 0 : disk->generation & 1;
	TRY(node_write_tree(disk, &disk->map));
	TRY(write_volume(disk, volume_place));
	TRY(space_write_pages(disk));
	TRY(node_write_tree(disk, &disk->catalogue));
	TRY(node_write_tree(disk, &disk->counts));
	if (SEEDED(BUG_SUPER_BEFORE_NODES)) {
		TRY(write_super(disk, slot));
		TRY(legs_flush(disk));
	}
	if (!SEEDED(BUG_NO_FLUSH_BEFORE_SUPER))
		TRY(legs_flush(disk));
	TRY(write_super(disk, slot));
	if (!SEEDED(BUG_NO_FLUSH_AFTER_SUPER))
		TRY(legs_flush(disk));
	if (!SEEDED(BUG_SAME_SUPER_SLOT))
		TRY(write_super(disk, !slot));
	space_committed(disk);
	disk->epoch_key_count = disk->epoch_range_count = 0;
	disk->epoch_overflow = disk->epoch_changed = disk->changed = disk->must_checkpoint = false;
	return VDISK_OK;
}

int checkpoint(struct vdisk *disk)
{
	if (disk->broken)
		return disk->broken;
	if (disk->read_only)
		return VDISK_READ_ONLY;
	if (!disk->changed && !disk->must_checkpoint)
		return VDISK_OK;
	int status = mark_broken(disk, write_all(disk));
	node_trim(disk);
	space_trim(disk);
	return status;
}

int begin_change(struct vdisk *disk)
{
	if (disk->broken)
		return disk->broken;
	if (disk->read_only)
		return VDISK_READ_ONLY;
	/* Whatever lay in the log when this container was opened may have been written in part under the
	 * log's key: that key is not used again. */
	if (disk->must_checkpoint && !SEEDED(BUG_LOG_KEY_KEPT))
		return checkpoint(disk);
	return VDISK_OK;
}

/* ---- Opening ---- */

static int set_up(struct vdisk *disk, const struct vdisk_config *config)
{
	if (!config->leg_count || config->leg_count > VDISK_LEGS_MAX)
		return VDISK_RANGE;
	disk->leg_count = config->leg_count;
	disk->random = config->random;
	disk->now_ns = config->now_ns;
	disk->read_only = config->read_only;
	disk->auto_commit = config->auto_commit;
	disk->cache_limit = config->cache_bytes ? config->cache_bytes : 16u << 20;
	if (disk->cache_limit < VDISK_CACHE_MIN)
		disk->cache_limit = VDISK_CACHE_MIN;
	for (unsigned i = 0; i < disk->leg_count; i++) {
		disk->legs[i].backend = config->legs[i];
		uint64_t limit = config->legs[i].limit / VDISK_BLOCK;
		if (limit && (!disk->limit || limit < disk->limit))
			disk->limit = limit;
	}
	disk->node_buckets = disk->page_buckets = 64;
	while (disk->node_buckets < disk->cache_limit / sizeof(struct node))
		disk->node_buckets *= 2;
	disk->nodes = calloc(disk->node_buckets, sizeof(struct node *));
	disk->page_buckets = 1024;
	disk->pages = calloc(disk->page_buckets, sizeof(struct page *));
	disk->log_blocks = calloc(LOG_BLOCKS_MAX, sizeof(uint64_t));
	disk->epoch_keys = calloc(EPOCH_KEYS_MAX, sizeof(uint64_t));
	disk->epoch_ranges = calloc(EPOCH_RANGES_MAX, sizeof(struct range));
	disk->stage = malloc((size_t)STAGE_BLOCKS * VDISK_BLOCK);
	tree_init(&disk->counts, KIND_COUNTS_NODE, KIND_COUNTS);
	tree_init(&disk->catalogue, KIND_CATALOGUE_NODE, KIND_VOLUME);
	map_init(&disk->map);
	return disk->nodes && disk->pages && disk->log_blocks && disk->epoch_keys && disk->epoch_ranges &&
	               disk->stage
	           ? VDISK_OK
	           : VDISK_NO_MEMORY;
}

void vdisk_abandon(struct vdisk *disk)
{
	if (!disk)
		return;
	vdisk_scrub_end(disk);
	rekey_end(disk);
	node_free_all(disk);
	space_free_all(disk);
	free(disk->log_blocks);
	free(disk->epoch_keys);
	free(disk->epoch_ranges);
	free(disk->stage);
	free(disk->header);
	sodium_memzero(disk, sizeof(*disk));
	free(disk);
}

int vdisk_close(struct vdisk *disk)
{
	int status = disk->read_only || !disk->changed ? disk->broken : vdisk_commit(disk);
	vdisk_abandon(disk);
	return status;
}

static int create(struct vdisk *disk, const struct vdisk_create *create,
                  const struct vdisk_credentials *credentials)
{
	if (!create->blocks || create->blocks > VDISK_BLOCKS_MAX)
		return VDISK_RANGE;
	if (disk->limit && disk->limit < 64)
		return VDISK_NO_SPACE;
	TRY(cipher_init(disk, create->cipher));
	if (disk->cipher == VDISK_CIPHER_AES_256_GCM && !disk->has_aes)
		return VDISK_VERSION;
	TRY(header_create(disk, create, credentials));
	disk->end = FIRST_FREE_BLOCK;
	for (uint64_t place = 0; place < FIRST_FREE_BLOCK; place++)
		TRY(space_set(disk, place, 1));
	disk->volume = (struct volume_disk){.number = 1, .name = "main", .blocks = create->blocks};
	disk->volume.created_ns = disk->now_ns ? disk->now_ns() : 0;
	disk->next_volume = 2;
	if (disk->random(disk->volume.id, sizeof(disk->volume.id)) < 0)
		return VDISK_IO;
	disk->must_checkpoint = true;
	TRY(checkpoint(disk));
	return header_write(disk);
}

int vdisk_create(struct vdisk **result, const struct vdisk_config *config, const struct vdisk_create *wanted,
                 const struct vdisk_credentials *credentials)
{
	struct vdisk *disk = calloc(1, sizeof(*disk));
	*result = NULL;
	if (!disk)
		return VDISK_NO_MEMORY;
	int status = set_up(disk, config);
	disk->read_only = false;
	if (status == VDISK_OK)
		status = create(disk, wanted, credentials);
	if (status < 0)
		vdisk_abandon(disk);
	else
		*result = disk;
	return status;
}

struct candidate {
	struct super_disk super;
	bool found;
};

static void read_leg(struct vdisk *disk, unsigned leg, struct candidate *best)
{
	struct super_sealed sealed;
	struct super_disk super;
	for (unsigned slot = 0; slot < 2; slot++)
		if (leg_read(disk, leg, SUPER_FIRST + slot, &sealed, 1) == 0 &&
		    open_super(disk, &sealed, &super) &&
		    (!best->found || super.generation > best->super.generation)) {
			best->super = super;
			best->found = true;
		}
}

bool super_copy_is_good(struct vdisk *disk, unsigned leg, unsigned slot)
{
	struct super_sealed sealed;
	struct super_disk super;
	bool good = leg_read(disk, leg, SUPER_FIRST + slot, &sealed, 1) == VDISK_OK &&
	            open_super(disk, &sealed, &super);
	sodium_memzero(&super, sizeof(super));
	return good;
}

static bool knows(const struct era *era, const uint8_t name[VDISK_ID_SIZE])
{
	for (unsigned i = 0; i < ERAS_MAX; i++)
		if (memcmp(era->past[i], name, VDISK_ID_SIZE) == 0)
			return true;
	return memcmp(era->name, name, VDISK_ID_SIZE) == 0;
}

/* Whether a leg with the superblock OTHER was written apart from what has NEWEST. */
static bool has_diverged(const struct super_disk *other, const struct super_disk *newest)
{
	if (other->generation == newest->generation)
		return memcmp(other->state, newest->state, sizeof(other->state)) != 0;
	return other->generation > newest->generation || !knows(&newest->era, other->era.name) ||
	       (sodium_is_zero(newest->era.name, VDISK_ID_SIZE) && /* as long as there are no eras */
	        other->legs_present != newest->legs_present &&
	        (other->legs_present & newest->legs_present) != newest->legs_present);
}

/* The newest superblock of all legs. Two legs that each went on without the other have no common newest
 * state. */
static int read_super(struct vdisk *disk, struct super_disk *newest)
{
	struct candidate legs[VDISK_LEGS_MAX] = {{.found = false}};
	int best = -1;
	for (unsigned i = 0; i < disk->leg_count; i++) {
		read_leg(disk, i, &legs[i]);
		if (legs[i].found && (best < 0 || legs[i].super.generation > legs[best].super.generation))
			best = (int)i;
	}
	if (best < 0)
		return VDISK_DAMAGED;
	*newest = legs[best].super;
	for (unsigned i = 0; i < disk->leg_count; i++) {
		if (legs[i].found && (int)i != best && has_diverged(&legs[i].super, newest))
			return VDISK_DIVERGED;
	}
	unsigned have = 0;
	for (unsigned i = 0; i < disk->leg_count; i++) {
		disk->legs[i].in_era =
		    legs[i].found && memcmp(legs[i].super.state, newest->state, sizeof(newest->state)) == 0;
		have += disk->legs[i].in_era;
	}
	disk->era_ends = have < (unsigned)__builtin_popcount(newest->legs_present);
	return VDISK_OK;
}

/* Whether the keeper knows of a newer state than this one. */
static int ask_keeper(const struct vdisk *disk, const struct vdisk_keeper *keeper)
{
	const struct vdisk_mark here = vdisk_mark(disk);
	struct vdisk_mark kept = {0};
	uint8_t key[VDISK_KEY_SIZE];
	vdisk_anchor_key(disk, key);
	int status = keeper->find(keeper->context, disk->id, key, vdisk_is_anchored(disk), &kept);
	sodium_memzero(key, sizeof(key));
	return status < 0                                           ? status
	       : here.state < kept.state || here.slots < kept.slots ? VDISK_STALE
	                                                            : VDISK_OK;
}

static int open_all(struct vdisk *disk, const struct vdisk_config *config,
                    const struct vdisk_credentials *credentials)
{
	struct super_disk super;
	struct volume_disk record;
	TRY(header_open(disk, credentials));
	TRY(read_super(disk, &super));
	disk->generation = super.generation;
	disk->era = super.era;
	memcpy(disk->state, super.state, sizeof(super.state));
	memcpy(disk->previous_state, super.previous_state, sizeof(super.state));
	disk->key_number = super.key_flags & SUPER_KEY_BIT ? 1 : 0;
	disk->rekeying = super.key_flags & SUPER_REKEYING;
	disk->rekeyed = super.key_flags & SUPER_REKEYED;
	disk->rekey_next = super.rekey_next;
	disk->rekey_page = super.rekey_page;
	disk->rekey_volume = super.rekey_volume;
	memcpy(disk->volume_keys[disk->key_number], super.volume_key, sizeof(super.volume_key));
	memcpy(disk->volume_keys[!disk->key_number], disk->rekeying ? super.old_volume_key : super.volume_key,
	       sizeof(super.volume_key));
	memcpy(disk->log_key, super.log_key, sizeof(super.log_key));
	disk->log_first = disk->log_next = disk->log_blocks[0] = super.log_first;
	disk->log_count = 1;
	disk->end = super.end;
	disk->used = super.used;
	disk->next_volume = super.next_volume;
	sodium_memzero(&super.volume_key, sizeof(super.volume_key));
	sodium_memzero(&super.old_volume_key, sizeof(super.old_volume_key));
	sodium_memzero(&super.log_key, sizeof(super.log_key));
	if (super.end < FIRST_FREE_BLOCK || super.end > PLACE_MASK || super.used > super.end)
		return VDISK_DAMAGED;
	TRY(tree_load(&disk->counts, &super.counts));
	TRY(tree_load(&disk->catalogue, &super.catalogue));
	disk->must_checkpoint = true;
	TRY(volume_by_number(disk, super.active_volume, &record));
	TRY(volume_open(disk, &record));
	TRY(log_replay(disk));
	if (config->anchor && vdisk_anchor(disk) < config->anchor)
		return VDISK_STALE;
	if (config->keeper)
		TRY(ask_keeper(disk, config->keeper));
	const char *name = config->volume ? config->volume : "main";
	TRY(volume_find(disk, name, &record));
	if (record.number != disk->volume.number) {
		if (!disk->read_only && disk->changed)
			TRY(checkpoint(disk));
		TRY(volume_find(disk, name, &record));
		TRY(volume_open(disk, &record));
		disk->must_checkpoint = true; /* the superblock says whose changes the log has */
	}
	TRY(receive_undo(disk));
	if (disk->volume.flags & VOLUME_READ_ONLY)
		disk->read_only = true;
	return VDISK_OK;
}

bool vdisk_leg_is_alike(struct vdisk *disk, const struct vdisk_backend *backend)
{
	struct candidate found = {.found = false};
	if (disk->leg_count == VDISK_LEGS_MAX)
		return false;
	if (!disk->must_checkpoint || disk->changed || disk->epoch_changed || disk->replayed)
		return false; /* opening asks for a checkpoint before the first write */
	disk->legs[disk->leg_count++] = (struct leg){.backend = *backend};
	read_leg(disk, disk->leg_count - 1, &found);
	disk->leg_count--;
	return found.found && found.super.generation == disk->generation &&
	       memcmp(found.super.state, disk->state, sizeof(found.super.state)) == 0;
}

int vdisk_leg_add(struct vdisk *disk, const struct vdisk_backend *backend)
{
	struct candidate found = {.found = false};
	struct super_disk now = {.legs_present = present_legs(disk)};
	uint64_t limit = backend->limit / VDISK_BLOCK;
	if (disk->leg_count == VDISK_LEGS_MAX)
		return VDISK_LIMIT;
	bool behind = !vdisk_leg_is_alike(disk, backend);
	TRY(begin_change(disk));
	TRY(header_welcomes(disk, backend));
	/* A state that no leg but those that are there can have. */
	disk->must_checkpoint = true;
	TRY(checkpoint(disk));
	if (limit && limit < disk->end)
		return VDISK_NO_SPACE;
	now.generation = disk->generation;
	now.era = disk->era;
	memcpy(now.state, disk->state, sizeof(now.state));
	disk->legs[disk->leg_count++] = (struct leg){.backend = *backend};
	read_leg(disk, disk->leg_count - 1, &found);
	if (found.found) {
		bool is_a_leg = memcmp(found.super.state, now.state, sizeof(now.state)) == 0;
		if (is_a_leg || has_diverged(&found.super, &now)) {
			disk->leg_count--;
			return is_a_leg ? VDISK_BUSY : VDISK_DIVERGED;
		}
	}
	disk->legs[disk->leg_count - 1].behind = behind;
	if (limit && (!disk->limit || limit < disk->limit))
		disk->limit = limit;
	disk->must_checkpoint = true; /* the superblocks name the legs */
	return VDISK_OK;
}

int vdisk_open(struct vdisk **result, const struct vdisk_config *config,
               const struct vdisk_credentials *credentials)
{
	struct vdisk *disk = calloc(1, sizeof(*disk));
	*result = NULL;
	if (!disk)
		return VDISK_NO_MEMORY;
	int status = set_up(disk, config);
	if (status == VDISK_OK)
		status = open_all(disk, config, credentials);
	if (status < 0)
		vdisk_abandon(disk);
	else
		*result = disk;
	return status;
}

int legs_begin(struct vdisk *disk)
{
	if (disk->read_only)
		return VDISK_OK;
	TRY(begin_change(disk));
	disk->must_checkpoint = true;
	TRY(checkpoint(disk));
	return mark_broken(disk, header_write(disk));
}

void legs_filled(struct vdisk *disk)
{
	for (unsigned i = 0; i < disk->leg_count; i++)
		disk->legs[i].behind = false;
}
