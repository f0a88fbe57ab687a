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

/* What ends the program from the keyboard or with the terminal, and what was done about each before. */
static const int signals[] = {SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGTSTP};
#define SIGNAL_COUNT (sizeof signals / sizeof *signals)
static struct sigaction old_actions[SIGNAL_COUNT];

static void restore_terminal(void)
{
	tcsetattr(terminal, TCSAFLUSH, &old_settings);
	for (size_t i = 0; i < SIGNAL_COUNT; i++)
		sigaction(signals[i], &old_actions[i], NULL);
}

/* The signal comes again when this returns, and meets the old action. */
static void on_signal(int number)
{
	restore_terminal();
	raise(number);
}

/* Turns echo off. Nobody stops the program while it is off. */
static void silence_terminal(void)
{
	struct termios silent = old_settings;
	silent.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK);
	for (size_t i = 0; i < SIGNAL_COUNT; i++) {
		struct sigaction action = {.sa_handler = signals[i] == SIGTSTP ? SIG_IGN : on_signal};
		sigaction(signals[i], NULL, &old_actions[i]);
		if (old_actions[i].sa_handler != SIG_IGN)
			sigaction(signals[i], &action, NULL);
	}
	tcsetattr(terminal, TCSAFLUSH, &silent);
}

/* Reads a line; its length, without the newline. */
static size_t ask(const char *prompt, char out[MAX_PASSPHRASE])
{
	terminal = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	if (terminal < 0 || tcgetattr(terminal, &old_settings))
		fail("a passphrase is needed and there is no terminal to ask on; use --passphrase-file");
	silence_terminal();
	ssize_t written = write(terminal, prompt, strlen(prompt));
	ssize_t length = read(terminal, out, MAX_PASSPHRASE);
	int why = errno;
	restore_terminal();
	written = written < 0 ? written : write(terminal, "\n", 1);
	close(terminal);
	if (written < 0 || length < 0)
		fail("the terminal: %s", strerror(length < 0 ? why : errno));
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
