/* exec, scripts, limits of arguments, close-on-exec, auxiliary vector, damaged programs. */
#define _GNU_SOURCE
#include "check.h"
#include <elf.h>
#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/xattr.h>

static const char *self;

static int child_main(int argc, char **argv)
{
	if (!strcmp(argv[1], "arguments"))
		return argc == 5 && !strcmp(argv[2], "") && !strcmp(argv[3], "b c") &&
		               !strcmp(argv[4], "d") && getenv("ONE") && !strcmp(getenv("ONE"), "1") &&
		               !getenv("HOME")
		           ? 31
		           : 32;
	if (!strcmp(argv[1], "descriptor"))
		return fcntl(atoi(argv[2]), F_GETFD) == -1 && fcntl(atoi(argv[3]), F_GETFD) == 0 ? 33 : 34;
	if (!strcmp(argv[1], "signals")) {
		struct sigaction one, two;
		sigset_t blocked;
		sigaction(SIGUSR1, 0, &one);
		sigaction(SIGUSR2, 0, &two);
		sigprocmask(0, 0, &blocked);
		return one.sa_handler == SIG_DFL && two.sa_handler == SIG_IGN &&
		               sigismember(&blocked, SIGUSR1)
		           ? 35
		           : 36;
	}
	if (!strcmp(argv[1], "count"))
		return argc == atoi(argv[2]) + 3 ? 37 : 38;
	if (!strcmp(argv[1], "where")) { /* a hash of where stack, heap and vDSO are */
		uint64_t sum = getauxval(AT_RANDOM) + (uint64_t)sbrk(0) * 3 + getauxval(AT_SYSINFO_EHDR) * 5;
		return (int)(sum % 1021 % 97);
	}
	if (!strcmp(argv[1], "identity"))
		return getauxval(AT_UID) == 0 && getauxval(AT_EUID) == 1234 && getauxval(AT_SECURE) == 1 ? 40
		                                                                                         : 41;
	if (!strcmp(argv[1], "fixed"))
		return personality(0xffffffff) & ADDR_NO_RANDOMIZE ? 44 : 45;
	if (!strcmp(argv[1], "dumpable"))
		return prctl(PR_GET_DUMPABLE) == 1 ? 46 : 47;
	if (!strcmp(argv[1], "stack")) /* the upper 7 of the 22 bits that Linux chooses at random */
		return (int)((uint64_t)&argc >> 27 & 127);
	if (!strcmp(argv[1], "mapping")) { /* of 28 */
		void *at = mmap(0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		return (int)((uint64_t)at >> 33 & 127);
	}
	if (!strcmp(argv[1], "heap")) { /* of 13, how far it is from the program */
		extern char end[];
		return (int)(((uint64_t)sbrk(0) - (uint64_t)end) >> 18 & 127);
	}
	return 39;
}

static int run(char *const argv[], char *const envp[])
{
	return in_child({
		execve(argv[0], argv, envp);
		_exit(100 + errno % 100);
	});
}

#define RUN(...) run((char *[]){__VA_ARGS__, 0}, environ)

/* Whether what PROGRAM says is not always the same. */
static int varies(const char *program, const char *what)
{
	int first = RUN((char *)program, (char *)what), others = 0;
	for (int i = 0; i < 10; i++)
		others += RUN((char *)program, (char *)what) != first;
	return others;
}

static void randomize(const char *how)
{
	int fd = open("/proc/sys/kernel/randomize_va_space", O_WRONLY);
	if (fd < 0 || write(fd, how, 1) != 1)
		perror("randomize_va_space");
	close(fd);
}

static void test_addresses(void)
{
	check("addresses-random-stack", varies(self, "stack"));
	check("addresses-random-mapping", varies(self, "mapping"));
	check("addresses-random-heap", varies(self, "heap"));
	randomize("1");
	check("randomize-va-space-1", !varies(self, "heap") && varies(self, "mapping"));
	randomize("0");
	check("randomize-va-space-0", !varies(self, "stack") && !varies(self, "mapping"));
	randomize("2");
}

static void ignore(int signal)
{
	(void)signal;
}

static void test_exec(void)
{
	char *envp[] = {"ONE=1", "TWO=2", 0};
	check("arguments-and-environment",
	      exited(run((char *[]){(char *)self, "arguments", "", "b c", "d", 0}, envp), 31));
	int keep = open("/dev/null", O_RDONLY), drop = open("/dev/null", O_RDONLY | O_CLOEXEC);
	char a[16], b[16];
	snprintf(a, sizeof(a), "%d", drop);
	snprintf(b, sizeof(b), "%d", keep);
	check("close-on-exec", exited(RUN((char *)self, "descriptor", a, b), 33));
	signal(SIGUSR1, ignore);
	signal(SIGUSR2, SIG_IGN);
	sigset_t set, old;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, &old);
	check("signals-over-exec", exited(RUN((char *)self, "signals"), 35));
	sigprocmask(SIG_SETMASK, &old, 0);
	static char *many[10004];
	many[0] = (char *)self;
	many[1] = "count";
	many[2] = "10000";
	for (int i = 0; i < 10000; i++)
		many[3 + i] = "word";
	check("ten-thousand-arguments", exited(run(many, environ), 37));
	char *huge = malloc(3 << 20);
	memset(huge, 'x', 3 << 20);
	huge[(3 << 20) - 1] = 0;
	check("argument-too-long", exited(RUN((char *)self, huge), 100 + E2BIG));
	free(huge);
	check("missing-program", exited(RUN("/no/such"), 100 + ENOENT));
	check("directory", exited(RUN("/tmp"), 100 + EACCES));
	check("bad-argv-pointer", exited(in_child({
		                                 execve(self, (char **)8, environ);
		                                 _exit(errno == EFAULT ? 1 : 2);
	                                 }),
	                                 1));
	int before = personality(ADDR_NO_RANDOMIZE), place = RUN((char *)self, "where"), same = 0;
	for (int i = 0; i < 4; i++)
		same += RUN((char *)self, "where") == place;
	check("addresses-not-random", same == 4 && WIFEXITED(place));
	personality((unsigned long)before);
	if (!getenv("ON_LINUX")) /* of the build machine nothing is changed */
		test_addresses();
	pid_t pid;
	int status;
	char *argv[] = {(char *)self, "count", "0", 0};
	check("posix-spawn", posix_spawn(&pid, self, 0, 0, argv, environ) == 0 &&
	                         waitpid(pid, &status, 0) == pid && exited(status, 37));
}

