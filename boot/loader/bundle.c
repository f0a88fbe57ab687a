/* The bundle's header is untrusted: every bound is checked before anything uses it. */
#include "bundle.h"

#include "loader.h"
#include "string.h"

_Static_assert(sizeof(struct bundle_header) <= PAGE_SIZE, "the header must fit the first page");

/*@ predicate named(struct bundle_entry *entry) =
      entry->name[0] != 0 && entry->name[BUNDLE_NAME_MAX - 1] == 0 &&
      \forall integer i; 0 <= i < BUNDLE_NAME_MAX ==> entry->name[i] == 0 || ' ' < entry->name[i] <= '~';
*/

/*@ requires \valid_read(entry);
    assigns \nothing;
    ensures \result == \null ==> named(entry) && entry->offset % PAGE_SIZE == 0;
*/
static const char *entry_check(const struct bundle_entry *entry)
{
	uint32_t length = 0;
	/*@ loop invariant length <= BUNDLE_NAME_MAX;
	    loop invariant \forall integer i; 0 <= i < length ==> entry->name[i] != 0;
	    loop assigns length;
	    loop variant BUNDLE_NAME_MAX - length;
	*/
	while (length < sizeof(entry->name) && entry->name[length])
		length++;
	if (length == 0 || length == sizeof(entry->name))
		return "an entry has no proper name";
	/*@ loop invariant i <= length;
	    loop invariant \forall integer k; 0 <= k < i ==> ' ' < entry->name[k] <= '~';
	    loop assigns i;
	    loop variant length - i;
	*/
	for (uint32_t i = 0; i < length; i++)
		if (entry->name[i] <= ' ' || entry->name[i] > '~')
			return "an entry has no proper name";
	/*@ loop invariant length <= i <= BUNDLE_NAME_MAX;
	    loop invariant \forall integer k; length <= k < i ==> entry->name[k] == 0;
	    loop assigns i;
	    loop variant BUNDLE_NAME_MAX - i;
	*/
	for (uint32_t i = length; i < sizeof(entry->name); i++)
		if (entry->name[i])
			return "an entry has no proper name";
	if (entry->offset % PAGE_SIZE)
		return "an entry does not start on a page";
	return NULL;
}

/*@ requires \valid_read(entry);
    assigns \nothing;
*/
static bool entry_empty(const struct bundle_entry *entry)
{
	/*@ loop invariant i <= BUNDLE_NAME_MAX;
	    loop assigns i;
	    loop variant BUNDLE_NAME_MAX - i;
	*/
	for (uint32_t i = 0; i < sizeof(entry->name); i++)
		if (entry->name[i])
			return false;
	return !entry->offset && !entry->size;
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
	/*@ loop invariant header->entry_count <= i <= BUNDLE_ENTRY_MAX;
	    loop assigns i;
	    loop variant BUNDLE_ENTRY_MAX - i;
	*/
	for (uint32_t i = header->entry_count; i < BUNDLE_ENTRY_MAX; i++)
		if (!entry_empty(&header->entries[i]))
			return "it has something behind its entries";
	if (header->reserved)
		return "its reserved field is not zero";
	uint64_t used = PAGE_SIZE;
	/*@ loop invariant i <= header->entry_count;
	    loop invariant PAGE_SIZE <= used <= header->size && used % PAGE_SIZE == 0;
	    loop invariant placed(header, i);
	    loop invariant \forall integer k; 0 <= k < i ==>
	      header->entries[k].offset + header->entries[k].size <= used;
	    loop assigns i, used;
	    loop variant header->entry_count - i;
	*/
	for (uint32_t i = 0; i < header->entry_count; i++) {
		const struct bundle_entry *entry = &header->entries[i];
		const char *why = entry_check(entry);
		if (why)
			return why;
		if (entry->offset < used)
			return "two entries overlap";
		if (entry->offset > header->size || entry->size > header->size - entry->offset)
			return "an entry reaches beyond the end";
		/*@ assert entry->offset + entry->size <= header->size <= 0xfffffffffffff000; */
		used = page_up(entry->offset + entry->size);
		/*@ loop invariant j <= i;
		    loop assigns j;
		    loop variant i - j;
		*/
		for (uint32_t j = 0; j < i; j++)
			if (!strcmp(header->entries[j].name, entry->name))
				return "two entries have the same name";
	}
	return NULL;
}

const struct bundle_entry *bundle_find(const struct bundle_header *header, const char *name)
{
	/*@ loop invariant i <= header->entry_count;
	    loop assigns i;
	    loop variant header->entry_count - i;
	*/
	for (uint32_t i = 0; i < header->entry_count; i++)
		if (!strcmp(header->entries[i].name, name))
			return &header->entries[i];
	return NULL;
}
