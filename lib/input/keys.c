/* See keys.h. */
#include "keys.h"

#define USAGE_FIRST    0x04u
#define USAGE_MODIFIER 0xe0u

/* By usage, from USAGE_FIRST on. */
static const uint8_t codes[] = {
    30, 48,  46,  32,  18,  33,  34,  35,  23,  36,  37,  38,  50,          /* a to m */
    49, 24,  25,  16,  19,  31,  20,  22,  47,  17,  45,  21,  44,          /* n to z */
    2,  3,   4,   5,   6,   7,   8,   9,   10,  11,  28,  1,   14,  15, 57, /* 1 to 0, enter to space */
    12, 13,  26,  27,  43,  43,  39,  40,  41,  51,  52,  53,  58,          /* - to caps lock */
    59, 60,  61,  62,  63,  64,  65,  66,  67,  68,  87,  88,               /* F1 to F12 */
    99, 70,  119, 110, 102, 104, 111, 107, 109, 106, 105, 108, 103,         /* print to up */
    69, 98,  55,  74,  78,  96,  79,  80,  81,  75,  76,  77,  71,  72, 73, 82, 83, /* the keypad */
    86, 127,                                                                        /* the 102nd key, menu */
};
static const uint8_t modifiers[] = {29, 42, 56, 125, 97, 54, 100, 126};

uint16_t keys_linux(uint16_t usage)
{
	if (usage >= USAGE_FIRST && usage < USAGE_FIRST + sizeof(codes))
		return codes[usage - USAGE_FIRST];
	return usage >= USAGE_MODIFIER && usage < USAGE_MODIFIER + sizeof(modifiers)
	           ? modifiers[usage - USAGE_MODIFIER]
	           : 0;
}

uint16_t keys_usage(uint16_t code)
{
	for (uint16_t usage = USAGE_FIRST; code && usage < USAGE_MODIFIER + sizeof(modifiers); usage++)
		if (keys_linux(usage) == code)
			return usage;
	return 0;
}
