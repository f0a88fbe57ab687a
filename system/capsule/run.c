/* A capsule in a sub-kernel of its own: the blueprint that its plan makes, and nothing that was not granted. The sub-kernel's name
 * is '@' and the capsule's, as far as there is room, with a digest of it where there is not. The manager ends it when what vouches
 * for it ends, whatever this command or the capsule does. */
#include "capsule.h"
#include <crypto/sha3.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "../subkernel/command.h"
#include "../subkernel/libholon.h"
#include "../subkernel/tree.h"

#define NAME_SIZE   sizeof(((struct blueprint *)0)->name)
#define END_WAIT_NS 20000000

static void subkernel_name(char name[NAME_SIZE], const char *capsule)
{
	uint8_t digest[SHA3_256_SIZE];

	if ((size_t)snprintf(name, NAME_SIZE, "@%s", capsule) < NAME_SIZE)
		return;
	sha3_256_hash(digest, (const uint8_t *)capsule, strlen(capsule));
	snprintf(name + NAME_SIZE - 10, 10, "~%02x%02x%02x%02x", digest[0], digest[1], digest[2], digest[3]);
}

/* The archive for the root: a program at its place, or the tree as it is. */
static int make_archive(const struct capsule *capsule, const struct plan *plan)
{
	char beside[] = "/run/capsule/program-XXXXXX";
	int archive = memfd_create("capsule", MFD_CLOEXEC), program, result = -1;

	if (archive < 0)
		return -1;
	if (plan->payload == PAYLOAD_TREE) {
		result = write_all(archive, (const char *)capsule->payload, (long)capsule->payload_count);
	} else if ((program = mkstemp(beside)) >= 0) {
		result = write_all(program, (const char *)capsule->payload, (long)capsule->payload_count);
		if (fchmod(program, 0755) || close(program))
			result = -1;
		if (!result)
			result = tree_pack(archive, beside, plan->words[0] + 1, true);
		unlink(beside);
	}
	if (result) {
		close(archive);
		return -1;
	}
	return archive;
}

/* As many of this sub-kernel's processors as the plan says, from the first on. */
static uint32_t processors_of(const struct plan *plan)
{
	struct subkernel_info own;
	uint32_t mask = 0, count = 0;

	if (holon_subkernel_list(0, &own))
		return 0; /* its parent's */
	for (uint32_t bit = 1; bit && count < plan->processors; bit <<= 1)
		if (own.cpu_mask & bit) {
			mask |= bit;
			count++;
		}
	return mask;
}

static uint64_t machine_time(void)
{
	static uint8_t unused[CAPSULE_LIST_FILE_MAX];
	uint64_t now = 0;

	return holon_signed(HOLON_SIGNED_KEYS, unused, sizeof(unused), &now) < 0 ? 0 : now;
}

/* Nothing of the caller's environment but what its terminal is. */
static void clear_environment(void)
{
	static char terminal[64];
	static char *few[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	                      "HOME=/root", 0, 0};
	const char *own = getenv("TERM");

	if (own && strlen(own) < sizeof(terminal) - 5) {
		snprintf(terminal, sizeof(terminal), "TERM=%s", own);
		few[2] = terminal;
	}
	environ = few;
}

static bool child_started;

static void on_start(void)
{
	child_started = true;
	stores_unlock();
}

int capsule_run(struct bytes *file, const struct capsule *capsule, struct plan *plan, uint64_t until,
                const struct ends *ends, const char *directory, bool detach, char **more)
{
	const struct field *name = &capsule->manifest[CAPSULE_NAME];
	char text[TRUST_NAME_MAX + 1], volume[4200], *words[2 * PLAN_WORDS_MAX + 1];
	unsigned count = 0;
	struct run run = {.blueprint = {.version = BLUEPRINT_VERSION,
	                                .profile = "linux",
	                                .memory_bytes = plan->memory_bytes,
	                                .caps = plan->handles,
	                                .cpu_share = plan->share,
	                                .cpu_mask = processors_of(plan),
	                                .expires = until},
	                  .command = words,
	                  .started = on_start,
	                  .detach = detach};

	snprintf(text, sizeof(text), "%.*s", (int)name->count, (const char *)name->bytes);
	subkernel_name(run.blueprint.name, text);
	run.blueprint.flags = (plan->granted & CAPABILITY_NESTING ? BLUEPRINT_NESTING : 0u) |
	                      (plan->granted & CAPABILITY_WX ? BLUEPRINT_WX : 0u) |
	                      (plan->granted & CAPABILITY_LEDGER ? BLUEPRINT_LEDGER : 0u);
	memcpy(run.blueprint.grant_expires, ends->at, sizeof(ends->at));
	memcpy(run.blueprint.certificate, capsule->certificate_id, sizeof(run.blueprint.certificate));
	run.blueprint.certificate_epoch = record_number(&capsule->certificate[CERT_EPOCH]);
	if (plan->granted & CAPABILITY_NETWORK)
		run.blueprint.net = plan->net;
	for (; count < plan->word_count; count++)
		words[count] = (char *)(uintptr_t)plan->words[count];
	for (; *more; more++) {
		if (count == 2 * PLAN_WORDS_MAX)
			stop(CAPSULE_USAGE, "there are more than %d words in the command",
			     2 * PLAN_WORDS_MAX);
		words[count++] = *more;
	}
	words[count] = 0;
	if (plan->granted & CAPABILITY_FILES && directory) {
		const char *read_only =
		    strlen(directory) > 3 && strcmp(directory + strlen(directory) - 3, ":ro") == 0
		        ? directory + strlen(directory) - 3
		        : "";

		snprintf(volume, sizeof(volume), "%.*s:/files%s",
		         (int)(strlen(directory) - strlen(read_only)), directory, read_only);
		if (volume_take(&run.blueprint, volume))
			stop(CAPSULE_USAGE, "--files wants a directory, and :ro where it may only be read");
	}
	run.archive = make_archive(capsule, plan);
	if (run.archive < 0)
		stop(CAPSULE_IMPOSSIBLE, "its payload cannot be made ready: %s", strerror(errno));
	free(file->at); /* CAPSULE is nothing from here on */
	*file = (struct bytes){0};
	stores_close();
	clear_environment();

	int status = run_child(&run);

	if (!child_started)
		return CAPSULE_NOT_RUN;
	if (!detach && status == 128 + 9 && machine_time() >= until)
		fprintf(stderr,
		        "capsule: %s was ended: its signer's certificate, or what was granted, is valid no "
		        "longer\n",
		        text);
	return status;
}

