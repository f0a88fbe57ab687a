/* A client of JSON-RPC over http://HOST:PORT, a connection a request: for the wallet and the gateway, whose other side is a node of
 * ours. */
#ifndef LEDGER_RPC_CLIENT_H
#define LEDGER_RPC_CLIENT_H

#include <jansson.h>

/* For what may execute a contract. */
#define CLIENT_SECONDS 60

/* Posts the text and gives the answer's content, from malloc(), all within so many seconds. NULL, and why. */
char *client_exchange(const char *url, const char *body, unsigned seconds, const char **why);
/* The result of a call; takes `params`. NULL after printing why. */
json_t *client_call(const char *url, const char *method, json_t *params);

#endif
