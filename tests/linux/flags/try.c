/* Runs the attempts of linux/flags, each in a process and a directory of its own, and prints a line for each:
 *   FAMILY NAME = what it said
 * With words, only those whose names have one of the words in them.
 * One that does not end within ten seconds is killed, with its process group; so is what it leaves behind.
 */
#include "try.h"
#include <net/if.h>
#include <setjmp.h>

enum { TEXT_MAX = 2048, LIMIT_MS = 10000 };

static struct {
	unsigned length;
	char text[TEXT_MAX];
} * said;

static void add(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	unsigned left = TEXT_MAX - said->length;
	int length = vsnprintf(said->text + said->length, left, format, arguments);
	va_end(arguments);
	if (length > 0)
		said->length += (unsigned)length < left ? (unsigned)length : left - 1;
}

void tell(const char *word)
{
	int error = errno;
	add("%s ", word);
	errno = error;
}

void say(long result)
{
	if (result == -1)
		tell(errno ? strerrorname_np(errno) : "-1");
	else
		add("%ld ", result);
	errno = 0;
}

void took(long result)
{
	if (result == -1)
		say(result);
	else
		tell("ok");
	errno = 0;
}

int file(const char *name, const char *text)
{
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0644);
	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text) || lseek(fd, 0, SEEK_SET))
		tell("nofile");
	return fd;
}

long size_of(const char *name)
{
	struct stat status;
	return lstat(name, &status) ? -1 : status.st_size;
}

void tell_text(int fd, off_t offset)
{
	char text[201];
	ssize_t length = pread(fd, text, sizeof(text) - 1, offset);
	if (length < 0) {
		say(-1);
		return;
	}
	for (ssize_t i = 0; i < length; i++)
		text[i] = text[i] > ' ' && text[i] < 127 ? text[i] : '.';
	text[length] = 0;
	add("'%s' ", text);
}

void tcp_pair(int family, int pair[2])
{
	union {
		struct sockaddr any;
		struct sockaddr_in four;
		struct sockaddr_in6 six;
	} address = {0};
	socklen_t size = family == AF_INET ? sizeof(address.four) : sizeof(address.six);
	address.any.sa_family = (sa_family_t)family;
	if (family == AF_INET)
		address.four.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	else
		address.six.sin6_addr = in6addr_loopback;
	int listener = socket(family, SOCK_STREAM, 0);
	pair[0] = socket(family, SOCK_STREAM, 0);
	if (bind(listener, &address.any, size) || listen(listener, 1) ||
	    getsockname(listener, &address.any, &size) || connect(pair[0], &address.any, size)) {
		say(-1);
		_exit(0);
	}
	pair[1] = accept(listener, 0, 0);
	close(listener);
	errno = 0;
}

void pty_pair(int pair[2])
{
	setsid();
	pair[0] = posix_openpt(O_RDWR | O_NOCTTY);
	if (pair[0] < 0 || grantpt(pair[0]) || unlockpt(pair[0]))
		tell("nopty");
	char name[64];
	ptsname_r(pair[0], name, sizeof(name));
	pair[1] = open(name, O_RDWR);
	errno = 0;
}

void tell_child(pid_t child)
{
	int status = 0;
	if (waitpid(child, &status, __WALL) != child)
		say(-1);
	else if (WIFSIGNALED(status))
		add("signal%d ", WTERMSIG(status));
	else
		add("exit%d ", WEXITSTATUS(status));
}

static sigjmp_buf fault_return;

static void on_fault(int number)
{
	siglongjmp(fault_return, number);
}

void tell_access(char *page)
{
	struct sigaction action = {.sa_handler = on_fault}, segv, bus;
	sigaction(SIGSEGV, &action, &segv);
	sigaction(SIGBUS, &action, &bus);
	volatile int state = 0;
	int number = sigsetjmp(fault_return, 1);
	if (!number) {
		(void)*(volatile char *)page;
		state = 1;
		*(volatile char *)page = 'w';
		state = 2;
	}
	add("%s%s ", state == 2 ? "write" : state == 1 ? "read" : "none", number == SIGBUS ? "/bus" : "");
	sigaction(SIGSEGV, &segv, 0);
	sigaction(SIGBUS, &bus, 0);
}

/* Waits for the child for a limited time. */
static void attempt_wait(pid_t child)
{
	struct pollfd ready = {.fd = (int)syscall(SYS_pidfd_open, child, 0), .events = POLLIN};
	int ended = poll(&ready, 1, LIMIT_MS);
	close(ready.fd);
	kill(-child, SIGKILL);
	kill(child, SIGKILL);
	int status;
	waitpid(child, &status, 0);
	if (ended <= 0)
		tell("hangs");
	else if (WIFSIGNALED(status))
		add("signal%d ", WTERMSIG(status));
	while (waitpid(-1, &status, WNOHANG | __WALL) > 0)
		;
}

static void attempt_run(const struct attempt *attempt, unsigned number)
{
	char name[32];
	snprintf(name, sizeof(name), "%u", number);
	mkdir(name, 0755);
	said->length = 0;
	said->text[0] = 0;
	fflush(stdout);
	pid_t child = fork();
	if (!child) {
		setpgid(0, 0);
		if (chdir(name))
			_exit(1);
		errno = 0;
		attempt->run(attempt->flag);
		_exit(0);
	}
	setpgid(child, child);
	attempt_wait(child);
	printf("%s = %s\n", attempt->name, said->text);
}

/* Linux begins with a loopback that is down. */
static void loopback_up(void)
{
	struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (ioctl(fd, SIOCSIFFLAGS, &request))
		perror("lo");
	close(fd);
}

int main(int count, char **arguments)
{
	said = mmap(0, sizeof(*said), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	if (said == MAP_FAILED || (mkdir("/tmp/flags", 0755) && errno != EEXIST) ||
	    mount("flags", "/tmp/flags", "tmpfs", 0, "size=64m") || chdir("/tmp/flags")) {
		perror("/tmp/flags");
		return 1;
	}
	umask(022);
	loopback_up();
	for (unsigned i = 0; i < attempt_count; i++) {
		int wanted = count < 2;
		for (int word = 1; word < count; word++)
			wanted |= strstr(attempts[i].name, arguments[word]) != 0;
		if (wanted)
			attempt_run(&attempts[i], i);
	}
	return 0;
}
