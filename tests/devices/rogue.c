/* The driver of QEMU's "edu" device (docs/specs/edu of QEMU) as an attacker who has taken a driver over: it has the
 * device reach memory that was never mapped for it, or no longer is. The log says what came of it. What is done
 * next is kept by devmgr, since a driver whose device is caught is started anew.
 */
#include <text.h>
#include "driver/driver.h"
#include "host.interface.h"

enum reg { ID = 0x00, SOURCE = 0x80, TARGET = 0x88, BYTES = 0x90, COMMAND = 0x98 };
#define BUFFER    0x40000ull /* the device's own memory, as it names it */
#define TO_MEMORY 2u
#define RUN       1u
#define WAIT_NS   2000000000ull
#define CALL_NS   10000000000ull
/* The loader puts the kernel at a multiple of LARGE_PAGE behind the bundle. */
#define LARGE_PAGE  0x200000ull
#define KERNEL_ENDS 0x4000000ull

static struct driver driver;
static volatile uint8_t *registers;

static void put(uint32_t at, uint64_t value)
{
	*(volatile uint64_t *)(registers + at) = value;
}

static bool transfer(uint64_t memory, bool to_memory)
{
	uint64_t end = clock_ns() + WAIT_NS;

	put(SOURCE, to_memory ? BUFFER : memory);
	put(TARGET, to_memory ? memory : BUFFER);
	put(BYTES, 64);
	*(volatile uint64_t *)(registers + COMMAND) = RUN | (to_memory ? TO_MEMORY : 0);
	while (*(volatile uint64_t *)(registers + COMMAND) & RUN)
		if (clock_ns() > end)
			return false;
	return true;
}

static bool all(const volatile uint8_t *at, uint8_t value)
{
	for (unsigned i = 0; i < 64; i++)
		if (at[i] != value)
			return false;
	return true;
}

static void next(uint64_t stage)
{
	(void)(host_keep(driver.host, driver.page, 0, stage, 1, 0, clock_ns() + CALL_NS) < 0);
}

int program_main(const struct start_info *info, struct thread_page *page)
{
	uint64_t addresses[2], freed, mapping, stage, b, c;
	handle_t memory;

	if (!driver_init(&driver, info, page) || !driver_bar_holds(&driver.bars[0], 0, 0x1000) ||
	    !driver_started(&driver))
		return 1;
	registers = driver_register(&driver.bars[0], 0);
	uint8_t *own = driver_pages(&driver, 2, addresses);
	uint8_t *other = window_allocate(DRIVER_PAGE, &memory);
	if (!own || !other || host_kept(driver.host, page, 0, &stage, &b, &c, clock_ns() + CALL_NS) < 0)
		return 1;
	memset(own, 0xa5, DRIVER_PAGE);
	if (stage == 0) {
		bool right = transfer(addresses[0], false) && transfer(addresses[1], true) &&
		             all(own + DRIVER_PAGE, 0xa5);
		DRIVER_LOG(&driver, right ? "ok rogue: memory that is mapped is reached\n"
		                          : "not ok rogue: memory that is mapped is not reached\n");
		memset(other, 0x11, DRIVER_PAGE);
		next(1);
		if (!driver_map(&driver, memory, 1, &freed, &mapping))
			return 1;
		driver_unmap(&driver, 1, &mapping);
		transfer(addresses[0], false);
		transfer(freed, true);
		DRIVER_LOG(&driver, all(other, 0x11) ? "rogue: memory that was given back stays as it was\n"
		                                     : "rogue: memory that was given back is OVERWRITTEN\n");
		driver_pause(&driver, 300000);
		stage = 1;
	}
	if (stage == 1) {
		bool read = false;
		next(2);
		transfer(addresses[0], false);
		for (uint64_t at = LARGE_PAGE; at < KERNEL_ENDS && !read; at += LARGE_PAGE) {
			transfer(at, false);
			transfer(addresses[1], true);
			read = !all(own + DRIVER_PAGE, 0xa5) && !all(own + DRIVER_PAGE, 0);
		}
		DRIVER_LOG(&driver, read ? "rogue: the kernel's memory is READ\n"
		                         : "rogue: the kernel's memory is not read\n");
		driver_pause(&driver, 300000);
	}
	DRIVER_LOG(&driver, "rogue: the end\n");
	for (;;)
		driver_pause(&driver, 1000000);
}
