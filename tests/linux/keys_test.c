/* Keys and keyrings: add_key(2), request_key(2), keyctl(2), /proc/keys: keyrings(7). */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/keyctl.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <sys/syscall.h>
#include "check.h"

#define fails(call, number) ((long)(call) == -1 && errno == (number))
#define NONE                ((const char *)0)

static long add(const char *type, const char *name, const void *payload, size_t bytes, long ring)
{
	return syscall(SYS_add_key, type, name, payload, bytes, ring);
}
static long request(const char *type, const char *name, const char *information, long into)
{
	return syscall(SYS_request_key, type, name, information, into);
}
static long control(int command, ...)
{
	__builtin_va_list list;
	__builtin_va_start(list, command);
	long a = __builtin_va_arg(list, long), b = __builtin_va_arg(list, long),
	     c = __builtin_va_arg(list, long), d = __builtin_va_arg(list, long);
	__builtin_va_end(list);
	return syscall(SYS_keyctl, command, a, b, c, d);
}
#define CALL(command, ...)              CALL5(command, ##__VA_ARGS__, 0, 0, 0, 0)
#define CALL5(command, a, b, c, d, ...) control(command, (long)(a), (long)(b), (long)(c), (long)(d))

#define SESSION KEY_SPEC_SESSION_KEYRING
#define PROCESS KEY_SPEC_PROCESS_KEYRING
#define THREAD  KEY_SPEC_THREAD_KEYRING
#define USER    KEY_SPEC_USER_KEYRING

static int describes(long key, const char *type, const char *permissions, const char *name)
{
	char text[256] = "", expected[256];
	long length = CALL(KEYCTL_DESCRIBE, key, text, sizeof(text));
	snprintf(expected, sizeof(expected), "%s;%d;%d;%s;%s", type, getuid(), getgid(), permissions, name);
	if (length != (long)strlen(expected) + 1 || strcmp(text, expected))
		printf("# %ld %s, not %s\n", length, text, expected);
	return length == (long)strlen(expected) + 1 && !strcmp(text, expected);
}

static int holds(long ring, long key)
{
	int32_t keys[64];
	long bytes = CALL(KEYCTL_READ, ring, keys, sizeof(keys));
	for (long i = 0; i < bytes / 4; i++)
		if (keys[i] == key)
			return 1;
	return 0;
}

static int in_proc(long key, const char *words)
{
	char line[512], start[16];
	int found = 0;
	FILE *file = fopen("/proc/keys", "r");
	snprintf(start, sizeof(start), "%08lx ", key);
	while (file && fgets(line, sizeof(line), file))
		if (!strncmp(line, start, 9))
			found = !!strstr(line, words);
	if (file)
		fclose(file);
	return found;
}

