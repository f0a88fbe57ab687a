/* The capsule command: installs signed programs, runs each in a sub-kernel of its own with what the person granted, ends and removes
 * them. Whether a capsule is good is lib/trust's to say, what it may be given lib/trust/plan.h's; here is the order (docs/capsules.md)
 * and what is said to the person. */
#include "capsule.h"
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <trust/show.h>
#include <unistd.h>
#include "../subkernel/command.h"
#include "../subkernel/tree.h"

/* What the sources shared with `subkernel` say on a wrong option of theirs, of which none is used here. */
const char usage[] =
    "usage: capsule install FILE [--grant LIST] [--for TIME] [--vault NAME | --session]\n"
    "       capsule run NAME [--grant LIST] [--for TIME] [--files DIR[:ro]] [--detach] [-- ARGUMENT...]\n"
    "       capsule inspect FILE|NAME\n"
    "       capsule ls\n"
    "       capsule remove NAME                   ends what runs of it, and deletes it\n"
    "       capsule revoke FILE                   takes a newer list of revocations, and ends what it names\n"
    "       capsule revoke NAME --grant LIST      takes these capabilities from it, also while it runs\n"
    "       capsule keys FILE                     takes a newer list of keys\n"
    "\n"
    "install checks the capsule, shows what it asks for, and asks what it shall have; --grant says it for a "
    "script:\n"
    "capabilities divided by commas, 'all' that it asks for, or 'none'. It is kept in the vault that is "
    "open, else\n"
    "until this sub-kernel ends. --for limits the grant: a number with s, m, h or d; then a running one is "
    "ended. run gives what was granted; with --grant, only what is named there too, NAME:TIME for that time: "
    "then "
    "it\nis taken, and the capsule goes on without. "
    "Every option\n"
    "but --vault and --session is its own command's; those say where all of them look.\n"
    "Exit status: 0 good, 1 refused, 2 it cannot be done, 3 usage; of run the program's, 126 where none was "
    "started.\n";

struct options {
	const char *grant, *vault, *files;
	uint64_t limit; /* seconds that the grant is good for; 0: as long as its signer's certificate */
	bool session, detach;
	const char *argument; /* the file or name */
	char **more;          /* behind it */
};

/* Of run every failure has one status, so that it cannot be taken for the program's. */
static bool running;

_Noreturn void stop(int status, const char *format, ...)
{
	va_list list;

	fputs("capsule: ", stderr);
	va_start(list, format);
	vfprintf(stderr, format, list);
	va_end(list);
	fputc('\n', stderr);
	exit(running ? (int)CAPSULE_NOT_RUN : status);
}

/* ---- One capsule ---- */

/* A capsule's file that was checked, and what it would run with. */
struct checked {
	struct bytes bytes;
	struct capsule capsule;
	struct plan plan;
	uint64_t until;
	char name[TRUST_NAME_MAX + 1];
};

static void name_take(char name[TRUST_NAME_MAX + 1], const struct capsule *capsule)
{
	const struct field *field = &capsule->manifest[CAPSULE_NAME];

	snprintf(name, TRUST_NAME_MAX + 1, "%.*s", (int)field->count, (const char *)field->bytes);
}

/* Why the plan of WHAT is not one. */
_Noreturn static void stop_plan(const char *what, enum plan_error error, const struct field *wrong)
{
	stop(error == PLAN_WORD ? CAPSULE_USAGE : CAPSULE_REFUSED, "%s is refused: %s%s%.*s", what,
	     plan_error_text(error), wrong->count ? ": " : "", (int)wrong->count, (const char *)wrong->bytes);
}

/* All checks of the file BYTES but those of what is installed and what is granted; ends with a message where one fails. */
static void check(struct checked *checked, const struct anchors *anchors, const char *what,
                  struct bytes bytes)
{
	const char *why = anchors_check(anchors, &checked->capsule, bytes, &checked->until);
	struct field wrong;
	enum plan_error error;

	if (why)
		stop(CAPSULE_REFUSED, "%s is refused: %s", what, why);
	checked->bytes = bytes;
	error = plan_make(&checked->plan, &checked->capsule, &wrong);
	if (error)
		stop_plan(what, error, &wrong);
	name_take(checked->name, &checked->capsule);
}

