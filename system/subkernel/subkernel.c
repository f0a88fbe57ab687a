/* The subkernel command: makes child sub-kernels of the one it runs in, lists and controls them.
 *
 * `run` is the child's terminal: it carries bytes between its own standard streams and the child until the
 * child ends, and exits with its status.
 */
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <holon/vault.h>
#include "libholon.h"

static const char usage[] =
    "usage: subkernel run [OPTION]... [-- COMMAND [ARGUMENT]...]\n"
    "       subkernel ls\n"
    "       subkernel kill NUMBER | freeze NUMBER | thaw NUMBER\n"
    "\n"
    "run starts COMMAND (a shell) in a new sub-kernel below this one and waits for it:\n"
    "  -n, --name NAME      its name in ls\n"
    "  -m, --memory SIZE    its memory quota, with K, M or G (half of what is left)\n"
    "  -c, --caps COUNT     its capability quota (three quarters of what is left)\n"
    "  -p, --priority N     its priority, at most this one's\n"
    "  -u, --cpus MASK      the CPUs it may use, as a number\n"
    "      --net MODE       its network: none (without this option), nat, bridge, or "
    "only:HOST:PORT[,HOST:PORT]...\n"
    "                       with [tcp:|udp:] before a HOST: what may leave, resolved by the switch\n"
    "      --no-nesting     it may have no children of its own\n"
    "      --no-wx          its programs may map no memory both writable and executable\n"
    "      --vault NAME[:PATH]  its root is the image with that directory of an open vault over it: what it\n"
    "                       changes is kept there (see vault)\n"
    "      --vault-read-only NAME[:PATH]  the same, and it may change nothing there\n"
    "      --detach         print its number and leave it running for this shell's lifetime\n"
    "ls shows this sub-kernel and all below it; the others act on one of those below.\n";

static volatile sig_atomic_t resized;

static void on_resize(int signal)
{
	(void)signal;
	resized = 1;
}

static int fail(const char *what)
{
	const char *why = errno == ENOSYS   ? "this is not Holon"
	                  : errno == EPERM  ? "this sub-kernel may not do that"
	                  : errno == ENOMEM ? "a quota does not suffice"
	                  : errno == ESRCH  ? "no sub-kernel of this number below this one"
	                  : errno == EAGAIN ? "it is in that state already, or has ended"
	                                    : strerror(errno);
	fprintf(stderr, "subkernel: %s: %s\n", what, why);
	return 1;
}

/* A number with K, M or G; exits with a message where TEXT is none. */
static uint64_t number(const char *text, const char *what)
{
	char *end;
	errno = 0;
	uint64_t value = strtoull(text, &end, 0);
	unsigned shift = *end == 'K' ? 10 : *end == 'M' ? 20 : *end == 'G' ? 30 : 0;
	if (errno || end == text || end[shift != 0] || text[0] == '-' || value > UINT64_MAX >> shift) {
		fprintf(stderr, "subkernel: %s: '%s' is not a number\n", what, text);
		exit(2);
	}
	return value << shift;
}

static void send_size(int terminal)
{
	struct winsize size;
	if (ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0)
		ioctl(terminal, TIOCSWINSZ, &size);
}

static int write_all(int fd, const char *bytes, ssize_t count)
{
	while (count > 0) {
		ssize_t done = write(fd, bytes, (size_t)count);
		if (done < 0 && errno != EINTR)
			return -1;
		if (done > 0) {
			bytes += done;
			count -= done;
		}
	}
	return 0;
}

/* Carries bytes until the child has ended and all its output is here. */
static int relay(int terminal)
{
	char buffer[4096];
	struct pollfd polls[2] = {{.fd = terminal, .events = POLLIN}, {.fd = STDIN_FILENO, .events = POLLIN}};
	for (;;) {
		if (resized) {
			resized = 0;
			send_size(terminal);
		}
		if (poll(polls, 2, -1) < 0) {
			if (errno == EINTR)
				continue;
			return fail("poll");
		}
		if (polls[0].revents) {
			ssize_t got = read(terminal, buffer, sizeof(buffer));
			if (got < 0 && errno == EINTR)
				continue;
			if (got <= 0)
				return 0;
			if (write_all(STDOUT_FILENO, buffer, got))
				return 0;
		}
		if (polls[1].revents) {
			ssize_t got = read(STDIN_FILENO, buffer, sizeof(buffer));
			if (got < 0 && errno == EINTR)
				continue;
			if (got <= 0) {
				holon_subkernel_end_input(terminal);
				polls[1].fd = -1;
			} else if (write_all(terminal, buffer, got)) {
				polls[1].fd = -1;
			}
		}
	}
}

