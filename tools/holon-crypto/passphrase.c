/* Passphrases: the first line of a file, or asked for on the terminal without echo. */
#include "tool.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

static int terminal = -1;
static struct termios old_settings;

static void restore_terminal(int number)
{
	tcsetattr(terminal, TCSAFLUSH, &old_settings);
	signal(number, SIG_DFL);
	raise(number);
}

/* Reads a line; its length, without the newline. */
static size_t ask(const char *prompt, char out[MAX_PASSPHRASE])
{
	terminal = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	if (terminal < 0 || tcgetattr(terminal, &old_settings))
		fail("a passphrase is needed and there is no terminal to ask on; use --passphrase-file");
	struct termios silent = old_settings;
	silent.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK);
	signal(SIGINT, restore_terminal);
	signal(SIGTERM, restore_terminal);
	tcsetattr(terminal, TCSAFLUSH, &silent);
	ssize_t written = write(terminal, prompt, strlen(prompt));
	ssize_t length = read(terminal, out, MAX_PASSPHRASE);
	tcsetattr(terminal, TCSAFLUSH, &old_settings);
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	written = written < 0 ? written : write(terminal, "\n", 1);
	close(terminal);
	if (written < 0 || length < 0)
		fail("the terminal: %s", strerror(errno));
	if (length == MAX_PASSPHRASE)
		fail("the passphrase is longer than %d bytes", MAX_PASSPHRASE - 1);
	return length > 0 && out[length - 1] == '\n' ? (size_t)length - 1 : (size_t)length;
}

size_t read_passphrase(const struct options *options, const char *path, bool twice, char out[MAX_PASSPHRASE])
{
	size_t size;
	if (options->passphrase_file) {
		size = read_small(options->passphrase_file, out, MAX_PASSPHRASE, "a passphrase");
		char *end = memchr(out, '\n', size);
		if (end)
			size = (size_t)(end - out);
		if (size == 0)
			fail("%s: the first line is empty, and an empty passphrase protects nothing",
			     input_name(options->passphrase_file));
		return size;
	}
	char prompt[300];
	snprintf(prompt, sizeof prompt, "Passphrase for %.200s: ", path);
	size = ask(prompt, out);
	if (!twice)
		return size;
	char again[MAX_PASSPHRASE];
	if (size == 0)
		fail("an empty passphrase protects nothing");
	size_t again_size = ask("The same again: ", again);
	bool same = size == again_size && crypto_equal(out, again, size);
	crypto_wipe(again, sizeof again);
	if (!same)
		fail("the two passphrases differ");
	return size;
}
