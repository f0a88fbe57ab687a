/* Pseudo-terminals, line editing, job control, and what /proc says. */
#define _GNU_SOURCE
#include "check.h"
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>

static int master, slave;
static char buffer[8192];

static int open_terminal(void)
{
	master = open("/dev/ptmx", O_RDWR | O_NOCTTY);
	return master >= 0 && !grantpt(master) && !unlockpt(master) &&
	       (slave = open(ptsname(master), O_RDWR | O_NOCTTY)) >= 0;
}

/* What the master shows within a moment. */
static const char *shown(void)
{
	static char text[4096];
	size_t have = 0;
	struct pollfd poller = {master, POLLIN, 0};
	while (have < sizeof(text) - 1 && poll(&poller, 1, 60) == 1 && (poller.revents & POLLIN)) {
		ssize_t done = read(master, text + have, sizeof(text) - 1 - have);
		if (done <= 0)
			break;
		have += (size_t)done;
	}
	text[have] = 0;
	return text;
}

static int typed(const char *text, const char *line)
{
	struct pollfd poller = {slave, POLLIN, 0};
	write(master, text, strlen(text));
	if (poll(&poller, 1, 200) != 1)
		return !line;
	ssize_t done = read(slave, buffer, sizeof(buffer) - 1);
	buffer[done < 0 ? 0 : done] = 0;
	return line && !strcmp(buffer, line);
}

static void test_lines(void)
{
	struct termios settings, raw;
	check("open-pty", open_terminal() && isatty(slave) && !strncmp(ptsname(master), "/dev/pts/", 9));
	tcgetattr(slave, &settings);
	check("canonical", (settings.c_lflag & ICANON) && typed("hello\n", "hello\n"));
	check("echo", !strcmp(shown(), "hello\r\n"));
	check("no-line-yet", typed("part", 0) && typed("ial\n", "partial\n"));
	shown();
	check("erase", typed("wrong\177\177ng2\n", "wrong2\n"));
	check("erase-echo", !strcmp(shown(), "wrong\b \b\b \bng2\r\n"));
	check("kill-line", typed("gone\25kept\n", "kept\n"));
	check("erase-word", typed("one two\27three\n", "one three\n"));
	check("end-of-file", typed("\4", "") && typed("x\4", "x"));
	check("literal-next", typed("\26\3\n", "\3\n"));
	check("carriage-return", typed("cr\r", "cr\n"));
	shown();
	write(slave, "out\n", 4);
	check("output-crlf", !strcmp(shown(), "out\r\n"));
	raw = settings;
	cfmakeraw(&raw);
	raw.c_cc[VMIN] = 1;
	tcsetattr(slave, TCSANOW, &raw);
	check("raw", typed("a", "a") && typed("\3\4\r", "\3\4\r") && !*shown());
	raw.c_cc[VMIN] = 0;
	raw.c_cc[VTIME] = 1;
	tcsetattr(slave, TCSANOW, &raw);
	check("raw-timeout", read(slave, buffer, 10) == 0);
	raw.c_cc[VMIN] = 4;
	raw.c_cc[VTIME] = 0;
	tcsetattr(slave, TCSANOW, &raw);
	check("raw-minimum", typed("abc", 0) && typed("d", "abcd"));
	tcsetattr(slave, TCSAFLUSH, &settings);
	int count;
	write(master, "four\n", 5);
	poll(&(struct pollfd){slave, POLLIN, 0}, 1, 1000);
	check("fionread", ioctl(slave, FIONREAD, &count) == 0 && count == 5 &&
	                      tcflush(slave, TCIFLUSH) == 0 && ioctl(slave, FIONREAD, &count) == 0 &&
	                      count == 0);
	struct winsize size = {50, 132, 0, 0}, seen;
	check("window-size", ioctl(master, TIOCSWINSZ, &size) == 0 && ioctl(slave, TIOCGWINSZ, &seen) == 0 &&
	                         seen.ws_row == 50 && seen.ws_col == 132);
	int other = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY);
	check("peer", other >= 0 && isatty(other));
	close(other);
	close(slave);
	shown();
	check("slave-closed", read(master, buffer, 10) == -1 && errno == EIO);
	close(master);
	open_terminal();
	close(master);
	struct pollfd poller = {slave, POLLIN, 0};
	check("hang-up", read(slave, buffer, 10) == 0 && write(slave, "x", 1) == -1 && errno == EIO &&
	                     poll(&poller, 1, 0) == 1 && (poller.revents & POLLHUP));
	close(slave);
}

static volatile sig_atomic_t resized;
static void on_resize(int signal)
{
	(void)signal;
	resized = 1;
}

/* A session on the slave whose leader runs FUNCTION. */
static pid_t session(void (*function)(void))
{
	fflush(stdout);
	pid_t child = fork();
	if (child)
		return child;
	close(master);
	setsid();
	ioctl(slave, TIOCSCTTY, 0);
	function();
	_exit(0);
}

static void wait_for_signal(void)
{
	signal(SIGWINCH, on_resize);
	write(slave, "ready\n", 6);
	while (!resized)
		pause_ms(10);
	write(slave, "resized\n", 8);
	for (;;)
		pause();
}

