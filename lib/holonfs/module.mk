# holonfs: the file system library, on vdisk as its store. Its tests are built by tools/holonfs/module.mk, behind lib/vdisk's macros.
HOLONFS_SOURCES := $(addprefix lib/holonfs/,cache.c items.c blocks.c inode.c quota.c directory.c names.c data.c extents.c pack.c xattr.c fs.c check.c store_vdisk.c)
# Compression: for programs on the host, and for the native service.
HOLONFS_LDLIBS := -llz4
HOLONFS_ARCHIVES := /usr/lib/x86_64-linux-gnu/liblz4.a
