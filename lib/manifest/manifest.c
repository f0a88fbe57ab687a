/* See manifest.h. */
#include "manifest.h"
#include <text.h>

#define WORDS_MAX 24

struct line {
	const char *words[WORDS_MAX];
	size_t lengths[WORDS_MAX];
	unsigned count;
};

/*@ predicate words_good(struct line *line, integer count) =
      count <= WORDS_MAX &&
      \forall integer i; 0 <= i < count ==> \valid_read(line->words[i] + (0 .. line->lengths[i] - 1));
    predicate line_good(struct line *line) = \valid_read(line) && 0 < line->count && words_good(line, line->count);
    predicate apart(struct line *line, void *object) =
      \base_addr(object) != \base_addr(line) &&
      \forall integer i; 0 <= i < line->count ==> \base_addr(object) != \base_addr(line->words[i]);
    predicate resident_good(struct manifest_resident *resident) = resident->command_bytes <= sizeof(resident->command);
*/

/*@ requires line_good(line) && index < line->count && \valid_read(text + (0 .. length - 1));
    assigns \nothing;
*/
static bool word_equals(const struct line *line, unsigned index, const char *text, size_t length)
{
	return line->lengths[index] == length && memcmp(line->words[index], text, length) == 0;
}

#define word_is(line, index, literal) word_equals(line, index, literal, sizeof(literal) - 1)

/*@ requires line_good(line) && index < line->count && apart(line, to) && \valid(to + (0 .. size - 1));
    assigns to[0 .. size - 1];
    ensures \result ==> line->lengths[index] < size;
*/
static bool word_copy(char *to, size_t size, const struct line *line, unsigned index)
{
	if (line->lengths[index] >= size)
		return false;
	memcpy(to, line->words[index], line->lengths[index]);
	to[line->lengths[index]] = 0;
	return true;
}

/* Decimal or 0x hexadecimal, with K, M or G; "rest". */
/*@ requires line_good(line) && index < line->count && apart(line, value) && \valid(value);
    assigns *value;
    ensures \result ==> *value <= limit;
*/
static bool word_number(const struct line *line, unsigned index, uint64_t limit, uint64_t *value)
{
	const char *text = line->words[index];
	size_t length = line->lengths[index];
	unsigned base = 10;
	if (word_is(line, index, "rest")) {
		*value = MANIFEST_REST;
		return limit == MANIFEST_REST;
	}
	*value = 0;
	if (length > 2 && text[0] == '0' && text[1] == 'x') {
		base = 16;
		text += 2;
		length -= 2;
	}
	/*@ loop invariant i <= length;
	    loop assigns i, *value;
	    loop variant length - i;
	*/
	for (size_t i = 0; i < length; i++) {
		char c = text[i];
		unsigned digit = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
		                 : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10
		                                        : 99;
		unsigned shift = c == 'K' ? 10 : c == 'M' ? 20 : c == 'G' ? 30 : 0;
		if (shift && i && i + 1 == length) {
			if (*value > UINT64_MAX >> shift)
				return false;
			*value <<= shift;
			break;
		}
		if (digit >= base || *value > (1ull << 32))
			return false;
		*value = *value * base + digit;
	}
	return length && *value <= limit;
}

/* A time with us, ms or s, up to the longest period that the kernel admits. */
/*@ requires line_good(line) && index < line->count && apart(line, ns) && \valid(ns);
    assigns *ns;
    ensures \result ==> 0 < *ns <= 100000000;
*/
static bool word_time(const struct line *line, unsigned index, uint64_t *ns)
{
	static const struct {
		char unit[4];
		uint64_t ns;
	} units[] = {{"us", 1000}, {"ms", 1000000}, {"s", 1000000000}};
	const char *text = line->words[index];
	size_t digits = 0;
	*ns = 0;
	/*@ loop invariant digits <= 9 && digits <= line->lengths[index];
	    loop assigns digits, *ns;
	    loop variant 9 - digits;
	*/
	for (; digits < line->lengths[index] && text[digits] >= '0' && text[digits] <= '9'; digits++) {
		if (digits == 9)
			return false;
		*ns = *ns * 10 + (uint64_t)(text[digits] - '0');
	}
	/*@ loop invariant i <= 3;
	    loop assigns i, *ns;
	    loop variant 3 - i;
	*/
	for (unsigned i = 0; digits && i < sizeof(units) / sizeof(*units); i++) {
		size_t length = strnlen(units[i].unit, sizeof(units[i].unit));
		if (line->lengths[index] - digits == length &&
		    memcmp(text + digits, units[i].unit, length) == 0) {
			*ns *= units[i].ns;
			return *ns && *ns <= 100000000ull;
		}
	}
	return false;
}

