/* decoy-check FILE: whether FILE is a configuration that the loader takes (decoy.h), before it is on a medium. */
#include <stdio.h>

#include "decoy.h"

int main(int count, char **arguments)
{
	static struct decoy decoy;
	static char text[DECOY_BYTES_MAX + 1];
	uint32_t line = 0;
	FILE *file = count == 2 ? fopen(arguments[1], "rb") : NULL;
	if (!file) {
		fprintf(stderr, count == 2 ? "decoy-check: %s cannot be read\n" : "usage: %s FILE\n",
		        arguments[count == 2]);
		return 2;
	}
	size_t size = fread(text, 1, sizeof(text), file);
	const char *why = ferror(file) ? "it cannot be read" : decoy_parse(&decoy, text, size, &line);
	fclose(file);
	if (why)
		fprintf(stderr, "%s:%u: %s (boot/menu/decoy.h)\n", arguments[1], line, why);
	return why != NULL;
}
