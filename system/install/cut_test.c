/* Power cuts at writes of an installation, an update, its confirmation, a step back, and the loader's own record of a trial: the
 * installer's and the loader's sources on a disk in memory, with real bundles and the development root.
 *
 * A disk keeps what was flushed. Of what was written since, a cut leaves each sector or not, and the write under way ends after any byte.
 * After each cut the loader must find a slot whose bundle verifies, and the operation must succeed when it is done again.
 *
 *   cut_test MEDIUM BUNDLE      a medium, and a bundle of another build
 */
#include "install.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "../../boot/loader/bundle.h"
#include "../../boot/loader/installed.h"
#include "../../boot/loader/loader.h"

enum { DISK_SECTORS = 128 << 11, TRACE_MAX = 4096, OTHER_FIRST = 2048, OTHER_COUNT = 2048 };

static uint8_t image[(size_t)DISK_SECTORS * SECTOR];
static int failures;
static uint64_t seed = 10;

static uint64_t any(uint64_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % below;
}

static void check(bool good, const char *name, const char *why)
{
	failures += !good;
	if (good)
		printf("ok %s\n", name);
	else
		printf("not ok %s - %s\n", name, why);
	fflush(stdout);
}

/* ---- The disk ---- */

/* A write, with what was there before. */
static struct written {
	uint64_t sector, count;
	unsigned flushes; /* before it */
	uint8_t *data, *before;
} trace[TRACE_MAX];
static unsigned traced, flushes;

static bool memory_read(void *context, uint64_t sector, void *buffer, uint64_t count)
{
	(void)context;
	if (sector >= DISK_SECTORS || count > DISK_SECTORS - sector)
		abort();
	memcpy(buffer, image + sector * SECTOR, count * SECTOR);
	return true;
}

static bool memory_write(void *context, uint64_t sector, const void *buffer, uint64_t count)
{
	(void)context;
	if (sector >= DISK_SECTORS || count > DISK_SECTORS - sector || traced == TRACE_MAX)
		abort();
	struct written *write = &trace[traced++];
	*write = (struct written){sector, count, flushes, malloc(count * SECTOR), malloc(count * SECTOR)};
	memcpy(write->before, image + sector * SECTOR, count * SECTOR);
	memcpy(write->data, buffer, count * SECTOR);
	memcpy(image + sector * SECTOR, buffer, count * SECTOR);
	return true;
}

static bool memory_flush(void *context)
{
	(void)context;
	flushes++;
	return true;
}

static const struct disk disk = {0, DISK_SECTORS, memory_read, memory_write, memory_flush};

/* Takes back all writes from number FIRST on. */
static void undo(unsigned first)
{
	while (traced > first) {
		struct written *write = &trace[--traced];
		memcpy(image + write->sector * SECTOR, write->before, write->count * SECTOR);
		free(write->before);
		free(write->data);
	}
}

static void keep(void)
{
	for (unsigned i = 0; i < traced; i++) {
		free(trace[i].before);
		free(trace[i].data);
	}
	traced = flushes = 0;
}

/* ---- The loader ---- */

uint64_t platform_disk_sectors(void)
{
	return DISK_SECTORS;
}

bool platform_disk_read(uint64_t position, void *to, uint64_t size)
{
	return disk_read_bytes(&disk, position, to, size);
}

bool platform_disk_write(uint64_t position, const void *from, uint64_t size)
{
	return memory_write(0, position / SECTOR, from, size / SECTOR) && memory_flush(0);
}

void say(const char *format, ...)
{
	(void)format;
}

static struct verified started;

/* Starts the machine as boot/loader/loader.c does: the slot, or -1. */
static int start(void)
{
	static uint8_t first[PAGE_SIZE];
	if (!installed_open())
		return -1;
	while (installed_next()) {
		const struct bundle_header *header = (const void *)first;
		if (!installed_read(0, first, sizeof(first)) || bundle_check(header, installed_size()))
			continue;
		const uint64_t size = header->size;
		uint8_t *bundle = aligned_alloc(PAGE_SIZE, size);
		const bool good = installed_read(0, bundle, size) &&
		                  !bundle_verify((const void *)bundle, size, &loader_policy, &started);
		free(bundle);
		if (good)
			return installed_name()[0] - 'A';
	}
	return -1;
}

/* ---- Operations ---- */

static struct medium medium;
static struct bytes next;
static bool erase;

static void fill(void *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		((uint8_t *)bytes)[i] = (uint8_t)any(256);
}

static const char *do_install(void)
{
	const struct wishes wishes = {.erase = erase, .slot_bytes = 1 << 20, .random = fill};
	struct laid_out laid_out;
	return install_write(&disk, &medium, &wishes, &laid_out);
}

static const char *on_installation(const char *(*operation)(struct installation *installation))
{
	static struct installation installation;
	return installation_read(&installation, &disk) ? operation(&installation) : "it is not installed";
}

static const char *update(struct installation *installation)
{
	unsigned slot;
	return update_write(installation, &disk, 0, next, &slot);
}

