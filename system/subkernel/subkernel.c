/* The subkernel command: makes child sub-kernels of the one it runs in, lists and controls them, and reaches into them.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "command.h"
#include "libholon.h"
#include "tree.h"

const char usage[] =
    "usage: subkernel run [OPTION]... [-- COMMAND [ARGUMENT]...]\n"
    "       subkernel exec [--env NAME=VALUE]... CHILD COMMAND [ARGUMENT]...\n"
    "       subkernel logs [-f] CHILD\n"
    "       subkernel cp PATH CHILD:PATH | cp CHILD:PATH PATH\n"
    "       subkernel ls\n"
    "       subkernel kill NUMBER | freeze NUMBER | thaw NUMBER\n"
    "       subkernel revoke NUMBER network|files|ledger|nesting[,...]    takes it while it runs\n"
    "\n"
    "run starts COMMAND (a shell) in a new sub-kernel below this one and waits for it:\n"
    "  -n, --name NAME      its name in ls\n"
    "      --profile NAME   linux; windows, whose COMMAND is a Windows program, a file of yours or one of "
    "Wine's (cmd);\n"
    "                       or a tree of native units: native, realtime, network, storage, graphics, "
    "enclave. "
    "COMMAND is then\n"
    "                       a native program of the system image or, with a / in it, a file (without one: "
    "holdings,\n"
    "                       which shows what it holds)\n"
    "      --budget T/P     profile realtime: its program has T in each period P, such as 2ms/10ms, admitted "
    "or refused\n"
    "      --image NAME     its root is that image of the system, not the first sub-kernel's\n"
    "      --add HERE:THERE a copy of the file or directory HERE is in it at THERE; repeatable\n"
    "      --volume DIR:PATH[:ro]  the directory DIR is in it at PATH, shared: what one side closed, the "
    "other opens; repeatable\n"
    "  -e, --env NAME=VALUE adds to COMMAND's environment; repeatable\n"
    "  -m, --memory SIZE    its memory quota, with K, M or G (half of what is left)\n"
    "  -c, --caps COUNT     its capability quota (three quarters of what is left)\n"
    "  -p, --priority N     its priority, at most this one's\n"
    "  -u, --cpus MASK      the CPUs it may use, as a number\n"
    "      --cpu-share PERCENT  beside others of its priority, so much of the turn that this one gets (100)\n"
    "      --cpu-reserve PERCENT  of each CPU, which its own children may have as admitted budgets (0)\n"
    "      --net MODE       its network: none (without this option), nat, bridge, or "
    "only:HOST:PORT[,HOST:PORT]...\n"
    "                       with [tcp:|udp:] before a HOST, an IPv6 address in []: what may leave, resolved "
    "by "
    "the switch\n"
    "      --ledger         it may reach the system's ledger, at http://ledger:8545, also without a network\n"
    "      --sound          it may play and capture sound\n"
    "      --attest         it may ask for quotes of what the machine runs (attest)\n"
    "      --ledger-node    it is the ledger, for all that may reach that: its port 8545; for the first "
    "sub-kernel's owner\n"
    "      --no-nesting     it may have no children of its own\n"
    "      --no-wx          its programs may map no memory both writable and executable\n"
    "      --vault NAME[:PATH]  its root is the image with that directory of an open vault over it: what it\n"
    "                       changes is kept there (see vault)\n"
    "      --vault-read-only NAME[:PATH]  the same, and it may change nothing there\n"
    "      --until TIME     at this time (seconds since 1970, by the machine's clock) it is ended, whatever "
    "it does\n"
    "      --detach         print its number and leave it running for this shell's lifetime\n"
    "      --restart        with --detach: one that ends by itself is started again, as a new one of that "
    "name\n"
    "exec runs COMMAND in a child that is there, with its own terminal or streams, and exits with its "
    "status.\n"
    "logs shows what a child wrote last, 32 KiB at most; with -f also what it goes on to write. A child that "
    "was\n"
    "started with --detach keeps its log when it has ended, by its number.\n"
    "cp copies files and directories into a child or out of it; into PATH, where that is a directory.\n"
    "ls shows this sub-kernel and all below it; the others act on one of those below. CHILD is a number or a "
    "name.\n";

static void print_size(uint64_t bytes)
{
	if (bytes >= 10ull << 20)
		printf("%7.1fM", (double)bytes / (1 << 20));
	else
		printf("%7.0fK", (double)bytes / 1024);
}

static int list(void)
{
	static const char *const states[] = {"running", "frozen", "ended"};
	static const char *const nets[] = {"none", "nat", "bridge", "only"};
	struct subkernel_info info;
	unsigned index = 0;
	uint32_t base = 0;
	printf("%6s  %-24s %-8s %8s %8s %13s %9s  %-6s %8s %8s  %s\n", "NUMBER", "NAME", "STATE", "USED",
	       "QUOTA", "CAPS", "CPU", "NET", "SENT", "RECEIVED", "MAY");
	while (holon_subkernel_list(index, &info) == 0) {
		if (!index++)
			base = info.depth;
		char name[80];
		snprintf(name, sizeof(name), "%*s%.31s", (int)(info.depth - base) * 2, "", info.name);
		printf("%6llu  %-24s %-8s ", (unsigned long long)info.number, name,
		       info.state <= SUBKERNEL_ENDED ? states[info.state] : "?");
		print_size(info.memory_used - info.memory_children);
		putchar(' ');
		print_size(info.memory_quota);
		printf(" %6llu/%-6llu %8.2fs  %-6s ", (unsigned long long)info.caps_used,
		       (unsigned long long)info.caps_quota, (double)info.cpu_time / 1e9,
		       info.net_mode <= SWITCH_ONLY ? nets[info.net_mode] : "?");
		print_size(info.net_sent_bytes);
		putchar(' ');
		print_size(info.net_arrived_bytes);
		printf("  %s%s%s\n", info.flags & BLUEPRINT_NESTING ? "nest " : "",
		       info.flags & BLUEPRINT_LEDGER ? "ledger " : "", info.flags & BLUEPRINT_WX ? "wx" : "");
	}
	return index ? 0 : fail("ls");
}

/* The grants that the words of LIST, divided by commas, name: a bit each; 0: a word is none. */
static unsigned grants_read(const char *list)
{
	static const char *const names[BLUEPRINT_GRANTS] = {"network", "files", "ledger", "nesting"};
	unsigned grants = 0;
	for (const char *at = list;; at++) {
		size_t length = strcspn(at, ",");
		unsigned grant = 0;
		while (grant < BLUEPRINT_GRANTS &&
		       (strlen(names[grant]) != length || strncmp(at, names[grant], length) != 0))
			grant++;
		if (grant == BLUEPRINT_GRANTS)
			return 0;
		grants |= 1u << grant;
		at += length;
		if (!*at)
			return grants;
	}
}

