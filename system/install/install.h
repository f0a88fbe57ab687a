/* Holon on a disk: what the parts of `holon-install` share.
 *
 *   main.c     the commands: what a person says, and what is done
 *   devices.c  disks of this machine, and what the system that runs was verified with
 *   medium.c   what a medium (an ISO image, a stick) holds, and whether it may be installed
 *   write.c    a disk is laid out and written
 *   esp.c      the EFI system partition: a FAT file system
 *   update.c   the two slots: an update is written, confirmed, taken back
 *
 * The last four know a disk by struct disk alone; the tests give them one whose power is cut.
 *
 *   partition      holds
 *   Holon EFI      EFI/BOOT/BOOTX64.EFI, HOLON/HOLON.CER, HOLON/README.TXT
 *   Holon BIOS     the stage, and behind it, at STAGE_BYTES, the loader that it reads
 *   Holon record   which slot starts (lib/slots)
 *   Holon A, B     a bundle each
 *   Holon vault    where one is wanted, nothing yet: `vault` makes one of it
 */
#pragma once

#include <partition/gpt.h>
#include <slots/installation.h>
#include <stddef.h>
#include "../../boot/loader/verify.h"

enum { SECTOR = GPT_SECTOR, STAGE_BYTES = 30 << 10, BOOT_CODE_BYTES = 440, TEXT_MAX = 256 };
enum { BUNDLE_BYTES_MAX = 1 << 30, LOADER_BYTES_MAX = 4 << 20 };
#define SLOT_BYTES_MIN (64ull << 20)

struct disk {
	void *context;
	uint64_t sectors;
	/* COUNT sectors from SECTOR on, within the disk. False: an error. */
	bool (*read)(void *context, uint64_t sector, void *buffer, uint64_t count);
	bool (*write)(void *context, uint64_t sector, const void *buffer, uint64_t count);
	bool (*flush)(void *context); /* true: all that was written is on the disk */
};
bool disk_read_bytes(const struct disk *disk, uint64_t position, void *buffer, uint64_t bytes);
/* As lib/partition has it. */
struct partition_disk disk_partitions(const struct disk *disk);

struct bytes {
	uint8_t *at; /* malloc's; 0: there is none */
	uint64_t count;
};

/* ---- medium.c ---- */

enum medium_part { MEDIUM_BUNDLE, MEDIUM_BIOS, MEDIUM_EFI, MEDIUM_CERTIFICATE, MEDIUM_README, MEDIUM_PARTS };

struct medium {
	uint8_t boot_code[BOOT_CODE_BYTES], stage[STAGE_BYTES];
	struct bytes parts[MEDIUM_PARTS];
};

/* Whom this system trusts: the root that its own boot was verified with, the key list's epoch, its own rollback index. */
struct trusted {
	struct verify_policy policy;
	bool development;
};

/* Reads the medium, or a bundle alone (then the other parts are none). 0, or what is wrong. */
const char *medium_read(struct medium *medium, const struct disk *from);
void medium_free(struct medium *medium);
/* Verifies the bundle as the loader will, and each page of its system image. 0, or what is wrong, in TEXT. */
const char *medium_verify(const struct medium *medium, const struct trusted *trusted,
                          struct verified *verified, char text[TEXT_MAX]);

/* ---- write.c ---- */

struct wishes {
	bool erase;          /* what is on the disk now goes */
	uint64_t slot_bytes; /* 0: chosen */
	uint64_t vault_bytes;
	/* COUNT random bytes. */
	void (*random)(void *bytes, size_t count);
};

struct laid_out {
	bool bios;      /* the boot sector starts Holon; else another system's was left */
	unsigned vault; /* the vault's partition, 0: none */
	uint64_t slot_bytes;
};

/* Writes Holon to DISK: others' partitions stay, unless all is erased. 0, or what is wrong; then a disk that was kept is as it
 * was, but for room that was free. */
const char *install_write(const struct disk *disk, const struct medium *medium, const struct wishes *wishes,
                          struct laid_out *laid_out);

/* ---- esp.c ---- */

enum { ESP_SECTORS = 80 << 11 }; /* 80 MiB */
struct esp_file {
	const char *name; /* 8.3, as a directory has it: eleven characters */
	bool boot;        /* in EFI/BOOT; else in HOLON */
	struct bytes bytes;
};
/* Writes the file system into [FIRST, + ESP_SECTORS), with COUNT files, at most 8. */
bool esp_write(const struct disk *disk, uint64_t first, const struct esp_file *files, unsigned count);

/* ---- update.c ---- */

/* Whether Holon is installed on DISK. */
bool installation_read(struct installation *installation, const struct disk *disk);
/* The slot whose bundle has the signed manifest [MANIFEST, + COUNT): the one that runs. -1: none. */
int installation_running(const struct installation *installation, const struct disk *disk,
                         const uint8_t *manifest, size_t count);
/* What the slot says of itself: its manifest, of the bundle that was verified when it was written; none where there is none. */
struct bytes installation_manifest(const struct installation *installation, const struct disk *disk,
                                   unsigned slot);
/* Writes the verified BUNDLE to the slot other than RUNNING (-1: not known), reads it back, and gives it its trial. *SLOT: which.
 * 0, or what is wrong; then the slot that runs is still the one that starts. */
const char *update_write(struct installation *installation, const struct disk *disk, int running,
                         struct bytes bundle, unsigned *slot);
/* SLOT has shown that it works. */
const char *update_confirm(struct installation *installation, const struct disk *disk, unsigned slot);
/* The other slot than the one that is first starts from now on; it must be good. */
const char *update_back(struct installation *installation, const struct disk *disk, unsigned *slot);
/* Writes [BYTES, + COUNT) at SECTOR, the rest of the last sector zero, and reads it back. */
bool write_checked(const struct disk *disk, uint64_t sector, const uint8_t *bytes, uint64_t count);
/* Writes the record of SLOTS over the copy that does not count. */
bool record_write(const struct disk *disk, const struct partition *record, struct slots *slots);
