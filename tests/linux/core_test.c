/* Core files: who leaves one, its name, its notes and memory, limits, threads, hostile names. core(5), elf(5). */
#define _GNU_SOURCE
#include "check.h"
#include <elf.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/procfs.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/user.h>

#define PATTERN "/proc/sys/kernel/core_pattern"
static char directory[] = "/tmp/core_test.XXXXXX";
static volatile char mark[8192] = "a mark in the program's own data";

static int put(const char *path, const char *text)
{
	int file = open(path, O_WRONLY);
	ssize_t done = file < 0 ? -1 : write(file, text, strlen(text));
	close(file);
	return done == (ssize_t)strlen(text) ? 0 : -1;
}

static void limit_core(rlim_t bytes)
{
	struct rlimit limit = {bytes, RLIM_INFINITY};
	setrlimit(RLIMIT_CORE, &limit);
}

static off_t size_of(const char *path)
{
	struct stat status;
	return stat(path, &status) == 0 ? status.st_size : -1;
}

/* ---- Reading a core file ---- */

struct core {
	unsigned char *bytes;
	size_t size;
	const Elf64_Ehdr *header;
	const Elf64_Phdr *segments;
};

static int core_open(struct core *core, const char *path)
{
	struct stat status;
	int file = open(path, O_RDONLY);
	memset(core, 0, sizeof(*core));
	if (file < 0 || fstat(file, &status) || status.st_size < (off_t)sizeof(Elf64_Ehdr))
		return 0;
	core->size = (size_t)status.st_size;
	core->bytes = mmap(0, core->size, PROT_READ, MAP_PRIVATE, file, 0);
	close(file);
	core->header = (const Elf64_Ehdr *)core->bytes;
	core->segments = (const Elf64_Phdr *)(core->bytes + core->header->e_phoff);
	return core->bytes != MAP_FAILED && !memcmp(core->bytes, ELFMAG, SELFMAG) &&
	       core->header->e_type == ET_CORE;
}

static void core_close(struct core *core)
{
	munmap(core->bytes, core->size);
}

/* The NUMBERth note of KIND, or 0. */
static const void *note_of(const struct core *core, uint32_t kind, int number, size_t *bytes)
{
	const Elf64_Phdr *notes = &core->segments[0];
	if (notes->p_type != PT_NOTE)
		return 0;
	for (size_t at = notes->p_offset, end = at + notes->p_filesz; at + sizeof(Elf64_Nhdr) <= end;) {
		const Elf64_Nhdr *note = (const Elf64_Nhdr *)(core->bytes + at);
		size_t text = at + sizeof(*note) + ((note->n_namesz + 3) & ~3u);
		if (note->n_type == kind && !number--) {
			*bytes = note->n_descsz;
			return core->bytes + text;
		}
		at = text + ((note->n_descsz + 3) & ~3u);
	}
	return 0;
}

/* The memory at ADDRESS as the file has it; 0: it does not. */
static const void *memory_of(const struct core *core, const volatile void *address, size_t bytes)
{
	uint64_t at = (uint64_t)(uintptr_t)address;
	for (int i = 0; i < core->header->e_phnum; i++) {
		const Elf64_Phdr *s = &core->segments[i];
		if (s->p_type == PT_LOAD && at >= s->p_vaddr && at + bytes <= s->p_vaddr + s->p_filesz &&
		    s->p_offset + s->p_filesz <= core->size)
			return core->bytes + s->p_offset + (at - s->p_vaddr);
	}
	return 0;
}

/* ---- What dies ---- */

static char *secret, *hidden, *shared, *sparse;
#define SPARSE (1ul << 30)

