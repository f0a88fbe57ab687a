/* The bundle's header is untrusted: every bound is checked before anything uses it. */
#include "bundle.h"

#include "loader.h"
#include "string.h"

_Static_assert(sizeof(struct bundle_header) <= PAGE_SIZE, "the header must fit the first page");

static const char *entry_check(const struct bundle_entry *entry)
{
	uint32_t length = 0;
	while (length < sizeof(entry->name) && entry->name[length])
		length++;
	if (length == 0 || length == sizeof(entry->name))
		return "an entry has no proper name";
	for (uint32_t i = 0; i < length; i++)
		if (entry->name[i] <= ' ' || entry->name[i] > '~')
			return "an entry has no proper name";
	for (uint32_t i = length; i < sizeof(entry->name); i++)
		if (entry->name[i])
			return "an entry has no proper name";
	if (entry->offset % PAGE_SIZE)
		return "an entry does not start on a page";
	return NULL;
}

const char *bundle_check(const struct bundle_header *header, uint64_t available)
{
	if (available < sizeof(*header))
		return "it is shorter than its header";
	if (header->magic != BUNDLE_MAGIC)
		return "it does not start like a bundle";
	if (header->version != BUNDLE_VERSION)
		return "its version is not the one this loader knows";
	if (header->size > available)
		return "it is shorter than its header says";
	if (header->size % PAGE_SIZE || header->size < PAGE_SIZE)
		return "its size is not whole pages";
	if (header->entry_count > BUNDLE_ENTRY_MAX)
		return "it has too many entries";
	/* One form for one content: what is not used is zero. */
	const uint8_t *unused = (const uint8_t *)&header->entries[header->entry_count];
	for (const uint8_t *byte = unused; byte < (const uint8_t *)(header + 1); byte++)
		if (*byte)
			return "it has something behind its entries";
	if (header->reserved)
		return "its reserved field is not zero";
	uint64_t used = PAGE_SIZE;
	for (uint32_t i = 0; i < header->entry_count; i++) {
		const struct bundle_entry *entry = &header->entries[i];
		const char *why = entry_check(entry);
		if (why)
			return why;
		if (entry->offset < used)
			return "two entries overlap";
		if (entry->offset > header->size || entry->size > header->size - entry->offset)
			return "an entry reaches beyond the end";
		used = page_up(entry->offset + entry->size);
		for (uint32_t j = 0; j < i; j++)
			if (!strcmp(header->entries[j].name, entry->name))
				return "two entries have the same name";
	}
	return NULL;
}

const struct bundle_entry *bundle_find(const struct bundle_header *header, const char *name)
{
	for (uint32_t i = 0; i < header->entry_count; i++)
		if (!strcmp(header->entries[i].name, name))
			return &header->entries[i];
	return NULL;
}
