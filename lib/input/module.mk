# Keyboards and pointers: numbers of keys, and what devices tell in Linux' numbers.
EVDEV_SOURCES := lib/input/evdev.c lib/input/keys.c
$(call host-test,evdev-numbers,lib/input/evdev_test.c $(EVDEV_SOURCES))
$(call host-fuzz,evdev-numbers,lib/input/evdev_fuzz.c $(EVDEV_SOURCES))
