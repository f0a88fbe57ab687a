/* Shared by the files of compile.c, compile_function.c. */
#ifndef FLUX_COMPILE_INTERNAL_H
#define FLUX_COMPILE_INTERNAL_H

#include "compile.h"

#endif
