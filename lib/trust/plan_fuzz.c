/* Capsule files and grants that may be anything, before what makes plans of them, and boot manifests with lists of keys. The first
 * byte says how much of the rest is the grant. Nothing is granted that was not asked for, and all of a plan lies within its bounds. */
#include "plan.h"
#include "boot.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_plan(const struct plan *plan)
{
	if (plan->required & plan->optional || plan->memory_bytes < PLAN_MEMORY_MIN ||
	    plan->handles > PLAN_HANDLES_MAX || !plan->processors || plan->processors > 64 || !plan->share ||
	    plan->share > 100 || plan->net.allowed_count > SWITCH_ALLOWED_MAX || !plan->word_count ||
	    plan->word_count > PLAN_WORDS_MAX || plan->words[plan->word_count])
		abort();
	for (unsigned index = 0; index < plan->net.allowed_count; index++)
		if (!plan->net.allowed[index].port ||
		    !memchr(plan->net.allowed[index].host, 0, sizeof(plan->net.allowed[index].host)))
			abort();
	for (unsigned index = 0; index < plan->word_count; index++)
		if (!*plan->words[index] || plan->words[index] < plan->command ||
		    plan->words[index] + strlen(plan->words[index]) >= plan->command + sizeof(plan->command))
			abort();
}

/* What is written is read again, and what is read, whatever it is, names no more than there is. */
static void kept(const struct plan *plan, const uint8_t *bytes, size_t count)
{
	char text[PLAN_GRANT_MAX], list[PLAN_GRANT_MAX];
	uint64_t until, again;
	struct plan copy = *plan;
	struct field wrong;

	if (!plan_grant_read(list, &until, bytes, count))
		return;
	count = plan_grant_write(text, plan->granted, until);
	if (!plan_grant_read(list, &again, (const uint8_t *)text, count) || again != until)
		abort();
	(void)plan_grant(&copy, list, &wrong);
	if (copy.granted != plan->granted)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct capsule capsule;
	static struct plan plan;
	static struct key_list list;
	enum record_error detail;
	struct field wrong;
	const uint8_t *root;
	char grant[256];

	if (!size)
		return 0;

	size_t words = data[0] < size - 1 ? data[0] : size - 1;

	memcpy(grant, data + 1, words);
	grant[words] = 0;
	data += 1 + words;
	size -= 1 + words;
	/* Of the file's form only the manifest counts here: the rest is behind it, if at all. */
	size_t record = record_size(data, size);

	(void)trust_capsule_keys(&list, &root, data, size, data, size, &detail);
	if (!record ||
	    record_read(data, record, RECORD_CAPSULE, capsule_rules, CAPSULE_FIELDS, capsule.manifest))
		return 0;
	capsule.payload = data + record;
	capsule.payload_count = size - record;
	if (plan_make(&plan, &capsule, &wrong))
		return 0;
	check_plan(&plan);

	enum plan_error error = plan_grant(&plan, grant, &wrong);

	if (plan.granted & ~(plan.required | plan.optional))
		abort();
	kept(&plan, (const uint8_t *)grant, words);
	if (!error && plan.required & ~plan.granted)
		abort();
	if (plan_version_compare(&capsule.manifest[CAPSULE_VERSION], &capsule.manifest[CAPSULE_VERSION]) ||
	    plan_version_compare(&capsule.manifest[CAPSULE_VERSION], &capsule.manifest[CAPSULE_NAME]) !=
	        -plan_version_compare(&capsule.manifest[CAPSULE_NAME], &capsule.manifest[CAPSULE_VERSION]))
		abort();
	return 0;
}
