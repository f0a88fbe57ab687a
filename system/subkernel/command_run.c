/* `subkernel run`: a child sub-kernel from its options; `subkernel exec`: a further program in one. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <holon/vault.h>
#include <trust/endpoint.h>
#include "command.h"
#include "libholon.h"
#include "log.h"
#include "tree.h"

#define RESTARTS_MAX         100u /* of one child */
#define RESTART_FAILURES_MAX 60u  /* tries to start it, one a second */

#define WINDOWS "windows" /* the profile, and its image */

/* The argument of --net. */
static int parse_net(const char *text, struct switch_policy *policy)
{
	static const char *const modes[] = {"none", "nat", "bridge"};
	memset(policy, 0, sizeof(*policy));
	for (uint32_t mode = SWITCH_NONE; mode <= SWITCH_BRIDGE; mode++) {
		policy->mode = mode;
		if (strcmp(text, modes[mode]) == 0)
			return 0;
	}
	policy->mode = SWITCH_ONLY;
	if (strncmp(text, "only:", 5) != 0)
		return -1;
	for (text += 5;; text++) {
		const char *end = text + strcspn(text, ",");
		if (policy->allowed_count == SWITCH_ALLOWED_MAX ||
		    !endpoint_parse(&policy->allowed[policy->allowed_count++], text, (size_t)(end - text)))
			return -1;
		text = end;
		if (!*text)
			return 0;
	}
}

/* The child's root lies on what TEXT, NAME[:PATH], names. */
static int offer_root(struct blueprint *blueprint, const char *text, int read_only)
{
	struct holon_vault request = {.flags = read_only ? VAULT_READ_ONLY : VAULT_MAKE};
	size_t name = strcspn(text, ":");
	const char *path = text[name] ? text + name + 1 : "";
	if (name >= sizeof(request.name) || strlen(path) >= sizeof(request.path)) {
		fprintf(stderr, "subkernel: '%s' is too long for NAME[:PATH]\n", text);
		return 1;
	}
	memcpy(request.name, text, name);
	memcpy(request.path, path, strlen(path));
	if (holon_vault(HOLON_VAULT_OFFER, &request) < 0) {
		if (errno != ENOENT)
			return fail(text);
		fprintf(stderr, "subkernel: %s: no such vault is open, or no such directory in it\n", text);
		return 1;
	}
	blueprint->root_volume = request.index;
	return 0;
}

/* NAME of a blueprint's field from TEXT; 0 after a message. */
static int take_name(char name[32], const char *text, const char *what)
{
	if (strlen(text) >= 32) {
		fprintf(stderr, "subkernel: %s is longer than 31 characters\n", what);
		return 0;
	}
	memset(name, 0, 32);
	snprintf(name, 32, "%s", text);
	return 1;
}

/* NAME=VALUE for the program's environment; 0 after a message. */
static int take_variable(char *text)
{
	if (text[0] != '=' && strchr(text, '=') && putenv(text) == 0)
		return 1;
	fprintf(stderr, "subkernel: --env wants NAME=VALUE, not '%s'\n", text);
	return 0;
}

/* --add HERE:THERE: HERE goes into the archive, which is made at the first. */
static int add_to_archive(int *archive, char *text)
{
	char *colon = strrchr(text, ':');
	struct stat status;
	if (!colon || colon == text || colon[1] != '/' || !colon[2]) {
		fprintf(stderr, "subkernel: --add wants HERE:THERE with an absolute THERE, not '%s'\n", text);
		return 1;
	}
	*colon = 0;
	if (lstat(text, &status)) {
		fprintf(stderr, "subkernel: --add: %s: %s\n", text, strerror(errno));
		return 1;
	}
	if (*archive < 0)
		*archive = memfd_create("subkernel-add", MFD_CLOEXEC);
	if (*archive < 0)
		return fail("--add");
	return tree_pack(*archive, text, colon + 2, false) ? 1 : 0;
}

/* The file PROGRAM of the caller's goes into the archive. Where it is in the child; 0 after a message. */
static char *add_program(int *archive, const char *program)
{
	static char text[PATH_MAX + 256];
	char here[PATH_MAX];
	const char *slash = strrchr(program, '/');
	if (!realpath(program, here)) {
		(void)fail(program);
		return 0;
	}
	snprintf(text, sizeof(text), "%s:/root/%.240s", here, slash ? slash + 1 : program);
	if (add_to_archive(archive, text))
		return 0;
	return text + strlen(text) + 1; /* the colon is gone */
}

