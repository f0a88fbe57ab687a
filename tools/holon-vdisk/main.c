/* holon-vdisk: command line and the commands on containers, keys and volumes. */
#define _GNU_SOURCE
#include "tool.h"
#include "progress.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static const char usage[] =
    "holon-vdisk: encrypted, thin disks in files or on devices.\n\n"
    "  create FILE --size S KEY          make an empty one\n"
    "  open FILE --nbd SOCKET KEY        serve it as a network block device, until SIGTERM (--fork: in the "
    "background)\n"
    "  open FILE --fuse DIR KEY          show it as the plain file DIR/disk\n"
    "  info FILE [KEY] [--json]          what it is; with a key also volumes and room\n"
    "  check FILE KEY [--data] [--repair] [--json]\n"
    "                                    verify maps and counts, with --data every block\n"
    "  scrub FILE KEY [--mirror F]...    read everything on every leg and repair one from another\n"
    "  mirror FILE NEWFILE KEY           make NEWFILE a further leg (give those that exist with --mirror)\n"
    "  key list FILE | key add FILE KEY NEWKEY | key remove FILE KEY --slot N\n"
    "  rekey FILE KEY NEWKEY             new keys for everything, which NEWKEY alone opens; cut off, it goes "
    "on "
    "when\n"
    "                                    it is asked again (with NEWKEY as KEY)\n"
    "  snapshot FILE NAME KEY            keep the volume as it is now; snapshot FILE: list\n"
    "  clone FILE FROM NAME KEY          a writable copy of a volume\n"
    "  rollback FILE NAME KEY            make the volume what a snapshot is\n"
    "  delete FILE NAME KEY              delete a snapshot or clone\n"
    "  send FILE NAME [--from OLDER] KEY >STREAM,   receive FILE KEY <STREAM\n"
    "  resize FILE --size S KEY          grow or shrink the volume\n"
    "  import FILE SOURCE KEY [--format raw|qcow2],   export FILE TARGET KEY [--format raw|qcow2]\n\n"
    "KEY: --key-file K (a hybrid-kem key of holon-crypto, or any secret file of 32 bytes or more), "
    "--passphrase-fd N,\n"
    "     --recovery-fd N, --machine-file F (32 bytes), two of them together when the slot was made so; "
    "--no-secret: none\n"
    "NEWKEY: --new-key-file K, --new-passphrase-fd N, --new-recovery (prints words), --new-machine with one "
    "of these\n"
    "Others: --volume V, --mirror F (up to three), --anchor F (refuse states older than F says), --label L,\n"
    "        --cipher aes-256-gcm|xchacha20-poly1305, --read-only, --yes (do not ask)\n\n"
    "Exit status: 0 good, 1 repaired or different, 2 damaged or the device failed, 3 usage. See "
    "docs/vdisk.md.\n";

enum {
	OPT_SIZE = 256,
	OPT_KEY_FILE,
	OPT_PASSPHRASE_FD,
	OPT_RECOVERY_FD,
	OPT_MACHINE_FILE,
	OPT_NO_SECRET,
	OPT_NEW_KEY_FILE,
	OPT_NEW_PASSPHRASE_FD,
	OPT_NEW_RECOVERY,
	OPT_NEW_MACHINE,
	OPT_NBD,
	OPT_FUSE,
	OPT_VOLUME,
	OPT_FROM,
	OPT_ANCHOR,
	OPT_LABEL,
	OPT_FORMAT,
	OPT_CIPHER,
	OPT_MIRROR,
	OPT_SLOT,
	OPT_JSON,
	OPT_YES,
	OPT_READ_ONLY,
	OPT_REPAIR,
	OPT_DATA,
	OPT_FORK,
	OPT_HELP,
};

