/* Finding memory by its label: a walk through the capabilities of a unit. */
#include "holon.h"
#include "text.h"

static bool matches(const char *wanted, const char *text, size_t size)
{
	return !*wanted || !__builtin_strncmp(wanted, text, size);
}

static bool label_matches(const struct label *wanted, const struct label *label)
{
	static const struct label none;

	return __builtin_memcmp(label, &none, sizeof none) != 0 &&
	       matches(wanted->owner, label->owner, sizeof label->owner) &&
	       matches(wanted->kind, label->kind, sizeof label->kind) &&
	       matches(wanted->name, label->name, sizeof label->name) &&
	       (!wanted->zone || wanted->zone == label->zone);
}

int64_t memory_find(struct thread_page *page, handle_t scope, uint64_t *index, const struct label *wanted)
{
	for (;;) {
		struct memory_info info;
		int64_t memory = unit_cap(scope, ++*index);

		if (memory == E_HANDLE || memory == E_TYPE || memory == E_RIGHTS)
			continue;
		if (memory < 0)
			return memory;
		if (!memory_info(page, (handle_t)memory, &info) && label_matches(wanted, &info.label))
			return memory;
		cap_delete((handle_t)memory);
	}
}
