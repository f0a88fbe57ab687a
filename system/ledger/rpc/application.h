/* The execution engine as an application of a node. */
#ifndef LEDGER_RPC_APPLICATION_H
#define LEDGER_RPC_APPLICATION_H

#include "ledger/node/application.h"

extern const struct ledger_application evm_application;

#endif
