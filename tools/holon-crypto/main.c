/* holon-crypto: command line, help, messages. */
#include "tool.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum {
	OPT_SHARED = 256,
	OPT_PEER,
	OPT_PREHASH,
	OPT_PASSPHRASE_FILE,
	OPT_PASSPHRASE,
	OPT_MEMORY,
	OPT_PASSES,
	OPT_LENGTH,
	OPT_DETERMINISTIC,
	OPT_RAW,
	OPT_TEXT
};

static const struct option long_options[] = {
    {"key", required_argument, NULL, 'k'},
    {"out", required_argument, NULL, 'o'},
    {"public", required_argument, NULL, 'p'},
    {"signature", required_argument, NULL, 's'},
    {"context", required_argument, NULL, 'c'},
    {"force", no_argument, NULL, 'f'},
    {"quiet", no_argument, NULL, 'q'},
    {"help", no_argument, NULL, 'h'},
    {"shared", required_argument, NULL, OPT_SHARED},
    {"peer", required_argument, NULL, OPT_PEER},
    {"prehash", required_argument, NULL, OPT_PREHASH},
    {"passphrase-file", required_argument, NULL, OPT_PASSPHRASE_FILE},
    {"passphrase", no_argument, NULL, OPT_PASSPHRASE},
    {"memory", required_argument, NULL, OPT_MEMORY},
    {"passes", required_argument, NULL, OPT_PASSES},
    {"length", required_argument, NULL, OPT_LENGTH},
    {"deterministic", no_argument, NULL, OPT_DETERMINISTIC},
    {"raw", no_argument, NULL, OPT_RAW},
    {"text", no_argument, NULL, OPT_TEXT},
    {NULL, 0, NULL, 0},
};

static const struct command commands[] = {
    {"keygen",
     "ALGORITHM -o SECRET [-p PUBLIC] [--passphrase | --passphrase-file FILE] [--memory MIB] [--passes N] "
     "[--text] [-f]",
     "make a key pair", run_keygen, 1, 1, "o p passphrase passphrase-file memory passes text force"},
    {"public", "-k SECRET [-o PUBLIC] [--text] [--passphrase-file FILE] [-f]",
     "write the public key of a secret key", run_public, 0, 0, "k o text passphrase-file force"},
    {"inspect", "FILE...", "say what key files and signature files are", run_inspect, 1, 1000, ""},
    {"sign", "-k SECRET [-o SIGNATURE] [-c CONTEXT] [--prehash HASH] [--deterministic] [--raw] [FILE]",
     "sign a file", run_sign, 0, 1, "k o c prehash deterministic raw passphrase-file force quiet"},
    {"verify", "-k PUBLIC [-s SIGNATURE] [-c CONTEXT] [--prehash HASH --raw] [FILE]",
     "check a signature; exit status 0 only if it is valid", run_verify, 0, 1, "k s c prehash raw quiet"},
    {"encapsulate", "-k PUBLIC -o CIPHERTEXT --shared SECRET", "make a shared secret for the holder of a key",
     run_encapsulate, 0, 0, "k o shared force"},
    {"decapsulate", "-k SECRET --shared SECRET [CIPHERTEXT]", "find that shared secret", run_decapsulate, 0,
     1, "k shared passphrase-file force"},
    {"agree", "-k SECRET --peer PUBLIC --shared SECRET", "X25519 between two keys", run_agree, 0, 0,
     "k peer shared passphrase-file force"},
    {"seal",
     "-k PUBLIC [-k PUBLIC]... | --passphrase | --passphrase-file FILE [--memory MIB] [--passes N] [-o BOX] "
     "[-c CONTEXT] [FILE]",
     "encrypt for the holders of hybrid-kem keys, or for who knows a passphrase", run_seal, 0, 1,
     "k o c passphrase passphrase-file memory passes force quiet"},
    {"open", "[-k SECRET] [-o FILE] [-c CONTEXT] [--passphrase-file FILE] [BOX]", "decrypt what was sealed",
     run_open, 0, 1, "k o c passphrase-file force quiet"},
    {"hash", "FUNCTION [--length BYTES] [FILE...]", "hash files", run_hash, 1, 100000, "length quiet"},
    {"speed", "[WORD]", "measure the algorithms whose name contains WORD", run_speed, 0, 1, ""},
    {"selftest", "", "check every algorithm on this machine", run_selftest, 0, 0, ""},
};
#define COMMAND_COUNT (sizeof commands / sizeof *commands)