static void run_job(void)
{
	signal(SIGTTOU, SIG_IGN);
	pid_t job = fork();
	if (!job) {
		setpgid(0, 0);
		signal(SIGTTOU, SIG_DFL);
		pause_ms(100);
		_exit(read(slave, buffer, 100) == 4 ? 5 : 6);
	}
	int status;
	setpgid(job, job);
	/* In the background it stops when it reads; in the foreground it goes on. */
	waitpid(job, &status, WUNTRACED);
	int stopped = WIFSTOPPED(status) && WSTOPSIG(status) == SIGTTIN;
	tcsetpgrp(slave, job);
	kill(-job, SIGCONT);
	write(slave, "go\n", 3);
	waitpid(job, &status, WUNTRACED);
	tcsetpgrp(slave, getpgrp());
	int suspended = WIFSTOPPED(status) && WSTOPSIG(status) == SIGTSTP;
	tcsetpgrp(slave, job);
	kill(-job, SIGCONT);
	write(slave, "on\n", 3);
	waitpid(job, &status, 0);
	tcsetpgrp(slave, getpgrp());
	int tty = open("/dev/tty", O_RDWR);
	dprintf(tty, "result %d%d%d\n", stopped, suspended, exited(status, 5));
}

static int contains(const char *word)
{
	static char all[8192];
	all[0] = 0;
	for (int i = 0; i < 50 && !strstr(all, word); i++)
		strncat(all, shown(), sizeof(all) - strlen(all) - 1);
	return strstr(all, word) != 0;
}

static void test_jobs(void)
{
	int status;
	open_terminal();
	pid_t child = session(wait_for_signal);
	check("controlling-terminal", contains("ready"));
	struct winsize size = {10, 20, 0, 0};
	ioctl(master, TIOCSWINSZ, &size);
	check("sigwinch", contains("resized"));
	pid_t group = 0;
	check("foreground-group", ioctl(master, TIOCGPGRP, &group) == 0 && group == child);
	write(master, "\3", 1);
	waitpid(child, &status, 0);
	check("control-c", killed(status, SIGINT));
	close(master);
	close(slave);
	open_terminal();
	child = session(wait_for_signal);
	contains("ready");
	write(master, "\34", 1);
	waitpid(child, &status, 0);
	check("control-backslash", killed(status, SIGQUIT));
	close(master);
	close(slave);
	open_terminal();
	child = session(wait_for_signal);
	contains("ready");
	close(master);
	waitpid(child, &status, 0);
	check("hang-up-signal", killed(status, SIGHUP));
	close(slave);
	open_terminal();
	child = session(run_job);
	contains("go");
	write(master, "\32", 1);
	contains("on\r");
	write(master, "yes\n", 4);
	check("background-and-control-z", contains("result 111"));
	waitpid(child, &status, 0);
	close(master);
	close(slave);
}

static const char *text_of(const char *path)
{
	int fd = open(path, O_RDONLY);
	ssize_t done = fd < 0 ? -1 : read(fd, buffer, sizeof(buffer) - 1);
	close(fd);
	buffer[done < 0 ? 0 : done] = 0;
	return buffer;
}

static void test_proc(void)
{
	char text[256], line[64];
	ssize_t length = readlink("/proc/self", text, sizeof(text) - 1);
	text[length < 0 ? 0 : length] = 0;
	check("proc-self", atoi(text) == getpid());
	snprintf(line, sizeof(line), "%d (", getpid());
	check("proc-stat", !strncmp(text_of("/proc/self/stat"), line, strlen(line)));
	snprintf(line, sizeof(line), "\nPPid:\t%d\n", getppid());
	check("proc-status", strstr(text_of("/proc/self/status"), line) && strstr(buffer, "\nUid:\t"));
	check("proc-maps", strstr(text_of("/proc/self/maps"), "r-xp") && strstr(buffer, "[stack]"));
	length = readlink("/proc/self/exe", text, sizeof(text) - 1);
	check("proc-exe", length > 8 && !memcmp(text + length - 8, "tty_test", 8));
	int fd = open("/dev/null", O_RDONLY);
	snprintf(line, sizeof(line), "/proc/self/fd/%d", fd);
	check("proc-fd", readlink(line, text, sizeof(text)) == 9 && !memcmp(text, "/dev/null", 9));
	close(fd);
	check("proc-fd-closed", readlink(line, text, sizeof(text)) == -1 && errno == ENOENT);
	DIR *directory = opendir("/proc");
	struct dirent *entry;
	int found = 0;
	while (directory && (entry = readdir(directory)))
		found += atoi(entry->d_name) == getpid();
	closedir(directory);
	check("proc-lists", found == 1);
	check("proc-meminfo",
	      strstr(text_of("/proc/meminfo"), "MemTotal:") && strstr(buffer, "MemAvailable:"));
	check("proc-cpuinfo", strstr(text_of("/proc/cpuinfo"), "processor\t: 0"));
	check("proc-mounts", strstr(text_of("/proc/mounts"), " / ") && strstr(buffer, "proc /proc proc"));
	check("proc-uptime", atof(text_of("/proc/uptime")) > 0);
	check("proc-sys", atoi(text_of("/proc/sys/kernel/pid_max")) > 1000);
	fd = open("/proc/self/comm", O_WRONLY);
	check("proc-comm", write(fd, "renamed", 7) == 7 && !strcmp(text_of("/proc/self/comm"), "renamed\n"));
	close(fd);
	check("proc-read-only", open("/proc/meminfo", O_WRONLY) == -1 || geteuid() == 0);
	check("proc-missing", open("/proc/self/nothing", O_RDONLY) == -1 && errno == ENOENT &&
	                          open("/proc/99999999", O_RDONLY) == -1 && errno == ENOENT);
	fd = open("/dev/zero", O_RDWR);
	memset(text, 1, 4);
	check("dev-zero", read(fd, text, 4) == 4 && !text[3] && write(fd, text, 4) == 4);
	close(fd);
	fd = open("/dev/full", O_RDWR);
	check("dev-full", write(fd, text, 4) == -1 && errno == ENOSPC);
	close(fd);
	check("online-cpus", sysconf(_SC_NPROCESSORS_ONLN) >= 1);
}

int main(void)
{
	test_lines();
	test_jobs();
	test_proc();
	return check_failures != 0;
}
