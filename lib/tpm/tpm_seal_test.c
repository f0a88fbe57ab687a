/* Sealing and notes by TPMs as swtpm emulates them: another state, another TPM, another key, another order. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "../../tools/holon-verify/tpm_check.h"
#include "crypto/util.h"
#include "tpm_quote.h"
#include "tpm_seal.h"

#define NOTE  0x01900123u
#define LOOKS 1000u

static int failures;
static char directory[64];

static void check(const char *name, bool good)
{
	printf("%s tpm seal: %s%s\n", good ? "ok" : "not ok", name, good ? "" : " - it is not so");
	failures += !good;
}

/* ---- An emulated TPM: a process, and a socket that commands go over ---- */

struct emulated {
	pid_t process;
	int socket;
};

static size_t call(void *context, const uint8_t *command, size_t count, uint8_t *answer, size_t room)
{
	const struct emulated *emulated = context;
	if (write(emulated->socket, command, count) != (ssize_t)count)
		return 0;
	ssize_t got = read(emulated->socket, answer, room);
	return got < 0 ? 0 : (size_t)got;
}

static int draw(void *buffer, size_t bytes)
{
	return getrandom(buffer, bytes, 0) == (ssize_t)bytes ? 0 : -1;
}

static bool start(struct emulated *emulated, const char *name)
{
	const struct timespec pause = {.tv_nsec = 10000000};
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char state[160];
	char server[160];
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s.socket", directory, name);
	snprintf(state, sizeof(state), "dir=%s", directory);
	snprintf(server, sizeof(server), "type=unixio,path=%s", address.sun_path);
	unlink(address.sun_path);
	emulated->process = fork();
	if (emulated->process == 0) {
		execlp("swtpm", "swtpm", "socket", "--tpm2", "--tpmstate", state, "--server", server,
		       "--flags", "not-need-init,startup-clear", (char *)NULL);
		_exit(127);
	}
	for (unsigned look = 0; look < LOOKS && emulated->process > 0; look++) {
		emulated->socket = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (connect(emulated->socket, (struct sockaddr *)&address, sizeof(address)) == 0)
			return true;
		close(emulated->socket);
		if (waitpid(emulated->process, NULL, WNOHANG) != 0)
			return false;
		nanosleep(&pause, NULL);
	}
	return false;
}

static void stop(struct emulated *emulated)
{
	close(emulated->socket);
	kill(emulated->process, SIGTERM);
	waitpid(emulated->process, NULL, 0);
}

static void measure(struct emulated *emulated, unsigned pcr)
{
	uint8_t command[10 + 4 + 4 + 9 + 4 + 2 + 32] = {0x80, 2, 0, 0, 0, sizeof(command), 0, 0, 1, 0x82};
	uint8_t answer[64];
	store_be32(command + 10, pcr);
	store_be32(command + 14, 9);
	store_be32(command + 18, 0x40000009);
	store_be32(command + 27, 1);
	command[32] = 0x0b;
	command[40] = (uint8_t)pcr;
	if (!call(emulated, command, sizeof(command), answer, sizeof(answer)) || load_be32(answer + 6))
		check("a PCR is extended", false);
}

/* In the state of the first checks. */
static bool start_again(struct emulated *emulated, const char *name)
{
	bool started = start(emulated, name);
	check("swtpm starts again", started);
	if (started) {
		measure(emulated, 8);
		measure(emulated, TPM_IMAGE_PCR);
	}
	return started;
}

/* ---- The checks ---- */

static struct tpm tpm = {.call = call, .random = draw};

