# holonfs: the file system library, on vdisk as its store. Its tests are built by tools/holonfs/module.mk, behind lib/vdisk's macros.
HOLONFS_SOURCES := $(addprefix lib/holonfs/,cache.c items.c blocks.c inode.c directory.c names.c data.c xattr.c fs.c check.c store_vdisk.c)
