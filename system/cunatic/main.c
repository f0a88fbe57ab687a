/* The command `cunatic`. */
#include "gate.h"

#include "../flux/options.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern const char policy_text[], policy_text_end[], duties_text[], duties_text_end[], ask_text[],
    ask_text_end[];
__asm__(".section .rodata\n"
        ".global policy_text\npolicy_text:\n.incbin \"system/cunatic/policy.flux\"\n.global "
        "policy_text_end\npolicy_text_end:\n.byte 0\n"
        ".global duties_text\nduties_text:\n.incbin \"system/cunatic/duties.flux\"\n.global "
        "duties_text_end\nduties_text_end:\n.byte 0\n"
        ".global ask_text\nask_text:\n.incbin \"system/cunatic/ask.flux\"\n.global "
        "ask_text_end\nask_text_end:\n.byte 0\n"
        ".text\n");

struct arguments {
	const char *directory, *duty, *limit;
	uint64_t rounds, seed, failures;
	const char *words[MAX_WORDS];
	unsigned word_count;
	bool simulate;
};

static const char help[] =
    "usage: cunatic run --dir D [--duty NAME] [--for DURATION]   supervise, inspect, metrics, tune, "
    "tidy; see docs/cunatic.md\n"
    "           with --simulate, time passes as fast as it is computed; in the end: the memory it held\n"
    "       cunatic evolve --rounds N --seed S [--dir D]         improve the policy through the gate\n"
    "       cunatic hacks [--seed S]                             try the planted reward hacks\n"
    "       cunatic watchdog [--failures N] [--seed S]           force failures; how soon is the last good "
    "version back?\n"
    "       cunatic versions --dir D                             check the signed log of versions and show "
    "it\n"
    "       cunatic ask --dir D WORDS...                         why NAME, what if NAME, status, metrics, "
    "log\n"
    "       cunatic tell --dir D WORDS...                        hold NAME, start NAME, restart NAME, undo\n"
    "       cunatic stop --dir D | log --dir D\n";

static bool parse(int argc, char **argv, struct arguments *a)
{
	*a = (struct arguments){.rounds = 100, .seed = 1, .failures = 100};
	for (int i = 0; i < argc; i++) {
		const char *option = argv[i];
		char *end = "";
		if (strncmp(option, "--", 2) != 0) {
			if (a->word_count == MAX_WORDS)
				return false;
			a->words[a->word_count++] = option;
			continue;
		}
		if (!strcmp(option, "--simulate")) {
			a->simulate = true;
			continue;
		}
		if (++i == argc) {
			fprintf(stderr, "error: %s needs a value\n", option);
			return false;
		}
		if (!strcmp(option, "--dir"))
			a->directory = argv[i];
		else if (!strcmp(option, "--duty"))
			a->duty = argv[i];
		else if (!strcmp(option, "--for"))
			a->limit = argv[i];
		else if (!strcmp(option, "--rounds"))
			a->rounds = strtoull(argv[i], &end, 10);
		else if (!strcmp(option, "--seed"))
			a->seed = strtoull(argv[i], &end, 10);
		else if (!strcmp(option, "--failures"))
			a->failures = strtoull(argv[i], &end, 10);
		else
			end = "x";
		if (*end) {
			fprintf(stderr, "error: %s %s is not understood\n", option, argv[i]);
			return false;
		}
	}
	return true;
}

static bool need_directory(const struct arguments *a)
{
	if (a->directory && (mkdir(a->directory, 0700) == 0 || errno == EEXIST))
		return true;
	fprintf(stderr,
	        a->directory ? "error: cannot use the directory %s\n" : "error: which directory? --dir D\n",
	        a->directory);
	return false;
}

/* ---- evolve ---- */
static bool log_path(const struct arguments *a, char *path, size_t size, char *temporary)
{
	if (a->directory) {
		if (!need_directory(a))
			return false;
		for (unsigned n = 1; n < 10000; n++) {
			snprintf(path, size, n == 1 ? "%s/versions.log" : "%s/versions-%u.log", a->directory,
			         n);
			if (access(path, F_OK) != 0)
				return true;
		}
		return false;
	}
	static const char pattern[] = "/tmp/cunatic-XXXXXX";
	memcpy(temporary, pattern, sizeof(pattern));
	if (!mkdtemp(temporary))
		return false;
	snprintf(path, size, "%s/versions.log", temporary);
	return true;
}