static const struct option long_options[] = {
    {"size", required_argument, NULL, OPT_SIZE},
    {"key-file", required_argument, NULL, OPT_KEY_FILE},
    {"passphrase-fd", required_argument, NULL, OPT_PASSPHRASE_FD},
    {"recovery-fd", required_argument, NULL, OPT_RECOVERY_FD},
    {"machine-file", required_argument, NULL, OPT_MACHINE_FILE},
    {"no-secret", no_argument, NULL, OPT_NO_SECRET},
    {"new-key-file", required_argument, NULL, OPT_NEW_KEY_FILE},
    {"new-passphrase-fd", required_argument, NULL, OPT_NEW_PASSPHRASE_FD},
    {"new-recovery", no_argument, NULL, OPT_NEW_RECOVERY},
    {"new-machine", no_argument, NULL, OPT_NEW_MACHINE},
    {"nbd", required_argument, NULL, OPT_NBD},
    {"fuse", required_argument, NULL, OPT_FUSE},
    {"volume", required_argument, NULL, OPT_VOLUME},
    {"from", required_argument, NULL, OPT_FROM},
    {"anchor", required_argument, NULL, OPT_ANCHOR},
    {"label", required_argument, NULL, OPT_LABEL},
    {"format", required_argument, NULL, OPT_FORMAT},
    {"cipher", required_argument, NULL, OPT_CIPHER},
    {"mirror", required_argument, NULL, OPT_MIRROR},
    {"slot", required_argument, NULL, OPT_SLOT},
    {"json", no_argument, NULL, OPT_JSON},
    {"yes", no_argument, NULL, OPT_YES},
    {"read-only", no_argument, NULL, OPT_READ_ONLY},
    {"repair", no_argument, NULL, OPT_REPAIR},
    {"data", no_argument, NULL, OPT_DATA},
    {"fork", no_argument, NULL, OPT_FORK},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

static int parse_fd(const char *text)
{
	char *end;
	long number = strtol(text, &end, 10);
	if (*end || end == text || number < 0 || number > 65535)
		fail(EXIT_WRONG, "'%s' is not the number of a file descriptor", text);
	return (int)number;
}

static void parse(struct options *options, int argc, char **argv)
{
	int option;
	*options =
	    (struct options){.passphrase_fd = -1, .new_passphrase_fd = -1, .recovery_fd = -1, .slot = -1};
	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		switch (option) {
		case OPT_SIZE:
			options->size = optarg;
			break;
		case OPT_KEY_FILE:
			options->key_file = optarg;
			break;
		case OPT_PASSPHRASE_FD:
			options->passphrase_fd = parse_fd(optarg);
			break;
		case OPT_RECOVERY_FD:
			options->recovery_fd = parse_fd(optarg);
			break;
		case OPT_MACHINE_FILE:
			options->machine_file = optarg;
			break;
		case OPT_NO_SECRET:
			options->open_key = true;
			break;
		case OPT_NEW_KEY_FILE:
			options->new_key_file = optarg;
			break;
		case OPT_NEW_PASSPHRASE_FD:
			options->new_passphrase_fd = parse_fd(optarg);
			break;
		case OPT_NEW_RECOVERY:
			options->new_recovery = true;
			break;
		case OPT_NEW_MACHINE:
			options->new_machine = true;
			break;
		case OPT_NBD:
			options->nbd = optarg;
			break;
		case OPT_FUSE:
			options->fuse = optarg;
			break;
		case OPT_VOLUME:
			options->volume = optarg;
			break;
		case OPT_FROM:
			options->from = optarg;
			break;
		case OPT_ANCHOR:
			options->anchor = optarg;
			break;
		case OPT_LABEL:
			options->label = optarg;
			break;
		case OPT_FORMAT:
			options->format = optarg;
			break;
		case OPT_CIPHER:
			options->cipher = optarg;
			break;
		case OPT_MIRROR:
			if (options->mirror_count == VDISK_LEGS_MAX - 1)
				fail(EXIT_WRONG, "a mirror has at most four legs");
			options->mirrors[options->mirror_count++] = optarg;
			break;
		case OPT_SLOT:
			options->slot = parse_fd(optarg);
			break;
		case OPT_JSON:
			options->json = true;
			break;
		case OPT_YES:
			options->yes = true;
			break;
		case OPT_READ_ONLY:
			options->read_only = true;
			break;
		case OPT_REPAIR:
			options->repair = true;
			break;
		case OPT_DATA:
			options->data = true;
			break;
		case OPT_FORK:
			options->fork = true;
			break;
		case OPT_HELP:
			fputs(usage, stdout);
			exit(EXIT_GOOD);
		default:
			fail(EXIT_WRONG, "try 'holon-vdisk --help'");
		}
	}
	for (; optind < argc; optind++) {
		if (options->argument_count == 4)
			fail(EXIT_WRONG, "too many arguments; try 'holon-vdisk --help'");
		options->arguments[options->argument_count++] = argv[optind];
	}
}

