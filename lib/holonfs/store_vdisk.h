/* A vdisk as the store of a holonfs: its flush is the file system's commit. */
#ifndef HOLONFS_STORE_VDISK_H
#define HOLONFS_STORE_VDISK_H

#include "holonfs.h"
#include "vdisk/vdisk.h"

struct store store_vdisk(struct vdisk *disk);
int vdisk_errno(int status); /* 0 or a negative errno */

#endif
