/* The file side's beginning: file systems, devices, the files that were added to the image, and the first
 * process's descriptors. */
#include <holon/blueprint.h>
#include "../cgroup/cgroup.h"
#include "../internal.h"
#include "../native/native.h"
#include "../net/link.h"
#include "../proc/proc.h"
#include "../tty/tty.h"
#include "name.h"
#include "mount_calls.h"
#include "open.h"
#include "ramfs.h"
#include "ramfs_data.h"
#include "tar.h"

static struct filesystem *device_filesystem;
static struct path first_root;

struct filesystem *filesystem_by_name(const char *type)
{
	if (strcmp(type, "tmpfs") == 0 || strcmp(type, "ramfs") == 0)
		return ramfs_create_tmpfs();
	if (strcmp(type, "devtmpfs") == 0)
		return device_filesystem;
	if (strcmp(type, "proc") == 0)
		return proc_filesystem(pid_namespace_current());
	if (strcmp(type, "sysfs") == 0)
		return sys_filesystem();
	if (strcmp(type, "cgroup2") == 0)
		return cgroup_filesystem(cgroup_namespace_current()->root);
	if (strcmp(type, "devpts") == 0)
		return pty_filesystem();
	return 0;
}

bool filesystem_known(const char *type)
{
	static const char *const types[] = {"tmpfs", "ramfs",  "devtmpfs", "proc",
	                                    "sysfs", "devpts", "cgroup2",  "vault"};
	int64_t magic;
	for (unsigned i = 0; i < sizeof(types) / sizeof(*types); i++)
		if (strcmp(type, types[i]) == 0)
			return true;
	return files_type(type, &magic);
}

/* The directory NAME below WHERE, made when it is missing; a referenced path in *RESULT. */
static int directory_make(const struct path *where, const char *name, uint32_t mode, struct path *result)
{
	uint32_t length = (uint32_t)strlen(name);
	int error = 0;
	struct dentry *dentry = dentry_lookup(where->dentry, name, length, &error);
	if (!dentry) {
		struct vnode *made = where->dentry->vnode->ops->create(where->dentry->vnode, name, length,
		                                                       S_IFDIR | mode, 0, &error);
		dentry = made ? dentry_enter(where->dentry, name, length, made) : 0;
		if (!dentry)
			return error ? error : -ENOMEM;
	}
	*result = (struct path){where->mount, dentry};
	where->mount->references++;
	return 0;
}

static int mount_at(const struct path *where, const char *name, struct filesystem *filesystem,
                    struct path *root)
{
	struct path directory;
	if (!filesystem)
		return -ENOMEM;
	int error = directory_make(where, name, 0755, &directory);
	if (error)
		return error;
	error = mount_add(filesystem, &directory, filesystem->name, root);
	path_release(&directory);
	return error;
}

/* The control groups, where everybody looks for them. */
static int mount_cgroups(void)
{
	struct path where, root;
	struct filesystem *filesystem = cgroup_filesystem(&cgroup_root);
	int error = path_walk(AT_FDCWD, "/sys/fs/cgroup", WALK_FOLLOW | WALK_DIRECTORY, &where);
	if (error)
		return error;
	error = filesystem ? mount_add(filesystem, &where, "cgroup2", &root) : -ENOMEM;
	path_release(&where);
	if (error)
		return error;
	mount_set_flags(root.mount, MS_NOSUID | MS_NODEV | MS_NOEXEC);
	path_release(&root);
	return 0;
}

static int make_devices(const struct path *root)
{
	struct path dev;
	struct path shm;
	device_filesystem = ramfs_create("devtmpfs", 0755);
	int error = mount_at(root, "dev", device_filesystem, &dev);
	if (error)
		return error;
	static const char *const links[][2] = {{"fd", "/proc/self/fd"},
	                                       {"stdin", "/proc/self/fd/0"},
	                                       {"stdout", "/proc/self/fd/1"},
	                                       {"stderr", "/proc/self/fd/2"}};
	devices_make(dev.dentry->vnode);
	for (unsigned i = 0; i < 4; i++) {
		struct vnode *directory = dev.dentry->vnode;
		struct vnode *link = directory->ops->symlink(
		    directory, links[i][0], (uint32_t)strlen(links[i][0]), links[i][1], &error);
		if (link)
			vnode_release(link);
	}
	error = mount_at(&dev, "pts", pty_filesystem(), 0);
	if (!error)
		error = mount_at(&dev, "shm", ramfs_create("tmpfs", 01777), &shm);
	if (!error)
		path_release(&shm);
	path_release(&dev);
	return error;
}

/* Directories every program expects, whatever the image holds. */
static int make_directories(const struct path *root)
{
	static const struct {
		const char *name;
		uint32_t mode;
	} names[] = {{"tmp", 01777}, {"root", 0700}, {"run", 0755},
	             {"var", 0755},  {"etc", 0755},  {"home", 0755}};
	for (unsigned i = 0; i < sizeof(names) / sizeof(*names) && !root->mount->read_only; i++) {
		struct path directory;
		int error = directory_make(root, names[i].name, names[i].mode, &directory);
		if (error)
			return error;
		path_release(&directory);
	}
	return 0;
}

