/* A disk is laid out and written. What makes it start comes last: first all partitions' contents, then the partition table, whose copies are
 * written one after the other, then the boot sector. */
#include "install.h"

#include <filesystem/bytes.h>
#include <stdlib.h>
#include <string.h>

enum {
	BIOS_SECTORS = 2048,
	RECORD_SECTORS = 2048,
	STAGE_SECTOR_AT = 432, /* of the boot sector: boot/bios/sector.S */
	TABLE_AT = 8,          /* of the stage: boot/bios/entry.S */
	EMPTY_SECTORS = 2048,
	GPT_SECTORS = 34, /* at the disk's beginning with the first sector; at its end one less */
};

static const uint8_t type_efi[16] = {0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11,
                                     0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b};
/* 21686148-6449-6E6F-744E-656564454649, a BIOS boot partition. */
static const uint8_t type_bios[16] = {'H', 'a', 'h', '!', 'I', 'd', 'o', 'n',
                                      't', 'N', 'e', 'e', 'd', 'E', 'F', 'I'};
/* 9e6e8a6d-2f0b-4c5a-8a4e-486f6c6f6e43 (lib/slots has …41 and …42): for a vault. */
static const uint8_t type_vault[16] = {0x6d, 0x8a, 0x6e, 0x9e, 0x0b, 0x2f, 0x5a, 0x4c,
                                       0x8a, 0x4e, 0x48, 0x6f, 0x6c, 0x6f, 0x6e, 0x43};

enum place { PLACE_EFI, PLACE_BIOS, PLACE_RECORD, PLACE_A, PLACE_B, PLACE_VAULT, PLACES };

struct plan {
	struct gpt gpt;
	uint64_t first[PLACES], count[PLACES]; /* sectors; count 0: none */
	unsigned number[PLACES];
};

static bool is_zero(const uint8_t *bytes, size_t count)
{
	while (count && !*bytes) {
		bytes++;
		count--;
	}
	return !count;
}

static bool all_zero(const struct disk *disk, uint64_t sector, uint64_t count)
{
	uint8_t buffer[SECTOR];
	for (uint64_t i = 0; i < count; i++)
		if (!disk->read(disk->context, sector + i, buffer, 1) || !is_zero(buffer, SECTOR))
			return false;
	return true;
}

static bool has_slots(const struct gpt *gpt)
{
	for (unsigned i = 0; i < GPT_ENTRIES; i++)
		if (!memcmp(gpt->entries + (size_t)i * GPT_ENTRY_BYTES, slots_type_slot, 16))
			return true;
	return false;
}

/* The table to begin with: a new one for an empty disk or one to be erased, else the one that is there. */
static const char *table_begin(struct plan *plan, const struct disk *disk, const struct wishes *wishes)
{
	const struct partition_disk partitions = disk_partitions(disk);
	uint8_t id[16];
	if (disk->sectors < 4 * (uint64_t)GPT_ALIGN)
		return "it is too small";
	if (!wishes->erase && gpt_read(&plan->gpt, &partitions))
		return has_slots(&plan->gpt) ? "Holon is on it already: update it, or erase the disk" : 0;
	if (!wishes->erase &&
	    (!all_zero(disk, 0, EMPTY_SECTORS) || !all_zero(disk, disk->sectors - GPT_SECTORS, GPT_SECTORS)))
		return "it is not empty, and has no GPT into whose free room Holon could go: erase the disk, "
		       "if nothing on "
		       "it is wanted";
	wishes->random(id, sizeof(id));
	gpt_new(&plan->gpt, disk->sectors, id);
	return 0;
}

static const char *plan_make(struct plan *plan, const struct disk *disk, const struct medium *medium,
                             const struct wishes *wishes)
{
	static const struct {
		const uint8_t *type;
		const char *name;
	} places[PLACES] = {[PLACE_EFI] = {type_efi, "Holon EFI"},
	                    [PLACE_BIOS] = {type_bios, "Holon BIOS"},
	                    [PLACE_RECORD] = {slots_type_record, "Holon record"},
	                    [PLACE_A] = {slots_type_slot, "Holon A"},
	                    [PLACE_B] = {slots_type_slot, "Holon B"},
	                    [PLACE_VAULT] = {type_vault, "Holon vault"}};
	const uint64_t bundle = medium->parts[MEDIUM_BUNDLE].count;
	uint64_t slot = wishes->slot_bytes            ? wishes->slot_bytes
	                : 4 * bundle > SLOT_BYTES_MIN ? 4 * bundle
	                                              : SLOT_BYTES_MIN;
	const char *why = table_begin(plan, disk, wishes);
	if (why)
		return why;
	if (slot < bundle)
		return "a slot of that size does not hold the system";
	slot = (slot + GPT_ALIGN * SECTOR - 1) / (GPT_ALIGN * SECTOR) * GPT_ALIGN;
	plan->count[PLACE_EFI] = ESP_SECTORS;
	plan->count[PLACE_BIOS] = BIOS_SECTORS;
	plan->count[PLACE_RECORD] = RECORD_SECTORS;
	plan->count[PLACE_A] = plan->count[PLACE_B] = slot;
	plan->count[PLACE_VAULT] = wishes->vault_bytes / SECTOR;
	for (unsigned i = 0; i < PLACES; i++) {
		uint8_t id[16];
		if (!plan->count[i])
			continue;
		if (!gpt_room(&plan->gpt, plan->count[i], &plan->first[i]))
			return "it has not enough free room";
		wishes->random(id, sizeof(id));
		plan->number[i] =
		    gpt_add(&plan->gpt, places[i].type, id, places[i].name, plan->first[i], plan->count[i]);
		if (!plan->number[i])
			return "its partition table is full";
	}
	return 0;
}

