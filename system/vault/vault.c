/* The vault command: makes vaults on block devices, opens and closes them, hands out what is in them. It runs
 * in a sub-kernel that was given block devices; the work is done by the vault service (docs/vault.md). */
#include <fcntl.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <termios.h>
#include "command.h"

static const char usage[] =
    "usage: vault create DEVICE [KEY] [--size S] [--compress] [--anchor|--unanchored] [--erase --yes]\n"
    "                                             make an empty vault (200G, thin), with --machine anchored\n"
    "       vault open DEVICE [NAME] [KEY] [--read-only] [--snapshot S] [--alone] [--anchor|--unanchored]\n"
    "                                             with the other legs of its mirror that there are,\n"
    "                                             unless --alone. --anchor: the machine's TPM refuses\n"
    "                                             older states of it from now on; --unanchored: no more\n"
    "       vault close NAME [--force]            sync, wipe the keys, let the device go\n"
    "       vault ls                              block devices, and the vaults that are open\n"
    "       vault mount NAME[:PATH] DIR [--read-only]\n"
    "       vault grant NAME[:PATH] [--read-only] [-- COMMAND...]\n"
    "                                             run COMMAND (a shell) in a sub-kernel whose root is the\n"
    "                                             image with that directory over it: what it changes stays\n"
    "                                             in the vault\n"
    "       vault snapshot NAME [SNAPSHOT]        keep it as it is now; without SNAPSHOT: list\n"
    "       vault back NAME SNAPSHOT [--yes]      make it what a snapshot is\n"
    "       vault forget NAME SNAPSHOT [--yes]    delete a snapshot\n"
    "       vault scrub NAME                      read and authenticate every block\n"
    "       vault key NAME                        list what opens it\n"
    "       vault key add NAME KEY|--words [KEY] [--label L]\n"
    "                                             one more key; --words: draw recovery words and print them\n"
    "       vault key change NAME --slot N KEY    add a key, then remove that slot\n"
    "       vault key remove NAME --slot N [--yes]\n"
    "       vault grow NAME --size S              more virtual space, also while it is in use\n"
    "       vault rekey NAME KEY|--words [--label L] [--yes], or NAME --continue\n"
    "                                             new keys for all that is in it: the old ones open\n"
    "                                             nothing more\n"
    "       vault quota NAME[:PATH] [--size S] [--files N]\n"
    "                                             what is below that directory may take; 0: no limit.\n"
    "                                             Without limits: say what it takes\n"
    "       vault mirror NAME DEVICE [--erase --yes]\n"
    "                                             copy it to one more device and keep both alike\n"
    "\n"
    "DEVICE is a name that `vault ls` lists, or /dev/block/NAME. KEY: --key-file K, --passphrase-fd N,\n"
    "--passphrase (asks for it on the terminal, as without any of these), --words-fd N (recovery words),\n"
    "--machine (the machine's TPM, while firmware, image and boot words are what they are now). A key that\n"
    "is made of two of them needs both. NAME is the device's unless given. Exit status: 0 good, 1 repaired,\n"
    "2 damaged or the device failed, 3 usage or it cannot be done.\n";

_Noreturn void fail(int status, const char *format, ...)
{
	va_list list;
	fputs("vault: ", stderr);
	va_start(list, format);
	vfprintf(stderr, format, list);
	va_end(list);
	fputc('\n', stderr);
	exit(status);
}

