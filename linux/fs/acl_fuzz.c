/* Fuzzing of access control lists: any bytes as an attribute's value, or as the entries of one (where the first is odd). What
 * is taken comes back as it was, and never gives more than the mode that stands for it; no change of the mode makes it
 * another kind of list. */
#include "acl.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool nobody(const struct acl_subject *subject, uint32_t gid)
{
	return subject->gid == gid;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	union acl_buffer list;
	uint8_t value[ACL_BYTES_MAX];
	struct acl_subject subject = {.owner = 1, .group = 2, .member = nobody};
	uint32_t mode = 0, bits;
	uint8_t *copy = malloc(size + 1);
	memcpy(copy, data, size);
	if (size % 8 == 4 && (data[0] & 1)) {
		const uint32_t version = 2;
		memcpy(copy, &version, sizeof(version));
		for (size_t at = 4; at < size; at += 8) {
			struct acl_entry entry = {(uint16_t)(1u << data[at] % 6), data[at + 1] & 7,
			                          data[at + 2]};
			memcpy(copy + at, &entry, sizeof(entry));
		}
	}
	if (acl_read(&list, copy, size) == 0 && list.acl.count) {
		if (acl_write(&list.acl, value) != size)
			abort();
		if (acl_valid(&list.acl)) {
			acl_mode(&list.acl, &mode);
			for (uint32_t i = 0; i < list.acl.count; i++) {
				subject.uid = subject.gid = list.acl.entries[i].id;
				if (subject.uid == subject.owner)
					continue;
				for (uint32_t want = 1; want < 8; want++)
					if (acl_permits(&list.acl, &subject, want) &&
					    (want & ~(mode >> 3 & 7)) && (want & ~(mode & 7)))
						abort();
			}
			acl_change_mode(&list.acl, size ? data[size - 1] : 0);
			if (!acl_valid(&list.acl))
				abort();
			mode = size > 4 ? data[size - 4] | 0100000u : 0;
			(void)acl_inherited(&list.acl, &mode);
			acl_mode(&list.acl, &bits);
			if (!acl_valid(&list.acl) || (mode & 0777) != bits)
				abort();
		}
	}
	free(copy);
	return 0;
}
