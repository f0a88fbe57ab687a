/* Flux and Cunatic as one file, for the system image: which of them it is, is decided by the name it is called by. */
#include "../flux/commands.h"
#include "gate.h"

#include <string.h>

int main(int argc, char **argv)
{
	const char *slash = argc ? strrchr(argv[0], '/') : NULL;
	const char *name = slash ? slash + 1 : argc ? argv[0] : "";
	return !strcmp(name, "cunatic") ? cunatic_main(argc, argv) : flux_main(argc, argv);
}