static int exit_code(int status)
{
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* One HOST:PORT of --net only:, ended by END. */
static int parse_allowed(const char *text, const char *end, struct switch_allowed *allowed)
{
	memset(allowed, 0, sizeof(*allowed));
	if (strncmp(text, "tcp:", 4) == 0 || strncmp(text, "udp:", 4) == 0) {
		allowed->protocol = text[0] == 't' ? 6 : 17;
		text += 4;
	}
	const char *colon = memchr(text, ':', (size_t)(end - text));
	if (!colon || colon == text || (size_t)(colon - text) >= sizeof(allowed->host))
		return -1;
	char *rest;
	unsigned long port = strtoul(colon + 1, &rest, 10);
	if (rest == colon + 1 || rest != end || !port || port > 65535)
		return -1;
	memcpy(allowed->host, text, (size_t)(colon - text));
	allowed->port = (uint16_t)port;
	return 0;
}

/* The argument of --net. */
static int parse_net(const char *text, struct switch_policy *policy)
{
	static const char *const modes[] = {"none", "nat", "bridge"};
	memset(policy, 0, sizeof(*policy));
	for (uint32_t mode = SWITCH_NONE; mode <= SWITCH_BRIDGE; mode++) {
		policy->mode = mode;
		if (strcmp(text, modes[mode]) == 0)
			return 0;
	}
	policy->mode = SWITCH_ONLY;
	if (strncmp(text, "only:", 5) != 0)
		return -1;
	for (text += 5;; text++) {
		const char *end = text + strcspn(text, ",");
		if (policy->allowed_count == SWITCH_ALLOWED_MAX ||
		    parse_allowed(text, end, &policy->allowed[policy->allowed_count++]))
			return -1;
		text = end;
		if (!*text)
			return 0;
	}
}

/* The child's root lies on what TEXT, NAME[:PATH], names. */
static int offer_root(struct blueprint *blueprint, const char *text, int read_only)
{
	struct holon_vault request = {.flags = read_only ? VAULT_READ_ONLY : VAULT_MAKE};
	size_t name = strcspn(text, ":");
	const char *path = text[name] ? text + name + 1 : "";
	if (name >= sizeof(request.name) || strlen(path) >= sizeof(request.path)) {
		fprintf(stderr, "subkernel: '%s' is too long for NAME[:PATH]\n", text);
		return 1;
	}
	memcpy(request.name, text, name);
	memcpy(request.path, path, strlen(path));
	if (holon_vault(HOLON_VAULT_OFFER, &request) < 0) {
		if (errno != ENOENT)
			return fail(text);
		fprintf(stderr, "subkernel: %s: no such vault is open, or no such directory in it\n", text);
		return 1;
	}
	blueprint->root_volume = request.index;
	return 0;
}

static int run(int count, char **arguments)
{
	enum { NO_NESTING = 256, NO_WX, DETACH, NET, VAULT, VAULT_READ_ONLY_ROOT };
	static const struct option options[] = {
	    {"name", required_argument, 0, 'n'},
	    {"memory", required_argument, 0, 'm'},
	    {"caps", required_argument, 0, 'c'},
	    {"priority", required_argument, 0, 'p'},
	    {"cpus", required_argument, 0, 'u'},
	    {"no-nesting", no_argument, 0, NO_NESTING},
	    {"no-wx", no_argument, 0, NO_WX},
	    {"detach", no_argument, 0, DETACH},
	    {"net", required_argument, 0, NET},
	    {"vault", required_argument, 0, VAULT},
	    {"vault-read-only", required_argument, 0, VAULT_READ_ONLY_ROOT},
	    {0}};
	struct blueprint blueprint = {.version = BLUEPRINT_VERSION,
	                              .flags = BLUEPRINT_NESTING | BLUEPRINT_WX,
	                              .name = "child",
	                              .profile = "linux"};
	int detach = 0;
	int option;
	while ((option = getopt_long(count, arguments, "+n:m:c:p:u:", options, 0)) >= 0) {
		switch (option) {
		case 'n':
			if (strlen(optarg) >= sizeof(blueprint.name)) {
				fprintf(stderr, "subkernel: the name is longer than %zu characters\n",
				        sizeof(blueprint.name) - 1);
				return 2;
			}
			memset(blueprint.name, 0, sizeof(blueprint.name));
			memcpy(blueprint.name, optarg, strlen(optarg));
			break;
		case 'm':
			blueprint.memory_bytes = number(optarg, "memory");
			break;
		case 'c':
			blueprint.caps = number(optarg, "caps");
			break;
		case 'p':
			blueprint.priority = (uint32_t)number(optarg, "priority");
			break;
		case 'u':
			blueprint.cpu_mask = (uint32_t)number(optarg, "cpus");
			break;
		case NO_NESTING:
			blueprint.flags &= ~(uint32_t)BLUEPRINT_NESTING;
			break;
		case NO_WX:
			blueprint.flags &= ~(uint32_t)BLUEPRINT_WX;
			break;
		case NET:
			if (parse_net(optarg, &blueprint.net)) {
				fprintf(
				    stderr,
				    "subkernel: --net wants none, nat, bridge or only:HOST:PORT, not %s\n",
				    optarg);
				return 2;
			}
			break;
		case DETACH:
			detach = 1;
			break;
		case VAULT:
		case VAULT_READ_ONLY_ROOT:
			if (offer_root(&blueprint, optarg, option == VAULT_READ_ONLY_ROOT))
				return 1;
			break;
		default:
			fputs(usage, stderr);
			return 2;
		}
	}
	char **command = optind < count ? arguments + optind : 0;
	int is_terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && !detach;
	uint64_t child;
	int terminal = holon_subkernel_create(
	    &blueprint, command, command ? environ : 0,
	    (is_terminal ? HOLON_SUBKERNEL_TERMINAL : 0) | (detach ? 0 : HOLON_SUBKERNEL_CLOEXEC), &child);
	if (terminal < 0)
		return fail("run");
	if (detach) {
		/* The terminal's descriptor holds the child: a process of its own keeps it, and drains what
		 * is written. */
		printf("%llu\n", (unsigned long long)child);
		fflush(stdout);
		pid_t pid = fork();
		if (pid)
			return pid < 0 ? fail("fork") : 0;
		char buffer[4096];
		setsid();
		close(STDIN_FILENO);
		close(STDOUT_FILENO);
		close(STDERR_FILENO);
		holon_subkernel_end_input(terminal);
		while (read(terminal, buffer, sizeof(buffer)) > 0)
			;
		_exit(0);
	}
	struct termios saved;
	if (is_terminal) {
		struct sigaction action = {.sa_handler = on_resize};
		struct termios raw;
		tcgetattr(STDIN_FILENO, &saved);
		raw = saved;
		cfmakeraw(&raw);
		tcsetattr(STDIN_FILENO, TCSANOW, &raw);
		sigaction(SIGWINCH, &action, 0);
		send_size(terminal);
	}
	int result = relay(terminal);
	if (is_terminal)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &saved);
	if (result)
		return result;
	int status = holon_subkernel_wait(terminal);
	return status < 0 ? fail("wait") : exit_code(status);
}

