# File systems of other systems: what they share, and the host's tests of both.
FILESYSTEM_SOURCES := $(addprefix lib/filesystem/,filesystem.c cache.c) $(addprefix lib/fat/,fat.c table.c node.c name.c directory.c data.c names.c) \
	$(addprefix lib/ext4/,super.c journal.c transaction.c group.c allocate.c inode.c extent.c data.c directory.c hash.c htree.c names.c xattr.c)
FILESYSTEM_IMAGE := lib/filesystem/image.c
$(call host-build,test,filesystem-shell,lib/filesystem/shell.c $(FILESYSTEM_IMAGE) $(FILESYSTEM_SOURCES),$(SANITIZE_CFLAGS))
