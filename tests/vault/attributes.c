/* Extended attributes that last: "set FILE" gives FILE some, "check FILE" says in the exit status whether they are
 * there as they were set. */
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>

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

int main(int count, char **words)
{
	for (int i = 0; i < BIG; i++)
		big[i] = (char)(i * 7 + i / 251);
	if (count != 3)
		return 2;
	int result = strcmp(words[1], "set") == 0 ? set(words[2]) : check(words[2]);
	if (result)
		perror(words[2]);
	return result != 0;
}
