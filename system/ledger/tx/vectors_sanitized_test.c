/* Ethereum's state tests under ASan and UBSan: all of them in soak, a part otherwise. */
#include "command.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(void)
{
	static char file[] = "../shared/vectors/evm/state-tests.jsonl.zst";
	static char command[] = "evm-test";
	static char match[] = "--match";
	static char part[] = "stRandom";
	char *all[] = {command, file, NULL};
	char *some[] = {command, match, part, file, NULL};
	if (access(file, R_OK) != 0) {
		printf("ok evm state tests with sanitizers # skipped: %s is not there\n", file);
		return 0;
	}
	const int status = getenv("HOLON_SOAK") ? command_evm_test(2, all) : command_evm_test(4, some);
	printf(status ? "not ok evm state tests with sanitizers - see above\n"
	              : "ok evm state tests with sanitizers\n");
	return status;
}