static void test_seal(struct emulated *emulated, uint8_t *sealed, size_t *bytes)
{
	static const uint8_t secret[TPM_SECRET_SIZE] = "what nobody else shall ever know";
	uint8_t found[TPM_SECRET_SIZE];
	tpm.context = emulated;
	check("nothing is sealed where no image was measured",
	      tpm_seal(&tpm, secret, sealed, bytes) == TPM_UNMEASURED && !*bytes);
	measure(emulated, 8);
	measure(emulated, TPM_IMAGE_PCR);
	check("a secret is sealed", tpm_seal(&tpm, secret, sealed, bytes) == TPM_OK);
	check("and comes back",
	      tpm_unseal(&tpm, sealed, *bytes, found) == TPM_OK && memcmp(found, secret, sizeof(found)) == 0);
	bool good = true;
	for (unsigned i = 0; good && i < 12; i++)
		good = tpm_unseal(&tpm, sealed, *bytes, found) == TPM_OK;
	check("and again, many times: nothing stays loaded", good);
	good = true;
	for (size_t at = 0; good && at < *bytes; at += 7) {
		sealed[at] ^= 0x40;
		good = tpm_unseal(&tpm, sealed, *bytes, found) == TPM_REFUSED;
		sealed[at] ^= 0x40;
	}
	check("changed in any place it does not", good);
	check("nor in part", tpm_unseal(&tpm, sealed, *bytes - 1, found) == TPM_REFUSED &&
	                         tpm_unseal(&tpm, sealed, 3, found) == TPM_REFUSED);
	measure(emulated, 5);
	check("what is no part of the state may change", tpm_unseal(&tpm, sealed, *bytes, found) == TPM_OK);
	measure(emulated, 12);
	memset(found, 0, sizeof(found));
	check("with another command line it does not come back",
	      tpm_unseal(&tpm, sealed, *bytes, found) == TPM_REFUSED && found[0] == 0);
}

static void test_notes(struct emulated *emulated)
{
	static const uint8_t key[TPM_KEY_SIZE] = {1, 2, 3};
	static const uint8_t other[TPM_KEY_SIZE] = {1, 2, 4};
	char found[16] = "";
	tpm.context = emulated;
	check("there is no note yet", tpm_note_read(&tpm, NOTE, key, found, sizeof(found)) == TPM_MISSING &&
	                                  tpm_note_write(&tpm, NOTE, key, "one", 4) == TPM_MISSING &&
	                                  tpm_note_remove(&tpm, NOTE) == TPM_MISSING);
	check("one is made and read", tpm_note_make(&tpm, NOTE, key, "the first state", 16) == TPM_OK &&
	                                  tpm_note_read(&tpm, NOTE, key, found, 16) == TPM_OK &&
	                                  strcmp(found, "the first state") == 0);
	check("with another key it is neither read nor written",
	      tpm_note_read(&tpm, NOTE, other, found, 16) == TPM_REFUSED &&
	          tpm_note_write(&tpm, NOTE, other, "the forged one!", 16) == TPM_REFUSED);
	check("with its own it is written",
	      tpm_note_write(&tpm, NOTE, key, "another state !", 16) == TPM_OK &&
	          tpm_note_read(&tpm, NOTE, key, found, 16) == TPM_OK &&
	          strcmp(found, "another state !") == 0);
	check("one that is made again by who has not the key is another",
	      tpm_note_make(&tpm, NOTE, other, "the first state", 16) == TPM_OK &&
	          tpm_note_read(&tpm, NOTE, key, found, 16) == TPM_REFUSED);
	check("one that is shorter is refused", tpm_note_make(&tpm, NOTE, key, "short", 6) == TPM_OK &&
	                                            tpm_note_read(&tpm, NOTE, key, found, 16) != TPM_OK);
	bool good = true;
	unsigned made = 0;
	enum tpm_status status = TPM_OK;
	while (status == TPM_OK && made < 2000)
		status = tpm_note_make(&tpm, NOTE + 1 + made++, key, "the first state", 16);
	check("a TPM that is full says so", status == TPM_FULL && made > 2);
	check("and the key of the note that was not made is forgotten",
	      !memmem(tpm.command, sizeof(tpm.command), key, sizeof(key)));
	while (made--)
		good = tpm_note_remove(&tpm, NOTE + 1 + made) != TPM_FAILED && good;
	check("and has room again", good && tpm_note_make(&tpm, NOTE, key, "the first state", 16) == TPM_OK);
}

/* Whether the quote in CLAIM, with a bit of one of its parts flipped, is ever taken. */
static bool flips_taken(const struct tpm_claim *claim, struct tpm_quote *quote)
{
	struct tpm_field *fields[] = {&quote->key, &quote->quoted, &quote->signature};
	bool taken = false;
	for (unsigned field = 0; field < 3; field++)
		for (size_t at = 0; at < fields[field]->bytes; at += 3) {
			fields[field]->at[at] ^= 1;
			taken |= !tpm_claim_check(claim);
			fields[field]->at[at] ^= 1;
		}
	return taken;
}

