/* See plan.h. */
#include "plan.h"
#include "endpoint.h"
#include <string.h>

static const struct {
	uint32_t bit;
	const char *name, *sentence;
} capabilities[] = {
    {CAPABILITY_FILES, "files", "read and write one directory, which you name at each run"},
    {CAPABILITY_LEDGER, "ledger", "reach the system's ledger"},
    {CAPABILITY_NESTING, "nesting", "start sub-kernels of its own, out of its own quotas"},
    {CAPABILITY_NETWORK, "network", "reach the network"},
    {CAPABILITY_WX, "wx", "run code that it makes itself"},
};
#define CAPABILITIES (sizeof(capabilities) / sizeof(*capabilities))

const char *plan_error_text(enum plan_error error)
{
	static const char *const texts[] = {
	    [PLAN_OK] = "good",
	    [PLAN_CAPABILITY] = "it does not run without a capability that this system does not know",
	    [PLAN_DENIED] = "it does not run without a capability that was not granted",
	    [PLAN_WORD] = "the grant names what it does not ask for",
	    [PLAN_QUOTA] = "a quota of its manifest is out of bounds",
	    [PLAN_ENDPOINT] = "an endpoint is no [tcp:|udp:]HOST:PORT, or there are too many",
	    [PLAN_COMMAND] = "its manifest names no command that can be run",
	    [PLAN_PAYLOAD] = "its payload is neither a program nor an archive of files",
	};

	return (unsigned)error < sizeof(texts) / sizeof(*texts) ? texts[error] : "unknown error";
}

static bool field_is(const struct field *field, const char *text)
{
	return field->count == strlen(text) && memcmp(field->bytes, text, field->count) == 0;
}

uint32_t capability_of(const struct field *name)
{
	for (unsigned index = 0; index < CAPABILITIES; index++)
		if (field_is(name, capabilities[index].name))
			return capabilities[index].bit;
	return 0;
}

const char *capability_name(uint32_t bit)
{
	for (unsigned index = 0; index < CAPABILITIES; index++)
		if (capabilities[index].bit == bit)
			return capabilities[index].name;
	return "";
}

const char *capability_sentence(uint32_t bit)
{
	for (unsigned index = 0; index < CAPABILITIES; index++)
		if (capabilities[index].bit == bit)
			return capabilities[index].sentence;
	return "";
}

/* ---- The parts of a plan ---- */

static enum plan_error take_capabilities(struct plan *plan, const struct capsule *capsule,
                                         struct field *wrong)
{
	struct field item;

	for (uint32_t at = 0; record_next(&capsule->manifest[CAPSULE_REQUIRED], &at, &item);) {
		uint32_t bit = capability_of(&item);

		*wrong = item;
		if (!bit)
			return PLAN_CAPABILITY;
		plan->required |= bit;
	}
	for (uint32_t at = 0; record_next(&capsule->manifest[CAPSULE_OPTIONAL], &at, &item);)
		plan->optional |= capability_of(&item);
	plan->optional &= ~plan->required;
	return PLAN_OK;
}

static enum plan_error take_quotas(struct plan *plan, const struct capsule *capsule)
{
	uint64_t cpu = record_number(&capsule->manifest[CAPSULE_CPU]);

	plan->memory_bytes = record_number(&capsule->manifest[CAPSULE_MEMORY]);
	plan->handles = record_number(&capsule->manifest[CAPSULE_CAPABILITIES]);
	if (plan->memory_bytes < PLAN_MEMORY_MIN || plan->memory_bytes > UINT64_MAX / 2 ||
	    plan->handles < PLAN_HANDLES_MIN || plan->handles > PLAN_HANDLES_MAX || !cpu ||
	    cpu > PLAN_CPU_MAX)
		return PLAN_QUOTA;
	plan->processors = (uint32_t)((cpu + 999) / 1000);
	plan->share = (uint32_t)(cpu / 10 / plan->processors);
	plan->share += !plan->share;
	return PLAN_OK;
}

static enum plan_error take_endpoints(struct plan *plan, const struct capsule *capsule, struct field *wrong)
{
	struct field item;

	plan->net.mode = SWITCH_NAT;
	for (uint32_t at = 0; record_next(&capsule->manifest[CAPSULE_ENDPOINTS], &at, &item);) {
		*wrong = item;
		plan->net.mode = SWITCH_ONLY;
		if (plan->net.allowed_count == SWITCH_ALLOWED_MAX ||
		    !endpoint_parse(&plan->net.allowed[plan->net.allowed_count++], (const char *)item.bytes,
		                    item.count))
			return PLAN_ENDPOINT;
	}
	return PLAN_OK;
}

static enum plan_payload payload_kind(const uint8_t *bytes, uint64_t count)
{
	if (count >= 4 && memcmp(bytes, "\177ELF", 4) == 0)
		return PAYLOAD_PROGRAM;
	if (count >= 3 && memcmp(bytes, "#!/", 3) == 0)
		return PAYLOAD_PROGRAM;
	if (count >= 1024 && count % 512 == 0 && memcmp(bytes + 257, "ustar", 5) == 0)
		return PAYLOAD_TREE;
	return PAYLOAD_UNKNOWN;
}

/* The command's words, which spaces divide; a program without one is called by its place in the root. */
static enum plan_error take_command(struct plan *plan, const struct capsule *capsule)
{
	const struct field *command = &capsule->manifest[CAPSULE_COMMAND];

