/* Process 1 of the Linux that holon-run --linux boots for comparison: plays the system's side of
 * abi/holon/command.h.
 *
 * ttyS0 (COM1) is the command's terminal, or, without COMMAND_TERMINAL, carries the bytes of the pipes that
 * are the command's standard streams. ttyS1 (COM2) is the kernel's log and the control lines. When the
 * command ends, its status is reported and the machine powered off.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <net/route.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/ioctl.h>
#include <sys/klog.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include <holon/command.h>

enum { DEBUG_EXIT_PORT = 0xf4, CONSOLE_LOG_LEVEL = 8, EXIT_NOT_FOUND = 127, EXIT_NOT_EXECUTABLE = 126 };

static const char command_path[] = "/.holon-command";
static int serial, control;

_Noreturn static void power_off(void)
{
	sync();
	reboot(RB_POWER_OFF);
	if (!ioperm(DEBUG_EXIT_PORT, 4, 1))
		outl(0, DEBUG_EXIT_PORT);
	for (;;)
		pause();
}

static void tell(const char *format, ...)
{
	char text[200];
	va_list arguments;
	va_start(arguments, format);
	int length = vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (length > 0 && write(control, text, (size_t)length) < 0)
		_exit(1);
}

static void make_device_directory(const char *path, const char *type, const char *options)
{
	mkdir(path, 0755);
	if (mount(type, path, type, 0, options) && errno != EBUSY)
		tell("init: %s: %s\n", path, strerror(errno));
}

static int open_serial(const char *path)
{
	struct termios settings;
	int fd = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 || tcgetattr(fd, &settings))
		return fd;
	cfmakeraw(&settings);
	cfsetspeed(&settings, B115200);
	settings.c_cflag |= CLOCAL | CREAD;
	tcsetattr(fd, TCSANOW, &settings);
	return fd;
}

/* The command module as strings, or an interactive shell. Sets flags. */
static const char **read_command(uint32_t *flags, const char ***environment)
{
	static const char *shell[] = {"/bin/sh", NULL};
	static const char *defaults[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	                                 "HOME=/root", "TERM=linux", "USER=root", NULL};
	int fd = open(command_path, O_RDONLY | O_CLOEXEC);
	struct stat status;
	*flags = COMMAND_TERMINAL;
	*environment = defaults;
	if (fd < 0 || fstat(fd, &status))
		return shell;
	struct command_header *header = malloc((size_t)status.st_size);
	static const char *strings[COMMAND_ARGUMENT_MAX + COMMAND_ENVIRONMENT_MAX + 2];
	if (!header || read(fd, header, (size_t)status.st_size) != status.st_size) {
		tell("init: the command cannot be read\n");
		power_off();
	}
	close(fd);
	unlink(command_path);
	const char *why = command_parse(header, (uint64_t)status.st_size, strings);
	if (why) {
		tell("init: %s\n", why);
		return shell;
	}
	*flags = header->flags;
	memmove(strings + header->argc + 1, strings + header->argc, header->envc * sizeof(*strings));
	strings[header->argc] = NULL;
	*environment = strings + header->argc + 1;
	return strings;
}

static void set_size(const char *text)
{
	unsigned columns, rows;
	if (sscanf(text, "%ux%u", &columns, &rows) == 2) {
		struct winsize size = {.ws_col = (unsigned short)columns, .ws_row = (unsigned short)rows};
		ioctl(serial, TIOCSWINSZ, &size);
	}
}

#define OPTIONS_MAX 4096

/* The kernel's command line; empty, where it cannot be read. */
static void read_options(char options[OPTIONS_MAX])
{
	int file = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);
	ssize_t count = file < 0 ? 0 : read(file, options, OPTIONS_MAX - 1);
	options[count > 0 ? count : 0] = 0;
	close(file);
}

static void set_size_from_options(void)
{
	char options[OPTIONS_MAX];
	read_options(options);
	const char *option = strstr(options, " size=");
	if (option)
		set_size(option + 6);
}

