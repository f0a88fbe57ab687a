/* Host tests of the native runtime's portable parts, with a fake kernel: text formatting, streams against a
 * peer that writes nonsense into the shared page, and generated interface stubs in both directions with
 * hostile messages. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "holon.h"
#include "subkernel.interface.h"
#include "vfs.interface.h"

static int failures;
static uint64_t signalled;    /* bits of all event_signal calls */
static unsigned deleted_caps; /* cap_delete calls */
static struct thread_page caller_page;
static struct thread_page server_page;
static bool (*tamper)(struct message *message); /* between caller and server; false: the server is dead */

static void check(const char *name, bool right)
{
	printf(right ? "ok runtime: %s\n" : "not ok runtime: %s - see the check of this name\n", name);
	failures += !right;
}

int64_t syscall6(uint64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f,
                 uint64_t *second)
{
	(void)a, (void)c, (void)d, (void)e, (void)f, (void)second;
	if (number == SYS_EVENT_SIGNAL)
		signalled |= b;
	else if (number == SYS_CAP_DELETE)
		deleted_caps++;
	return E_OK;
}

/* ---- A server of two interfaces; what it was called with ---- */

static struct {
	uint64_t badge, number, command_bytes;
	handle_t memory, command;
	uint32_t blueprint_bytes;
	char blueprint[64];
} seen;

static int64_t serve_image(void *context, uint64_t badge, handle_t *memory, uint64_t *bytes)
{
	(void)context;
	seen.badge = badge;
	*memory = 77;
	*bytes = 1ull << 40;
	return E_OK;
}

static int64_t serve_verify(void *context, uint64_t badge, uint32_t node)
{
	(void)context, (void)badge;
	return node == 5 ? 42 : E_FAULT;
}

static int64_t serve_create(void *context, uint64_t badge, const void *blueprint, uint32_t blueprint_bytes,
                            handle_t memory, handle_t event, handle_t peer, handle_t command,
                            uint64_t command_bytes, uint64_t *number)
{
	(void)context, (void)badge, (void)event, (void)peer;
	seen.blueprint_bytes = blueprint_bytes;
	memcpy(seen.blueprint, blueprint, blueprint_bytes < 64 ? blueprint_bytes : 64);
	seen.memory = memory;
	seen.command = command;
	seen.command_bytes = command_bytes;
	*number = 9;
	return E_OK;
}

static int64_t serve_list(void *context, uint64_t badge, uint32_t index, const void **info,
                          uint32_t *info_bytes)
{
	(void)context, (void)badge;
	static const char text[] = "information";
	*info = text;
	*info_bytes = index ? MESSAGE_BYTES_MAX : sizeof(text);
	return E_OK;
}

static int64_t serve_number(void *context, uint64_t badge, uint64_t number)
{
	(void)context, (void)badge;
	seen.number = number;
	return E_OK;
}

static int64_t serve_freeze(void *context, uint64_t badge, uint64_t number, uint32_t frozen)
{
	(void)context, (void)badge;
	seen.number = number * 10 + frozen;
	return E_OK;
}

static int64_t serve_status(void *context, uint64_t badge, uint64_t number, uint64_t *status)
{
	(void)context, (void)badge, (void)number, (void)status;
	return E_STATE;
}

static const struct vfs_operations vfs_operations = {.image = serve_image, .verify = serve_verify};
static const struct subkernel_operations subkernel_operations = {.create = serve_create,
                                                                 .list = serve_list,
                                                                 .kill = serve_number,
                                                                 .freeze = serve_freeze,
                                                                 .status = serve_status};

/* Channel 1 is vfs, 2 subkernel. As the kernel does, bytes and capabilities go from page to page. */
int64_t channel_call(handle_t channel, struct message *message, uint64_t deadline)
{
	(void)deadline;
	memcpy(&server_page, &caller_page, sizeof(server_page));
	message->badge = 123;
	if (tamper && !tamper(message))
		return E_PEER;
	if (channel == 1)
		vfs_serve(&vfs_operations, 0, message, &server_page);
	else
		subkernel_serve(&subkernel_operations, 0, message, &server_page);
	memcpy(&caller_page, &server_page, sizeof(server_page));
	return E_OK;
}

