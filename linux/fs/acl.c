/* See acl.h. */
#include "acl.h"
#include <string.h>
#include "linux_abi.h"

#define ACL_VERSION 2u

int acl_read(union acl_buffer *to, const void *value, uint64_t bytes)
{
	struct acl *acl = &to->acl;
	uint32_t version;
	acl->count = 0;
	if (!bytes)
		return 0;
	if (bytes < sizeof(version))
		return -EINVAL;
	memcpy(&version, value, sizeof(version));
	if (version != ACL_VERSION)
		return -EOPNOTSUPP;
	bytes -= sizeof(version);
	if (bytes % sizeof(struct acl_entry))
		return -EINVAL;
	if (bytes / sizeof(struct acl_entry) > ACL_ENTRIES_MAX)
		return -ENOSPC;
	memcpy(acl->entries, (const uint8_t *)value + sizeof(version), bytes);
	acl->count = (uint32_t)(bytes / sizeof(struct acl_entry));
	for (uint32_t i = 0; i < acl->count; i++) {
		const struct acl_entry *entry = &acl->entries[i];
		switch (entry->tag) {
		case ACL_USER:
		case ACL_GROUP:
		case ACL_USER_OBJ:
		case ACL_GROUP_OBJ:
		case ACL_MASK:
		case ACL_OTHER:
			break;
		default:
			return -EINVAL;
		}
	}
	return 0;
}

uint32_t acl_write(const struct acl *acl, uint8_t *value)
{
	const uint32_t version = ACL_VERSION;
	memcpy(value, &version, sizeof(version));
	for (uint32_t i = 0; i < acl->count; i++) {
		struct acl_entry entry = acl->entries[i];
		if (entry.tag != ACL_USER && entry.tag != ACL_GROUP)
			entry.id = UINT32_MAX;
		memcpy(value + sizeof(version) + i * sizeof(entry), &entry, sizeof(entry));
	}
	return (uint32_t)sizeof(version) + acl->count * (uint32_t)sizeof(struct acl_entry);
}

bool acl_valid(const struct acl *acl)
{
	/* Which entries may come next: owner, users, the owning group, groups, the mask, others. */
	enum { OWNER, USERS, GROUPS, OTHERS, END } next = OWNER;
	bool masked = false, named = false;
	for (uint32_t i = 0; i < acl->count; i++) {
		const struct acl_entry *entry = &acl->entries[i];
		bool fits = false;
		if (entry->permissions & ~7u)
			return false;
		switch (entry->tag) {
		case ACL_USER_OBJ:
			fits = next == OWNER;
			next = USERS;
			break;
		case ACL_USER:
			fits = next == USERS;
			named = true;
			break;
		case ACL_GROUP_OBJ:
			fits = next == USERS;
			next = GROUPS;
			break;
		case ACL_GROUP:
			fits = next == GROUPS;
			named = true;
			break;
		case ACL_MASK:
			fits = next == GROUPS;
			masked = true;
			next = OTHERS;
			break;
		case ACL_OTHER:
			fits = next == OTHERS || next == GROUPS;
			next = END;
			break;
		default:
			break;
		}
		if (!fits)
			return false;
	}
	return next == END && (masked || !named);
}

static const struct acl_entry *find(const struct acl *acl, uint16_t tag)
{
	for (uint32_t i = 0; i < acl->count; i++)
		if (acl->entries[i].tag == tag)
			return &acl->entries[i];
	return 0;
}

bool acl_permits(const struct acl *acl, const struct acl_subject *subject, uint32_t want)
{
	const struct acl_entry *mask = find(acl, ACL_MASK);
	uint32_t masked = mask ? mask->permissions : 7u;
	bool is_member = false;
	for (uint32_t i = 0; i < acl->count; i++) {
		const struct acl_entry *entry = &acl->entries[i];
		switch (entry->tag) {
		case ACL_USER_OBJ:
			if (subject->uid == subject->owner)
				return !(want & ~(uint32_t)entry->permissions);
			break;
		case ACL_USER:
			if (subject->uid == entry->id)
				return !(want & ~(entry->permissions & masked));
			break;
		case ACL_GROUP_OBJ:
		case ACL_GROUP:
			/* One group is enough that gives all of it. */
			if (!subject->member(subject, entry->tag == ACL_GROUP ? entry->id : subject->group))
				break;
			is_member = true;
			if (!(want & ~(uint32_t)entry->permissions))
				return !(want & ~masked);
			break;
		case ACL_OTHER:
			return !is_member && !(want & ~(uint32_t)entry->permissions);
		default:
			break;
		}
	}
	return false;
}

bool acl_mode(const struct acl *acl, uint32_t *bits)
{
	const struct acl_entry *mask = find(acl, ACL_MASK);
	const struct acl_entry *group = mask ? mask : find(acl, ACL_GROUP_OBJ);
	*bits = (uint32_t)find(acl, ACL_USER_OBJ)->permissions << 6 | (uint32_t)group->permissions << 3 |
	        find(acl, ACL_OTHER)->permissions;
	return acl->count == 3;
}

static void change(struct acl *acl, uint32_t mode, bool only_less)
{
	bool has_mask = find(acl, ACL_MASK);
	for (uint32_t i = 0; i < acl->count; i++) {
		struct acl_entry *entry = &acl->entries[i];
		uint32_t shift = entry->tag == ACL_USER_OBJ ? 6 : entry->tag == ACL_OTHER ? 0 : 3;
		if (entry->tag == ACL_USER || entry->tag == ACL_GROUP ||
		    (entry->tag == ACL_GROUP_OBJ && has_mask))
			continue;
		uint32_t bits = mode >> shift & 7;
		entry->permissions = (uint16_t)(only_less ? entry->permissions & bits : bits);
	}
}

void acl_change_mode(struct acl *acl, uint32_t mode)
{
	change(acl, mode, false);
}

bool acl_inherited(struct acl *acl, uint32_t *mode)
{
	uint32_t bits;
	change(acl, *mode, true);
	bool more = !acl_mode(acl, &bits);
	*mode = (*mode & ~0777u) | bits;
	return more;
}