static const char *confirm_b(struct installation *installation)
{
	return update_confirm(installation, &disk, 1);
}

static const char *confirm_a(struct installation *installation)
{
	return update_confirm(installation, &disk, 0);
}

static const char *back(struct installation *installation)
{
	unsigned slot;
	if (slots_pick(&installation->slots, 0) == 0)
		return 0; /* done before the cut */
	return update_back(installation, &disk, &slot);
}

static const char *do_update(void)
{
	return on_installation(update);
}

static const char *do_confirm(void)
{
	return on_installation(confirm_b);
}

static const char *do_back(void)
{
	return on_installation(back);
}

/* What nobody should do: over the slot that starts, with nothing in the other. */
static const char *overwrite(struct installation *installation)
{
	return write_checked(&disk, installation->slot[0].first, next.at, next.count)
	           ? 0
	           : "it cannot be written";
}

static const char *do_overwrite(void)
{
	return on_installation(overwrite);
}

static const char *do_start(void)
{
	return start() < 0 ? "no slot starts" : 0;
}

/* ---- Cuts ---- */

static bool other_whole(void)
{
	for (uint64_t i = 0; i < (uint64_t)OTHER_COUNT * SECTOR; i++)
		if (image[OTHER_FIRST * SECTOR + i] != (uint8_t)(i * 7 + 1))
			return false;
	struct gpt gpt;
	const struct partition_disk partitions = disk_partitions(&disk);
	return gpt_read(&gpt, &partitions) && gpt.entries[32] == (OTHER_FIRST & 255) &&
	       gpt.entries[33] == OTHER_FIRST >> 8;
}

/* The disk as the power cut in write CUT of COUNT leaves it. */
static void cut_make(const struct written *writes, unsigned cut)
{
	const bool all = any(3) == 0;
	for (unsigned i = 0; i < cut; i++)
		for (uint64_t sector = 0; sector < writes[i].count; sector++)
			if (writes[i].flushes < writes[cut].flushes || all || any(2))
				memory_write(0, writes[i].sector + sector, writes[i].data + sector * SECTOR,
				             1);
	const struct written *last = &writes[cut];
	const uint64_t bytes = any(last->count * SECTOR + 1), whole = bytes / SECTOR;
	uint8_t torn[SECTOR];
	if (whole)
		memory_write(0, last->sector, last->data, whole);
	if (bytes % SECTOR) {
		memory_read(0, last->sector + whole, torn, 1);
		memcpy(torn, last->data + whole * SECTOR, bytes % SECTOR);
		memory_write(0, last->sector + whole, torn, 1);
	}
}

enum must { MUST_START, MUST_KEEP_OTHERS, MUST_NOTHING, MUST_FAIL };

/* Cuts OPERATION at COUNT writes of its own, each at least once where COUNT is no less than there are. */
static void cuts(const char *name, const char *(*operation)(void), unsigned count, enum must must)
{
	static struct written writes[TRACE_MAX];
	const char *why;
	unsigned lost = 0, again = 0;
	keep();
	why = operation();
	const unsigned total = traced;
	memcpy(writes, trace, sizeof(*trace) * total);
	for (unsigned i = 0; i < total; i++) { /* copies, since undo() frees its own */
		writes[i].data = malloc(writes[i].count * SECTOR);
		memcpy(writes[i].data, trace[i].data, writes[i].count * SECTOR);
	}
	undo(0);
	flushes = 0;
	for (unsigned round = 0; !why && total && round < count; round++) {
		cut_make(writes, round < total ? round : (unsigned)any(total));
		if (must == MUST_KEEP_OTHERS)
			lost += !other_whole();
		if (must == MUST_START || must == MUST_FAIL)
			lost += start() < 0;
		const bool erased = erase;
		erase |= must == MUST_NOTHING;
		struct installation installation;
		/* A kept disk on which the table was written before the cut has Holon already. */
		if (must != MUST_KEEP_OTHERS || !installation_read(&installation, &disk))
			again += operation() != 0;
		erase = erased;
		again += start() < 0;
		if (must == MUST_KEEP_OTHERS)
			lost += !other_whole();
		undo(0);
		flushes = 0;
	}
	for (unsigned i = 0; i < total; i++)
		free(writes[i].data);
	if (must == MUST_FAIL) {
		check(!why && lost, name, "no cut did any harm: the others show nothing");
		return;
	}
	char text[160], named[160];
	snprintf(named, sizeof(named), "power cuts: %s, %u cuts at %u writes", name, count, total);
	snprintf(text, sizeof(text), "%s; %u times nothing started or something was lost, %u times not again",
	         why ? why : "it went through", lost, again);
	check(!why && total && !lost && !again, named, text);
}

/* ---- Turns ---- */