/*@ requires line_good(line) && apart(line, unit) && \valid(unit) && unit_good(unit);
    assigns *unit;
    ensures \result == \null ==> unit_good(unit);
*/
static const char *parse_budget(struct manifest_unit *unit, const struct line *line)
{
	if (line->count != 3 || !word_time(line, 1, &unit->budget_ns) ||
	    !word_time(line, 2, &unit->budget_period_ns) || unit->budget_ns > unit->budget_period_ns)
		return "a budget is a time and a period, such as 2ms 10ms";
	return 0;
}

/* What the second word names by itself. */
/*@ requires line_good(line) && line->count == 2 && apart(line, kind) && \valid(kind);
    assigns *kind;
*/
static bool plain_kind(const struct line *line, enum manifest_give_kind *kind)
{
	static const struct {
		char word[12];
		enum manifest_give_kind kind;
	} plain[] = {{"image", GIVE_IMAGE},
	             {"add", GIVE_ADD},
	             {"command", GIVE_COMMAND},
	             {"stream", GIVE_STREAM},
	             {"framebuffer", GIVE_FRAMEBUFFER},
	             {"devices", GIVE_DEVICES},
	             {"link", GIVE_LINK},
	             {"blocks", GIVE_BLOCKS},
	             {"signatures", GIVE_SIGNATURES},
	             {"measured", GIVE_MEASURED}};
	/*@ loop invariant i <= 10;
	    loop assigns i;
	    loop variant 10 - i;
	*/
	for (unsigned i = 0; i < sizeof(plain) / sizeof(*plain); i++) {
		size_t length = strnlen(plain[i].word, sizeof(plain[i].word));
		if (word_equals(line, 1, plain[i].word, length)) {
			*kind = plain[i].kind;
			return true;
		}
	}
	return false;
}

/* The third word and those behind it, of a port, of registers and of an interrupt. */
/*@ requires line_good(line) && line->count == 5 && apart(line, give) && \valid(give);
    assigns *give;
*/
static bool parse_port(struct manifest_give *give, const struct line *line)
{
	uint64_t base;
	uint64_t count;
	give->kind = GIVE_PORT;
	if (!word_copy(give->name, sizeof(give->name), line, 2) || !word_number(line, 3, 0xffff, &base) ||
	    !word_number(line, 4, 0x10000 - base, &count) || !count)
		return false;
	give->base = (uint32_t)base;
	give->count = (uint32_t)count;
	return true;
}

/*@ requires line_good(line) && line->count == 5 && apart(line, give) && \valid(give);
    assigns *give;
*/
static bool parse_registers(struct manifest_give *give, const struct line *line)
{
	uint64_t base;
	uint64_t count;
	give->kind = GIVE_REGISTERS;
	if (!word_copy(give->name, sizeof(give->name), line, 2) || !word_number(line, 3, UINT32_MAX, &base) ||
	    !word_number(line, 4, UINT32_MAX - base, &count) || !count || (base | count) % 4096)
		return false;
	give->base = (uint32_t)base;
	give->count = (uint32_t)count;
	return true;
}

/*@ requires line_good(line) && line->count == 4 && apart(line, give) && \valid(give);
    assigns *give;
*/
static bool parse_irq(struct manifest_give *give, const struct line *line)
{
	uint64_t number;
	give->kind = GIVE_IRQ;
	if (!word_copy(give->name, sizeof(give->name), line, 2) || !word_number(line, 3, 1023, &number))
		return false;
	give->base = (uint32_t)number;
	return true;
}

