/* Unpacking the files that holon-run adds: a tar archive (POSIX.1-1988 ustar, with GNU long names) into the
 * root. */
#pragma once

#include <stdint.h>

/* Unpacks the BYTES of ARCHIVE below the current task's root: directories, files, links. 0, or what is wrong;
 * what came before the damage is unpacked. */
const char *tar_unpack(const void *archive, uint64_t bytes);
