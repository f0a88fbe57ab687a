/* holdings: a native program that shows what its unit holds, all of it, and tries it (`subkernel run --profile native`).
 *
 *     holdings                 every capability of its table with type and rights, by the name it was given under; its limits
 *     holdings use             calls what it has been given a channel to: one line each, what answered or why not
 *     holdings widen           asks for more than it has, in each way there is; one line each, with the refusal
 *     holdings echo            copies its input to its output
 *     holdings wait            waits until it is killed
 *     holdings press           computes without end, at best effort of the highest priority that it gets
 *     holdings spin MS         uses MS milliseconds of its budget and says how many passed meanwhile
 *     holdings exit STATUS     ends with it
 *     holdings fail            faults
 */
#include <holon.h>
#include <holon/block.h>
#include <holon/command.h>
#include <holon/link.h>
#include <text.h>
#include "block.interface.h"
#include "entropy.interface.h"
#include "link.interface.h"
#include "subkernel.interface.h"

#define WORDS_MAX     8u
#define TABLE_MAX     65536u
#define CALL_NS       10000000000ull
#define SPIN_STEPS    2000u
#define SCREEN_COLOUR 0x00204060u

static struct holdings {
	const struct start_info *info;
	struct thread_page *page;
	struct stream stream;
	handle_t event;
	const char *words[WORDS_MAX];
	unsigned word_count;
} holdings;

static void put(const char *text, uint32_t length)
{
	while (length) {
		uint32_t done = stream_write(&holdings.stream, text, length);
		text += done;
		length -= done;
		if (length && !stream_room(&holdings.stream))
			(void)event_wait(holdings.event, DEADLINE_NEVER, 0);
	}
}

__attribute__((format(printf, 1, 2))) static void say(const char *format, ...)
{
	char line[256];
	__builtin_va_list list;
	__builtin_va_start(list, format);
	int length = text_format_list(line, sizeof(line), format, list);
	__builtin_va_end(list);
	if (length > 0)
		put(line, (size_t)length < sizeof(line) ? (uint32_t)length : sizeof(line) - 1);
}

/* ---- What is there ---- */

static const char *type_name(uint64_t type)
{
	static const char *const names[] = {"nothing", "unit",  "channel", "reply",  "event",
	                                    "memory",  "space", "thread",  "budget", "irq",
	                                    "ioport",  "pin",   "system"};
	return type < sizeof(names) / sizeof(*names) ? names[type] : "?";
}

static void rights_text(uint64_t type, uint64_t rights, char text[200])
{
	static const struct {
		uint32_t right;
		const char *name;
	} names[] = {{RIGHT_READ, "read"}, {RIGHT_WRITE, "write"},     {RIGHT_EXECUTE, "execute"},
	             {RIGHT_CALL, "call"}, {RIGHT_RECEIVE, "receive"}, {RIGHT_SIGNAL, "signal"},
	             {RIGHT_WAIT, "wait"}, {RIGHT_MANAGE, "manage"},   {RIGHT_COPY, "copy"},
	             {RIGHT_MOVE, "move"}, {RIGHT_REVOKE, "revoke"},   {RIGHT_RESIZE, "resize"},
	             {RIGHT_PORT, "port"}, {RIGHT_DEVICE, "device"},   {RIGHT_POWER, "power"},
	             {RIGHT_LOG, "log"}};
	size_t at = 0;
	text[0] = 0;
	for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++) {
		const char *name =
		    names[i].right == RIGHT_IRQ && type == OBJECT_SYSTEM ? "irq" : names[i].name;
		if (rights & names[i].right)
			at += (size_t)text_format(text + at, 200 - at, " %s", name);
	}
}

/* The name that HANDLE was given under. */
static const char *name_of(handle_t handle)
{
	const struct start_info *info = holdings.info;
	if (handle == info->unit || handle == info->space || handle == info->thread)
		return handle == info->unit ? "its unit" : handle == info->space ? "its space" : "its thread";
	for (unsigned i = 0; i < START_CAPS_MAX && info->caps[i].name[0]; i++)
		if (info->caps[i].handle == handle)
			return info->caps[i].name;
	return 0;
}

