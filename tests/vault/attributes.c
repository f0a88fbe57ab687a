/* Extended attributes that last: "set FILE" gives FILE some, "check FILE" says in the exit status whether they are
 * there as they were set. The same of access control lists, and of what is made in a directory with a default one: "lists
 * DIRECTORY" and "check-lists DIRECTORY". "default DIRECTORY" sets a default list alone, "plain FILE" finds none. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define BIG 60000

static char big[BIG], back[BIG + 1];

static int set(const char *file)
{
	return setxattr(file, "user.small", "value", 5, 0) ||
	       setxattr(file, "user.big", big, BIG, XATTR_CREATE) ||
	       setxattr(file, "trusted.empty", "", 0, 0) ||
	       setxattr(file, "user.small", "other", 5, XATTR_REPLACE) ||
	       setxattr(file, "user.gone", "x", 1, 0) || removexattr(file, "user.gone");
}

static int check(const char *file)
{
	char names[256];
	ssize_t size = listxattr(file, names, sizeof(names));
	int count = 0;
	for (ssize_t at = 0; at < size; at += (ssize_t)strlen(names + at) + 1)
		count++;
	return count != 3 || getxattr(file, "user.small", back, sizeof(back)) != 5 ||
	       memcmp(back, "other", 5) != 0 || getxattr(file, "user.big", back, sizeof(back)) != BIG ||
	       memcmp(back, big, BIG) != 0 || getxattr(file, "trusted.empty", back, sizeof(back)) != 0 ||
	       getxattr(file, "user.gone", back, sizeof(back)) >= 0;
}

/* ---- Access control lists ---- */

#define ACCESS  "system.posix_acl_access"
#define DEFAULT "system.posix_acl_default"

/* Version 2; tag, permissions and id of each entry: owner, user 1000, group, mask, others. */
#define LIST(owner, user, group, mask, others)                                                               \
	{                                                                                                    \
		2, 1 | owner << 16, ~0u, 2 | user << 16, 1000, 4 | group << 16, ~0u, 16 | mask << 16, ~0u,   \
		    32 | others << 16, ~0u                                                                   \
	}
typedef unsigned list[11];
static const list directory_list = LIST(7, 7, 5, 7, 0), file_list = LIST(6, 7, 5, 6, 0),
                  changed_list = LIST(7, 7, 5, 4, 1), subdirectory_list = LIST(7, 7, 5, 5, 0);

static int has(const char *file, const char *name, const list want)
{
	list got;
	return getxattr(file, name, got, sizeof(got)) == sizeof(got) && memcmp(got, want, sizeof(got)) == 0;
}

static int has_none(const char *file, const char *name)
{
	return getxattr(file, name, 0, 0) == -1 && errno == ENODATA;
}

/* As user 1000, who is in no group of the files'. */
static int may(const char *file, int flags)
{
	int status = -1;
	pid_t child = fork();
	if (child == 0)
		_exit(setresgid(1000, 1000, 1000) || setresuid(1000, 1000, 1000) || open(file, flags) < 0);
	return waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static int set_lists(void)
{
	return setxattr(".", DEFAULT, directory_list, sizeof(directory_list), 0) ||
	       close(open("file", O_CREAT | O_RDWR, 0666)) || mkdir("sub", 0755) ||
	       close(open("changed", O_CREAT | O_RDWR, 0600)) || chmod("changed", 0741) ||
	       close(open("cut", O_CREAT | O_RDWR, 0666)) || removexattr("cut", ACCESS);
}

static int check_lists(void)
{
	struct stat status;
	int good = has(".", DEFAULT, directory_list) && has("file", ACCESS, file_list) &&
	           has("sub", ACCESS, subdirectory_list) && has("sub", DEFAULT, directory_list) &&
	           has("changed", ACCESS, changed_list) && has_none("cut", ACCESS);
	good = good && stat("changed", &status) == 0 && (status.st_mode & 07777) == 0741;
	return !(good && may("file", O_RDWR) && may("changed", O_RDONLY) && !may("changed", O_RDWR) &&
	         !may("cut", O_RDONLY));
}

int main(int count, char **words)
{
	if (count == 3 && strstr(words[1], "lists")) {
		/* First of all by whom it depends on: nothing has been fetched yet. */
		int early = strcmp(words[1], "lists") && chdir(words[2]) == 0 && !may("file", O_RDWR);
		return early || chdir(words[2]) ||
		       (strcmp(words[1], "lists") == 0 ? set_lists() : check_lists());
	}
	if (count == 3 && strcmp(words[1], "default") == 0)
		return setxattr(words[2], DEFAULT, directory_list, sizeof(directory_list), 0) != 0;
	if (count == 3 && strcmp(words[1], "plain") == 0)
		return !has_none(words[2], ACCESS) || !has_none(words[2], DEFAULT);
	for (int i = 0; i < BIG; i++)
		big[i] = (char)(i * 7 + i / 251);
	if (count != 3)
		return 2;
	int result = strcmp(words[1], "set") == 0 ? set(words[2]) : check(words[2]);
	if (result)
		perror(words[2]);
	return result != 0;
}