static void making(void)
{
	char text[64] = "";
	long key = add("user", "one", "hello", 5, PROCESS);
	check("add", key > 2);
	check("describe", describes(key, "user", "3f010000", "one"));
	check("read", CALL(KEYCTL_READ, key, text, sizeof(text)) == 5 && !strcmp(text, "hello"));
	text[0] = 0;
	check("read-short", CALL(KEYCTL_READ, key, text, 3) == 5 && !text[0]);
	check("read-length", CALL(KEYCTL_READ, key, NONE, 0) == 5);
	check("add-again", add("user", "one", "other words", 11, PROCESS) == key &&
	                       CALL(KEYCTL_READ, key, text, sizeof(text)) == 11 &&
	                       !memcmp(text, "other words", 11));
	check("update", CALL(KEYCTL_UPDATE, key, "third", 5) == 0 && CALL(KEYCTL_READ, key, text, 64) == 5 &&
	                    !memcmp(text, "third", 5));
	check("update-nothing", fails(CALL(KEYCTL_UPDATE, key, NONE, 0), EINVAL));
	check("update-much", fails(CALL(KEYCTL_UPDATE, key, text, 4097), EINVAL));
	check("add-nothing", fails(add("user", "two", "", 0, PROCESS), EINVAL));
	check("add-no-name", fails(add("user", "", "x", 1, PROCESS), EINVAL) &&
	                         fails(add("user", NONE, "x", 1, PROCESS), EINVAL));
	check("add-type", fails(add("nonsense", "two", "x", 1, PROCESS), ENODEV));
	check("add-type-dot", fails(add(".user", "two", "x", 1, PROCESS), EPERM));
	check("add-type-long",
	      fails(add("abcdefghijklmnopqrstuvwxyzabcdefghi", "two", "x", 1, PROCESS), EINVAL));
	check("add-type-fault", fails(add((char *)8, "two", "x", 1, PROCESS), EFAULT));
	check("add-name-fault", fails(add("user", (char *)8, "x", 1, PROCESS), EFAULT));
	check("add-payload-fault", fails(add("user", "two", (char *)8, 1, PROCESS), EFAULT));
	check("add-ring", fails(add("user", "two", "x", 1, 0), EINVAL) &&
	                      fails(add("user", "two", "x", 1, KEY_SPEC_GROUP_KEYRING), EINVAL) &&
	                      fails(add("user", "two", "x", 1, 0x7ffffff0), ENOKEY));
	check("add-to-key", fails(add("user", "two", "x", 1, key), ENOTDIR));
	check("ring-dot", fails(add("keyring", ".mine", NONE, 0, PROCESS), EPERM));
	check("ring-payload", fails(add("keyring", "mine", "x", 1, PROCESS), EINVAL));
	char *large = calloc(1, 40000);
	long big = add("user", "big", large, 17000, PROCESS);
	check("add-big", big > 0 && CALL(KEYCTL_READ, big, NONE, 0) == 17000);
	check("add-too-big", fails(add("user", "huge", large, 32768, PROCESS), EINVAL));
	check("add-far-too-big", fails(add("user", "huge", large, 2 << 20, PROCESS), EINVAL));
	free(large);
	long logon = add("logon", "service:name", "secret", 6, PROCESS);
	check("logon", logon > 0 && describes(logon, "logon", "3d010000", "service:name"));
	check("logon-read", fails(CALL(KEYCTL_READ, logon, text, 64), EOPNOTSUPP));
	check("logon-name", fails(add("logon", "name", "x", 1, PROCESS), EINVAL) &&
	                        fails(add("logon", ":name", "x", 1, PROCESS), EINVAL));
	long ring = add("keyring", "ring", NONE, 0, PROCESS);
	check("ring", ring > 0 && describes(ring, "keyring", "3f010000", "ring"));
	check("ring-update", fails(CALL(KEYCTL_UPDATE, ring, "x", 1), EOPNOTSUPP));
	check("ring-again", add("keyring", "ring", NONE, 0, PROCESS) != ring);
	check("security", CALL(KEYCTL_GET_SECURITY, key, text, sizeof(text)) >= 1);
	check("proc",
	      in_proc(key, "3f010000") && in_proc(key, "user      one: 5") && in_proc(key, "I--Q---"));
	check("command", fails(CALL(1000, 0), EOPNOTSUPP));
}