/* Of more than its name: 0, or what is wrong. */
/*@ requires line_good(line) && 2 < line->count && apart(line, give) && \valid(give);
    assigns *give;
*/
static const char *parse_place(struct manifest_give *give, const struct line *line)
{
	if (line->count == 5 && word_is(line, 1, "port"))
		return parse_port(give, line) ? 0 : "bad port range";
	if (line->count == 5 && word_is(line, 1, "registers"))
		return parse_registers(give, line) ? 0 : "bad range of registers";
	if (line->count == 4 && word_is(line, 1, "irq"))
		return parse_irq(give, line) ? 0 : "bad interrupt";
	return "nothing of this name can be given";
}

/*@ requires line_good(line) && apart(line, unit) && \valid(unit) && unit_good(unit);
    assigns *unit;
    ensures \result == \null ==> unit_good(unit);
*/
static const char *parse_give(struct manifest_unit *unit, const struct line *line)
{
	if (line->count < 2)
		return "give what?";
	if (word_is(line, 1, "wx")) {
		unit->wx = true;
		return 0;
	}
	if (unit->give_count == MANIFEST_GIVES_MAX)
		return "too many capabilities for one unit";
	struct manifest_give *give = &unit->gives[unit->give_count++];
	if (line->count > 2)
		return parse_place(give, line);
	if (word_is(line, 1, "log-source")) {
		give->kind = GIVE_LOG;
		return 0;
	}
	if (word_is(line, 1, "log")) {
		give->kind = GIVE_LOG;
		memcpy(give->name, unit->name, sizeof(give->name) - 1);
		return 0;
	}
	return plain_kind(line, &give->kind) ? 0 : "nothing of this name can be given";
}

/*@ requires line_good(line) && line->count == 2 && apart(line, unit) && \valid(unit) && unit_good(unit);
    assigns *unit;
    ensures \result == \null ==> unit_good(unit);
*/
static const char *parse_argument(struct manifest_unit *unit, const struct line *line)
{
	if (word_is(line, 1, "seed")) {
		unit->seed = true;
		return 0;
	}
	if (word_is(line, 1, "trust")) {
		unit->trust = true;
		return 0;
	}
	if (word_is(line, 1, "options")) {
		unit->options = true;
		return 0;
	}
	if (!word_copy(unit->arguments + unit->arguments_bytes,
	               sizeof(unit->arguments) - unit->arguments_bytes, line, 1))
		return "arguments too long";
	unit->arguments_bytes += (uint32_t)line->lengths[1] + 1;
	return 0;
}

/*@ requires line_good(line) && line->count == 2 && apart(line, unit) && \valid(unit) && unit_good(unit);
    assigns *unit;
    ensures \result == \null ==> unit_good(unit);
*/
static const char *parse_channel(struct manifest_unit *unit, const struct line *line,
                                 enum manifest_give_kind kind)
{
	if (unit->give_count == MANIFEST_GIVES_MAX)
		return "too many capabilities for one unit";
	struct manifest_give *give = &unit->gives[unit->give_count++];
	give->kind = kind;
	return word_copy(give->name, sizeof(give->name), line, 1) ? 0 : "name too long";
}

/*@ requires line_good(line) && apart(line, resident) && \valid(resident) && resident_good(resident);
    assigns *resident;
    ensures \result == \null ==> resident_good(resident);
*/
static const char *parse_command(struct manifest_resident *resident, const struct line *line)
{
	if (line->count < 2 || resident->command_words)
		return "one command, and its words";
	/*@ loop invariant 1 <= i <= line->count && resident_good(resident);
	    loop assigns i, *resident;
	    loop variant line->count - i;
	*/
	for (unsigned i = 1; i < line->count; i++) {
		if (!word_copy(resident->command + resident->command_bytes,
		               sizeof(resident->command) - resident->command_bytes, line, i))
			return "command too long";
		resident->command_bytes += (uint32_t)line->lengths[i] + 1;
		resident->command_words++;
	}
	return 0;
}