static void prepare(void)
{
	secret = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	hidden = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	shared = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	sparse = mmap(0, SPARSE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	strcpy(secret, "in private memory");
	strcpy(hidden, "not to be dumped");
	strcpy(shared, "in shared memory");
	sparse[SPARSE / 2] = 'x';
	madvise(hidden, 8192, MADV_DONTDUMP);
	mprotect(secret, 8192, PROT_NONE);
}

static void die(void)
{
	prepare();
	prctl(PR_SET_NAME, "dy/ing");
	register uint64_t r12 __asm__("r12") = 0x1234567890abcdef;
	__asm__ volatile("movq %%r12, %%xmm7\n\tmovl $0, (%%rax)" : : "r"(r12), "a"(16) : "xmm7", "memory");
}

static void *thread_sleeps(void *unused)
{
	sleep(100);
	return unused;
}

static void *thread_loops(void *unused)
{
	for (volatile int i = 0;; i++)
		;
	return unused;
}

static void die_with_threads(void)
{
	pthread_t thread;
	for (int i = 0; i < 6; i++)
		pthread_create(&thread, 0, i & 1 ? thread_sleeps : thread_loops, 0);
	pause_ms(50);
	abort();
}

static void *thread_aborts(void *barrier)
{
	pthread_barrier_wait(barrier);
	abort();
}

static void die_at_once(void)
{
	pthread_t thread;
	pthread_barrier_t barrier;
	pthread_barrier_init(&barrier, 0, 8);
	for (int i = 0; i < 8; i++)
		pthread_create(&thread, 0, thread_aborts, &barrier);
	pause();
}

static void test_contents(void)
{
	struct core core;
	size_t bytes;
	prepare(); /* so that the addresses are known here */
	int status = in_child({
		munmap(secret, 8192);
		munmap(hidden, 8192);
		munmap(shared, 8192);
		munmap(sparse, SPARSE);
		die();
	});
	check("killed-and-dumped", killed(status, SIGSEGV) && WCOREDUMP(status));
	if (!core_open(&core, "core")) {
		check("core-file", 0);
		return;
	}
	check("core-file", core.header->e_machine == EM_X86_64 && core.header->e_phnum > 4);
	struct stat file;
	check("core-mode-and-owner",
	      (stat("core", &file) == 0) && (file.st_mode & 0777) == 0600 && file.st_uid == geteuid());
	const prstatus_t *thread = note_of(&core, NT_PRSTATUS, 0, &bytes);
	check("status-note", thread && bytes == sizeof(*thread) && thread->pr_cursig == SIGSEGV &&
	                         thread->pr_info.si_signo == SIGSEGV && thread->pr_ppid == getpid() &&
	                         thread->pr_pid > 0 && thread->pr_fpvalid);
	const struct user_regs_struct *registers = (const void *)(thread ? thread->pr_reg : 0);
	check("registers", registers && registers->r12 == 0x1234567890abcdef && registers->rax == 16 &&
	                       registers->cs == 0x33);
	check("code-at-pc", registers && registers->rip && registers->rsp);
	const prpsinfo_t *process = note_of(&core, NT_PRPSINFO, 0, &bytes);
	check("process-note", process && bytes == sizeof(*process) &&
	                          strcmp(process->pr_fname, "dy/ing") == 0 &&
	                          strstr(process->pr_psargs, "core_test") && process->pr_ppid == getpid() &&
	                          process->pr_uid == getuid());
	const siginfo_t *info = note_of(&core, 0x53494749, 0, &bytes);
	check("siginfo-note", info && bytes == sizeof(*info) && info->si_signo == SIGSEGV &&
	                          info->si_code == SEGV_MAPERR && info->si_addr == (void *)16);
	const Elf64_auxv_t *auxv = note_of(&core, NT_AUXV, 0, &bytes);
	size_t entries = bytes / sizeof(*auxv), entry = 0;
	while (auxv && entry < entries && auxv[entry].a_type != AT_PAGESZ)
		entry++;
	check("auxv-note", auxv && entry < entries && auxv[entry].a_un.a_val == 4096 &&
	                       auxv[entries - 1].a_type == AT_NULL);
	const struct user_fpregs_struct *vector = note_of(&core, NT_FPREGSET, 0, &bytes);
	check("vector-note", vector && bytes == sizeof(*vector) &&
	                         *(const uint64_t *)&vector->xmm_space[28] == 0x1234567890abcdef &&
	                         vector->mxcsr == 0x1f80);
	const char *extended = note_of(&core, NT_X86_XSTATE, 0, &bytes);
	check("xstate-note", !extended || (bytes >= 576 && (*(const uint64_t *)(extended + 464) & 3) == 3));
	const uint64_t *files = note_of(&core, 0x46494c45, 0, &bytes);
	check("file-note",
	      files && files[0] >= 1 && files[1] == 4096 && memmem(files, bytes, "core_test", 9));
	const void *found = memory_of(&core, mark, sizeof(mark));
	check("own-data", found && !memcmp(found, (const void *)mark, sizeof(mark)));
	found = memory_of(&core, secret, 8192);
	check("private-memory", found && !strcmp(found, "in private memory"));
	found = memory_of(&core, shared, 8192);
	check("shared-anonymous-memory", found && !strcmp(found, "in shared memory"));
	check("advised-away", !memory_of(&core, hidden, 1));
	found = memory_of(&core, sparse + SPARSE / 2, 4096);
	check("sparse-memory",
	      found && *(const char *)found == 'x' && file.st_blocks < (8 << 20) / 512 && core.size > SPARSE);
	found = registers ? memory_of(&core, (void *)registers->rsp, 64) : 0;
	check("stack", found != 0);
	core_close(&core);
	munmap(secret, 8192);
	munmap(hidden, 8192);
	munmap(shared, 8192);
	munmap(sparse, SPARSE);
}

static void test_threads(void)
{
	struct core core;
	size_t bytes;
	unlink("core");
	int status = in_child(die_with_threads());
	check("threads-dumped", killed(status, SIGABRT) && WCOREDUMP(status) && core_open(&core, "core"));
	int count = 0, vectors = 0, in_program = 0, apart = 1;
	const prstatus_t *thread;
	pid_t seen[16];
	while (count < 16 && (thread = note_of(&core, NT_PRSTATUS, count, &bytes))) {
		for (int i = 0; i < count; i++)
			apart &= seen[i] != thread->pr_pid;
		seen[count++] = thread->pr_pid;
		in_program += ((const struct user_regs_struct *)thread->pr_reg)->rip != 0;
	}
	while (note_of(&core, NT_FPREGSET, vectors, &bytes))
		vectors++;
	check("every-thread-has-its-notes", count == 7 && vectors == 7 && in_program == 7 && apart);
	thread = note_of(&core, NT_PRSTATUS, 0, &bytes);
	check("the-one-that-died-is-first",
	      thread && thread->pr_cursig == SIGABRT &&
	          memory_of(&core, (void *)((const struct user_regs_struct *)thread->pr_reg)->rsp, 8));
	core_close(&core);
	for (int i = 0; i < 5; i++) {
		unlink("core");
		status = in_child(die_at_once());
		if (!killed(status, SIGABRT) || !WCOREDUMP(status) || !core_open(&core, "core"))
			break;
		count = 0;
		while (note_of(&core, NT_PRSTATUS, count, &bytes))
			count++;
		core_close(&core);
		if (count != 9)
			break;
	}
	check("eight-die-at-once", killed(status, SIGABRT) && WCOREDUMP(status) && count == 9);
}

static void test_who(void)
{
	static const int dump[] = {SIGQUIT, SIGILL,  SIGTRAP, SIGABRT, SIGBUS,
	                           SIGFPE,  SIGSEGV, SIGXCPU, SIGXFSZ, SIGSYS};
	static const int none[] = {SIGTERM, SIGINT, SIGKILL, SIGHUP, SIGPIPE, SIGUSR1, SIGALRM};
	int good = 1;
	for (unsigned i = 0; i < sizeof(dump) / sizeof(*dump); i++) {
		unlink("core");
		int status = in_child(kill(getpid(), dump[i]); pause());
		good &= killed(status, dump[i]) && WCOREDUMP(status) && size_of("core") > 4096;
	}
	check("ten-signals-dump", good);
	unlink("core");
	for (unsigned i = 0; i < sizeof(none) / sizeof(*none); i++) {
		int status = in_child(kill(getpid(), none[i]); pause());
		good &= killed(status, none[i]) && !WCOREDUMP(status);
	}
	check("others-do-not", good && size_of("core") == -1);
	int status = in_child(limit_core(0); abort());
	check("limit-zero", killed(status, SIGABRT) && !WCOREDUMP(status) && size_of("core") == -1);
	status = in_child(limit_core(4095); abort());
	check("limit-below-a-page", killed(status, SIGABRT) && !WCOREDUMP(status) && size_of("core") == -1);
	status = in_child(limit_core(20000); abort());
	check("limit-cuts", killed(status, SIGABRT) && WCOREDUMP(status) && size_of("core") > 0 &&
	                        size_of("core") < 100000);
	unlink("core");
	status = in_child(prctl(PR_SET_DUMPABLE, 0); abort());
	check("not-dumpable", killed(status, SIGABRT) && !WCOREDUMP(status) && size_of("core") == -1);
	siginfo_t info = {0};
	fflush(stdout);
	pid_t child = fork();
	if (!child)
		abort();
	waitid(P_PID, (id_t)child, &info, WEXITED);
	check("waitid-says-dumped", info.si_code == CLD_DUMPED && info.si_status == SIGABRT);
	if (!getuid()) {
		unlink("core");
		chmod(".", 0777);
		status = in_child(setuid(12345); abort());
		check("after-setuid-none",
		      killed(status, SIGABRT) && !WCOREDUMP(status) && size_of("core") == -1);
		status = in_child(setuid(12345); prctl(PR_SET_DUMPABLE, 1); abort());
		struct stat file;
		check("of-its-user", killed(status, SIGABRT) && WCOREDUMP(status) &&
		                         (stat("core", &file) == 0) && file.st_uid == 12345);
		/* Another's file stays where it may not be removed. */
		chmod(".", 01777);
		off_t before = size_of("core");
		status = in_child(setuid(12346); prctl(PR_SET_DUMPABLE, 1); abort());
		check("not-over-another's",
		      killed(status, SIGABRT) && !WCOREDUMP(status) && size_of("core") == before);
		chmod(".", 0700);
	}
}

/* Nobody's file is written into: what had the name goes. */
static void test_places(void)
{
	struct stat file;
	unlink("core");
	symlink("elsewhere", "core");
	int status = in_child(abort());
	check("no-link-followed", killed(status, SIGABRT) && WCOREDUMP(status) &&
	                              size_of("elsewhere") == -1 && lstat("core", &file) == 0 &&
	                              S_ISREG(file.st_mode));
	unlink("core");
	mkdir("core", 0700);
	status = in_child(abort());
	check("no-directory", killed(status, SIGABRT) && !WCOREDUMP(status));
	rmdir("core");
	mkfifo("core", 0600);
	status = in_child(abort());
	check("no-fifo", killed(status, SIGABRT) && WCOREDUMP(status) && lstat("core", &file) == 0 &&
	                     S_ISREG(file.st_mode));
	unlink("core");
	close(open("other", O_CREAT | O_WRONLY, 0600));
	link("other", "core");
	status = in_child(abort());
	check("other-name-untouched", killed(status, SIGABRT) && WCOREDUMP(status) && size_of("other") == 0 &&
	                                  size_of("core") > 4096);
	unlink("core");
	unlink("other");
}

/* Only where the pattern may be set. */
static void test_pattern(void)
{
	char name[256], text[512];
	fflush(stdout);
	put(PATTERN, "x-%e-%p-%s-%u-%%-%h-%z");
	pid_t child = fork();
	if (!child) {
		prctl(PR_SET_NAME, "a/b");
		abort();
	}
	int status;
	waitpid(child, &status, 0);
	gethostname(text, sizeof(text));
	snprintf(name, sizeof(name), "x-a!b-%d-6-%u-%%-%s-", child, getuid(), text);
	check("pattern", WCOREDUMP(status) && size_of(name) > 4096);
	unlink(name);
	put(PATTERN, "core");
	put("/proc/sys/kernel/core_uses_pid", "1");
	child = fork();
	if (!child)
		abort();
	waitpid(child, &status, 0);
	snprintf(name, sizeof(name), "core.%d", child);
	check("core-uses-pid", WCOREDUMP(status) && size_of(name) > 4096);
	put("/proc/sys/kernel/core_uses_pid", "0");
	unlink(name);
	snprintf(text, sizeof(text), "%s/sub/%%e", directory);
	put(PATTERN, text);
	status = in_child(abort());
	check("no-such-directory", killed(status, SIGABRT) && !WCOREDUMP(status));
	mkdir("sub", 0700);
	status = in_child(chdir("/"); prctl(PR_SET_NAME, ".."); abort());
	check("name-stays-in-directory",
	      killed(status, SIGABRT) && WCOREDUMP(status) && size_of("sub/!.") > 4096);
	unlink("sub/!.");
	rmdir("sub");
	memset(text, 'n', sizeof(text) - 1);
	text[sizeof(text) - 1] = 0;
	put(PATTERN, text);
	status = in_child(abort());
	check("long-pattern-survived", killed(status, SIGABRT));
	put(PATTERN, "%");
	status = in_child(abort());
	check("empty-name", killed(status, SIGABRT) && !WCOREDUMP(status));
	put(PATTERN, "core");
}

/* ---- Programs that take cores ---- */

static char own_path[256];

/* What core_pattern starts: "-take" PLACE WORD..., which copies its input into PLACE.core and says in PLACE.told what it was
 * given; "-hold" PLACE, which makes PLACE and reads nothing. */
static int helper(int count, char **words)
{
	char path[256], bytes[4096];
	struct rlimit limit;
	int outputs = fcntl(1, F_GETFD) >= 0 || fcntl(2, F_GETFD) >= 0;
	if (!strcmp(words[1], "-hold")) {
		close(open(words[2], O_WRONLY | O_CREAT, 0600));
		while (access(words[2], F_OK) == 0)
			pause_ms(10);
		return 0;
	}
	snprintf(path, sizeof(path), "%s.core", words[2]);
	int core = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	ssize_t got;
	while ((got = read(0, bytes, sizeof(bytes))) > 0)
		write(core, bytes, (size_t)got);
	close(core);
	/* While core_pipe_limit is set, who died is there as long as this runs. */
	snprintf(path, sizeof(path), "/proc/%s/comm", count > 3 ? words[3] : "x");
	int alive = access(path, R_OK) == 0;
	getrlimit(RLIMIT_CORE, &limit);
	snprintf(path, sizeof(path), "%s.made", words[2]);
	FILE *told = fopen(path, "w");
	for (int i = 3; told && i < count; i++)
		fprintf(told, "<%s>", words[i]);
	if (told)
		fprintf(told, " %s uid %d limit %d environment %d outputs %d alive %d",
		        getcwd(bytes, sizeof(bytes)), getuid(), (int)limit.rlim_cur, environ[0] != 0, outputs,
		        alive);
	if (told)
		fclose(told);
	snprintf(bytes, sizeof(bytes), "%s.told", words[2]);
	return rename(path, bytes);
}

/* What the program said, which it may do after who died has gone. */
static int told(const char *expected)
{
	char text[512] = "", path[128];
	snprintf(path, sizeof(path), "%s/pipe.told", directory);
	for (int i = 0; i < 500 && access(path, R_OK); i++)
		pause_ms(10);
	int file = open(path, O_RDONLY);
	if (file >= 0 && read(file, text, sizeof(text) - 1) < 0)
		text[0] = 0;
	close(file);
	unlink(path);
	if (!strstr(text, expected))
		printf("# told \"%s\", not \"%s\"\n", text, expected);
	return strstr(text, expected) != 0;
}

static void test_pipe(void)
{
	char text[512], path[128];
	struct core core;
	fflush(stdout);
	snprintf(text, sizeof(text), "|%s -take %s/pipe %%P %%s %%e%%%%", own_path, directory);
	check("pipe-pattern", put(PATTERN, text) == 0);
	pid_t child = fork();
	if (!child) {
		limit_core(0); /* which is for files */
		setuid(1000);
		prctl(PR_SET_DUMPABLE, 1);
		prctl(PR_SET_NAME, "two words");
		abort();
	}
	int status;
	waitpid(child, &status, 0);
	check("pipe", killed(status, SIGABRT) && WCOREDUMP(status));
	snprintf(text, sizeof(text), "<%d><6><two words%%> / uid 0 limit 1 environment 0 outputs 0 ", child);
	check("pipe-program", told(text));
	snprintf(path, sizeof(path), "%s/pipe.core", directory);
	check("pipe-core", core_open(&core, path) && core.size > 4096);
	const Elf64_Phdr *last = &core.segments[core.header->e_phnum - 1];
	check("pipe-whole", core.size >= last->p_offset + last->p_filesz);
	core_close(&core);
	put("/proc/sys/kernel/core_pipe_limit", "1");
	status = in_child(abort());
	check("pipe-waits", WCOREDUMP(status) && told("alive 1"));
	status = in_child(limit_core(1); abort());
	check("pipe-of-its-own", killed(status, SIGABRT) && !WCOREDUMP(status));
	snprintf(text, sizeof(text), "|%s -hold %s/pipe", own_path, directory);
	put(PATTERN, text);
	snprintf(path, sizeof(path), "%s/pipe", directory);
	child = fork();
	if (!child)
		abort();
	while (access(path, F_OK))
		pause_ms(1);
	status = in_child(abort());
	check("pipe-limit", killed(status, SIGABRT) && !WCOREDUMP(status));
	kill(child, SIGTERM);
	pause_ms(50);
	check("pipe-not-interrupted", waitpid(child, &status, WNOHANG) == 0);
	kill(child, SIGKILL);
	check("pipe-killed", waitpid(child, &status, 0) == child && WIFSIGNALED(status));
	put("/proc/sys/kernel/core_pipe_limit", "0");
	put(PATTERN, "|/nowhere/program %p");
	status = in_child(abort());
	check("pipe-no-program", killed(status, SIGABRT) && !WCOREDUMP(status));
	put(PATTERN, "|");
	status = in_child(abort());
	check("pipe-nothing", killed(status, SIGABRT) && !WCOREDUMP(status));
	put(PATTERN, "core");
	unlink(path);
	snprintf(path, sizeof(path), "%s/pipe.core", directory);
	unlink(path);
}

static off_t size_with(const char *filter)
{
	int status = in_child(
	    char *shared = mmap(0, 1 << 20, 3, MAP_SHARED | MAP_ANONYMOUS, -1, 0); memset(shared, 1, 1 << 20);
	    char *own = mmap(0, 2 << 20, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); memset(own, 1, 2 << 20);
	    if (!put("/proc/self/coredump_filter", filter)) abort());
	off_t size = WCOREDUMP(status) ? size_of("core") : -1;
	unlink("core");
	return size;
}

static void test_filter(void)
{
	char text[16] = "";
	int file = open("/proc/self/coredump_filter", O_RDONLY);
	check("filter", read(file, text, 9) == 9 && !strncmp(text, "00000033\n", 9));
	close(file);
	off_t both = size_with("0x3"), private = size_with("1"), shared = size_with("2"),
	      none = size_with("0");
	printf("# sizes %ld %ld %ld %ld\n", (long)both, (long)private, (long)shared, (long)none);
	check("filter-effect", none > 0 && none < 1 << 20 && shared - none > 1 << 19 &&
	                           shared - none < 3 << 19 && private - none > 3 << 19 &&
	                           both - private > 1 << 19);
	check("filter-wrong",
	      put("/proc/self/coredump_filter", "x") < 0 && put("/proc/self/coredump_filter", "0x") < 0);
	put("/proc/self/coredump_filter", "0xff7");
	int status = in_child(file = open("/proc/self/coredump_filter", O_RDONLY);
	                      _exit(read(file, text, 9) != 9 || strncmp(text, "000001f7\n", 9)));
	check("filter-inherited", exited(status, 0));
	put("/proc/self/coredump_filter", "0x33");
}

/* A kill ends the writing, however much there is. */
static void test_kill(void)
{
	fflush(stdout);
	pid_t child = fork();
	if (!child) {
		char *much = mmap(0, 64 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		memset(much, 1, 64 << 20);
		abort();
	}
	while (size_of("core") < 4096)
		pause_ms(1);
	kill(child, SIGKILL);
	int status;
	waitpid(child, &status, 0);
	check("kill-while-writing", WIFSIGNALED(status));
	unlink("core");
}

int main(int count, char **words)
{
	if (count > 2)
		return helper(count, words);
	if (readlink("/proc/self/exe", own_path, sizeof(own_path) - 1) < 0)
		return 1;
	char before[256] = {0};
	int file = open(PATTERN, O_RDONLY);
	ssize_t length = read(file, before, sizeof(before) - 1);
	close(file);
	if (length > 0 && before[length - 1] == '\n')
		before[length - 1] = 0;
	int settable = access(PATTERN, W_OK) == 0 && !getenv("ON_LINUX");
	if (!settable && strcmp(before, "core") != 0) {
		printf("ok core # skipped: core_pattern is %s\n", before);
		return 0;
	}
	mkdtemp(directory);
	if (chdir(directory))
		return 1;
	if (settable)
		put(PATTERN, "core");
	limit_core(RLIM_INFINITY);
	test_contents();
	test_threads();
	test_who();
	test_places();
	if (settable)
		test_pattern();
	if (settable)
		test_pipe();
	test_filter();
	test_kill();
	if (settable)
		put(PATTERN, before);
	chdir("/");
	char command[64];
	snprintf(command, sizeof(command), "rm -rf %s", directory);
	system(command);
	return check_failures != 0;
}
