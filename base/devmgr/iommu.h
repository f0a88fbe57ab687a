/* The IOMMU (VT-d): every device reaches the pages that its driver mapped, at their own addresses, and nothing
 * else. Source: Intel Virtualization Technology for Directed I/O, Architecture Specification 3.3: 3.4 (tables), 6.5
 * (invalidation by registers), 7.3 (faults), 10.4 (registers).
 *
 * All remapping units share one root table. A device without a driver has no context: it reaches nothing.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct claim;

/* Takes all units over; false: there is none, or it cannot be used, which the log says. */
bool iommu_init(void);
bool iommu_present(void);
/* Every unit is in use, so that no device reaches more than its driver mapped. */
bool iommu_confines(void);
/* CLAIM's device may reach the page at ADDRESS. False: no memory for tables. Pages are counted: each
 * iommu_map wants its iommu_unmap. */
bool iommu_map(struct claim *claim, uint64_t address);
void iommu_unmap(struct claim *claim, uint64_t address);
/* After unmapping, before the memory goes to others. */
void iommu_flush(void);
/* Reports what devices tried to reach that they may not; true and the CLAIM: one did. Again until false. */
bool iommu_fault(struct claim **claim);
