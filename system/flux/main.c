/* The command `flux`: its subcommands and their options. */
#include "commands.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

static struct vm *running;

static void on_interrupt(int signal_number)
{
	(void)signal_number;
	if (running)
		running->interrupted = true;
}

void watch_interrupts(struct vm *vm)
{
	running = vm;
	signal(SIGINT, vm ? on_interrupt : SIG_DFL);
}

static const struct command commands[] = {
    {"run", command_run, "FILE [--seed N] [--input FILE] [--fuel N] [--trace FILE] ... run a program"},
    {"replay", command_replay, "TRACE                            run a trace again and compare"},
    {"check", command_check, "FILE...                          report errors; status 1 if there are any"},
    {"test", command_test, "PATH...                          run the tests of files and directories"},
    {"dump", command_dump, "FILE                             show the compiled instructions"},
    {"fmt", command_fmt, "[--check] FILE...                write files in the canonical layout"},
    {"explain", command_explain, "FILE [options of run]            tell what each intention does, and why"},
    {"repl", command_repl, "                                 an interactive session"},
    {"debug", command_debug, "FILE [options of run]            run step by step"},
    {"profile", command_profile, "FILE [options of run]            where the steps are spent"},
    {"doc", command_doc, "FILE... | --builtins             documentation of a program in Markdown"},
    {"lsp", command_lsp, "                                 language server on standard input and output"},
};

static void usage(FILE *out)
{
	fputs("usage: flux COMMAND ...\n\n", out);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		fprintf(out, "  flux %-8s %s\n", commands[i].name, commands[i].help);
	fputs("\nOptions of run:\n"
	      "  --seed N         seed of random choices (0)\n"
	      "  --input FILE     lines for listen(user ...); '@source text' for others, '@source +2s text' "
	      "for later\n"
	      "  --fuel N         stop after so many calls and loop turns\n"
	      "  --trace FILE     record the run, for flux replay\n"
	      "  --for DURATION   end when so much time has passed in the program\n"
	      "  --live           waiting takes real time, and what happens outside wakes; --input - reads "
	      "lines as they come\n"
	      "  --memory MIB     memory limit (1024)\n"
	      "  --read DIR       hand the program args.files, to read below DIR\n"
	      "  --write DIR      the same, to read and write\n"
	      "  --clock, --process, --net, --subkernels   hand it args.clock, args.process, args.net, "
	      "args.subkernels\n"
	      "  --walk           by the plain evaluator; --gc-stress  collect at every allocation\n"
	      "  -- WORD...       args.words\n",
	      out);
}

/* A whole number without sign, from `least` to `most`. */
static bool parse_number_option(const char *text, uint64_t least, uint64_t most, uint64_t *number)
{
	char *end;
	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*number = strtoull(text, &end, 10);
	return !*end && !errno && *number >= least && *number <= most;
}

bool parse_run_options(int argc, char **argv, struct run_options *options, const char **file)
{
	*file = NULL;
	memset(options, 0, sizeof(*options));
	for (int i = 0; i < argc; i++) {
		const char *a = argv[i], *value = NULL;
		static const char *const with_value[] = {"--seed", "--input",  "--fuel", "--trace",
		                                         "--for",  "--memory", "--read", "--write"};
		if (!strcmp(a, "--")) {
			for (i++; i < argc; i++) {
				if (options->word_count == MAX_WORDS) {
					fprintf(stderr, "error: a program takes at most %d words\n",
					        MAX_WORDS);
					return false;
				}
				options->words[options->word_count++] = argv[i];
			}
			break;
		}
		for (size_t k = 0; k < sizeof(with_value) / sizeof(with_value[0]); k++)
			if (!strcmp(a, with_value[k])) {
				if (i + 1 >= argc) {
					fprintf(stderr, "error: %s needs a value\n", a);
					return false;
				}
				value = argv[++i];
			}
		bool good = !value || *value;
		uint64_t number = 0;
		if (!strcmp(a, "--seed"))
			good =
			    parse_number_option(value + (*value == '-'), 0, UINT64_MAX,
			                        &options->seed); /* as in Python, the sign does not matter */
		else if (!strcmp(a, "--fuel")) {
			good = parse_number_option(value, 1, INT64_MAX, &number);
			options->fuel = (int64_t)number;
		} else if (!strcmp(a, "--memory")) {
			good = parse_number_option(value, 1, 16383, &number);
			options->memory = number << 20;
		} else if (!strcmp(a, "--input"))
			options->input_path = value;
		else if (!strcmp(a, "--trace"))
			options->trace_path = value;
		else if (!strcmp(a, "--read"))
			options->read_directory = value;
		else if (!strcmp(a, "--write"))
			options->write_directory = value;
		else if (!strcmp(a, "--for"))
			good =
			    duration_parse(value, strlen(value), &options->limit_ns) && options->limit_ns > 0;
		else if (!strcmp(a, "--live"))
			options->live = true;
		else if (!strcmp(a, "--clock"))
			options->allow_clock = true;
		else if (!strcmp(a, "--process"))
			options->allow_process = true;
		else if (!strcmp(a, "--net"))
			options->allow_net = true;
		else if (!strcmp(a, "--subkernels"))
			options->allow_subkernels = true;
		else if (!strcmp(a, "--walk"))
			options->walk = true;
		else if (!strcmp(a, "--gc-stress"))
			options->stress = true;
		else if (a[0] == '-' && a[1]) {
			fprintf(stderr, "error: unknown option %s; flux help lists all\n", a);
			return false;
		} else if (!*file)
			*file = a;
		else {
			fprintf(stderr, "error: one program at a time; words for it come after --\n");
			return false;
		}
		if (!good) {
			fprintf(stderr, "error: %s cannot be '%s'\n", a, value);
			return false;
		}
	}
	if (!*file)
		fputs("error: which file?\n", stderr);
	return *file != NULL;
}

int flux_main(int argc, char **argv)
{
	static char buffer[1 << 16];
	setvbuf(stdout, buffer, _IOFBF, sizeof(buffer));
	if (argc < 2) {
		usage(stderr);
		return 2;
	}
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(argv[1], commands[i].name)) {
			int status = commands[i].run(argc - 2, argv + 2);
			if (fflush(stdout) != 0 || ferror(stdout)) {
				fputs("error: the output could not be written\n", stderr);
				return 1;
			}
			return status;
		}
	bool help = !strcmp(argv[1], "help") || !strcmp(argv[1], "--help") || !strcmp(argv[1], "-h");
	if (!help)
		fprintf(stderr, "error: unknown command '%s'\n", argv[1]);
	usage(help ? stdout : stderr);
	return help ? 0 : 2;
}
