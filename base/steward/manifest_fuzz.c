/* Fuzzes the manifest's parser: what it accepts is within every limit. */
#include <stdlib.h>
#include <string.h>
#include "manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct manifest manifest;
	unsigned line;
	if (manifest_parse(&manifest, (const char *)data, size, &line))
		return 0;
	if (!manifest.unit_count || manifest.unit_count > MANIFEST_UNITS_MAX)
		abort();
	for (unsigned i = 0; i < manifest.unit_count; i++) {
		const struct manifest_unit *unit = &manifest.units[i];
		if (unit->give_count > MANIFEST_GIVES_MAX ||
		    unit->arguments_bytes > sizeof(unit->arguments) ||
		    strnlen(unit->name, sizeof(unit->name)) == sizeof(unit->name) || !unit->priority ||
		    unit->priority > 127)
			abort();
		for (unsigned j = 0; j < unit->give_count; j++)
			if (unit->gives[j].kind == GIVE_PORT &&
			    unit->gives[j].base + unit->gives[j].count > 0x10000)
				abort();
	}
	return 0;
}
