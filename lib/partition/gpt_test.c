/* Tests of GPTs that are made and changed: sfdisk reads them, others' partitions stay, and a power cut leaves one table whole. */
#include "gpt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SECTORS 65536u

static uint8_t image[SECTORS * GPT_SECTOR], kept[sizeof(image)];
static int failures;
static int writes_left = -1; /* below 0: no end */

static void check(bool good, const char *name)
{
	failures += !good;
	printf(good ? "ok %s\n" : "not ok %s - it is otherwise\n", name);
}

static bool sector_read(void *context, uint64_t sector, void *buffer)
{
	(void)context;
	memcpy(buffer, image + sector * GPT_SECTOR, GPT_SECTOR);
	return true;
}

static bool disk_read(void *context, uint64_t sector, void *buffer, uint64_t count)
{
	(void)context;
	memcpy(buffer, image + sector * GPT_SECTOR, count * GPT_SECTOR);
	return true;
}

/* With the power, also what is written ends: sector by sector. */
static bool disk_write(void *context, uint64_t sector, const void *buffer, uint64_t count)
{
	(void)context;
	for (uint64_t i = 0; i < count; i++) {
		if (!writes_left)
			return false;
		writes_left -= writes_left > 0;
		memcpy(image + (sector + i) * GPT_SECTOR, (const uint8_t *)buffer + i * GPT_SECTOR,
		       GPT_SECTOR);
	}
	return true;
}

static bool disk_flush(void *context)
{
	(void)context;
	return writes_left != 0;
}

static const struct partition_disk disk = {.sectors = SECTORS, .sector_bytes = 512, .read = sector_read};
static const struct gpt_writer writer = {0, disk_read, disk_write, disk_flush};
static const uint8_t linux_type[16] = {0xaf, 0x3d, 0xc6, 0x0f, 0x83, 0x84, 0x72, 0x47,
                                       0x8e, 0x79, 0x3d, 0x69, 0xd8, 0x47, 0x7d, 0xe4};
static const uint8_t id[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

static unsigned scan(struct partition list[PARTITIONS_MAX])
{
	uint8_t buffer[PARTITION_SECTOR_MAX];
	unsigned count;
	return partition_scan(&disk, buffer, list, &count) == PARTITION_GPT ? count : 0;
}

/* Runs sfdisk on the image, with INPUT where there is one: whether it is content, and says WANTED. */
static bool sfdisk(const char *options, const char *input, const char *wanted)
{
	char path[] = "/tmp/gpt-test-XXXXXX", command[256], line[512];
	bool found = !wanted;
	const int file = mkstemp(path);
	if (file < 0 || write(file, image, sizeof(image)) != (ssize_t)sizeof(image))
		return false;
	snprintf(command, sizeof(command),
	         "printf '%s' | LC_ALL=C PATH=$PATH:/sbin:/usr/sbin sfdisk %s %s 2>&1", input, options, path);
	FILE *output = popen(command, "r");
	while (output && fgets(line, sizeof(line), output))
		found |= wanted && strstr(line, wanted);
	const int status = output ? pclose(output) : -1;
	if (pread(file, image, sizeof(image), 0) != (ssize_t)sizeof(image))
		found = false;
	close(file);
	unlink(path);
	return found && status == 0;
}

static void test_new(void)
{
	struct gpt gpt;
	struct partition list[PARTITIONS_MAX];
	uint64_t first;
	memset(image, 0, sizeof(image));
	gpt_new(&gpt, SECTORS, id);
	bool added = gpt_room(&gpt, 4096, &first) && first == 2048 &&
	             gpt_add(&gpt, linux_type, id, "One", first, 4096) == 1 && gpt_room(&gpt, 2048, &first) &&
	             first == 6144 && gpt_add(&gpt, linux_type, id, "Two", first, 2048) == 2;
	check(added && gpt_write(&gpt, &writer) && scan(list) == 2 && list[1].first == 6144 &&
	          list[1].count == 2048,
	      "gpt: a new table is read as it was written");
	check(sfdisk("--verify", "", "No errors detected"), "gpt: sfdisk finds no error in it");
	check(sfdisk("--list", "", "Linux filesystem"), "gpt: sfdisk lists its partitions");
	check(!gpt_room(&gpt, SECTORS, &first) && !gpt_room(&gpt, 0, &first),
	      "gpt: there is no room for more than there is, nor for nothing");
}

static void test_kept(void)
{
	struct gpt gpt, again;
	struct partition list[PARTITIONS_MAX];
	uint64_t first;
	memset(image, 0, sizeof(image));
	bool made =
	    sfdisk("--quiet", "label: gpt\\nstart=2048,size=8192,name=other\\nstart=20480,size=4096\\n", 0);
	made &= gpt_read(&gpt, &disk);
	memset(image, 0x5a, 440);
	bool good = gpt_room(&gpt, 10240, &first) && first == 10240 &&
	            gpt_add(&gpt, linux_type, id, "Mine", first, 10240) == 3 &&
	            gpt_room(&gpt, 10241, &first) && first == 24576 && gpt_write(&gpt, &writer);
	check(made && good && scan(list) == 3 && list[0].first == 2048 && list[0].count == 8192 &&
	          list[1].first == 20480,
	      "gpt: others' partitions stay, and new ones go between them");
	check(image[0] == 0x5a && image[439] == 0x5a && sfdisk("--verify", "", "No errors detected"),
	      "gpt: the boot code stays, and sfdisk is content");
	memset(image + GPT_SECTOR, 0, GPT_SECTOR);
	check(gpt_read(&again, &disk) && !memcmp(again.entries, gpt.entries, sizeof(gpt.entries)),
	      "gpt: without the primary the backup is read");
}

/* The power goes at each sector of a change. */
static void test_cuts(void)
{
	struct gpt gpt;
	struct partition list[PARTITIONS_MAX];
	unsigned wrong = 0, cuts = 0, newer = 0;
	memset(image, 0, sizeof(image));
	gpt_new(&gpt, SECTORS, id);
	gpt_add(&gpt, linux_type, id, "One", 2048, 2048);
	bool written = gpt_write(&gpt, &writer);
	memcpy(kept, image, sizeof(image));
	gpt_add(&gpt, linux_type, id, "Two", 4096, 2048);
	for (int cut = 0; written && !cuts; cut++) {
		memcpy(image, kept, sizeof(image));
		writes_left = cut;
		bool whole = gpt_write(&gpt, &writer) && writes_left;
		writes_left = -1;
		const unsigned found = scan(list);
		wrong += found != 1 && found != 2;
		newer += found == 2;
		if (whole)
			cuts = (unsigned)cut;
	}
	check(written && !wrong && newer && cuts > 60,
	      "gpt: a power cut at any sector of a change leaves the old table or the new one");
}

static void test_full(void)
{
	static struct gpt gpt;
	unsigned number = 1;
	gpt_new(&gpt, SECTORS, id);
	for (unsigned i = 0; i < GPT_ENTRIES && number; i++)
		number = gpt_add(&gpt, linux_type, id, "Many", 2048 + i, 1);
	check(number == GPT_ENTRIES && !gpt_add(&gpt, linux_type, id, "More", 4096, 1),
	      "gpt: a full table takes no more");
}

int main(void)
{
	test_new();
	test_kept();
	test_cuts();
	test_full();
	return failures != 0;
}
