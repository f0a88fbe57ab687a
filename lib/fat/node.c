/* What is known of files and directories in use. A node's number is where its entry is on the disk (in units of 32
 * bytes), as long as no other that is in use has that number: one that is moved keeps its own. */
#include "internal.h"

#include <stdlib.h>

#define NODE_SLOTS  1024u
#define FIRST_FRESH (UINT64_C(1) << 48) /* numbers that are no positions */
#define EPOCH_DAYS  3652                /* from 1970 to 1980 */

int nodes_init(struct fat *fs)
{
	fs->node_slots = NODE_SLOTS;
	fs->next_number = FIRST_FRESH;
	fs->by_number = calloc(NODE_SLOTS, sizeof(void *));
	fs->by_position = calloc(NODE_SLOTS, sizeof(void *));
	fs->root = calloc(1, sizeof(*fs->root));
	if (!fs->by_number || !fs->by_position || !fs->root)
		return FILESYSTEM_E_NO_MEMORY;
	fs->root->number = FAT_ROOT;
	fs->root->references = 1;
	fs->root->attributes = ATTRIBUTE_DIRECTORY;
	return E_OK;
}

static struct node **slot_of(struct node **table, uint32_t slots, uint64_t key)
{
	return &table[(key * 0x9e3779b97f4a7c15ull >> 32) & (slots - 1)];
}

void nodes_destroy(struct fat *fs)
{
	for (uint32_t i = 0; fs->by_number && i < fs->node_slots; i++) {
		while (fs->by_number[i]) {
			struct node *node = fs->by_number[i];
			fs->by_number[i] = node->next_number;
			free(node);
		}
	}
	free(fs->by_number);
	free(fs->by_position);
	free(fs->root);
}

static struct node *number_find(const struct fat *fs, uint64_t number)
{
	struct node *node = *slot_of(fs->by_number, fs->node_slots, number);
	while (node && node->number != number)
		node = node->next_number;
	return node;
}

struct node *node_at(struct fat *fs, uint64_t position)
{
	struct node *node = *slot_of(fs->by_position, fs->node_slots, position);
	while (node && node->position != position)
		node = node->next_position;
	return node;
}

int node_get(struct fat *fs, uint64_t number, struct node **node)
{
	*node = number == FAT_ROOT ? fs->root : number_find(fs, number);
	return *node ? E_OK : FILE_E_STALE;
}

uint64_t node_number(struct fat *fs, uint64_t position)
{
	const struct node *node = node_at(fs, position);
	return node ? node->number : position;
}

/* ---- Tables ---- */

static void position_unlink(struct fat *fs, struct node *node)
{
	struct node **at = slot_of(fs->by_position, fs->node_slots, node->position);
	while (*at && *at != node)
		at = &(*at)->next_position;
	if (*at)
		*at = node->next_position;
}

static void position_link(struct fat *fs, struct node *node)
{
	struct node **slot = slot_of(fs->by_position, fs->node_slots, node->position);
	node->next_position = *slot;
	*slot = node;
}

void node_move(struct fat *fs, struct node *node, uint64_t position)
{
	if (node->position)
		position_unlink(fs, node);
	node->position = position;
	if (position)
		position_link(fs, node);
}

static void idle_unlink(struct fat *fs, struct node *node)
{
	*(node->newer ? &node->newer->older : &fs->newest) = node->older;
	*(node->older ? &node->older->newer : &fs->oldest) = node->newer;
	fs->idle_count--;
}

static void destroy(struct fat *fs, struct node *node)
{
	struct node **at = slot_of(fs->by_number, fs->node_slots, node->number);
	while (*at != node)
		at = &(*at)->next_number;
	*at = node->next_number;
	node_move(fs, node, 0);
	fs->node_count--;
	free(node);
}

/* Nobody uses NODE; its contents go if it has no name. */
static struct node *node_retire(struct fat *fs, struct node *node)
{
	struct node *parent = node->parent;
	if (node->removed) {
		/* What cannot be noted is found by fsck. */
		if (!fs->fs.read_only)
			(void)(chain_free_later(fs, 0, node->start) < 0);
		destroy(fs, node);
		return parent;
	}
	struct node *oldest = fs->idle_count >= IDLE_MAX ? fs->oldest : 0;
	parent = oldest ? oldest->parent : 0;
	if (oldest) {
		idle_unlink(fs, oldest);
		destroy(fs, oldest);
	}
	node->newer = 0;
	node->older = fs->newest;
	*(fs->newest ? &fs->newest->newer : &fs->oldest) = node;
	fs->newest = node;
	fs->idle_count++;
	return parent;
}

void node_reference(struct fat *fs, struct node *node)
{
	if (node->number != FAT_ROOT && !node->references)
		idle_unlink(fs, node);
	node->references++;
}

void node_release(struct fat *fs, struct node *node)
{
	while (node && node->references && !--node->references && node->number != FAT_ROOT)
		node = node_retire(fs, node);
}