/* Profile windows: a Linux sub-kernel with the image of that name (docs/windows.md), in which Wine starts the COUNT words of
 * COMMAND, cmd without any. A program that is a file of the caller's goes in as a copy. The words for the child; 0 after a
 * message. */
static char **take_windows(struct blueprint *blueprint, char **command, int count, int *archive)
{
	static char start[] = "wine", shell[] = "cmd";
	struct stat status;
	char *program = count ? command[0] : shell;
	if (count && stat(program, &status) == 0 && S_ISREG(status.st_mode))
		program = add_program(archive, program);
	static char **words; /* for as long as the command runs */
	words = program ? calloc((size_t)count + 3, sizeof(*words)) : 0;
	if (!words) {
		if (program)
			(void)fail("run");
		return 0;
	}
	memset(blueprint->profile, 0, sizeof(blueprint->profile));
	memcpy(blueprint->profile, "linux", sizeof("linux"));
	if (!*blueprint->image)
		memcpy(blueprint->image, WINDOWS, sizeof(WINDOWS));
	words[0] = start;
	words[1] = program;
	for (int i = 1; i < count; i++)
		words[1 + i] = command[i];
	return words;
}

/* The archive goes to the next child. */
static int offer_archive(struct blueprint *blueprint, int archive)
{
	if (archive < 0)
		return 0;
	long token = holon_subkernel_offer(archive);
	close(archive);
	if (token < 0)
		return fail("--add");
	blueprint->archive = (uint64_t)token;
	return 0;
}

/* TIME with us, ms or s in nanoseconds, ended by END; 0: it is none. */
static uint64_t parse_time(const char *text, char end)
{
	char *unit;
	unsigned long long value = strtoull(text, &unit, 10);
	uint64_t scale = strncmp(unit, "us", 2) == 0 ? 1000 : strncmp(unit, "ms", 2) == 0 ? 1000000 : 0;
	unit += scale ? 2 : 0;
	if (!scale && *unit == 's') {
		scale = 1000000000;
		unit++;
	}
	return text[0] >= '0' && text[0] <= '9' && *unit == end && scale &&
	               value <= BLUEPRINT_BUDGET_PERIOD_MAX / scale
	           ? value * scale
	           : 0;
}

/* --budget TIME/PERIOD; 0 after a message. */
static int take_budget(struct blueprint *blueprint, const char *text)
{
	const char *slash = strchr(text, '/');
	blueprint->budget_ns = slash ? parse_time(text, '/') : 0;
	blueprint->budget_period_ns = slash ? parse_time(slash + 1, 0) : 0;
	if (blueprint->budget_ns && blueprint->budget_ns <= blueprint->budget_period_ns)
		return 1;
	fprintf(stderr, "subkernel: --budget wants TIME/PERIOD such as 2ms/10ms, not '%s'\n", text);
	return 0;
}

/* A percentage from 1 to 100; 0 after a message. */
static uint32_t take_percent(const char *text, const char *option)
{
	uint64_t value = number(text, option);
	if (value >= 1 && value <= 100)
		return (uint32_t)value;
	fprintf(stderr, "subkernel: %s wants 1 to 100 percent, not '%s'\n", option, text);
	return 0;
}

/* A native program that is a file of the caller's goes to the child as its bytes. */
static int offer_program(struct blueprint *blueprint, const char *path)
{
	int file = open(path, O_RDONLY | O_CLOEXEC);
	long token = file < 0 ? -1 : holon_subkernel_offer(file);
	if (file >= 0)
		close(file);
	if (token < 0)
		return fail(path);
	blueprint->archive = (uint64_t)token;
	return 0;
}

