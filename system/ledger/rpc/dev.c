/*
 * holon-ledger run --dev: a chain of one validator in one process, for development. A transaction is in a
 * block when its sending is answered; ten accounts with well-known keys can be sent from (never use them
 * elsewhere).
 */
#include "rpc/dev.h"

#include "num/hex.h"
#include "rpc/rpc.h"

#include <ftw.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct waiting {
	struct waiting *next;
	size_t size;
	uint8_t bytes[];
};

struct dev {
	struct chain *chain;
	struct rpc *rpc;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	pthread_cond_t executed;
	struct waiting *first;
	struct waiting **last;
	uint64_t sent;  /* transactions put in line */
	uint64_t ended; /* taken from it and executed */
	bool stopping;
	uint64_t index;
	pthread_t thread;
};

static uint64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Executes all that waits as one commit. */
static void execute(struct dev *dev, struct waiting *list)
{
	size_t count = 0;
	for (struct waiting *w = list; w; w = w->next)
		count++;
	struct ordered_items *payloads = checked_alloc(count * sizeof *payloads);
	size_t i = 0;
	for (struct waiting *w = list; w; w = w->next)
		payloads[i++] = (struct ordered_items){w->bytes, w->size};
	uint8_t digest[32];
	if (getrandom(digest, sizeof digest, 0) != sizeof digest)
		memset(digest, 0, sizeof digest);
	const struct chain_commit commit = {dev->index + 1, now_ms(), digest, payloads, count};
	if (chain_execute(dev->chain, &commit) && chain_flush(dev->chain))
		dev->index++;
	free(payloads);
	for (struct waiting *w = list, *next; w; w = next) {
		next = w->next;
		free(w);
	}
	pthread_mutex_lock(&dev->lock);
	dev->ended += count;
	pthread_cond_broadcast(&dev->executed);
	pthread_mutex_unlock(&dev->lock);
}

static void *run_executor(void *argument)
{
	struct dev *dev = argument;
	for (;;) {
		pthread_mutex_lock(&dev->lock);
		while (!dev->first && !dev->stopping)
			pthread_cond_wait(&dev->wake, &dev->lock);
		struct waiting *list = dev->first;
		dev->first = NULL;
		dev->last = &dev->first;
		const bool stopping = dev->stopping;
		pthread_mutex_unlock(&dev->lock);
		if (list)
			execute(dev, list);
		else if (stopping)
			return NULL;
	}
}

static bool send(void *context, const uint8_t *bytes, size_t size)
{
	struct dev *dev = context;
	struct waiting *waiting = checked_alloc(sizeof *waiting + size);
	waiting->next = NULL;
	waiting->size = size;
	memcpy(waiting->bytes, bytes, size);
	pthread_mutex_lock(&dev->lock);
	*dev->last = waiting;
	dev->last = &waiting->next;
	dev->sent++;
	pthread_cond_signal(&dev->wake);
	pthread_mutex_unlock(&dev->lock);
	return true;
}

static void settle(void *context)
{
	struct dev *dev = context;
	pthread_mutex_lock(&dev->lock);
	const uint64_t all = dev->sent;
	while (dev->ended < all)
		pthread_cond_wait(&dev->executed, &dev->lock);
	pthread_mutex_unlock(&dev->lock);
}

static void notify(void *context, uint64_t first, uint64_t last)
{
	struct dev *dev = context;
	pthread_mutex_lock(&dev->lock);
	struct rpc *rpc = dev->rpc;
	pthread_mutex_unlock(&dev->lock);
	if (rpc)
		rpc_notify_blocks(rpc, first, last);
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk)
{
	(void)status;
	(void)type;
	(void)walk;
	return remove(path);
}

/* The first ten accounts of "test test test test test test test test test test test junk", m/44'/60'/0'/0/i,
 * which development chains share. */
