/*
 * holon-vdisk open --nbd: the volume as a network block device on a unix socket. A thread serves a connection
 * (nbd_connection.c).
 */
#define _GNU_SOURCE
#include "tool.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define CONNECTION_MAX 16

static int connections;
static int listener = -1;

static void *serve(void *argument)
{
	int fd = (int)(intptr_t)argument;
	nbd_connection(fd);
	close(fd);
	__atomic_sub_fetch(&connections, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static void *wait_for_end(void *argument)
{
	int number;
	sigwait(argument, &number);
	shutdown(listener, SHUT_RDWR);
	return NULL;
}

void serve_nbd(struct container *container, const struct options *options)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	static sigset_t ends;
	pthread_t waiter;
	nbd_begin(container->disk);
	if (strlen(options->nbd) >= sizeof(address.sun_path))
		fail(EXIT_WRONG, "%s: too long for the name of a socket", options->nbd);
	memcpy(address.sun_path, options->nbd, strlen(options->nbd));
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct stat status;
	if (lstat(options->nbd, &status) == 0 && S_ISSOCK(status.st_mode))
		unlink(options->nbd);
	mode_t mask = umask(0177); /* only the owner connects */
	if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(listener, CONNECTION_MAX) < 0)
		fail(EXIT_WRONG, "%s: %s", options->nbd, strerror(errno));
	umask(mask);
	if (options->fork && daemon(1, 0) < 0)
		fail(EXIT_DAMAGED, "going to the background: %s", strerror(errno));
	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &ends, NULL);
	if (pthread_create(&waiter, NULL, wait_for_end, &ends))
		fail(EXIT_DAMAGED, "no thread can be made");
	for (;;) {
		pthread_t thread;
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
			continue;
		if (fd < 0)
			break;
		if (__atomic_add_fetch(&connections, 1, __ATOMIC_SEQ_CST) > CONNECTION_MAX ||
		    pthread_create(&thread, NULL, serve, (void *)(intptr_t)fd)) {
			__atomic_sub_fetch(&connections, 1, __ATOMIC_SEQ_CST);
			close(fd);
			continue;
		}
		pthread_detach(thread);
	}
	unlink(options->nbd);
	nbd_end(); /* the container is closed now */
}
