/* The two files of a node's folder: `network`, the same for all, and `key`, its own. Text, a fact a line. */
#include "ledger/node/node.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINE_BYTES 8192

static bool hex_read(const char *text, uint8_t *out, size_t size)
{
	if (strlen(text) != 2 * size)
		return false;
	for (size_t i = 0; i < size; i++) {
		unsigned byte;
		if (sscanf(text + 2 * i, "%2x", &byte) != 1)
			return false;
		out[i] = (uint8_t)byte;
	}
	return true;
}

static void hex_write(FILE *out, const uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		fprintf(out, "%02x", bytes[i]);
}

bool network_write(const char *directory, const struct network *network)
{
	char name[320];
	snprintf(name, sizeof(name), "%s/network", directory);
	FILE *out = fopen(name, "w");
	if (!out) {
		fprintf(stderr, "holon-ledger: cannot write %s: %s\n", name, strerror(errno));
		return false;
	}
	fprintf(out, "holon-ledger-network 1\nrule %s\n", dag_rule_of(network->mode)->name);
	for (unsigned i = 0; i < DAG_MAX_VALIDATORS; i++) {
		const struct transport_peer *peer = &network->peers[i];
		if (!peer->known)
			continue;
		fprintf(out, "%s %u %s %u ", network->members >> i & 1 ? "validator" : "standby", i,
		        peer->address, peer->port);
		hex_write(out, peer->key, sizeof(peer->key));
		fputc(' ', out);
		hex_write(out, network->kem[i], sizeof(network->kem[i]));
		fputc('\n', out);
	}
	if (fclose(out)) {
		fprintf(stderr, "holon-ledger: cannot write %s: %s\n", name, strerror(errno));
		return false;
	}
	return true;
}

static bool network_line(const char *line, struct network *network)
{
	char role[16], address[64], key[2 * HYBRID_SIGN_PK_SIZE + 1], kem[2 * MLKEM768_EK_SIZE + 1];
	unsigned number, port;
	_Static_assert(HYBRID_SIGN_PK_SIZE == 1984 && MLKEM768_EK_SIZE == 1184, "the widths below");
	if (!strcmp(line, "rule bullshark\n") || !strcmp(line, "rule mysticeti\n")) {
		network->mode = line[5] == 'b' ? DAG_CERTIFIED : DAG_UNCERTIFIED;
		return true;
	}
	if (sscanf(line, "%15s %u %63s %u %3968s %2368s", role, &number, address, &port, key, kem) != 6 ||
	    number >= DAG_MAX_VALIDATORS || network->peers[number].known || !port || port > 65535 ||
	    (strcmp(role, "validator") != 0 && strcmp(role, "standby") != 0))
		return false;
	struct transport_peer *peer = &network->peers[number];
	if (!hex_read(key, peer->key, sizeof(peer->key)) ||
	    !hex_read(kem, network->kem[number], MLKEM768_EK_SIZE) ||
	    mlkem_check_ek(MLKEM_768, network->kem[number], MLKEM768_EK_SIZE) != CRYPTO_OK)
		return false;
	peer->known = true;
	peer->port = (uint16_t)port;
	snprintf(peer->address, sizeof(peer->address), "%s", address);
	network->members |= !strcmp(role, "validator") ? set_of(number) : 0;
	return true;
}

bool network_read(const char *directory, struct network *network)
{
	char name[320], line[LINE_BYTES];
	snprintf(name, sizeof(name), "%s/network", directory);
	memset(network, 0, sizeof(*network));
	FILE *in = fopen(name, "r");
	if (!in) {
		fprintf(stderr, "holon-ledger: cannot read %s: %s; 'holon-ledger init' makes it\n", name,
		        strerror(errno));
		return false;
	}
	bool good = fgets(line, sizeof(line), in) && !strcmp(line, "holon-ledger-network 1\n");
	unsigned number = 1;
	while (good && fgets(line, sizeof(line), in)) {
		good = network_line(line, network);
		number++;
	}
	fclose(in);
	if (!good || !network->members) {
		fprintf(stderr, "holon-ledger: %s: line %u is not understood\n", name, number);
		return false;
	}
	return true;
}

bool secrets_read(const char *directory, struct node_secrets *secrets)
{
	char name[320], line[512], sign[65], kem[129];
	snprintf(name, sizeof(name), "%s/key", directory);
	FILE *in = fopen(name, "r");
	bool good = in && fgets(line, sizeof(line), in) &&
	            sscanf(line, "holon-ledger-key 1 %64s %128s", sign, kem) == 2 &&
	            hex_read(sign, secrets->sign_seed, sizeof(secrets->sign_seed)) &&
	            hex_read(kem, secrets->kem_seed, sizeof(secrets->kem_seed));
	if (in)
		fclose(in);
	crypto_wipe(line, sizeof(line));
	crypto_wipe(sign, sizeof(sign));
	crypto_wipe(kem, sizeof(kem));
	if (!good)
		fprintf(stderr,
		        "holon-ledger: %s is not a key file of a node; 'holon-ledger key' makes one\n", name);
	return good;
}

bool secrets_create(const char *directory, struct network *network, unsigned number)
{
	char name[320];
	struct node_secrets secrets;
	struct hybrid_sign_key key;
	uint8_t dk[MLKEM768_DK_SIZE];
	if (getrandom(&secrets, sizeof(secrets), 0) != sizeof(secrets) ||
	    hybrid_sign_keygen(&key, secrets.sign_seed) != CRYPTO_OK ||
	    mlkem_keygen(MLKEM_768, secrets.kem_seed, secrets.kem_seed + MLKEM_SEED_SIZE,
	                 network->kem[number], dk) != CRYPTO_OK)
		return false;
	memcpy(network->peers[number].key, key.pk, HYBRID_SIGN_PK_SIZE);
	crypto_wipe(&key, sizeof(key));
	crypto_wipe(dk, sizeof(dk));
	if (mkdir(directory, 0700) && errno != EEXIST) {
		fprintf(stderr, "holon-ledger: cannot create %s: %s\n", directory, strerror(errno));
		return false;
	}
	snprintf(name, sizeof(name), "%s/key", directory);
	int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	FILE *out = fd < 0 ? NULL : fdopen(fd, "w");
	if (!out) {
		fprintf(stderr, "holon-ledger: cannot create %s: %s\n", name, strerror(errno));
		return false;
	}
	fprintf(out, "holon-ledger-key 1 ");
	hex_write(out, secrets.sign_seed, sizeof(secrets.sign_seed));
	fputc(' ', out);
	hex_write(out, secrets.kem_seed, sizeof(secrets.kem_seed));
	fputc('\n', out);
	crypto_wipe(&secrets, sizeof(secrets));
	return !fclose(out);
}