/* ---- create, open ---- */

static int run_create(const struct options *options)
{
	struct container container;
	if (!options->size)
		fail(EXIT_WRONG, "--size is missing");
	uint64_t bytes = parse_size(options->size);
	if (!bytes || bytes > VDISK_BLOCKS_MAX * VDISK_BLOCK)
		fail(EXIT_WRONG, "--size must be between 1 byte and 64 TiB");
	container_create(&container, options, bytes);
	container_close(&container);
	return EXIT_GOOD;
}

static int run_open(const struct options *options)
{
	struct container container;
	if (!options->nbd == !options->fuse)
		fail(EXIT_WRONG, "say --nbd SOCKET or --fuse DIR");
	container_open(&container, options, options->read_only ? ACCESS_READ : ACCESS_WRITE, true);
	if (options->nbd)
		serve_nbd(&container, options);
	else
		serve_fuse(&container, options);
	container_close(&container);
	return EXIT_GOOD;
}

/* ---- info ---- */

static const char *const factor_names[] = {"",         "none needed", "passphrase", "recovery words",
                                           "key file", "secret file", "machine",    "machine's TPM"};

static const char *factor_name(enum vdisk_factor factor)
{
	return (unsigned)factor < sizeof(factor_names) / sizeof(*factor_names) ? factor_names[factor]
	                                                                       : "unknown";
}

static const char *hex(const uint8_t *bytes, size_t size)
{
	static char text[2 * VDISK_ID_SIZE + 1];
	for (size_t i = 0; i < size; i++)
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
	return text;
}

void print_slots(const struct vdisk_slot_info *slots, unsigned count, bool json)
{
	for (unsigned i = 0; i < count; i++) {
		const char *second = factor_name(slots[i].factors[1]);
		if (json) {
			printf("%s{\"slot\": %u, \"factors\": [\"%s\"%s%s%s], \"label\": ", i ? ", " : "",
			       slots[i].number, factor_name(slots[i].factors[0]), *second ? ", \"" : "",
			       second, *second ? "\"" : "");
			print_json_string(slots[i].label);
			putchar('}');
		} else {
			printf("slot %u: %s%s%s%s%s\n", slots[i].number, factor_name(slots[i].factors[0]),
			       *second ? " and " : "", second, *slots[i].label ? ", " : "", slots[i].label);
		}
	}
}

static void print_volumes(struct vdisk *disk, bool json)
{
	struct vdisk_volume volume;
	bool first = true;
	int status;
	for (uint64_t number = 0; (status = vdisk_volume_next(disk, number, &volume)) == VDISK_OK;
	     number = volume.number) {
		if (json) {
			printf("%s{\"name\": ", first ? "" : ", ");
			print_json_string(volume.name);
			printf(", \"size\": %llu, \"used\": %llu, \"read_only\": %s, \"created_ns\": %lld, "
			       "\"id\": \"%s\"}",
			       (unsigned long long)volume.blocks * VDISK_BLOCK,
			       (unsigned long long)volume.mapped * VDISK_BLOCK,
			       volume.read_only ? "true" : "false", (long long)volume.created_ns,
			       hex(volume.id, VDISK_ID_SIZE));
		} else {
			printf("%-8s %-24s %12llu MiB, %llu MiB in use\n",
			       volume.deleting    ? "deleting"
			       : volume.read_only ? "snapshot"
			                          : "volume",
			       volume.name, (unsigned long long)volume.blocks >> 8,
			       (unsigned long long)volume.mapped >> 8);
		}
		first = false;
	}
	if (status != VDISK_NOT_FOUND)
		fail_vdisk(status, "reading", "the catalogue");
}

