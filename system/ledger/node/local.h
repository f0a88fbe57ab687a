/* Networks of several nodes on this machine: making their folders, starting and ending their processes. */
#ifndef LEDGER_NODE_LOCAL_H
#define LEDGER_NODE_LOCAL_H

#include <sys/types.h>

#include "ledger/node/node.h"

/* Folders DIRECTORY/node-0, … with keys and one network on free ports of 127.0.0.1: validators, then `standby` nodes without a vote.
 * False with a message. */
bool local_create(const char *directory, unsigned validators, unsigned standby, enum dag_mode mode);
/* DIRECTORY itself: the node of a network of one, as above. Nothing, where it holds a network already. */
bool local_create_alone(const char *directory, enum dag_mode mode);
/* Starts node `number` in a process of its own; its pid, or -1. */
pid_t local_start(const char *directory, unsigned number, const struct node_options *options);
/* The node's status as JSON text, or false while it does not answer. */
bool local_status(const char *node_directory, char *out, size_t size);
/* Waits until every node sees all others; false after `seconds`. */
bool local_ready(const char *directory, unsigned validators, unsigned seconds);
/* Ends the processes and waits for them; false if one had failed. */
bool local_end(pid_t *pids, unsigned count);
/* Reads "key":NUMBER from a status. */
bool status_number(const char *status, const char *key, uint64_t *out);

#endif
