/* The bar that tells on a terminal how far long work is. */
#include "progress.h"

#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

static bool progress_shown;

void progress_end(void)
{
	if (progress_shown)
		fputs("\r\033[K", stderr);
	progress_shown = false;
}

void progress(const char *what, uint64_t done, uint64_t total)
{
	static unsigned last = 1001;
	unsigned permille = total ? (unsigned)(done * 1000 / total) : 1000;
	if (!isatty(2) || permille == last)
		return;
	last = permille > 1000 ? 1000 : permille;
	char bar[41];
	for (unsigned i = 0; i < 40; i++)
		bar[i] = i * 25 < last ? '#' : '.';
	bar[40] = 0;
	fprintf(stderr, "\r%s [%s] %u.%u %%", what, bar, last / 10, last % 10);
	progress_shown = true;
}
