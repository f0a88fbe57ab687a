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
		    unit->priority > (unit->budget_ns ? MANIFEST_PRIORITY_MAX : MANIFEST_BEST_EFFORT_MAX) ||
		    unit->ceiling < unit->priority || unit->ceiling > MANIFEST_PRIORITY_MAX ||
		    unit->budget_ns > unit->budget_period_ns ||
		    unit->cpu_share + manifest_budget_share(unit) > 1000000)
			abort();
		for (unsigned j = 0; j < unit->give_count; j++) {
			const struct manifest_give *give = &unit->gives[j];
			if (give->kind == GIVE_REGISTERS && (uint64_t)give->base + give->count > 1ull << 32)
				abort();
			if (give->kind == GIVE_PORT && give->base + give->count > 0x10000)
				abort();
		}
	}
	if (manifest.resident_count > MANIFEST_RESIDENTS_MAX)
		abort();
	for (unsigned i = 0; i < manifest.resident_count; i++) {
		const struct manifest_resident *resident = &manifest.residents[i];
		uint32_t words = 0;
		if (resident->command_bytes > sizeof(resident->command) || !resident->command_bytes ||
		    resident->command[resident->command_bytes - 1] ||
		    strnlen(resident->name, sizeof(resident->name)) == sizeof(resident->name) ||
		    strnlen(resident->image, sizeof(resident->image)) == sizeof(resident->image) ||
		    strnlen(resident->when, sizeof(resident->when)) == sizeof(resident->when))
			abort();
		for (uint32_t at = 0; at < resident->command_bytes; at++)
			words += !resident->command[at];
		if (words != resident->command_words)
			abort();
	}
	return 0;
}
