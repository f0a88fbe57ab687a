/* Trees of files as archives (GNU tar): what subkernel's cp and --add, and holon-run's --volume, send and take.
 *
 * Kept: names of any bytes, contents, modes, owners, times to the second, symbolic and hard links, FIFOs. Left out
 * with a word on standard error: devices and sockets. Not kept: extended attributes, holes.
 */
#pragma once

#include <stdbool.h>

/* Both buffer by megabytes, so that a block device may be the file. 0; -1 after a word on standard error, which
 * begins with tree_who. */
extern const char *tree_who;

/* Writes what is at PATH as NAME, with everything below it, to FILE at its position; with LAST, the archive's end
 * too. A file that grows meanwhile is cut at the size that it had, one that shrinks is filled with zeros. */
int tree_pack(int file, const char *path, const char *name, bool last);

/* What tree_unpack does with the archive's names, besides putting them below its directory. */
struct tree_place {
	const char *rename; /* the first part of every name becomes this; 0: names stay */
	bool keep_owners;   /* else everything belongs to the caller */
};
/* Unpacks the archive that FILE holds into the directory INTO. The archive is outside data: no name leads out of
 * INTO, by "..", by a link that is there, or by one that the archive brings. */
int tree_unpack(int file, int into, const struct tree_place *place);
