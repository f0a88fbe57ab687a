# File systems of other systems: what they share, and the host's tests of both.
FILESYSTEM_SOURCES := $(addprefix lib/filesystem/,filesystem.c cache.c uses.c) $(addprefix lib/fat/,fat.c table.c node.c name.c directory.c data.c names.c recover.c) \
	$(addprefix lib/ext4/,super.c journal.c transaction.c group.c allocate.c inode.c extent.c data.c directory.c hash.c htree.c names.c xattr.c)
FILESYSTEM_IMAGE := lib/filesystem/image.c
$(call host-build,test,filesystem-shell,lib/filesystem/shell.c $(FILESYSTEM_IMAGE) $(FILESYSTEM_SOURCES),$(SANITIZE_CFLAGS))
$(call script-test,lib/filesystem/filesystem_test.py,build/host/test/filesystem-shell,slow)

# What serves files of any of them (lib/file_service).
FILE_SERVICE_SOURCES := $(addprefix lib/file_service/,session.c names.c contents.c) lib/filesystem/uses.c

# The service of one disk, base/files, on newlib. It is built here, behind the list above.
FILES_SOURCES := $(sort base/files/main.c lib/block/block_ring.c lib/block/block_client.c lib/block/block_device.c $(FILE_SERVICE_SOURCES) $(FILESYSTEM_SOURCES))
$(call native-newlib-program,base/files,$(FILES_SOURCES))
$(call host-test,filesystem-crash,lib/filesystem/crash_test.c $(FILESYSTEM_IMAGE) $(FILESYSTEM_SOURCES))
$(call host-fuzz,ext4,lib/filesystem/filesystem_fuzz.c $(FILESYSTEM_IMAGE) $(FILESYSTEM_SOURCES),-DEXT4)
$(call host-fuzz,fat,lib/filesystem/filesystem_fuzz.c $(FILESYSTEM_IMAGE) $(FILESYSTEM_SOURCES),-DFAT)