static const uint8_t dev_keys[][32] = {
    {0xac, 0x09, 0x74, 0xbe, 0xc3, 0x9a, 0x17, 0xe3, 0x6b, 0xa4, 0xa6, 0xb4, 0xd2, 0x38, 0xff, 0x94,
     0x4b, 0xac, 0xb4, 0x78, 0xcb, 0xed, 0x5e, 0xfc, 0xae, 0x78, 0x4d, 0x7b, 0xf4, 0xf2, 0xff, 0x80},
    {0x59, 0xc6, 0x99, 0x5e, 0x99, 0x8f, 0x97, 0xa5, 0xa0, 0x04, 0x49, 0x66, 0xf0, 0x94, 0x53, 0x89,
     0xdc, 0x9e, 0x86, 0xda, 0xe8, 0x8c, 0x7a, 0x84, 0x12, 0xf4, 0x60, 0x3b, 0x6b, 0x78, 0x69, 0x0d},
    {0x5d, 0xe4, 0x11, 0x1a, 0xfa, 0x1a, 0x4b, 0x94, 0x90, 0x8f, 0x83, 0x10, 0x3e, 0xb1, 0xf1, 0x70,
     0x63, 0x67, 0xc2, 0xe6, 0x8c, 0xa8, 0x70, 0xfc, 0x3f, 0xb9, 0xa8, 0x04, 0xcd, 0xab, 0x36, 0x5a},
    {0x7c, 0x85, 0x21, 0x18, 0x29, 0x4e, 0x51, 0xe6, 0x53, 0x71, 0x2a, 0x81, 0xe0, 0x58, 0x00, 0xf4,
     0x19, 0x14, 0x17, 0x51, 0xbe, 0x58, 0xf6, 0x05, 0xc3, 0x71, 0xe1, 0x51, 0x41, 0xb0, 0x07, 0xa6},
    {0x47, 0xe1, 0x79, 0xec, 0x19, 0x74, 0x88, 0x59, 0x3b, 0x18, 0x7f, 0x80, 0xa0, 0x0e, 0xb0, 0xda,
     0x91, 0xf1, 0xb9, 0xd0, 0xb1, 0x3f, 0x87, 0x33, 0x63, 0x9f, 0x19, 0xc3, 0x0a, 0x34, 0x92, 0x6a},
    {0x8b, 0x3a, 0x35, 0x0c, 0xf5, 0xc3, 0x4c, 0x91, 0x94, 0xca, 0x85, 0x82, 0x9a, 0x2d, 0xf0, 0xec,
     0x31, 0x53, 0xbe, 0x03, 0x18, 0xb5, 0xe2, 0xd3, 0x34, 0x8e, 0x87, 0x20, 0x92, 0xed, 0xff, 0xba},
    {0x92, 0xdb, 0x14, 0xe4, 0x03, 0xb8, 0x3d, 0xfe, 0x3d, 0xf2, 0x33, 0xf8, 0x3d, 0xfa, 0x3a, 0x0d,
     0x70, 0x96, 0xf2, 0x1c, 0xa9, 0xb0, 0xd6, 0xd6, 0xb8, 0xd8, 0x8b, 0x2b, 0x4e, 0xc1, 0x56, 0x4e},
    {0x4b, 0xbb, 0xf8, 0x5c, 0xe3, 0x37, 0x74, 0x67, 0xaf, 0xe5, 0xd4, 0x6f, 0x80, 0x4f, 0x22, 0x18,
     0x13, 0xb2, 0xbb, 0x87, 0xf2, 0x4d, 0x81, 0xf6, 0x0f, 0x1f, 0xcd, 0xbf, 0x7c, 0xbf, 0x43, 0x56},
    {0xdb, 0xda, 0x18, 0x21, 0xb8, 0x05, 0x51, 0xc9, 0xd6, 0x59, 0x39, 0x32, 0x92, 0x50, 0x29, 0x8a,
     0xa3, 0x47, 0x2b, 0xa2, 0x2f, 0xee, 0xa9, 0x21, 0xc0, 0xcf, 0x5d, 0x62, 0x0e, 0xa6, 0x7b, 0x97},
    {0x2a, 0x87, 0x1d, 0x07, 0x98, 0xf9, 0x7d, 0x79, 0x84, 0x8a, 0x01, 0x3d, 0x49, 0x36, 0xa7, 0x3b,
     0xf4, 0xcc, 0x92, 0x2c, 0x82, 0x5d, 0x33, 0xc1, 0xcf, 0x70, 0x73, 0xdf, 0xf6, 0xd4, 0x09, 0xc6},
};

static int usage(void)
{
	fprintf(
	    stderr,
	    "usage: holon-ledger run --dev [--rpc-port P] [--dir D] [--chain-id N] [--block-gas-limit N]\n"
	    "         [--quota-gas N --quota-window SECONDS] [--allow-origin ORIGIN]...\n"
	    "  without --dir the chain is forgotten at the end\n");
	return 2;
}

