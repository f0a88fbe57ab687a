/* A session with a child's program: bytes go between the standard streams and the program's until it has ended. */
#include "command.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include "libholon.h"

static volatile sig_atomic_t resized;

static void on_resize(int signal)
{
	(void)signal;
	resized = 1;
}

static void send_size(int terminal)
{
	struct winsize size;
	if (ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0)
		ioctl(terminal, TIOCSWINSZ, &size);
}

int write_all(int file, const char *bytes, long count)
{
	while (count > 0) {
		ssize_t done = write(file, bytes, (size_t)count);
		if (done < 0 && errno != EINTR)
			return -1;
		if (done > 0) {
			bytes += done;
			count -= done;
		}
	}
	return 0;
}

/* Ctrl-Z in a child that has nobody to follow it: the child is frozen, and this command stops as any job does, until its
 * shell lets it go on. */
static void suspend(int terminal, uint64_t child, const struct termios *outer, const struct termios *raw)
{
	if (holon_subkernel_suspended(terminal) != 1 || !child || holon_subkernel_freeze(child, 1))
		return;
	tcsetattr(STDIN_FILENO, TCSADRAIN, outer);
	kill(0, SIGTSTP);
	tcsetattr(STDIN_FILENO, TCSADRAIN, raw);
	holon_subkernel_freeze(child, 0);
	send_size(terminal);
}

/* What the child has not taken yet; its output is read meanwhile, since it may wait for that first. */
struct input {
	char bytes[4096];
	size_t start, end;
	int ended; /* no more will come */
};

/* From standard input, or to the child, whichever can go on; -1: the child takes no more. */
static int move_input(struct input *input, int terminal, int readable, int writable)
{
	if (readable && input->start == input->end) {
		ssize_t got = read(STDIN_FILENO, input->bytes, sizeof(input->bytes));
		if (got < 0 && errno != EINTR)
			got = 0;
		input->ended = got == 0;
		input->start = 0;
		input->end = got > 0 ? (size_t)got : 0;
		writable = 1;
	}
	if (writable && input->start < input->end) {
		ssize_t put = write(terminal, input->bytes + input->start, input->end - input->start);
		if (put < 0 && errno != EINTR && errno != EAGAIN)
			return -1;
		input->start += put > 0 ? (size_t)put : 0;
	}
	if (input->ended && input->start == input->end)
		holon_subkernel_end_input(terminal);
	return 0;
}

/* Carries bytes until the child has ended and all its output is here. */
static int relay(int terminal, uint64_t child, const struct termios *outer, const struct termios *raw)
{
	static struct input input;
	char buffer[4096];
	fcntl(terminal, F_SETFL, O_RDWR | O_NONBLOCK);
	for (int takes = 1;;) {
		int holds = input.start < input.end;
		struct pollfd polls[2] = {
		    {.fd = terminal, .events = (short)(POLLIN | POLLPRI | (takes && holds ? POLLOUT : 0))},
		    {.fd = takes && !holds && !input.ended ? STDIN_FILENO : -1, .events = POLLIN}};
		if (resized) {
			resized = 0;
			send_size(terminal);
		}
		if (poll(polls, 2, -1) < 0) {
			if (errno == EINTR)
				continue;
			return fail("poll");
		}
		if (polls[0].revents & POLLPRI)
			suspend(terminal, child, outer, raw);
		if (polls[0].revents & ~(POLLPRI | POLLOUT)) {
			ssize_t got = read(terminal, buffer, sizeof(buffer));
			if (got < 0 && errno != EINTR && errno != EAGAIN)
				return 0;
			if (got == 0 || (got > 0 && write_all(STDOUT_FILENO, buffer, got)))
				return 0;
		}
		if (takes && (polls[1].revents || polls[0].revents & POLLOUT))
			takes = move_input(&input, terminal, polls[1].revents != 0,
			                   polls[0].revents & POLLOUT) == 0;
	}
}

int exit_code(int status)
{
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int session(int terminal, int is_terminal, uint64_t child)
{
	struct termios outer, raw;
	if (is_terminal) {
		struct sigaction action = {.sa_handler = on_resize};
		tcgetattr(STDIN_FILENO, &outer);
		raw = outer;
		cfmakeraw(&raw);
		tcsetattr(STDIN_FILENO, TCSANOW, &raw);
		sigaction(SIGWINCH, &action, 0);
		send_size(terminal);
	}
	int result = relay(terminal, is_terminal ? child : 0, &outer, &raw);
	if (is_terminal)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &outer);
	if (result)
		return result;
	int status = holon_subkernel_wait(terminal);
	return status < 0 ? fail("wait") : exit_code(status);
}