_Noreturn static void become(const char **words, const char **environment)
{
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	for (const char **variable = environment; *variable; variable++)
		if (!strncmp(*variable, "PATH=", 5))
			setenv("PATH", *variable + 5, 1);
	execvpe(words[0], (char *const *)words, (char *const *)environment);
	int error = errno;
	dprintf(2, "holon-run: %s: %s\n", words[0], strerror(error));
	_exit(error == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE);
}

/* What the pump between ttyS0 and the command's pipes remembers. */
struct pump {
	int to_command, from_command;
	uint64_t received, input_end;
	char line[64]; /* of control input */
	size_t line_length;
};

static void control_input(struct pump *pump)
{
	char data[64];
	ssize_t count = read(control, data, sizeof(data));
	for (ssize_t i = 0; i < count; i++) {
		if (data[i] != '\n') {
			if (pump->line_length < sizeof(pump->line) - 1)
				pump->line[pump->line_length++] = data[i];
			continue;
		}
		pump->line[pump->line_length] = 0;
		pump->line_length = 0;
		unsigned long long end;
		if (sscanf(pump->line, "eof %llu", &end) == 1)
			pump->input_end = end;
		else if (!strncmp(pump->line, "size ", 5))
			set_size(pump->line + 5);
	}
}

static void write_all(int fd, const char *data, size_t size)
{
	while (size) {
		ssize_t count = write(fd, data, size);
		if (count < 0 && errno != EINTR)
			return;
		if (count > 0) {
			data += count;
			size -= (size_t)count;
		}
	}
}

static void close_input(struct pump *pump)
{
	if (pump->to_command >= 0)
		close(pump->to_command);
	pump->to_command = -1;
}

/* Reaps what has ended, orphans too; true when the command is among them. */
static bool reap(pid_t child, int *status)
{
	pid_t pid;
	int one;
	bool found = false;
	while ((pid = waitpid(-1, &one, WNOHANG)) > 0) {
		if (pid == child) {
			*status = one;
			found = true;
		}
	}
	return found;
}

/* Moves bytes until the command has ended and its output is drained. Returns its wait status. */
static int pump_run(struct pump *pump, pid_t child, int child_signal)
{
	char data[4096];
	struct signalfd_siginfo signal_data;
	int status = 0;
	bool ended = false;
	for (;;) {
		if (pump->received >= pump->input_end)
			close_input(pump);
		struct pollfd polled[] = {{pump->from_command, POLLIN, 0},
		                          {control, POLLIN, 0},
		                          {pump->to_command >= 0 ? serial : -1, POLLIN, 0},
		                          {child_signal, POLLIN, 0}};
		int ready = poll(polled, 4, ended ? 0 : -1);
		if (ended && !(ready > 0 && polled[0].revents))
			return status;
		if (polled[0].revents) {
			ssize_t count = read(pump->from_command, data, sizeof(data));
			if (count > 0)
				write_all(serial, data, (size_t)count);
			else
				pump->from_command = -1;
		}
		if (polled[1].revents & POLLIN)
			control_input(pump);
		if (polled[2].revents & POLLIN) {
			ssize_t count = read(serial, data, sizeof(data));
			if (count > 0) {
				pump->received += (uint64_t)count;
				write_all(pump->to_command, data, (size_t)count);
			}
		}
		if ((polled[3].revents & POLLIN) && read(child_signal, &signal_data, sizeof(signal_data)) > 0)
			ended = reap(child, &status) || ended;
	}
}

/* The command on pipes; standard output and standard error are one. */
static int run_piped(const char **words, const char **environment, uint32_t flags, int child_signal)
{
	int in[2], out[2];
	if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC))
		return EXIT_NOT_EXECUTABLE << 8;
	pid_t child = fork();
	if (child == 0) {
		int null = open("/dev/null", O_RDONLY);
		dup2(flags & COMMAND_NO_INPUT ? null : in[0], 0);
		dup2(out[1], 1);
		dup2(out[1], 2);
		setsid();
		become(words, environment);
	}
	close(in[0]);
	close(out[1]);
	struct pump pump = {.to_command = in[1], .from_command = out[0], .input_end = UINT64_MAX};
	if (flags & COMMAND_NO_INPUT)
		close_input(&pump);
	tell("holon-run: ready\n");
	return pump_run(&pump, child, child_signal);
}