static void remove_temporary(const char *path, const char *temporary)
{
	char public[1100];
	if (!*temporary)
		return;
	snprintf(public, sizeof(public), "%s.pub", path);
	unlink(public);
	unlink(path);
	rmdir(temporary);
}

/* The policy's score on workloads that neither the agent nor the gate ever uses. */
static double hidden_score(const char *source, size_t length, uint64_t seed)
{
	struct sandbox sandbox;
	double sum = 0, score;
	if (!sandbox_start(&sandbox, source, length))
		return 0;
	for (unsigned i = 0; i < 5; i++)
		if (judge_score(&sandbox, 0xA11CE000u + seed * 31 + i, &score))
			sum += score;
	sandbox_end(&sandbox);
	return sum / 5;
}

/* Everything in the log again, by its public key: chain, signatures, and each commit's capabilities. */
static uint64_t audit(struct gate *gate, const char *path)
{
	char why[200], reason[200];
	long count = versions_verify(path, gate->versions.key.pk, why, sizeof(why));
	uint64_t expected = 1 + gate->accepted + gate->rollbacks, wrong = 0;
	if (count < 0) {
		fprintf(stderr, "error: the log of versions: %s\n", why);
		wrong++;
	} else if ((uint64_t)count != gate->versions.count || (uint64_t)count > expected) {
		fprintf(stderr, "error: the log has %ld records\n", count);
		wrong++;
	}
	if (judge_capabilities(gate->current, gate->current_length, reason, sizeof(reason))) {
		fprintf(stderr, "error: the version in force %s\n", reason);
		wrong++;
	}
	return wrong;
}

static int evolve(const struct arguments *a)
{
	static struct gate gate;
	char path[1024], temporary[64] = "";
	int pair[2];
	size_t length = (size_t)(policy_text_end - policy_text);
	if (!log_path(a, path, sizeof(path), temporary) ||
	    !gate_open(&gate, path, a->seed, policy_text, length))
		return 2;
	double before = hidden_score(policy_text, length, a->seed);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) {
		perror("error: socketpair");
		return 2;
	}
	fflush(NULL);
	pid_t agent = fork();
	if (agent == 0) {
		/* The child has a copy of the gate's memory until it begins anew: wipe what it must not know. */
		memset(&gate.versions.key, 0, sizeof(gate.versions.key));
		memset(&gate.judge, 0, sizeof(gate.judge));
		close(pair[0]);
		agent_main(pair[1], a->seed);
	}
	close(pair[1]);
	gate_serve(&gate, pair[0], a->rounds);
	close(pair[0]);
	int status = 0;
	if (gate.rounds >= a->rounds)
		kill(agent, SIGKILL);
	waitpid(agent, &status, 0);
	if (gate.rounds < a->rounds)
		fprintf(stderr, "error: the agent ended early (status %d, signal %d)\n", WEXITSTATUS(status),
		        WIFSIGNALED(status) ? WTERMSIG(status) : 0);
	for (unsigned stage = 0; stage < STAGE_ACCEPTED; stage++)
		printf("refused at %-12s %llu\n", stage_names[stage],
		       (unsigned long long)gate.failed_at[stage]);
	gate.escapes += audit(&gate, path) + gate.foreign;
	double after = hidden_score(gate.current, gate.current_length, a->seed);
	printf("policy in force:\n%s", gate.current);
	if (a->directory)
		printf("versions: %s\n", path);
	printf("slowest rollback: %.3f s\n", gate.slowest_rollback_s);
	printf("rounds %llu, accepted %llu, rejected %llu, escapes %llu, rollbacks %llu, score before %.4f "
	       "after %.4f\n",
	       (unsigned long long)gate.rounds, (unsigned long long)gate.accepted,
	       (unsigned long long)gate.rejected, (unsigned long long)gate.escapes,
	       (unsigned long long)gate.rollbacks, before, after);
	bool fine = !gate.escapes && gate.rounds >= a->rounds;
	gate_close(&gate);
	remove_temporary(path, temporary);
	return fine ? 0 : 1;
}

static int hacks(const struct arguments *a)
{
	static struct gate gate;
	char path[1024], temporary[64] = "";
	if (!log_path(a, path, sizeof(path), temporary) ||
	    !gate_open(&gate, path, a->seed, policy_text, (size_t)(policy_text_end - policy_text)))
		return 2;
	unsigned through = gate_try_hacks(&gate, stdout);
	through += (unsigned)audit(&gate, path);
	gate_close(&gate);
	remove_temporary(path, temporary);
	return through ? 1 : 0;
}

