/*
 * holon-ledger bench: a network of processes on this machine under open-loop load from one more process.
 * Payloads carry the moment they were due, so a generator that falls behind counts as latency. Counted is
 * what all validators made final; the latency of a payload is until the application of each validator had it,
 * over all validators.
 */
#include "ledger/command.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ledger/encrypted/envelope.h"
#include "ledger/node/bytes.h"
#include "ledger/node/local.h"

#define WARMUP_US 2000000
#define FRAME     (128u << 10)
#define TICK_US   1000

struct bench {
	unsigned validators, rate, size, seconds, batch_us, round_us, batch_kb, bundle;
	enum dag_mode mode;
	bool classical, encrypted;
	const char *directory;
};

static uint64_t now_us(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* ---- the generator ---- */

struct lane {
	int fd;
	uint8_t frame[FRAME + 4];
	size_t size, sent;
};

static bool lane_write(struct lane *lane)
{
	while (lane->sent < lane->size) {
		ssize_t done = send(lane->fd, lane->frame + lane->sent, lane->size - lane->sent,
		                    MSG_NOSIGNAL | MSG_DONTWAIT);
		if (done < 0)
			return false;
		lane->sent += (size_t)done;
	}
	lane->size = lane->sent = 0;
	return true;
}

static void fill(uint8_t *payload, size_t size, uint64_t number, uint64_t due_us, uint64_t *word)
{
	store_le64(payload, number + 1);
	payload[0] = 1; /* not one of the node's own kinds */
	store_le64(payload + 8, due_us);
	for (size_t at = 16; at + 8 <= size; at += 8) {
		*word ^= *word << 13;
		*word ^= *word >> 7;
		*word ^= *word << 17;
		store_le64(payload + at, *word);
	}
}

/* The next payloads, `count` of them, as one envelope or open; returns the bytes. */
static size_t put(const struct bench *bench, const struct envelope_keys *keys, uint8_t *out, uint64_t next,
                  unsigned count, uint64_t start_us, uint64_t *word)
{
	static uint8_t plain[ENVELOPE_MAX_PLAIN];
	uint8_t key[ENVELOPE_KEY];
	size_t size = 0;
	if (!bench->encrypted) {
		fill(out, bench->size, next, start_us + next * 1000000 / bench->rate, word);
		return bench->size;
	}
	for (unsigned i = 0; i < count; i++) {
		if (bench->bundle > 1) {
			store_le32(plain + size, bench->size);
			size += 4;
		}
		fill(plain + size, bench->size, next + i, start_us + (next + i) * 1000000 / bench->rate,
		     word);
		size += bench->size;
	}
	if (getrandom(key, sizeof(key), 0) != sizeof(key) ||
	    envelope_seal(keys, key, bench->bundle > 1 ? ENVELOPE_BUNDLE : ENVELOPE_ONE, plain, size, out) !=
	        CRYPTO_OK)
		_exit(1);
	return envelope_size(bench->validators, size);
}

static void generate(const struct bench *bench, uint64_t start_us, uint64_t end_us)
{
	struct lane *lanes = ledger_allocate(bench->validators, sizeof(*lanes));
	uint64_t next = 0, word = 0x9e3779b97f4a7c15ull;
	for (unsigned i = 0; i < bench->validators; i++) {
		struct sockaddr_un address = {.sun_family = AF_UNIX};
		int size = 4 << 20;
		snprintf(address.sun_path, sizeof(address.sun_path), "%.80s/node-%u/submit", bench->directory,
		         i);
		lanes[i].fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		(void)setsockopt(lanes[i].fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
		if (connect(lanes[i].fd, (struct sockaddr *)&address, sizeof(address))) {
			fprintf(stderr, "holon-ledger: cannot reach %s: %s\n", address.sun_path,
			        strerror(errno));
			_exit(1);
		}
	}
	/* Payload k is due at start + k / rate; frames go round the validators. */
	struct network *network = ledger_allocate(1, sizeof(*network));
	char first[320];
	snprintf(first, sizeof(first), "%s/node-0", bench->directory);
	if (!network_read(first, network))
		_exit(1);
	struct envelope_keys keys = {0, network->members, network->kem};
	size_t most = bench->encrypted
	                  ? envelope_size(bench->validators, (size_t)bench->bundle * (4 + bench->size))
	                  : bench->size;
	unsigned turn = 0;
	for (uint64_t now = now_us(); now < end_us; now = now_us()) {
		uint64_t due = now < start_us ? 0 : (now - start_us) * bench->rate / 1000000;
		bool moved = false;
		for (unsigned tries = 0; tries < bench->validators && next < due; tries++, turn++) {
			struct lane *lane = &lanes[turn % bench->validators];
			if (lane->size && !lane_write(lane))
				continue;
			uint64_t share = (due - next + bench->validators - 1) / bench->validators;
			lane->size = 4;
			while (share && next < due && lane->size + 4 + most <= FRAME) {
				unsigned count =
				    due - next < bench->bundle ? (unsigned)(due - next) : bench->bundle;
				size_t size = put(bench, &keys, lane->frame + lane->size + 4, next, count,
				                  start_us, &word);
				store_le32(lane->frame + lane->size, (uint32_t)size);
				lane->size += 4 + size;
				next += count;
				share -= share < count ? share : count;
			}
			store_le32(lane->frame, (uint32_t)lane->size - 4);
			lane_write(lane);
			moved = true;
		}
		if (!moved || next >= due) {
			struct timespec nap = {.tv_nsec = TICK_US * 1000};
			nanosleep(&nap, NULL);
		}
	}
	_exit(0);
}

/* ---- the report ---- */

static uint64_t disk_rate(const char *directory)
{
	char name[320];
	snprintf(name, sizeof(name), "%s/disk-rate", directory);
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	uint8_t *block = ledger_allocate(1, 4 << 20);
	uint64_t begin = now_us(), bytes = 0;
	while (fd >= 0 && bytes < 128u << 20 && write(fd, block, 4 << 20) == 4 << 20)
		bytes += 4 << 20;
	if (fd >= 0) {
		(void)!fdatasync(fd);
		close(fd);
	}
	unlink(name);
	free(block);
	uint64_t spent = now_us() - begin;
	return spent ? bytes / spent : 0; /* MB/s */
}

static double percentile(const uint64_t *buckets, uint64_t total, double part)
{
	uint64_t seen = 0, want = (uint64_t)(part * (double)total);
	for (unsigned i = 0; i < BYTES_BUCKETS; i++) {
		seen += buckets[i];
		if (seen > want)
			return (i + 0.5) * BYTES_BUCKET_US / 1000.0;
	}
	return BYTES_BUCKETS * (double)BYTES_BUCKET_US / 1000.0;
}

static bool report(const struct bench *bench)
{
	struct bytes_figures *one = ledger_allocate(1, sizeof(*one));
	uint64_t *buckets = ledger_allocate(BYTES_BUCKETS, sizeof(*buckets));
	uint64_t least = UINT64_MAX, total = 0;
	bool good = true;
	for (unsigned i = 0; i < bench->validators; i++) {
		char name[320];
		snprintf(name, sizeof(name), "%s/node-%u/application/figures", bench->directory, i);
		FILE *in = fopen(name, "r");
		good = in && fread(one, sizeof(*one), 1, in) == 1 && good;
		if (in)
			fclose(in);
		for (unsigned j = 0; j < BYTES_BUCKETS; j++)
			buckets[j] += one->buckets[j];
		total += one->payloads;
		least = one->payloads < least ? one->payloads : least;
	}
	if (good && total)
		printf("tx/s %lu p50 %.1f p99 %.1f\n", least / bench->seconds,
		       percentile(buckets, total, 0.5), percentile(buckets, total, 0.99));
	else
		printf("tx/s 0 p50 0 p99 0\n");
	free(one);
	free(buckets);
	return good && total;
}

static void print_costs(const struct bench *bench)
{
	uint64_t committed = 0, rounds = 0, signatures = 0, checks = 0, bytes = 0, writes = 0;
	for (unsigned i = 0; i < bench->validators; i++) {
		char name[320], status[4096];
		uint64_t value;
		snprintf(name, sizeof(name), "%s/node-%u", bench->directory, i);
		if (!local_status(name, status, sizeof(status)))
			continue;
		committed =
		    status_number(status, "committed", &value) && value > committed ? value : committed;
		rounds = status_number(status, "round", &value) && value > rounds ? value : rounds;
		signatures += status_number(status, "signed", &value) ? value : 0;
		checks += status_number(status, "verified", &value) ? value : 0;
		bytes += status_number(status, "logBytes", &value) ? value : 0;
		writes += status_number(status, "logWrites", &value) ? value : 0;
	}
	printf("rounds %lu commits %lu signatures %lu checks %lu log MB %lu log writes %lu\n", rounds,
	       committed, signatures, checks, bytes >> 20, writes);
}

static bool bench_network(const struct bench *bench)
{
	struct node_options options;
	pid_t pids[DAG_MAX_VALIDATORS] = {0};
	char measure[80];
	node_options_default(&options);
	options.batch_us = bench->batch_us;
	options.round_us = bench->round_us;
	options.batch_bytes = bench->batch_kb << 10;
	options.classical = bench->classical;
	options.application_options[0] = measure;
	options.application_option_count = 1;
	/* The measured window must be known to the nodes before they start. */
	uint64_t start = now_us() + 1500000 + 400000ull * bench->validators, from = start + WARMUP_US,
	         until = from + 1000000ull * bench->seconds;
	snprintf(measure, sizeof(measure), "measure=%lu-%lu", from, until);
	bool good = local_create(bench->directory, bench->validators, 0, bench->mode);
	for (unsigned i = 0; i < bench->validators && good; i++)
		good = (pids[i] = local_start(bench->directory, i, &options)) > 0;
	good = good && local_ready(bench->directory, bench->validators, 30);
	if (!good)
		fprintf(stderr, "holon-ledger: the validators did not come up\n");
	pid_t generator = good ? fork() : 0;
	if (good && generator == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		generate(bench, start, until);
	}
	while (good && now_us() < until + 1500000)
		usleep(50000);
	print_costs(bench);
	if (good && generator > 0)
		waitpid(generator, NULL, 0);
	return local_end(pids, bench->validators) && good;
}

static int usage(void)
{
	fprintf(stderr, "usage: holon-ledger bench --validators N --rate R --size BYTES --seconds S [--rule "
	                "bullshark|mysticeti]\n"
	                "    [--dir D] [--batch-us U] [--batch-kb K] [--round-us U] [--classical] "
	                "[--encrypted [--bundle K]]\n"
	                "  the last line: payloads a second that are final on all validators, p50 and p99 of "
	                "finality in ms\n");
	return 2;
}

static bool number(const char *text, unsigned long least, unsigned long most, unsigned *out)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);
	*out = (unsigned)value;
	return *text && !*end && value >= least && value <= most;
}

