/* The TPM's driver and service (abi/tpm.interface): the one of a PC, whose registers are at a fixed place and not on PCI, so that the
 * manifest gives them. What goes over the registers is lib/tpm's. One command is done after the other; a device that does not
 * answer is taken anew before the next. */
#include <holon.h>
#include <holon/tpm.h>
#include "tpm.interface.h"
#include "tpm/tpm_port.h"

#define BUSY_LOOKS 2000u /* of a wait, before it rests between two: most commands take less */
#define REST_NS    1000000ull
/* Making a key takes tens of seconds; nothing else is as long (TCG PC Client Platform TPM Profile, "Timeouts"). */
#define WAIT_NS 120000000000ull

static struct {
	handle_t log, pause;
	struct thread_page *page;
	volatile uint8_t *registers;
	struct tpm_port port;
	uint64_t wait_end;
	bool present;
} tpm;

static uint32_t get(void *context, uint32_t offset, unsigned bytes)
{
	(void)context;
	return bytes == 1 ? tpm.registers[offset] : *(volatile uint32_t *)(tpm.registers + offset);
}

static void put(void *context, uint32_t offset, unsigned bytes, uint32_t value)
{
	(void)context;
	if (bytes == 1)
		tpm.registers[offset] = (uint8_t)value;
	else
		*(volatile uint32_t *)(tpm.registers + offset) = value;
}

static bool rest(void *context, unsigned look)
{
	(void)context;
	if (!look)
		tpm.wait_end = clock_ns() + WAIT_NS;
	if (look < BUSY_LOOKS)
		return true;
	event_wait(tpm.pause, clock_ns() + REST_NS, 0);
	return clock_ns() < tpm.wait_end;
}

static int64_t serve_command(void *context, uint64_t badge, const void *command, uint32_t command_bytes,
                             const void **answer, uint32_t *answer_bytes)
{
	static uint8_t asked[TPM_COMMAND_MAX], said[TPM_COMMAND_MAX];
	(void)context;
	(void)badge;
	if (!tpm.present)
		return E_NOT_FOUND;
	if (command_bytes > sizeof(asked) || !tpm_port_is_command(command, command_bytes))
		return E_ARGUMENT;
	memcpy(asked, command, command_bytes);
	size_t size = tpm_port_call(&tpm.port, asked, command_bytes, said, sizeof(said));
	if (!size) {
		tpm.present = tpm_port_init(&tpm.port);
		log_print(tpm.log, tpm.page, "a command was not answered; the device %s\n",
		          tpm.present ? "is there still" : "is given up");
		return E_TIMEOUT;
	}
	*answer = said;
	*answer_bytes = (uint32_t)size;
	return E_OK;
}

static int64_t serve_present(void *context, uint64_t badge)
{
	(void)context;
	(void)badge;
	return tpm.present ? E_OK : E_NOT_FOUND;
}

int program_main(const struct start_info *info, struct thread_page *page)
{
	static const struct tpm_operations operations = {.present = serve_present, .command = serve_command};
	struct message message = {0};
	uint64_t base;
	handle_t channel = start_find(info, "tpm", 0);
	handle_t memory = start_find(info, "tpm-registers", &base);
	int64_t pause = event_create();

	tpm.log = start_find(info, "log", 0);
	tpm.page = page;
	if (memory)
		tpm.registers = window_map(memory, 0, TPM_PORT_REGISTERS, MAP_READ | MAP_WRITE);
	if (pause < 0 || !tpm.registers) {
		log_print(tpm.log, page, "it has no registers\n");
		return 1;
	}
	tpm.pause = (handle_t)pause;
	tpm.port = (struct tpm_port){.get = get, .put = put, .wait = rest, .base = base};
	tpm.present = tpm_port_init(&tpm.port);
	int64_t result = channel_receive(channel, &message, DEADLINE_NEVER);
	while (result >= 0) {
		tpm_serve(&operations, 0, &message, page);
		result = channel_reply_receive(channel, &message, DEADLINE_NEVER);
	}
	log_print(tpm.log, page, "%s\n", error_text(result));
	return 1;
}