static int run_info(const struct options *options)
{
	struct container container;
	struct vdisk_slot_info slots[8];
	uint8_t id[VDISK_ID_SIZE];
	unsigned count;
	container_files(&container, options, ACCESS_READ);
	int status = vdisk_probe(&container.legs[0], slots, 8, &count, id);
	if (status < 0 && options->json)
		puts("{\"format\": \"unknown\", \"status\": \"damaged\"}");
	must(status, "reading", options->arguments[0]);
	bool open_slot = false;
	for (unsigned i = 0; i < count; i++)
		open_slot = open_slot || slots[i].factors[0] == VDISK_FACTOR_OPEN;
	bool have_key = container.credentials.passphrase || container.credentials.key_file ||
	                container.credentials.recovery_words || container.credentials.machine || open_slot;
	if (options->json)
		printf("{\"format\": \"vdisk\", \"id\": \"%s\", \"slots\": [", hex(id, sizeof(id)));
	else
		printf("vdisk %s\n", hex(id, sizeof(id)));
	print_slots(slots, count, options->json);
	if (options->json)
		putchar(']');
	if (have_key) {
		struct vdisk_info info;
		struct vdisk_config config = {.legs = container.legs,
		                              .leg_count = container.leg_count,
		                              .random = host_random,
		                              .volume = options->volume,
		                              .read_only = true};
		status = vdisk_open(&container.disk, &config, &container.credentials);
		if (status < 0 && options->json)
			printf(", \"status\": \"%s\"}\n", status == VDISK_KEY ? "locked" : "damaged");
		must(status, "opening", options->arguments[0]);
		vdisk_get_info(container.disk, &info);
		const char *cipher =
		    info.cipher == VDISK_CIPHER_AES_256_GCM ? "aes-256-gcm" : "xchacha20-poly1305";
		if (options->json)
			printf(", \"cipher\": \"%s\", \"size\": %llu, \"used\": %llu, \"container\": %llu, "
			       "\"container_used\": %llu, \"generation\": %llu, \"anchor\": %llu, "
			       "\"volumes\": [",
			       cipher, (unsigned long long)info.blocks * VDISK_BLOCK,
			       (unsigned long long)info.mapped * VDISK_BLOCK,
			       (unsigned long long)info.container_blocks * VDISK_BLOCK,
			       (unsigned long long)info.used_blocks * VDISK_BLOCK,
			       (unsigned long long)info.generation,
			       (unsigned long long)vdisk_anchor(container.disk));
		else
			printf("cipher %s, commit %llu, %llu KiB of %llu KiB in use\n", cipher,
			       (unsigned long long)info.generation, (unsigned long long)info.used_blocks * 4,
			       (unsigned long long)info.container_blocks * 4);
		print_volumes(container.disk, options->json);
		if (options->json)
			putchar(']');
	} else if (!options->json) {
		printf("(give its key to see volumes)\n");
	}
	if (options->json)
		printf("}\n");
	container_close(&container);
	return EXIT_GOOD;
}

/* ---- check, scrub, mirror ---- */

struct findings {
	bool json, first;
};

static void print_finding(void *context, const char *text)
{
	struct findings *findings = context;
	progress_end();
	if (!findings->json) {
		printf("%s\n", text);
		return;
	}
	printf("%s", findings->first ? "" : ", ");
	print_json_string(text);
	findings->first = false;
}

static void check_progress(void *context, uint64_t done, uint64_t total)
{
	(void)context;
	progress("checking", done, total);
}

