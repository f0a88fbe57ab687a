/* Slots of PCI Express that devices are plugged into and pulled out of while all runs (PCI Express Base 4.0, 6.7 and 7.5.3.9 to 7.5.3.11),
 * and places in the address space for what was plugged in. Free of the system, as pci.h.
 *
 * PORT is a function with hot_slot. Its bus number and windows are the firmware's; what does not fit into the windows gets no place. What the
 * port and the device say is checked: a range lies inside the port's window and beside the others, whatever sizes are claimed.
 */
#pragma once

#include "pci.h"

#define SLOT_FUNCTIONS 8u

struct slot_state {
	bool present;
	bool changed; /* something was plugged in or pulled out since it was asked last, */
	bool pressed; /* or its button was pressed: to say that it is to go, or to work */
};

/* What is in the slot; takes back what has happened. A port that is gone has nothing in it. */
struct slot_state slot_look(const struct pci_access *access, const struct pci_function *port);
/* Power and its lamp, where the slot has them. False: power stays, since the slot cannot switch it. */
bool slot_power(const struct pci_access *access, const struct pci_function *port, bool on);
/* The bus behind PORT; 0: the firmware gave it none. */
uint8_t slot_bus(const struct pci_access *access, const struct pci_function *port);
/* The functions in the slot, each with a place for its memory ranges, which are its BARs whatever it says later; their decoders stay off. Returns how many of them are there, at
 * most SLOT_FUNCTIONS; *PLACED: and all that they need has a place. */
unsigned slot_functions(const struct pci_access *access, const struct pci_function *port,
                        struct pci_function functions[SLOT_FUNCTIONS], bool *placed);