int command_bench(int count, char **arguments)
{
	static const struct option options[] = {{"validators", required_argument, NULL, 'n'},
	                                        {"rate", required_argument, NULL, 'r'},
	                                        {"size", required_argument, NULL, 's'},
	                                        {"seconds", required_argument, NULL, 't'},
	                                        {"rule", required_argument, NULL, 'm'},
	                                        {"dir", required_argument, NULL, 'd'},
	                                        {"batch-us", required_argument, NULL, 'b'},
	                                        {"round-us", required_argument, NULL, 'u'},
	                                        {"batch-kb", required_argument, NULL, 'k'},
	                                        {"classical", no_argument, NULL, 'c'},
	                                        {"encrypted", no_argument, NULL, 'e'},
	                                        {"bundle", required_argument, NULL, 'g'},
	                                        {NULL, 0, NULL, 0}};
	struct node_options defaults;
	node_options_default(&defaults);
	struct bench bench = {.validators = 4,
	                      .rate = 40000,
	                      .size = 512,
	                      .seconds = 10,
	                      .bundle = 1,
	                      .batch_us = defaults.batch_us,
	                      .round_us = defaults.round_us,
	                      .batch_kb = defaults.batch_bytes >> 10};
	optind = 1;
	for (int option; (option = getopt_long(count, arguments, "", options, NULL)) != -1;) {
		bool good = true;
		switch (option) {
		case 'n':
			good = number(optarg, 1, DAG_MAX_VALIDATORS, &bench.validators);
			break;
		case 'r':
			good = number(optarg, 1, 10000000, &bench.rate);
			break;
		case 's':
			good = number(optarg, 16, 65536, &bench.size);
			break;
		case 't':
			good = number(optarg, 1, 3600, &bench.seconds);
			break;
		case 'b':
			good = number(optarg, 100, 1000000, &bench.batch_us);
			break;
		case 'u':
			good = number(optarg, 100, 1000000, &bench.round_us);
			break;
		case 'k':
			good = number(optarg, 1, 600, &bench.batch_kb);
			break;
		case 'g':
			good = number(optarg, 1, ENVELOPE_MAX_BUNDLE, &bench.bundle);
			break;
		case 'm':
			good = !strcmp(optarg, "bullshark") || !strcmp(optarg, "mysticeti");
			bench.mode = optarg[0] == 'm' ? DAG_UNCERTIFIED : DAG_CERTIFIED;
			break;
		case 'd':
			bench.directory = optarg;
			break;
		case 'c':
			bench.classical = true;
			break;
		case 'e':
			bench.encrypted = true;
			break;
		default:
			good = false;
		}
		if (!good)
			return usage();
	}
	/* A payload that is not encrypted is a payload; a bundle must fit into an envelope, and that into a frame. */
	if (!bench.encrypted)
		bench.bundle = 1;
	if (optind != count || (size_t)bench.bundle * (4 + bench.size) > ENVELOPE_MAX_PLAIN ||
	    envelope_size(bench.validators, (size_t)bench.bundle * (4 + bench.size)) + 8 > FRAME)
		return usage();
	char made[] = "/tmp/holon-ledger-bench-XXXXXX", remove[128];
	bool own = !bench.directory;
	if (own && !(bench.directory = mkdtemp(made))) {
		perror("holon-ledger: cannot make a folder in /tmp");
		return 1;
	}
	if (mkdir(bench.directory, 0700) && errno != EEXIST) {
		fprintf(stderr, "holon-ledger: cannot make %s: %s\n", bench.directory, strerror(errno));
		return 1;
	}
	printf("disk %lu MB/s\n", disk_rate(bench.directory));
	bool good = bench_network(&bench);
	struct rusage used;
	getrusage(RUSAGE_CHILDREN, &used);
	printf("processor seconds %.1f: user %.1f, system %.1f, of all processes and the whole run\n",
	       (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
	           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6,
	       (double)used.ru_utime.tv_sec + (double)used.ru_utime.tv_usec / 1e6,
	       (double)used.ru_stime.tv_sec + (double)used.ru_stime.tv_usec / 1e6);
	good = report(&bench) && good;
	fflush(stdout);
	snprintf(remove, sizeof(remove), "rm -rf '%s'", made);
	if (own && system(remove))
		fprintf(stderr, "holon-ledger: cannot remove %s\n", made);
	return good ? 0 : 1;
}
