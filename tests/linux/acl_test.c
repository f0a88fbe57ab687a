/* Access control lists: acl(5), and the attributes system.posix_acl_access and system.posix_acl_default: xattr(7). */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <sys/fsuid.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include "check.h"

#define ACCESS  "system.posix_acl_access"
#define DEFAULT "system.posix_acl_default"

#define fails(call, number) ((call) == -1 && errno == (number))

struct list {
	unsigned version;
	struct posix_acl_xattr_entry entries[200];
};

static struct list list;
static size_t list_bytes;

/* "u::rwx,u:1000:r-x,g::---,m::rwx,o::r--", or as many entries of another kind. */
static const struct list *make(const char *text)
{
	unsigned count = 0;
	list.version = POSIX_ACL_XATTR_VERSION;
	while (*text) {
		char kind = *text;
		unsigned id = ACL_UNDEFINED_ID, permissions = 0;
		text = strchr(text, ':') + 1;
		if (*text != ':')
			id = (unsigned)strtoul(text, 0, 10);
		text = strchr(text, ':') + 1;
		for (; *text && *text != ','; text++)
			permissions |= *text == 'r' ? 4 : *text == 'w' ? 2 : *text == 'x' ? 1 : 0;
		text += *text == ',';
		int named = id != (unsigned)ACL_UNDEFINED_ID;
		list.entries[count++] =
		    (struct posix_acl_xattr_entry){kind == 'u'   ? (named ? ACL_USER : ACL_USER_OBJ)
		                                   : kind == 'g' ? (named ? ACL_GROUP : ACL_GROUP_OBJ)
		                                   : kind == 'm' ? ACL_MASK
		                                                 : ACL_OTHER,
		                                   (unsigned short)permissions, id};
	}
	list_bytes = sizeof(list.version) + count * sizeof(list.entries[0]);
	return &list;
}

static int set(const char *file, const char *name, const char *text)
{
	make(text);
	return setxattr(file, name, &list, list_bytes, 0);
}

static int is(const char *file, const char *name, const char *text)
{
	struct list got;
	make(text);
	ssize_t bytes = getxattr(file, name, &got, sizeof(got));
	return bytes == (ssize_t)list_bytes && memcmp(&got, &list, list_bytes) == 0;
}

static unsigned mode_of(const char *file)
{
	struct stat stat;
	return lstat(file, &stat) ? ~0u : stat.st_mode & 07777;
}

static void file_make(const char *name, unsigned mode)
{
	close(open(name, O_CREAT | O_RDWR, 0600));
	chmod(name, mode);
}

static void attributes(void)
{
	char value[256];
	file_make("f", 0640);
	mkdir("d", 0755);
	symlink("f", "l");
	check("none", fails(getxattr("f", ACCESS, value, sizeof(value)), ENODATA) &&
	                  fails(getxattr("d", DEFAULT, 0, 0), ENODATA));
	check("set", set("f", ACCESS, "u::rw-,u:1000:rw-,g::r--,m::rw-,o::---") == 0);
	check("get", is("f", ACCESS, "u::rw-,u:1000:rw-,g::r--,m::rw-,o::---"));
	check("mode-is-mask", mode_of("f") == 0660);
	check("length", getxattr("f", ACCESS, 0, 0) == 44);
	check("short", fails(getxattr("f", ACCESS, value, 43), ERANGE));
	check("listed", listxattr("f", value, sizeof(value)) == sizeof(ACCESS) && !strcmp(value, ACCESS));
	check("chmod-sets-mask",
	      chmod("f", 0741) == 0 && is("f", ACCESS, "u::rwx,u:1000:rw-,g::r--,m::r--,o::--x"));
	check("create-flag-ignored", (make("u::rw-,g::r--,m::rwx,o::r--"),
	                              setxattr("f", ACCESS, &list, list_bytes, XATTR_CREATE)) == 0);
	check("mask-alone-stays", is("f", ACCESS, "u::rw-,g::r--,m::rwx,o::r--") && mode_of("f") == 0674);
	check("plain-is-mode", set("f", ACCESS, "u::rw-,g::--x,o::r--") == 0 && mode_of("f") == 0614 &&
	                           fails(getxattr("f", ACCESS, 0, 0), ENODATA));
	check("remove-none", removexattr("f", ACCESS) == 0 && removexattr("f", DEFAULT) == 0);
	set("f", ACCESS, "u::rw-,u:1:rwx,g::---,m::rwx,o::---");
	check("remove", removexattr("f", ACCESS) == 0 && mode_of("f") == 0670 &&
	                    fails(getxattr("f", ACCESS, 0, 0), ENODATA));
	set("f", ACCESS, "u::rw-,u:1:rwx,g::---,m::rwx,o::---");
	check("empty-removes", set("f", ACCESS, "") == 0 && fails(getxattr("f", ACCESS, 0, 0), ENODATA));
	check("default-of-file", fails(set("f", DEFAULT, "u::rw-,g::---,o::---"), EACCES));
	check("default", set("d", DEFAULT, "u::rwx,g::r-x,o::---") == 0 && mode_of("d") == 0755 &&
	                     is("d", DEFAULT, "u::rwx,g::r-x,o::---"));
	set("d", ACCESS, "u::rwx,u:5:r-x,g::r-x,m::rwx,o::---");
	check("both-listed", listxattr("d", value, sizeof(value)) == sizeof(ACCESS) + sizeof(DEFAULT));
	make("u::rwx,g::r-x,o::---");
	check("link", fails(lsetxattr("l", ACCESS, &list, list_bytes, 0), EOPNOTSUPP) &&
	                  fails(lgetxattr("l", ACCESS, 0, 0), EOPNOTSUPP));
	check("through-link", setxattr("l", ACCESS, &list, list_bytes, 0) == 0 && mode_of("f") == 0750);
	check("proc", fails(setxattr("/proc/self/status", ACCESS, &list, list_bytes, 0), EOPNOTSUPP));
	int fd = open("f", O_RDONLY);
	check("by-file", fsetxattr(fd, ACCESS, &list, list_bytes, 0) == 0);
	close(fd);
}

