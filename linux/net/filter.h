/* Filters of sockets: programs of classic BPF that choose which packets a socket takes, and how much of each
 * (SO_ATTACH_FILTER of socket(7)). A socket's is set and released with the common lock held alone and under stack_lock;
 * it is read under either.
 */
#pragma once

#include "../internal.h"
#include "../task/bpf.h"

struct socket_filter;

/* The filter that the struct sock_fprog at ADDRESS, of BYTES, describes. */
int64_t socket_filter_make(uint64_t address, int32_t bytes, struct socket_filter **filter);
/* FILTER (or 0) with one more, or one fewer, that holds it. */
struct socket_filter *socket_filter_reference(struct socket_filter *filter);
void socket_filter_release(struct socket_filter *filter);
/* How much FILTER (0: all) leaves of PACKET; 0: nothing, it is dropped. */
uint32_t socket_filter_run(const struct socket_filter *filter, struct bpf_packet *packet);
/* The same of a message that is nothing but BYTES. */
uint32_t socket_filter_message(const struct socket_filter *filter, const void *bytes, uint32_t count);
/* SO_GET_FILTER: copies FILTER (or 0) to ADDRESS; *ROOM counts instructions. */
int64_t socket_filter_tell(const struct socket_filter *filter, uint64_t address, uint32_t *room);
