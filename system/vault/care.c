/* The vault command: what is done to a vault as a whole. */
#include <stdlib.h>
#include "command.h"

int run_snapshot(const struct options *options)
{
	struct holon_vault request = {0};
	struct vault_snapshot found;
	arguments_are(options, 1, 2);
	if (options->count == 2)
		return run_simple(options, HOLON_VAULT_SNAPSHOT, true);
	put(request.name, sizeof(request.name), options->arguments[0], "name");
	while (holon_vault(HOLON_VAULT_SNAPSHOTS, &request) == 0) {
		char text[32];
		memcpy(&found, request.result, sizeof(found));
		time_t when = (time_t)(found.created_ns / 1000000000);
		strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", gmtime(&when));
		printf("%s  %8.1f MiB  %s\n", text, (double)found.bytes / (1 << 20), found.name);
		request.index = found.number;
	}
	if (errno != ENOENT)
		fail_errno(options->arguments[0]);
	return GOOD;
}

static struct vault_report report_of(const struct holon_vault *request)
{
	struct vault_report report;
	memcpy(&report, request->result, sizeof(report));
	return report;
}

static int print_report(const struct holon_vault *request)
{
	const struct vault_report report = report_of(request);
	printf("%llu blocks are good, %llu were repaired, %llu are damaged\n",
	       (unsigned long long)report.blocks, (unsigned long long)report.healed,
	       (unsigned long long)report.damaged);
	return report.damaged ? DAMAGED : report.healed ? REPAIRED : GOOD;
}

/* What is under way, step by step; between the steps the vault serves others. */
static void go_on(struct holon_vault *request, enum holon_vault_operation operation, uint32_t flags)
{
	bool shows = isatty(STDERR_FILENO);
	struct vault_report report = report_of(request);
	while (report.more) {
		if (shows)
			fprintf(stderr, "\r%llu of about %llu blocks ", (unsigned long long)report.blocks,
			        (unsigned long long)report.total);
		request->flags = flags;
		if (holon_vault(operation, request) < 0)
			fail_errno(request->name);
		report = report_of(request);
	}
	if (shows)
		fputs("\r\033[K", stderr);
}

int run_scrub(const struct options *options)
{
	struct holon_vault request = {0};
	arguments_are(options, 1, 1);
	put(request.name, sizeof(request.name), options->arguments[0], "name");
	if (holon_vault(HOLON_VAULT_SCRUB, &request) < 0)
		fail_errno(options->arguments[0]);
	go_on(&request, HOLON_VAULT_SCRUB, VAULT_CONTINUE);
	return print_report(&request);
}

/* All blocks of the new leg count as repaired. */
int run_mirror(const struct options *options)
{
	struct holon_vault request = {0};
	arguments_are(options, 2, 2);
	put(request.name, sizeof(request.name), options->arguments[0], "name");
	put(request.device, sizeof(request.device), options->arguments[1], "device");
	if (options->erase) {
		confirm(options, "Everything on the device will be lost.");
		request.flags = VAULT_ERASE;
	}
	if (holon_vault(HOLON_VAULT_MIRROR, &request) < 0)
		fail_errno(options->arguments[1]);
	go_on(&request, HOLON_VAULT_SCRUB, VAULT_CONTINUE);
	return print_report(&request) == DAMAGED ? DAMAGED : GOOD;
}

void find_legs(const struct holon_vault *opened, const char *device)
{
	struct holon_vault request = {.flags = VAULT_FOUND};
	char name[32];
	memcpy(request.name, opened->name, sizeof(request.name));
	for (unsigned i = 0; holon_block_list(i, name) == 0; i++) {
		if (strcmp(name, device) == 0)
			continue;
		put(request.device, sizeof(request.device), name, "device");
		if (holon_vault(HOLON_VAULT_MIRROR, &request) < 0) {
			if (errno == ENOTUNIQ)
				fprintf(stderr,
				        "vault: %s: was a leg of it and lacks something, or was written "
				        "apart: 'vault mirror' fills it\n",
				        name);
			continue; /* something else is on it, or it is in use */
		}
		fprintf(stderr, "vault: %s: is a leg of it, too\n", name);
	}
}

int run_grow(const struct options *options)
{
	struct holon_vault request = {0};
	arguments_are(options, 1, 1);
	if (!options->size)
		fail(WRONG, "--size is missing");
	put(request.name, sizeof(request.name), options->arguments[0], "name");
	request.size = parse_size(options->size);
	if (holon_vault(HOLON_VAULT_GROW, &request) < 0) {
		if (errno == EINVAL)
			fail(WRONG, "%s: a vault grows, to at most 64T, and does not shrink",
			     options->arguments[0]);
		fail_errno(options->arguments[0]);
	}
	return GOOD;
}

/* ---- Key slots ---- */

static const char *factor_name(unsigned factor)
{
	static const char *const names[] = {"",         "none needed", "passphrase", "recovery words",
	                                    "key file", "secret file", "machine",    "the machine's TPM"};
	return factor < sizeof(names) / sizeof(*names) ? names[factor] : "?";
}

