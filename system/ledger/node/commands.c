/* The subcommands about nodes: init, key, run, testnet, status. */
#include "ledger/command.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ledger/node/local.h"
#include "ledger/node/log.h"

static int usage(const char *text)
{
	fprintf(stderr, "usage: holon-ledger %s\n", text);
	return 2;
}

static bool number(const char *text, unsigned long least, unsigned long most, unsigned *out)
{
	char *end;
	errno = 0;
	unsigned long value = strtoul(text, &end, 10);
	*out = (unsigned)value;
	return !errno && *text && !*end && value >= least && value <= most;
}

static const struct option options[] = {{"validators", required_argument, NULL, 'n'},
                                        {"standby", required_argument, NULL, 's'},
                                        {"dir", required_argument, NULL, 'd'},
                                        {"rpc-port", required_argument, NULL, 'p'},
                                        {"rule", required_argument, NULL, 'r'},
                                        {"application", required_argument, NULL, 'a'},
                                        {"application-option", required_argument, NULL, 'o'},
                                        {"create", no_argument, NULL, 'C'},
                                        {"child", required_argument, NULL, 'c'},
                                        {"json", no_argument, NULL, 'j'},
                                        {NULL, 0, NULL, 0}};

struct words {
	unsigned validators, standby, rpc_port;
	const char *directory;
	enum dag_mode mode;
	bool create;
	struct node_options node;
};

/* What local_start() passes: its process, and how the node is tuned. */
static bool child(const char *text, struct node_options *node)
{
	unsigned classical;
	int parent;
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (sscanf(text, "%d,%u,%u,%u,%u,%u", &parent, &node->batch_bytes, &node->batch_us, &node->round_us,
	           &node->idle_us, &classical) != 6 ||
	    getppid() != parent || node->batch_bytes < 1024 || node->batch_bytes > DAG_MAX_BATCH_SIZE / 2)
		return false;
	node->classical = classical;
	return true;
}

static bool parse(int count, char **arguments, struct words *words)
{
	*words = (struct words){.validators = 4};
	node_options_default(&words->node);
	if (ledger_application_find("evm"))
		words->node.application = "evm";
	optind = 1;
	for (int option; (option = getopt_long(count, arguments, "", options, NULL)) != -1;)
		switch (option) {
		case 'n':
			if (!number(optarg, 1, DAG_MAX_VALIDATORS, &words->validators))
				return false;
			break;
		case 's':
			if (!number(optarg, 0, DAG_MAX_VALIDATORS - 1, &words->standby))
				return false;
			break;
		case 'd':
			words->directory = words->node.directory = optarg;
			break;
		case 'p':
			if (!number(optarg, 0, 65535, &words->rpc_port))
				return false;
			words->node.rpc_port = words->rpc_port;
			break;
		case 'r':
			if (strcmp(optarg, "bullshark") != 0 && strcmp(optarg, "mysticeti") != 0)
				return false;
			words->mode = optarg[0] == 'b' ? DAG_CERTIFIED : DAG_UNCERTIFIED;
			break;
		case 'a':
			words->node.application = optarg;
			break;
		case 'o':
			if (words->node.application_option_count == 8)
				return false;
			words->node.application_options[words->node.application_option_count++] = optarg;
			break;
		case 'c': /* of testnet and bench, which no node outlives */
			if (!child(optarg, &words->node))
				return false;
			break;
		case 'C':
			words->create = true;
			break;
		case 'j':
			break;
		default:
			return false;
		}
	return words->directory && optind == count;
}

int command_init(int count, char **arguments)
{
	struct words words;
	if (!parse(count, arguments, &words))
		return usage("init --dir D --validators N [--standby M] [--rule bullshark|mysticeti]\n"
		             "  makes D/node-0 … with keys and the file `network`; edit its addresses before "
		             "you copy the folders");
	return local_create(words.directory, words.validators, words.standby, words.mode) ? 0 : 1;
}