/* Descriptors 0, 1 and 2: the console by its name, so that ttyname(3) finds it; or the plain stream. */
int files_standard(struct console *console)
{
	char name[32];
	int64_t first;
	if (console_is_raw(console)) {
		struct file *file = file_create(0, O_RDWR, 0);
		if (!file)
			return -ENOMEM;
		first = console_open(console, file);
		if (first == 0)
			first = file_install(file, 0, false);
		if (first < 0)
			file_release(file);
	} else {
		console_name(console, name, sizeof(name));
		first = open_file(AT_FDCWD, name, O_RDWR, 0, 0);
	}
	for (int fd = 1; fd < 3 && first >= 0; fd++)
		first = file_install(file_reference(file_of(0)), fd, false);
	return first < 0 ? (int)first : 0;
}

void files_no_input(void)
{
	(void)sys_close(0);
	if (open_file(AT_FDCWD, "/dev/null", O_RDONLY, 0, 0) != 0)
		linux_log("linux: no /dev/null for standard input\n");
}

/* Name servers come from DHCP, unless the image or an added file says otherwise. */
static void make_resolver(const struct path *root)
{
	struct path etc;
	int error;
	if (!link_granted() || directory_make(root, "etc", 0755, &etc))
		return;
	struct vnode *directory = etc.dentry->vnode;
	struct vnode *found = directory->ops->lookup(directory, "resolv.conf", 11, &error);
	if (!found)
		found = directory->ops->symlink(directory, "resolv.conf", 11, "/proc/net/pnp", &error);
	if (found)
		vnode_release(found);
	path_release(&etc);
}

int files_init_entered(struct task *task)
{
	task->fs = fs_context_create();
	task->files = files_create();
	if (!task->fs || !task->files)
		return -ENOMEM;
	task->fs->root = task->fs->working = first_root;
	path_reference(&first_root);
	path_reference(&first_root);
	return 0;
}

/* The words "shareN=rw:PATH" (or ro): the capability of that name is mounted there. */
static int mount_share(const struct start_info *info, const char *name, const char *word)
{
	char path[128];
	struct path where, root;
	int error = -EINVAL;
	bool read_only = word[0] == 'r' && word[1] == 'o';
	handle_t mount = start_find(info, name, 0);
	if (!mount || !text_copy(path, sizeof(path), word + 3))
		return error;
	for (char *slash = path + 1;; slash++) {
		char end = *slash;
		struct vnode *made = 0;
		if (end && end != '/')
			continue;
		*slash = 0;
		error = slash[-1] != '/' ? name_make(path, S_IFDIR | 0755, &made) : 0;
		if (made)
			vnode_release(made);
		if (error && error != -EEXIST)
			return error;
		if (!end)
			break;
		*slash = end;
	}
	error = path_walk(AT_FDCWD, path, WALK_FOLLOW | WALK_DIRECTORY, &where);
	if (error)
		return error;
	struct filesystem *filesystem = ramfs_create_shared(mount, read_only, &error);
	if (filesystem)
		error = mount_add(filesystem, &where, "portal", &root);
	if (filesystem && !error) {
		root.mount->read_only = read_only;
		path_release(&root);
	}
	path_release(&where);
	return error;
}

static int mount_shares(const struct start_info *info)
{
	for (unsigned i = 0; i < BLUEPRINT_VOLUMES_MAX; i++) {
		char name[24], prefix[24];
		text_format(name, sizeof(name), "share%u", i);
		text_format(prefix, sizeof(prefix), "%s=", name);
		const char *word = start_word(info, prefix);
		int error = word ? mount_share(info, name, word) : 0;
		if (error) {
			linux_log("linux: the volume %s cannot be mounted: error %d\n", word, -error);
			return error;
		}
	}
	return 0;
}

int files_init_first(struct task *task)
{
	const struct start_info *info = linux_start_info();
	struct path root;
	if (!image_init(info)) {
		linux_log("linux: there is no system image\n");
		return -ENOENT;
	}
	task->fs = fs_context_create();
	task->files = files_create();
	int error = 0;
	struct filesystem *filesystem = ramfs_create_root(start_find(info, "volume", 0), &error);
	if (error)
		linux_log("linux: the root's vault cannot be used: error %d\n", -error);
	if (!task->fs || !task->files || !filesystem)
		return error ? error : -ENOMEM;
	error = mount_add(filesystem, 0, "rootfs", &root);
	if (error)
		return error;
	root.mount->read_only = filesystem->flags & FILESYSTEM_READ_ONLY;
	task->fs->root = root;
	task->fs->working = root;
	path_reference(&root);
	first_root = root;
	path_reference(&root);
	error = make_directories(&root);
	if (!error)
		error = make_devices(&root);
	if (!error)
		error = mount_at(&root, "proc", proc_filesystem(&pid_namespace_first), 0);
	if (!error)
		error = mount_at(&root, "sys", sys_filesystem(), 0);
	if (!error)
		error = mount_cgroups();
	uint64_t bytes;
	handle_t added = start_find(info, "add", &bytes);
	if (!error && added) {
		void *window = (void *)window_take((bytes + 4095) & ~4095ull, 4096);
		if (!window || space_map(machine.space, (uint64_t)window, added, 0, (bytes + 4095) & ~4095ull,
		                         MAP_READ) < 0)
			return -ENOMEM;
		const char *wrong = tar_unpack(window, bytes);
		if (wrong)
			linux_log("linux: added files: %s\n", wrong);
		space_unmap(machine.space, (uint64_t)window, (bytes + 4095) & ~4095ull);
		window_put((uint64_t)window, (bytes + 4095) & ~4095ull);
	}
	if (!error)
		error = mount_shares(info);
	if (!error)
		make_resolver(&root);
	if (!error && !console_init(info)) {
		linux_log("linux: there is no console stream\n");
		return -ENXIO;
	}
	return error ? error : files_standard(console_first());
}
