/* holon-ledger run --dev. */
#ifndef LEDGER_RPC_DEV_H
#define LEDGER_RPC_DEV_H

/* As a subcommand's `run` (command.h). */
int dev_run(int count, char **arguments);

#endif