static void links(void)
{
	long a = add("keyring", "a", NONE, 0, PROCESS), b = add("keyring", "b", NONE, 0, a);
	long key = add("user", "inner", "x", 1, b), other = add("user", "beside", "y", 1, PROCESS);
	check("search", CALL(KEYCTL_SEARCH, a, "user", "inner", 0) == key);
	check("search-process", CALL(KEYCTL_SEARCH, PROCESS, "user", "inner", 0) == key);
	check("search-into", CALL(KEYCTL_SEARCH, a, "user", "inner", a) == key && holds(a, key));
	check("search-nothing", fails(CALL(KEYCTL_SEARCH, a, "user", "beside", 0), ENOKEY));
	check("search-other-type", fails(CALL(KEYCTL_SEARCH, a, "logon", "inner", 0), ENOKEY));
	check("search-no-type", fails(CALL(KEYCTL_SEARCH, a, "nonsense", "inner", 0), ENOKEY));
	check("search-key", fails(CALL(KEYCTL_SEARCH, key, "user", "inner", 0), ENOTDIR));
	check("search-ring", CALL(KEYCTL_SEARCH, PROCESS, "keyring", "b", 0) == b);
	check("request", request("user", "inner", NONE, 0) == key);
	check("request-into", request("user", "beside", NONE, b) == other && holds(b, other));
	check("request-nothing", fails(request("user", "nowhere", NONE, 0), ENOKEY));
	check("request-made", fails(request("user", "to be made", "how", 0), ENOENT));
	check("request-type", fails(request("nonsense", "nowhere", NONE, 0), ENOKEY));
	check("link", CALL(KEYCTL_LINK, other, a) == 0 && holds(a, other));
	check("link-to-key", fails(CALL(KEYCTL_LINK, other, key), ENOTDIR));
	check("link-circle",
	      fails(CALL(KEYCTL_LINK, a, b), EDEADLK) && fails(CALL(KEYCTL_LINK, a, a), EDEADLK));
	check("unlink", CALL(KEYCTL_UNLINK, other, a) == 0 && !holds(a, other));
	check("unlink-again", fails(CALL(KEYCTL_UNLINK, other, a), ENOENT));
	check("unlink-key", fails(CALL(KEYCTL_UNLINK, other, key), ENOTDIR));
	long twin = add("user", "inner", "z", 1, PROCESS);
	check("link-replaces", CALL(KEYCTL_LINK, twin, a) == 0 && holds(a, twin) && !holds(a, key));
	check("move", CALL(KEYCTL_MOVE, twin, a, PROCESS, 0) == 0 && !holds(a, twin) && holds(PROCESS, twin));
	check("move-exclusive", fails(CALL(KEYCTL_MOVE, key, b, PROCESS, KEYCTL_MOVE_EXCL), EEXIST));
	check("move-flags", fails(CALL(KEYCTL_MOVE, key, b, PROCESS, 2), EINVAL));
	check("move-from", fails(CALL(KEYCTL_MOVE, other, a, b, 0), ENOENT));
	check("clear", CALL(KEYCTL_CLEAR, b) == 0 && CALL(KEYCTL_READ, b, NONE, 0) == 0);
	check("clear-key", fails(CALL(KEYCTL_CLEAR, other), ENOTDIR));
	for (int i = 0; i < 100 && CALL(KEYCTL_DESCRIBE, key, NONE, 0) > 0; i++)
		pause_ms(20); /* Linux forgets it later */
	check("gone", fails(CALL(KEYCTL_DESCRIBE, key, NONE, 0), ENOKEY));
	long rings[9] = {0}, linked = 0;
	for (int i = 0; i < 9; i++) {
		char name[8] = {'d', (char)('0' + i)};
		rings[i] = add("keyring", name, NONE, 0, PROCESS);
		linked += i && CALL(KEYCTL_LINK, rings[i], rings[i - 1]) == 0;
	}
	check("deep", linked == 8 && add("user", "bottom", "x", 1, rings[8]) > 0);
	check("deep-search", fails(CALL(KEYCTL_SEARCH, rings[0], "user", "bottom", 0), ENOKEY) &&
	                         CALL(KEYCTL_SEARCH, rings[2], "user", "bottom", 0) > 0);
	check("deep-link", fails(CALL(KEYCTL_LINK, rings[0], a), ELOOP));
	long closed = add("keyring", "closed", NONE, 0, PROCESS);
	check("restrict", CALL(KEYCTL_RESTRICT_KEYRING, closed, NONE, NONE) == 0 &&
	                      fails(add("user", "k", "x", 1, closed), EPERM) &&
	                      fails(CALL(KEYCTL_LINK, other, closed), EPERM));
	check("restrict-again", fails(CALL(KEYCTL_RESTRICT_KEYRING, closed, NONE, NONE), EEXIST));
}

