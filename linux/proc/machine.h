/* Files of /proc that tell of the machine, and are asked for by programs that look around more than by those that
 * work: machine.c.
 */
#pragma once

#include "proc.h"

void text_vmstat(struct proc_text *text, const struct proc_subject *subject);
void text_interrupts(struct proc_text *text, const struct proc_subject *subject);
void text_softirqs(struct proc_text *text, const struct proc_subject *subject);
void text_buddyinfo(struct proc_text *text, const struct proc_subject *subject);
void text_zoneinfo(struct proc_text *text, const struct proc_subject *subject);

/* ipc/ */
void text_sysvipc_shm(struct proc_text *text, const struct proc_subject *subject);
void text_sysvipc_sem(struct proc_text *text, const struct proc_subject *subject);
void text_sysvipc_msg(struct proc_text *text, const struct proc_subject *subject);

extern const struct proc_entry pressure_entries[], sysvipc_entries[];

#define MACHINE_ENTRIES                                                                                      \
	PROC_TEXT("vmstat", text_vmstat), PROC_TEXT("interrupts", text_interrupts),                          \
	    PROC_TEXT("softirqs", text_softirqs), PROC_TEXT("buddyinfo", text_buddyinfo),                    \
	    PROC_TEXT("zoneinfo", text_zoneinfo), PROC_FIXED("diskstats", ""), PROC_FIXED("crypto", ""),     \
	    PROC_FIXED("misc", ""), PROC_FIXED("iomem", ""), PROC_FIXED("ioports", ""),                      \
	    PROC_FIXED("keys", ""), PROC_FIXED("key-users", ""), PROC_FIXED("fb", ""),                       \
	    PROC_FIXED("execdomains", "0-0\tLinux           \t[kernel]\n"),                                  \
	    PROC_FIXED("consoles", "console              -W- (EC p  )    5:1\n"),                            \
	    PROC_FIXED("slabinfo", "slabinfo - version: 2.1\n# name            <active_objs> <num_objs> "    \
	                           "<objsize> <objperslab> <pagesperslab>\n"),                               \
	    PROC_DIRECTORY("pressure", pressure_entries), PROC_DIRECTORY("sysvipc", sysvipc_entries)