static const char *current_command;

static void print_message(const char *format, va_list arguments)
{
	fprintf(stderr, "holon-crypto%s%s: ", current_command ? " " : "",
	        current_command ? current_command : "");
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
}

_Noreturn void fail(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	print_message(format, arguments);
	va_end(arguments);
	exit(1);
}

_Noreturn void fail_usage(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	print_message(format, arguments);
	va_end(arguments);
	fprintf(stderr, "Try 'holon-crypto %s--help'.\n", current_command ? "COMMAND " : "");
	exit(2);
}

const char *need(const char *value, const char *option)
{
	if (!value)
		fail_usage("%s is missing", option);
	return value;
}

void must(enum crypto_status status, const char *what)
{
	if (status)
		fail("%s: %s", what, crypto_status_text(status));
}

static void print_names(void)
{
	printf("\nAlgorithms:");
	for (size_t i = 0; i < KEY_ALGORITHMS; i++)
		printf("%s%s", i % 6 ? " " : "\n  ", key_algorithms[i].name);
	printf("\nHash functions:");
	for (size_t i = 0; i < tool_hash_count; i++)
		printf("%s%s", i % 8 ? " " : "\n  ", tool_hashes[i].name);
	printf("\n");
}

static void print_help(void)
{
	printf("holon-crypto: keys, signatures, key encapsulation, sealed boxes and hashes, post-quantum and "
	       "classical.\n\n");
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		printf("  holon-crypto %s %s\n      %s\n", commands[i].name, commands[i].synopsis,
		       commands[i].summary);
	printf(
	    "\n"
	    "FILE may be - (or left out) for standard input; -o - writes to standard output.\n"
	    "  -k, --key FILE          the key: a secret one to sign, decapsulate, open; else a public one\n"
	    "  -o, --out FILE          the output; sign writes FILE.sig, seal and open write to standard "
	    "output without it\n"
	    "  -s, --signature FILE    verify: the signature; FILE.sig without it\n"
	    "  -c, --context TEXT      bound into signature or box; both sides must give the same\n"
	    "      --prehash HASH      ML-DSA and SLH-DSA: sign the message's digest (HashML-DSA, "
	    "HashSLH-DSA)\n"
	    "      --deterministic     no fresh randomness in a signature\n"
	    "      --raw               the signature's bytes alone, without the header that names key and "
	    "algorithm\n"
	    "      --text              keys as text, to paste; every command reads both forms\n"
	    "      --passphrase        ask on the terminal for a passphrase to protect the new key or box\n"
	    "      --passphrase-file F read the passphrase from the first line of F (to make or to use a "
	    "key or box)\n"
	    "      --memory MIB, --passes N   cost of guessing that passphrase (64 MiB, 3 passes)\n"
	    "      --length BYTES      hash: output length, for shake128, shake256 and blake3\n"
	    "  -f, --force             replace existing output files\n"
	    "  -q, --quiet             no progress on the terminal\n");
	print_names();
	printf("\nExit status: 0 success, 1 the operation failed or a signature is not valid, 2 wrong "
	       "command line.\n"
	       "Use hybrid-sign to sign and hybrid-kem to seal unless you have a reason not to. See "
	       "docs/holon-crypto.md.\n");
}

static uint32_t parse_number(const char *text, const char *option, uint32_t most)
{
	char *end;
	errno = 0;
	unsigned long number = strtoul(text, &end, 10);
	if (errno || *end || text[0] < '0' || text[0] > '9' || number == 0 || number > most)
		fail_usage("%s takes a number from 1 to %u, not '%s'", option, most, text);
	return (uint32_t)number;
}