/* ---- watchdog ---- */
static int watchdog(const struct arguments *a)
{
	static struct gate gate;
	char path[1024], temporary[64] = "";
	static const char better[] =
	    "function decide(queue, rate, cost) {\n    return clamp(floor(rate + queue * 0.3), 1, 64);\n}\n";
	uint64_t back = 0;
	if (!log_path(a, path, sizeof(path), temporary) ||
	    !gate_open(&gate, path, a->seed, policy_text, (size_t)(policy_text_end - policy_text)))
		return 2;
	for (uint64_t i = 0; i < a->failures; i++) {
		if (gate_propose(&gate, "a version that will fail", better, sizeof(better) - 1) !=
		    STAGE_ACCEPTED) {
			fputs("error: the version for the trial was refused\n", stderr);
			break;
		}
		/* Dead at once, or hanging: the watchdog has to find out by itself. */
		kill(gate.live.pid, i % 2 ? SIGSTOP : SIGKILL);
		bool alive = gate_heartbeat(&gate);
		bool good = gate_heartbeat(&gate);
		back += !alive && good && !strncmp(gate.current, policy_text, gate.current_length);
	}
	uint64_t wrong = audit(&gate, path);
	printf("failures %llu, brought back %llu, slowest %.3f s\n", (unsigned long long)a->failures,
	       (unsigned long long)back, gate.slowest_rollback_s);
	bool fine = back == a->failures && !wrong;
	gate_close(&gate);
	remove_temporary(path, temporary);
	return fine ? 0 : 1;
}

static int versions(const struct arguments *a)
{
	char path[1024], name[1100], why[200], line[256];
	static uint8_t key[HYBRID_SIGN_PK_SIZE];
	if (!a->directory) {
		fputs("error: which directory? --dir D\n", stderr);
		return 2;
	}
	snprintf(path, sizeof(path), "%s/versions.log", a->directory);
	snprintf(name, sizeof(name), "%s.pub", path);
	FILE *f = fopen(name, "rb");
	for (size_t i = 0; f && i < sizeof(key); i++) {
		unsigned byte;
		if (fscanf(f, "%2x", &byte) != 1) {
			fclose(f);
			f = NULL;
			break;
		}
		key[i] = (uint8_t)byte;
	}
	if (!f) {
		fprintf(stderr, "error: no public key in %s\n", name);
		return 2;
	}
	fclose(f);
	long count = versions_verify(path, key, why, sizeof(why));
	if (count < 0) {
		fprintf(stderr, "error: %s: %s\n", path, why);
		return 1;
	}
	f = fopen(path, "rb");
	for (bool reason = false, parent = false; f && fgets(line, sizeof(line), f);) {
		if (!strncmp(line, "VERSION ", 8)) {
			printf("%.*s", (int)strcspn(line, "\n"), line);
			parent = true;
		} else if (parent) {
			parent = false;
			reason = true;
		} else if (reason) {
			printf("  %s", line);
			reason = false;
		}
	}
	if (f)
		fclose(f);
	printf("%ld records, every signature verifies\n", count);
	return 0;
}

/* ---- duties ---- */
static struct vm *running;

static void on_signal(int number)
{
	(void)number;
	if (running)
		running->interrupted = true;
}

/* What a simulated run holds in its end, after a full collection. */
static void print_memory(struct vm *vm)
{
	unsigned descriptors = 0;
	uint64_t cycles = vm->heap.major_collections;
	for (int fd = 0; fd < 1024; fd++)
		descriptors += fcntl(fd, F_GETFD) >= 0;
	/* The most that it held, without what it was before it became this program. */
	FILE *status = fopen("/proc/self/status", "r");
	long most = 0;
	for (char line[128]; status && fgets(line, sizeof(line), status);)
		if (sscanf(line, "VmHWM: %ld", &most) == 1)
			break;
	if (status)
		fclose(status);
	size_t live = gc_full(vm);
	struct mallinfo2 info = mallinfo2();
	printf("memory: %zu bytes in use, %u descriptors, %ld KiB at most, %llu cycles, %zu bytes of malloc "
	       "used, %zu unused\n",
	       live, descriptors, most, (unsigned long long)cycles, info.uordblks + info.hblkhd,
	       info.fordblks);
}