static int finish_report(const struct options *options, const struct vdisk_report *report, int status)
{
	bool damaged = status < 0 || report->damaged;
	bool different =
	    report->healed || report->leaked || report->missing || report->repaired || report->copies;
	progress_end();
	if (options->json) {
		printf("], \"nodes\": %llu, \"blocks\": %llu, \"damaged\": %llu, \"healed\": %llu, "
		       "\"leaked\": %llu, "
		       "\"missing\": %llu, \"copies\": %llu, \"repaired\": %llu, \"status\": \"%s\"}\n",
		       (unsigned long long)report->nodes, (unsigned long long)report->data_blocks,
		       (unsigned long long)report->damaged, (unsigned long long)report->healed,
		       (unsigned long long)report->leaked, (unsigned long long)report->missing,
		       (unsigned long long)report->copies, (unsigned long long)report->repaired,
		       damaged     ? "damaged"
		       : different ? "different"
		                   : "good");
	} else {
		printf("%llu map nodes and %llu blocks read: %s\n", (unsigned long long)report->nodes,
		       (unsigned long long)report->data_blocks,
		       damaged     ? "damaged"
		       : different ? "good, after what is said above"
		                   : "good");
	}
	if (status < 0)
		fail_vdisk(status, "checking", options->arguments[0]);
	return damaged ? EXIT_DAMAGED : different ? EXIT_DIFFERENT : EXIT_GOOD;
}

static int run_check(const struct options *options)
{
	struct container container;
	struct findings findings = {.json = options->json, .first = true};
	struct vdisk_report report = {
	    .context = &findings, .finding = print_finding, .progress = check_progress};
	container_files(&container, options, options->repair ? ACCESS_WRITE : ACCESS_READ);
	struct vdisk_config config = {.legs = container.legs,
	                              .leg_count = container.leg_count,
	                              .random = host_random,
	                              .cache_bytes = 64u << 20,
	                              .read_only = !options->repair};
	int status = vdisk_open(&container.disk, &config, &container.credentials);
	if (status == VDISK_KEY || status == VDISK_VERSION)
		fail_vdisk(status, "checking", options->arguments[0]);
	if (options->json)
		printf("{\"format\": \"vdisk\", \"findings\": [");
	if (status == VDISK_OK)
		status = vdisk_check(container.disk, options->data, options->repair, &report);
	else if (options->json)
		print_finding(&findings, vdisk_status_text(status));
	int result = finish_report(options, &report, status);
	container_close(&container);
	return result;
}

static int run_scrub(const struct options *options)
{
	struct container container;
	struct findings findings = {.json = options->json, .first = true};
	struct vdisk_report report = {
	    .context = &findings, .finding = print_finding, .progress = check_progress};
	container_open(&container, options, ACCESS_WRITE, false);
	if (options->json)
		printf("{\"format\": \"vdisk\", \"findings\": [");
	int status = vdisk_scrub(container.disk, &report);
	int result = finish_report(options, &report, status);
	container_close(&container);
	return result;
}

static int run_mirror(const struct options *options)
{
	struct options more = *options;
	struct container container;
	struct vdisk_report report = {.progress = check_progress};
	if (more.mirror_count == VDISK_LEGS_MAX - 1)
		fail(EXIT_WRONG, "a mirror has at most four legs");
	more.mirrors[more.mirror_count++] = options->arguments[1];
	container_open(&container, &more, ACCESS_WRITE, false);
	must(vdisk_scrub(container.disk, &report), "filling", options->arguments[1]);
	progress_end();
	container_close(&container);
	printf("%s is a leg now: open the container with --mirror %s\n", options->arguments[1],
	       options->arguments[1]);
	return report.damaged ? EXIT_DAMAGED : EXIT_GOOD;
}

/* ---- volumes ---- */

static int run_snapshot(const struct options *options)
{
	struct container container;
	bool list = options->argument_count == 1;
	container_open(&container, options, list ? ACCESS_READ : ACCESS_WRITE, false);
	if (list)
		print_volumes(container.disk, false);
	else
		must(vdisk_snapshot(container.disk, options->arguments[1]), "making snapshot",
		     options->arguments[1]);
	container_close(&container);
	return EXIT_GOOD;
}

static int run_clone(const struct options *options)
{
	struct container container;
	container_open(&container, options, ACCESS_WRITE, false);
	must(vdisk_clone(container.disk, options->arguments[1], options->arguments[2]), "cloning",
	     options->arguments[1]);
	container_close(&container);
	return EXIT_GOOD;
}

static int run_rollback(const struct options *options)
{
	struct container container;
	container_open(&container, options, ACCESS_WRITE, false);
	confirm(options, "What was written since that snapshot will be lost.");
	must(vdisk_rollback(container.disk, options->arguments[1]), "rolling back to", options->arguments[1]);
	container_close(&container);
	return EXIT_GOOD;
}