static void ends(void)
{
	char text[64];
	long key = add("user", "brief", "x", 1, PROCESS);
	check("timeout", CALL(KEYCTL_SET_TIMEOUT, key, 1) == 0 && CALL(KEYCTL_READ, key, text, 64) == 1);
	pause_ms(2100);
	check("expired", fails(CALL(KEYCTL_READ, key, text, 64), EKEYEXPIRED) && in_proc(key, " expd "));
	check("expired-search", fails(CALL(KEYCTL_SEARCH, PROCESS, "user", "brief", 0), EKEYEXPIRED));
	check("expired-request", fails(request("user", "brief", NONE, 0), ENOKEY));
	check("expired-unlink", CALL(KEYCTL_UNLINK, key, PROCESS) == 0);
	key = add("user", "revoked", "x", 1, PROCESS);
	check("revoke",
	      CALL(KEYCTL_REVOKE, key) == 0 && fails(CALL(KEYCTL_READ, key, text, 64), EKEYREVOKED) &&
	          fails(CALL(KEYCTL_DESCRIBE, key, text, 64), EKEYREVOKED) && in_proc(key, "IR-Q---"));
	check("revoke-again", fails(CALL(KEYCTL_REVOKE, key), EKEYREVOKED));
	check("revoked-request", fails(request("user", "revoked", NONE, 0), EKEYREVOKED) || errno == ENOKEY);
	check("revoked-add", add("user", "revoked", "y", 1, PROCESS) != key);
	key = add("user", "invalid", "x", 1, PROCESS);
	check("invalidate", CALL(KEYCTL_INVALIDATE, key) == 0);
	for (int i = 0; i < 100 && holds(PROCESS, key); i++)
		pause_ms(20);
	check("invalid", !holds(PROCESS, key) && fails(CALL(KEYCTL_DESCRIBE, key, text, 64), ENOKEY));
	key = add("user", "owned", "x", 1, PROCESS);
	check("setperm",
	      CALL(KEYCTL_SETPERM, key, 0x3f3f0000) == 0 && describes(key, "user", "3f3f0000", "owned"));
	check("setperm-wrong", fails(CALL(KEYCTL_SETPERM, key, 0x40000000), EINVAL));
	check("setperm-none", CALL(KEYCTL_SETPERM, key, 0x00010000) == 0 &&
	                          fails(CALL(KEYCTL_READ, key, text, 64), EACCES) &&
	                          fails(CALL(KEYCTL_SETPERM, key, 0x3f3f0000), EACCES) &&
	                          fails(CALL(KEYCTL_REVOKE, key), EACCES));
	check("default", CALL(KEYCTL_SET_REQKEY_KEYRING, -1) == 0 &&
	                     CALL(KEYCTL_SET_REQKEY_KEYRING, 3) == 0 &&
	                     CALL(KEYCTL_SET_REQKEY_KEYRING, 0) == 3 &&
	                     fails(CALL(KEYCTL_SET_REQKEY_KEYRING, 6), EINVAL));
	check("authority",
	      CALL(KEYCTL_ASSUME_AUTHORITY, 0) == 0 && fails(CALL(KEYCTL_INSTANTIATE, 5, "x", 1, 0), EPERM));
}

static void *thread_rings(void *argument)
{
	long *out = argument;
	out[0] = CALL(KEYCTL_GET_KEYRING_ID, THREAD, 0);
	out[1] = errno;
	out[2] = CALL(KEYCTL_GET_KEYRING_ID, THREAD, 1);
	out[3] = CALL(KEYCTL_GET_KEYRING_ID, PROCESS, 0);
	return 0;
}

