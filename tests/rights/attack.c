/* A unit that was taken over. Images for tests have it in the place of a service, a driver or a personality: it says what it holds,
 * then tries everything that this does not allow, and says what was not refused. tests/rights/attack_test.py reads its lines.
 *
 * The system calls and what each wants of a handle are abi/substrate.interface's (build/abi/kernel/alphabet.h), so that a new call is
 * tried without a word here. A handle that is good enough for a call is not tried: that is what the unit was given.
 */
#include <holon/handoff.h>
#include <kernel/alphabet.h>

#include <holon.h>
#include <text.h>

#define FAR_ABOVE 0xffff900000000000ull

enum { HELD_MAX = START_CAPS_MAX + 3, FORGED_INDEXES = 256, FORGED_GENERATIONS = 8 };

struct held {
	const char *name;
	handle_t handle;
	enum object_type type;
	uint32_t rights;
};

static const struct start_info *start;
static struct thread_page *page;
static handle_t log_handle;
static struct held held[HELD_MAX];
static unsigned held_count, tried, accepted;
static struct unit_info self;

bool probe(void (*what)(uint64_t), uint64_t argument);
extern const uint8_t probe_fault[];

#define SAY(...) log_print(log_handle, page, __VA_ARGS__)

/* ---- What it holds ---- */

static void hold(const char *name, handle_t handle)
{
	static const char *const types[] = {"none",   "unit",  "channel", "reply",  "event",
	                                    "memory", "space", "thread",  "budget", "irq",
	                                    "ioport", "pin",   "system"};
	_Static_assert(sizeof(types) / sizeof(*types) == OBJECT_TYPE_COUNT, "a type's name is missing");
	uint64_t badge = 0;
	int64_t info = syscall6(SYS_CAP_INFO, handle, 0, 0, 0, 0, 0, &badge);
	if (info < 0 || held_count == HELD_MAX) {
		SAY("rights %s: cannot look at %s: %s\n", self.name, name, error_text(info));
		return;
	}
	struct held *one = &held[held_count++];
	*one = (struct held){name, handle, (enum object_type)(info & 0xffff), (uint32_t)(info >> 16)};
	SAY("rights %s: holds %s %s %x %s\n", self.name, name, types[one->type % OBJECT_TYPE_COUNT],
	    one->rights, badge ? "badge" : "-");
}

static void hold_all(void)
{
	hold("own-unit", start->unit);
	hold("own-space", start->space);
	hold("own-thread", start->thread);
	for (unsigned i = 0; i < START_CAPS_MAX && start->caps[i].name[0]; i++)
		hold(start->caps[i].name, start->caps[i].handle);
}

/* ---- Attempts ---- */

static void result(bool refused, const char *what, const char *with, int64_t value)
{
	tried++;
	accepted += !refused;
	if (!refused)
		SAY("rights %s: not refused: %s with %s: %ld\n", self.name, what, with, (long)value);
}

static bool is_refusal(int64_t value)
{
	return value == E_HANDLE || value == E_TYPE || value == E_RIGHTS;
}

static bool enough(const struct held *one, enum object_type type, uint32_t rights)
{
	return (type == OBJECT_NONE || one->type == type) && (one->rights & rights) == rights;
}

/* A handle that is good enough, so that another argument is the one at fault; 0 where there is none. */
static handle_t good_one(enum object_type type, uint32_t rights)
{
	for (unsigned i = 0; i < held_count; i++)
		if (enough(&held[i], type, rights))
			return held[i].handle;
	return 0;
}

static void try_call(const struct letter *letter, unsigned at, handle_t handle, const char *name)
{
	static const char *const names[] = {PATH_NAMES};
	uint64_t values[6] = {0};
	for (unsigned i = 0; i < letter->arguments; i++)
		if (letter->argument[i].kind == ARGUMENT_OBJECT)
			values[i] = i == at ? handle
			            : letter->argument[i].optional
			                ? 0
			                : good_one(letter->argument[i].object, letter->argument[i].rights);
	int64_t value =
	    syscall6(letter->number, values[0], values[1], values[2], values[3], values[4], values[5], 0);
	result(is_refusal(value), names[letter->number], name, value);
}

/* Each call with each handle that is too little for it, and with none. */
static void try_calls(void)
{
	for (unsigned call = 0; call < sizeof(alphabet) / sizeof(*alphabet); call++) {
		const struct letter *letter = &alphabet[call];
		for (unsigned at = 0; at < letter->arguments; at++) {
			if (letter->argument[at].kind != ARGUMENT_OBJECT)
				continue;
			for (unsigned i = 0; i < held_count; i++)
				if (!enough(&held[i], letter->argument[at].object,
				            letter->argument[at].rights))
					try_call(letter, at, held[i].handle, held[i].name);
			if (!letter->argument[at].optional)
				try_call(letter, at, 0, "no handle");
		}
	}
}

