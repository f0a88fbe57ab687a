/* poweroff and reboot: the machine's orderly end, by reboot(2), where the sub-kernel may ask for it. In another this ends
 * the sub-kernel. By its name it is the one or the other. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/reboot.h>

int main(int count, char **arguments)
{
	const char *slash = strrchr(arguments[0], '/'), *name = slash ? slash + 1 : arguments[0];
	if (count > 1 && strcmp(arguments[1], "-f") != 0) { /* which others' scripts give */
		fprintf(stderr, "usage: %s\nAsks all programs to end, writes all files, and %s.\n", name,
		        strcmp(name, "reboot") == 0 ? "starts the machine anew" : "switches the machine off");
		return strcmp(arguments[1], "--help") != 0;
	}
	(void)reboot(strcmp(name, "reboot") == 0 ? RB_AUTOBOOT : RB_POWER_OFF);
	if (errno != EINTR)
		fprintf(stderr, "%s: %s\n", name, strerror(errno));
	return errno != EINTR;
}