/* Why no child was started, by errno; the status to exit with. */
static int refused(const struct blueprint *blueprint)
{
	switch (errno) {
	case ESRCH:
		fprintf(stderr,
		        "%s: run: there is no image '%.31s' in this system (holon-run --image adds one)\n",
		        tree_who, blueprint->image);
		return 1;
	case EOPNOTSUPP:
		fprintf(stderr, "%s: run: there is no profile '%.15s' in this system\n", tree_who,
		        blueprint->profile);
		return 1;
	case EDQUOT:
		fprintf(
		    stderr,
		    "%s: run: the budget cannot be admitted: this sub-kernel may not promise that much of a "
		    "processor, beside what it has promised already\n",
		    tree_who);
		return 1;
	case EAGAIN:
		if (blueprint->flags & BLUEPRINT_LEDGER_NODE)
			fprintf(stderr,
			        "%s: run: a node of the ledger runs already: end it first (subkernel kill)\n",
			        tree_who);
		else
			fprintf(stderr,
			        "%s: run: what profile '%.15s' needs is not there, or another has it\n",
			        tree_who, blueprint->profile);
		return 1;
	default:
		return fail("run");
	}
}

/* Takes what a detached child writes, so that it goes on; with KEEP, the last of it stays readable for `logs` when the child has
 * ended, in a file each, of the LOGS_KEPT newest children. */
static void drain(int terminal, uint64_t child, bool keep)
{
	static char ring[LOG_BYTES];
	char path[64];
	uint64_t total = 0;
	ssize_t got;
	while ((got = read(terminal, ring + total % LOG_BYTES, LOG_BYTES - total % LOG_BYTES)) > 0 ||
	       (got < 0 && errno == EINTR))
		total += got > 0 ? (uint64_t)got : 0;
	if (!keep)
		return;
	mkdir(LOG_DIRECTORY, 0700);
	snprintf(path, sizeof(path), LOG_DIRECTORY "/%llu", (unsigned long long)(child % LOGS_KEPT));
	int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (file < 0)
		return;
	size_t at = total % LOG_BYTES;
	dprintf(file, "%llu\n", (unsigned long long)child);
	if (total > LOG_BYTES && write_all(file, ring + at, (long)(LOG_BYTES - at)))
		return;
	(void)write_all(file, ring, (long)(total > LOG_BYTES ? at : total));
}

/* Whether a detached child that ended with the wait status STATUS is to run again: it was not killed, and its program was there. */
static bool starts_again(int status)
{
	int code = exit_code(status);
	return status >= 0 && !(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) && code != 126 &&
	       code != 127;
}

/* Keeps a detached child, and where it is to be restarted, those that come after it. The vault of one that ended is let go a
 * moment later, and so its start is tried for a while. */
static void keep(struct run *run, int terminal, uint64_t child)
{
	unsigned starts = 1;
	while (terminal >= 0) {
		holon_subkernel_end_input(terminal);
		drain(terminal, child, run->keep_log);
		int status = run->restart ? holon_subkernel_wait(terminal) : -1;
		close(terminal);
		terminal = -1;
		if (!starts_again(status) || starts++ == RESTARTS_MAX)
			return;
		/* What was offered stays so until a child has taken it, or another offer its place. */
		bool offered = !run->vault;
		for (unsigned failures = 0; terminal < 0 && failures < RESTART_FAILURES_MAX; failures++) {
			sleep(1);
			offered = offered || !offer_root(&run->blueprint, run->vault, run->vault_read_only);
			if (!offered)
				continue;
			terminal = holon_subkernel_create(&run->blueprint, run->command,
			                                  run->command ? environ : 0, 0, &child);
			offered = !run->vault || errno != EINVAL;
		}
	}
}

/* The archive's end, where there is one. */
static int end_archive(int archive)
{
	static const char end[1024];
	return archive >= 0 && write_all(archive, end, sizeof(end));
}