/* What errno means for what was done to WHAT. */
_Noreturn void fail_errno(const char *what)
{
	switch (errno) {
	case ENOSYS:
		fail(WRONG, "this is not Holon");
	case ENODEV:
		fail(WRONG, "%s: no such block device in this sub-kernel ('vault ls' lists them)", what);
	case ENOENT:
		fail(WRONG, "%s: not open, or no such directory or snapshot in it", what);
	case EKEYREJECTED:
		fail(WRONG,
		     "%s: nothing that was given opens it (--key-file, --passphrase-fd, --words-fd or "
		     "--machine)",
		     what);
	case EMEDIUMTYPE:
		fail(WRONG, "%s: there is no vault on it ('vault create' makes one)", what);
	case ENOTEMPTY:
		fail(WRONG, "%s: it is not empty. What is on it would be lost: say --erase --yes to do it",
		     what);
	case ESTALE:
		fail(WRONG,
		     "%s: it is anchored, and older than this machine's TPM knows it, or the TPM does not "
		     "know it: somebody put an old state back, or it comes from another machine. "
		     "'vault open' takes it as it is with --anchor or --unanchored",
		     what);
	case ENXIO:
		fail(WRONG, "%s: there is no TPM that this sub-kernel may use", what);
	case ENODATA:
		fail(WRONG, "%s: the TPM was told of no image: there is nothing to seal a key to", what);
	case EREMOTEIO:
		fail(WRONG, "%s: the TPM does not do it: it has no room, or its owner has a password", what);
	case ENOTRECOVERABLE:
		fail(WRONG,
		     "%s: the TPM keeps the key for another image, firmware or boot words, or another TPM "
		     "has it: give another key",
		     what);
	case EPROTONOSUPPORT:
		fail(WRONG, "%s: made by a version that this one does not know", what);
	case EBUSY:
		fail(WRONG, "%s: in use: unmount it and end its sub-kernels first (close: or say --force)",
		     what);
	case EEXIST:
		fail(WRONG, "%s: the name is taken", what);
	case EPERM:
		fail(WRONG, "%s: this sub-kernel may not do that", what);
	case ENOMEM:
		fail(WRONG, "%s: this sub-kernel has too little memory left (96 MiB for the service)", what);
	case ENOTUNIQ:
		fail(WRONG,
		     "%s: another vault, or it was written without the others. What is on it would be "
		     "lost: say --erase --yes to do it",
		     what);
	case EROFS:
		fail(WRONG, "%s: it is read-only", what);
	case EUCLEAN:
		fail(DAMAGED, "%s: damaged: something fails its authentication", what);
	case EIO:
		fail(DAMAGED, "%s: the device failed", what);
	default:
		fail(WRONG, "%s: %s", what, strerror(errno));
	}
}

void put(char *to, size_t size, const char *text, const char *what)
{
	if (strlen(text) >= size)
		fail(WRONG, "%s: '%s' is too long", what, text);
	strcpy(to, text);
}

uint64_t parse_size(const char *text)
{
	static const char units[] = "KMGT";
	char *end;
	errno = 0;
	uint64_t value = strtoull(text, &end, 10);
	const char *unit = *end ? strchr(units, *end) : 0;
	unsigned shift = unit ? 10 * (unsigned)(unit - units + 1) : 0;
	if (errno || end == text || text[0] == '-' || (*end && (!unit || end[1])) ||
	    value > UINT64_MAX >> shift)
		fail(WRONG, "'%s' is not a size: give a number with K, M, G or T", text);
	return value << shift;
}

/* ---- Keys ---- */

static size_t read_line(int fd, char *to, size_t room)
{
	size_t length = 0;
	while (length < room && read(fd, to + length, 1) == 1 && to[length] != '\n')
		length++;
	return length;
}

static size_t ask(const char *prompt, char *to, size_t room)
{
	struct termios saved;
	struct termios quiet;
	tcgetattr(STDIN_FILENO, &saved);
	quiet = saved;
	quiet.c_lflag &= ~(tcflag_t)ECHO;
	fputs(prompt, stderr);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
	size_t length = read_line(STDIN_FILENO, to, room);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &saved);
	fputc('\n', stderr);
	return length;
}

uint8_t credentials[VAULT_CREDENTIALS_MAX];

