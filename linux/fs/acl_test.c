/* acl.c: what is a list, whom it lets in, and how it and a mode follow each other (acl(5)). */
#include "acl.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

static int failures;

static void check(const char *name, bool good)
{
	printf("%sok %s\n", good ? "" : "not ", name);
	failures += !good;
}

static union acl_buffer list;

static struct acl *make(uint32_t count, const struct acl_entry *entries)
{
	list.acl.count = count;
	if (count)
		memcpy(list.acl.entries, entries, count * sizeof(*entries));
	return &list.acl;
}
#define LIST(...)                                                                                            \
	make(sizeof((struct acl_entry[]){__VA_ARGS__}) / sizeof(struct acl_entry),                           \
	     (struct acl_entry[]){__VA_ARGS__})
#define ENTRY(tag, permissions, id)                                                                          \
	{                                                                                                    \
		tag, permissions, id                                                                         \
	}

static bool member(const struct acl_subject *subject, uint32_t gid)
{
	return subject->gid == gid || gid == 500;
}

static bool permits(uint32_t uid, uint32_t gid, uint32_t want)
{
	const struct acl_subject subject = {
	    .uid = uid, .owner = 1, .group = 100, .member = member, .gid = gid};
	return acl_permits(&list.acl, &subject, want);
}

static void values(void)
{
	uint8_t value[ACL_BYTES_MAX + 8] = {2, 0, 0, 0, 1, 0, 7, 0, 9, 9, 9, 9}, back[ACL_BYTES_MAX];
	check("nothing", acl_read(&list, value, 0) == 0 && list.acl.count == 0);
	check("no-entries", acl_read(&list, value, 4) == 0 && list.acl.count == 0);
	check("short", acl_read(&list, value, 3) == -EINVAL && acl_read(&list, value, 11) == -EINVAL);
	check("one", acl_read(&list, value, 12) == 0 && list.acl.count == 1);
	check("back", acl_write(&list.acl, back) == 12 && memcmp(value, back, 8) == 0 && back[8] == 0xff);
	value[4] = 3;
	check("tag", acl_read(&list, value, 12) == -EINVAL);
	value[0] = 1;
	check("version", acl_read(&list, value, 12) == -EOPNOTSUPP);
	value[0] = 2;
	value[4] = 1;
	for (uint32_t i = 1; i < ACL_ENTRIES_MAX; i++)
		value[4 + i * 8] = 1;
	check("most", acl_read(&list, value, ACL_BYTES_MAX) == 0 && list.acl.count == ACL_ENTRIES_MAX);
	check("too-many", acl_read(&list, value, ACL_BYTES_MAX + 8) == -ENOSPC);
}

static void validity(void)
{
	check("valid-least",
	      acl_valid(LIST(ENTRY(ACL_USER_OBJ, 7, 0), ENTRY(ACL_GROUP_OBJ, 5, 0), ENTRY(ACL_OTHER, 0, 0))));
	check("valid-all",
	      acl_valid(LIST(ENTRY(ACL_USER_OBJ, 7, 0), ENTRY(ACL_USER, 6, 3), ENTRY(ACL_USER, 6, 4),
	                     ENTRY(ACL_GROUP_OBJ, 5, 0), ENTRY(ACL_GROUP, 4, 5), ENTRY(ACL_MASK, 4, 0),
	                     ENTRY(ACL_OTHER, 0, 0))));
	check("no-owner", !acl_valid(LIST(ENTRY(ACL_GROUP_OBJ, 5, 0), ENTRY(ACL_OTHER, 0, 0))));
	check("no-others", !acl_valid(LIST(ENTRY(ACL_USER_OBJ, 7, 0), ENTRY(ACL_GROUP_OBJ, 5, 0))));
	check("no-group", !acl_valid(LIST(ENTRY(ACL_USER_OBJ, 7, 0), ENTRY(ACL_OTHER, 0, 0))));
	check("named-without-mask", !acl_valid(LIST(ENTRY(ACL_USER_OBJ, 7, 0), ENTRY(ACL_USER, 6, 3),
	                                            ENTRY(ACL_GROUP_OBJ, 5, 0), ENTRY(ACL_OTHER, 0, 0))));
	check("order",
	      !acl_valid(LIST(ENTRY(ACL_USER_OBJ, 7, 0), ENTRY(ACL_GROUP_OBJ, 5, 0), ENTRY(ACL_USER, 6, 3),
	                      ENTRY(ACL_MASK, 7, 0), ENTRY(ACL_OTHER, 0, 0))));
	check("permissions", !acl_valid(LIST(ENTRY(ACL_USER_OBJ, 8, 0), ENTRY(ACL_GROUP_OBJ, 5, 0),
	                                     ENTRY(ACL_OTHER, 0, 0))));
	check("twice", !acl_valid(LIST(ENTRY(ACL_USER_OBJ, 7, 0), ENTRY(ACL_GROUP_OBJ, 5, 0),
	                               ENTRY(ACL_OTHER, 0, 0), ENTRY(ACL_OTHER, 0, 0))));
	check("empty", !acl_valid(make(0, 0)));
}

static void permissions(void)
{
	LIST(ENTRY(ACL_USER_OBJ, 4, 0), ENTRY(ACL_USER, 7, 3), ENTRY(ACL_USER, 0, 4),
	     ENTRY(ACL_GROUP_OBJ, 1, 0), ENTRY(ACL_GROUP, 6, 200), ENTRY(ACL_GROUP, 0, 300),
	     ENTRY(ACL_GROUP, 2, 500), ENTRY(ACL_MASK, 6, 0), ENTRY(ACL_OTHER, 4, 0));
	check("owner", permits(1, 0, 4) && !permits(1, 200, 2));
	check("user-masked", permits(3, 0, 6) && !permits(3, 0, 1));
	check("user-refused", !permits(4, 200, 4));
	check("group-masked", !permits(9, 100, 1));
	check("group", permits(9, 200, 6));
	check("any-group", permits(9, 300, 2) && !permits(9, 300, 4));
	list.acl.entries[6].id = 600;
	check("others", permits(9, 0, 4) && !permits(9, 0, 2));
	check("group-not-others", !permits(9, 300, 4));
}

static void modes(void)
{
	uint32_t bits;
	LIST(ENTRY(ACL_USER_OBJ, 7, 0), ENTRY(ACL_USER, 7, 3), ENTRY(ACL_GROUP_OBJ, 5, 0),
	     ENTRY(ACL_MASK, 6, 0), ENTRY(ACL_OTHER, 1, 0));
	check("mode-of-mask", !acl_mode(&list.acl, &bits) && bits == 0761);
	acl_change_mode(&list.acl, 02640);
	check("chmod", list.acl.entries[0].permissions == 6 && list.acl.entries[1].permissions == 7 &&
	                   list.acl.entries[2].permissions == 5 && list.acl.entries[3].permissions == 4 &&
	                   list.acl.entries[4].permissions == 0);
	bits = 0100777;
	check("inherited", acl_inherited(&list.acl, &bits) && bits == 0100640);
	bits = 0100420;
	check("inherited-less",
	      acl_inherited(&list.acl, &bits) && bits == 0100400 && list.acl.entries[3].permissions == 0);
	LIST(ENTRY(ACL_USER_OBJ, 7, 0), ENTRY(ACL_GROUP_OBJ, 5, 0), ENTRY(ACL_OTHER, 1, 0));
	bits = 0666;
	check("inherited-plain", !acl_inherited(&list.acl, &bits) && bits == 0640);
}

int main(void)
{
	values();
	validity();
	permissions();
	modes();
	return failures != 0;
}
