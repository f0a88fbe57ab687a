/* QEMU's fw_cfg device (QEMU documentation, "QEMU Firmware Configuration (fw_cfg) Device"): host files for
 * the guest.
 *
 * Only names below opt/holon/ are looked at. This is how holon-run hands over a bundle, a command line and
 * modules without building a medium. It is trusted as the medium is: whoever runs the virtual machine owns
 * both.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct fwcfg_file {
	char name[56]; /* without "opt/holon/" */
	uint32_t size; /* bytes */
	uint16_t selector;
};

/* Looks for the device and reads its directory. False when this is not QEMU or the device cannot do DMA. */
bool fwcfg_init(void);
uint32_t fwcfg_count(void);
const struct fwcfg_file *fwcfg_get(uint32_t index);
const struct fwcfg_file *fwcfg_find(const char *name);
/* Reads [offset, offset + size) of the file; the range lies inside it. False when the device reports an
 * error. */
bool fwcfg_read(const struct fwcfg_file *file, uint32_t offset, void *to, uint32_t size);