/*@ requires line_good(line) && apart(line, resident) && \valid(resident) && resident_good(resident);
    assigns *resident;
    ensures \result == \null ==> resident_good(resident);
*/
static const char *parse_resident(struct manifest_resident *resident, const struct line *line)
{
	uint64_t value;
	if (word_is(line, 0, "command"))
		return parse_command(resident, line);
	if (line->count != 2)
		return "expected one word and its value";
	if (word_is(line, 0, "when"))
		return word_copy(resident->when, sizeof(resident->when), line, 1) ? 0 : "word too long";
	if (word_is(line, 0, "image"))
		return word_copy(resident->image, sizeof(resident->image), line, 1) ? 0 : "name too long";
	if (word_is(line, 0, "memory"))
		return word_number(line, 1, MANIFEST_REST - 1, &resident->memory) ? 0 : "bad size";
	if (word_is(line, 0, "caps"))
		return word_number(line, 1, MANIFEST_REST - 1, &resident->caps) ? 0 : "bad count";
	if (word_is(line, 0, "serve")) {
		if (!word_number(line, 1, 65535, &value) || !value)
			return "bad port";
		resident->port = (uint16_t)value;
		return 0;
	}
	if (word_is(line, 0, "net")) {
		resident->nat = word_is(line, 1, "nat");
		return resident->nat || word_is(line, 1, "none") ? 0 : "net none or nat";
	}
	if (word_is(line, 0, "give")) {
		resident->add |= word_is(line, 1, "add");
		resident->blocks |= word_is(line, 1, "blocks");
		return word_is(line, 1, "add") || word_is(line, 1, "blocks")
		           ? 0
		           : "nothing of this name can be given to a sub-kernel";
	}
	if (word_is(line, 0, "restart")) {
		resident->restart = word_is(line, 1, "always");
		return resident->restart || word_is(line, 1, "never") ? 0 : "restart always or never";
	}
	return "unknown word";
}

/* How much UNIT may have. */
/*@ requires line_good(line) && line->count == 2 && apart(line, unit) && \valid(unit) && unit_good(unit);
    assigns *unit;
    ensures \result == \null ==> unit_good(unit);
*/
static const char *parse_limit(struct manifest_unit *unit, const struct line *line)
{
	uint64_t value;
	if (word_is(line, 0, "memory"))
		return word_number(line, 1, MANIFEST_REST, &unit->memory) ? 0 : "bad size";
	if (word_is(line, 0, "caps"))
		return word_number(line, 1, MANIFEST_REST, &unit->caps) ? 0 : "bad count";
	if (word_is(line, 0, "stack"))
		return word_number(line, 1, 64 << 20, &unit->stack) ? 0 : "bad size";
	if (word_is(line, 0, "priority")) {
		if (!word_number(line, 1, MANIFEST_PRIORITY_MAX, &value) || !value)
			return "bad priority";
		unit->priority = (uint32_t)value;
		return 0;
	}
	if (word_is(line, 0, "ceiling")) {
		if (!word_number(line, 1, MANIFEST_PRIORITY_MAX, &value) || !value)
			return "bad ceiling";
		unit->ceiling = (uint32_t)value;
		return 0;
	}
	if (word_is(line, 0, "cpu-share")) {
		if (!word_number(line, 1, 100, &value))
			return "a share is up to 100 percent";
		unit->cpu_share = (uint32_t)value * 10000;
		return 0;
	}
	return "unknown word";
}

/*@ requires line_good(line) && apart(line, unit) && \valid(unit) && unit_good(unit);
    assigns *unit;
    ensures \result == \null ==> unit_good(unit);
*/
static const char *parse_unit(struct manifest_unit *unit, const struct line *line)
{
	if (word_is(line, 0, "give"))
		return parse_give(unit, line);
	if (word_is(line, 0, "budget"))
		return parse_budget(unit, line);
	if (line->count == 1 && word_is(line, 0, "sealed")) {
		unit->sealed = true;
		return 0;
	}
	if (line->count != 2)
		return "expected one word and its value";
	if (word_is(line, 0, "program"))
		return word_copy(unit->program, sizeof(unit->program), line, 1) ? 0 : "path too long";
	if (word_is(line, 0, "serve"))
		return parse_channel(unit, line, GIVE_SERVE);
	if (word_is(line, 0, "use"))
		return parse_channel(unit, line, GIVE_USE);
	if (word_is(line, 0, "argument"))
		return parse_argument(unit, line);
	if (word_is(line, 0, "restart")) {
		unit->restart = word_is(line, 1, "always");
		return unit->restart || word_is(line, 1, "never") ? 0 : "restart always or never";
	}
	return parse_limit(unit, line);
}

