/* A TPM's registers: how a command goes in and its answer comes out. Both interfaces of the TCG PC Client Platform TPM Profile 1.05, at
 * locality 0: the FIFO (TPM_ACCESS, TPM_STS, TPM_DATA_FIFO) and the command response buffer (TPM_LOC_CTRL, TPM_CRB_CTRL_REQ, _START and
 * those of its buffers). For the driver and for the host's test; no I/O of its own but the registers.
 *
 * The device is outside data: every wait has an end that the caller sets, and no answer is longer than its buffer.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TPM_PORT_REGISTERS 0x1000u /* bytes of locality 0 */
#define TPM_HEADER         10u /* of commands and answers: tag, size, code (TPM 2.0 Library, part 1, 18) */

struct tpm_port {
	void *context;
	uint32_t (*get)(void *context, uint32_t offset, unsigned bytes); /* a register of 1 or 4 bytes */
	void (*put)(void *context, uint32_t offset, unsigned bytes, uint32_t value);
	/* Before the LOOKth look of one wait, from 0 on: rests. False: that was long enough. */
	bool (*wait)(void *context, unsigned look);
	uint64_t base; /* the registers' physical address: by it the device says where its buffers are */
	bool buffered; /* a command response buffer */
};

/* Takes the locality, and ends what a driver before has begun. False: no TPM is there. */
bool tpm_port_init(struct tpm_port *port);
/* Whether COMMAND is one as far as its COUNT bytes go: its header says as many. */
bool tpm_port_is_command(const uint8_t *command, size_t count);
/* The answer to COMMAND into ANSWER, which has ROOM: its size, at least TPM_HEADER, or 0: the device did not take the command or did
 * not answer as it should; then init is due. */
size_t tpm_port_call(struct tpm_port *port, const uint8_t *command, size_t count, uint8_t *answer,
                     size_t room);