static int run_delete(const struct options *options)
{
	struct container container;
	container_open(&container, options, ACCESS_WRITE, false);
	confirm(options, "That volume will be lost.");
	must(vdisk_volume_delete(container.disk, options->arguments[1]), "deleting", options->arguments[1]);
	container_close(&container);
	return EXIT_GOOD;
}

static int run_resize(const struct options *options)
{
	struct container container;
	if (!options->size)
		fail(EXIT_WRONG, "--size is missing");
	uint64_t blocks = (parse_size(options->size) + VDISK_BLOCK - 1) / VDISK_BLOCK;
	container_open(&container, options, ACCESS_WRITE, true);
	if (blocks < vdisk_blocks(container.disk))
		confirm(options, "What lies beyond the new size will be lost.");
	must(vdisk_resize(container.disk, blocks), "resizing", options->arguments[0]);
	container_close(&container);
	return EXIT_GOOD;
}

static int stream_read(void *context, void *buffer, size_t bytes)
{
	return fread(buffer, 1, bytes, context) == bytes ? 0 : -1;
}

static int stream_write(void *context, const void *buffer, size_t bytes)
{
	return fwrite(buffer, 1, bytes, context) == bytes ? 0 : -1;
}

static void stream_progress(void *context, uint64_t done, uint64_t total)
{
	(void)context;
	progress("moving", done, total);
}

static int run_send(const struct options *options)
{
	struct container container;
	struct vdisk_stream stream = {.context = stdout, .write = stream_write, .progress = stream_progress};
	if (isatty(1))
		fail(EXIT_WRONG, "the stream is binary: send it into a file or a pipe");
	container_open(&container, options, ACCESS_READ, false);
	must(vdisk_send(container.disk, options->arguments[1], options->from, &stream), "sending",
	     options->arguments[1]);
	if (fflush(stdout))
		fail(EXIT_DAMAGED, "standard output: %s", strerror(errno));
	progress_end();
	container_close(&container);
	return EXIT_GOOD;
}

static int run_receive(const struct options *options)
{
	struct container container;
	struct vdisk_stream stream = {.context = stdin, .read = stream_read, .progress = stream_progress};
	container_open(&container, options, ACCESS_WRITE, true);
	must(vdisk_receive(container.disk, &stream), "receiving into", options->arguments[0]);
	progress_end();
	container_close(&container);
	return EXIT_GOOD;
}

static const struct command {
	const char *name;
	int (*run)(const struct options *options);
	unsigned least, most;
} commands[] = {
    {"create", run_create, 1, 1},     {"open", run_open, 1, 1},         {"info", run_info, 1, 1},
    {"check", run_check, 1, 1},       {"scrub", run_scrub, 1, 1},       {"mirror", run_mirror, 2, 2},
    {"key", run_key, 2, 2},           {"snapshot", run_snapshot, 1, 2}, {"clone", run_clone, 3, 3},
    {"rollback", run_rollback, 2, 2}, {"delete", run_delete, 2, 2},     {"send", run_send, 2, 2},
    {"receive", run_receive, 1, 1},   {"resize", run_resize, 1, 1},     {"import", run_import, 2, 2},
    {"export", run_export, 2, 2},     {"rekey", run_rekey, 1, 1},
};

int main(int argc, char **argv)
{
	struct options options;
	/* Keys stay out of core files. */
	setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
	if (argc < 2 || !strcmp(argv[1], "--help") || !strcmp(argv[1], "help")) {
		fputs(usage, argc < 2 ? stderr : stdout);
		return argc < 2 ? EXIT_WRONG : EXIT_GOOD;
	}
	parse(&options, argc - 1, argv + 1);
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
		if (strcmp(argv[1], commands[i].name) != 0)
			continue;
		if (options.argument_count < commands[i].least || options.argument_count > commands[i].most)
			fail(EXIT_WRONG, "%s: wrong number of arguments; try 'holon-vdisk --help'", argv[1]);
		return commands[i].run(&options);
	}
	fail(EXIT_WRONG, "there is no command '%s'; try 'holon-vdisk --help'", argv[1]);
}
