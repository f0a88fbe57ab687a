/* The switch for seeded bugs, in tests alone. */
#include "internal.h"

enum vdisk_bug vdisk_seeded_bug = BUG_NONE;