static bool esp_fill(const struct disk *disk, const struct medium *medium, const struct plan *plan)
{
	const struct esp_file files[] = {{"BOOTX64 EFI", true, medium->parts[MEDIUM_EFI]},
	                                 {"HOLON   CER", false, medium->parts[MEDIUM_CERTIFICATE]},
	                                 {"README  TXT", false, medium->parts[MEDIUM_README]}};
	return esp_write(disk, plan->first[PLACE_EFI], files, sizeof(files) / sizeof(*files));
}

/* The stage, which is told where the loader is, and that there is no bundle beside it. */
static bool bios_fill(const struct disk *disk, const struct medium *medium, const struct plan *plan)
{
	const struct bytes *loader = &medium->parts[MEDIUM_BIOS];
	const uint64_t count = STAGE_BYTES + loader->count;
	uint8_t *both = count <= BIOS_SECTORS * (uint64_t)SECTOR ? malloc(count) : 0;
	if (!both)
		return false;
	memcpy(both, medium->stage, STAGE_BYTES);
	memcpy(both + STAGE_BYTES, loader->at, loader->count);
	memset(both + TABLE_AT, 0, 16 * MEDIUM_PARTS);
	put64(both + TABLE_AT + 16, plan->first[PLACE_BIOS] * SECTOR + STAGE_BYTES);
	put64(both + TABLE_AT + 24, loader->count);
	bool good = write_checked(disk, plan->first[PLACE_BIOS], both, count);
	free(both);
	return good;
}

/* Nothing of an earlier installation's record is left, and slot A has its trial. */
static bool record_fill(const struct disk *disk, const struct medium *medium, const struct plan *plan)
{
	static const uint8_t zeros[SLOTS_COPIES * SLOTS_COPY_BYTES];
	const struct partition record = {.first = plan->first[PLACE_RECORD]};
	struct slots slots = {0};
	slots_offer(&slots, 0, medium->parts[MEDIUM_BUNDLE].count);
	return write_checked(disk, record.first, zeros, sizeof(zeros)) && record_write(disk, &record, &slots);
}

/* The boot sector's code, where none of another system's is there. *DONE: whether it is ours. */
static bool boot_code_write(const struct disk *disk, const struct medium *medium, const struct plan *plan,
                            bool erase, bool *done)
{
	uint8_t sector[SECTOR];
	if (!disk->read(disk->context, 0, sector, 1))
		return false;
	*done = erase || is_zero(sector, BOOT_CODE_BYTES);
	if (!*done)
		return true;
	memcpy(sector, medium->boot_code, BOOT_CODE_BYTES);
	put64(sector + STAGE_SECTOR_AT, plan->first[PLACE_BIOS]);
	return disk->write(disk->context, 0, sector, 1) && disk->flush(disk->context);
}

/* What a disk to be erased starts with must not be found beside the new table when the power goes. */
static bool table_erase(const struct disk *disk)
{
	static const uint8_t zeros[GPT_SECTORS * SECTOR];
	return disk->write(disk->context, 0, zeros, GPT_SECTORS) &&
	       disk->write(disk->context, disk->sectors - GPT_SECTORS, zeros, GPT_SECTORS) &&
	       disk->flush(disk->context);
}

const char *install_write(const struct disk *disk, const struct medium *medium, const struct wishes *wishes,
                          struct laid_out *laid_out)
{
	static struct plan plan;
	const struct bytes *bundle = &medium->parts[MEDIUM_BUNDLE];
	const struct gpt_writer writer = {disk->context, disk->read, disk->write, disk->flush};
	plan = (struct plan){0};
	if (!medium->parts[MEDIUM_EFI].at)
		return "a bundle alone cannot be installed: there is no loader with it";
	const char *why = plan_make(&plan, disk, medium, wishes);
	if (why)
		return why;
	*laid_out =
	    (struct laid_out){.vault = plan.number[PLACE_VAULT], .slot_bytes = plan.count[PLACE_A] * SECTOR};
	/* The table comes last: until then nothing says that these sectors are anything. */
	if ((wishes->erase && !table_erase(disk)) || !esp_fill(disk, medium, &plan) ||
	    !bios_fill(disk, medium, &plan) || !record_fill(disk, medium, &plan) ||
	    !write_checked(disk, plan.first[PLACE_A], bundle->at, bundle->count) ||
	    !gpt_write(&plan.gpt, &writer) ||
	    !boot_code_write(disk, medium, &plan, wishes->erase, &laid_out->bios))
		return "the disk does not keep what is written to it";
	return 0;
}