/* The file of the installed capsule NAME, and where it is kept; none where there is none. */
static struct bytes find_installed(const struct stores *stores, const char *name, const struct store **where)
{
	struct field field = {(const uint8_t *)name, (uint32_t)strnlen(name, TRUST_NAME_MAX + 1)};
	struct bytes bytes = {0};

	if (field.count > TRUST_NAME_MAX || !trust_name_good(&field))
		return bytes;
	for (unsigned index = 0; index < stores->count && !bytes.at; index++) {
		bytes = store_read(&stores->at[index], name, ".capsule", CAPSULE_FILE_MAX);
		*where = &stores->at[index];
	}
	return bytes;
}

/* ---- install ---- */

/* A downgrade, by the versions that are installed. What cannot be read is replaced. */
static void refuse_older(const struct stores *stores, const struct checked *fresh)
{
	for (unsigned index = 0; index < stores->count; index++) {
		struct bytes bytes =
		    store_read(&stores->at[index], fresh->name, ".capsule", CAPSULE_FILE_MAX);
		struct capsule installed;

		if (bytes.at && trust_capsule_read(&installed, bytes.at, bytes.count, 0) == TRUST_OK &&
		    plan_version_compare(&fresh->capsule.manifest[CAPSULE_VERSION],
		                         &installed.manifest[CAPSULE_VERSION]) < 0)
			stop(CAPSULE_REFUSED,
			     "%s is refused: version %.*s is older than the installed %.*s ('capsule remove "
			     "%s' first, if you mean it)",
			     fresh->name, (int)fresh->capsule.manifest[CAPSULE_VERSION].count,
			     (const char *)fresh->capsule.manifest[CAPSULE_VERSION].bytes,
			     (int)installed.manifest[CAPSULE_VERSION].count,
			     (const char *)installed.manifest[CAPSULE_VERSION].bytes, fresh->name);
		free(bytes.at);
	}
}

static bool answer_is_yes(void)
{
	char line[64];

	return fgets(line, sizeof(line), stdin) && (line[0] == 'y' || line[0] == 'Y');
}

/* What the person says to each capability that is asked for, as a list for plan_grant(). */
static void ask(char list[PLAN_GRANT_MAX], const struct plan *plan)
{
	size_t length = 0;

	list[0] = 0;
	for (uint32_t bit = 1; bit; bit <<= 1) {
		if (!((plan->required | plan->optional) & bit))
			continue;
		fprintf(stderr, "Grant %s (%s%s)? [y/N] ", capability_name(bit), capability_sentence(bit),
		        plan->required & bit ? "; it does not run without" : "");
		if (answer_is_yes())
			length += (size_t)snprintf(list + length, PLAN_GRANT_MAX - length, "%s%s",
			                           length ? "," : "", capability_name(bit));
	}
	if (plan->required | plan->optional)
		return;
	fputs("It asks for no capability. Install it? [y/N] ", stderr);
	if (!answer_is_yes())
		stop(CAPSULE_REFUSED, "nothing was installed");
}

static void show(const struct checked *checked)
{
	trust_capsule_show(&checked->capsule);
	printf("%-13s %u processor%s, %u percent of the turn; payload: %s\n", "runs with",
	       checked->plan.processors, checked->plan.processors == 1 ? "" : "s", checked->plan.share,
	       checked->plan.payload == PAYLOAD_TREE ? "files laid over the system's root" : "one program");
}

static const char *place_of(const struct store *store)
{
	static char text[64];

	if (!store->vault[0])
		return "for this session: it is gone when this sub-kernel ends";
	snprintf(text, sizeof(text), "in the vault '%s'", store->vault);
	return text;
}

