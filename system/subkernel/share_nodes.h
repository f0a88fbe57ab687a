/* The nodes of a shared directory that a child uses: an inode each, by number, with an O_PATH descriptor that keeps it. */
#pragma once

#include <sys/stat.h>
#include "share.h"

/* What errno says, as abi/file.interface does. */
int64_t share_failed(void);
/* 0: no such node is in use. */
struct share_node *share_node_find(const struct share *share, uint64_t number);
/* A use of the inode that FILE (O_PATH, which goes over) names; its attributes in *STATUS. Refused are inodes of other file
 * systems, and more than the share's MOST at a time. */
int64_t share_node_use(struct share *share, int file, struct stat *status);
/* Takes NODE out; what collided with it moves up, perhaps to its place. Its contents are closed. */
void share_node_remove(struct share *share, struct share_node *node);
/* Room for twice as many; false: no memory. */
bool share_nodes_grow(struct share *share);
