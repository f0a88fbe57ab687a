/* holon-ledger version. */
#include "command.h"

#include <stdio.h>

int command_version(int count, char **arguments)
{
	(void)count;
	(void)arguments;
	printf("holon-ledger 1\nrule sets: ethereum (Cancun, Prague, Osaka), holon\n");
	return 0;
}