static int run_install(const struct options *options, const struct stores *stores, struct anchors *anchors)
{
	static struct checked fresh;
	struct bytes bytes = file_read(options->argument, CAPSULE_FILE_MAX);
	const struct store *store = &stores->at[stores->count - 1];
	char list[PLAN_GRANT_MAX];
	struct field wrong;
	enum plan_error error;
	uint64_t until = options->limit ? anchors->now + options->limit : UINT64_MAX;
	size_t length;

	if (!bytes.at)
		stop(CAPSULE_IMPOSSIBLE, "%s: there is no such file", options->argument);
	check(&fresh, anchors, options->argument, bytes);
	refuse_older(stores, &fresh);
	show(&fresh);
	fflush(stdout);
	if (!options->grant && !isatty(STDIN_FILENO))
		stop(CAPSULE_USAGE,
		     "there is nobody to ask: say what it shall have with --grant LIST, 'all' or 'none'");
	if (!options->grant)
		ask(list, &fresh.plan);
	error = plan_grant(&fresh.plan, options->grant ? options->grant : list, &wrong);
	if (error)
		stop_plan(fresh.name, error, &wrong);
	stores_lock(true);
	refuse_older(stores, &fresh); /* it may have changed meanwhile */
	length = plan_grant_write(list, fresh.plan.granted, until);
	/* The grant first: without a capsule it is nothing, while a capsule with an older grant would be too much. */
	store_write(store, fresh.name, ".grant", list, length);
	store_write(store, fresh.name, ".capsule", bytes.at, bytes.count);
	for (unsigned index = 0; index < stores->count; index++)
		if (&stores->at[index] != store && store_remove(&stores->at[index], fresh.name, ".capsule"))
			store_remove(&stores->at[index], fresh.name, ".grant");
	printf("installed     %s\n", place_of(store));
	printf("granted       %.*s", (int)strcspn(list, "\n"), list);
	printf(options->limit ? ", for %" PRIu64 " s\n" : "\n", options->limit);
	return CAPSULE_GOOD;
}

/* ---- run, inspect, ls, remove ---- */

static uint64_t take_time(const char *text);

/* GIVEN, a list with NAME:TIME in it, without the times, which are ENDS. */
static void take_ends(char list[PLAN_GRANT_MAX], struct ends *ends, const char *given, uint64_t now)
{
	size_t length = 0;

	for (const char *at = given; *at; at += *at == ',') {
		struct field word = {(const uint8_t *)at, (uint32_t)strcspn(at, ":,")};
		unsigned grant = grant_of(capability_of(&word));
		char text[32];

		if (length + word.count + 2 > PLAN_GRANT_MAX)
			stop(CAPSULE_USAGE, "--grant is too long");
		length += (size_t)snprintf(list + length, PLAN_GRANT_MAX - length, "%s%.*s",
		                           length ? "," : "", (int)word.count, at);
		at += word.count;
		if (*at != ':')
			continue;
		size_t count = strcspn(++at, ",");
		if (grant == BLUEPRINT_GRANTS)
			stop(CAPSULE_USAGE,
			     "%.*s cannot be taken from a capsule that runs: --for limits all of it",
			     (int)word.count, (const char *)word.bytes);
		snprintf(text, sizeof(text), "%.*s", (int)(count < sizeof(text) ? count : 0), at);
		ends->at[grant] = now + take_time(text);
		at += count;
	}
}

/* Grants what was granted at the installation and, where the person names a list, is named there too. */
static void grant(struct checked *checked, const struct store *store, const char *narrower, uint64_t now)
{
	struct bytes kept = store_read(store, checked->name, ".grant", PLAN_GRANT_MAX - 1);
	char list[PLAN_GRANT_MAX] = "";
	struct field wrong;
	enum plan_error error;
	uint64_t until = UINT64_MAX;
	uint32_t most;

	if (kept.at && !plan_grant_read(list, &until, kept.at, kept.count))
		stop(CAPSULE_REFUSED, "%s is refused: the kept grant is damaged ('capsule install' again)",
		     checked->name);
	if (until <= now)
		stop(CAPSULE_REFUSED, "%s is refused: what was granted is over ('capsule install' again)",
		     checked->name);
	if (until < checked->until)
		checked->until = until;
	error = plan_grant(&checked->plan, list, &wrong);
	most = checked->plan.granted;
	if (!error && narrower) {
		error = plan_grant(&checked->plan, narrower, &wrong);
		checked->plan.granted &= most;
		if (!error && checked->plan.required & ~checked->plan.granted)
			error = PLAN_DENIED;
	}
	if (error)
		stop_plan(checked->name, error == PLAN_WORD && !narrower ? PLAN_DENIED : error, &wrong);
	free(kept.at);
}