/*@ requires line_good(line) && apart(line, reserve) && \valid(reserve) && *reserve <= 1000000;
    assigns *reserve;
    ensures *reserve <= 1000000;
*/
static const char *parse_reserve(uint32_t *reserve, const struct line *line)
{
	uint64_t value;
	if (line->count != 2 || !word_number(line, 1, 100, &value))
		return "a reserve is up to 100 percent";
	*reserve = (uint32_t)value * 10000;
	return 0;
}

/*@ requires line_good(line) && apart(line, manifest) && \valid(manifest) && manifest_good(manifest);
    assigns *manifest;
    ensures \result == \null ==> manifest_good(manifest);
*/
static const char *parse_line(struct manifest *manifest, const struct line *line)
{
	if (word_is(line, 0, "subkernel")) {
		if (manifest->resident_count == MANIFEST_RESIDENTS_MAX)
			return "too many sub-kernels";
		struct manifest_resident *resident = &manifest->residents[manifest->resident_count++];
		*resident = (struct manifest_resident){.memory = 64 << 20};
		manifest->in_resident = true;
		return line->count == 2 && word_copy(resident->name, sizeof(resident->name), line, 1)
		           ? 0
		           : "bad name of a sub-kernel";
	}
	if (manifest->in_resident && !word_is(line, 0, "unit"))
		return parse_resident(&manifest->residents[manifest->resident_count - 1], line);
	if (word_is(line, 0, "unit")) {
		manifest->in_resident = false;
		if (manifest->unit_count == MANIFEST_UNITS_MAX)
			return "too many units";
		struct manifest_unit *unit = &manifest->units[manifest->unit_count++];
		*unit =
		    (struct manifest_unit){.memory = 4 << 20, .caps = 64, .stack = 64 << 10, .priority = 64};
		return line->count == 2 && word_copy(unit->name, sizeof(unit->name), line, 1)
		           ? 0
		           : "bad unit name";
	}
	if (!manifest->unit_count)
		return word_is(line, 0, "reserve") ? parse_reserve(&manifest->reserve, line)
		                                   : "a line before the first unit";
	return parse_unit(&manifest->units[manifest->unit_count - 1], line);
}

uint32_t manifest_budget_share(const struct manifest_unit *unit)
{
	return unit->budget_ns ? (uint32_t)((unit->budget_ns * 1000000 + unit->budget_period_ns - 1) /
	                                    unit->budget_period_ns)
	                       : 0;
}

bool manifest_gives(const struct manifest_unit *unit, enum manifest_give_kind kind)
{
	/*@ loop invariant i <= unit->give_count;
	    loop assigns i;
	    loop variant unit->give_count - i;
	*/
	for (unsigned i = 0; i < unit->give_count; i++)
		if (unit->gives[i].kind == kind)
			return true;
	return false;
}

/* What no line alone can say of UNIT. */
/*@ requires \valid(unit) && unit_good(unit);
    assigns unit->ceiling;
    ensures \result == \null ==> unit_whole(unit);
*/
static const char *unit_finish(struct manifest_unit *unit)
{
	if (!unit->program[0])
		return "a unit without a program";
	if ((unit->priority > MANIFEST_BEST_EFFORT_MAX) != (unit->budget_ns != 0))
		return "priorities above 127 are those of units with a budget";
	if (!unit->ceiling)
		unit->ceiling = unit->priority;
	if (unit->ceiling < unit->priority)
		return "a ceiling below the priority";
	return unit->cpu_share + manifest_budget_share(unit) > 1000000 ? "more than the whole of a CPU" : 0;
}