static bool peer_dies(struct message *message)
{
	(void)message;
	return false;
}

static bool other_version(struct message *message)
{
	message->words[0] += 1ull << 32;
	return true;
}

static bool unknown_call(struct message *message)
{
	message->words[0] |= 0xffff;
	return true;
}

static bool no_caps(struct message *message)
{
	message->info = INFO_MAKE(INFO_BYTES(message->info), 0);
	return true;
}

static bool overlong_item(struct message *message)
{
	(void)message;
	const uint32_t length = 0xfffffffc;
	memcpy(server_page.bytes, &length, 4);
	return true;
}

static void test_interfaces(void)
{
	handle_t memory = 0;
	uint64_t bytes = 0;
	check("a call's results", vfs_image(1, &caller_page, &memory, &bytes, 0) == E_OK && memory == 77 &&
	                              bytes == 1ull << 40 && seen.badge == 123);
	check("a call's own result and its error",
	      vfs_verify(1, &caller_page, 5, 0) == 42 && vfs_verify(1, &caller_page, 6, 0) == E_FAULT);
	uint64_t number = 0;
	check("bytes, capabilities and words together",
	      subkernel_create(2, &caller_page, "blueprint", 9, 11, 12, 13, 14, 500, &number, 0) == E_OK &&
	          number == 9 && seen.blueprint_bytes == 9 && memcmp(seen.blueprint, "blueprint", 9) == 0 &&
	          seen.memory == 11 && seen.command == 14 && seen.command_bytes == 500);
	const void *info = 0;
	uint32_t info_bytes = 0;
	check("bytes as a result", subkernel_list(2, &caller_page, 0, &info, &info_bytes, 0) == E_OK &&
	                               info_bytes == 12 && strcmp(info, "information") == 0);
	check("a result too long is an error",
	      subkernel_list(2, &caller_page, 1, &info, &info_bytes, 0) == E_ARGUMENT);
	static char huge[8192];
	check("an argument too long is an error before the call",
	      subkernel_create(2, &caller_page, huge, sizeof(huge), 1, 2, 3, 4, 0, &number, 0) == E_ARGUMENT);
	tamper = peer_dies;
	check("a dead server", vfs_verify(1, &caller_page, 5, 0) == E_PEER);
	tamper = other_version;
	check("another version is refused", vfs_verify(1, &caller_page, 5, 0) == E_SUPPORT);
	tamper = unknown_call;
	check("an unknown call is refused", vfs_verify(1, &caller_page, 5, 0) == E_CALL);
	tamper = no_caps;
	check("missing capabilities are refused",
	      subkernel_create(2, &caller_page, "b", 1, 1, 2, 3, 4, 0, &number, 0) == E_ARGUMENT);
	tamper = overlong_item;
	deleted_caps = 0;
	check("a length that wraps is refused, and what came with it deleted",
	      subkernel_create(2, &caller_page, "b", 1, 1, 2, 3, 4, 0, &number, 0) == E_ARGUMENT &&
	          deleted_caps == 4);
	tamper = 0;
	bool sane = true;
	srand(1);
	for (unsigned round = 0; round < 200000; round++) {
		struct message message;
		for (unsigned i = 0; i < MESSAGE_WORDS; i++)
			message.words[i] = (uint64_t)rand() << (rand() % 40);
		message.words[0] = (uint64_t)(round % 8 ? 1 : rand()) << 32 | (uint32_t)(rand() % 7);
		message.info = (uint64_t)rand();
		for (unsigned i = 0; i < 16; i++)
			server_page.bytes[i] = (uint8_t)(rand() % 5 ? 0 : rand());
		subkernel_serve(&subkernel_operations, 0, &message, &server_page);
		sane = sane && INFO_BYTES(message.info) <= MESSAGE_BYTES_MAX &&
		       INFO_CAPS(message.info) <= MESSAGE_CAPS_MAX;
	}
	check("random messages", sane);
}