static void rings(void)
{
	long out[4], process = CALL(KEYCTL_GET_KEYRING_ID, PROCESS, 1);
	pthread_t thread;
	check("process", process > 0 && describes(process, "keyring", "3f010000", "_pid"));
	check("no-thread", fails(CALL(KEYCTL_GET_KEYRING_ID, THREAD, 0), ENOKEY));
	pthread_create(&thread, 0, thread_rings, out);
	pthread_join(thread, 0);
	check("other-thread", out[0] == -1 && out[1] == ENOKEY && out[2] > 0 && out[3] == process);
	long own = CALL(KEYCTL_GET_KEYRING_ID, THREAD, 1);
	check("thread", own > 0 && describes(own, "keyring", "3f010000", "_tid"));
	pthread_create(&thread, 0, thread_rings, out);
	pthread_join(thread, 0);
	check("thread-each", out[0] > 0 && out[0] != own && out[2] == out[0]);
	check("fork", exited(in_child(_exit(!fails(CALL(KEYCTL_GET_KEYRING_ID, THREAD, 0), ENOKEY) ||
	                                    !fails(CALL(KEYCTL_GET_KEYRING_ID, PROCESS, 0), ENOKEY))),
	                     0));
	long session = CALL(KEYCTL_JOIN_SESSION_KEYRING, NONE);
	check("session", session > 0 && describes(session, "keyring", "3f030000", "_ses") &&
	                     CALL(KEYCTL_GET_KEYRING_ID, SESSION, 0) == session);
	long key = add("user", "of session", "x", 1, SESSION);
	check("session-fork", exited(in_child(_exit(CALL(KEYCTL_GET_KEYRING_ID, SESSION, 0) != session ||
	                                            request("user", "of session", NONE, 0) != key)),
	                             0));
	check("session-named", exited(in_child(long named = CALL(KEYCTL_JOIN_SESSION_KEYRING, "common");
	                                       _exit(named <= 0 || named == session ||
	                                             !describes(named, "keyring", "3f130000", "common") ||
	                                             CALL(KEYCTL_READ, session, NONE, 0) != 4 ||
	                                             !fails(CALL(KEYCTL_READ, key, NONE, 0), EACCES))),
	                              0));
	check("session-dot", fails(CALL(KEYCTL_JOIN_SESSION_KEYRING, ".x"), EPERM));
	int status = in_child(long mine = CALL(KEYCTL_JOIN_SESSION_KEYRING, NONE);
	                      int done = CALL(KEYCTL_SESSION_TO_PARENT) == 0; _exit(mine <= 0 || !done));
	check("to-parent", exited(status, 0) && CALL(KEYCTL_GET_KEYRING_ID, SESSION, 0) != session &&
	                       CALL(KEYCTL_GET_KEYRING_ID, SESSION, 0) > 0);
	long user = CALL(KEYCTL_GET_KEYRING_ID, USER, 0);
	char name[64] = "";
	CALL(KEYCTL_DESCRIBE, user, name, sizeof(name));
	check("user", user > 0 && !strcmp(name, "keyring;0;65534;1f3f0000;_uid.0"));
	long users = CALL(KEYCTL_GET_KEYRING_ID, KEY_SPEC_USER_SESSION_KEYRING, 0);
	CALL(KEYCTL_DESCRIBE, users, name, sizeof(name));
	check("user-session", holds(users, user) && !strcmp(name, "keyring;0;65534;1f3f0000;_uid_ses.0"));
	check("authority-key",
	      fails(CALL(KEYCTL_GET_KEYRING_ID, KEY_SPEC_REQKEY_AUTH_KEY, 0), ENOKEY) &&
	          fails(CALL(KEYCTL_GET_KEYRING_ID, KEY_SPEC_REQUESTOR_KEYRING, 0), ENOKEY) &&
	          fails(CALL(KEYCTL_GET_KEYRING_ID, -9, 0), EINVAL));
	unsigned char have[4] = {9, 9, 9, 9};
	long size = CALL(KEYCTL_CAPABILITIES, have, 4);
	check("capabilities", size >= 2 && (have[0] & 0xe1) == 0xe1 && !have[3]);
	if (have[0] & KEYCTL_CAPS0_PERSISTENT_KEYRINGS) {
		long lasting = CALL(KEYCTL_GET_PERSISTENT, -1, PROCESS);
		CALL(KEYCTL_DESCRIBE, lasting, name, sizeof(name));
		check("persistent",
		      holds(PROCESS, lasting) && !strcmp(name, "keyring;0;65534;1f030000;_persistent.0"));
	}
}

/* What a call lets go may have been all that held what it was asked about. */
static void last_holders(void)
{
	long to = add("keyring", "to", NONE, 0, PROCESS), goes = add("keyring", "moved", NONE, 0, to);
	long from = add("keyring", "from", NONE, 0, goes), moved = add("keyring", "moved", NONE, 0, from);
	check("move-out-of-what-goes",
	      CALL(KEYCTL_MOVE, moved, from, to, 0) == 0 && holds(to, moved) && !holds(to, goes));
	check("moved-is-there", describes(moved, "keyring", "3f010000", "moved") &&
	                            add("user", "inside", "x", 1, moved) > 0 &&
	                            CALL(KEYCTL_UNLINK, moved, to) == 0);
	long lasting = CALL(KEYCTL_GET_PERSISTENT, -1, PROCESS);
	long inside = add("keyring", "inside", NONE, 0, lasting);
	if (lasting < 0)
		return;
	check("dead-persistent",
	      CALL(KEYCTL_SETPERM, inside, 0x3f3f0000) == 0 && CALL(KEYCTL_INVALIDATE, lasting) == 0);
	long again = CALL(KEYCTL_GET_PERSISTENT, -1, inside);
	check("persistent-into-what-goes", again > 0 && again != lasting);
	check("persistent-again",
	      CALL(KEYCTL_GET_PERSISTENT, -1, PROCESS) == again && CALL(KEYCTL_UNLINK, again, PROCESS) == 0);
}