int command_key(int count, char **arguments)
{
	struct words words;
	struct node_secrets secrets;
	struct hybrid_sign_key key;
	uint8_t ek[MLKEM768_EK_SIZE], dk[MLKEM768_DK_SIZE];
	if (!parse(count, arguments, &words))
		return usage("key --dir D\n  prints the public keys of the node in D, as a line of the file "
		             "`network` ends");
	if (!secrets_read(words.directory, &secrets) ||
	    hybrid_sign_keygen(&key, secrets.sign_seed) != CRYPTO_OK ||
	    mlkem_keygen(MLKEM_768, secrets.kem_seed, secrets.kem_seed + MLKEM_SEED_SIZE, ek, dk) !=
	        CRYPTO_OK)
		return 1;
	for (unsigned i = 0; i < sizeof(key.pk); i++)
		printf("%02x", key.pk[i]);
	printf(" ");
	for (unsigned i = 0; i < sizeof(ek); i++)
		printf("%02x", ek[i]);
	printf("\n");
	crypto_wipe(&secrets, sizeof(secrets));
	crypto_wipe(&key, sizeof(key));
	crypto_wipe(dk, sizeof(dk));
	return 0;
}

int command_run(int count, char **arguments)
{
	struct words words;
	if (!parse(count, arguments, &words))
		return usage("run --dir D [--create] [--rpc-port P] [--application NAME] "
		             "[--application-option KEY=VALUE]…\n"
		             "  --create: where D holds no network, one of this node alone is made");
	if (words.create && !local_create_alone(words.directory, words.mode))
		return 1;
	return node_run(&words.node);
}

int command_status(int count, char **arguments)
{
	struct words words;
	char status[4096];
	if (!parse(count, arguments, &words))
		return usage("status --dir D [--json]\n  D is a node's folder");
	if (!local_status(words.directory, status, sizeof(status))) {
		fprintf(stderr, "holon-ledger: no node answers in %s: is it running?\n", words.directory);
		return 1;
	}
	printf("%s", status);
	return 0;
}

static volatile sig_atomic_t ended;

static void end(int signal)
{
	(void)signal;
	ended = 1;
}

int command_testnet(int count, char **arguments)
{
	struct words words;
	struct stat status;
	char name[320];
	pid_t pids[DAG_MAX_VALIDATORS] = {0};
	struct sigaction action = {.sa_handler = end};
	if (!parse(count, arguments, &words))
		return usage(
		    "testnet --validators N --dir D --rpc-port P [--rule bullshark|mysticeti]\n"
		    "  validator i serves JSON-RPC on port P + i (0: none); an existing D is continued");
	snprintf(name, sizeof(name), "%s/node-0/key", words.directory);
	if (stat(name, &status) &&
	    !local_create(words.directory, words.validators, words.standby, words.mode))
		return 1;
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	bool good = true;
	for (unsigned i = 0; i < words.validators; i++) {
		words.node.rpc_port = words.rpc_port ? words.rpc_port + i : 0;
		pids[i] = local_start(words.directory, i, &words.node);
		printf("validator %u: process %d, folder %s/node-%u", i, (int)pids[i], words.directory, i);
		printf(words.rpc_port ? ", http://127.0.0.1:%u\n" : "\n", words.node.rpc_port);
		good = good && pids[i] > 0;
	}
	fflush(stdout);
	if (good && local_ready(words.directory, words.validators, 120)) {
		printf("ready\n");
		fflush(stdout);
	} else if (!ended) {
		fprintf(stderr, "holon-ledger: the validators do not find each other\n");
		good = false;
	}
	while (good && !ended) {
		int why;
		pid_t pid = waitpid(-1, &why, WNOHANG);
		for (unsigned i = 0; i < words.validators && pid > 0; i++)
			if (pids[i] == pid) {
				/* One that was killed is started again; one that ended by itself has said
				 * why. */
				printf("validator %u ended%s\n", i,
				       WIFSIGNALED(why) ? ": starting it again" : "");
				fflush(stdout);
				words.node.rpc_port = words.rpc_port ? words.rpc_port + i : 0;
				pids[i] = WIFSIGNALED(why) ? local_start(words.directory, i, &words.node) : 0;
			}
		usleep(50000);
	}
	return local_end(pids, words.validators) && good ? 0 : 1;
}