static void malformed(void)
{
	make("u::rwx,u:1:rwx,g::r-x,m::rwx,o::---");
	check("odd-size", fails(setxattr("f", ACCESS, &list, list_bytes - 1, 0), EINVAL));
	check("tiny", fails(setxattr("f", ACCESS, &list, 3, 0), EINVAL));
	check("too-big", fails(setxattr("f", ACCESS, &list, 70000, 0), E2BIG));
	check("fault", fails(setxattr("f", ACCESS, (void *)8, 44, 0), EFAULT));
	list.version = 1;
	check("version", fails(setxattr("f", ACCESS, &list, list_bytes, 0), EOPNOTSUPP));
	make("u::rwx,u:1:rwx,g::r-x,m::rwx,o::---");
	list.entries[1].e_tag = 0x40;
	check("tag", fails(setxattr("f", ACCESS, &list, list_bytes, 0), EINVAL));
	make("u::rwx,u:1:rwx,g::r-x,m::rwx,o::---");
	list.entries[1].e_perm = 8;
	check("permission", fails(setxattr("f", ACCESS, &list, list_bytes, 0), EINVAL));
	make("u::rwx,u:1:rwx,g::r-x,m::rwx,o::---");
	list.entries[1].e_id = ~0u;
	check("nobody", fails(setxattr("f", ACCESS, &list, list_bytes, 0), EINVAL));
	check("no-mask", fails(set("f", ACCESS, "u::rwx,u:1:rwx,g::r-x,o::---"), EINVAL));
	check("order", fails(set("f", ACCESS, "u::rwx,g::r-x,u:1:rwx,m::rwx,o::---"), EINVAL));
	check("twice", fails(set("f", ACCESS, "u::rwx,u::rwx,g::r-x,o::---"), EINVAL));
	check("no-others", fails(set("f", ACCESS, "u::rwx,g::r-x"), EINVAL));
	check("no-owner", fails(set("f", ACCESS, "g::r-x,o::---"), EINVAL));
}