/* As another user, who has a quota. */
static void others(long shared, long closed)
{
	char text[64], name[32];
	int made = 0;
	check("other-read", CALL(KEYCTL_READ, shared, text, 64) == 1);
	check("other-write", fails(CALL(KEYCTL_UPDATE, shared, "y", 1), EACCES));
	check("other-closed", fails(CALL(KEYCTL_READ, closed, text, 64), EACCES) && !in_proc(closed, ""));
	check("other-chown", fails(CALL(KEYCTL_CHOWN, shared, 1000, -1), EACCES));
	long key = add("user", "mine", "x", 1, PROCESS);
	check("chown-away",
	      fails(CALL(KEYCTL_CHOWN, key, 0, -1), EACCES) && CALL(KEYCTL_CHOWN, key, 1000, 1000) == 0);
	long user = CALL(KEYCTL_GET_KEYRING_ID, USER, 0);
	CALL(KEYCTL_DESCRIBE, user, text, sizeof(text));
	check("other-user", !strcmp(text, "keyring;1000;65534;1f3f0000;_uid.1000"));
	char payload[19500];
	memset(payload, 'p', sizeof(payload));
	long large = add("user", "large", payload, sizeof(payload), PROCESS);
	check("quota-bytes", large > 0 && fails(add("user", "more", payload, 1000, PROCESS), EDQUOT) &&
	                         fails(CALL(KEYCTL_UPDATE, key, payload, 4000), EDQUOT) &&
	                         CALL(KEYCTL_READ, key, text, 64) == 1);
	CALL(KEYCTL_UNLINK, large, PROCESS);
	/* A key that is no longer used is counted for a moment more on Linux. */
	long added = -1;
	for (int i = 0; i < 100 && added < 0; i++, pause_ms(20))
		added = add("user", "more", payload, 1000, PROCESS);
	check("quota-freed", added > 0);
	for (; made < 1000; made++) {
		snprintf(name, sizeof(name), "n%d", made);
		if (add("user", name, "x", 1, PROCESS) < 0)
			break;
	}
	check("quota-keys", errno == EDQUOT && made > 150 && made < 200);
	FILE *file = fopen("/proc/key-users", "r");
	int uid, usage, keys, live, counted, most, bytes, most_bytes, seen = 0;
	while (file && fscanf(file, "%d: %d %d/%d %d/%d %d/%d", &uid, &usage, &keys, &live, &counted, &most,
	                      &bytes, &most_bytes) == 8)
		seen |= uid == 1000 && counted == 200 && most == 200 && most_bytes == 20000 && keys >= 200;
	check("key-users", seen);
	_exit(check_failures ? 1 : 0);
}

int main(void)
{
	long probe = CALL(KEYCTL_GET_KEYRING_ID, PROCESS, 1);
	if (probe < 0 || geteuid()) {
		/* Containers forbid keys. */
		check("keys", probe > 0);
		return 1;
	}
	making();
	links();
	ends();
	rings();
	last_holders();
	long shared = add("user", "shared", "x", 1, PROCESS), closed = add("user", "closed", "x", 1, PROCESS);
	CALL(KEYCTL_SETPERM, shared, 0x3f3f0003);
	CALL(KEYCTL_SETPERM, closed, 0x3f3f0000);
	check("exec-keeps-session", CALL(KEYCTL_GET_KEYRING_ID, SESSION, 0) > 0);
	int status = in_child(check_failures = 0;
	                      if (!setgroups(0, 0) && !setgid(1000) && !setuid(1000)) others(shared, closed));
	check("as-another-user", exited(status, 0));
	long wanted = add("user", "wanted", "x", 1, PROCESS);
	for (int i = 0; i < 100 && CALL(KEYCTL_CHOWN, wanted, 1000, 1000); i++)
		pause_ms(20); /* what the other user had is counted for a moment more */
	char text[64] = "";
	CALL(KEYCTL_DESCRIBE, wanted, text, sizeof(text));
	check("chown", !strcmp(text, "user;1000;1000;3f010000;wanted"));
	return check_failures ? 1 : 0;
}