static int run_text(const char *name, const char *text, const char *end, struct run_options *options)
{
	struct source *source = source_new(name, text, (size_t)(end - text));
	struct vm *vm = source ? run_prepare(source, options, stdout) : NULL;
	if (!vm)
		return 2;
	running = vm;
	signal(SIGTERM, on_signal);
	signal(SIGINT, on_signal);
	bool ok = program_start(vm) && scheduler_run(vm);
	if (!options->live && options->limit_ns)
		print_memory(vm);
	fflush(stdout);
	if (!ok && !vm->interrupted)
		report_error(vm, stderr);
	int status = ok || vm->interrupted ? 0 : 1;
	running = NULL;
	run_finish(vm);
	return status;
}

static int run_duties(const struct arguments *a)
{
	struct run_options options = {
	    .live = !a->simulate, .allow_clock = true, .allow_process = true, .proc_directory = "/proc"};
	char path[1100];
	static const char *const folders[] = {"files/documents", "files/pictures", "files/sources"};
	static const char *const duties[] = {"supervise", "inspect", "metrics", "tune", "tidy"};
	bool known = !a->duty;
	for (size_t i = 0; i < 5; i++)
		known |= a->duty && !strcmp(a->duty, duties[i]);
	if (!known) {
		fprintf(stderr, "error: no duty is called %s: supervise, inspect, metrics, tune or tidy\n",
		        a->duty);
		return 2;
	}
	if (!need_directory(a))
		return 2;
	if (a->limit && !duration_parse(a->limit, strlen(a->limit), &options.limit_ns)) {
		fprintf(stderr, "error: --for %s is no duration\n", a->limit);
		return 2;
	}
	if (a->simulate && !options.limit_ns) {
		fputs("error: how long is --simulate to last? --for DURATION\n", stderr);
		return 2;
	}
	options.write_directory = a->directory;
	if (a->duty)
		options.words[options.word_count++] = a->duty;
	snprintf(path, sizeof(path), "%s/files", a->directory);
	/* Tidying has its folders made ready, if there is something to tidy. */
	for (size_t i = 0; access(path, F_OK) == 0 && i < 3; i++) {
		char folder[1100];
		snprintf(folder, sizeof(folder), "%s/%s", a->directory, folders[i]);
		if (mkdir(folder, 0755) != 0 && errno != EEXIST)
			fprintf(stderr, "error: cannot make %s: %s\n", folder, strerror(errno));
	}
	return run_text("duties.flux", duties_text, duties_text_end, &options);
}

static int ask(const struct arguments *a)
{
	struct run_options options = {.read_directory = a->directory};
	if (!need_directory(a))
		return 2;
	memcpy(options.words, a->words, sizeof(options.words));
	options.word_count = a->word_count;
	return run_text("ask.flux", ask_text, ask_text_end, &options);
}

static int tell(const struct arguments *a)
{
	char path[1100];
	if (!a->word_count) {
		fputs("error: tell what? hold NAME, start NAME, restart NAME, undo or stop\n", stderr);
		return 2;
	}
	if (!need_directory(a))
		return 2;
	snprintf(path, sizeof(path), "%s/commands", a->directory);
	FILE *f = fopen(path, "ab");
	if (!f) {
		fprintf(stderr, "error: cannot write %s: %s\n", path, strerror(errno));
		return 2;
	}
	for (unsigned i = 0; i < a->word_count; i++)
		fprintf(f, "%s%s", i ? " " : "", a->words[i]);
	fputc('\n', f);
	return fclose(f) == 0 ? 0 : 2;
}

int cunatic_main(int argc, char **argv)
{
	struct arguments a;
	const char *command = argc > 1 ? argv[1] : "";
	if (argc < 2 || !parse(argc - 2, argv + 2, &a)) {
		fputs(help, stderr);
		return 2;
	}
	if (!strcmp(command, "run"))
		return run_duties(&a);
	if (!strcmp(command, "evolve"))
		return evolve(&a);
	if (!strcmp(command, "hacks"))
		return hacks(&a);
	if (!strcmp(command, "watchdog"))
		return watchdog(&a);
	if (!strcmp(command, "versions"))
		return versions(&a);
	if (!strcmp(command, "ask"))
		return ask(&a);
	if (!strcmp(command, "tell"))
		return tell(&a);
	if (!strcmp(command, "stop") || !strcmp(command, "log")) {
		a.word_count = 1;
		a.words[0] = command;
		return *command == 's' ? tell(&a) : ask(&a);
	}
	fputs(help, !strcmp(command, "help") || !strcmp(command, "--help") ? stdout : stderr);
	return strcmp(command, "help") != 0 && strcmp(command, "--help") != 0 ? 2 : 0;
}
