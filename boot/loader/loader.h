/* The loader: what its firmware-independent part offers and what it needs from the BIOS or UEFI part.
 *
 * One flow for both firmwares (loader_run): find the bundle and the command line, place the kernel and the
 * modules, build page tables, describe memory, enter the kernel. The platform_ functions are the only way to
 * the firmware. Everything is placed below 4 GiB, so that 32-bit code (the BIOS part) can reach it.
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <holon/handoff.h>

#define PAGE_SIZE 4096ull

/*@ assigns \nothing;
    ensures value <= 0xfffffffffffff000 ==> \result >= value && \result - value < 4096 && \result % 4096 == 0;
*/
static inline uint64_t page_up(uint64_t value)
{
	return (value + (PAGE_SIZE - 1)) / PAGE_SIZE * PAGE_SIZE;
}

/* The memory at a physical address; the loader runs identity mapped. */
static inline void *at(uint64_t physical)
{
	return (void *)(uintptr_t)physical;
}

static inline uint64_t physical_of(const void *pointer)
{
	return (uintptr_t)pointer;
}

/* Messages go to the screen and, unless the command line says "quiet", to the log port. Formats: %s, %u
 * (unsigned), %x (unsigned), %m (uint64_t bytes, printed in MiB or KiB). */
void say(const char *format, ...);
/* Prints why Holon cannot start and what to do, then stops the machine (or returns to the firmware). */
_Noreturn void fail(const char *format, ...);
void say_quiet(bool quiet);
/* The formatter of say() and fail(), by itself. */
void say_format(void (*put)(char), const char *format, va_list arguments);
/* Text for the screen alone. */
void say_progress(const char *text);

/* Finds the log port: COM2 where there is one, else COM1, which otherwise belongs to the console. */
void serial_init(void);
void serial_put(char c);
/* Waits, no longer than a moment, until all that was put has left the log port: a machine that ends loses what still waits there. */
void serial_drain(void);
/* The port (set up) or address that the system's log goes to by the command line: COM1, or COM2 with "log=com2"; 0 with
 * "log=none", or where there is no such port. */
uint64_t serial_choose(const char *command_line);

/* True when the space-separated command line holds that word. */
bool has_option(const char *line, const char *word);

/* Runs the loader to the kernel's first instruction. loader_tsc: time-stamp counter when the loader began. */
_Noreturn void loader_run(enum handoff_firmware firmware, uint64_t loader_tsc);

/* --- What the BIOS or UEFI part provides --- */

/* One character to the screen. */
void platform_put(char c);
_Noreturn void platform_stop(void);
/* The menus' screen (boot/menu/terminal.h): its size in characters, where the next one goes, and whether it is shown inverse. */
void platform_size(uint32_t *columns, uint32_t *rows);
void platform_clear(void);
void platform_move(uint32_t column, uint32_t row);
void platform_inverse(bool inverse);
/* The next key (enum key of boot/menu/terminal.h) or 0; and whether the firmware's screen and keys are the serial line's already. */
uint32_t platform_key(void);
bool platform_has_serial(void);
/* Starts the DISKth disk other than this one (BIOS), or the program at PATH on another volume (UEFI). Returns when nothing was started;
 * when a program ends that was, the machine restarts: what it left in memory was not verified. */
void platform_boot_other(uint32_t disk, const char *path);
/* What vouches for this loader, in words. */
const char *platform_vouched(void);
_Noreturn void platform_restart(void);
/* Switches the machine off; where that fails it stands still. */
_Noreturn void platform_off(void);
/* Up to COUNT bytes of the firmware's random generator; how many it gave. */
uint32_t platform_random(void *bytes, uint32_t count);
/* Calls FUNCTION on a stack of 64 KiB; it may call no platform function. */
const char *platform_on_stack(const char *(*function)(void *), void *argument);
/* size bytes (rounded up to pages) below 4 GiB, aligned to align (a power of two), accounted as kind; not
 * zeroed. Returns the physical address, or 0 when there is no such memory. */
uint64_t platform_allocate(uint64_t size, uint64_t align, enum handoff_memory_kind kind);
/* Accounts part of what platform_allocate gave as another kind. */
void platform_claim(uint64_t base, uint64_t size, enum handoff_memory_kind kind);
/* Reads bytes of the medium's bundle; false on a read error. Offset is a multiple of 4096. */
bool platform_read_bundle(uint64_t offset, void *to, uint64_t size);
/* Size of the medium's bundle in bytes as far as the medium says; 0 if there is none. */
uint64_t platform_bundle_size(void);
/* The disk that the loader was started from: how many sectors of 512 bytes it has, 0 where there is none of such. Positions are in bytes,
 * multiples of 512; so are the sizes of writes, which are on the disk when they return true. */
uint64_t platform_disk_sectors(void);
bool platform_disk_read(uint64_t position, void *to, uint64_t size);
bool platform_disk_write(uint64_t position, const void *from, uint64_t size);
/* A page below 640 KiB, accounted as the loader's; 0 where none is free. */
uint64_t platform_low_page(void);
uint64_t platform_memory_end(void); /* first byte after the last RAM */
uint64_t platform_rsdp(void);
/* Chooses and describes a framebuffer; leaves format HANDOFF_PIXEL_NONE where there is none. */
void platform_framebuffer(struct handoff_framebuffer *framebuffer);
/* Fills the memory map and ends the firmware's services. No platform function may be called afterwards. */
void platform_finish(struct handoff *handoff);
/* Loads the page tables and a stack, and calls the entry point in long mode with the handoff's address in
 * RDI. */
_Noreturn void platform_enter(uint64_t page_tables, uint64_t entry, uint64_t handoff, uint64_t stack_top);
