/* What the rows of linux/flags are written with. An attempt runs in a process of its own, in an empty directory of a
 * tmpfs, and says what it saw: on two systems that behave alike it says the same, so it says no numbers of processes,
 * addresses or times.
 */
#pragma once

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/perf_event.h>
#include <linux/prctl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#ifndef SA_RESTORER
#define SA_RESTORER 0x04000000
#endif

struct attempt {
	const char *name; /* of the family and of the flag */
	void (*run)(long flag);
	long flag;
};
extern const struct attempt attempts[];
extern const unsigned attempt_count;

/* Says a call's result: its number, or the name of its error. */
void say(long result);
/* Says whether a call succeeded: ok, or the name of its error. */
void took(long result);
/* Says a word. */
void tell(const char *word);

/* A new file of that text, open for reading and writing at its beginning. */
int file(const char *name, const char *text);
/* The size of a file, -1 if it is not there. */
long size_of(const char *name);
/* A descriptor's text from an offset on, at most 200 bytes. */
void tell_text(int fd, off_t offset);
/* A connected pair of TCP sockets of 127.0.0.1 (family AF_INET) or ::1 (AF_INET6). */
void tcp_pair(int family, int pair[2]);
/* A pty: its master, and its other end. The process is the leader of a session that it controls. */
void pty_pair(int pair[2]);
/* Says how a child of the attempt ended. */
void tell_child(pid_t child);
/* Whether reading or writing the byte at an address faults: says "read", "write" or "none" for what is possible. */
void tell_access(char *page);