struct options {
	unsigned port;
	const char *directory;
	struct chain_config config;
	const char *origins[16];
	size_t origin_count;
};

static bool parse(struct options *options, int count, char **arguments)
{
	uint64_t port = options->port;
	const struct {
		const char *name;
		uint64_t *number;
	} numbers[] = {{"--rpc-port", &port},
	               {"--chain-id", &options->config.chain_id},
	               {"--block-gas-limit", &options->config.gas_limit},
	               {"--quota-gas", &options->config.quota_gas},
	               {"--quota-window", &options->config.quota_window}};
	for (int i = 1; i < count; i++) {
		const char *name = arguments[i];
		bool known = !strcmp(name, "--dev");
		if (known)
			continue;
		const char *value = ++i < count ? arguments[i] : "";
		for (size_t n = 0; n < sizeof numbers / sizeof numbers[0]; n++)
			known = known || (!strcmp(name, numbers[n].name) &&
			                  rpc_parse_number(value, numbers[n].number));
		if (!strcmp(name, "--dir"))
			options->directory = value;
		else if (!strcmp(name, "--allow-origin") && options->origin_count < 15)
			options->origins[options->origin_count++] = value;
		else if (!known)
			return false;
	}
	options->port = (unsigned)port;
	return port < 65536 && (!options->config.quota_gas || options->config.quota_window);
}

static bool serve(struct dev *dev, const struct options *options)
{
	sigset_t signals;
	int number;
	struct hash32 root;
	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	chain_executed(dev->chain, &dev->index, &root);
	chain_on_blocks(dev->chain, notify, dev);
	const struct rpc_config config = {
	    .chain = dev->chain,
	    .port = options->port,
	    .workers = 4,
	    .origins = options->origins,
	    .context = dev,
	    .send = send,
	    .settle = settle,
	    .keys = dev_keys,
	    .key_count = sizeof dev_keys / sizeof dev_keys[0],
	};
	if (pthread_create(&dev->thread, NULL, run_executor, dev) != 0) {
		fprintf(stderr, "holon-ledger: cannot start a thread\n");
		return false;
	}
	struct rpc *rpc = rpc_start(&config);
	pthread_mutex_lock(&dev->lock);
	dev->rpc = rpc;
	pthread_mutex_unlock(&dev->lock);
	if (rpc) {
		printf("JSON-RPC on http://127.0.0.1:%u and ws://127.0.0.1:%u, chain id %llu\n",
		       options->port, options->port, (unsigned long long)options->config.chain_id);
		fflush(stdout);
		sigwait(&signals, &number);
	}
	if (rpc)
		rpc_stop(rpc);
	pthread_mutex_lock(&dev->lock);
	dev->rpc = NULL;
	dev->stopping = true;
	pthread_cond_signal(&dev->wake);
	pthread_mutex_unlock(&dev->lock);
	pthread_join(dev->thread, NULL);
	return rpc != NULL;
}

int dev_run(int count, char **arguments)
{
	struct options options = {.port = 8545,
	                          .config = {.chain_id = CHAIN_DEFAULT_ID,
	                                     .gas_limit = CHAIN_DEFAULT_GAS_LIMIT,
	                                     .past_window = CHAIN_DEFAULT_PAST,
	                                     .workers = 1}};
	char temporary[] = "/tmp/holon-ledger-dev-XXXXXX";
	if (!parse(&options, count, arguments))
		return usage();
	options.config.durable = options.directory != NULL;
	const char *directory = options.directory ? options.directory : mkdtemp(temporary);
	if (!directory ||
	    (options.directory && mkdir(directory, 0700) != 0 && access(directory, W_OK) != 0)) {
		fprintf(stderr, "holon-ledger: cannot make the directory %s: %m\n",
		        directory ? directory : temporary);
		return 1;
	}
	struct dev dev = {.lock = PTHREAD_MUTEX_INITIALIZER,
	                  .wake = PTHREAD_COND_INITIALIZER,
	                  .executed = PTHREAD_COND_INITIALIZER};
	dev.last = &dev.first;
	dev.chain = chain_open(directory, &options.config);
	bool good = dev.chain && serve(&dev, &options);
	if (dev.chain)
		chain_close(dev.chain);
	if (!options.directory)
		nftw(directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
	return good ? 0 : 1;
}