static void print_size(uint64_t bytes)
{
	if (bytes >= 10ull << 20)
		printf("%7.1fM", (double)bytes / (1 << 20));
	else
		printf("%7.0fK", (double)bytes / 1024);
}

static int list(void)
{
	static const char *const states[] = {"running", "frozen", "ended"};
	static const char *const nets[] = {"none", "nat", "bridge", "only"};
	struct subkernel_info info;
	unsigned index = 0;
	uint32_t base = 0;
	printf("%6s  %-24s %-8s %8s %8s %13s %9s  %-6s %8s %8s  %s\n", "NUMBER", "NAME", "STATE", "USED",
	       "QUOTA", "CAPS", "CPU", "NET", "SENT", "RECEIVED", "MAY");
	while (holon_subkernel_list(index, &info) == 0) {
		if (!index++)
			base = info.depth;
		char name[80];
		snprintf(name, sizeof(name), "%*s%.31s", (int)(info.depth - base) * 2, "", info.name);
		printf("%6llu  %-24s %-8s ", (unsigned long long)info.number, name,
		       info.state <= SUBKERNEL_ENDED ? states[info.state] : "?");
		print_size(info.memory_used - info.memory_children);
		putchar(' ');
		print_size(info.memory_quota);
		printf(" %6llu/%-6llu %8.2fs  %-6s ", (unsigned long long)info.caps_used,
		       (unsigned long long)info.caps_quota, (double)info.cpu_time / 1e9,
		       info.net_mode <= SWITCH_ONLY ? nets[info.net_mode] : "?");
		print_size(info.net_sent_bytes);
		putchar(' ');
		print_size(info.net_arrived_bytes);
		printf("  %s%s\n", info.flags & BLUEPRINT_NESTING ? "nest " : "",
		       info.flags & BLUEPRINT_WX ? "wx" : "");
	}
	return index ? 0 : fail("ls");
}

int main(int count, char **arguments)
{
	const char *what = count > 1 ? arguments[1] : "";
	if (strcmp(what, "run") == 0)
		return run(count - 1, arguments + 1);
	if (strcmp(what, "ls") == 0 && count == 2)
		return list();
	if (strcmp(what, "--help") == 0) {
		fputs(usage, stdout);
		return 0;
	}
	if (count == 3) {
		uint64_t child = number(arguments[2], what);
		int result = -2;
		if (strcmp(what, "kill") == 0)
			result = holon_subkernel_kill(child);
		else if (strcmp(what, "freeze") == 0)
			result = holon_subkernel_freeze(child, 1);
		else if (strcmp(what, "thaw") == 0)
			result = holon_subkernel_freeze(child, 0);
		if (result != -2)
			return result < 0 ? fail(what) : 0;
	}
	fputs(usage, stderr);
	return 2;
}