static int command_revoke(const char *child, const char *list)
{
	unsigned grants = grants_read(list);
	if (!grants) {
		fputs(usage, stderr);
		return 2;
	}
	if (holon_subkernel_revoke(number(child, "revoke"), grants) == 0)
		return 0;
	if (errno == EAGAIN)
		fprintf(stderr, "subkernel: revoke: it has nothing of that\n");
	else
		fail("revoke");
	return 1;
}

int main(int count, char **arguments)
{
	const char *what = count > 1 ? arguments[1] : "";
	static const struct {
		const char *name;
		int (*run)(int count, char **arguments);
	} commands[] = {{"run", command_run}, {"exec", command_exec},   {"logs", command_logs},
	                {"cp", command_copy}, {"--pack", command_pack}, {"--unpack", command_unpack}};
	tree_who = "subkernel";
	for (unsigned i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		if (strcmp(what, commands[i].name) == 0)
			return commands[i].run(count - 1, arguments + 1);
	if (strcmp(what, "ls") == 0 && count == 2)
		return list();
	if (strcmp(what, "--help") == 0) {
		fputs(usage, stdout);
		return 0;
	}
	if (count == 4 && strcmp(what, "revoke") == 0)
		return command_revoke(arguments[2], arguments[3]);
	if (count == 3) {
		uint64_t child = number(arguments[2], what);
		int result = -2;
		if (strcmp(what, "kill") == 0)
			result = holon_subkernel_kill(child);
		else if (strcmp(what, "freeze") == 0)
			result = holon_subkernel_freeze(child, 1);
		else if (strcmp(what, "thaw") == 0)
			result = holon_subkernel_freeze(child, 0);
		if (result != -2)
			return result < 0 ? fail(what) : 0;
	}
	fputs(usage, stderr);
	return 2;
}