static void show_handle(handle_t handle, const char *name)
{
	char rights[200];
	uint64_t badge;
	int64_t found = cap_info(handle, &badge);
	if (found < 0)
		return;
	rights_text((uint64_t)found & 0xffff, (uint64_t)found >> 16, rights);
	say("holds %s: %s,%s\n", name, type_name((uint64_t)found & 0xffff), rights);
}

/* Its table, place by place: what it was not told of would be here, too. */
static int show(void)
{
	static bool named[TABLE_MAX];
	struct unit_info own;
	const struct start_info *info = holdings.info;
	unsigned unnamed = 0;
	const handle_t self[] = {info->unit, info->space, info->thread};
	for (unsigned i = 0; i < 3; i++) {
		show_handle(self[i], name_of(self[i]));
		named[HANDLE_INDEX(self[i]) % TABLE_MAX] = true;
	}
	for (unsigned i = 0; i < START_CAPS_MAX && info->caps[i].name[0]; i++) {
		show_handle(info->caps[i].handle, info->caps[i].name);
		named[HANDLE_INDEX(info->caps[i].handle) % TABLE_MAX] = true;
	}
	int64_t result = E_OK;
	for (uint64_t index = 1; index < TABLE_MAX && result != E_NOT_FOUND; index++) {
		result = unit_cap(info->unit, index);
		if (result > 0)
			cap_delete((handle_t)result); /* it was a copy */
		unnamed += !named[index] && (result > 0 || result == E_RIGHTS);
	}
	say("holds %u others\n", unnamed);
	if (unit_info(holdings.page, info->unit, &own) < 0)
		return 1;
	say("memory %lu of %lu KiB, capabilities %lu of %lu\n", own.memory_used >> 10, own.memory_quota >> 10,
	    own.caps_used, own.caps_quota);
	say("priority up to %u, cpu share %u of a million, wx %s\n", own.priority_max, own.cpu_share,
	    own.flags & UNIT_WX ? "yes" : "no");
	return 0;
}

/* ---- What it does ---- */

static void use_blocks(handle_t blocks)
{
	const char *found;
	char name[64];
	for (uint32_t i = 0;; i++) {
		handle_t device;
		const void *data;
		uint32_t bytes;
		struct block_description block;
		int64_t result = subkernel_block_name(blocks, holdings.page, i, &found, clock_ns() + CALL_NS);
		if (result < 0) {
			if (result != E_NOT_FOUND || !i)
				say("blocks: %s\n", result == E_NOT_FOUND ? "no device" : error_text(result));
			return;
		}
		text_copy(name, sizeof(name), found);
		result = subkernel_block_open(blocks, holdings.page, name, &device, clock_ns() + CALL_NS);
		if (result >= 0) {
			result = block_describe(device, holdings.page, &data, &bytes, clock_ns() + CALL_NS);
			if (result >= 0 && bytes == sizeof(block)) {
				memcpy(&block, data, sizeof(block));
				say("blocks: %s has %lu bytes\n", name, block.sectors * block.sector_bytes);
			}
			cap_delete(device);
		}
		if (result < 0)
			say("blocks: %s: %s\n", name, error_text(result));
	}
}

/* Fills the screen, and looks whether it is so. */
static void use_screen(handle_t framebuffer, uint64_t bytes)
{
	const char *word = start_word(holdings.info, "framebuffer=");
	volatile uint32_t *pixels = window_map(framebuffer, 0, bytes, MAP_READ | MAP_WRITE);
	uint64_t good = 0;
	for (uint64_t i = 0; pixels && i < bytes / sizeof(*pixels); i++)
		pixels[i] = SCREEN_COLOUR;
	for (uint64_t i = 0; pixels && i < bytes / sizeof(*pixels); i++)
		good += pixels[i] == SCREEN_COLOUR;
	say("framebuffer: %s, %lu of %lu pixels are as drawn\n", word ? word : "?", good,
	    bytes / sizeof(*pixels));
}