static void try_messages(void)
{
	for (unsigned i = 0; i < held_count; i++) {
		struct message message = {0};
		int64_t value;
		if (!enough(&held[i], OBJECT_CHANNEL, RIGHT_CALL)) {
			value = channel_call(held[i].handle, &message, DEADLINE_POLL);
			result(is_refusal(value), "channel_call", held[i].name, value);
		}
		if (!enough(&held[i], OBJECT_CHANNEL, RIGHT_RECEIVE)) {
			value = channel_receive(held[i].handle, &message, DEADLINE_POLL);
			result(is_refusal(value), "channel_receive", held[i].name, value);
		}
	}
}

/* A copy never has more than what it was made of. */
static void try_copies(void)
{
	for (unsigned i = 0; i < held_count; i++) {
		int64_t copy = cap_copy(held[i].handle, UINT32_MAX, 0);
		if (copy < 0) {
			result(true, "cap_copy", held[i].name, copy);
			continue;
		}
		int64_t info = cap_info((handle_t)copy, 0);
		result(info >= 0 && !((uint32_t)(info >> 16) & ~held[i].rights), "more rights by cap_copy",
		       held[i].name, info >> 16);
		cap_delete((handle_t)copy);
	}
}

/* Handles that it was not given: other places and generations of its own table. */
static void try_forged(void)
{
	for (uint64_t index = 0; index < FORGED_INDEXES; index++)
		for (uint64_t generation = 0; generation < FORGED_GENERATIONS; generation++) {
			handle_t handle = generation << 32 | index;
			bool known = false;
			for (unsigned i = 0; i < held_count; i++)
				known |= held[i].handle == handle;
			int64_t value = known ? E_HANDLE : cap_info(handle, 0);
			result(value == E_HANDLE, "cap_info", "a forged handle", value);
		}
}

static void try_quotas(void)
{
	struct unit_spec unit = {.memory_bytes = self.memory_quota + PAGE_SIZE_BYTES, .caps = 16};
	int64_t value = unit_create(page, start->unit, &unit);
	result(value == E_QUOTA_MEMORY, "unit_create", "more memory than it has", value);
	unit = (struct unit_spec){.memory_bytes = 1 << 18, .caps = self.caps_quota + 1};
	value = unit_create(page, start->unit, &unit);
	result(value == E_QUOTA_CAPS, "unit_create", "more capabilities than it has", value);
	unit = (struct unit_spec){.memory_bytes = 1 << 18, .caps = 16, .priority_max = self.priority_max + 1};
	value = unit_create(page, start->unit, &unit);
	result(value < 0, "unit_create", "a higher priority than its own", value);
	unit = (struct unit_spec){
	    .memory_bytes = 1 << 18, .caps = 16, .best_effort_max = self.best_effort_max + 1};
	value = unit_create(page, start->unit, &unit);
	result(value < 0, "unit_create", "a higher best effort than its own", value);
	unit = (struct unit_spec){.memory_bytes = 1 << 18, .caps = 16, .cpu_share = self.cpu_share + 1};
	value = unit_create(page, start->unit, &unit);
	result(value < 0, "unit_create", "a larger share of the processors", value);
	unit = (struct unit_spec){.memory_bytes = 1 << 18, .caps = 16, .flags = UNIT_WX};
	if (!(self.flags & UNIT_WX)) {
		value = unit_create(page, start->unit, &unit);
		result(value == E_WX, "unit_create", "writable and executable memory", value);
	}
	struct budget_spec budget = {.priority = self.priority_max + 1, .quota_ns = 1000000};
	value = budget_create(page, start->unit, &budget);
	result(value < 0, "budget_create", "a higher priority than its own", value);
	value = unit_extend(start->unit, PAGE_SIZE_BYTES, 0);
	result(value < 0, "unit_extend", "itself", value);
}