static void test_quote(struct emulated *emulated)
{
	static const uint8_t mine[TPM_QUOTE_DIGEST] = {1}, others[TPM_QUOTE_DIGEST] = {2},
	                     nonce[TPM_QUOTE_NONCE] = {3};
	static struct tpm_quote quote;
	uint8_t random[2][TPM_QUOTE_DIGEST] = {{0}};
	tpm.context = emulated;
	check("it gives random bytes", tpm_quote_random(&tpm, random[0]) == TPM_OK &&
	                                   tpm_quote_random(&tpm, random[1]) == TPM_OK &&
	                                   memcmp(random[0], random[1], sizeof(random[0])) != 0);
	check("a key is bound to it", tpm_quote_bind(&tpm, mine) == TPM_OK);
	check("and again is no other", tpm_quote_bind(&tpm, mine) == TPM_OK);
	check("another one is not", tpm_quote_bind(&tpm, others) == TPM_REFUSED);
	bool good = true;
	for (unsigned i = 0; good && i < 6; i++)
		good = tpm_quote_make(&tpm, nonce, &quote) == TPM_OK;
	check("it quotes, many times: nothing stays loaded", good);
	struct tpm_claim claim = {.key = quote.key.at,
	                          .key_bytes = quote.key.bytes,
	                          .quoted = quote.quoted.at,
	                          .quoted_bytes = quote.quoted.bytes,
	                          .signature = quote.signature.at,
	                          .signature_bytes = quote.signature.bytes,
	                          .nonce = nonce,
	                          .nonce_bytes = sizeof(nonce),
	                          .pcrs = TPM_QUOTE_PCRS,
	                          .known = TPM_QUOTE_PCRS,
	                          .values = (const uint8_t(*)[TPM_CHECK_DIGEST])quote.values};
	check("the quote is good", !tpm_claim_check(&claim));
	check("no bit of it may be another", !flips_taken(&claim, &quote));
	claim.nonce = mine;
	check("it is for that nonce alone", tpm_claim_check(&claim) != NULL);
	claim.nonce = nonce;
	claim.pcrs &= ~1u;
	check("and over those PCRs", tpm_claim_check(&claim) != NULL);
	claim.pcrs |= 1;
	quote.values[TPM_QUOTE_KEY_PCR][0] ^= 1;
	check("and over those values", tpm_claim_check(&claim) != NULL);
}

int main(void)
{
	static uint8_t sealed[TPM_SEALED_MAX];
	struct emulated emulated;
	uint8_t found[TPM_SECRET_SIZE];
	size_t bytes = 0;
	snprintf(directory, sizeof(directory), "/tmp/tpm-seal-XXXXXX");
	signal(SIGPIPE, SIG_IGN);
	if (!mkdtemp(directory) || !start(&emulated, "first")) {
		check("swtpm starts", false);
		return 1;
	}
	test_seal(&emulated, sealed, &bytes);
	test_notes(&emulated);
	test_quote(&emulated);
	stop(&emulated);
	if (start_again(&emulated, "first")) {
		check("after a start in the same state it comes back",
		      tpm_unseal(&tpm, sealed, bytes, found) == TPM_OK);
		stop(&emulated);
	}
	if (start_again(&emulated, "first")) {
		measure(&emulated, TPM_IMAGE_PCR);
		check("with another image it does not",
		      tpm_unseal(&tpm, sealed, bytes, found) == TPM_REFUSED);
		stop(&emulated);
	}
	check("a TPM that is gone is an error", tpm_unseal(&tpm, sealed, bytes, found) == TPM_FAILED);
	char command[128];
	snprintf(command, sizeof(command), "rm -f %s/tpm2-00.permall", directory);
	if (system(command) == 0 && start_again(&emulated, "second")) {
		check("on another TPM in the same state it does not",
		      tpm_unseal(&tpm, sealed, bytes, found) == TPM_REFUSED);
		stop(&emulated);
	}
	snprintf(command, sizeof(command), "rm -rf %s", directory);
	return system(command) != 0 || failures != 0;
}