void take_credentials(struct holon_vault *request, const struct options *options, bool twice)
{
	struct vault_credentials head = {0};
	char *at = (char *)credentials + sizeof(head);
	char *end = (char *)credentials + sizeof(credentials);
	if (options->passphrase_fd >= 0) {
		head.passphrase_bytes =
		    (uint32_t)read_line(options->passphrase_fd, at, (size_t)(end - at) / 2);
		if (!head.passphrase_bytes)
			fail(WRONG, "file descriptor %d gives no passphrase", options->passphrase_fd);
	} else if (options->passphrase ||
	           (!options->key_file && options->words_fd < 0 && !options->machine && !options->words)) {
		char again[1024];
		if (!isatty(STDIN_FILENO))
			fail(WRONG, "give --key-file, --passphrase-fd, --words-fd or --machine");
		head.passphrase_bytes = (uint32_t)ask("Passphrase: ", at, sizeof(again));
		if (!head.passphrase_bytes)
			fail(WRONG, "no passphrase was given");
		if (twice && (ask("Once more: ", again, sizeof(again)) != head.passphrase_bytes ||
		              memcmp(again, at, head.passphrase_bytes) != 0))
			fail(WRONG, "they differ");
		explicit_bzero(again, sizeof(again));
	}
	at += head.passphrase_bytes;
	if (options->words_fd >= 0)
		head.words_bytes = (uint32_t)read_line(options->words_fd, at, 256);
	at += head.words_bytes;
	if (options->key_file) {
		int fd = open(options->key_file, O_RDONLY | O_CLOEXEC);
		ssize_t got = fd < 0 ? -1 : read(fd, at, (size_t)(end - at));
		if (got < 0)
			fail(WRONG, "%s: %s", options->key_file, strerror(errno));
		if (got == end - at)
			fail(WRONG, "%s: too large for a key file", options->key_file);
		head.key_file_bytes = (uint32_t)got;
		at += got;
		close(fd);
	}
	head.flags = options->machine ? VAULT_CREDENTIAL_MACHINE : 0;
	memcpy(credentials, &head, sizeof(head));
	request->credentials = (uint64_t)(uintptr_t)credentials;
	request->credentials_bytes = (uint64_t)(at - (char *)credentials);
}

/* ---- Commands ---- */

void arguments_are(const struct options *options, int least, int most)
{
	if (options->count < least || options->count > most) {
		fputs(usage, stderr);
		exit(WRONG);
	}
}

void confirm(const struct options *options, const char *what)
{
	char line[16] = "";
	if (options->yes)
		return;
	if (!isatty(STDIN_FILENO))
		fail(WRONG, "%s Say --yes to do it.", what);
	fprintf(stderr, "%s Go on? [y/N] ", what);
	if (!fgets(line, sizeof(line), stdin) || (line[0] != 'y' && line[0] != 'Y'))
		exit(WRONG);
}

static const char *short_name(const char *device)
{
	return strncmp(device, "/dev/block/", 11) == 0 ? device + 11 : device;
}

static int run_create(const struct options *options)
{
	struct holon_vault request = {0};
	arguments_are(options, 1, 1);
	put(request.device, sizeof(request.device), options->arguments[0], "device");
	request.size = options->size ? parse_size(options->size) : 0;
	if (options->erase) {
		confirm(options, "Everything on the device will be lost.");
		request.flags = VAULT_ERASE;
	}
	if (options->compress)
		request.flags |= VAULT_COMPRESS;
	if (options->anchor || (options->machine && !options->unanchored))
		request.flags |= VAULT_ANCHOR;
	take_credentials(&request, options, true);
	int result = holon_vault(HOLON_VAULT_CREATE, &request);
	explicit_bzero(credentials, sizeof(credentials));
	if (result < 0)
		fail_errno(options->arguments[0]);
	return GOOD;
}

static int run_open(const struct options *options)
{
	struct holon_vault request = {0};
	arguments_are(options, 1, 2);
	put(request.device, sizeof(request.device), options->arguments[0], "device");
	put(request.name, sizeof(request.name),
	    options->count > 1 ? options->arguments[1] : short_name(options->arguments[0]), "name");
	if (options->snapshot)
		put(request.snapshot, sizeof(request.snapshot), options->snapshot, "snapshot");
	request.flags = (options->read_only ? VAULT_READ_ONLY : 0) | (options->anchor ? VAULT_ANCHOR : 0) |
	                (options->unanchored ? VAULT_UNANCHORED : 0);
	take_credentials(&request, options, false);
	int result = holon_vault(HOLON_VAULT_OPEN, &request);
	explicit_bzero(credentials, sizeof(credentials));
	if (result < 0)
		fail_errno(options->arguments[0]);
	if (!options->alone && !options->read_only && !options->snapshot)
		find_legs(&request, short_name(options->arguments[0]));
	return GOOD;
}

