/* Fuzzes changing a GPT: a table with any entries behind right checksums. What finds room keeps clear of every partition that
 * partition_scan gives, and what was written is found again. */
#include "gpt.h"

#include <stdlib.h>
#include <string.h>

#define SECTORS 8192u
#define DIRTY   1024u

static uint8_t image[SECTORS * GPT_SECTOR];
/* What was written, to be cleared before the next run: the whole image would take most of the time. */
static uint64_t dirty[DIRTY];
static unsigned dirty_count;

static bool sector_read(void *context, uint64_t sector, void *buffer)
{
	(void)context;
	if (sector >= SECTORS)
		abort();
	memcpy(buffer, image + sector * GPT_SECTOR, GPT_SECTOR);
	return true;
}

static bool disk_read(void *context, uint64_t sector, void *buffer, uint64_t count)
{
	(void)context;
	if (sector >= SECTORS || count > SECTORS - sector)
		abort();
	memcpy(buffer, image + sector * GPT_SECTOR, count * GPT_SECTOR);
	return true;
}

static bool disk_write(void *context, uint64_t sector, const void *buffer, uint64_t count)
{
	(void)context;
	if (sector >= SECTORS || count > SECTORS - sector)
		abort();
	memcpy(image + sector * GPT_SECTOR, buffer, count * GPT_SECTOR);
	for (uint64_t i = 0; i < count; i++) {
		if (dirty_count == DIRTY)
			abort();
		dirty[dirty_count++] = sector + i;
	}
	return true;
}

static bool disk_flush(void *context)
{
	(void)context;
	return true;
}

static void add(struct gpt *gpt, uint64_t wanted)
{
	static const struct partition_disk disk = {
	    .sectors = SECTORS, .sector_bytes = GPT_SECTOR, .read = sector_read};
	static const struct gpt_writer writer = {0, disk_read, disk_write, disk_flush};
	static const uint8_t type[16] = {0xfe, 1};
	static struct partition before[PARTITIONS_MAX], after[PARTITIONS_MAX];
	uint8_t buffer[PARTITION_SECTOR_MAX];
	unsigned count = 0, now = 0;
	uint64_t first;
	const bool had = partition_scan(&disk, buffer, before, &count) == PARTITION_GPT;
	if (!gpt_room(gpt, wanted, &first))
		return;
	if (first < gpt->first_usable || first + wanted - 1 > gpt->last_usable)
		abort();
	for (unsigned i = 0; had && i < count; i++)
		if (first < before[i].first + before[i].count && before[i].first < first + wanted)
			abort();
	const unsigned number = gpt_add(gpt, type, type, "fuzz", first, wanted);
	if (!number)
		return;
	if (!gpt_write(gpt, &writer) || partition_scan(&disk, buffer, after, &now) != PARTITION_GPT)
		abort();
	/* Of very many only the first PARTITIONS_MAX are given. */
	for (unsigned i = 0; i < now; i++)
		if (after[i].number == number && (after[i].first != first || after[i].count != wanted))
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct partition_disk disk = {
	    .sectors = SECTORS, .sector_bytes = GPT_SECTOR, .read = sector_read};
	static const struct gpt_writer writer = {0, disk_read, disk_write, disk_flush};
	static struct gpt gpt;
	const uint8_t id[16] = {7};
	uint16_t wanted;
	if (size < 3)
		return 0;
	memcpy(&wanted, data, sizeof(wanted));
	while (dirty_count)
		memset(image + dirty[--dirty_count] * GPT_SECTOR, 0, GPT_SECTOR);
	gpt_new(&gpt, SECTORS, id);
	if (data[2] & 1) { /* any sectors at all */
		static uint8_t sectors[64 * GPT_SECTOR];
		memset(sectors, 0, sizeof(sectors));
		memcpy(sectors, data + 3, size - 3 < sizeof(sectors) ? size - 3 : sizeof(sectors));
		disk_write(0, 0, sectors, 64);
	} else {
		size -= 3;
		memcpy(gpt.entries, data + 3, size < sizeof(gpt.entries) ? size : sizeof(gpt.entries));
		if (!gpt_write(&gpt, &writer))
			abort();
	}
	if (gpt_read(&gpt, &disk))
		add(&gpt, wanted);
	return 0;
}
