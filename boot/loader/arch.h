/* What differs between processors, besides machine.h, paging.h and the serial ports (loader.h). boot/arch/ARCH implements it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* A word of the processor's random generator; false where it has none, or it fails. */
bool arch_random(uint64_t *word);
/* How long something took whose time is not quite the same each time, in the counter's ticks. */
uint64_t arch_jitter(void);
/* The date and time of the machine's own clock, in no particular form. */
uint64_t arch_wall_clock(void);
uint64_t arch_counter(void); /* the counter that handoff_machine.clock_hz is the rate of */
void arch_interrupts_off(void);
/* Where the machine is emulated and has a device for that, ends it as failed. */
void arch_end_machine(void);
/* Stands still until an interrupt, if there may be one. */
void arch_halt(void);
/* What is wrong with the state in which UEFI left the processor, or NULL. */
const char *arch_firmware_check(void);
/* Page-table entries may forbid execution from now on. */
void arch_no_execute_on(void);
/* One character to the console's serial port; the next one from there, or 0. */
void arch_console_put(char c);
uint8_t arch_console_get(void);
/* Restarts the machine, if it can. */
void arch_restart(void);
/* QEMU's fw_cfg device: whether it is there and has DMA; starts the request at that physical address, big-endian fields. */
bool arch_fwcfg_present(void);
void arch_fwcfg_start(uint64_t request);