/* The command on ttyS0 as its terminal. */
static int run_terminal(const char **words, const char **environment, int child_signal)
{
	pid_t child = fork();
	if (child == 0) {
		struct termios settings;
		setsid();
		int terminal = open("/dev/ttyS0", O_RDWR);
		tcgetattr(terminal, &settings);
		settings.c_iflag |= ICRNL | IXON;
		settings.c_oflag |= OPOST | ONLCR;
		settings.c_lflag |= ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN;
		tcsetattr(terminal, TCSANOW, &settings);
		ioctl(terminal, TIOCSCTTY, 1);
		for (int fd = 0; fd < 3; fd++)
			dup2(terminal, fd);
		become(words, environment);
	}
	tell("holon-run: ready\n");
	struct pump pump = {.to_command = -1, .from_command = -1};
	return pump_run(&pump, child, child_signal);
}

static void load_modules(void)
{
	char path[64];
	for (int number = 0; number < 64; number++) {
		snprintf(path, sizeof(path), "/.holon-module-%d", number);
		int file = open(path, O_RDONLY | O_CLOEXEC);
		if (file < 0)
			return;
		if (syscall(SYS_finit_module, file, "", 0) && errno != EEXIST)
			tell("init: module %d: %s\n", number, strerror(errno));
		close(file);
	}
}

static void set_address(int socket, struct ifreq *request, unsigned long command, const char *text)
{
	struct sockaddr_in *address = (struct sockaddr_in *)&request->ifr_addr;
	memset(address, 0, sizeof(*address));
	address->sin_family = AF_INET;
	inet_pton(AF_INET, text, &address->sin_addr);
	if (ioctl(socket, command, request))
		tell("init: %s: %s\n", text, strerror(errno));
}

static void set_up(int socket, const char *name)
{
	struct ifreq request = {0};
	memcpy(request.ifr_name, name, strlen(name));
	if (ioctl(socket, SIOCGIFFLAGS, &request) == 0) {
		request.ifr_flags |= IFF_UP;
		ioctl(socket, SIOCSIFFLAGS, &request);
	}
}

/* The loopback; with holon-net=user the addresses that QEMU's user network would give by DHCP. */
static void set_network(void)
{
	struct ifreq request = {0};
	struct rtentry route = {0};
	char options[OPTIONS_MAX];
	int socket_file = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	read_options(options);
	set_up(socket_file, "lo");
	if (!strstr(options, "holon-net="))
		return;
	memcpy(request.ifr_name, "eth0", 5);
	if (strstr(options, "holon-net=user")) {
		set_address(socket_file, &request, SIOCSIFADDR, "10.0.2.15");
		set_address(socket_file, &request, SIOCSIFNETMASK, "255.255.255.0");
	}
	set_up(socket_file, "eth0");
	if (strstr(options, "holon-net=user")) {
		struct sockaddr_in *to = (struct sockaddr_in *)&route.rt_gateway;
		route.rt_dst.sa_family = route.rt_genmask.sa_family = AF_INET;
		to->sin_family = AF_INET;
		inet_pton(AF_INET, "10.0.2.2", &to->sin_addr);
		route.rt_flags = RTF_UP | RTF_GATEWAY;
		if (ioctl(socket_file, SIOCADDRT, &route))
			tell("init: route: %s\n", strerror(errno));
		FILE *resolver = fopen("/etc/resolv.conf", "w");
		if (resolver) {
			fputs("nameserver 10.0.2.3\n", resolver);
			fclose(resolver);
		}
	}
	close(socket_file);
}

/* With holon-sound: the card, which its driver looks for behind its module's start. */
static void wait_for_sound(void)
{
	char options[OPTIONS_MAX];
	const struct timespec moment = {.tv_nsec = 10000000};
	read_options(options);
	for (unsigned tries = 0; strstr(options, "holon-sound") && access("/dev/snd/controlC0", F_OK);
	     tries++) {
		if (tries == 3000) {
			tell("init: there is no sound card\n");
			return;
		}
		nanosleep(&moment, NULL);
	}
}

