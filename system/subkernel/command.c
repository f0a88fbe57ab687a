/* What the commands on sub-kernels say of errors, numbers and names. */
#include "command.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "libholon.h"
#include "tree.h"

int fail(const char *what)
{
	const char *why = errno == ENOSYS       ? "this is not Holon"
	                  : errno == EPERM      ? "this sub-kernel may not do that"
	                  : errno == ENOMEM     ? "a quota does not suffice"
	                  : errno == ESRCH      ? "no sub-kernel of this number below this one"
	                  : errno == EOPNOTSUPP ? "it runs native programs alone"
	                  : errno == EAGAIN     ? "it is in that state already, or has ended"
	                                        : strerror(errno);
	fprintf(stderr, "%s: %s: %s\n", tree_who, what, why);
	return 1;
}

/* A number with K, M or G; exits with a message where TEXT is none. */
uint64_t number(const char *text, const char *what)
{
	char *end;
	errno = 0;
	uint64_t value = strtoull(text, &end, 0);
	unsigned shift = *end == 'K' ? 10 : *end == 'M' ? 20 : *end == 'G' ? 30 : 0;
	if (errno || end == text || end[shift != 0] || text[0] == '-' || value > UINT64_MAX >> shift) {
		fprintf(stderr, "subkernel: %s: '%s' is not a number\n", what, text);
		exit(2);
	}
	return value << shift;
}

uint64_t find_subkernel(const char *text)
{
	struct subkernel_info info;
	uint64_t by_name = 0;
	unsigned named = 0;
	char *end;
	uint64_t wanted = strtoull(text, &end, 10);
	if (end == text || *end || text[0] == '-')
		wanted = 0;
	for (unsigned index = 0; holon_subkernel_list(index, &info) == 0; index++) {
		if (!index)
			continue; /* this one itself */
		if (wanted && info.number == wanted)
			return wanted;
		if (strncmp(info.name, text, sizeof(info.name)) == 0) {
			by_name = info.number;
			named++;
		}
	}
	if (named == 1)
		return by_name;
	if (named)
		fprintf(stderr,
		        "subkernel: %u sub-kernels are called '%s': say which by its number (subkernel ls)\n",
		        named, text);
	else
		fprintf(stderr, "subkernel: there is no sub-kernel '%s' below this one (subkernel ls)\n",
		        text);
	return 0;
}
