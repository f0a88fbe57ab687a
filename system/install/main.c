/* holon-install: writes Holon to a disk, and keeps what is installed up to date (docs/install.md). */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>
#include "../../boot/loader/bundle.h"
#include "devices.h"

enum { GOOD = 0, REFUSED = 1, IMPOSSIBLE = 2, USAGE = 3, SECONDS_MAX = 3600 };

static const char usage[] =
    "usage: holon-install DISK [--from MEDIUM] [--erase] [--slot SIZE] [--vault SIZE] [--yes]\n"
    "       holon-install update MEDIUM [DISK]     MEDIUM: a release's ISO image or bundle, or a stick\n"
    "       holon-install status [DISK]\n"
    "       holon-install confirm [--after SECONDS] [DISK]\n"
    "       holon-install back [DISK]\n"
    "DISK is a name of /dev/block. See docs/install.md.\n";

static _Noreturn void stop(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));
static _Noreturn void stop(int status, const char *format, ...)
{
	va_list arguments;
	fflush(stdout);
	fputs("holon-install: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	exit(status);
}

/* What the command line says. */
struct said {
	const char *words[3]; /* that are no options */
	unsigned count;
	const char *from;
	bool yes;
	unsigned after;
	struct wishes wishes;
};

static uint64_t size_of(const char *text)
{
	char *end;
	errno = 0;
	const unsigned long long value = strtoull(text, &end, 10);
	const unsigned shift = *end == 'K' ? 10 : *end == 'M' ? 20 : *end == 'G' ? 30 : 0;
	if (errno || end == text || (shift && *++end) || *end || !value || value > UINT64_MAX >> 34)
		stop(USAGE, "'%s' is no size: bytes, or a number with K, M or G", text);
	return (uint64_t)value << shift;
}

static const char *value_of(char **argument)
{
	if (!argument[1])
		stop(USAGE, "%s needs a value", *argument);
	return argument[1];
}

static void fill_random(void *bytes, size_t count)
{
	if (getrandom(bytes, count, 0) != (ssize_t)count)
		stop(IMPOSSIBLE, "there are no random bytes: %s", strerror(errno));
}

static struct said read_words(char **argument)
{
	struct said said = {.wishes = {.random = fill_random}};
	for (; *argument; argument++) {
		if (!strcmp(*argument, "--erase")) {
			said.wishes.erase = true;
		} else if (!strcmp(*argument, "--yes")) {
			said.yes = true;
		} else if (!strcmp(*argument, "--from")) {
			said.from = value_of(argument++);
		} else if (!strcmp(*argument, "--slot")) {
			said.wishes.slot_bytes = size_of(value_of(argument++));
		} else if (!strcmp(*argument, "--vault")) {
			said.wishes.vault_bytes = size_of(value_of(argument++));
		} else if (!strcmp(*argument, "--after")) {
			const uint64_t seconds = size_of(value_of(argument++));
			said.after = seconds < SECONDS_MAX ? (unsigned)seconds : SECONDS_MAX;
		} else if (**argument == '-' || said.count == sizeof(said.words) / sizeof(*said.words)) {
			fputs(usage, stderr);
			exit(USAGE);
		} else {
			said.words[said.count++] = *argument;
		}
	}
	return said;
}

static void must_open(struct device *device, const char *name, bool write)
{
	if (!device_open(device, name, write))
		stop(IMPOSSIBLE, "%s cannot be opened: %s", name, strerror(errno));
}

/* ---- What runs, and where it is installed ---- */

static struct {
	struct trusted trusted;
	struct bytes manifest;
} own;

static void know_own(void)
{
	const char *why = system_trusted(&own.trusted, &own.manifest);
	if (why)
		stop(IMPOSSIBLE, "%s", why);
}

struct target {
	struct device device;
	struct installation installation;
	int running;
};

/* Whether Holon is installed on the disk that is open; if not, it is closed. */
static bool target_read(struct target *target)
{
	if (!installation_read(&target->installation, &target->device.disk)) {
		device_close(&target->device);
		return false;
	}
	target->running = installation_running(&target->installation, &target->device.disk, own.manifest.at,
	                                       own.manifest.count);
	return true;
}

/* The disk that is named; else the one that this system started from; else the only one that Holon is on. */
static void target_find(struct target *target, const char *name, bool write)
{
	static char names[DISKS_MAX][DISK_NAME_MAX];
	const char *only = 0;
	unsigned found = 0;
	if (name) {
		must_open(&target->device, name, write);
		if (!target_read(target))
			stop(IMPOSSIBLE, "Holon is not installed on %s", name);
		return;
	}
	const unsigned count = device_names(names);
	for (unsigned i = 0; i < count; i++) {
		if (!device_open(&target->device, names[i], write) || !target_read(target))
			continue;
		if (target->running >= 0)
			return;
		device_close(&target->device);
		only = names[i];
		found++;
	}
	if (found != 1 || !device_open(&target->device, only, write) || !target_read(target))
		stop(IMPOSSIBLE, found ? "Holon is installed on several disks: name one"
		                       : "Holon is installed on none of this machine's disks");
}

static char letter(unsigned slot)
{
	return slot ? 'B' : 'A';
}

/* ---- Media ---- */

/* Reads and verifies what is on NAME. */
static struct verified medium_take(struct medium *medium, const char *name)
{
	struct device device;
	struct verified verified;
	char text[TEXT_MAX];
	must_open(&device, name, false);
	const char *why = medium_read(medium, &device.disk);
	device_close(&device);
	if (why)
		stop(IMPOSSIBLE, "%s: %s", name, why);
	why = medium_verify(medium, &own.trusted, &verified, text);
	if (why)
		stop(REFUSED, "%s is not to be trusted: %s. Nothing was written", name, why);
	printf("Verified: %s, rollback index %llu\n", verified.build, (unsigned long long)verified.rollback);
	return verified;
}

/* The disk with the medium that this system was started from. */
static const char *own_medium(void)
{
	static char names[DISKS_MAX][DISK_NAME_MAX];
	const unsigned count = device_names(names);
	for (unsigned i = 0; i < count; i++) {
		struct device device;
		struct medium medium;
		if (!device_open(&device, names[i], false))
			continue;
		const bool good = !medium_read(&medium, &device.disk) && medium.parts[MEDIUM_EFI].at;
		device_close(&device);
		medium_free(&medium);
		if (good)
			return names[i];
	}
	stop(IMPOSSIBLE,
	     "none of this machine's disks is a medium of Holon (a CD is not seen): name a stick or "
	     "an ISO image with --from");
}

/* ---- Commands ---- */

static void confirm_typed(const struct said *said, const char *disk)
{
	char line[DISK_NAME_MAX + 2] = "";
	printf(said->wishes.erase ? "ALL THAT IS ON %s WILL BE LOST. Type its name to go on: "
	                          : "Holon will be written to free room of %s. Type its name to go on: ",
	       disk);
	fflush(stdout);
	if (!fgets(line, sizeof(line), stdin))
		line[0] = 0;
	line[strcspn(line, "\r\n")] = 0;
	if (strcmp(line, disk) != 0)
		stop(REFUSED, "nothing was written");
}

static int do_install(const struct said *said)
{
	static struct medium medium;
	struct device device;
	struct laid_out made;
	const char *name = said->words[0];
	know_own();
	medium_take(&medium, said->from ? said->from : own_medium());
	must_open(&device, name, true);
	if (!said->yes)
		confirm_typed(said, name);
	puts("Writing …");
	const char *why = install_write(&device.disk, &medium, &said->wishes, &made);
	if (why)
		stop(IMPOSSIBLE, "%s: %s", name, why);
	device_scan(&device);
	device_close(&device);
	printf("Holon is on %s, two slots of %llu MiB. Remove the medium and start the machine again.\n",
	       name, (unsigned long long)(made.slot_bytes >> 20));
	if (!made.bios)
		puts("Under a BIOS the disk still starts the system that was there; under UEFI, choose Holon "
		     "in the "
		     "firmware's boot menu.");
	if (made.vault)
		printf("For the vault, say after that start: vault create %sp%u\n", name, made.vault);
	return GOOD;
}

static int do_update(const struct said *said)
{
	static struct medium medium;
	struct target target;
	unsigned slot;
	know_own();
	const struct verified verified = medium_take(&medium, said->words[1]);
	target_find(&target, said->words[2], true);
	const struct bytes bundle = medium.parts[MEDIUM_BUNDLE];
	const struct bundle_entry *manifest = bundle_find((const void *)bundle.at, BUNDLE_MANIFEST);
	if (target.running >= 0 && manifest && manifest->size == own.manifest.count &&
	    !memcmp(bundle.at + manifest->offset, own.manifest.at, own.manifest.count))
		stop(REFUSED, "%s is what runs already", verified.build);
	const char *why =
	    update_write(&target.installation, &target.device.disk, target.running, bundle, &slot);
	if (why)
		stop(IMPOSSIBLE, "%s: %s", target.device.path, why);
	printf("Slot %c holds it and starts next, on trial: %u starts, then slot %c's turn comes again.\n",
	       letter(slot), SLOTS_TRIES, letter(1 - slot));
	return GOOD;
}

static int do_status(const struct said *said)
{
	struct target target;
	know_own();
	target_find(&target, said->words[1], false);
	const struct slots *slots = &target.installation.slots;
	const int next = slots_pick(slots, 0);
	printf("%s\n", target.device.path);
	if (!slots->sequence)
		puts(
		    "  the record of its slots is lost: both are tried, and the next update makes a new one");
	for (unsigned i = 0; i < SLOTS; i++) {
		const struct slot *slot = &slots->slot[i];
		struct bytes bytes = installation_manifest(&target.installation, &target.device.disk, i);
		struct field fields[BOOT_FIELDS];
		const char *state = slot->good       ? "good"
		                    : slot->tries    ? "on trial"
		                    : slot->priority ? "did not show that it works"
		                                     : "empty, or half written";
		printf("  %c  %s%s%s", letter(i), state, target.running == (int)i ? ", runs" : "",
		       next == (int)i ? ", starts next" : "");
		if (slot->tries)
			printf(", %u tries", slot->tries);
		if (bytes.at && !record_read(bytes.at, record_size(bytes.at, bytes.count), RECORD_BOOT,
		                             boot_rules, BOOT_FIELDS, fields))
			printf("  %.*s, rollback index %llu", (int)fields[BOOT_BUILD].count,
			       (const char *)fields[BOOT_BUILD].bytes,
			       (unsigned long long)record_number(&fields[BOOT_ROLLBACK]));
		putchar('\n');
		free(bytes.at);
	}
	return GOOD;
}

/* Of what runs. That this program runs and writes to the disk shows that kernel, services, driver and personality work; the entropy
 * service is asked, too. */
static int do_confirm(const struct said *said)
{
	struct target target;
	uint8_t bytes[32];
	sleep(said->after);
	know_own();
	fill_random(bytes, sizeof(bytes));
	target_find(&target, said->words[1], true);
	if (target.running < 0)
		stop(REFUSED, "%s: what runs was not started from there", target.device.path);
	const char *why = update_confirm(&target.installation, &target.device.disk, (unsigned)target.running);
	if (why)
		stop(IMPOSSIBLE, "%s: %s", target.device.path, why);
	printf("Slot %c is good.\n", letter((unsigned)target.running));
	return GOOD;
}

static int do_back(const struct said *said)
{
	struct target target;
	unsigned slot;
	know_own();
	target_find(&target, said->words[1], true);
	const char *why = update_back(&target.installation, &target.device.disk, &slot);
	if (why)
		stop(IMPOSSIBLE, "%s: %s", target.device.path, why);
	printf("Slot %c starts next.\n", letter(slot));
	return GOOD;
}

int main(int count, char **arguments)
{
	static const struct {
		const char *name;
		unsigned least, most; /* words */
		int (*run)(const struct said *said);
	} commands[] = {{"update", 2, 3, do_update},
	                {"status", 1, 2, do_status},
	                {"confirm", 1, 2, do_confirm},
	                {"back", 1, 2, do_back}};
	const struct said said = read_words(arguments + (count > 0));
	for (unsigned i = 0; said.count && i < sizeof(commands) / sizeof(*commands); i++)
		if (!strcmp(said.words[0], commands[i].name) && said.count >= commands[i].least &&
		    said.count <= commands[i].most)
			return commands[i].run(&said);
	if (said.count == 1)
		return do_install(&said);
	fputs(usage, stderr);
	return USAGE;
}