/* The commands that take a name, or a name and a snapshot, and give nothing. */
int run_simple(const struct options *options, enum holon_vault_operation operation, bool snapshot)
{
	struct holon_vault request = {.flags = options->force ? VAULT_FORCE : 0};
	arguments_are(options, 1 + snapshot, 1 + snapshot);
	put(request.name, sizeof(request.name), options->arguments[0], "name");
	if (snapshot)
		put(request.snapshot, sizeof(request.snapshot), options->arguments[1], "snapshot");
	if (holon_vault(operation, &request) < 0)
		fail_errno(options->arguments[0]);
	return GOOD;
}

static int run_ls(const struct options *options)
{
	char name[32];
	struct vault_info info;
	struct holon_vault request = {0};
	arguments_are(options, 0, 0);
	for (unsigned i = 0; holon_block_list(i, name) == 0; i++)
		printf("device  %s\n", name);
	if (errno == ENOSYS)
		fail_errno("ls");
	while (holon_vault(HOLON_VAULT_LIST, &request) == 0) {
		memcpy(&info, request.result, sizeof(info));
		printf("vault   %s: %.1f MiB used of %.1f GiB, on the device %.1f of %.1f MiB, %u in "
		       "use%s%s%s%s%s%s%s\n",
		       info.name, (double)info.used / (1 << 20), (double)info.size / (1 << 30),
		       (double)info.device_used / (1 << 20), (double)info.device_bytes / (1 << 20),
		       info.sessions, info.flags & VAULT_READ_ONLY ? ", read-only" : "",
		       info.failed ? ", FAILED: the device is gone" : "",
		       info.flags & VAULT_REKEYING ? ", NEW KEYS ARE UNDER WAY: vault rekey --continue" : "",
		       info.flags & VAULT_BEHIND ? ", A LEG IS BEHIND: vault scrub" : "",
		       info.legs > 1 ? ", mirrored" : "", info.flags & VAULT_ANCHOR ? ", anchored" : "",
		       info.legs_failed && !info.failed ? ", A LEG HAS FAILED" : "");
		request.index++;
	}
	return GOOD;
}

static int run_mount(const struct options *options)
{
	arguments_are(options, 2, 2);
	if (mount(options->arguments[0], options->arguments[1], "vault", options->read_only ? MS_RDONLY : 0,
	          "") < 0)
		fail_errno(options->arguments[0]);
	return GOOD;
}

static int run_grant(const struct options *options)
{
	char *words[64] = {"subkernel", "run", options->read_only ? "--vault-read-only" : "--vault"};
	int count = 3;
	arguments_are(options, 1, 1);
	words[count++] = options->arguments[0];
	words[count++] = "--";
	for (char **word = options->command; word && *word; word++) {
		if (count == 63)
			fail(WRONG, "the command has too many words");
		words[count++] = *word;
	}
	if (!options->command)
		words[count - 1] = 0;
	execvp(words[0], words);
	fail(WRONG, "subkernel: %s", strerror(errno));
}

static int number_of(const char *text, const char *what)
{
	char *end;
	long value = strtol(text, &end, 10);
	if (end == text || *end || value < 0 || value > 1 << 20)
		fail(WRONG, "'%s' is not the number of a %s", text, what);
	return (int)value;
}