static int use(void)
{
	const void *data;
	uint32_t bytes;
	handle_t handle;
	uint64_t pixels;
	if ((handle = start_find(holdings.info, "link", 0))) {
		struct link_description link;
		int64_t result = link_describe(handle, holdings.page, &data, &bytes, clock_ns() + CALL_NS);
		if (result >= 0 && bytes == sizeof(link)) {
			memcpy(&link, data, sizeof(link));
			say("link: a station with address %02x:%02x:%02x:%02x:%02x:%02x\n", link.mac[0],
			    link.mac[1], link.mac[2], link.mac[3], link.mac[4], link.mac[5]);
		} else {
			say("link: %s\n", error_text(result));
		}
	}
	if ((handle = start_find(holdings.info, "blocks", 0)))
		use_blocks(handle);
	if ((handle = start_find(holdings.info, "entropy", 0))) {
		uint64_t seed[4];
		int64_t result = entropy_seed(handle, holdings.page, &seed[0], &seed[1], &seed[2], &seed[3],
		                              clock_ns() + CALL_NS);
		say("entropy: %s\n", result < 0 ? error_text(result) : "256 bits of seed");
	}
	if ((handle = start_find(holdings.info, "framebuffer", &pixels)))
		use_screen(handle, pixels);
	say("used what there is\n");
	return 0;
}

/* ---- More than it has ---- */

static void refused(const char *what, int64_t result)
{
	say("%s: %s\n", what, result < 0 ? error_text(result) : "granted");
	if (result > 0)
		cap_delete((handle_t)result);
}

static int widen(void)
{
	const struct start_info *info = holdings.info;
	struct unit_info own;
	if (unit_info(holdings.page, info->unit, &own) < 0)
		return 1;
	struct budget_spec high = {.cpu = 0, .priority = own.priority_max + 1, .quota_ns = 1000000};
	if (high.priority > PRIORITY_BEST_EFFORT_MAX)
		high.period_ns = 100000000;
	high.refills_max = 2;
	refused("a budget of higher priority", budget_create(holdings.page, info->unit, &high));
	struct budget_spec effort = {.cpu = 0, .priority = own.best_effort_max + 1, .quota_ns = 1000000};
	refused("best effort of higher priority", budget_create(holdings.page, info->unit, &effort));
	struct budget_spec long_one = {.cpu = 0,
	                               .priority = own.priority_max,
	                               .quota_ns = 100000,
	                               .period_ns = 101000000,
	                               .refills_max = 2};
	refused("a budget of a period that others would feel",
	        budget_create(holdings.page, info->unit, &long_one));
	struct budget_spec more = {.cpu = 0,
	                           .priority = own.priority_max,
	                           .quota_ns = 10000000,
	                           .period_ns = 10000000,
	                           .refills_max = 2};
	if (own.priority_max <= PRIORITY_BEST_EFFORT_MAX)
		more.priority = PRIORITY_BEST_EFFORT_MAX + 1;
	refused("a whole processor", budget_create(holdings.page, info->unit, &more));
	struct unit_spec unit = {.memory_bytes = own.memory_quota, .caps = 16};
	refused("a unit with all its memory", unit_create(holdings.page, info->unit, &unit));
	unit.memory_bytes = 64 * PAGE_SIZE_BYTES;
	unit.flags = UNIT_WX;
	refused("a unit with writable code", unit_create(holdings.page, info->unit, &unit));
	int64_t memory = memory_create(MEMORY_ANONYMOUS, PAGE_SIZE_BYTES, 0, 0);
	refused("writable code", memory < 0
	                             ? memory
	                             : space_map(info->space, NATIVE_END - (1ull << 32), (handle_t)memory, 0,
	                                         PAGE_SIZE_BYTES, MAP_WRITE | MAP_EXECUTE));
	refused("device memory", memory_create(MEMORY_DEVICE, PAGE_SIZE_BYTES, 0xfee00000, info->unit));
	refused("a port", ioport_create(info->unit, 0x3f8, 8));
	refused("the log", syscall6(SYS_LOG_WRITE, info->unit, 1, 0, 0, 0, 0, 0));
	return 0;
}

/* ---- Work ---- */