static int run_run(const struct options *options, const struct stores *stores, struct anchors *anchors)
{
	static struct checked checked;
	const struct store *store;
	struct bytes bytes = find_installed(stores, options->argument, &store);
	char narrower[PLAN_GRANT_MAX] = "";
	struct ends ends = {{0}};

	if (!bytes.at)
		stop(CAPSULE_REFUSED, "no capsule '%s' is installed ('capsule ls' lists them)",
		     options->argument);
	if (options->grant)
		take_ends(narrower, &ends, options->grant, anchors->now);
	check(&checked, anchors, options->argument, bytes);
	/* The grant is this name's: another capsule in its file's place gets nothing by it. */
	if (strcmp(checked.name, options->argument) != 0)
		stop(CAPSULE_REFUSED, "%s is refused: its file holds %s", options->argument, checked.name);
	grant(&checked, store, options->grant ? narrower : 0, anchors->now);
	if (options->limit && anchors->now + options->limit < checked.until)
		checked.until = anchors->now + options->limit;
	if (options->files && !(checked.plan.granted & CAPABILITY_FILES))
		stop(CAPSULE_REFUSED, "%s was granted no files: --files gives it none", checked.name);
	if (!options->files && checked.plan.required & CAPABILITY_FILES)
		stop(CAPSULE_REFUSED, "%s does not run without a directory for its files: say --files DIR",
		     checked.name);
	return capsule_run(&checked.bytes, &checked.capsule, &checked.plan, checked.until, &ends,
	                   options->files, options->detach, options->more);
}

static int run_inspect(const struct options *options, const struct stores *stores, struct anchors *anchors)
{
	static struct checked checked;
	const struct store *store;
	struct bytes bytes = strchr(options->argument, '/')
	                         ? (struct bytes){0}
	                         : find_installed(stores, options->argument, &store);

	if (!bytes.at)
		bytes = file_read(options->argument, CAPSULE_FILE_MAX);
	if (!bytes.at)
		stop(CAPSULE_IMPOSSIBLE,
		     "%s: there is no such file, and no capsule of that name is installed",
		     options->argument);
	check(&checked, anchors, options->argument, bytes);
	show(&checked);
	return CAPSULE_GOOD;
}

static void list_one(const struct store *store, const char *name, void *context)
{
	struct bytes bytes = store_read(store, name, ".capsule", CAPSULE_FILE_MAX);
	struct bytes kept = store_read(store, name, ".grant", PLAN_GRANT_MAX - 1);
	struct capsule capsule;
	char version[65] = "?", until[32] = "?", state[32] = "-";
	uint64_t number = capsule_running(name);

	(void)context;
	if (bytes.at && trust_capsule_read(&capsule, bytes.at, bytes.count, 0) == TRUST_OK) {
		uint64_t seconds = record_number(&capsule.certificate[CERT_UNTIL]);
		time_t when = (time_t)(seconds > 253402300799 ? 253402300799 : seconds);
		struct tm parts;

		gmtime_r(&when, &parts);
		strftime(until, sizeof(until), "%Y-%m-%d %H:%M", &parts);
		snprintf(version, sizeof(version), "%.*s", (int)capsule.manifest[CAPSULE_VERSION].count,
		         (const char *)capsule.manifest[CAPSULE_VERSION].bytes);
	} else {
		snprintf(state, sizeof(state), "damaged");
	}
	if (number)
		snprintf(state, sizeof(state), "runs as %" PRIu64, number);
	printf("%-32s %-10s %-12s %-17s %-12s %.*s\n", name, version, state, until,
	       store->vault[0] ? store->vault : "session", (int)kept.count,
	       kept.at ? (const char *)kept.at : "");
	free(bytes.at);
	free(kept.at);
}

static int run_ls(const struct options *options, const struct stores *stores, struct anchors *anchors)
{
	(void)options;
	(void)anchors;
	printf("%-32s %-10s %-12s %-17s %-12s %s\n", "NAME", "VERSION", "STATE", "UNTIL (UTC)", "KEPT IN",
	       "GRANTED");
	for (unsigned index = 0; index < stores->count; index++)
		store_each(&stores->at[index], ".capsule", list_one, 0);
	return CAPSULE_GOOD;
}

