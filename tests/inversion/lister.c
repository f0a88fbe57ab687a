/* Asks the sub-kernel manager for its list for ever: in a sub-kernel of low priority, a donor that can be starved in the
 * midst of its request. */
#include <holon/guest_calls.h>
#include <unistd.h>

int main(void)
{
	static char list[4096];

	for (;;)
		syscall(HOLON_SUBKERNEL_LIST, 200, list);
}