static void put(const char *path, const void *bytes, size_t size, mode_t mode)
{
	unlink(path);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);
	if (fd < 0 || write(fd, bytes, size) != (ssize_t)size)
		perror(path);
	close(fd);
}

static void test_scripts(void)
{
	char text[256];
	snprintf(text, sizeof(text), "#!%s count 1\n", self);
	put("/tmp/script", text, strlen(text), 0755);
	/* self "count 1" /tmp/script: one optional argument, blanks included */
	check("script-one-argument", exited(RUN("/tmp/script", "x"), 39));
	snprintf(text, sizeof(text), "#! %s  count \n", self);
	put("/tmp/script", text, strlen(text), 0755);
	/* argv: self count /tmp/script x: argc 4, atoi("/tmp/script") is 0 */
	check("script-path-follows", exited(RUN("/tmp/script", "x"), 38));
	check("script-argument-count", exited(RUN("/tmp/script"), 37));
	put("/tmp/script", "#!/tmp/script\n", 14, 0755);
	check("script-loop",
	      exited(RUN("/tmp/script"), 100 + ELOOP) || exited(RUN("/tmp/script"), 100 + ENOEXEC));
	put("/tmp/script", "#!\n", 3, 0755);
	check("script-without-interpreter", exited(RUN("/tmp/script"), 100 + ENOEXEC));
	put("/tmp/script", "#!/bin/sh\n", 10, 0644);
	check("not-executable", exited(RUN("/tmp/script"), 100 + EACCES));
	unlink("/tmp/script");
}

static void test_damaged(void)
{
	static unsigned char image[4 << 20];
	int fd = open(self, O_RDONLY);
	ssize_t size = read(fd, image, sizeof(image));
	close(fd);
	Elf64_Ehdr *header = (Elf64_Ehdr *)image;
	put("/tmp/damaged", image, 40, 0755);
	check("truncated-header", exited(RUN("/tmp/damaged"), 100 + ENOEXEC));
	put("/tmp/damaged", image, 1000, 0755);
	int status = RUN("/tmp/damaged");
	check("truncated-program", WIFSIGNALED(status) || exited(status, 100 + ENOEXEC));
	header->e_machine = 3;
	put("/tmp/damaged", image, (size_t)size, 0755);
	check("wrong-machine", exited(RUN("/tmp/damaged"), 100 + ENOEXEC));
	header->e_machine = EM_X86_64;
	unsigned seed = 1;
	int survived = 0;
	for (int i = 0; i < 40; i++) {
		unsigned char saved[512];
		memcpy(saved, image, sizeof(saved));
		for (int j = 0; j < 4; j++) {
			seed = seed * 1103515245 + 12345;
			image[seed >> 8 & 511] ^= (unsigned char)(1 + (seed >> 20 & 127));
		}
		put("/tmp/damaged", image, (size_t)size, 0755);
		status = in_child({
			alarm(2);
			execl("/tmp/damaged", "damaged", "count", "0", (char *)0);
			_exit(1);
		});
		survived += WIFEXITED(status) || WIFSIGNALED(status);
		memcpy(image, saved, sizeof(saved));
	}
	check("forty-damaged-programs", survived == 40);
	unlink("/tmp/damaged");
}