static int run_remove(const struct options *options, const struct stores *stores, struct anchors *anchors)
{
	struct field name = {(const uint8_t *)options->argument,
	                     (uint32_t)strnlen(options->argument, TRUST_NAME_MAX + 1)};
	bool found = false;
	unsigned ended;

	(void)anchors;
	if (name.count > TRUST_NAME_MAX || !trust_name_good(&name))
		stop(CAPSULE_REFUSED, "'%s' is no capsule's name", options->argument);
	/* The file first, so that nothing starts again between the two. */
	for (unsigned index = 0; index < stores->count; index++) {
		found |= store_remove(&stores->at[index], options->argument, ".capsule");
		store_remove(&stores->at[index], options->argument, ".grant");
	}
	ended = capsule_end(options->argument);
	if (!found && !ended)
		stop(CAPSULE_REFUSED, "no capsule '%s' is installed ('capsule ls' lists them)",
		     options->argument);
	printf("removed       %s%s\n", options->argument, ended ? ", which ran and was ended" : "");
	return CAPSULE_GOOD;
}

/* ---- Newer lists ---- */

/* Ends a capsule that runs and would not be started now. */
static void sweep_one(const struct store *store, const char *name, void *context)
{
	struct bytes bytes;
	struct capsule capsule;
	uint64_t until;
	const char *why;

	if (!capsule_running(name))
		return;
	bytes = store_read(store, name, ".capsule", CAPSULE_FILE_MAX);
	why = bytes.at ? anchors_check(context, &capsule, bytes, &until) : "its file is gone";
	if (why && capsule_end(name))
		printf("ended         %s: %s\n", name, why);
	free(bytes.at);
}

/* The same of those that run further down, which others installed. */
static const char *why_revoked(const uint8_t *certificate, uint64_t epoch, void *context)
{
	return anchors_revoked(context, certificate, epoch);
}

static int take_list(const struct options *options, const struct stores *stores, struct anchors *anchors,
                     bool keys)
{
	struct bytes bytes = file_read(options->argument, CAPSULE_LIST_FILE_MAX);
	const char *why;

	if (!bytes.at)
		stop(CAPSULE_IMPOSSIBLE, "%s: there is no such file", options->argument);
	why = keys ? anchors_take_keys(anchors, stores, bytes)
	           : anchors_take_revocations(anchors, stores, bytes);
	if (why)
		stop(CAPSULE_REFUSED, "%s is refused: %s", options->argument, why);
	printf("taken         %s, kept %s\n", options->argument, place_of(&stores->at[stores->count - 1]));
	for (unsigned index = 0; index < stores->count; index++)
		store_each(&stores->at[index], ".capsule", sweep_one, anchors);
	capsules_sweep(why_revoked, anchors);
	return CAPSULE_GOOD;
}

/* Takes capabilities from the installed capsule that the person names: those that run lose them at once, later runs get none. */
static int take_grants(const struct options *options, const struct stores *stores)
{
	const struct store *store;
	struct bytes bytes = find_installed(stores, options->argument, &store), kept;
	char list[PLAN_GRANT_MAX] = "";
	uint64_t until = UINT64_MAX;
	uint32_t left = 0, taken = 0;

	if (!bytes.at)
		stop(CAPSULE_REFUSED, "no capsule '%s' is installed ('capsule ls' lists them)",
		     options->argument);
	for (const char *at = options->grant; *at; at += *at == ',') {
		struct field word = {(const uint8_t *)at, (uint32_t)strcspn(at, ",")};
		uint32_t bit = capability_of(&word);

		if (grant_of(bit) == BLUEPRINT_GRANTS)
			stop(CAPSULE_USAGE,
			     "'%.*s' is none of the capabilities that can be taken: network, files, "
			     "ledger, nesting",
			     (int)word.count, at);
		taken |= bit;
		at += word.count;
	}
	kept = store_read(store, options->argument, ".grant", PLAN_GRANT_MAX - 1);
	if (kept.at && !plan_grant_read(list, &until, kept.at, kept.count))
		list[0] = 0; /* damaged: nothing of it is left */
	for (const char *at = list; *at; at += *at == ',') {
		struct field word = {(const uint8_t *)at, (uint32_t)strcspn(at, ",")};

		left |= capability_of(&word) & ~taken;
		at += word.count;
	}
	/* First what is kept, so that nothing starts with it between the two. */
	store_write(store, options->argument, ".grant", list, plan_grant_write(list, left, until));
	printf("taken         from %s, which now has %.*s; %u of it ran and had it\n", options->argument,
	       (int)strcspn(list, "\n"), list, capsule_take(options->argument, taken));
	free(kept.at);
	free(bytes.at);
	return CAPSULE_GOOD;
}