static uint64_t number_of(const char *text)
{
	uint64_t number = 0;
	for (; text && *text >= '0' && *text <= '9' && number < 1ull << 40; text++)
		number = number * 10 + (uint64_t)(*text - '0');
	return number;
}

static uint64_t consumed(void)
{
	uint64_t cpu = 0;
	for (unsigned i = 0; i < START_CAPS_MAX && holdings.info->caps[i].name[0]; i++)
		if (strncmp(holdings.info->caps[i].name, "budget", 6) == 0) {
			int64_t ns = budget_info(holdings.info->caps[i].handle, &cpu);
			return ns < 0 ? 0 : (uint64_t)ns; /* the first is its thread's */
		}
	return 0;
}

/* Computes without end, at best effort of the highest priority that it gets. */
static int press(void)
{
	for (uint32_t priority = PRIORITY_BEST_EFFORT_MAX; priority; priority--) {
		struct budget_spec spec = {.cpu = 0, .priority = priority, .quota_ns = 10000000};
		int64_t budget = budget_create(holdings.page, holdings.info->unit, &spec);
		if (budget < 0 || thread_set(0, THREAD_SET_BUDGET, (uint64_t)budget) < 0)
			continue;
		say("presses at %u\n", priority);
		for (;;)
			__asm__ volatile("pause");
	}
	return 1;
}

static int spin(uint64_t ms)
{
	uint64_t start = clock_ns(), before = consumed(), used;
	do {
		for (volatile unsigned i = 0; i < SPIN_STEPS; i++)
			;
		used = consumed() - before;
	} while (used < ms * 1000000);
	say("used %lu us in %lu us\n", used / 1000, (clock_ns() - start) / 1000);
	return 0;
}

static int echo(void)
{
	char bytes[1024];
	for (;;) {
		uint32_t count = stream_read(&holdings.stream, bytes, sizeof(bytes));
		if (count)
			put(bytes, count);
		else if (stream_ended(&holdings.stream))
			return 0;
		else if (!stream_available(&holdings.stream))
			(void)event_wait(holdings.event, DEADLINE_NEVER, 0);
	}
}

/* The command's words behind the program's name. */
static void take_words(void)
{
	uint64_t bytes;
	handle_t memory = start_find(holdings.info, "command", &bytes);
	const struct command_header *header = memory ? window_map(memory, 0, bytes, MAP_READ) : 0;
	if (!header || bytes <= sizeof(*header))
		return;
	const char *at = (const char *)(header + 1), *end = (const char *)header + bytes;
	for (uint32_t i = 0; i < header->argc && at < end && holdings.word_count < WORDS_MAX; i++) {
		size_t length = strnlen(at, (size_t)(end - at));
		if (at + length == end)
			return; /* cut short */
		if (i)
			holdings.words[holdings.word_count++] = at;
		at += length + 1;
	}
}

int program_main(const struct start_info *info, struct thread_page *page)
{
	holdings.info = info;
	holdings.page = page;
	holdings.event = start_find(info, "stream-event", 0);
	void *stream = window_map(start_find(info, "stream", 0), 0, STREAM_BYTES, MAP_READ | MAP_WRITE);
	if (!stream)
		return 1;
	stream_init(&holdings.stream, stream, 1, start_find(info, "stream-peer", 0), false);
	take_words();
	const char *what = holdings.word_count ? holdings.words[0] : "";
	uint64_t number = number_of(holdings.word_count > 1 ? holdings.words[1] : 0);
	if (!*what)
		return show();
	if (strcmp(what, "use") == 0)
		return use();
	if (strcmp(what, "widen") == 0)
		return widen();
	if (strcmp(what, "echo") == 0)
		return echo();
	if (strcmp(what, "press") == 0)
		return press();
	if (strcmp(what, "spin") == 0)
		return spin(number);
	while (strcmp(what, "wait") == 0)
		(void)event_wait(holdings.event, DEADLINE_NEVER, 0);
	if (strcmp(what, "exit") == 0)
		return (int)(number & 0xff);
	if (strcmp(what, "fail") == 0)
		*(volatile uint64_t *)8 = 0;
	say("holdings: use, widen, echo, wait, press, spin MS, exit STATUS or fail\n");
	return 2;
}