static void test_start(void)
{
	struct utsname name;
	check("auxv-page-size", getauxval(AT_PAGESZ) == 4096);
	check("auxv-entry", getauxval(AT_ENTRY) != 0 && getauxval(AT_PHDR) != 0 && getauxval(AT_PHNUM) > 2);
	check("auxv-random", getauxval(AT_RANDOM) != 0);
	check("auxv-execfn", strcmp((char *)getauxval(AT_EXECFN), self) == 0);
	check("uname",
	      uname(&name) == 0 && !strcmp(name.sysname, "Linux") && !strcmp(name.machine, "x86_64"));
	char comm[16];
	prctl(PR_GET_NAME, comm);
	const char *base = strrchr(self, '/');
	check("comm", strncmp(comm, base ? base + 1 : self, 15) == 0);
}

/* This program as PATH, which runs as user 1234 does. */
static int put_other(const char *path)
{
	static unsigned char image[4 << 20];
	int fd = open(self, O_RDONLY);
	ssize_t size = read(fd, image, sizeof(image));
	close(fd);
	put(path, image, (size_t)size, 0755);
	return chown(path, 1234, 0) == 0 && chmod(path, 04755) == 0;
}

/* The auxiliary vector tells of the new program's identity, not of the old one's. */
static void test_identity(void)
{
	if (geteuid())
		return;
	check("identity-file", put_other("/tmp/identity"));
	check("auxv-identity", exited(RUN("/tmp/identity", "identity"), 40));
	/* Nor is it who starts it that decides where its memory lies. */
	unsigned long before = (unsigned long)personality(0xffffffff);
	personality(before | ADDR_NO_RANDOMIZE);
	check("fixed-is-inherited", exited(RUN((char *)self, "fixed"), 44));
	check("fixed-but-not-by-another-identity", exited(RUN("/tmp/identity", "fixed"), 45));
	check("another-identity-lies-at-random", varies("/tmp/identity", "mapping"));
	personality(before);
	/* A file that gives a capability makes no program of which others may have the memory. */
	static const uint32_t net_raw[5] = {0x02000001 /* effective */, 1u << 13};
	char *argv[] = {"/tmp/identity", "dumpable", 0};
	for (int gives = 0; gives < 2; gives++) {
		if (gives)
			check("file-capability", setxattr("/tmp/identity", "security.capability", net_raw,
			                                  sizeof(net_raw), 0) == 0);
		else
			check("file-plain", chmod("/tmp/identity", 0755) == 0);
		check(gives ? "dumpable-no-more" : "dumpable",
		      exited(in_child({
			             if (setresuid(1000, 1000, 1000) == 0)
				             execv(argv[0], argv);
		             }),
		             gives ? 47 : 46));
	}
	unlink("/tmp/identity");
}

static void *exec_thread(void *unused)
{
	(void)unused;
	execl(self, self, "count", "0", (char *)0);
	return 0;
}

static void race_child(void)
{
	pthread_t thread;
	for (int i = 0; i < 2; i++)
		pthread_create(&thread, 0, exec_thread, 0);
	exec_thread(0);
	_exit(1);
}

/* Reads what /proc says of PID, which is just becoming another program. */
static int look(pid_t pid)
{
	static const char *const names[] = {"maps", "auxv", "cmdline", "environ", "stat", "statm", "status"};
	char name[64], text[4096];
	int bad = 0;
	for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++) {
		snprintf(name, sizeof(name), "/proc/%d/%s", pid, names[i]);
		int fd = open(name, O_RDONLY);
		ssize_t got = fd < 0 ? 0 : read(fd, text, sizeof(text));
		if (fd >= 0)
			close(fd);
		/* A vector that is there is whole: its last entry is AT_NULL. */
		bad += i == 1 && got >= 16 && ((unsigned long *)text)[got / 8 - 2] != AT_NULL;
	}
	snprintf(name, sizeof(name), "/proc/%d/exe", pid);
	(void)readlink(name, text, sizeof(text));
	return bad;
}

/* Three threads of each process want to become a program, one process is killed meanwhile, all are looked at. */
static void test_races(void)
{
	enum { CHILDREN = 4, ROUNDS = 10 };
	int good = 0, bad = 0;
	for (int round = 0; round < ROUNDS; round++) {
		pid_t pids[CHILDREN];
		for (int i = 0; i < CHILDREN; i++) {
			pids[i] = fork();
			if (!pids[i])
				race_child();
		}
		for (int i = 0; i < CHILDREN; i++)
			bad += look(pids[i]);
		kill(pids[round % CHILDREN], SIGKILL);
		for (int i = 0; i < CHILDREN; i++) {
			int status = -1;
			waitpid(pids[i], &status, 0);
			good += exited(status, 37) || (i == round % CHILDREN && killed(status, SIGKILL));
		}
	}
	check("three-threads-become-one-program", good == CHILDREN * ROUNDS);
	check("a-program-that-begins-can-be-looked-at", bad == 0);
}

int main(int argc, char **argv)
{
	self = argv[0];
	if (argc > 1)
		return child_main(argc, argv);
	test_exec();
	test_scripts();
	test_damaged();
	test_start();
	test_identity();
	test_races();
	return check_failures != 0;
}