int run_child(struct run *run)
{
	int native = strncmp(run->blueprint.profile, "linux", sizeof(run->blueprint.profile)) != 0;
	if (native && (run->archive >= 0 || run->blueprint.volume_count)) {
		fprintf(stderr, "subkernel: --add and --volume: profile '%s' has no files\n",
		        run->blueprint.profile);
		return 2;
	}
	if (native && run->command && strchr(run->command[0], '/')
	        ? offer_program(&run->blueprint, run->command[0])
	        : offer_archive(&run->blueprint, run->archive))
		return 1;
	if (volumes_offer(&run->blueprint))
		return 1;
	/* A native tree has no line discipline: the caller's terminal keeps its own, with Ctrl-C for this command. */
	int is_terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && !run->detach && !native;
	uint64_t child;
	if (run->vault && offer_root(&run->blueprint, run->vault, run->vault_read_only))
		return 1;
	int terminal = holon_subkernel_create(&run->blueprint, run->command, run->command ? environ : 0,
	                                      (is_terminal ? HOLON_SUBKERNEL_TERMINAL : 0) |
	                                          (run->detach ? 0 : HOLON_SUBKERNEL_CLOEXEC),
	                                      &child);
	if (terminal < 0)
		return refused(&run->blueprint);
	if (run->started)
		run->started();
	if (run->detach) {
		/* The terminal's descriptor holds the child: a process of its own keeps it, and drains what
		 * is written. */
		printf("%llu\n", (unsigned long long)child);
		fflush(stdout);
		pid_t pid = fork();
		if (pid)
			return pid < 0 ? fail("fork") : 0;
		setsid();
		if (volumes_serve(terminal))
			_exit(1);
		int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
		for (int file = STDIN_FILENO; file <= STDERR_FILENO; file++)
			if (nothing < 0 || dup2(nothing, file) < 0)
				close(file);
		keep(run, terminal, child);
		_exit(0);
	}
	return volumes_serve(terminal) ? 1 : session(terminal, is_terminal, child);
}

int command_exec(int count, char **arguments)
{
	static const struct option options[] = {{"env", required_argument, 0, 'e'}, {0}};
	char *environment[64] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	                         "HOME=/root"};
	unsigned variables = 2;
	char terminal_type[64];
	int option;
	if (getenv("TERM")) {
		snprintf(terminal_type, sizeof(terminal_type), "TERM=%s", getenv("TERM"));
		environment[variables++] = terminal_type;
	}
	while ((option = getopt_long(count, arguments, "+e:", options, 0)) >= 0) {
		if (option != 'e' || variables + 1 >= sizeof(environment) / sizeof(*environment)) {
			fputs(usage, stderr);
			return 2;
		}
		if (!take_variable(optarg))
			return 2;
		environment[variables++] = optarg;
	}
	if (optind < count - 1 && strcmp(arguments[optind + 1], "--") == 0) {
		arguments[optind + 1] = arguments[optind];
		optind++;
	}
	if (count - optind < 2) {
		fputs(usage, stderr);
		return 2;
	}
	uint64_t child = find_subkernel(arguments[optind]);
	if (!child)
		return 1;
	int is_terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
	int terminal =
	    holon_subkernel_enter(child, arguments + optind + 1, environment,
	                          (is_terminal ? HOLON_SUBKERNEL_TERMINAL : 0) | HOLON_SUBKERNEL_CLOEXEC, 0);
	return terminal < 0 ? fail("exec") : session(terminal, is_terminal, 0);
}

