/* Partition tables as sfdisk makes them, broken ones, and disks without any. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "partition.h"

#define SECTORS 65536u

static uint8_t image[SECTORS * 512];
static struct partition list[PARTITIONS_MAX];
static unsigned count, reads, failures;

static bool image_read(void *context, uint64_t sector, void *buffer)
{
	(void)context;
	reads++;
	memcpy(buffer, image + sector * 512, 512);
	return true;
}

static const struct partition_disk disk = {.sectors = SECTORS, .sector_bytes = 512, .read = image_read};

static enum partition_scheme scan(void)
{
	uint8_t buffer[PARTITION_SECTOR_MAX];
	reads = 0;
	return partition_scan(&disk, buffer, list, &count);
}

static void check(const char *name, bool good)
{
	printf(good ? "ok partition: %s\n" : "not ok partition: %s - %u partitions, %u reads\n", name, count,
	       reads);
	failures += !good;
}

/* What sfdisk makes of SCRIPT, in the image. */
static bool sfdisk(const char *script)
{
	char path[] = "/tmp/partition-test-XXXXXX", command[1024];
	int file = mkstemp(path);
	bool good = file >= 0;
	FILE *stream = good ? fdopen(file, "r+b") : 0;
	memset(image, 0, sizeof(image));
	good = stream && fwrite(image, 1, sizeof(image), stream) == sizeof(image) && fflush(stream) == 0;
	snprintf(command, sizeof(command), "printf '%s' | sfdisk -q %s", script, path);
	good = good && system(command) == 0;
	if (stream) {
		rewind(stream);
		good = good && fread(image, 1, sizeof(image), stream) == sizeof(image);
		fclose(stream);
	}
	remove(path);
	return good;
}

int main(void)
{
	check("an empty disk has none", scan() == PARTITION_NONE && !count);
	bool made = sfdisk("label: gpt\\nsize=10MiB, type=L\\nsize=5MiB, type=uefi\\n");
	check("sfdisk makes a GPT", made);
	check("a GPT is read", scan() == PARTITION_GPT && count == 2 && list[0].first == 2048 &&
	                           list[0].count == 20480 && list[0].number == 1 && list[1].first == 22528 &&
	                           list[1].count == 10240);
	image[512 + 40] ^= 1;
	check("the second copy stands in for a header that is broken", scan() == PARTITION_GPT && count == 2);
	image[512 + 40] ^= 1;
	image[1024 + 33] ^= 1;
	check("the second copy stands in for a table that is broken",
	      scan() == PARTITION_GPT && count == 2 && list[0].first == 2048);
	image[(SECTORS - 1) * 512 + 16] ^= 1;
	check("without a whole copy there are none", scan() == PARTITION_NONE && !count);
	made = sfdisk("label: dos\\nsize=4MiB, type=83\\nsize=20MiB, type=5\\nsize=3MiB, type=c\\nsize=2MiB, "
	              "type=83\\nsize=1MiB, type=83\\nsize=1MiB, type=83\\n");
	check("sfdisk makes an MBR", made);
	check("an MBR with logical partitions is read",
	      scan() == PARTITION_MBR && count == 5 && list[0].number == 1 && list[1].number == 3 &&
	          list[2].number == 4 && list[3].number == 5 && list[4].number == 6 &&
	          list[0].first == 2048 && list[0].count == 8192 && list[1].type[0] == 0xc &&
	          list[4].count == 2048);
	uint32_t start;
	memcpy(&start, image + 446 + 16 + 8, 4);
	memset(image + (size_t)start * 512 + 446 + 16 + 8, 0, 4); /* the next of the chain is its beginning */
	image[(size_t)start * 512 + 446 + 16 + 4] = 5;
	image[(size_t)start * 512 + 446 + 16 + 8] = 1;
	memcpy(image + (size_t)(start + 1) * 512, image + (size_t)start * 512, 512);
	check("a chain without end ends",
	      scan() == PARTITION_MBR && count <= PARTITIONS_MAX && reads <= PARTITIONS_MAX + 1);
	memset(image, 0, sizeof(image));
	memset(image + 62, 0x90, 448);
	image[510] = 0x55;
	image[511] = 0xaa;
	check("code of a boot sector is no table", scan() == PARTITION_NONE && !count);
	memset(image + 446, 0, 64);
	image[446 + 4] = 0x83;
	memset(image + 446 + 8, 0xff, 8);
	check("a partition beyond the end is left out", scan() == PARTITION_MBR && !count);
	return failures != 0;
}
