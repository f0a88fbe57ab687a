/* holon-vdisk: key slots, and new keys for everything. */
#define _GNU_SOURCE
#include "tool.h"
#include "progress.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* What a slot is made from, as the options say. */
struct new_key {
	struct vdisk_credentials credentials;
	enum vdisk_factor factors[2];
	char *passphrase;
	uint8_t *key_file;
	char words[VDISK_RECOVERY_WORDS_SIZE];
};

static bool has_new_key(const struct options *options)
{
	return options->new_key_file || options->new_passphrase_fd >= 0 || options->new_recovery ||
	       options->new_machine;
}

static void take_new_key(struct new_key *new, const struct container *container,
                         const struct options *options)
{
	struct vdisk_credentials *credentials = &new->credentials;
	*new = (struct new_key){.factors = {VDISK_FACTOR_NONE, VDISK_FACTOR_NONE}};
	if (options->new_key_file)
		credentials->key_file = new->key_file =
		    read_file(options->new_key_file, 65536, &credentials->key_file_bytes);
	if (options->new_passphrase_fd >= 0) {
		credentials->passphrase = new->passphrase = read_fd_line(options->new_passphrase_fd);
		credentials->passphrase_bytes = strlen(new->passphrase);
	}
	if (options->new_machine && !container->credentials.machine)
		fail(EXIT_WRONG, "--new-machine makes a slot for what --machine-file gives");
	if (options->new_machine)
		credentials->machine = container->credentials.machine;
	credentials_factors(credentials, options->new_recovery, new->factors, options->new_key_file);
	if (!new->factors[0])
		fail(EXIT_WRONG,
		     "say what the new slot opens with: --new-key-file, --new-passphrase-fd, --new-recovery");
}

/* Prints recovery words, once, and forgets all of it. */
static void end_new_key(struct new_key *new)
{
	if (*new->words)
		printf("%s\n", new->words);
	fflush(stdout);
	if (new->passphrase)
		explicit_bzero(new->passphrase, new->credentials.passphrase_bytes);
	free(new->passphrase);
	free(new->key_file);
	explicit_bzero(new, sizeof(*new));
}

static void key_add(struct container *container, const struct options *options)
{
	struct new_key new;
	take_new_key(&new, container, options);
	must(vdisk_slot_add(container->disk, new.factors, &new.credentials, NULL, options->label, new.words),
	     "adding a slot to", options->arguments[1]);
	end_new_key(&new);
}

int run_key(const struct options *options)
{
	struct options rest = *options;
	struct container container;
	const char *what = options->arguments[0];
	if (options->argument_count != 2)
		fail(EXIT_WRONG, "key list FILE, key add FILE or key remove FILE");
	rest.arguments[0] = options->arguments[1];
	if (!strcmp(what, "list")) {
		struct vdisk_slot_info slots[8];
		uint8_t id[VDISK_ID_SIZE];
		unsigned count;
		container_files(&container, &rest, ACCESS_READ);
		must(vdisk_probe(&container.legs[0], slots, 8, &count, id), "reading", rest.arguments[0]);
		if (options->json)
			putchar('[');
		print_slots(slots, count, options->json);
		if (options->json)
			printf("]\n");
		container_close(&container);
		return EXIT_GOOD;
	}
	if (!strcmp(what, "add")) {
		container_open(&container, &rest, ACCESS_WRITE, false);
		key_add(&container, options);
	} else if (!strcmp(what, "remove")) {
		char question[100];
		if (options->slot < 0)
			fail(EXIT_WRONG, "--slot is missing");
		snprintf(question, sizeof(question), "Slot %ld will open this container no more.",
		         options->slot);
		container_open(&container, &rest, ACCESS_WRITE, false);
		confirm(options, question);
		must(vdisk_slot_remove(container.disk, (uint32_t)options->slot), "removing a slot of",
		     rest.arguments[0]);
	} else {
		fail(EXIT_WRONG, "there is no 'key %s': list, add or remove", what);
	}
	container_close(&container);
	return EXIT_GOOD;
}

/* ---- New keys for everything ---- */

#define REKEY_STEP 4096u /* blocks */

static volatile sig_atomic_t stopped;

static void stop(int number)
{
	(void)number;
	stopped = 1;
}

int run_rekey(const struct options *options)
{
	struct container container;
	struct new_key new;
	int status = 1;
	container_open(&container, options, ACCESS_WRITE, true);
	if (!vdisk_is_rekeying(container.disk)) {
		take_new_key(&new, &container, options);
		confirm(options, "All other keys and recovery words will open this container no more.");
		must(vdisk_rekey_begin(container.disk, new.factors, &new.credentials, NULL, options->label,
		                       new.words),
		     "giving new keys to", options->arguments[0]);
		end_new_key(&new);
	} else if (has_new_key(options)) {
		fail(EXIT_WRONG, "%s: an earlier rekey has to be ended first: run it again without NEWKEY",
		     options->arguments[0]);
	}
	signal(SIGINT, stop);
	signal(SIGTERM, stop);
	while (!stopped && (status = vdisk_rekey_step(container.disk, REKEY_STEP)) > 0) {
		uint64_t done;
		uint64_t total;
		vdisk_rekey_progress(container.disk, &done, &total);
		progress("sealing", done, total);
	}
	progress_end();
	must(status < 0 ? status : VDISK_OK, "giving new keys to", options->arguments[0]);
	container_close(&container);
	if (status > 0)
		fail(EXIT_DIFFERENT,
		     "%s: stopped; old keys are good for what is left until 'rekey' is run again",
		     options->arguments[0]);
	return EXIT_GOOD;
}
