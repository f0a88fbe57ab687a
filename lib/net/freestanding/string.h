/* <string.h> for native programs that link lib/net: the few functions it uses are lib/holon's. */
#pragma once

#include <text_inline.h>
