/* holon-ledger: finds the subcommand named by the first argument and runs it. */
#include "command.h"
#include "rpc/dev.h"

#include <stdio.h>
#include <string.h>

static const struct ledger_command commands[] = {
    /* execution */
    {"evm-test", "run Ethereum's state tests", command_evm_test},
    /* consensus */
    {"testnet", "start a network of validators on this machine", command_testnet},
    {"init", "make the folders, keys and network file of new validators", command_init},
    {"key", "print the public keys of a node", command_key},
    {"run", "run a node", command_run},
    {"rpc", "run a gateway without a vote, which encrypts for the wallets of this machine", command_rpc},
    {"status", "ask a running node how it is", command_status},
    {"export", "write the chain of a stopped node to a file", command_export},
    {"replay", "execute an exported chain again and compare every block", command_replay},
    {"members", "vote on the validators of the next epoch", command_members},
    {"publish", "put signed records into the transparency log", command_publish},
    {"bench", "measure a network of processes on this machine", command_bench},
    {"simulate", "run the consensus core through seeded troubles and check it", command_simulate},
    /* about */
    {"version", "print the version and the rule sets it knows", command_version},
};

static void print_help(FILE *out)
{
	fprintf(out, "usage: holon-ledger COMMAND [ARGUMENTS]\n\n");
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		fprintf(out, "  %-12s %s\n", commands[i].name, commands[i].summary);
	fprintf(out, "  %-12s %s\n", "run --dev", "run a chain of one validator, for development");
}

int main(int count, char **arguments)
{
	if (count < 2) {
		print_help(stderr);
		return 2;
	}
	if (!strcmp(arguments[1], "help") || !strcmp(arguments[1], "--help")) {
		print_help(stdout);
		return 0;
	}
	/* A chain of one validator in this process is a program of its own. */
	if (!strcmp(arguments[1], "run") && count > 2 && !strcmp(arguments[2], "--dev"))
		return dev_run(count - 1, arguments + 1);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(arguments[1], commands[i].name))
			return commands[i].run(count - 1, arguments + 1);
	fprintf(stderr, "holon-ledger: there is no command '%s'; 'holon-ledger help' lists them\n",
	        arguments[1]);
	return 2;
}