static void tables_grow(struct fat *fs)
{
	uint32_t slots = fs->node_slots * 4;
	struct node **numbers = calloc(slots, sizeof(void *)), **positions = calloc(slots, sizeof(void *));
	if (!numbers || !positions) { /* it goes on, slower */
		free(numbers);
		free(positions);
		return;
	}
	for (uint32_t i = 0; i < fs->node_slots; i++) {
		for (struct node *node = fs->by_number[i], *next; node; node = next) {
			next = node->next_number;
			struct node **slot = slot_of(numbers, slots, node->number);
			node->next_number = *slot;
			*slot = node;
			if (!node->position)
				continue;
			slot = slot_of(positions, slots, node->position);
			node->next_position = *slot;
			*slot = node;
		}
	}
	free(fs->by_number);
	free(fs->by_position);
	fs->by_number = numbers;
	fs->by_position = positions;
	fs->node_slots = slots;
}

/* ---- Entries ---- */

/* Days since 1970 of a date (proleptic Gregorian calendar). */
static int64_t days_of(int64_t year, uint32_t month, uint32_t day)
{
	year -= month <= 2;
	int64_t era = year / 400;
	uint32_t of_era = (uint32_t)(year - era * 400);
	uint32_t of_year = (153 * (month + (month > 2 ? (uint32_t)-3 : 9)) + 2) / 5 + day - 1;
	return era * 146097 + (int64_t)(of_era * 365 + of_era / 4 - of_era / 100 + of_year) - 719468;
}

/* A date and a time of day of an entry; the clock of FAT is taken for UTC. */
static int64_t time_of(uint16_t date, uint16_t time, uint8_t hundredths)
{
	uint32_t month = date >> 5 & 15, day = date & 31;
	int64_t days = days_of(1980 + (date >> 9),
	                       month < 1    ? 1
	                       : month > 12 ? 12
	                                    : month,
	                       day < 1 ? 1 : day);
	int64_t seconds = days * 86400 + (time >> 11) * 3600 + (time >> 5 & 63) * 60 + (time & 31) * 2;
	return seconds * 1000000000 + hundredths * INT64_C(10000000);
}

static void time_store(int64_t ns, uint8_t *date_at, uint8_t *time_at, uint8_t *hundredths)
{
	const int64_t first = INT64_C(86400) * EPOCH_DAYS, last = INT64_C(4354819199); /* the end of 2107 */
	int64_t seconds = ns / 1000000000;
	seconds = seconds < first ? first : seconds > last ? last : seconds;
	int64_t days = seconds / 86400 + 719468;
	int64_t era = days / 146097;
	uint32_t of_era = (uint32_t)(days - era * 146097);
	uint32_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	uint32_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	uint32_t shifted = (5 * of_year + 2) / 153;
	uint32_t day = of_year - (153 * shifted + 2) / 5 + 1,
	         month = shifted < 10 ? shifted + 3 : shifted - 9;
	uint32_t year = (uint32_t)(year_of_era + era * 400) + (month <= 2);
	uint32_t rest = (uint32_t)(seconds % 86400);
	put16(date_at, (uint16_t)((year - 1980) << 9 | month << 5 | day));
	if (time_at)
		put16(time_at, (uint16_t)(rest / 3600 << 11 | rest / 60 % 60 << 5 | rest % 60 / 2));
	if (hundredths)
		*hundredths = (uint8_t)(rest % 2 * 100 + (uint32_t)(ns / 10000000 % 100));
}

int node_of_entry(struct fat *fs, struct node *parent, uint64_t position, uint32_t first_slot, uint32_t slots,
                  const uint8_t *entry, struct node **out)
{
	struct node *node = node_at(fs, position);
	*out = node;
	if (node)
		return E_OK;
	if (fs->node_count > fs->node_slots * 2)
		tables_grow(fs);
	node = calloc(1, sizeof(*node));
	if (!node)
		return FILESYSTEM_E_NO_MEMORY;
	node->number = number_find(fs, position) ? fs->next_number++ : position;
	node->first_slot = first_slot;
	node->slots = slots;
	node->start = start_of_entry(fs, entry);
	node->attributes = entry[EN_ATTRIBUTES];
	node->renames = (entry[EN_CASE] & RENAME_BITS) / RENAME_ONE;
	node->size = node->attributes & ATTRIBUTE_DIRECTORY ? 0 : get32(entry + EN_SIZE);
	node->created_ns =
	    time_of(get16(entry + EN_CREATED + 2), get16(entry + EN_CREATED), entry[EN_CREATED_TENTH]);
	node->modified_ns = time_of(get16(entry + EN_MODIFIED + 2), get16(entry + EN_MODIFIED), 0);
	node->accessed_ns = time_of(get16(entry + EN_ACCESSED), 0, 0);
	node->parent = parent;
	node_reference(fs, parent);
	struct node **slot = slot_of(fs->by_number, fs->node_slots, node->number);
	node->next_number = *slot;
	*slot = node;
	node_move(fs, node, position);
	fs->node_count++;
	/* Idle until somebody uses it; it may push others out, and lets go of what those held. */
	node->references = 1;
	*out = node;
	node_release(fs, node);
	return E_OK;
}