static void test_turns(void)
{
	const char *build = started.build;
	char first[sizeof(started.build)];
	bool good = start() == 0;
	memcpy(first, build, sizeof(first));
	good &= !on_installation(confirm_a) && start() == 0;
	check(good, "slots: the first start is slot A's", "it is not");
	good = !do_update() && start() == 1 && strcmp(build, first) != 0;
	check(good, "slots: an update starts next", "it does not");
	good = start() == 1 && start() == 1 && start() == 0 && start() == 0 && !strcmp(build, first);
	check(good, "slots: after its tries without a confirmation the old system starts", "it does not");
	good = !do_update() && start() == 1 && !do_confirm() && start() == 1 && start() == 1 &&
	       start() == 1 && start() == 1;
	check(good, "slots: once confirmed it stays", "it does not");
	good = !do_back() && start() == 0 && start() == 0;
	check(good, "slots: a step back starts the old system", "it does not");
	keep();
	struct installation installation = {0};
	unsigned wrong = 0;
	good = !do_update() && installation_read(&installation, &disk);
	for (unsigned i = 0; good && i < 20; i++) {
		const unsigned before = traced;
		const uint64_t at = any(next.count);
		uint8_t sector[SECTOR];
		memory_read(0, installation.slot[1].first + at / SECTOR, sector, 1);
		sector[at % SECTOR] ^= (uint8_t)(1u << any(8));
		memory_write(0, installation.slot[1].first + at / SECTOR, sector, 1);
		const int slot = start();
		wrong += slot < 0; /* B where the bit is in the fill behind a part, which nothing reads */
		undo(before);
	}
	check(good && !wrong, "slots: with a flipped bit in the new system, one of the two still starts",
	      "none does");
	good = start() == 1 && installed_has_other() && start() == 1 && start() == 1;
	const unsigned before = traced;
	uint8_t sector[SECTOR] = {0};
	memory_write(0, installation.slot[0].first, sector, 1);
	good &= start() == 1 && !installed_has_other();
	undo(before);
	check(good && start() == 0,
	      "slots: on trial there is a system to go back to, but not when that was passed over",
	      "it is told wrongly");
	for (unsigned copy = 0; copy < SLOTS_COPIES; copy++) {
		static const uint8_t zeros[SECTOR];
		memory_write(0, installation.record.first + copy * SLOTS_COPY_SECTORS, zeros, 1);
	}
	check(good && start() >= 0, "slots: without any record one of the two still starts", "none does");
	undo(0);
	flushes = 0;
}

/* ---- Main ---- */

static bool file_read(void *context, uint64_t sector, void *buffer, uint64_t count)
{
	const int file = *(const int *)context;
	return pread(file, buffer, count * SECTOR, (off_t)(sector * SECTOR)) == (ssize_t)(count * SECTOR);
}

static const char *take(struct medium *out, const char *path)
{
	struct stat status;
	int file = open(path, O_RDONLY);
	if (file < 0 || fstat(file, &status))
		return "it cannot be opened";
	const struct disk from = {&file, (uint64_t)status.st_size / SECTOR, file_read, 0, 0};
	const char *why = medium_read(out, &from);
	close(file);
	return why;
}

/* A disk with another system's partition and its content. */
static void other_make(void)
{
	const uint8_t type[16] = {1}, id[16] = {2};
	const struct gpt_writer writer = {0, memory_read, memory_write, memory_flush};
	static struct gpt gpt;
	memset(image, 0, sizeof(image));
	gpt_new(&gpt, DISK_SECTORS, id);
	gpt_add(&gpt, type, id, "other", OTHER_FIRST, OTHER_COUNT);
	if (!gpt_write(&gpt, &writer))
		abort();
	for (uint64_t i = 0; i < (uint64_t)OTHER_COUNT * SECTOR; i++)
		image[OTHER_FIRST * SECTOR + i] = (uint8_t)(i * 7 + 1);
	keep();
}

int main(int count, char **arguments)
{
	static struct medium second;
	const unsigned cut_count = getenv("HOLON_SOAK") ? 100 : 10;
	const char *why = count != 3 ? "usage: cut_test MEDIUM BUNDLE" : take(&medium, arguments[1]);
	if (!why)
		why = take(&second, arguments[2]);
	check(!why, "media: a medium and a bundle are read", why ? why : "");
	if (why)
		return 1;
	next = second.parts[MEDIUM_BUNDLE];
	cuts("installing on an empty disk", do_install, cut_count, MUST_NOTHING);
	other_make();
	cuts("installing beside another system", do_install, cut_count, MUST_KEEP_OTHERS);
	check(!do_install() && other_whole() && start() == 0, "install: another system's partition stays",
	      "it does not");
	check(do_install() != 0, "install: a disk that has Holon is refused", "it is not");
	keep();
	cuts("control: an update over the only system is lost to a power cut", do_overwrite, cut_count,
	     MUST_FAIL);
	test_turns();
	cuts("an update", do_update, cut_count, MUST_START);
	check(!do_update(), "an update is written", "it is not");
	cuts("a start on trial", do_start, cut_count, MUST_START);
	cuts("a confirmation", do_confirm, cut_count, MUST_START);
	check(!do_confirm(), "an update is confirmed", "it is not");
	cuts("a step back", do_back, cut_count, MUST_START);
	keep();
	medium_free(&medium);
	medium_free(&second);
	return failures != 0;
}