/* Whether the reserve, the budgets and the shares fit a CPU together. */
/*@ requires \valid_read(manifest) && manifest_good(manifest);
    assigns \nothing;
*/
static bool shares_fit(const struct manifest *manifest)
{
	uint64_t sum = manifest->reserve;
	/*@ loop invariant i <= manifest->unit_count && sum <= 1000000 + i * 2000000;
	    loop assigns i, sum;
	    loop variant manifest->unit_count - i;
	*/
	for (unsigned i = 0; i < manifest->unit_count; i++)
		sum += manifest->units[i].cpu_share + manifest_budget_share(&manifest->units[i]);
	return sum <= 1000000;
}

/* Takes the line at *AT apart and passes it; false: it has too many words, or a zero byte in one. */
/*@ requires \valid(line) && \valid(at) && \valid_read(text + (0 .. size - 1)) && *at < size;
    requires \base_addr(line) != \base_addr(at) && \base_addr(line) != \base_addr(text) && \base_addr(at) != \base_addr(text);
    assigns *line, *at;
    ensures \result ==> \old(*at) < *at <= size;
    ensures words_good(line, line->count);
    ensures \forall integer i; 0 <= i < line->count ==> \base_addr(line->words[i]) == \base_addr(text);
*/
static bool line_split(struct line *line, const char *text, size_t size, size_t *at)
{
	bool comment = false;
	line->count = 0;
	/*@ loop invariant \at(*at, Pre) <= *at <= size && words_good(line, line->count);
	    loop invariant \forall integer i; 0 <= i < line->count ==> \base_addr(line->words[i]) == \base_addr(text);
	    loop assigns comment, *line, *at;
	    loop variant size - *at;
	*/
	while (*at < size && text[*at] != '\n') {
		char c = text[*at];
		comment = comment || c == '#';
		if (comment || c == ' ' || c == '\t' || c == '\r') {
			++*at;
			continue;
		}
		if (line->count == WORDS_MAX || !c)
			return false;
		size_t start = *at;
		/*@ loop invariant start <= *at <= size;
		    loop invariant *at == start ==> text[start] == c && c && c != '\n' && c != ' ' && c != '\t' && c != '\r';
		    loop assigns *at;
		    loop variant size - *at;
		*/
		while (*at < size && text[*at] && text[*at] != '\n' && text[*at] != ' ' &&
		       text[*at] != '\t' && text[*at] != '\r')
			++*at;
		line->words[line->count] = text + start;
		line->lengths[line->count++] = *at - start;
	}
	*at += *at < size;
	return true;
}

const char *manifest_parse(struct manifest *manifest, const char *text, size_t size, unsigned *number)
{
	manifest->unit_count = manifest->resident_count = 0;
	manifest->reserve = 0;
	manifest->in_resident = false;
	*number = 0;
	size_t at = 0;
	/*@ loop invariant at <= size && manifest_good(manifest);
	    loop assigns at, *number, *manifest;
	    loop variant size - at;
	*/
	while (at < size) {
		struct line line;
		++*number;
		if (!line_split(&line, text, size, &at))
			return "too many words, or a zero byte";
		const char *wrong = line.count ? parse_line(manifest, &line) : 0;
		if (wrong)
			return wrong;
	}
	/*@ loop invariant i <= manifest->unit_count && manifest_good(manifest);
	    loop invariant \forall integer k; 0 <= k < i ==> unit_whole(&manifest->units[k]);
	    loop assigns i, manifest->units[0 .. MANIFEST_UNITS_MAX - 1];
	    loop variant manifest->unit_count - i;
	*/
	for (unsigned i = 0; i < manifest->unit_count; i++) {
		const char *wrong = unit_finish(&manifest->units[i]);
		if (wrong)
			return wrong;
	}
	/*@ loop invariant i <= manifest->resident_count;
	    loop assigns i;
	    loop variant manifest->resident_count - i;
	*/
	for (unsigned i = 0; i < manifest->resident_count; i++)
		if (!manifest->residents[i].command_words)
			return "a sub-kernel without a command";
	if (!shares_fit(manifest))
		return "the reserve, budgets and shares of all units are more than a CPU";
	return manifest->unit_count ? 0 : "no units";
}