void entry_fill(struct fat *fs, uint8_t *entry, const struct node *node)
{
	entry[EN_ATTRIBUTES] = node->attributes;
	entry[EN_CASE] =
	    (uint8_t)((entry[EN_CASE] & ~RENAME_BITS) | (node->renames * RENAME_ONE & RENAME_BITS));
	time_store(node->created_ns, entry + EN_CREATED + 2, entry + EN_CREATED, entry + EN_CREATED_TENTH);
	time_store(node->accessed_ns, entry + EN_ACCESSED, 0, 0);
	time_store(node->modified_ns, entry + EN_MODIFIED + 2, entry + EN_MODIFIED, 0);
	put16(entry + EN_START, (uint16_t)node->start);
	if (fs->bits == 32)
		put16(entry + EN_START_HI, (uint16_t)(node->start >> 16));
	put32(entry + EN_SIZE, node->attributes & ATTRIBUTE_DIRECTORY ? 0 : node->size);
}

int node_store(struct fat *fs, struct node *node)
{
	struct buffer *sector;
	uint8_t *slot;
	if (!node->position)
		return E_OK;
	int result = slot_at(fs, node->position, &sector, &slot);
	if (result < 0)
		return result;
	entry_fill(fs, slot, node);
	sector->kind = KIND_DIRECTORY;
	buffer_dirty(&fs->cache, sector);
	buffer_release(sector);
	return E_OK;
}

void node_attributes(const struct fat *fs, const struct node *node, struct file_attributes *to)
{
	bool directory = node->attributes & ATTRIBUTE_DIRECTORY;
	uint32_t mode = 0777 & ~(directory ? fs->fs.options.directory_mask : fs->fs.options.file_mask);
	if (!directory && node->attributes & ATTRIBUTE_READ_ONLY)
		mode &= ~0222u;
	*to = (struct file_attributes){
	    .node = node->number,
	    .size = directory ? fs->cluster_bytes : node->size,
	    .bytes_used = directory ? fs->cluster_bytes
	                            : (uint64_t)(node->size + (uint64_t)fs->cluster_bytes - 1) /
	                                  fs->cluster_bytes * fs->cluster_bytes,
	    .accessed_ns = node->accessed_ns,
	    .modified_ns = node->modified_ns,
	    .changed_ns = node->modified_ns,
	    .created_ns = node->created_ns,
	    .mode = (directory ? 0040000 : 0100000) | mode,
	    .links = node->removed ? 0
	             : directory   ? 2
	                           : 1,
	    .uid = fs->fs.options.uid,
	    .gid = fs->fs.options.gid};
}

/* ---- Chains ---- */

void node_forget_chain(struct node *node)
{
	node->mark_count = 0;
}

int node_cluster(struct fat *fs, struct node *node, uint32_t index, uint32_t *cluster, uint32_t *last,
                 uint32_t *count)
{
	uint32_t at = node->start, i = 0;
	*cluster = 0;
	if (last)
		*last = *count = 0;
	if (!at)
		return E_OK;
	if (!cluster_valid(fs, at))
		return filesystem_damaged(&fs->fs, "fat: a file begins at cluster %u, which cannot be",
		                          (unsigned)at);
	if (!node->mark_count) {
		node->mark_step = 16;
		node->marks[node->mark_count++] = at;
	}
	i = index / node->mark_step;
	i = i < node->mark_count ? i : node->mark_count - 1;
	at = node->marks[i];
	for (i *= node->mark_step; i < index; i++) {
		uint32_t next;
		int result = table_next(fs, at, &next);
		if (result < 0)
			return result;
		if (!next) {
			if (last) {
				*last = at;
				*count = i + 1;
			}
			return E_OK;
		}
		at = next;
		if ((i + 1) % node->mark_step == 0 && (i + 1) / node->mark_step == node->mark_count) {
			if (node->mark_count == MARKS) { /* half as many, twice as far apart */
				for (unsigned k = 1; k < MARKS / 2; k++)
					node->marks[k] = node->marks[2 * k];
				node->mark_count = MARKS / 2;
				node->mark_step *= 2;
			}
			if ((i + 1) / node->mark_step == node->mark_count && (i + 1) % node->mark_step == 0)
				node->marks[node->mark_count++] = at;
		}
	}
	*cluster = at;
	return E_OK;
}

/* ---- Use ---- */

int fat_use(struct filesystem *base, uint64_t number)
{
	struct fat *fs = fat_of(base);
	struct node *node;
	int result = node_get(fs, number, &node);
	if (result >= 0)
		node_reference(fs, node);
	return result;
}

void fat_forget(struct filesystem *base, uint64_t number)
{
	struct fat *fs = fat_of(base);
	struct node *node;
	if (node_get(fs, number, &node) >= 0 && (number != FAT_ROOT || node->references > 1))
		node_release(fs, node);
}
