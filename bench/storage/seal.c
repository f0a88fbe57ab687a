/* How fast one core seals and opens blocks as vdisk does (a key of its own for each), and writes and reads a container in memory. CPU time, best of five. */
#include <stdio.h>
#include <time.h>
#include "vdisk/file_backend.h"
#include "vdisk/internal.h"
#include "vdisk/memory_backend.h"

#define BLOCKS 16384u

static double cpu_seconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static uint8_t data[64 * VDISK_BLOCK], sealed[64 * VDISK_BLOCK];
static struct entry entries[64];

static bool seal_all(struct vdisk *disk)
{
	for (unsigned i = 0; i < BLOCKS; i++)
		cipher_seal(disk, &entries[i % 64], KIND_DATA, i % 64, data + i % 64 * VDISK_BLOCK,
		            sealed + i % 64 * VDISK_BLOCK);
	return true;
}

static bool open_all(struct vdisk *disk)
{
	bool good = true;
	for (unsigned i = 0; i < BLOCKS; i++)
		good &= cipher_open(disk, &entries[i % 64], KIND_DATA, i % 64, sealed + i % 64 * VDISK_BLOCK,
		                    data + i % 64 * VDISK_BLOCK);
	return good;
}

static bool write_all(struct vdisk *disk)
{
	for (uint64_t i = 0; i < BLOCKS; i += 64)
		if (vdisk_write(disk, i, 64, data) < 0)
			return false;
	return vdisk_flush(disk) == VDISK_OK;
}

static bool read_all(struct vdisk *disk)
{
	for (uint64_t i = 0; i < BLOCKS; i += 64)
		if (vdisk_read(disk, i, 64, data) < 0)
			return false;
	return true;
}

int main(void)
{
	static const struct vdisk_credentials none;
	static const struct {
		const char *name;
		bool (*run)(struct vdisk *disk);
	} rows[] = {{"seal", seal_all},
	            {"open", open_all},
	            {"write in order", write_all},
	            {"read in order", read_all}};
	printf("| GB/s a core | AES-256-GCM | XChaCha20-Poly1305 |\n|---|---|---|\n");
	for (unsigned row = 0; row < sizeof(rows) / sizeof(*rows); row++) {
		printf("| %s |", rows[row].name);
		for (unsigned cipher = 1; cipher <= 2; cipher++) {
			struct memory_device device;
			struct vdisk_backend leg = memory_backend(&device, 512u << 20, false);
			struct vdisk_config config = {.legs = &leg, .leg_count = 1, .random = host_random};
			struct vdisk_create create = {
			    .blocks = BLOCKS, .cipher = cipher, .factors = {VDISK_FACTOR_OPEN}};
			struct vdisk *disk;
			double best = 1e9;
			bool good = vdisk_create(&disk, &config, &create, &none) == VDISK_OK &&
			            seal_all(disk) && write_all(disk);
			for (unsigned i = 0; good && i < 5; i++) {
				double started = cpu_seconds();
				good = rows[row].run(disk);
				double took = cpu_seconds() - started;
				best = took < best ? took : best;
			}
			printf(" %.2f |", good ? (double)BLOCKS * VDISK_BLOCK / best / 1e9 : 0.0);
			vdisk_abandon(disk);
			free(device.bytes);
		}
		printf("\n");
	}
	return 0;
}