/* The serial number of the disk NAME of /sys/block, without blanks: its own, SCSI's page 0x80 of it, or that of the USB device that it is. */
static bool read_serial(const char *name, char *serial, size_t size)
{
	static const char *const places[] = {"serial", "device/serial", "device/vpd_pg80",
	                                     "device/../../../../serial"};
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		char path[PATH_MAX], data[64];
		snprintf(path, sizeof(path), "/sys/block/%s/%s", name, places[i]);
		int file = open(path, O_RDONLY | O_CLOEXEC);
		ssize_t count = file < 0 ? -1 : read(file, data, sizeof(data) - 1);
		close(file);
		if (count <= 0)
			continue;
		data[count] = 0;
		const char *from = data + (i == 2 && count > 4 ? 4 : 0); /* behind the page's header */
		from += strspn(from, " ");
		size_t length = strcspn(from, " \n");
		snprintf(serial, size, "%.*s", (int)length, from);
		if (length)
			return true;
	}
	return false;
}

/* Whether /dev/block has the disk NAMED so by its serial number, which is looked for in /sys/block. */
static bool link_disk(const char *named)
{
	char path[PATH_MAX], disk[PATH_MAX], serial[64];
	bool found = false;
	DIR *all = opendir("/sys/block");
	const struct dirent *entry;
	while (all && !found && (entry = readdir(all))) {
		if (entry->d_name[0] == '.' || !read_serial(entry->d_name, serial, sizeof(serial)) ||
		    strcmp(serial, named) != 0)
			continue;
		snprintf(path, sizeof(path), "/dev/block/%s", named);
		snprintf(disk, sizeof(disk), "/dev/%s", entry->d_name);
		found = access(disk, F_OK) == 0 && (symlink(disk, path) == 0 || errno == EEXIST);
	}
	if (all)
		closedir(all);
	return found;
}

/* With holon-disk=NAME: /dev/block/NAME, as Holon has it. Drivers look for their disks behind their modules' start. */
static void wait_for_disks(void)
{
	char options[OPTIONS_MAX];
	const struct timespec moment = {.tv_nsec = 10000000};
	read_options(options);
	mkdir("/dev/block", 0755);
	for (char *word = strtok(options, " \n"); word; word = strtok(NULL, " \n")) {
		unsigned tries = 0;
		if (strncmp(word, "holon-disk=", 11) != 0)
			continue;
		while (!link_disk(word + 11) && ++tries < 3000)
			nanosleep(&moment, NULL);
		if (tries == 3000)
			tell("init: there is no disk %s\n", word + 11);
	}
}

int main(void)
{
	make_device_directory("/proc", "proc", NULL);
	make_device_directory("/sys", "sysfs", NULL);
	make_device_directory("/dev", "devtmpfs", NULL);
	make_device_directory("/dev/pts", "devpts", "mode=620,ptmxmode=666");
	make_device_directory("/dev/shm", "tmpfs", "mode=1777");
	sethostname("holon", 5);
	serial = open_serial("/dev/ttyS0");
	control = open_serial("/dev/ttyS1");
	if (serial < 0 || control < 0)
		power_off();
	set_size_from_options();
	load_modules();
	set_network();
	wait_for_sound();
	wait_for_disks();

	uint32_t flags;
	const char **environment;
	const char **words = read_command(&flags, &environment);
	sigset_t children;
	sigemptyset(&children);
	sigaddset(&children, SIGCHLD);
	sigprocmask(SIG_BLOCK, &children, NULL);
	int child_signal = signalfd(-1, &children, SFD_CLOEXEC);
	signal(SIGPIPE, SIG_IGN);

	int status = flags & COMMAND_TERMINAL ? run_terminal(words, environment, child_signal)
	                                      : run_piped(words, environment, flags, child_signal);
	tcdrain(serial);
	klogctl(CONSOLE_LOG_LEVEL, NULL, 1); /* nothing of the kernel's into the status line */
	tell("\nholon-run: exit %d\n", WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
	tcdrain(control);
	power_off();
}