static void inheritance(void)
{
	struct stat stat;
	umask(077);
	check("set-default", set("d", DEFAULT, "u::rwx,u:1000:rwx,g::r-x,m::rwx,o::r-x") == 0);
	close(open("d/file", O_CREAT | O_RDWR, 0666));
	check("open", mode_of("d/file") == 0664 &&
	                  is("d/file", ACCESS, "u::rw-,u:1000:rwx,g::r-x,m::rw-,o::r--") &&
	                  fails(getxattr("d/file", DEFAULT, 0, 0), ENODATA));
	close(open("d/private", O_CREAT | O_RDWR, 0600));
	check("open-private", mode_of("d/private") == 0600 &&
	                          is("d/private", ACCESS, "u::rw-,u:1000:rwx,g::r-x,m::---,o::---"));
	mkdir("d/sub", 0777);
	check("mkdir", mode_of("d/sub") == 0775 &&
	                   is("d/sub", ACCESS, "u::rwx,u:1000:rwx,g::r-x,m::rwx,o::r-x") &&
	                   is("d/sub", DEFAULT, "u::rwx,u:1000:rwx,g::r-x,m::rwx,o::r-x"));
	mkfifo("d/fifo", 0666);
	check("mknod", mode_of("d/fifo") == 0664 && getxattr("d/fifo", ACCESS, 0, 0) == 44);
	symlink("file", "d/link");
	check("symlink", mode_of("d/link") == 0777);
	struct sockaddr_un address = {AF_UNIX, "d/socket"};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	check("bind",
	      bind(fd, (void *)&address, sizeof(address)) == 0 && getxattr("d/socket", ACCESS, 0, 0) == 44);
	close(fd);
	fd = open("d", O_TMPFILE | O_RDWR, 0666);
	check("tmpfile", fd >= 0 && fstat(fd, &stat) == 0 && (stat.st_mode & 07777) == 0664 &&
	                     fgetxattr(fd, ACCESS, 0, 0) == 44);
	char name[64];
	sprintf(name, "/proc/self/fd/%d", fd);
	check("linked", linkat(AT_FDCWD, name, AT_FDCWD, "d/linked", AT_SYMLINK_FOLLOW) == 0 &&
	                    is("d/linked", ACCESS, "u::rw-,u:1000:rwx,g::r-x,m::rw-,o::r--"));
	close(fd);
	check("plain-default", set("d", DEFAULT, "u::rwx,g::rwx,o::-w-") == 0);
	close(open("d/plain", O_CREAT | O_RDWR, 0666));
	check("plain-open", mode_of("d/plain") == 0662 && fails(getxattr("d/plain", ACCESS, 0, 0), ENODATA));
	mkdir("d/plaindir", 0700);
	check("plain-mkdir",
	      mode_of("d/plaindir") == 0700 && is("d/plaindir", DEFAULT, "u::rwx,g::rwx,o::-w-"));
	link("d/file", "f2");
	rename("d/private", "p2");
	check("moved", getxattr("f2", ACCESS, 0, 0) == 44 && getxattr("p2", ACCESS, 0, 0) == 44);
	removexattr("d", DEFAULT);
	close(open("d/none", O_CREAT | O_RDWR, 0666));
	check("umask-again", mode_of("d/none") == 0600 && fails(getxattr("d/none", ACCESS, 0, 0), ENODATA));
	umask(022);
}