void capsules_sweep(const char *(*why)(const uint8_t *certificate, uint64_t epoch, void *context),
                    void *context)
{
	static const uint8_t none[TRUST_HASH_BYTES];
	struct subkernel_info info;

	for (unsigned index = 0; holon_subkernel_list(index, &info) == 0; index++) {
		if (!index || info.state == SUBKERNEL_ENDED ||
		    memcmp(info.certificate, none, sizeof(none)) == 0)
			continue;
		const char *reason = why(info.certificate, info.certificate_epoch, context);
		if (!reason)
			continue;
		if (holon_subkernel_kill(info.number) && errno != ESRCH)
			stop(CAPSULE_IMPOSSIBLE, "%s (sub-kernel %llu) cannot be ended: %s", info.name,
			     (unsigned long long)info.number, strerror(errno));
		printf("ended         %s (sub-kernel %llu): %s\n",
		       info.name[0] == '@' ? info.name + 1 : info.name, (unsigned long long)info.number,
		       reason);
		index = 0; /* with it went others: the list is another one */
	}
}

/* The first child of this sub-kernel with NAME; those further down are others'. */
static uint64_t find_child(const char name[NAME_SIZE])
{
	struct subkernel_info info;
	uint64_t own = 0;

	for (unsigned index = 0; holon_subkernel_list(index, &info) == 0; index++) {
		if (!index)
			own = info.number;
		else if (info.parent == own && info.state != SUBKERNEL_ENDED &&
		         strncmp(info.name, name, NAME_SIZE) == 0)
			return info.number;
	}
	return 0;
}

uint64_t capsule_running(const char *name)
{
	char child[NAME_SIZE];

	subkernel_name(child, name);
	return find_child(child);
}

unsigned grant_of(uint32_t bit)
{
	switch (bit) {
	case CAPABILITY_NETWORK:
		return GRANT_NETWORK;
	case CAPABILITY_FILES:
		return GRANT_FILES;
	case CAPABILITY_LEDGER:
		return GRANT_LEDGER;
	case CAPABILITY_NESTING:
		return GRANT_NESTING;
	default:
		return BLUEPRINT_GRANTS;
	}
}

unsigned capsule_take(const char *name, uint32_t bits)
{
	char child[NAME_SIZE];
	struct subkernel_info info;
	uint64_t own = 0;
	unsigned grants = 0, count = 0;

	for (uint32_t bit = 1; bit; bit <<= 1)
		if (bits & bit)
			grants |= 1u << grant_of(bit);
	subkernel_name(child, name);
	for (unsigned index = 0; holon_subkernel_list(index, &info) == 0; index++) {
		if (!index)
			own = info.number;
		if (!index || info.parent != own || info.state == SUBKERNEL_ENDED ||
		    strncmp(info.name, child, NAME_SIZE) != 0)
			continue;
		if (holon_subkernel_revoke(info.number, grants) == 0) {
			count++;
			/* From the beginning: it, or what it had below, may end by that, and the list is another one. It has
			 * nothing more that is taken. */
			index = 0;
		} else if (errno != EAGAIN && errno != ESRCH) {
			stop(CAPSULE_IMPOSSIBLE,
			     "not all could be taken from sub-kernel %llu: %s (it is tried again; 'subkernel "
			     "kill' ends it)",
			     (unsigned long long)info.number, strerror(errno));
		}
	}
	return count;
}

unsigned capsule_end(const char *name)
{
	const struct timespec pause = {.tv_nsec = END_WAIT_NS};
	unsigned count = 0;
	uint64_t number;

	while ((number = capsule_running(name))) {
		if (holon_subkernel_kill(number) && errno != ESRCH)
			stop(CAPSULE_IMPOSSIBLE, "%s (sub-kernel %llu) cannot be ended: %s", name,
			     (unsigned long long)number, strerror(errno));
		count++;
		while (capsule_running(name) == number)
			nanosleep(&pause, 0);
	}
	return count;
}