static void test_streams(void)
{
	_Alignas(4096) static uint8_t memory[STREAM_BYTES];
	static uint8_t sent[100000];
	static uint8_t got[100000];
	struct stream console;
	struct stream program;
	uint32_t in = 0;
	uint32_t out = 0;
	stream_init(&console, memory, 0, 1, true);
	stream_init(&program, memory, 1, 2, false);
	for (unsigned i = 0; i < sizeof(sent); i++)
		sent[i] = (uint8_t)(i * 7 + (i >> 8));
	for (unsigned round = 1; out < sizeof(sent); round++) {
		uint32_t want = round * 977 % 5000;
		in += stream_write(&console, sent + in,
		                   want < sizeof(sent) - in ? want : (uint32_t)sizeof(sent) - in);
		out += stream_read(&program, got + out,
		                   round * 1543 % 4000 < sizeof(got) - out ? round * 1543 % 4000
		                                                           : (uint32_t)sizeof(got) - out);
	}
	check("a stream keeps its bytes", memcmp(sent, got, sizeof(sent)) == 0);
	signalled = 0;
	uint8_t byte;
	check("an empty stream gives nothing", stream_read(&program, &byte, 1) == 0 && !signalled);
	check("who waits is woken", stream_write(&console, "x", 1) == 1 && signalled == STREAM_READABLE);
	while (stream_write(&console, sent, sizeof(sent)))
		;
	signalled = 0;
	check("a full stream takes nothing, and its reader wakes the writer",
	      stream_room(&console) == 0 && stream_read(&program, got, 100) == 100 &&
	          signalled == STREAM_WRITABLE);
	stream_close(&console);
	while (stream_read(&program, got, sizeof(got)))
		;
	check("an ended stream", stream_ended(&program));
	bool bounded = true;
	srand(2);
	for (unsigned round = 0; round < 100000; round++) {
		struct stream_header *header = console.header;
		uint32_t *words = (uint32_t *)(void *)header;
		words[rand() % 64] = (uint32_t)rand() * 2654435761u; /* the other side's doing */
		uint32_t bytes = (uint32_t)rand() % sizeof(got);
		bounded = bounded && stream_read(&program, got, bytes) <= bytes &&
		          stream_write(&program, sent, bytes) <= bytes &&
		          stream_room(&program) <= STREAM_RING_BYTES &&
		          stream_available(&program) <= STREAM_RING_BYTES;
	}
	check("a peer's nonsense stays inside the ring", bounded);
}

static void test_format(void)
{
	char text[64];
	char exact[8];
	text_format(text, sizeof(text), "%s|%5d|%-4u|%04x|%lx|%c|%%|%.2s", "a", -3, 7u, 0xabu, 1ul << 40, 'z',
	            "long");
	check("formats", strcmp(text, "a|   -3|7   |00ab|10000000000|z|%|lo") == 0);
	text_format(text, sizeof(text), "%d %ld %u %p", INT32_MIN, INT64_MIN, UINT32_MAX, (void *)0);
	check("extreme numbers", strcmp(text, "-2147483648 -9223372036854775808 4294967295 0x0") == 0);
	check("what does not fit is cut and counted",
	      text_format(exact, sizeof(exact), "%s", "0123456789") == 10 && strcmp(exact, "0123456") == 0);
	const char *cut = "%";
	check("a format that ends early", text_format(text, sizeof(text), cut, 0) == 0);
	check("errors have names", strcmp(error_text(E_PEER), "the other side is gone") == 0 &&
	                               strcmp(error_text(5), "unknown error") == 0 &&
	                               strcmp(error_text(-1000), "unknown error") == 0);
}

int main(void)
{
	test_format();
	test_streams();
	test_interfaces();
	return failures != 0;
}
