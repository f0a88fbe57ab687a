/*
 * A subcommand of holon-ledger: one file each, one line each in the table of main.c.
 *
 * `run` is called with the subcommand's own arguments: arguments[0] is its name, arguments[count] is NULL. It
 * returns the exit status: 0 for success, 1 when what was asked for failed, 2 for a wrong command line.
 */
#ifndef LEDGER_COMMAND_H
#define LEDGER_COMMAND_H

struct ledger_command {
	const char *name;
	const char *summary; /* one line of `holon-ledger help` */
	int (*run)(int count, char **arguments);
};

int command_evm_test(int count, char **arguments);
int command_simulate(int count, char **arguments);
int command_init(int count, char **arguments);
int command_key(int count, char **arguments);
int command_run(int count, char **arguments);
int command_testnet(int count, char **arguments);
int command_status(int count, char **arguments);
int command_export(int count, char **arguments);
int command_replay(int count, char **arguments);
int command_members(int count, char **arguments);
int command_publish(int count, char **arguments);
int command_rpc(int count, char **arguments);
int command_bench(int count, char **arguments);
int command_version(int count, char **arguments);

#endif
