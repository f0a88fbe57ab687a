/* Ten thousand idle connections over the loopback, watched by one epoll: inet_many_test [CONNECTIONS]
 *
 * Prints what they cost together, both ends, by /proc/meminfo, which in a sub-kernel is what it is charged; at most
 * 40 MiB. Then some of them carry a byte, and epoll tells just these.
 */
#define _GNU_SOURCE
#include "check.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#define MOST (40l << 10) /* KiB */

static long available(void)
{
	long value = 0;
	char line[128];
	FILE *file = fopen("/proc/meminfo", "r");
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "MemAvailable: %ld", &value) == 1)
			break;
	if (file)
		fclose(file);
	return value;
}

int main(int count, char **arguments)
{
	int wanted = count > 1 ? atoi(arguments[1]) : 10000, made = 0, woken = 0, wrong = 0;
	struct rlimit files = {2 * (rlim_t)wanted + 100, 2 * (rlim_t)wanted + 100};
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t bytes = sizeof(address);
	int *ends = calloc((size_t)wanted * 2, sizeof(int));
	struct epoll_event event = {.events = EPOLLIN}, *out = calloc((size_t)wanted, sizeof(*out));
	setrlimit(RLIMIT_NOFILE, &files);
	memset(ends, 0, (size_t)wanted * 2 * sizeof(int));
	memset(out, 0, (size_t)wanted * sizeof(*out));
	int server = socket(AF_INET, SOCK_STREAM, 0), epoll = epoll_create1(0);
	bind(server, (void *)&address, sizeof(address));
	listen(server, 512);
	getsockname(server, (void *)&address, &bytes);
	long before = available();
	for (; made < wanted; made++) {
		ends[2 * made] = socket(AF_INET, SOCK_STREAM, 0);
		if (ends[2 * made] < 0 || connect(ends[2 * made], (void *)&address, sizeof(address)))
			break;
		ends[2 * made + 1] = accept(server, 0, 0);
		event.data.fd = made;
		if (ends[2 * made + 1] < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, ends[2 * made + 1], &event))
			break;
	}
	long used = before - available();
	printf("# %d connections: %ld KiB, %ld bytes each\n", made, used, made ? used * 1024 / made : 0);
	check("connections", made == wanted);
	if (!getenv("ON_LINUX"))
		check("memory", used <= MOST);
	for (int i = 0; i < made; i += 7)
		woken += send(ends[2 * i], "w", 1, 0) == 1;
	int ready = 0;
	for (int tries = 0; tries < 100 && ready != woken; tries++)
		ready = epoll_wait(epoll, out, wanted, 100);
	for (int i = 0; i < ready; i++)
		wrong += out[i].data.fd % 7 != 0;
	check("just-those", ready == woken && !wrong && woken == (made + 6) / 7);
	for (int i = 0; i < 2 * made; i++)
		close(ends[i]);
	close(server);
	return check_failures != 0;
}
