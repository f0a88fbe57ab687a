/* What generated interface stubs (tools/interface) are made of: packing texts and bytes into the long
 * message. Each item is a 32-bit length, the bytes, and padding to four. */
#pragma once

#include "holon.h"
#include "text.h"

static inline size_t interface_strlen(const char *text)
{
	return strnlen(text, MESSAGE_BYTES_MAX);
}

static inline bool interface_put(struct thread_page *page, uint32_t *at, const void *data, uint32_t bytes)
{
	if (bytes > MESSAGE_BYTES_MAX - 8 || *at > MESSAGE_BYTES_MAX - 8 - bytes)
		return false;
	memcpy(page->bytes + *at, &bytes, 4);
	memmove(page->bytes + *at + 4, data, bytes);
	*at += 4 + ((bytes + 3) & ~3u);
	return true;
}

/* The next item, or 0 where the message is malformed. TEXT: it must end in a NUL. */
static inline const void *interface_take(const struct thread_page *page, uint64_t info, uint32_t *from,
                                         uint32_t *bytes, bool text)
{
	uint32_t total = INFO_BYTES(info);
	if (total > MESSAGE_BYTES_MAX || total < 4 || *from > total - 4)
		return 0;
	memcpy(bytes, page->bytes + *from, 4);
	const uint8_t *data = page->bytes + *from + 4;
	if (*bytes > total - *from - 4 || (text && (!*bytes || data[*bytes - 1])))
		return 0;
	*from += 4 + ((*bytes + 3) & ~3u);
	if (*from > total)
		*from = total;
	return data;
}

/* Copies the handles that came with a message out of the page, which the reply will overwrite; returns how
 * many. */
static inline unsigned interface_received(const struct thread_page *page, uint64_t info,
                                          handle_t received[MESSAGE_CAPS_MAX])
{
	unsigned count = INFO_CAPS(info) > MESSAGE_CAPS_MAX ? MESSAGE_CAPS_MAX : INFO_CAPS(info);
	for (unsigned i = 0; i < count; i++)
		received[i] = page->caps[i];
	return count;
}

static inline void interface_drop(const handle_t *handles, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		cap_delete(handles[i]);
}
