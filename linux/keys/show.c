/* /proc/keys and /proc/key-users: keyrings(7). */
#include "keys.h"
#include "../proc/proc.h"

static void print_expiry(struct proc_text *text, const struct key *key)
{
	static const struct {
		uint64_t seconds;
		char letter;
	} units[] = {{7 * 24 * 3600, 'w'}, {24 * 3600, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
	uint64_t now = clock_monotonic();
	if (!key->expires)
		proc_print(text, "perm");
	else if (now >= key->expires)
		proc_print(text, "expd");
	else {
		uint64_t left = (key->expires - now) / NS_PER_SECOND;
		unsigned i = 0;
		while (units[i].letter != 's' && left < units[i].seconds)
			i++;
		proc_print(text, "%3lu%c", left / units[i].seconds, units[i].letter);
	}
}

static void print_key(struct proc_text *text, const struct key *key)
{
	proc_print(text, "%08x I%c-%c--%c %5u ", (uint32_t)key->serial, key->flags & KEY_REVOKED ? 'R' : '-',
	           key->flags & KEY_IN_QUOTA ? 'Q' : '-', key->flags & KEY_INVALIDATED ? 'i' : '-',
	           key->references);
	print_expiry(text, key);
	proc_print(text, " %08x %5u %5u %-9s ", key->permissions, uid_seen(key->uid), key_gid_seen(key),
	           key->type->name);
	proc_append(text, key->description, (uint32_t)strlen(key->description));
	if (!key->type->keyring)
		proc_print(text, ": %u\n", key->bytes);
	else if (key->link_count)
		proc_print(text, ": %u\n", key->link_count);
	else
		proc_print(text, ": empty\n");
}

void text_keys(struct proc_text *text, const struct proc_subject *subject)
{
	(void)subject;
	keys_collect();
	uint64_t mark = keys_mark_own();
	for (struct key *key = key_next(0); key && !text->failed; key = key_next(key))
		if (key_permitted((struct key_ref){key, key->found == mark}, KEY_NEED_VIEW))
			print_key(text, key);
}

void text_key_users(struct proc_text *text, const struct proc_subject *subject)
{
	const struct key_user *user;
	(void)subject;
	list_for_each(user, key_users(), link)
	{
		uint32_t keys, bytes;
		key_limits(user->uid, &keys, &bytes);
		proc_print(text, "%5u: %5u %u/%u %u/%u %u/%u\n", uid_seen(user->uid), user->keys, user->keys,
		           user->keys, user->counted_keys, keys, user->counted_bytes, bytes);
	}
}
