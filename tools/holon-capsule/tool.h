/* What the files of holon-capsule share: the options that were given, messages, whole files, keys, records. */
#pragma once

#include <crypto/keyfile.h>
#include <trust/boot.h>

enum { EXIT_BAD = 1, EXIT_USAGE = 3, LIST_MAX = 64, FILE_MAX = 1 << 30 };

struct list {
	const char *items[LIST_MAX];
	unsigned count;
};

struct given {
	const char *key, *out, *subject, *certificate, *name, *version, *payload, *root, *keys, *revocations,
	    *command, *passphrase_file, *from, *until, *time, *memory, *capabilities, *cpu, *epoch,
	    *least_epoch, *build, *rollback, *flags, *node, *validators;
	struct list key_items, revoke, spaces, ceiling, required, optional, endpoints, certificates, parts,
	    roots;
	const char *file;
};
extern struct given given;

struct bytes {
	uint8_t *at;
	size_t count;
};

/* Says why and ends with STATUS. */
_Noreturn void fail(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* VALUE, which OPTION must have given. */
const char *need(const char *value, const char *option);
uint64_t number(const char *text, const char *option);
/* YYYY-MM-DD (UTC), or seconds since 1970. */
uint64_t date(const char *text, const char *option);
struct bytes file_read(const char *path);
/* Beside it first and renamed when whole: an old file stays until then. */
void file_write(const char *path, const struct bytes *parts, unsigned count);
void key_load(struct key *key, const char *path, enum key_algorithm algorithm, bool secret);
void hybrid_load(struct hybrid_sign_key *key, const char *path);
/* The record's size; what cannot be read again is told here. */
size_t record_done(struct record_writer *writer, enum record_kind kind, const struct record_rule *rules,
                   unsigned count);

/* log.c: with --node, that the ENTRY, which is called WHAT, is in the transparency log; a node that is not reached is said, and no
 * fault. And the command that asks for any signed record. */
void log_check(const char *what, const uint8_t *entry, size_t count);
/* The newest list of revocations in the log below index *BEFORE, which becomes its index; BYTES of NULL: there is none, or nothing
 * answers. What the node says is not believed: whoever signed it is. */
struct bytes log_revocations(uint64_t *before);
void run_logged(void);

/* boot.c: signs a boot manifest, or checks a bundle. */
void run_boot(void);
void run_verify_boot(void);
