/* A driver of e1000 cards that has its device interrupt (Intel's manual of the 8254x, 13.4.19: interrupt cause set), and never answers: what shares
 * its line must not feel that. */
#include <text.h>
#include "driver/driver.h"

#define CAUSE_SET 0xc8u
#define MASK_SET  0xd0u
#define ANY       0x1u

static struct driver driver;

int program_main(const struct start_info *info, struct thread_page *page)
{
	if (!driver_init(&driver, info, page) || !driver_bar_holds(&driver.bars[0], 0, 0x1000) ||
	    !driver_started(&driver))
		return 1;
	*(volatile uint32_t *)driver_register(&driver.bars[0], MASK_SET) = ANY;
	*(volatile uint32_t *)driver_register(&driver.bars[0], CAUSE_SET) = ANY;
	DRIVER_LOG(&driver, driver.irq_shared ? "deaf: interrupts on a line with others\n"
	                                      : "deaf: has a line of its own\n");
	for (;;)
		driver_pause(&driver, 1000000);
}