/* Whether the command knows the option, by its long name or, for k, o, p, s, c, its letter. */
static bool is_allowed(const struct command *command, int option)
{
	char word[32];
	size_t length;
	if (option < 256 && strchr("kopsc", option)) {
		word[0] = (char)option;
		word[1] = 0;
	} else {
		const struct option *known = long_options;
		while (known->name && known->val != option)
			known++;
		snprintf(word, sizeof word, "%s", known->name ? known->name : "?");
	}
	length = strlen(word);
	for (const char *at = command->allowed; (at = strstr(at, word)); at += length)
		if ((at == command->allowed || at[-1] == ' ') && (at[length] == 0 || at[length] == ' '))
			return true;
	return false;
}

static void parse_options(const struct command *command, int argc, char **argv, struct options *options)
{
	int option;
	opterr = 0;
	while ((option = getopt_long(argc, argv, ":k:o:p:s:c:fqh", long_options, NULL)) != -1) {
		if (option == 'h') {
			printf("holon-crypto %s %s\n    %s\n", command->name, command->synopsis,
			       command->summary);
			print_names();
			exit(0);
		}
		if (option == ':')
			fail_usage("%s needs a value", argv[optind - 1]);
		if (option == '?')
			fail_usage("there is no option %s", argv[optind - 1]);
		if (!is_allowed(command, option))
			fail_usage("%s does not take the option %s", command->name,
			           optarg && argv[optind - 1] == optarg ? argv[optind - 2]
			                                                : argv[optind - 1]);
		switch (option) {
		case 'k':
			if (options->key_count == SHARED_BOX_OPENERS_MAX)
				fail_usage("at most %d keys can open a box", SHARED_BOX_OPENERS_MAX);
			if (options->key_count && command->run != run_seal)
				fail_usage("%s takes one key", command->name);
			options->keys[options->key_count++] = optarg;
			options->key = options->keys[0];
			break;
		case 'o':
			options->out = optarg;
			break;
		case 'p':
			options->public_out = optarg;
			break;
		case 's':
			options->signature = optarg;
			break;
		case 'c':
			options->context = optarg;
			break;
		case 'f':
			options->force = true;
			break;
		case 'q':
			options->quiet = true;
			break;
		case OPT_SHARED:
			options->shared_out = optarg;
			break;
		case OPT_PEER:
			options->peer = optarg;
			break;
		case OPT_PREHASH:
			options->prehash = optarg;
			break;
		case OPT_PASSPHRASE_FILE:
			options->passphrase_file = optarg;
			break;
		case OPT_PASSPHRASE:
			options->passphrase = true;
			break;
		case OPT_MEMORY:
			options->memory_mib = parse_number(optarg, "--memory", KEYFILE_MAX_MEMORY_KIB >> 10);
			break;
		case OPT_PASSES:
			options->passes = parse_number(optarg, "--passes", KEYFILE_MAX_WORK_KIB);
			break;
		case OPT_LENGTH:
			options->length = parse_number(optarg, "--length", 1u << 30);
			break;
		case OPT_DETERMINISTIC:
			options->deterministic = true;
			break;
		case OPT_RAW:
			options->raw = true;
			break;
		case OPT_TEXT:
			options->text = true;
			break;
		}
	}
	options->arguments = argv + optind;
	options->count = argc - optind;
	if (options->count < command->least || options->count > command->most)
		fail_usage("usage: holon-crypto %s %s", command->name, command->synopsis);
}

int main(int argc, char **argv)
{
	/* A standard descriptor that is closed would become the next file that is opened. */
	for (int fd = 0; fd <= 2; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) != fd)
			return 1;
	/* Secrets stay out of core files. */
	setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
	if (argc < 2 || !strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		if (argc >= 2) {
			print_help();
			return 0;
		}
		fail_usage("a command is missing");
	}
	if (!strcmp(argv[1], "--version")) {
		printf("holon-crypto 1 (formats: key file 1, signature file 1, sealed box 1 and 2)\n");
		return 0;
	}
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		if (!strcmp(argv[1], commands[i].name)) {
			struct options options = {0};
			current_command = commands[i].name;
			parse_options(&commands[i], argc - 1, argv + 1, &options);
			commands[i].run(&options);
			if (fflush(stdout) || ferror(stdout))
				fail("standard output: %s", strerror(errno));
			return 0;
		}
	fail_usage("there is no command '%s'", argv[1]);
}
