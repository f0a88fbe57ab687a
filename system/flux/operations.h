/* Shared by the files of operations.c, operations_object.c. */
#ifndef FLUX_OPERATIONS_H
#define FLUX_OPERATIONS_H

#include "runtime.h"

#endif
