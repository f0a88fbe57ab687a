/* attest: a quote of what this machine runs, for a nonce of who wants to know (docs/boot.md). holon-verify checks it on another machine. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "../subkernel/libholon.h"

enum { NONCE_LEAST = 8, NONCE_MAX = 64 };

static const char usage[] =
    "usage: attest [-o FILE] NONCE\n"
    "Writes a signed quote of what this machine runs to FILE, or to standard output. NONCE: 8 to 64 bytes "
    "in\n"
    "hexadecimal, chosen at random by who is going to check the quote, on another machine:\n"
    "  holon-verify FILE --bundle BUNDLE --root ROOT.pub --nonce NONCE\n";

static int digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* How many bytes the nonce TEXT has; 0: it is none. */
static size_t nonce_read(const char *text, uint8_t nonce[NONCE_MAX])
{
	size_t length = strlen(text);

	if (length % 2 || length / 2 < NONCE_LEAST || length / 2 > NONCE_MAX)
		return 0;
	for (size_t i = 0; i < length / 2; i++) {
		int high = digit(text[2 * i]), low = digit(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return 0;
		nonce[i] = (uint8_t)(high << 4 | low);
	}
	return length / 2;
}

static const char *why(int error)
{
	switch (error) {
	case EPERM:
		return "this sub-kernel may not ask for quotes (subkernel run --attest)";
	case EAGAIN:
		return "no key can be made yet, for lack of randomness: try again";
	case ENOSYS:
		return "this is not Holon";
	default:
		return strerror(error);
	}
}

int main(int count, char **arguments)
{
	static uint8_t quote[HOLON_QUOTE_MAX];
	uint8_t nonce[NONCE_MAX];
	const char *path = NULL;
	int option;

	while ((option = getopt(count, arguments, "o:")) >= 0) {
		if (option != 'o') {
			fputs(usage, stderr);
			return 3;
		}
		path = optarg;
	}
	size_t nonce_bytes = optind == count - 1 ? nonce_read(arguments[optind], nonce) : 0;
	if (!nonce_bytes) {
		fputs(usage, stderr);
		return 3;
	}
	if (!path && isatty(STDOUT_FILENO)) {
		fputs("attest: a quote is no text: give -o FILE, or send it on\n", stderr);
		return 3;
	}
	long size = holon_quote(nonce, nonce_bytes, quote, sizeof(quote));
	if (size < 0) {
		fprintf(stderr, "attest: no quote: %s\n", why(errno));
		return 1;
	}
	FILE *file = path ? fopen(path, "wb") : stdout;
	if (!file || fwrite(quote, 1, (size_t)size, file) != (size_t)size || fclose(file)) {
		fprintf(stderr, "attest: %s: %s\n", path ? path : "standard output", strerror(errno));
		return 1;
	}
	return 0;
}