int command_run(int count, char **arguments)
{
	enum {
		NO_NESTING = 256,
		NO_WX,
		DETACH,
		RESTART,
		NET,
		VAULT,
		VAULT_READ_ONLY_ROOT,
		IMAGE,
		ADD,
		LEDGER,
		LEDGER_NODE,
		SOUND,
		PROFILE,
		BUDGET,
		SHARE,
		RESERVE,
		VOLUME,
		UNTIL,
		ATTEST
	};
	static const struct option options[] = {
	    {"name", required_argument, 0, 'n'},
	    {"memory", required_argument, 0, 'm'},
	    {"caps", required_argument, 0, 'c'},
	    {"priority", required_argument, 0, 'p'},
	    {"cpus", required_argument, 0, 'u'},
	    {"no-nesting", no_argument, 0, NO_NESTING},
	    {"no-wx", no_argument, 0, NO_WX},
	    {"ledger", no_argument, 0, LEDGER},
	    {"ledger-node", no_argument, 0, LEDGER_NODE},
	    {"sound", no_argument, 0, SOUND},
	    {"attest", no_argument, 0, ATTEST},
	    {"detach", no_argument, 0, DETACH},
	    {"restart", no_argument, 0, RESTART},
	    {"net", required_argument, 0, NET},
	    {"vault", required_argument, 0, VAULT},
	    {"image", required_argument, 0, IMAGE},
	    {"add", required_argument, 0, ADD},
	    {"volume", required_argument, 0, VOLUME},
	    {"profile", required_argument, 0, PROFILE},
	    {"budget", required_argument, 0, BUDGET},
	    {"cpu-share", required_argument, 0, SHARE},
	    {"cpu-reserve", required_argument, 0, RESERVE},
	    {"until", required_argument, 0, UNTIL},
	    {"env", required_argument, 0, 'e'},
	    {"vault-read-only", required_argument, 0, VAULT_READ_ONLY_ROOT},
	    {0}};
	struct blueprint blueprint = {.version = BLUEPRINT_VERSION,
	                              .flags = BLUEPRINT_NESTING | BLUEPRINT_WX,
	                              .name = "child",
	                              .profile = "linux"};
	struct run run = {.keep_log = true};
	int option;
	int archive = -1;
	while ((option = getopt_long(count, arguments, "+n:m:c:p:u:e:", options, 0)) >= 0) {
		switch (option) {
		case 'n':
			if (!take_name(blueprint.name, optarg, "the name"))
				return 2;
			break;
		case IMAGE:
			if (!take_name(blueprint.image, optarg, "the image's name"))
				return 2;
			break;
		case PROFILE:
			if (strlen(optarg) >= sizeof(blueprint.profile)) {
				fprintf(stderr, "subkernel: there is no profile '%s' in this system\n",
				        optarg);
				return 2;
			}
			memset(blueprint.profile, 0, sizeof(blueprint.profile));
			memcpy(blueprint.profile, optarg, strlen(optarg));
			break;
		case VOLUME:
			if (volume_take(&blueprint, optarg))
				return 2;
			break;
		case BUDGET:
			if (!take_budget(&blueprint, optarg))
				return 2;
			break;
		case SHARE:
			if (!(blueprint.cpu_share = take_percent(optarg, "--cpu-share")))
				return 2;
			break;
		case RESERVE:
			if (!(blueprint.cpu_reserve = take_percent(optarg, "--cpu-reserve")))
				return 2;
			break;
		case UNTIL:
			blueprint.expires = number(optarg, "until");
			break;
		case 'e':
			if (!take_variable(optarg))
				return 2;
			break;
		case ADD:
			if (add_to_archive(&archive, optarg))
				return 1;
			break;
		case 'm':
			blueprint.memory_bytes = number(optarg, "memory");
			break;
		case 'c':
			blueprint.caps = number(optarg, "caps");
			break;
		case 'p':
			blueprint.priority = (uint32_t)number(optarg, "priority");
			break;
		case 'u':
			blueprint.cpu_mask = (uint32_t)number(optarg, "cpus");
			break;
		case NO_NESTING:
			blueprint.flags &= ~(uint32_t)BLUEPRINT_NESTING;
			break;
		case NO_WX:
			blueprint.flags &= ~(uint32_t)BLUEPRINT_WX;
			break;
		case LEDGER_NODE:
			blueprint.flags |= BLUEPRINT_LEDGER_NODE;
			break;
		case SOUND:
			blueprint.flags |= BLUEPRINT_SOUND;
			break;
		case ATTEST:
			blueprint.flags |= BLUEPRINT_ATTEST;
			break;
		case LEDGER:
			blueprint.flags |= BLUEPRINT_LEDGER;
			break;
		case NET:
			if (parse_net(optarg, &blueprint.net)) {
				fprintf(
				    stderr,
				    "subkernel: --net wants none, nat, bridge or only:HOST:PORT, not %s\n",
				    optarg);
				return 2;
			}
			break;
		case DETACH:
			run.detach = true;
			break;
		case RESTART:
			run.restart = true;
			break;
		case VAULT:
		case VAULT_READ_ONLY_ROOT:
			run.vault = optarg;
			run.vault_read_only = option == VAULT_READ_ONLY_ROOT;
			break;
		default:
			fputs(usage, stderr);
			return 2;
		}
	}
	if (run.restart && (!run.detach || archive >= 0 || blueprint.volume_count)) {
		fputs("subkernel: --restart is for children that are detached, without --add and --volume\n",
		      stderr);
		return 2;
	}
	run.command = optind < count ? arguments + optind : 0;
	if (strncmp(blueprint.profile, WINDOWS, sizeof(blueprint.profile)) == 0 &&
	    !(run.command = take_windows(&blueprint, arguments + optind, count - optind, &archive)))
		return 1;
	run.blueprint = blueprint;
	run.archive = archive;
	return end_archive(archive) ? fail("--add") : run_child(&run);
}
