/* The subcommands about what a node has kept: export and replay. */
#include "ledger/command.h"

#include <errno.h>
#include <ftw.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "chain/archive.h"
#include "ledger/node/log.h"
#include "num/hex.h"

struct words {
	const char *directory, *file;
	bool log;
};

static bool parse(int count, char **arguments, struct words *words)
{
	static const struct option options[] = {
	    {"dir", required_argument, NULL, 'd'}, {"log", no_argument, NULL, 'l'}, {NULL, 0, NULL, 0}};
	*words = (struct words){0};
	optind = 1;
	for (int option; (option = getopt_long(count, arguments, "", options, NULL)) != -1;)
		if (option == 'd')
			words->directory = optarg;
		else if (option == 'l')
			words->log = true;
		else
			return false;
	if (optind < count)
		words->file = arguments[optind++];
	return optind == count;
}

static void export_record(void *context, enum dag_record kind, const uint8_t *data, size_t size,
                          uint64_t ticket)
{
	static const char *const names[] = {"",      "batch", "header",  "proposed", "voted",
	                                    "votes", "state", "ordered", "boundary"};
	struct dag_digest digest;
	(void)context;
	wire_digest(DAG_STATE, data, size, &digest);
	printf("{\"ticket\":%lu,\"kind\":\"%s\",\"size\":%zu,\"digest\":\"", ticket,
	       kind < sizeof(names) / sizeof(names[0]) ? names[kind] : "unknown", size);
	for (unsigned i = 0; i < 8; i++)
		printf("%02x", digest.bytes[i]);
	printf("\"}\n");
}

static bool export_log(const char *directory)
{
	char name[320];
	snprintf(name, sizeof(name), "%s/log", directory);
	struct node_log *log = log_open(name, -1);
	bool good = log && log_replay(log, 0, export_record, NULL);
	if (log)
		log_close(log);
	return good;
}

static void figures_print(const char *what, const struct archive_figures *figures)
{
	char text[67];
	printf("%s %llu blocks, %llu transactions, head %s\n", what, (unsigned long long)figures->blocks,
	       (unsigned long long)figures->transactions, hex_encode(text, figures->head.bytes, 32));
}

int command_export(int count, char **arguments)
{
	struct words words;
	struct archive_figures figures;
	struct stat status;
	char name[320];
	if (!parse(count, arguments, &words) || !words.directory || !words.file == !words.log) {
		fprintf(stderr,
		        "usage: holon-ledger export --dir D FILE   the chain of a stopped node, for replay\n"
		        "       holon-ledger export --dir D --log  its log, a JSON object a record\n");
		return 2;
	}
	if (words.log)
		return export_log(words.directory) ? 0 : 1;
	/* A node's folder, or a chain's own (run --dev --dir). */
	snprintf(name, sizeof(name), "%s/application", words.directory);
	const char *chain = stat(name, &status) ? words.directory : name;
	FILE *out = fopen(words.file, "wb");
	bool good = out && archive_export(chain, out, &figures);
	int error = errno;
	if (out && fclose(out))
		good = false;
	if (!good) {
		fprintf(stderr, "holon-ledger: %s is not written: %s\n", words.file,
		        out ? "see above" : strerror(error));
		if (out)
			remove(words.file);
		return 1;
	}
	figures_print("exported", &figures);
	return 0;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk)
{
	(void)status;
	(void)type;
	(void)walk;
	return remove(path);
}

int command_replay(int count, char **arguments)
{
	struct words words;
	struct archive_figures figures;
	char temporary[] = "/tmp/holon-ledger-replay-XXXXXX";
	if (!parse(count, arguments, &words) || !words.file || words.log) {
		fprintf(stderr, "usage: holon-ledger replay FILE [--dir D]\n"
		                "  executes an exported chain from its beginning and compares every block's "
		                "hash; the chain stays in D\n");
		return 2;
	}
	FILE *in = fopen(words.file, "rb");
	const char *directory = words.directory ? words.directory : mkdtemp(temporary);
	if (!in || !directory || (words.directory && mkdir(directory, 0700) && errno != EEXIST)) {
		fprintf(stderr, "holon-ledger: cannot open %s: %s\n", in ? words.directory : words.file,
		        strerror(errno));
		if (in)
			fclose(in);
		return 1;
	}
	bool good = archive_replay(in, directory, 1, &figures);
	fclose(in);
	if (!words.directory)
		nftw(directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
	if (good)
		figures_print("replayed, bit for bit:", &figures);
	return good ? 0 : 1;
}
