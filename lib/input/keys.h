/* The numbers of keys: in the HID Usage Tables 1.4 (10, keyboard page), as abi/holon/input.h has them, and KEY_* of the Linux API
 * (include/uapi/linux/input-event-codes.h), as programs there and virtio's input devices have them. */
#pragma once

#include <stdint.h>

/* KEY_* of the key with number USAGE; 0: none. */
uint16_t keys_linux(uint16_t usage);
/* The other way. */
uint16_t keys_usage(uint16_t code);