static int list_slots(struct holon_vault *request)
{
	struct vault_slot slot;
	for (request->index = 0; holon_vault(HOLON_VAULT_SLOTS, request) == 0; request->index++) {
		memcpy(&slot, request->result, sizeof(slot));
		printf("slot %u: %s%s%s%s%s\n", slot.number, factor_name(slot.factors[0]),
		       slot.factors[1] ? " and " : "", factor_name(slot.factors[1]),
		       slot.label[0] ? ", " : "", slot.label);
	}
	if (errno != ENOENT || !request->index)
		fail_errno(request->name);
	return GOOD;
}

static void add_slot(struct holon_vault *request, enum holon_vault_operation operation,
                     const struct options *options)
{
	if (options->label)
		put(request->path, sizeof(((struct vault_slot *)0)->label), options->label, "label");
	request->flags = options->words ? VAULT_WORDS : 0;
	take_credentials(request, options, true);
	int result = holon_vault(operation, request);
	explicit_bzero(credentials, sizeof(credentials));
	if (result < 0)
		fail_errno(request->name);
	if (options->words)
		printf("%.*s\n", (int)sizeof(request->result), (const char *)request->result);
	explicit_bzero(request->result, sizeof(request->result));
}

static void remove_slot(struct holon_vault *request, const struct options *options)
{
	request->index = (uint64_t)options->slot;
	if (holon_vault(HOLON_VAULT_SLOT_REMOVE, request) == 0)
		return;
	if (errno == EBUSY)
		fail(WRONG, "%s: slot %ld is all that opens it: add another first", request->name,
		     options->slot);
	if (errno == ENOENT)
		fail(WRONG, "%s: not open, or it has no slot %ld ('vault key NAME' lists them)",
		     request->name, options->slot);
	fail_errno(request->name);
}

int run_key(const struct options *options)
{
	struct holon_vault request = {0};
	arguments_are(options, 1, 2);
	const char *what = options->count == 2 ? options->arguments[0] : "list";
	put(request.name, sizeof(request.name), options->arguments[options->count - 1], "name");
	bool removes = strcmp(what, "remove") == 0;
	bool changes = strcmp(what, "change") == 0;
	if (strcmp(what, "list") == 0)
		return list_slots(&request);
	if ((removes || changes) && options->slot < 0)
		fail(WRONG, "--slot is missing");
	if (removes)
		confirm(options, "That key will open the vault no more.");
	if (!removes && !changes && strcmp(what, "add") != 0)
		arguments_are(options, 3, 3); /* says what there is */
	if (!removes)
		add_slot(&request, HOLON_VAULT_SLOT_ADD, options);
	if (removes || changes)
		remove_slot(&request, options);
	return GOOD;
}

/* New keys, step by step. What was cut off goes on with --continue. */
int run_rekey(const struct options *options)
{
	struct holon_vault request = {0};
	arguments_are(options, 1, 1);
	put(request.name, sizeof(request.name), options->arguments[0], "name");
	if (!options->goes_on) {
		confirm(options, "All keys that open the vault now will open it no more.");
		add_slot(&request, HOLON_VAULT_REKEY, options);
	}
	if (holon_vault(HOLON_VAULT_REKEY_STEP, &request) < 0)
		fail_errno(request.name);
	go_on(&request, HOLON_VAULT_REKEY_STEP, 0);
	return GOOD;
}

static uint64_t parse_count(const char *text)
{
	char *end;
	errno = 0;
	unsigned long long value = strtoull(text, &end, 10);
	if (errno || end == text || *end || text[0] == '-')
		fail(WRONG, "'%s' is not a number of files", text);
	return value;
}

int run_quota(const struct options *options)
{
	struct holon_vault request = {0};
	struct vault_quota quota;
	arguments_are(options, 1, 1);
	const char *colon = strchr(options->arguments[0], ':');
	size_t length = colon ? (size_t)(colon - options->arguments[0]) : strlen(options->arguments[0]);
	if (length >= sizeof(request.name))
		fail(WRONG, "%s: the name is too long", options->arguments[0]);
	memcpy(request.name, options->arguments[0], length);
	put(request.path, sizeof(request.path), colon ? colon + 1 : "", "path");
	if (options->size || options->nodes) {
		request.flags = VAULT_SET;
		request.size = options->size ? parse_size(options->size) : 0;
		request.index = options->nodes ? parse_count(options->nodes) : 0;
	}
	if (holon_vault(HOLON_VAULT_QUOTA, &request) < 0) {
		if (errno == EBUSY)
			fail(WRONG, "%s: a directory above it has a quota, which counts here",
			     options->arguments[0]);
		fail_errno(options->arguments[0]);
	}
	memcpy(&quota, request.result, sizeof(quota));
	printf("%llu of %llu bytes, %llu of %llu files (0: no limit)\n", (unsigned long long)quota.bytes_used,
	       (unsigned long long)quota.bytes, (unsigned long long)quota.nodes_used,
	       (unsigned long long)quota.nodes);
	return GOOD;
}
