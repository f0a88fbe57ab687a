/* Access control lists as POSIX 1003.1e draft 17 and acl(5) have them, in the form of Linux' extended attributes: pure
 * functions over a list, tested and fuzzed on the host. What they mean for files: acl_files.c.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define ACL_ENTRIES_MAX 128u /* what the file systems of this house keep; ext4 has less room */
#define ACL_BYTES_MAX   (4u + ACL_ENTRIES_MAX * (uint32_t)sizeof(struct acl_entry))

enum acl_tag {
	ACL_USER_OBJ = 1,
	ACL_USER = 2,
	ACL_GROUP_OBJ = 4,
	ACL_GROUP = 8,
	ACL_MASK = 16,
	ACL_OTHER = 32
};

struct acl_entry {
	uint16_t tag, permissions;
	uint32_t id; /* of ACL_USER and ACL_GROUP */
};

struct acl {
	uint32_t count;
	struct acl_entry entries[];
};

/* What acl_read() fills: as large as a list can be. */
union acl_buffer {
	struct acl acl;
	uint8_t bytes[sizeof(struct acl) + ACL_ENTRIES_MAX * sizeof(struct acl_entry)];
};

static inline uint64_t acl_size(const struct acl *acl)
{
	return sizeof(*acl) + acl->count * sizeof(struct acl_entry);
}

/* An attribute's VALUE; none at all has no entries. 0, -EINVAL, -EOPNOTSUPP (another version) or -ENOSPC (too many entries).
 * What it says need not be a list that acl_valid() takes. */
int acl_read(union acl_buffer *to, const void *value, uint64_t bytes);
/* The attribute's value into room for ACL_BYTES_MAX; its bytes. */
uint32_t acl_write(const struct acl *acl, uint8_t *value);
/* Are the entries those a list must have, in order, and their permissions such? The functions below take no other. */
bool acl_valid(const struct acl *acl);

/* Who asks, of a file of OWNER's, whom the list's first entry means, and GROUP's. */
struct acl_subject {
	uint32_t uid, owner, group;
	bool (*member)(const struct acl_subject *subject, uint32_t gid);
	uint32_t gid; /* for member() */
};
/* Does the list give SUBJECT all of WANT (4 read, 2 write, 1 execute)? */
bool acl_permits(const struct acl *acl, const struct acl_subject *subject, uint32_t want);

/* The nine bits that stand for the list; true where they say all that it says. */
bool acl_mode(const struct acl *acl, uint32_t *bits);
/* chmod(2): owner, others, and the mask (or the group, where there is no mask) become what MODE says. */
void acl_change_mode(struct acl *acl, uint32_t mode);
/* A directory's default list becomes that of a new file asked for with *MODE, whose nine bits become what is left of them:
 * true where the list says more than those. */
bool acl_inherited(struct acl *acl, uint32_t *mode);
