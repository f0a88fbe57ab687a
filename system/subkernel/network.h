/* Sub-kernels' links: what the manager asks the switch for (abi/switch.interface). */
#pragma once

#include <holon.h>
#include <holon/switch.h>

/* What the manager keeps of a sub-kernel's link; a sub-kernel without one has `number` 0. */
struct network_link {
	uint64_t number, parent; /* the switch's numbers */
	handle_t channel;
	struct switch_policy policy;
};

/* Finds the switch; without one no sub-kernel gets a link. */
void network_init(const struct start_info *info, struct thread_page *page, handle_t log);
bool network_present(void);
/* A link under POLICY, which is not SWITCH_NONE, for the sub-kernel called NAME below the one whose link is
 * PARENT (0: the first). 0, or an error with *LINK empty. */
int64_t network_create(struct network_link *link, const struct network_link *parent, const char *name,
                       const struct switch_policy *policy);
void network_destroy(struct network_link *link);
/* Ends LINK with its flows, and those nested in it, at the switch alone: network_refresh makes it again, by its policy of then. 0, or an
 * error: it may be as it was. */
int64_t network_cut(const struct network_link *link);
/* LINK, which the switch has ended, is none any more. */
void network_forget(struct network_link *link);
/* Port forwards that the boot command line asks for go to LINK: words forward=tcp|udp:OUTER:INNER. */
void network_forward(const struct network_link *link);
/* Whether the switch still knows LINK; makes it again where it does not. Forwards are made again by
 * network_forward. True: it was made again. */
bool network_refresh(const struct network_link *link, const char *name);
/* What went over LINK; false: unknown. */
bool network_counters(const struct network_link *link, struct link_counters *counters);
/* Lets CLIENT open connections to PORT of SERVER, under the name SERVICE. */
int64_t network_connect(const struct network_link *client, const struct network_link *server, uint16_t port,
                        const char *service);