static int may_open(int flags)
{
	int fd = open("a", flags);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static int as(unsigned uid, unsigned gid, int flags)
{
	return exited(in_child(setgroups(0, 0);
	                       if (setresgid(gid, gid, gid) || setresuid(uid, uid, uid)) _exit(9);
	                       _exit(may_open(flags) ? 1 : 0)),
	              1);
}

static void permissions(void)
{
	file_make("a", 0640);
	chown("a", 10, 100);
	set("a", ACCESS, "u::r--,u:1000:rw-,u:1001:---,g::r--,g:200:rw-,g:300:---,m::rw-,o::-w-");
	check("owner", as(10, 200, O_RDONLY) && !as(10, 200, O_WRONLY));
	check("user", as(1000, 1, O_RDWR));
	check("user-refused", !as(1001, 200, O_RDONLY));
	check("group", as(20, 100, O_RDONLY) && !as(20, 100, O_WRONLY));
	check("named-group", as(20, 200, O_RDWR));
	check("group-refused", !as(20, 300, O_WRONLY));
	check("others", as(20, 20, O_WRONLY) && !as(20, 20, O_RDONLY));
	chmod("a", 0402 | 040);
	check("masked", as(1000, 1, O_RDONLY) && !as(1000, 1, O_WRONLY) && !as(20, 200, O_WRONLY));
	check("access",
	      exited(in_child(setgroups(0, 0); setresgid(1, 1, 1); setresuid(1000, 1000, 1000);
	                      _exit(access("a", R_OK) == 0 && fails(access("a", W_OK), EACCES) ? 1 : 2)),
	             1));
	check("groups",
	      exited(in_child(unsigned more[] = {7, 200}; chmod("a", 0462); setgroups(2, more);
	                      setresgid(20, 20, 20); setresuid(20, 20, 20); _exit(may_open(O_RDWR))),
	             1));
	check("fsuid",
	      exited(in_child(setgroups(0, 0); setfsgid(1); setfsuid(1000); _exit(may_open(O_RDWR) ? 1 : 2)),
	             1));
	check("root", may_open(O_RDWR));
	mkdir("x", 0700);
	file_make("x/inside", 0644);
	check(
	    "search-refused",
	    exited(in_child(setresuid(1000, 1000, 1000); _exit(fails(access("x/inside", R_OK), EACCES))), 1));
	set("x", ACCESS, "u::rwx,u:1000:--x,g::---,m::--x,o::---");
	check("search",
	      exited(in_child(setresgid(1, 1, 1); setresuid(1000, 1000, 1000);
	                      _exit(access("x/inside", R_OK) == 0 && fails(open("x", O_RDONLY), EACCES) &&
	                            fails(mkdir("x/new", 0700), EACCES))),
	             1));
	set("x", ACCESS, "u::rwx,u:1000:-wx,g::---,m::rwx,o::---");
	check("make-inside", exited(in_child(setresuid(1000, 1000, 1000);
	                                     _exit(mkdir("x/new", 0700) == 0 || errno == EEXIST)),
	                            1)); /* exited() asks twice */
	file_make("program", 0600);
	set("program", ACCESS, "u::rwx,u:1000:r-x,g::---,m::r-x,o::---");
	check("run", exited(in_child(setresuid(1000, 1000, 1000); _exit(access("program", X_OK) == 0)), 1));
	/* Who may change them: the owner. */
	chown("f", 1000, 1000);
	check("owner-sets",
	      exited(in_child(setresgid(1000, 1000, 1000); setresuid(1000, 1000, 1000);
	                      _exit(set("f", ACCESS, "u::rwx,u:7:r--,g::---,m::r--,o::---") == 0 &&
	                            removexattr("f", ACCESS) == 0)),
	             1));
	check("others-do-not", exited(in_child(set("f", ACCESS, "u::rwx,u:1001:rwx,g::---,m::rwx,o::rwx");
	                                       setresuid(1001, 1001, 1001);
	                                       _exit(fails(set("f", ACCESS, "u::rwx,g::---,o::---"), EPERM) &&
	                                             fails(removexattr("f", ACCESS), EPERM) &&
	                                             getxattr("f", ACCESS, 0, 0) == 44)),
	                              1));
	chmod("f", 02755);
	check("group-bit-goes",
	      exited(in_child(setgroups(0, 0); setresgid(5, 5, 5); setresuid(1000, 1000, 1000);
	                      set("f", ACCESS, "u::rwx,u:7:r-x,g::r-x,m::r-x,o::r-x");
	                      _exit(mode_of("f") == 0755)),
	             1));
}

/* In a user namespace ids are its own, and others have none. */
static void in_namespace(void)
{
	int ready[2], go[2];
	char byte;
	file_make("n", 0644);
	set("n", ACCESS, "u::rw-,u:1005:r--,u:70000:r--,g::r--,m::r--,o::---");
	if (pipe(ready) || pipe(go))
		return;
	fflush(stdout);
	pid_t child = fork();
	if (child == 0) {
		struct list got;
		if (syscall(SYS_unshare, 0x10000000))
			_exit(2);
		write(ready[1], "x", 1);
		read(go[0], &byte, 1);
		int good = getxattr("n", ACCESS, &got, sizeof(got)) == 52 && got.entries[1].e_id == 5 &&
		           got.entries[2].e_id == ~0u;
		good = good && fails(set("n", ACCESS, "u::rw-,u:500:r--,g::r--,m::r--,o::---"), EINVAL);
		_exit(good && set("n", ACCESS, "u::rw-,u:7:r--,g::r--,m::r--,o::---") == 0);
	}
	read(ready[0], &byte, 1);
	char path[64];
	int status, mapped = 1;
	for (const char *const *map = (const char *const[]){"uid_map", "gid_map", 0}; *map; map++) {
		sprintf(path, "/proc/%d/%s", child, *map);
		int fd = open(path, O_WRONLY);
		const char *text = "0 0 1\n1 1001 100\n";
		mapped &= write(fd, text, strlen(text)) == (ssize_t)strlen(text);
		close(fd);
	}
	write(go[1], "x", 1);
	waitpid(child, &status, 0);
	check("namespace",
	      mapped && exited(status, 1) && is("n", ACCESS, "u::rw-,u:1007:r--,g::r--,m::r--,o::---"));
}

int main(void)
{
	char shared[] = "/dev/shm/aclXXXXXX";
	const char *at = getenv("ACL_IN");
	umask(022);
	if (at ? chdir(at) : !mkdtemp(shared) || chdir(shared))
		return 1;
	chmod(".", 0777);
	attributes();
	malformed();
	inheritance();
	permissions();
	in_namespace();
	return check_failures != 0;
}
