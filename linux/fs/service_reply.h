/* What a file service answers, judged before it is used: structures of abi/holon/file.h out of the bytes of a message.
 * A service may be another sub-kernel's: whatever it says, nothing here reads or writes past what there is. Portable,
 * and fuzzed on the host (reply_fuzz.c). Functions that return bool: whether the answer makes sense.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <holon/file.h>

static inline bool reply_attributes(struct file_attributes *to, const void *data, uint32_t bytes)
{
	if (bytes != sizeof(*to))
		return false;
	memcpy(to, data, sizeof(*to));
	return to->node && to->size <= FILE_SIZE_MAX;
}

/* The one behind COUNT others of what list_attributes() gave. */
static inline bool reply_attributes_at(struct file_attributes *to, const void *data, uint32_t bytes,
                                       uint32_t count)
{
	return bytes / sizeof(*to) > count &&
	       reply_attributes(to, (const uint8_t *)data + count * sizeof(*to), sizeof(*to));
}

/* The entry at *AT of what list() gave, which is moved behind it. */
static inline bool reply_entry(const void *data, uint32_t bytes, uint32_t *at, struct file_entry *entry,
                               char name[FILE_NAME_MAX + 1])
{
	if (*at > bytes || bytes - *at < sizeof(*entry))
		return false;
	memcpy(entry, (const uint8_t *)data + *at, sizeof(*entry));
	if (!entry->name_bytes || entry->name_bytes > FILE_NAME_MAX || entry->entry_bytes > bytes - *at ||
	    entry->entry_bytes < sizeof(*entry) + entry->name_bytes)
		return false;
	memcpy(name, (const uint8_t *)data + *at + sizeof(*entry), entry->name_bytes);
	name[entry->name_bytes] = 0;
	*at += entry->entry_bytes;
	return !memchr(name, '/', entry->name_bytes) && !memchr(name, 0, entry->name_bytes) &&
	       strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

/* A piece of BYTES behind HAVE of a value of TOTAL, which may have MOST: it fits, and the value grows. */
static inline bool reply_piece(uint64_t total, uint64_t most, uint64_t have, uint32_t bytes)
{
	return total <= most && have <= total && bytes <= total - have && (bytes || have == total);
}

/* Names one behind the other: the next after NAME (0: the first), or 0. */
static inline const char *reply_name(const char *names, uint32_t bytes, const char *name)
{
	if (!bytes || names[bytes - 1])
		return 0;
	name = name ? name + strlen(name) + 1 : names;
	return name < names + bytes ? name : 0;
}
