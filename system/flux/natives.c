/* The table of built-in functions, put together from the lists of the files that implement them. */
#include "runtime.h"

#include <stdlib.h>

#define NATIVES_MAX 512

extern const struct native_entry core_natives[], list_natives[], text_natives[], math_natives[],
    json_natives[], dist_natives[], timeline_natives[], intention_natives[], time_natives[], regex_natives[],
    capability_natives[], paradox_natives[], agents_natives[], sort_natives[];

static const struct native_entry *const groups[] = {
    core_natives,       list_natives,     text_natives,      math_natives, json_natives,
    dist_natives,       timeline_natives, intention_natives, time_natives, regex_natives,
    capability_natives, paradox_natives,  agents_natives,    sort_natives};

struct native_entry natives[NATIVES_MAX];
unsigned native_count;
static uint16_t table[2 * NATIVES_MAX]; /* index + 1 */

static uint32_t hash(const char *name, size_t length)
{
	uint32_t h = 2166136261u;
	for (size_t i = 0; i < length; i++)
		h = (h ^ (unsigned char)name[i]) * 16777619u;
	return (h ^ h >> 15) % (2 * NATIVES_MAX);
}

void natives_init(void)
{
	if (native_count)
		return;
	for (size_t g = 0; g < sizeof(groups) / sizeof(groups[0]); g++) {
		for (const struct native_entry *n = groups[g]; n->name; n++) {
			if (native_count == NATIVES_MAX) {
				fputs("flux: the table of built-ins is too small\n", stderr);
				abort();
			}
			natives[native_count] = *n;
			uint32_t at = hash(n->name, strlen(n->name));
			while (table[at])
				at = (at + 1) % (2 * NATIVES_MAX);
			table[at] = (uint16_t)++native_count;
		}
	}
}

int native_find(const char *name, size_t length)
{
	for (uint32_t at = hash(name, length); table[at]; at = (at + 1) % (2 * NATIVES_MAX)) {
		const char *candidate = natives[table[at] - 1].name;
		if (!strncmp(candidate, name, length) && !candidate[length])
			return table[at] - 1;
	}
	return -1;
}