static void parse(struct options *options, int count, char **words)
{
	enum {
		KEY_FILE = 256,
		PASSPHRASE_FD,
		WORDS_FD,
		SIZE,
		SNAPSHOT,
		READ_ONLY,
		FORCE,
		ERASE,
		YES,
		HELP,
		LABEL,
		SLOT,
		WORDS,
		COMPRESS,
		ALONE,
		CONTINUE,
		NODES,
		MACHINE,
		PASSPHRASE,
		ANCHOR,
		UNANCHORED
	};
	static const struct option known[] = {{"key-file", required_argument, 0, KEY_FILE},
	                                      {"passphrase-fd", required_argument, 0, PASSPHRASE_FD},
	                                      {"words-fd", required_argument, 0, WORDS_FD},
	                                      {"size", required_argument, 0, SIZE},
	                                      {"snapshot", required_argument, 0, SNAPSHOT},
	                                      {"read-only", no_argument, 0, READ_ONLY},
	                                      {"force", no_argument, 0, FORCE},
	                                      {"erase", no_argument, 0, ERASE},
	                                      {"yes", no_argument, 0, YES},
	                                      {"help", no_argument, 0, HELP},
	                                      {"label", required_argument, 0, LABEL},
	                                      {"slot", required_argument, 0, SLOT},
	                                      {"words", no_argument, 0, WORDS},
	                                      {"compress", no_argument, 0, COMPRESS},
	                                      {"alone", no_argument, 0, ALONE},
	                                      {"continue", no_argument, 0, CONTINUE},
	                                      {"files", required_argument, 0, NODES},
	                                      {"machine", no_argument, 0, MACHINE},
	                                      {"passphrase", no_argument, 0, PASSPHRASE},
	                                      {"anchor", no_argument, 0, ANCHOR},
	                                      {"unanchored", no_argument, 0, UNANCHORED},
	                                      {0}};
	int option;
	*options = (struct options){.passphrase_fd = -1, .words_fd = -1, .slot = -1};
	for (int i = 0; i < count; i++)
		if (strcmp(words[i], "--") == 0) {
			options->command = words[i + 1] ? words + i + 1 : 0;
			words[i] = 0;
			count = i;
		}
	while ((option = getopt_long(count, words, "", known, 0)) >= 0) {
		switch (option) {
		case KEY_FILE:
			options->key_file = optarg;
			break;
		case PASSPHRASE_FD:
			options->passphrase_fd = number_of(optarg, "file descriptor");
			break;
		case WORDS_FD:
			options->words_fd = number_of(optarg, "file descriptor");
			break;
		case SIZE:
			options->size = optarg;
			break;
		case SNAPSHOT:
			options->snapshot = optarg;
			break;
		case READ_ONLY:
			options->read_only = true;
			break;
		case FORCE:
			options->force = true;
			break;
		case ERASE:
			options->erase = true;
			break;
		case YES:
			options->yes = true;
			break;
		case LABEL:
			options->label = optarg;
			break;
		case SLOT:
			options->slot = number_of(optarg, "slot");
			break;
		case WORDS:
			options->words = true;
			break;
		case COMPRESS:
			options->compress = true;
			break;
		case ALONE:
			options->alone = true;
			break;
		case CONTINUE:
			options->goes_on = true;
			break;
		case NODES:
			options->nodes = optarg;
			break;
		case MACHINE:
			options->machine = true;
			break;
		case PASSPHRASE:
			options->passphrase = true;
			break;
		case ANCHOR:
			options->anchor = true;
			break;
		case UNANCHORED:
			options->unanchored = true;
			break;
		case HELP:
			fputs(usage, stdout);
			exit(GOOD);
		default:
			exit(WRONG);
		}
	}
	options->arguments = words + optind;
	options->count = count - optind;
}

int main(int count, char **words)
{
	struct options options;
	const char *command = count > 1 ? words[1] : "";
	if (strcmp(command, "--help") == 0) {
		fputs(usage, stdout);
		return GOOD;
	}
	parse(&options, count > 1 ? count - 1 : count, words + (count > 1));
	if (strcmp(command, "create") == 0)
		return run_create(&options);
	if (strcmp(command, "open") == 0)
		return run_open(&options);
	if (strcmp(command, "close") == 0)
		return run_simple(&options, HOLON_VAULT_CLOSE, false);
	if (strcmp(command, "ls") == 0)
		return run_ls(&options);
	if (strcmp(command, "mount") == 0)
		return run_mount(&options);
	if (strcmp(command, "grant") == 0)
		return run_grant(&options);
	if (strcmp(command, "snapshot") == 0)
		return run_snapshot(&options);
	if (strcmp(command, "scrub") == 0)
		return run_scrub(&options);
	if (strcmp(command, "key") == 0)
		return run_key(&options);
	if (strcmp(command, "grow") == 0)
		return run_grow(&options);
	if (strcmp(command, "mirror") == 0)
		return run_mirror(&options);
	if (strcmp(command, "rekey") == 0)
		return run_rekey(&options);
	if (strcmp(command, "quota") == 0)
		return run_quota(&options);
	if (strcmp(command, "back") == 0 || strcmp(command, "forget") == 0) {
		bool back = command[0] == 'b';
		confirm(&options, back ? "What was changed since the snapshot will be lost."
		                       : "The snapshot will be lost.");
		return run_simple(&options, back ? HOLON_VAULT_BACK : HOLON_VAULT_FORGET, true);
	}
	fputs(usage, stderr);
	return WRONG;
}
