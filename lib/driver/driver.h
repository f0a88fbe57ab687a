/* What every driver is made of: the device it was given, memory that the device reads and writes, and one loop
 * over its clients' calls, its interrupts and its clients' signals. Native; what is here is for the first thread,
 * but for driver_fail().
 *
 * Physical addresses are as devmgr gives them, one a page: nothing longer than a page is contiguous. A device
 * may touch only what was mapped; who takes memory back (driver_unmap) has made sure that it does not.
 */
#pragma once

#include <holon.h>
#include <holon/device.h>

#define DRIVER_PAGE       4096u
#define DRIVER_BARS       6
#define DRIVER_IRQS       8  /* their bits in the event: 0 to 7 */
#define DRIVER_CLIENT_BIT 8u /* bits of clients' signals: 8 to 55 */
#define DRIVER_CLIENTS    48u
#define DRIVER_AGAIN_BIT  (1ull << 61) /* a driver signals itself: there is more to do */
#define DRIVER_TIMER_BIT  (1ull << 62)
#define DRIVER_MAP_PAGES  256u /* a call to devmgr maps */

/* A base address register's range, or the longest part of it that may be touched: the rest holds the MSI-X
 * table. AT + (offset - SKIP). */
struct driver_bar {
	volatile uint8_t *at; /* 0: memory that is not there */
	uint64_t skip, bytes;
	handle_t ports; /* I/O ports instead, */
	uint32_t port;  /* from here on */
};

struct driver {
	const struct start_info *info;
	struct thread_page *page;
	handle_t log, host, service; /* service: the channel of this driver's clients */
	handle_t event;
	struct driver_bar bars[DRIVER_BARS];
	handle_t irqs[DRIVER_IRQS];
	unsigned irq_count;
	bool irq_level;  /* they are level-triggered: to be acknowledged */
	bool irq_shared; /* irqs[0] is a line with other devices on it, of which devmgr tells */
	uint64_t client_bits;
};

#define DRIVER_LOG(driver, ...) log_print((driver)->log, (driver)->page, __VA_ARGS__)

/* Finds what devmgr gave. False: something is missing, which the log says. */
bool driver_init(struct driver *driver, const struct start_info *info, struct thread_page *page);
/* The same, but of its message interrupts only the first signals the driver's event: the others are to be bound. */
bool driver_init_first(struct driver *driver, const struct start_info *info, struct thread_page *page);
/* COUNT registers' bytes at OFFSET of BAR are there. */
bool driver_bar_holds(const struct driver_bar *bar, uint64_t offset, uint64_t bytes);
static inline volatile void *driver_register(const struct driver_bar *bar, uint64_t offset)
{
	return bar->at + (offset - bar->skip);
}

/* A register of 32 bits, OFFSET bytes behind AT. */
static inline uint32_t register_get(const volatile uint8_t *at, uint32_t offset)
{
	return *(const volatile uint32_t *)(at + offset);
}

static inline void register_put(volatile uint8_t *at, uint32_t offset, uint32_t value)
{
	*(volatile uint32_t *)(at + offset) = value;
}

uint32_t driver_config(struct driver *driver, uint32_t offset); /* all ones where that fails */

/* The device has been reset: it becomes a bus master (abi/host.interface). False: not so. */
bool driver_started(struct driver *driver);
/* COUNT fresh pages for the device and the driver, zeroed; their addresses. 0: no memory. */
void *driver_pages(struct driver *driver, unsigned count, uint64_t *addresses);
/* Maps the first PAGES pages of MEMORY for the device: ADDRESSES and, one for each DRIVER_MAP_PAGES,
 * MAPPINGS. False: nothing is mapped. MEMORY needs the right to be copied. */
bool driver_map(struct driver *driver, handle_t memory, uint64_t pages, uint64_t *addresses,
                uint64_t *mappings);
void driver_unmap(struct driver *driver, uint64_t pages, const uint64_t *mappings);

/* A capability for a client that signals BITS of EVENT, the driver's or one of its threads'; 0: there is none left. */
handle_t driver_client_signal(struct driver *driver, handle_t event, uint64_t *bits);
void driver_client_ended(struct driver *driver, uint64_t bits);
/* The bytes of a memory object that a client handed over; 0 where they cannot be told. */
uint64_t driver_memory_bytes(struct driver *driver, handle_t memory);
/* Waits about MICROSECONDS, which the device needs for something. */
void driver_pause(struct driver *driver, uint32_t microseconds);

/* Serves until the channel ends: MESSAGE for each call (which it answers in place, as generated servers do),
 * WORK for the bits of each signal. */
_Noreturn void driver_run(struct driver *driver, void *context,
                          void (*message)(void *context, struct message *message),
                          void (*work)(void *context, uint64_t bits));
/* Starts a thread on CPU, which has foreign_thread_enter() called for it: ENTRY(ARGUMENT), which does not return. It may
 * not call devmgr, nor map anything. False: it cannot be had. */
bool driver_thread(struct driver *driver, uint32_t cpu, void (*entry)(void *argument), void *argument);
/* Gives up: the device is reset and the driver started again by devmgr. */
_Noreturn void driver_fail(struct driver *driver, const char *why);