	if (command->bytes)
		memcpy(plan->command, command->bytes, command->count);
	else if (plan->payload == PAYLOAD_PROGRAM)
		memcpy(plan->command, "/capsule/program", sizeof("/capsule/program"));
	for (char *at = plan->command; *at;) {
		if (*at == ' ') {
			*at++ = 0;
			continue;
		}
		if (plan->word_count == PLAN_WORDS_MAX)
			return PLAN_COMMAND;
		plan->words[plan->word_count++] = at;
		while (*at && *at != ' ')
			at++;
	}
	/* A program goes to where its command calls it: an absolute place, whatever directories are on the way. */
	if (!plan->word_count || (plan->payload == PAYLOAD_PROGRAM &&
	                          (plan->words[0][0] != '/' || strstr(plan->words[0], "/../") ||
	                           plan->words[0][strlen(plan->words[0]) - 1] == '/')))
		return PLAN_COMMAND;
	return PLAN_OK;
}

enum plan_error plan_make(struct plan *plan, const struct capsule *capsule, struct field *wrong)
{
	memset(plan, 0, sizeof(*plan));
	*wrong = (struct field){0};
	plan->payload = payload_kind(capsule->payload, capsule->payload_count);

	enum plan_error error = take_capabilities(plan, capsule, wrong);

	if (!error)
		error = take_endpoints(plan, capsule, wrong);
	if (error)
		return error;
	*wrong = (struct field){0};
	error = take_quotas(plan, capsule);
	if (!error && plan->payload == PAYLOAD_UNKNOWN)
		error = PLAN_PAYLOAD;
	return error ? error : take_command(plan, capsule);
}

enum plan_error plan_grant(struct plan *plan, const char *grant, struct field *wrong)
{
	const uint32_t asked = plan->required | plan->optional;

	plan->granted = 0;
	*wrong = (struct field){0};
	for (const char *at = grant; *at;) {
		struct field word = {(const uint8_t *)at, (uint32_t)strcspn(at, ",")};
		uint32_t bit = capability_of(&word) & asked;

		if (field_is(&word, "all")) {
			bit = asked;
		} else if (!bit && word.count && !field_is(&word, "none")) {
			*wrong = word;
			return PLAN_WORD;
		}
		plan->granted |= bit;
		at += word.count;
		at += *at == ',';
	}
	for (unsigned index = 0; index < CAPABILITIES; index++)
		if (plan->required & ~plan->granted & capabilities[index].bit) {
			*wrong = (struct field){(const uint8_t *)capabilities[index].name,
			                        (uint32_t)strlen(capabilities[index].name)};
			return PLAN_DENIED;
		}
	return PLAN_OK;
}

/* ---- Grants as they are kept ---- */

static bool number_read(uint64_t *value, const char *text)
{
	if (!*text)
		return false;
	for (*value = 0; *text; text++) {
		uint64_t digit = (uint64_t)(*text - '0');

		if (*text < '0' || *text > '9' || *value > (UINT64_MAX - digit) / 10)
			return false;
		*value = *value * 10 + digit;
	}
	return true;
}

bool plan_grant_read(char list[PLAN_GRANT_MAX], uint64_t *until, const uint8_t *bytes, size_t count)
{
	char *end;

	*until = UINT64_MAX;
	if (count >= PLAN_GRANT_MAX || memchr(bytes, 0, count))
		return false;
	memcpy(list, bytes, count);
	list[count] = 0;
	end = strchr(list, '\n');
	if (!end)
		return true;
	*end = 0;
	return number_read(until, end + 1);
}

size_t plan_grant_write(char text[PLAN_GRANT_MAX], uint32_t granted, uint64_t until)
{
	size_t length = 0;
	char digits[20];
	unsigned digit = 0;

	for (unsigned index = 0; index < CAPABILITIES; index++) {
		if (!(granted & capabilities[index].bit))
			continue;
		if (length)
			text[length++] = ',';
		memcpy(text + length, capabilities[index].name, strlen(capabilities[index].name));
		length += strlen(capabilities[index].name);
	}
	if (!length) {
		memcpy(text, "none", 4);
		length = 4;
	}
	if (until != UINT64_MAX) {
		text[length++] = '\n';
		do
			digits[digit++] = (char)('0' + until % 10);
		while (until /= 10);
		while (digit)
			text[length++] = digits[--digit];
	}
	text[length] = 0;
	return length;
}

/* ---- Versions ---- */

static bool is_digit(const struct field *text, uint32_t at)
{
	return at < text->count && text->bytes[at] >= '0' && text->bytes[at] <= '9';
}

/* The number at *AT without leading zeros, which moves behind it. */
static struct field number_take(const struct field *text, uint32_t *at)
{
	while (is_digit(text, *at) && text->bytes[*at] == '0')
		++*at;

	struct field number = {text->bytes + *at, 0};

	while (is_digit(text, *at)) {
		++*at;
		number.count++;
	}
	return number;
}

int plan_version_compare(const struct field *a, const struct field *b)
{
	uint32_t at = 0, other = 0;

	while (at < a->count && other < b->count) {
		if (is_digit(a, at) && is_digit(b, other)) {
			struct field left = number_take(a, &at), right = number_take(b, &other);

			if (left.count != right.count)
				return left.count < right.count ? -1 : 1;

			int order = memcmp(left.bytes, right.bytes, left.count);

			if (order)
				return order < 0 ? -1 : 1;
			continue;
		}
		if (a->bytes[at] != b->bytes[other])
			return a->bytes[at] < b->bytes[other] ? -1 : 1;
		at++;
		other++;
	}
	if (at < a->count)
		return 1;
	return other < b->count ? -1 : 0;
}