static void try_memory(void)
{
	int64_t memory = memory_create(MEMORY_ANONYMOUS, PAGE_SIZE_BYTES, 0, 0);
	const uint64_t at = start->free_base + (1ull << 30);
	int64_t value = space_map(start->space, at, (handle_t)memory, 0, PAGE_SIZE_BYTES,
	                          MAP_READ | MAP_WRITE | MAP_EXECUTE);
	result(memory >= 0 && value == E_WX, "space_map", "writable and executable", value);
	value = space_map(start->space, at, (handle_t)memory, 0, PAGE_SIZE_BYTES, MAP_READ | MAP_WRITE);
	if (value >= 0)
		value = space_protect(start->space, at, PAGE_SIZE_BYTES, MAP_READ | MAP_WRITE | MAP_EXECUTE);
	result(value == E_WX, "space_protect", "writable and executable", value);
	value = space_map(start->space, FAR_ABOVE, (handle_t)memory, 0, PAGE_SIZE_BYTES, MAP_READ);
	result(value < 0, "space_map", "the kernel's half", value);
	for (unsigned kind = MEMORY_DEVICE; kind <= MEMORY_DEVICE_WC; kind++)
		if (kind != MEMORY_PAGER && !good_one(OBJECT_SYSTEM, RIGHT_DEVICE)) {
			value = memory_create((enum memory_kind)kind, PAGE_SIZE_BYTES, 0xfee00000, 0);
			result(value < 0, "memory_create", "the APIC's registers", value);
		}
	for (unsigned i = 0; i < held_count; i++) {
		const struct held *one = &held[i];
		if (one->type != OBJECT_MEMORY)
			continue;
		const uint64_t flags[] = {MAP_READ, MAP_READ | MAP_WRITE, MAP_READ | MAP_EXECUTE};
		const uint32_t rights[] = {RIGHT_READ, RIGHT_READ | RIGHT_WRITE, RIGHT_READ | RIGHT_EXECUTE};
		for (unsigned j = 0; j < 3; j++)
			if ((one->rights & rights[j]) != rights[j]) {
				value = space_map(start->space, at + (1 << 20), one->handle, 0,
				                  PAGE_SIZE_BYTES, flags[j]);
				result(value == E_RIGHTS, "space_map", one->name, value);
			}
	}
}

/* ---- Instructions ---- */

static void read_at(uint64_t address)
{
	(void)*(volatile uint64_t *)address;
}

static void write_at(uint64_t address)
{
	*(volatile uint8_t *)address = 0xc3;
}

static void port_in(uint64_t port)
{
	uint8_t value;
	__asm__ volatile("inb %w1, %b0" : "=a"(value) : "d"(port));
}

static void port_out(uint64_t port)
{
	__asm__ volatile("outb %b0, %w1" : : "a"(0), "d"(port));
}

static void halt(uint64_t none)
{
	(void)none;
	__asm__ volatile("hlt");
}

static void interrupts_off(uint64_t none)
{
	(void)none;
	__asm__ volatile("cli");
}

static void register_read(uint64_t number)
{
	__asm__ volatile("rdmsr" : : "c"(number) : "eax", "edx");
}

static void tables_read(uint64_t none)
{
	uint64_t value;
	(void)none;
	__asm__ volatile("movq %%cr3, %0" : "=r"(value));
}

static void try_instructions(void)
{
	static const struct {
		void (*what)(uint64_t);
		uint64_t argument;
		const char *name;
	} attempts[] = {
	    {read_at, HANDOFF_DIRECT_MAP, "all memory, as the kernel sees it"},
	    {read_at, 0, "address 0"},
	    {read_at, 0xffffffff80000000ull, "the kernel's image"},
	    {port_in, 0x60, "in: the keyboard"},
	    {port_in, 0x70, "in: the clock"},
	    {port_out, 0xcf9, "out: reset"},
	    {port_out, 0x3f8, "out: COM1"},
	    {halt, 0, "hlt"},
	    {interrupts_off, 0, "cli"},
	    {register_read, 0xc0000080, "rdmsr"},
	    {tables_read, 0, "cr3"},
	};
	int64_t value = thread_set(start->thread, THREAD_SET_FAULT_ENTRY, (uint64_t)(uintptr_t)probe_fault);
	result(value >= 0, "thread_set", "a fault entry, without which this shows nothing", value);
	if (value < 0)
		return;
	result(probe(read_at, (uint64_t)(uintptr_t)page), "control: reading its own page", "is a fault", 0);
	for (unsigned i = 0; i < sizeof(attempts) / sizeof(*attempts); i++)
		result(!probe(attempts[i].what, attempts[i].argument), "instruction", attempts[i].name, 0);
	result(!probe(write_at, (uint64_t)(uintptr_t)&halt), "instruction", "writing its own program", 0);
	result(!probe(write_at, (uint64_t)(uintptr_t)start), "instruction", "writing its start page", 0);
}

int program_main(const struct start_info *info, struct thread_page *own_page)
{
	int64_t value;
	start = info;
	page = own_page;
	log_handle = start_find(info, "log", 0);
	if (unit_info(page, info->unit, &self) < 0)
		return 1;
	hold_all();
	SAY("rights %s: lies at %lx %lx %lx %lx\n", self.name, (uint64_t)(uintptr_t)program_main,
	    (uint64_t)(uintptr_t)info, (uint64_t)(uintptr_t)&value, info->free_base);
	/* The control of all that follows: the same call with what it was given is not refused. */
	value = syscall6(SYS_UNIT_INFO, info->unit, 0, 0, 0, 0, 0, 0);
	result(!is_refusal(value), "control: unit_info", "its own unit, is refused", value);
	try_calls();
	try_messages();
	try_copies();
	try_forged();
	try_quotas();
	try_memory();
	try_instructions();
	SAY("rights %s: tried %u, not refused %u\n", self.name, tried, accepted);
	for (;;)
		(void)thread_stop(0);
}
