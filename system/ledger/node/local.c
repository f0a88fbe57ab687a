/* Several nodes on one machine. */
#include "ledger/node/local.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* Where ports are looked for: below those that the kernel gives to connections, of which one, also another validator's try to reach a
 * dead one, could else take a validator's port before it binds it; and below those that tools/runner/ports.py gives to tests, as for
 * JSON-RPC of these same validators. */
#define PORT_FIRST 10000
#define PORT_COUNT 10000

static bool is_free(unsigned port)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
	                              .sin_port = htons((uint16_t)port),
	                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool good = fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0;

	if (fd >= 0)
		close(fd);
	return good;
}

/* Free ports that differ, from a random place on: two networks that are made at once rarely try the same. */
static bool free_ports(uint16_t *ports, unsigned count)
{
	unsigned place = 0, made = 0;

	if (getrandom(&place, sizeof(place), 0) != sizeof(place))
		return false;
	for (unsigned tried = 0; tried < PORT_COUNT && made < count; tried++) {
		unsigned port = PORT_FIRST + (place % PORT_COUNT + tried) % PORT_COUNT;
		if (is_free(port))
			ports[made++] = (uint16_t)port;
	}
	return made == count;
}

bool local_create(const char *directory, unsigned validators, unsigned standby, enum dag_mode mode)
{
	struct network *network = ledger_allocate(1, sizeof(*network));
	uint16_t ports[DAG_MAX_VALIDATORS];
	char name[320];
	unsigned count = validators + standby;
	bool good = count <= DAG_MAX_VALIDATORS && free_ports(ports, count);
	network->mode = mode;
	if (mkdir(directory, 0700) && errno != EEXIST) {
		fprintf(stderr, "holon-ledger: cannot create %s: %s\n", directory, strerror(errno));
		good = false;
	}
	for (unsigned i = 0; i < count && good; i++) {
		network->members |= i < validators ? set_of(i) : 0;
		network->peers[i].known = true;
		network->peers[i].port = ports[i];
		snprintf(network->peers[i].address, sizeof(network->peers[i].address), "127.0.0.1");
		snprintf(name, sizeof(name), "%s/node-%u", directory, i);
		good = secrets_create(name, network, i);
	}
	for (unsigned i = 0; i < count && good; i++) {
		snprintf(name, sizeof(name), "%s/node-%u", directory, i);
		good = network_write(name, network);
	}
	free(network);
	return good;
}

bool local_create_alone(const char *directory, enum dag_mode mode)
{
	struct stat status;
	char name[320];
	uint16_t port;
	snprintf(name, sizeof(name), "%s/network", directory);
	if (!stat(name, &status))
		return true;
	struct network *network = ledger_allocate(1, sizeof(*network));
	network->mode = mode;
	network->members = set_of(0);
	network->peers[0].known = true;
	snprintf(network->peers[0].address, sizeof(network->peers[0].address), "127.0.0.1");
	bool good = free_ports(&port, 1);
	if (good) {
		network->peers[0].port = port;
		good = secrets_create(directory, network, 0) && network_write(directory, network);
	}
	free(network);
	return good;
}

/* A program of its own, as `holon-ledger run`: nothing of the parent's memory goes along. */
pid_t local_start(const char *directory, unsigned number, const struct node_options *options)
{
	char name[320], port[16], numbers[96];
	char *arguments[16 +
	                2 * sizeof(options->application_options) / sizeof(options->application_options[0])];
	unsigned count = 0;
	pid_t pid;
	snprintf(name, sizeof(name), "%s/node-%u", directory, number);
	snprintf(port, sizeof(port), "%u", options->rpc_port);
	snprintf(numbers, sizeof(numbers), "%d,%u,%u,%u,%u,%u", (int)getpid(), options->batch_bytes,
	         options->batch_us, options->round_us, options->idle_us, options->classical);
	const char *const words[] = {"holon-ledger",  "run",
	                             "--dir",         name,
	                             "--rpc-port",    port,
	                             "--child",       numbers,
	                             "--application", options->application};
	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		arguments[count++] = (char *)(uintptr_t)words[i];
	for (size_t i = 0; i < options->application_option_count; i++) {
		arguments[count++] = (char *)(uintptr_t) "--application-option";
		arguments[count++] = (char *)(uintptr_t)options->application_options[i];
	}
	arguments[count] = NULL;
	fflush(NULL);
	int error = posix_spawn(&pid, "/proc/self/exe", NULL, NULL, arguments, environ);
	if (!error)
		return pid;
	fprintf(stderr, "holon-ledger: cannot start a node: %s\n", strerror(error));
	return -1;
}

bool local_status(const char *node_directory, char *out, size_t size)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct timeval patience = {.tv_sec = 5};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	size_t got = 0;
	snprintf(address.sun_path, sizeof(address.sun_path), "%.90s/control", node_directory);
	bool good = fd >= 0 && !setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) &&
	            !connect(fd, (struct sockaddr *)&address, sizeof(address));
	while (good && got + 1 < size) {
		ssize_t part = recv(fd, out + got, size - 1 - got, 0);
		if (part <= 0)
			break;
		got += (size_t)part;
	}
	if (fd >= 0)
		close(fd);
	out[got] = 0;
	return got > 0;
}

bool status_number(const char *status, const char *key, uint64_t *out)
{
	char pattern[64];
	snprintf(pattern, sizeof(pattern), "\"%s\":", key);
	const char *at = strstr(status, pattern);
	return at && sscanf(at + strlen(pattern), "%lu", out) == 1;
}

bool local_ready(const char *directory, unsigned validators, unsigned seconds)
{
	for (unsigned tries = 0; tries < seconds * 20; tries++) {
		unsigned ready = 0;
		for (unsigned i = 0; i < validators; i++) {
			char name[320], status[2048];
			uint64_t peers, committed;
			snprintf(name, sizeof(name), "%s/node-%u", directory, i);
			ready += local_status(name, status, sizeof(status)) &&
			         status_number(status, "peers", &peers) &&
			         status_number(status, "committed", &committed) && peers == validators - 1 &&
			         committed > 0;
		}
		if (ready == validators)
			return true;
		usleep(50000);
	}
	return false;
}

bool local_end(pid_t *pids, unsigned count)
{
	bool good = true;
	for (unsigned i = 0; i < count; i++)
		if (pids[i] > 0)
			kill(pids[i], SIGTERM);
	for (unsigned i = 0; i < count; i++) {
		int status = 0;
		pid_t pid = 0;
		while (pids[i] > 0 && (pid = waitpid(pids[i], &status, 0)) < 0 && errno == EINTR)
			;
		if (pid < 0) {
			fprintf(stderr, "holon-ledger: cannot wait for node %u, process %d: %s\n", i,
			        (int)pids[i], strerror(errno));
			good = false;
		} else if (pid > 0 && WIFSIGNALED(status)) {
			fprintf(stderr, "holon-ledger: node %u, process %d, was ended by signal %d\n", i,
			        (int)pid, WTERMSIG(status));
			good = false;
		} else if (pid > 0 && WEXITSTATUS(status)) {
			fprintf(stderr, "holon-ledger: node %u, process %d, ended with status %d\n", i,
			        (int)pid, WEXITSTATUS(status));
			good = false;
		}
		pids[i] = 0;
	}
	return good;
}