static int run_revoke(const struct options *options, const struct stores *stores, struct anchors *anchors)
{
	if (options->grant)
		return take_grants(options, stores);
	return take_list(options, stores, anchors, false);
}

static int run_keys(const struct options *options, const struct stores *stores, struct anchors *anchors)
{
	return take_list(options, stores, anchors, true);
}

/* ---- The command line ---- */

_Noreturn static void stop_usage(void)
{
	fputs(usage, stderr);
	exit(running ? (int)CAPSULE_NOT_RUN : (int)CAPSULE_USAGE);
}

/* A number with s, m, h or d, in seconds: up to a thousand years. */
static uint64_t take_time(const char *text)
{
	static const struct {
		char unit;
		uint32_t seconds;
	} units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
	char *end;
	unsigned long long value = strtoull(text, &end, 10);

	for (unsigned index = 0; index < sizeof(units) / sizeof(*units); index++)
		if (*text >= '0' && *text <= '9' && *end == units[index].unit && !end[1] && value &&
		    value <= 365000ull * 86400 / units[index].seconds)
			return value * units[index].seconds;
	stop(CAPSULE_USAGE,
	     "--for wants a number with s, m, h or d, such as 30m, and so does --grant NAME:TIME, not '%s'",
	     text);
}

static void take_options(struct options *options, int count, char **arguments)
{
	enum { GRANT = 256, FOR, VAULT, SESSION, FILES, DETACH };
	static const struct option known[] = {{"grant", required_argument, 0, GRANT},
	                                      {"for", required_argument, 0, FOR},
	                                      {"vault", required_argument, 0, VAULT},
	                                      {"session", no_argument, 0, SESSION},
	                                      {"files", required_argument, 0, FILES},
	                                      {"detach", no_argument, 0, DETACH},
	                                      {0}};
	int option;

	while ((option = getopt_long(count, arguments, "", known, 0)) >= 0) {
		switch (option) {
		case GRANT:
			options->grant = optarg;
			break;
		case FOR:
			options->limit = take_time(optarg);
			break;
		case VAULT:
			options->vault = optarg;
			break;
		case SESSION:
			options->session = true;
			break;
		case FILES:
			options->files = optarg;
			break;
		case DETACH:
			options->detach = true;
			break;
		default:
			stop_usage();
		}
	}
	if (optind < count)
		options->argument = arguments[optind++];
	options->more = arguments + optind;
}

int main(int count, char **arguments)
{
	static const struct {
		const char *name;
		int (*run)(const struct options *options, const struct stores *stores,
		           struct anchors *anchors);
		bool argument, more, trusts, alone;
	} commands[] = {
	    {"install", run_install, true, false, true, true},
	    {"run", run_run, true, true, true, false},
	    {"inspect", run_inspect, true, false, true, false},
	    {"ls", run_ls, false, false, false, false},
	    {"remove", run_remove, true, false, false, true},
	    {"revoke", run_revoke, true, false, true, true},
	    {"keys", run_keys, true, false, true, true},
	};
	static struct anchors anchors;
	struct options options = {0};
	struct stores stores;

	tree_who = "capsule";
	if (count == 2 && strcmp(arguments[1], "--help") == 0) {
		fputs(usage, stdout);
		return CAPSULE_GOOD;
	}
	for (unsigned index = 0; count > 1 && index < sizeof(commands) / sizeof(*commands); index++) {
		if (strcmp(arguments[1], commands[index].name) != 0)
			continue;
		running = commands[index].run == run_run;
		take_options(&options, count - 1, arguments + 1);
		if (!options.argument != !commands[index].argument ||
		    (*options.more && !commands[index].more) || (options.vault && options.session))
			stop_usage();
		stores_open(&stores, options.vault, options.session);
		if (commands[index].run != run_install) /* which may wait for a person first */
			stores_lock(commands[index].alone);
		if (commands[index].trusts)
			anchors_open(&anchors, &stores);
		return commands[index].run(&options, &stores, &anchors);
	}
	stop_usage();
}
