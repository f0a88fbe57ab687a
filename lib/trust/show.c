/* See show.h. */
#include "show.h"
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

static void show_list(const char *what, const struct field *list)
{
	struct field item;

	if (!list->bytes)
		return;
	printf("%-13s", what);
	for (uint32_t at = 0; record_next(list, &at, &item);)
		printf(" %.*s", (int)item.count, (const char *)item.bytes);
	putchar('\n');
}

static void show_time(const char *what, uint64_t seconds)
{
	time_t when = (time_t)(seconds > 253402300799 ? 253402300799 : seconds);
	char text[32];
	struct tm parts;

	gmtime_r(&when, &parts);
	strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &parts);
	printf("%-13s %s UTC\n", what, text);
}

static void show_hex(const char *what, const uint8_t *bytes, size_t count)
{
	printf("%-13s ", what);
	for (size_t index = 0; index < count; index++)
		printf("%02x", bytes[index]);
	putchar('\n');
}

static void show_text(const char *what, const struct field *field)
{
	if (field->bytes)
		printf("%-13s %.*s\n", what, (int)field->count, (const char *)field->bytes);
}

void trust_capsule_show(const struct capsule *capsule)
{
	const struct field *manifest = capsule->manifest, *certificate = capsule->certificate;

	show_text("capsule", &manifest[CAPSULE_NAME]);
	show_text("version", &manifest[CAPSULE_VERSION]);
	printf("%-13s %" PRIu64 " bytes\n", "payload", capsule->payload_count);
	show_hex("hash", manifest[CAPSULE_PAYLOAD_HASH].bytes, TRUST_HASH_BYTES);
	show_list("requires", &manifest[CAPSULE_REQUIRED]);
	show_list("may use", &manifest[CAPSULE_OPTIONAL]);
	show_list("endpoints", &manifest[CAPSULE_ENDPOINTS]);
	printf("%-13s %" PRIu64 " bytes, %" PRIu64 " capabilities, %" PRIu64 "/1000 of a processor\n",
	       "quotas", record_number(&manifest[CAPSULE_MEMORY]),
	       record_number(&manifest[CAPSULE_CAPABILITIES]), record_number(&manifest[CAPSULE_CPU]));
	show_text("command", &manifest[CAPSULE_COMMAND]);
	show_text("signer", &certificate[CERT_NAME]);
	show_hex("certificate", capsule->certificate_id, TRUST_HASH_BYTES);
	show_list("name spaces", &certificate[CERT_SPACES]);
	show_list("ceiling", &certificate[CERT_CEILING]);
	show_time("from", record_number(&certificate[CERT_FROM]));
	show_time("until", record_number(&certificate[CERT_UNTIL]));
}

void trust_refusal(char *text, size_t size, enum trust_error error, enum record_error detail,
                   const struct field *wrong)
{
	const char *more = error == TRUST_FORM ? record_error_text(detail) : "";

	if (error == TRUST_CEILING || error == TRUST_NAME)
		snprintf(text, size, "%s: %.*s", trust_error_text(error), (int)wrong->count,
		         (const char *)wrong->bytes);
	else
		snprintf(text, size, "%s%s%s", trust_error_text(error), *more ? ": " : "", more);
}
