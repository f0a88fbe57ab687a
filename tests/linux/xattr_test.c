/* Extended attributes: xattr(7), setxattr(2), listxattr(2); file capabilities: capabilities(7). */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/capability.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include "check.h"

#define fails(call, number) ((call) == -1 && errno == (number))

static int has_name(const char *list, ssize_t bytes, const char *name)
{
	for (const char *at = list; at < list + bytes; at += strlen(at) + 1)
		if (strcmp(at, name) == 0)
			return 1;
	return 0;
}

static void names_and_values(const char *space)
{
	char name[300], value[64], list[256];
	sprintf(name, "%sname", space);
	close(open("f", O_CREAT | O_RDWR, 0644));
	check("get-missing", fails(getxattr("f", name, value, sizeof(value)), ENODATA));
	check("replace-missing", fails(setxattr("f", name, "v", 1, XATTR_REPLACE), ENODATA));
	check("set", setxattr("f", name, "value", 5, 0) == 0);
	check("get", getxattr("f", name, value, sizeof(value)) == 5 && memcmp(value, "value", 5) == 0);
	check("get-length", getxattr("f", name, 0, 0) == 5);
	check("get-short", fails(getxattr("f", name, value, 4), ERANGE));
	check("create-again", fails(setxattr("f", name, "x", 1, XATTR_CREATE), EEXIST));
	check("flags", fails(setxattr("f", name, "x", 1, 4), EINVAL));
	check("replace", setxattr("f", name, "other", 5, XATTR_REPLACE) == 0);
	int fd = open("f", O_RDWR);
	check("get-by-file",
	      fgetxattr(fd, name, value, sizeof(value)) == 5 && memcmp(value, "other", 5) == 0);
	ssize_t bytes = flistxattr(fd, list, sizeof(list));
	check("list", bytes > 0 && has_name(list, bytes, name));
	check("list-length", flistxattr(fd, 0, 0) == bytes);
	check("list-short", fails(flistxattr(fd, list, 3), ERANGE));
	check("too-big", fails(fsetxattr(fd, name, list, 70000, 0), E2BIG));
	memset(name + strlen(space), 'n', 280);
	name[290] = 0;
	check("long-name", fails(setxattr("f", name, "x", 1, 0), ERANGE));
	check("no-name", fails(setxattr("f", space, "x", 1, 0), EINVAL));
	check("no-space", fails(setxattr("f", "name", "x", 1, 0), EOPNOTSUPP));
	sprintf(name, "%sname", space);
	symlink("f", "l");
	check("through-link", getxattr("l", name, 0, 0) == 5 && fails(lgetxattr("l", name, 0, 0), ENODATA));
	check("remove", fremovexattr(fd, name) == 0 && fails(fremovexattr(fd, name), ENODATA));
	close(fd);
}

static void others(void)
{
	char list[256];
	setxattr("f", "trusted.secret", "x", 1, 0);
	chmod(".", 0777);
	if (setresuid(1000, 1000, 1000))
		_exit(1);
	ssize_t bytes = listxattr("f", list, sizeof(list));
	check("trusted-hidden", bytes >= 0 && !has_name(list, bytes, "trusted.secret"));
	check("trusted-get", fails(getxattr("f", "trusted.secret", list, 10), ENODATA));
	check("trusted-set", fails(setxattr("f", "trusted.secret", "y", 1, 0), EPERM));
}

static void capabilities(const char *self)
{
	struct {
		unsigned magic, permitted, inheritable, permitted_high, inheritable_high;
	} caps = {0x02000001, 1 << CAP_NET_RAW, 0, 0, 0};
	char block[65536];
	ssize_t got;
	int in = open(self, O_RDONLY), out = open("capable", O_CREAT | O_WRONLY, 0755);
	while ((got = read(in, block, sizeof(block))) > 0)
		if (write(out, block, (size_t)got) != got)
			_exit(1);
	close(out);
	close(in);
	check("caps-malformed", fails(setxattr("capable", "security.capability", &caps, 8, 0), EINVAL));
	check("caps", setxattr("capable", "security.capability", &caps, sizeof(caps), 0) == 0);
	chmod(".", 0755);
	check("caps-at-exec", exited(in_child(if (setresuid(1000, 1000, 1000) == 0)
	                                          execl("capable", "capable", "caps", (char *)0)),
	                             43));
}

int main(int count, char **arguments)
{
	char directory[] = "/dev/shm/xattrXXXXXX", self[4096];
	(void)arguments;
	if (count > 1) {
		struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
		struct __user_cap_data_struct data[2];
		syscall(SYS_capget, &header, data);
		return data[0].effective == 1u << CAP_NET_RAW ? 43 : 1;
	}
	ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (length < 0 || !mkdtemp(directory) || chdir(directory))
		return 1;
	self[length] = 0;
	names_and_values("trusted.");
	names_and_values("security.");
	capabilities(self);
	int status = in_child(others(); _exit(check_failures != 0));
	return check_failures != 0 || status;
}
