/*
 * The subcommands by which a validator's operator puts something into the sequence: a vote on who votes in the next epoch, and entries
 * of the transparency log. They go through the node's own socket `submit`, so whoever may write to that speaks for the validator.
 */
#include "ledger/command.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "ledger/node/local.h"
#include "ledger/ordered/ordered.h"
#include "trust/transparency.h"

/* A frame of one payload. */
static bool submit(const char *directory, const uint8_t *payload, size_t size)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int length = snprintf(address.sun_path, sizeof(address.sun_path), "%s/submit", directory);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	uint8_t *frame = ledger_allocate(1, 8 + size);
	store_le32(frame, (uint32_t)size + 4);
	store_le32(frame + 4, (uint32_t)size);
	memcpy(frame + 8, payload, size);
	bool good = length < (int)sizeof(address.sun_path) && fd >= 0 &&
	            !connect(fd, (struct sockaddr *)&address, sizeof(address)) &&
	            send(fd, frame, 8 + size, MSG_NOSIGNAL) == (ssize_t)(8 + size);
	if (!good)
		fprintf(stderr, "holon-ledger: cannot submit at %s/submit: %s; is the node running?\n",
		        directory, strerror(errno));
	if (fd >= 0)
		close(fd);
	free(frame);
	return good;
}

static bool directory_option(int count, char **arguments, const char **directory, const char **set)
{
	static const struct option options[] = {
	    {"dir", required_argument, NULL, 'd'}, {"set", required_argument, NULL, 's'}, {NULL, 0, NULL, 0}};
	*directory = *set = NULL;
	optind = 1;
	for (int option; (option = getopt_long(count, arguments, "", options, NULL)) != -1;)
		if (option == 'd')
			*directory = optarg;
		else if (option == 's')
			*set = optarg;
		else
			return false;
	return *directory != NULL;
}

/* "0,1,2,4" */
static bool parse_set(const char *text, uint64_t *set)
{
	*set = 0;
	while (*text) {
		char *end;
		unsigned long number = strtoul(text, &end, 10);
		if (end == text || number >= DAG_MAX_VALIDATORS || (*set >> number & 1) ||
		    (*end && *end != ','))
			return false;
		*set |= set_of((unsigned)number);
		text = *end ? end + 1 : end;
	}
	return *set != 0;
}

int command_members(int count, char **arguments)
{
	const char *directory, *text;
	uint64_t set, epoch;
	char status[4096];
	uint8_t payload[ORDERED_VOTE_SIZE] = {ORDERED_VOTE};
	if (!directory_option(count, arguments, &directory, &text) || optind != count ||
	    (text && !parse_set(text, &set))) {
		fprintf(stderr, "usage: holon-ledger members --dir D [--set 0,1,2,4]\n"
		                "  votes, as the validator of folder D, that these numbers of the file "
		                "`network` are the\n"
		                "  validators of the next epoch; it begins once a quorum of today's has "
		                "voted for one set\n");
		return 2;
	}
	if (!local_status(directory, status, sizeof(status)) || !status_number(status, "epoch", &epoch)) {
		fprintf(stderr, "holon-ledger: no node answers in %s: is it running?\n", directory);
		return 1;
	}
	if (!text) {
		const char *at = strstr(status, "\"memberSet\":\"");
		printf("epoch %lu, validators %.*s as a set of bits\n", epoch,
		       at ? (int)strcspn(at + 13, "\"") : 0, at ? at + 13 : "");
		return 0;
	}
	store_le64(payload + 1, epoch);
	store_le64(payload + 9, set);
	return submit(directory, payload, sizeof(payload)) ? 0 : 1;
}

static bool publish(const char *directory, const char *file)
{
	static uint8_t payload[1 + TRANSPARENCY_ENTRY_MAX + 1];
	uint8_t leaf[TRANSPARENCY_HASH_BYTES];
	FILE *in = fopen(file, "rb");
	size_t size = in ? fread(payload + 1, 1, TRANSPARENCY_ENTRY_MAX + 1, in) : 0;
	if (in)
		fclose(in);
	if (!in || !transparency_entry(payload + 1, size)) {
		fprintf(stderr,
		        "holon-ledger: %s is no signed key list, certificate, list of revocations or boot "
		        "manifest\n",
		        file);
		return false;
	}
	payload[0] = ORDERED_ENTRY;
	if (!submit(directory, payload, 1 + size))
		return false;
	transparency_leaf(leaf, payload + 1, size);
	printf("submitted %s, leaf ", file);
	for (unsigned i = 0; i < sizeof(leaf); i++)
		printf("%02x", leaf[i]);
	printf("\n");
	return true;
}

int command_publish(int count, char **arguments)
{
	const char *directory, *set;
	if (!directory_option(count, arguments, &directory, &set) || set || optind == count) {
		fprintf(
		    stderr,
		    "usage: holon-ledger publish --dir D FILE…\n"
		    "  puts what holon-capsule signed into the transparency log, through the validator of "
		    "folder D\n");
		return 2;
	}
	for (int i = optind; i < count; i++)
		if (!publish(directory, arguments[i]))
			return 1;
	return 0;
}
