/* devmgr: finds the devices, gives each to a driver, starts drivers again that fail.
 *
 *   devmgr.c     start, the loop, what clients ask (abi/device.interface)
 *   claim.c      a device and its driver: what the driver is given, its end, its restart (abi/host.interface)
 *   hotplug.c    devices that come and go
 *   lines.c      interrupt lines that several devices share
 *   mapping.c    what devices may reach by DMA
 *   iommu.c      the IOMMU
 *   config.c     PCI configuration space
 *   drivers.c    which driver is whose
 *   power.c      the power button
 *   acpi.c pci.c slot.c free of the system
 *
 * It is in the trusted base for memory isolation: it says which physical addresses devices get. A driver is
 * not: it sees registers of its own device but for the MSI-X table, and clients' memory that they sent it.
 */
#pragma once

#include <holon.h>
#include <holon/device.h>
#include <sysimg/sysimg.h>
#include "acpi.h"
#include "iommu.h"
#include "pci.h"

#define CLAIMS_MAX   48u
#define NUMBERS_MAX  32u /* of one device: disks of a controller */
#define KEPT_MAX     72u
#define VECTORS_MAX  8u
#define CHANGES_BIT  (1ull << 62) /* of devmgr's own event: a restart is due */
#define FAULT_BIT    (1ull << 60) /* the IOMMU has stopped something */
#define LINE_BIT     (1ull << 48) /* and the LINES_MAX - 1 above: interrupts */
#define LINES_MAX    12u
#define BADGE_DRIVER 0x10000u /* and above: drivers; below: clients */

enum { CLASS_UHCI = 0x0c0300, CLASS_EHCI = 0x0c0320 };

/* A driver and the devices it is for. */
struct driver_entry {
	const char *program; /* "native/NAME" in the system image */
	uint16_t vendor;     /* 0: any, by class */
	uint16_t device_first, device_last;
	uint32_t class, class_mask;
	uint64_t memory; /* bytes */
	uint64_t caps;
	uint8_t vectors; /* message interrupts it uses, at most VECTORS_MAX, and one a CPU */
};
const struct driver_entry *driver_find(const struct pci_function *function);

struct claim {
	struct pci_function function;
	const struct driver_entry *driver; /* 0: none */
	handle_t unit;                     /* 0: does not run */
	handle_t channel;                  /* its clients' */
	bool started;                      /* this driver has reset the device */
	bool ready;                        /* what is there was announced, once */
	bool ever;                         /* some driver of this devmgr has */
	bool up;                           /* this driver has announced what is there */
	bool killed_early;                 /* the one before was killed when it had not */
	bool shares;                       /* its interrupt line, */
	handle_t line_event;               /* which its driver is told of by this event: 0: not yet */
	uint64_t line_bits;
	uint32_t restarts;
	uint64_t moved;          /* by how much its program was */
	uint64_t restart_at;     /* ns; 0: not waiting for one */
	volatile uint32_t *msix; /* the table */
	uint64_t msix_bytes;     /* mapped of it */
	bool absent;             /* it was pulled out */
	uint64_t *domain;        /* iommu.c's */
	struct {
		uint32_t kind; /* enum device_kind; NONE: not announced */
		char serial[32];
	} numbers[NUMBERS_MAX];
	uint64_t kept[KEPT_MAX][3];
};

struct devmgr {
	const struct start_info *info;
	struct thread_page *page;
	handle_t log, system, steward, devices, event;
	struct sysimg image;
	handle_t image_memory;
	uint32_t priority;
	struct acpi_info acpi;
	struct pci_access access;
	struct claim claims[CLAIMS_MAX];
	unsigned claim_count;
	uint64_t changes;
	const char
	    *sabotaged; /* the boot option "kill-driver=NAME,MS", for tests: a driver that is destroyed */
	uint64_t sabotage_ns, sabotage_at;
	handle_t sabotage_pause; /* an event that nobody signals */
	bool old_pins;           /* those of the devmgr before this one are not ended yet */
};
extern struct devmgr devmgr __attribute__((visibility("hidden"))); /* no table of addresses: native.ld */

#define LOG(...) log_print(devmgr.log, devmgr.page, __VA_ARGS__)

/* config.c: by ECAM where ACPI tells of one, else by ports. False: neither. */
bool config_init(void);

/* claim.c */
/* What a device's registers do not tell of it: after its BARs were read. */
void claim_fix(struct claim *claim);
/* Finds its driver, if it may have one, and makes what that is given. */
void claim_begin(struct claim *claim);
void claim_start(struct claim *claim);
/* A device that was plugged in: it gets a driver. */
void claim_add(const struct pci_function *function);
/* Its device goes or is gone: the driver is ended, and so are clients' capabilities. What was mapped stays until mappings_end_old(). */
void claim_remove(struct claim *claim);
/* Whether CLAIM is the companion of a controller that is to be started first: it is started when that is ready, or after a while. */
bool claim_waits(struct claim *claim);
/* Its unit has stopped, or was found to have. */
void claim_ended(struct claim *claim);
/* Its device did what it must not: it is silenced, and its driver starts anew. */
void claim_stop(struct claim *claim);
/* What is due by time: restarts, sabotage. */
void claims_due(void);
/* Silences all devices: none is a bus master, none interrupts. */
void claims_silence(void);
extern const struct host_operations claim_operations
    __attribute__((visibility("hidden"))); /* context: the claim */

/* mapping.c */
int64_t mapping_make(struct claim *claim, handle_t memory, uint64_t offset, uint64_t bytes, uint64_t *number,
                     const void **addresses, uint32_t *addresses_bytes);
int64_t mapping_end(struct claim *claim, uint64_t number);
/* Those of CLAIM's drivers that have died (OLD), or of the one that runs now. */
void mappings_age(struct claim *claim);
void mappings_end_old(struct claim *claim);

/* hotplug.c */
/* Once, after the drivers of what is there were started. */
void hotplug_init(void);
/* What is due by time; as lines_due(). */
uint64_t hotplug_due(uint64_t now, uint64_t next);

/* lines.c */
/* Whether the line of CLAIM's device has other users, which have drivers. */
bool line_shared(const struct claim *claim);
/* Line NUMBER is devmgr's from now on. False: it cannot be had. */
bool line_take(uint8_t number);
/* CLAIM's device is one of its line's; it interrupts from line_listen on. False: it cannot be. */
bool line_join(struct claim *claim);
void line_leave(struct claim *claim);
/* Its driver is told of interrupts by BITS of EVENT, one after the other: */
int64_t line_listen(struct claim *claim, handle_t event, uint64_t bits);
int64_t line_answered(struct claim *claim);
/* After a signal of BITS. */
void lines_interrupted(uint64_t bits);
/* What is due by time; NEXT, or when there is more, if that is sooner. */
uint64_t lines_due(uint64_t now, uint64_t next);

/* devmgr.c: devices have come or gone. */
void devmgr_changed(void);
/* Clients hear of the power button. False: it was not pressed. */
bool power_tell(void);

/* power.c */
void power_init(void);
bool power_pressed(void); /* since it was asked last; takes the interrupt back */
