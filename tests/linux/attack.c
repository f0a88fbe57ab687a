/* Attacks on the system below: attack MODE SECONDS SEED [TASKS]
 *
 * MODE is one kind of attack, "all", or "leak", which only looks whether calls read or write the system's own
 * memory. Kinds: fuzz (any call with bad arguments), races (memory that goes while calls use it), sigframes,
 * thrsig (signals to threads that come and go), scm (descriptors in messages), storm (forks and kills), ptys,
 * fsx (files), iov, clonex, vdso, epollx, uring (requests with bad arguments, in rings that others write to), keys (keyrings that all share), trees (mounts by descriptors, by threads), cgroups (groups that all share), memx (all memory). Prints LEAK, OVERWRITE or STUCK when something
 * is wrong; else it is the system that shows, by going on or not.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>
#include <linux/futex.h>
#include <linux/io_uring.h>

#define NB 0x400000000000ull
#define NE 0x408000000000ull
#define UE 0x7ffffffff000ull
static uint64_t rs;
static uint64_t rnd(void)
{
	rs ^= rs << 13;
	rs ^= rs >> 7;
	rs ^= rs << 17;
	return rs;
}
static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}
static long sc(long n, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
	long r;
	register uint64_t r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = f;
	__asm__ volatile("syscall"
	                 : "=a"(r)
	                 : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
	                 : "rcx", "r11", "memory");
	return r;
}
static char *buf;
static size_t bufn = 1 << 20;
static uint64_t evil(void)
{
	switch (rnd() % 22) {
	case 0:
		return NB;
	case 1:
		return NB - 1;
	case 2:
		return NB - 8;
	case 3:
		return NB + 0x1000 * (rnd() % 512);
	case 4:
		return NE - 8;
	case 5:
		return NE;
	case 6:
		return NE - 0x10000 + (rnd() % 0x10000);
	case 7:
		return UE - 1;
	case 8:
		return UE;
	case 9:
		return ~0ull;
	case 10:
		return 1ull << 63;
	case 11:
		return 0x800000000000ull;
	case 12:
		return 0xffff800000000000ull + (rnd() % 0x40000000);
	case 13:
		return 0xffffffff80000000ull;
	case 14:
		return 0;
	case 15:
		return rnd() % 16;
	case 16:
		return (uint64_t)buf + rnd() % bufn;
	case 17:
		return (uint64_t)buf + bufn - (rnd() % 16);
	case 18:
		return rnd();
	case 19:
		return 1ull << (rnd() % 64);
	case 20:
		return -(int64_t)(rnd() % 5000);
	default:
		return NB + rnd() % 0x8000000000ull;
	}
}
static int skip(long n)
{
	switch (n) {
	case 15:
	case 24:
	case 34:
	case 35:
	case 56:
	case 57:
	case 58:
	case 60:
	case 61:
	case 62:
	case 23:
	case 7:
	case 169:
	case 200:
	case 219:
	case 230:
	case 231:
	case 234:
	case 247:
	case 270:
	case 271:
	case 424:
	case 130:
	case 435:
	case 128:
	case 129:
	case 297:
		return 1;
	}
	return 0;
}

static void fuzz_child(void)
{
	alarm(0);
	for (int i = 1; i < 32; i++)
		if (i != SIGALRM && i != SIGCHLD)
			signal(i, i % 3 ? SIG_DFL : SIG_IGN);
	struct itimerval it = {{0, 0}, {0, 300000}};
	setitimer(ITIMER_REAL, &it, 0);
	for (int i = 0; i < 600; i++) {
		long n = rnd() % 463;
		if (skip(n))
			continue;
		uint64_t a[6];
		for (int k = 0; k < 6; k++)
			a[k] = evil();
		if (rnd() % 2)
			a[0] = rnd() % 12;
		sc(n, a[0], a[1], a[2], a[3], a[4], a[5]);
	}
	_exit(0);
}
static void leakcheck(void)
{ // the personality's half must never be readable or written
	int p[2];
	if (pipe(p))
		return;
	fcntl(p[0], F_SETFL, O_NONBLOCK);
	fcntl(p[1], F_SETFL, O_NONBLOCK);
	uint64_t at[] = {NB,          NB + 0x1000,       NB + 0x200000, NB + 0x10000000, NE - 0x10000,
	                 NE - 0x8000, NE - 0x20000 - 64, NB - 4,        NB - 4096 + 8};
	for (unsigned i = 0; i < sizeof at / sizeof *at; i++) {
		for (unsigned len = 16; len <= 8192; len *= 8) {
			long r = sc(SYS_write, p[1], at[i], len, 0, 0, 0);
			if (r > 0 && at[i] >= NB)
				printf("LEAK write %lx %ld\n", at[i], r);
			char b[8192];
			while (read(p[0], b, sizeof b) > 0)
				;
			struct iovec v[3] = {{buf, 8}, {(void *)at[i], len}, {buf, 8}};
			r = writev(p[1], v, 3);
			if (r > 8 && at[i] >= NB)
				printf("LEAK writev %lx %ld\n", at[i], r);
			while (read(p[0], b, sizeof b) > 0)
				;
			write(p[1], "xxxxxxxxxxxxxxxxxxxxxxxxxx", 26);
			r = sc(SYS_read, p[0], at[i], len, 0, 0, 0);
			if (r > 0 && at[i] >= NB)
				printf("OVERWRITE read %lx %ld\n", at[i], r);
			while (read(p[0], b, sizeof b) > 0)
				;
			int s[2];
			if (!socketpair(AF_UNIX, SOCK_STREAM, 0, s)) {
				fcntl(s[0], F_SETFL, O_NONBLOCK);
				fcntl(s[1], F_SETFL, O_NONBLOCK);
				struct msghdr m = {.msg_iov = v + 1, .msg_iovlen = 1};
				r = sendmsg(s[0], &m, 0);
				if (r > 0 && at[i] >= NB)
					printf("LEAK sendmsg %ld\n", r);
				m.msg_iov = (void *)at[i];
				r = sendmsg(s[0], &m, 0);
				if (r > 0 && at[i] >= NB)
					printf("LEAK sendmsg iov %ld\n", r);
				m = (struct msghdr){.msg_iov = v,
				                    .msg_iovlen = 1,
				                    .msg_control = (void *)at[i],
				                    .msg_controllen = 64};
				r = sendmsg(s[0], &m, 0);
				if (r > 0 && at[i] >= NB)
					printf("LEAK control %ld\n", r);
				write(s[0], "yyyyyyyyyyyyyyyy", 16);
				m = (struct msghdr){.msg_iov = v + 1, .msg_iovlen = 1};
				r = recvmsg(s[1], &m, 0);
				if (r > 0 && at[i] >= NB)
					printf("OVERWRITE recvmsg %ld\n", r);
				close(s[0]);
				close(s[1]);
			}
			int fd = open("/tmp/lk", O_RDWR | O_CREAT | O_TRUNC, 0600);
			r = pwrite(fd, (void *)at[i], len, 0);
			if (r > 0 && at[i] >= NB)
				printf("LEAK pwrite %lx %ld\n", at[i], r);
			r = sc(SYS_getrandom, at[i], len, 0, 0, 0, 0);
			if (r > 0 && at[i] >= NB)
				printf("OVERWRITE getrandom %lx\n", at[i]);
			close(fd);
		}
		errno = 0;
		void *q =
		    mmap((void *)(at[i] & ~4095ull), 4096, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		if (q != MAP_FAILED && (uint64_t)q >= NB && (uint64_t)q < NE)
			printf("MAPPED native %p\n", q);
		if (!munmap((void *)(at[i] & ~4095ull), 4096) && at[i] >= NB && at[i] < NE)
			printf("unmapped native %lx\n", at[i]);
		if (!mprotect((void *)(at[i] & ~4095ull), 4096, 7) && at[i] >= NB && at[i] < NE)
			printf("mprotect native %lx\n", at[i]);
		q = mremap(buf, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)(at[i] & ~4095ull));
		if (q != MAP_FAILED && (uint64_t)q >= NB && (uint64_t)q < NE)
			printf("MREMAP native %p\n", q);
	}
	close(p[0]);
	close(p[1]);
}
// ---- races: one thread unmaps/protects, others use
static char *volatile shared;
static volatile int stop;
static void *mapper(void *x)
{
	uint64_t s = (uint64_t)x * 0x9e3779b97f4a7c15ull + 1;
	while (!stop) {
		s ^= s << 13;
		s ^= s >> 7;
		s ^= s << 17;
		size_t o = (s >> 8) % 16 * 4096;
		switch (s % 6) {
		case 0:
			munmap(shared + o, 8192);
			break;
		case 1:
			mprotect(shared + o, 8192, PROT_NONE);
			break;
		case 2:
			mprotect(shared + o, 4096, PROT_READ);
			break;
		case 3:
			mmap(shared + o, 16384, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
			break;
		case 4:
			mprotect(shared, 65536 + 16384, 3);
			break;
		case 5:
			madvise(shared + o, 8192, MADV_DONTNEED);
		}
	}
	return 0;
}
static int rp[2], rsck[2];
static void *user(void *x)
{
	uint64_t s = (uint64_t)x * 0x9e3779b97f4a7c15ull + 7;
	while (!stop) {
		s ^= s << 13;
		s ^= s >> 7;
		s ^= s << 17;
		char *at = shared + (s >> 8) % 65536;
		size_t n = (s >> 30) % 20000;
		switch (s % 12) {
		case 0:
			write(rp[1], at, n);
			break;
		case 1:
			read(rp[0], at, n);
			break;
		case 2: {
			struct iovec v[8];
			for (int i = 0; i < 8; i++) {
				v[i].iov_base = shared + ((s >> (i * 3)) % 65536);
				v[i].iov_len = (s >> (i + 9)) % 5000;
			}
			writev(rp[1], v, 8);
		} break;
		case 3: {
			struct iovec v = {at, n};
			char c[64];
			struct msghdr m = {
			    .msg_iov = &v, .msg_iovlen = 1, .msg_control = c, .msg_controllen = sizeof c};
			struct cmsghdr *h = (void *)c;
			h->cmsg_len = CMSG_LEN(8);
			h->cmsg_level = SOL_SOCKET;
			h->cmsg_type = SCM_RIGHTS;
			((int *)CMSG_DATA(h))[0] = rp[0];
			((int *)CMSG_DATA(h))[1] = rsck[s >> 40 & 1];
			m.msg_controllen = CMSG_SPACE(8);
			sendmsg(rsck[0], &m, MSG_DONTWAIT);
		} break;
		case 4: {
			struct iovec v = {at, n};
			char c[64];
			struct msghdr m = {
			    .msg_iov = &v, .msg_iovlen = 1, .msg_control = c, .msg_controllen = sizeof c};
			if (recvmsg(rsck[1], &m, MSG_DONTWAIT) >= 0) {
				for (struct cmsghdr *h = CMSG_FIRSTHDR(&m); h; h = CMSG_NXTHDR(&m, h))
					if (h->cmsg_type == SCM_RIGHTS)
						for (unsigned i = 0; i < (h->cmsg_len - CMSG_LEN(0)) / 4; i++)
							close(((int *)CMSG_DATA(h))[i]);
			}
		} break;
		case 5: {
			struct timespec t = {0, 50000};
			syscall(SYS_futex, (int *)((uint64_t)at & ~3ull), FUTEX_WAIT, 0, &t, 0, 0);
		} break;
		case 6:
			syscall(SYS_futex, (int *)((uint64_t)at & ~3ull), FUTEX_WAKE, 5, 0, 0, 0);
			break;
		case 7: {
			struct timespec t = {0, 50000};
			syscall(SYS_futex, (int *)((uint64_t)at & ~3ull), FUTEX_LOCK_PI, 0, &t, 0, 0);
		} break;
		case 8:
			syscall(SYS_futex, (int *)((uint64_t)at & ~3ull), FUTEX_CMP_REQUEUE, 1, 5,
			        (int *)((uint64_t)shared + (s >> 20) % 65536 / 4 * 4), 0);
			break;
		case 9: {
			int fd = open(at, O_RDONLY);
			if (fd >= 0)
				close(fd);
		} break;
		case 10:
			syscall(SYS_getcwd, at, n);
			break;
		case 11: {
			struct stat st;
			stat("/", (struct stat *)at);
			(void)st;
		} break;
		}
	}
	return 0;
}
static void races(void)
{
	shared = mmap(0, 65536 + 32768, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		_exit(0);
	pipe(rp);
	fcntl(rp[0], F_SETFL, O_NONBLOCK);
	fcntl(rp[1], F_SETFL, O_NONBLOCK);
	socketpair(AF_UNIX, rnd() % 2 ? SOCK_STREAM : SOCK_DGRAM, 0, rsck);
	signal(SIGPIPE, SIG_IGN);
	pthread_t t[8];
	int n = 0;
	for (long i = 0; i < 2; i++)
		if (!pthread_create(&t[n], 0, mapper, (void *)(rnd() | 1)))
			n++;
	for (long i = 0; i < 4; i++)
		if (!pthread_create(&t[n], 0, user, (void *)(rnd() | 1)))
			n++;
	usleep(200000 + rnd() % 300000);
	if (rnd() % 3 == 0)
		_exit(1);
	if (rnd() % 3 == 0) {
		raise(SIGKILL);
	}
	if (rnd() % 4 == 0) {
		char *a[] = {"/bin/true", 0};
		execv("/bin/true", a);
	}
	stop = 1;
	for (int i = 0; i < n; i++)
		pthread_join(t[i], 0);
	_exit(0);
}
// ---- signal frames
static int sf_mode;
static volatile int hits;
static void handler(int s, siginfo_t *i, void *u)
{
	ucontext_t *c = u;
	hits++;
	(void)s;
	(void)i;
	greg_t *g = c->uc_mcontext.gregs;
	uint64_t r = rnd();
	switch (sf_mode) {
	case 0:
		g[REG_RIP] = 0x0000800000000000ull;
		break;
	case 1:
		g[REG_RIP] = 0xffff800000100000ull;
		break;
	case 2:
		g[REG_RIP] = NB + 0x1000;
		break;
	case 3:
		g[REG_RIP] = UE - 2;
		break;
	case 4:
		g[REG_RIP] = 0x7ffffffffffeull;
		break;
	case 5:
		g[REG_CSGSFS] = 0;
		break;
	case 6:
		g[REG_CSGSFS] = 0x002b0008000000ull | 0x8;
		break;
	case 7:
		g[REG_CSGSFS] = (greg_t)r;
		break;
	case 8:
		g[REG_EFL] = 0xffffffffffffffffull;
		break;
	case 9:
		g[REG_EFL] = 0x23000 | 2;
		break;
	case 10:
		g[REG_EFL] |= 0x4000;
		break;
	case 11:
		g[REG_EFL] |= 0x40000;
		break;
	case 12:
		g[REG_EFL] &= ~0x200;
		break;
	case 13:
		g[REG_EFL] |= 0x100;
		break;
	case 14: {
		uint64_t *x = (void *)c->uc_mcontext.fpregs;
		if (x)
			for (int k = 0; k < 16; k++)
				x[64 + k] = rnd();
	} break;
	case 15: {
		uint32_t *x = (void *)c->uc_mcontext.fpregs;
		if (x)
			x[6] = 0xffffffff;
	} break;
	case 16: {
		uint32_t *x = (void *)c->uc_mcontext.fpregs;
		if (x)
			x[464 / 4 + 1] = rnd();
	} break;
	case 17:
		c->uc_mcontext.fpregs = (void *)NB;
		break;
	case 18:
		c->uc_mcontext.fpregs = (void *)((uint64_t)c->uc_mcontext.fpregs + 8);
		break;
	case 19:
		c->uc_mcontext.fpregs = (void *)(NB - 512);
		break;
	case 20:
		c->uc_mcontext.fpregs = 0;
		break;
	case 21:
		g[REG_RSP] = 0x800000000000ull;
		break;
	case 22:
		g[REG_RSP] = NB + 64;
		break;
	case 23:
		c->uc_stack.ss_sp = (void *)NB;
		c->uc_stack.ss_size = 0x8000000000ull;
		c->uc_stack.ss_flags = 0;
		break;
	case 24:
		memset(c, 0xff, sizeof *c);
		break;
	case 25:
		for (unsigned k = 0; k < sizeof *c / 8; k++)
			if (rnd() % 8 == 0)
				((uint64_t *)c)[k] = evil();
		break;
	case 26: {
		uint64_t *x = (void *)c->uc_mcontext.fpregs;
		if (x) {
			x[64] = ~0ull;
			x[65] = 1ull << 63;
		}
	} break;
	case 27:
		munmap((void *)((uint64_t)c & ~4095ull), 4096);
		break;
	case 28: {
		for (int k = 0; k < 23; k++)
			if (rnd() % 3 == 0)
				g[k] = evil();
	} break;
	}
}
static void sigframes(void)
{
	sf_mode = rnd() % 29;
	struct sigaction a;
	memset(&a, 0, sizeof a);
	a.sa_sigaction = handler;
	a.sa_flags = SA_SIGINFO | (rnd() % 2 ? SA_ONSTACK : 0) | (rnd() % 2 ? SA_NODEFER : 0);
	int s[] = {SIGUSR1, SIGSEGV, SIGALRM};
	for (int i = 0; i < 3; i++)
		sigaction(s[i], &a, 0);
	stack_t st = {.ss_sp = malloc(65536), .ss_size = 65536};
	if (rnd() % 2)
		sigaltstack(&st, 0);
	struct itimerval it = {{0, 2000}, {0, 2000}};
	if (rnd() % 2)
		setitimer(ITIMER_REAL, &it, 0);
	struct rlimit rl = {2, 2};
	setrlimit(RLIMIT_CPU, &rl);
	double e = now() + 0.15;
	volatile double x = 1.1;
	while (now() < e && hits < 200) {
		raise(SIGUSR1);
		x = x * 1.0000001;
	}
	_exit(0);
}
// ---- threads exiting under signals, exec
static void *tx(void *x)
{
	(void)x;
	if (rnd() % 2)
		usleep(rnd() % 2000);
	if (rnd() % 4 == 0)
		syscall(SYS_exit, 0);
	if (rnd() % 8 == 0) {
		char *a[] = {"/bin/true", 0};
		execv(a[0], a);
	}
	return 0;
}
static void nop(int s)
{
	(void)s;
}
static void thrsig(void)
{
	signal(SIGUSR1, nop);
	signal(SIGUSR2, nop);
	pid_t me = getpid();
	if (!fork()) {
		for (int i = 0; i < 3000; i++) {
			kill(me, i % 2 ? SIGUSR1 : SIGUSR2);
			if (i % 50 == 0)
				usleep(100);
		}
		if (rnd() % 2)
			kill(me, SIGKILL);
		_exit(0);
	}
	double e = now() + 0.3;
	while (now() < e) {
		pthread_t t[6];
		int n = 0;
		for (int i = 0; i < 6; i++)
			if (!pthread_create(&t[n], 0, tx, 0))
				n++;
		for (int i = 0; i < n; i++) {
			pthread_kill(t[i], SIGUSR1);
		}
		if (rnd() % 2)
			syscall(SYS_tgkill, me, me + 1 + rnd() % 8, SIGUSR2);
		for (int i = 0; i < n; i++)
			pthread_join(t[i], 0);
	}
	_exit(0);
}
// ---- SCM cycles
static void scm(void)
{
	signal(SIGPIPE, SIG_IGN);
	for (int round = 0; round < 20; round++) {
		int s[16][2];
		int n = 0;
		for (; n < 16; n++)
			if (socketpair(AF_UNIX, rnd() % 2 ? SOCK_STREAM : SOCK_SEQPACKET, 0, s[n]))
				break;
		for (int k = 0; k < 60 && n; k++) {
			int a = rnd() % n;
			char c[256];
			memset(c, 0, sizeof c);
			struct iovec v = {"x", 1};
			struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = c};
			struct cmsghdr *h = (void *)c;
			int cnt = 1 + rnd() % 20;
			h->cmsg_len = CMSG_LEN(4 * cnt);
			h->cmsg_level = SOL_SOCKET;
			h->cmsg_type = SCM_RIGHTS;
			for (int i = 0; i < cnt; i++)
				((int *)CMSG_DATA(h))[i] = s[rnd() % n][rnd() % 2];
			m.msg_controllen = CMSG_SPACE(4 * cnt);
			if (rnd() % 10 == 0)
				m.msg_controllen = rnd() % 300;
			if (rnd() % 10 == 0)
				h->cmsg_len = rnd();
			sendmsg(s[a][rnd() % 2], &m, MSG_DONTWAIT);
		}
		for (int i = 0; i < n; i++) {
			if (rnd() % 3 == 0)
				shutdown(s[i][0], rnd() % 3);
			close(s[i][0]);
			close(s[i][1]);
		}
	}
	_exit(0);
}
// ---- fork/exec storm
static void storm(void)
{
	signal(SIGCHLD, rnd() % 2 ? SIG_IGN : SIG_DFL);
	for (int i = 0; i < 40; i++) {
		pid_t p = rnd() % 3 ? fork() : vfork();
		if (p == 0) {
			if (rnd() % 2) {
				char *a[] = {"/bin/true", 0};
				char *e[] = {0};
				execve("/bin/true", a, e);
			}
			if (rnd() % 3 == 0) {
				while (fork() == 0 && rnd() % 3)
					;
			}
			_exit(0);
		}
		if (p > 0 && rnd() % 2)
			kill(p, SIGKILL);
		if (rnd() % 4 == 0)
			while (waitpid(-1, 0, WNOHANG) > 0)
				;
	}
	_exit(0);
}
// ---- ptys
static volatile int pm, ps;
static void *ptr(void *x)
{
	(void)x;
	char b[512];
	while (!stop) {
		int f = rnd() % 2 ? pm : ps;
		switch (rnd() % 8) {
		case 0:
		case 1: {
			struct timeval tv = {0, 1000};
			fd_set r;
			FD_ZERO(&r);
			FD_SET(f, &r);
			select(f + 1, &r, 0, 0, &tv);
			fcntl(f, F_SETFL, O_NONBLOCK);
			read(f, b, sizeof b);
		} break;
		case 2:
			write(f, "hello\n\003\004\025", 9);
			break;
		case 3:
			ioctl(f, TIOCSWINSZ, buf);
			break;
		case 4:
			tcflush(f, TCIOFLUSH);
			break;
		case 5: {
			struct termios t;
			if (!tcgetattr(f, &t)) {
				t.c_lflag ^= rnd();
				t.c_iflag ^= rnd();
				t.c_oflag ^= rnd();
				for (int i = 0; i < NCCS; i++)
					t.c_cc[i] = rnd();
				tcsetattr(f, TCSANOW, &t);
			}
		} break;
		case 6:
			ioctl(f, rnd() % 2 ? TIOCSTI : FIONREAD, b);
			break;
		case 7:
			ioctl(f, 0x5400 + rnd() % 0x60, evil());
		}
	}
	return 0;
}
static void ptys(void)
{
	signal(SIGHUP, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGTTOU, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);
	signal(SIGTSTP, SIG_IGN);
	setsid();
	pthread_t t[3];
	pm = posix_openpt(O_RDWR);
	if (pm < 0)
		_exit(0);
	grantpt(pm);
	unlockpt(pm);
	char nm[64];
	if (ptsname_r(pm, nm, sizeof nm))
		_exit(0);
	ps = open(nm, O_RDWR);
	int n = 0;
	for (int i = 0; i < 3; i++)
		if (!pthread_create(&t[n], 0, ptr, 0))
			n++;
	for (int i = 0; i < 30; i++) {
		usleep(5000);
		int o = pm, q = ps;
		if (rnd() % 2) {
			int m = posix_openpt(O_RDWR | O_NOCTTY);
			if (m >= 0) {
				unlockpt(m);
				ptsname_r(m, nm, sizeof nm);
				pm = m;
				close(o);
				ps = open(nm, O_RDWR | O_NOCTTY);
				close(q);
			}
		} else {
			ps = open(nm, O_RDWR | O_NOCTTY | O_NONBLOCK);
			close(q);
		}
	}
	stop = 1;
	_exit(0);
}
// ---- fs
static void fsx(void)
{
	char d[64];
	snprintf(d, sizeof d, "/tmp/f%d", getpid());
	mkdir(d, 0700);
	chdir(d);
	for (int i = 0; i < 45; i++) {
		char a[32], b[32];
		snprintf(a, 32, "l%d", i);
		snprintf(b, 32, "l%d/x", (i + 1) % 45);
		symlink(rnd() % 2 ? b : a + 0, a);
	}
	for (int i = 0; i < 45; i++) {
		char a[64];
		snprintf(a, 64, "l%d/y/z", i);
		open(a, O_RDWR | O_CREAT, 0600);
		struct stat st;
		stat(a, &st);
		char lk[64];
		readlink(a, lk, sizeof lk);
	}
	char *deep = malloc(1 << 16);
	int l = 0;
	for (int i = 0; i < 1500 && !mkdir("d", 0700); i++)
		if (chdir("d"))
			break;
	getcwd(deep, 1 << 16);
	for (l = 0; l < 4000; l += 2)
		memcpy(deep + l, "./", 2);
	deep[l] = 0;
	open(deep, O_RDONLY);
	memset(deep, '/', 5000);
	deep[5000] = 0;
	open(deep, O_RDONLY);
	for (l = 0; l < 4200; l += 3)
		memcpy(deep + l, "../", 3);
	deep[4092] = 0;
	open(deep, O_RDONLY);
	for (int i = 0; i < 100; i++) {
		char a[300];
		int n = 1 + rnd() % 290;
		for (int k = 0; k < n; k++)
			a[k] = 1 + rnd() % 255;
		a[n] = 0;
		int f = open(a, O_RDWR | O_CREAT, 0600);
		if (f >= 0) {
			ftruncate(f, rnd() >> (rnd() % 64));
			pwrite(f, buf, 100, rnd() >> (1 + rnd() % 40));
			fallocate(f, rnd() % 4, rnd() >> 20, rnd() >> 20);
			void *m = mmap(0, 65536, 3, MAP_SHARED, f, (rnd() >> 30) & ~4095ull);
			if (m != MAP_FAILED && rnd() % 2) {
				msync(m, 65536, MS_SYNC);
				munmap(m, 65536);
			}
			close(f);
		}
		rename(a, "q");
		link("q", "r");
		unlink("r");
	}
	chdir("/");
	char c[128];
	snprintf(c, 128, "rm -rf %s", d);
	if (!fork()) {
		execl("/bin/sh", "sh", "-c", c, (char *)0);
		_exit(1);
	}
	wait(0);
	_exit(0);
}
// ---- huge iovecs
static void iov(void)
{
	struct iovec *v = malloc(2000 * sizeof *v);
	int p[2];
	pipe(p);
	fcntl(p[0], F_SETFL, O_NONBLOCK);
	fcntl(p[1], F_SETFL, O_NONBLOCK);
	int f = open("/tmp/io", O_RDWR | O_CREAT, 0600);
	for (int r = 0; r < 300; r++) {
		int n = rnd() % 1100;
		for (int i = 0; i < n; i++) {
			v[i].iov_base = (void *)evil();
			v[i].iov_len = rnd() % 3 ? rnd() % 64 : rnd() >> (rnd() % 64);
		}
		switch (rnd() % 6) {
		case 0:
			writev(p[1], v, n);
			break;
		case 1:
			readv(p[0], v, n);
			break;
		case 2:
			pwritev(f, v, n, rnd() % 100000);
			break;
		case 3:
			preadv(f, v, n, 0);
			break;
		case 4:
			vmsplice(p[1], v, n, SPLICE_F_NONBLOCK);
			break;
		case 5:
			process_vm_readv(getpid(), v, n % 100, v + n / 2, n % 50, 0);
			break;
		}
	}
	_exit(0);
}
// ---- clone flags
static char cst[65536];
static void clonex(void)
{
	signal(SIGCHLD, SIG_IGN);
	for (int i = 0; i < 40; i++) {
		uint64_t fl = 0;
		for (int k = 0; k < 6; k++)
			fl |= 1ull << (8 + rnd() % 26);
		if (rnd() % 2)
			fl &= 0xffffff;
		fl |= rnd() % 2 ? SIGCHLD : rnd() % 70;
		fl &= ~CLONE_VM;
		uint64_t stk = rnd() % 2 ? 0 : ((uint64_t)cst + 65536);
		if (rnd() % 3 == 0)
			stk = evil();
		long r = sc(SYS_clone, fl, stk, evil(), evil(), rnd() % 2 ? evil() : 0, 0);
		if (r == 0)
			sc(SYS_exit, 0, 0, 0, 0, 0, 0);
		uint64_t ca[11];
		for (int k = 0; k < 11; k++)
			ca[k] = rnd() % 2 ? 0 : evil();
		ca[0] &= ~(uint64_t)CLONE_VM;
		r = sc(435, (uint64_t)ca, rnd() % 120, 0, 0, 0, 0);
		if (r == 0)
			sc(SYS_exit, 0, 0, 0, 0, 0, 0);
	}
	// CLONE_VM with wild stacks: the child dies at once
	for (int i = 0; i < 10; i++) {
		pid_t p = fork();
		if (!p) {
			long r = sc(SYS_clone,
			            CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
			                CLONE_SYSVSEM | (rnd() % 2 ? CLONE_SETTLS : 0) |
			                (rnd() % 2
			                     ? CLONE_CHILD_CLEARTID | CLONE_CHILD_SETTID | CLONE_PARENT_SETTID
			                     : 0),
			            evil(), evil(), evil(), evil(), 0);
			(void)r;
			usleep(2000);
			_exit(0);
		}
	}
	_exit(0);
}
// ---- vdso, trampoline
static void vdso(void)
{
	struct sigaction a;
	memset(&a, 0, sizeof a);
	a.sa_handler = nop;
	sigaction(SIGUSR1, &a, 0);
	FILE *m = fopen("/proc/self/maps", "r");
	char l[256];
	unsigned long s[64], e[64];
	int n = 0;
	while (m && fgets(l, sizeof l, m) && n < 64)
		if (sscanf(l, "%lx-%lx", &s[n], &e[n]) == 2)
			n++;
	int w = rnd() % 4;
	if (w == 0) {
		for (int i = 0; i < n; i++)
			if (strstr(l, "vdso") || i >= n - 2)
				munmap((void *)s[i], e[i] - s[i]);
	} else if (w == 1) {
		for (int i = 0; i < n; i++)
			mprotect((void *)s[i], e[i] - s[i], PROT_NONE);
	} else if (w == 2) {
		for (int i = 0; i < n; i++)
			munmap((void *)s[i], e[i] - s[i]);
	} else {
		for (int i = n - 2; i < n; i++)
			mremap((void *)s[i], e[i] - s[i], e[i] - s[i], MREMAP_MAYMOVE | MREMAP_FIXED,
			       (void *)(0x10000000ul + i * 0x100000));
	}
	now();
	raise(SIGUSR1);
	raise(SIGUSR1);
	_exit(0);
}
// ---- memory exhaustion
static void memx(void)
{
	for (int i = 0; i < 4000; i++) {
		size_t n = (1 + rnd() % 4) << 20;
		char *p = mmap(0, n, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p == MAP_FAILED)
			break;
		for (size_t k = 0; k < n; k += 4096)
			p[k] = 1;
		if (rnd() % 40 == 0 && fork() == 0) {
			for (size_t k = 0; k < n; k += 4096)
				p[k] = 2;
		}
	}
	usleep(50000);
	_exit(0);
}
static void epollx(void)
{
	int e[8];
	for (int i = 0; i < 8; i++)
		e[i] = epoll_create1(0);
	for (int i = 0; i < 200; i++) {
		struct epoll_event ev = {.events = rnd(), .data.u64 = i};
		epoll_ctl(e[rnd() % 8], 1 + rnd() % 3, rnd() % 2 ? e[rnd() % 8] : (int)(rnd() % 12), &ev);
		struct epoll_event o[4];
		epoll_wait(e[rnd() % 8], o, 4, 0);
	}
	_exit(0);
}
// ---- keys: the user's keyrings are everybody's, and so are numbers of keys that others end meanwhile
static int32_t key_known[64];
static long key_any(void)
{
	long r = rnd() % 12;
	return r < 6 ? -1 - r : r < 11 ? key_known[rnd() % 64] : (long)evil();
}
static void keys(void)
{
	static const char *const types[] = {"user", "keyring", "keyring", "logon"};
	syscall(SYS_keyctl, 11, -4, key_known, sizeof key_known);
	for (int i = 0; i < 3000; i++) {
		char name[16];
		snprintf(name, sizeof name, "n:%d", (int)(rnd() % 20));
		const char *type = types[rnd() % 4];
		long made;
		switch (rnd() % 5) {
		case 0:
			made = syscall(SYS_add_key, type, name, *type == 'k' ? 0 : buf,
			               *type == 'k' ? 0 : rnd() % 3000, key_any());
			if (made > 0)
				key_known[rnd() % 64] = (int32_t)made;
			break;
		case 1:
			syscall(SYS_request_key, type, name, rnd() % 3 ? 0 : (uint64_t)buf,
			        rnd() % 2 ? 0 : key_any());
			break;
		case 2:
			syscall(SYS_keyctl, 8 + rnd() % 2, key_any(), key_any());
			break;
		case 3:
			syscall(SYS_keyctl, rnd() % 33, key_any(), rnd() % 3 ? (uint64_t)key_any() : evil(),
			        rnd() % 2 ? rnd() % 5000 : evil(), rnd() % 2 ? (uint64_t)key_any() : evil());
			break;
		default:
			syscall(SYS_keyctl, rnd() % 2 ? 11 : 6, key_any(), rnd() % 4 ? (uint64_t)buf : evil(),
			        rnd() % 4096);
		}
		if (i % 500 == 0) {
			int f = open("/proc/keys", O_RDONLY);
			while (f >= 0 && read(f, buf, 4096) > 0)
				;
			close(f);
			if (fork() == 0) {
				syscall(SYS_keyctl, 18);
				_exit(0);
			}
		}
	}
	_exit(0);
}
// ---- trees of mounts: made, put, changed and let go by two threads
static const char *const tree_places[] = {"/tmp", "/dev", "/proc", "/tmp/a", "/tmp/a/b", "/", ""};
static void *tree_thread(void *x)
{
	(void)x;
	int fds[8];
	memset(fds, 255, sizeof fds);
	for (int i = 0; i < 400; i++) {
		int *f = &fds[rnd() % 8], g = rnd() % 3 ? fds[rnd() % 8] : AT_FDCWD;
		const char *p = tree_places[rnd() % 7], *q = tree_places[rnd() % 7];
		uint64_t attr[4] = {rnd() % 4 ? rnd() & 0xff : evil(), rnd() & 0xff,
		                    rnd() % 2 ? 0 : 1 << (17 + rnd() % 4), 0};
		long r = -1;
		switch (rnd() % 10) {
		case 0:
		case 1:
			r = syscall(428, g, p, 1 | (rnd() % 2 ? 0x8000 : 0) | 0x1000);
			break;
		case 2:
		case 3:
			syscall(429, g, p, rnd() % 4 ? AT_FDCWD : *f, q, 4 | (rnd() % 2 ? 0x40 : 0));
			break;
		case 4:
			r = syscall(430, rnd() % 3 ? "tmpfs" : "proc", 0);
			if (r >= 0) {
				int s = r;
				syscall(431, s, rnd() % 2, "size", rnd() % 2 ? (uint64_t) "1M" : evil(), 0);
				syscall(431, s, 6, 0, 0, 0);
				r = syscall(432, s, 0, rnd() & 0xff);
				if (rnd() % 2)
					syscall(431, s, 6 + rnd() % 2, 0, 0, 0);
				close(s);
			}
			break;
		case 5:
			syscall(442, g, p, rnd() % 2 ? 0x8000 | 0x1000 : 0x1000, attr,
			        rnd() % 4 ? 32 : rnd() % 5000);
			break;
		case 6:
			umount2(p, rnd() % 2 ? 2 : 0);
			break;
		case 7:
			r = openat(g, rnd() % 2 ? "." : "a", O_RDONLY | O_DIRECTORY);
			break;
		case 8:
			mkdirat(g, rnd() % 2 ? "a" : "a/b", 0700);
			unlinkat(g, "a", AT_REMOVEDIR);
			break;
		default:
			r = syscall(433, g, p, 8);
		}
		if (r >= 0) {
			close(*f);
			*f = (int)r;
		} else if (rnd() % 4 == 0) {
			close(*f);
			*f = -1;
		}
	}
	return 0;
}
static void trees(void)
{
	pthread_t t;
	if (unshare(CLONE_NEWNS | (rnd() % 2 ? CLONE_NEWUSER : 0)))
		_exit(0);
	mkdir("/tmp/a", 0755);
	int two = !pthread_create(&t, 0, tree_thread, 0);
	tree_thread(0);
	if (two)
		pthread_join(t, 0);
	_exit(0);
}
// ---- io_uring
struct hostile_ring {
	int fd;
	char *rings;
	struct io_uring_sqe *sqes;
	struct io_uring_params p;
};
static struct hostile_ring hostile[3];
static int hostile_fds[12];
static void hostile_open(struct hostile_ring *r)
{
	const unsigned flags[] = {0,
	                          IORING_SETUP_CQSIZE,
	                          IORING_SETUP_SUBMIT_ALL,
	                          IORING_SETUP_CQE32,
	                          IORING_SETUP_SQE128,
	                          IORING_SETUP_SINGLE_ISSUER,
	                          IORING_SETUP_IOPOLL};
	memset(r, 0, sizeof *r);
	r->p.flags = flags[rnd() % 7];
	r->p.cq_entries = 64;
	r->fd = (int)syscall(SYS_io_uring_setup, 1 + rnd() % 32, &r->p);
	if (r->fd < 0)
		return;
	r->rings = mmap(0, 4096, 3, MAP_SHARED, r->fd, IORING_OFF_SQ_RING);
	r->sqes = mmap(0, 2048, 3, MAP_SHARED, r->fd, IORING_OFF_SQES);
	if (r->rings == MAP_FAILED || r->sqes == MAP_FAILED)
		r->rings = 0;
}
static void hostile_fill(struct io_uring_sqe *q)
{
	memset(q, 0, sizeof *q);
	q->opcode = (uint8_t)(rnd() % 50);
	q->flags = rnd() % 2 ? 0 : (uint8_t)(rnd() & rnd() & 0x7f);
	q->fd = rnd() % 2 ? hostile_fds[rnd() % 12] : (int)(rnd() % 16);
	q->addr = rnd() % 2 ? (uint64_t)buf + rnd() % 4096 : evil();
	q->off = rnd() % 3 ? 0 : rnd() % 2 ? (uint64_t)buf + rnd() % 4096 : evil();
	q->len = rnd() % 3 ? (uint32_t)(rnd() % 80) : (uint32_t)evil();
	q->user_data = rnd() % 8;
	if (q->opcode == IORING_OP_TIMEOUT || q->opcode == IORING_OP_LINK_TIMEOUT)
		q->len = 1;
	if (rnd() % 4 == 0)
		q->ioprio = (uint16_t)(rnd() % 4);
	if (rnd() % 4 == 0)
		q->rw_flags = (int)(rnd() & rnd() & rnd());
	if (rnd() % 4 == 0)
		q->buf_index = (uint16_t)(rnd() % 4);
	if (rnd() % 4 == 0)
		q->file_index = rnd() % 3 ? (uint32_t)(rnd() % 6) : ~0u;
	if (rnd() % 8 == 0)
		q->personality = (uint16_t)(rnd() % 3);
	if (rnd() % 8 == 0)
		q->addr3 = rnd() % 2 ? (uint64_t)buf : evil();
}
static void hostile_submit(struct hostile_ring *r)
{
	unsigned *tail = (unsigned *)(r->rings + r->p.sq_off.tail), mask = r->p.sq_entries - 1,
	         n = (unsigned)(rnd() % 8);
	for (unsigned i = 0; i < n; i++) {
		unsigned at = (*tail + i) & mask;
		if (at * 64 < 2048)
			hostile_fill(&r->sqes[at]);
		((unsigned *)(r->rings + r->p.sq_off.array))[at] = rnd() % 50 ? at : (unsigned)rnd();
	}
	*tail += n;
	if (rnd() % 20 == 0)
		((unsigned *)r->rings)[rnd() % 80] = (unsigned)rnd();
	if (rnd() % 2)
		*(unsigned *)(r->rings + r->p.cq_off.head) = *(unsigned *)(r->rings + r->p.cq_off.tail);
	syscall(SYS_io_uring_enter, r->fd, n, rnd() % 2, rnd() % 4 ? 0 : rnd() % 40, rnd() % 4 ? 0 : evil(),
	        rnd() % 32);
}
static void *hostile_thread(void *x)
{
	for (int i = 0; i < 150; i++) {
		struct hostile_ring *r = &hostile[rnd() % 3];
		if (!r->rings || r->fd < 0)
			continue;
		switch (rnd() % 12) {
		case 0:
			syscall(SYS_io_uring_register, r->fd, rnd() % 28, rnd() % 2 ? (uint64_t)buf : evil(),
			        rnd() % 20);
			break;
		case 1:
			if (rnd() % 8 == 0) {
				close(r->fd);
				hostile_open(r);
			}
			break;
		case 2:
			write(hostile_fds[1 + 2 * (rnd() % 3)], buf, rnd() % 64);
			break;
		case 3:
			if (rnd() % 16 == 0)
				munmap(r->rings + 4096 * (rnd() % 2), 4096);
			break;
		case 4:
			fcntl(hostile_fds[rnd() % 6], F_SETFL, rnd() % 2 ? O_NONBLOCK : 0);
			break;
		default:
			hostile_submit(r);
		}
	}
	return x;
}
static void uring(void)
{
	struct itimerval it = {{0, 0}, {0, 400000}};
	dup2(0, 1); /* any descriptor is read and written */
	dup2(0, 2);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGALRM, SIG_DFL);
	setitimer(ITIMER_REAL, &it, 0);
	pipe(hostile_fds);
	socketpair(AF_UNIX, SOCK_STREAM, 0, hostile_fds + 2);
	socketpair(AF_UNIX, SOCK_DGRAM, 0, hostile_fds + 4);
	for (int i = 0; i < 3; i++)
		hostile_open(&hostile[i]), hostile_fds[6 + i] = hostile[i].fd;
	hostile_fds[9] = open("/tmp/uh", O_RDWR | O_CREAT, 0600);
	hostile_fds[10] = epoll_create1(0);
	hostile_fds[11] = socket(AF_INET, SOCK_STREAM, 0);
	for (unsigned i = 0; i < 4096; i += 16)
		*(uint64_t *)(buf + i) = rnd() % 2 ? rnd() % 3 : (uint64_t)buf + 4096,
		                    *(uint64_t *)(buf + i + 8) = rnd() % 1000;
	pthread_t t;
	int two = rnd() % 2 && !pthread_create(&t, 0, hostile_thread, 0);
	if (rnd() % 4 == 0)
		fork();
	hostile_thread(0);
	if (rnd() % 4 == 0)
		execl("/bin/true", "true", (char *)0);
	if (two && rnd() % 2)
		pthread_join(t, 0);
	_exit(0);
}

/* Control groups that all share: made, entered, limited, frozen, killed and removed, while members fork, thread and end. */
static void group_path(char *path, const char *file)
{
	static const char *const below[] = {"", "/y0", "/y1", "/y0/z0", "/y0/z1", "/y1/z0"};
	snprintf(path, 96, "/sys/fs/cgroup/x%d%s/%s", (int)(rnd() % 3), below[rnd() % 6], file);
}
static void group_put(const char *file, const char *text)
{
	char path[96];
	group_path(path, file);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd >= 0 && write(fd, text, strlen(text)) < 0)
		errno = 0;
	close(fd);
}
static void *grouped_thread(void *argument)
{
	for (int i = 0; i < 100; i++)
		group_put("cgroup.procs", "0");
	return argument;
}
static void grouped_child(void)
{
	pthread_t t;
	if (!pthread_create(&t, 0, grouped_thread, 0))
		pthread_detach(t);
	for (int i = 0; i < 20; i++) {
		pid_t p = fork();
		if (!p) {
			memset(mmap(0, 8 << 20, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 1, 8 << 20);
			_exit(0);
		}
		usleep(500);
		while (waitpid(-1, 0, WNOHANG) > 0)
			;
	}
	_exit(0);
}
static void cgroups(void)
{
	static const char *const numbers[] = {"0",         "1",     "2",          "max", "4M", "20M",
	                                      "1000 1000", "10000", "5000 20000", "-1",  "\n"};
	static const char *const controls[] = {"pids.max",         "memory.max",       "memory.high",
	                                       "cpu.max",          "cpu.weight",       "cgroup.freeze",
	                                       "memory.oom.group", "cgroup.max.depth", "cpu.weight.nice"};
	static const char *const files[] = {"cgroup.procs", "cgroup.threads", "cgroup.events",
	                                    "cpu.stat",     "memory.current", "memory.events",
	                                    "pids.current", "cgroup.type",    "cgroup.stat"};
	static const char *const subtrees[] = {
	    "+cpu +memory +pids", "-cpu", "-memory -pids", "+cpu", "+memory", "+nothing"};
	int opened[8], count = 0;
	char path[96], text[4096];
	/* Whoever is frozen ends by this, too. */
	struct itimerval it = {{0, 0}, {0, 700000}};
	signal(SIGALRM, SIG_DFL);
	setitimer(ITIMER_REAL, &it, 0);
	if (rnd() % 8 == 0)
		group_put("../cgroup.subtree_control", subtrees[rnd() % 6]);
	for (int i = 0; i < 300; i++) {
		switch (rnd() % 12) {
		case 0:
		case 1:
			group_path(path, "");
			mkdir(path, 0755);
			break;
		case 2:
			group_path(path, "");
			rmdir(path);
			break;
		case 3:
			group_put("cgroup.subtree_control", subtrees[rnd() % 6]);
			break;
		case 4: {
			pid_t p = fork();
			if (!p) {
				group_put("cgroup.procs", "0");
				grouped_child();
			}
			break;
		}
		case 5:
			group_put("cgroup.procs", "0");
			break;
		case 6:
		case 7:
			group_put(controls[rnd() % 9], numbers[rnd() % 11]);
			break;
		case 8:
			if (rnd() % 4 == 0)
				group_put("cgroup.kill", "1");
			else
				group_put("cgroup.freeze", "0");
			break;
		case 9:
			group_path(path, files[rnd() % 9]);
			if (count < 8 && (opened[count] = open(path, O_RDONLY | O_CLOEXEC)) >= 0)
				count++;
			break;
		case 10:
			if (count && pread(opened[rnd() % count], text, sizeof(text), 0) < 0)
				close(opened[--count]);
			break;
		default: {
			group_path(path, "");
			uint64_t arguments[11] = {0x200000000ull,
			                          0,
			                          0,
			                          0,
			                          SIGCHLD,
			                          0,
			                          0,
			                          0,
			                          0,
			                          0,
			                          (uint64_t)open(path, O_RDONLY | O_CLOEXEC)};
			if (!sc(435, (uint64_t)arguments, 88, 0, 0, 0, 0))
				grouped_child();
			close((int)arguments[10]);
		}
		}
		while (waitpid(-1, 0, WNOHANG) > 0)
			;
	}
}
static const struct {
	const char *n;
	void (*f)(void);
	int w;
} M[] = {{"fuzz", fuzz_child, 6}, {"races", races, 4},   {"sigframes", sigframes, 4}, {"thrsig", thrsig, 3},
         {"scm", scm, 2},         {"storm", storm, 3},   {"ptys", ptys, 3},           {"fsx", fsx, 2},
         {"iov", iov, 2},         {"clonex", clonex, 3}, {"vdso", vdso, 3},           {"epollx", epollx, 1},
         {"uring", uring, 6},     {"keys", keys, 2},     {"trees", trees, 2},         {"cgroups", cgroups, 2},
         {"memx", memx, 1}};
int main(int c, char **v)
{
	const char *mode = c > 1 ? v[1] : "all";
	double secs = c > 2 ? atof(v[2]) : 10;
	rs = c > 3 ? strtoull(v[3], 0, 0) * 0x9e3779b97f4a7c15ull + 1 : 88172645463325252ull;
	int par = c > 4 ? atoi(v[4]) : 6;
	setvbuf(stdout, 0, _IOLBF, 0);
	buf = mmap(0, bufn, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int nm = sizeof M / sizeof *M, total = 0;
	for (int i = 0; i < nm; i++)
		total += M[i].w;
	static int cnt[32];
	double end = now() + secs, last = now();
	int live = 0;
	long done = 0, killed = 0, sig = 0;
	pid_t pids[64];
	double born[64];
	memset(pids, 0, sizeof pids);
	struct rlimit rl = {0, 0};
	setrlimit(RLIMIT_CORE, &rl);
	while (now() < end || live) {
		if (now() > end + 15) {
			for (int i = 0; i < par; i++)
				if (pids[i])
					kill(-pids[i], SIGKILL), kill(pids[i], SIGKILL);
		}
		if (now() > end + 40) {
			printf("STUCK: %d children cannot be reaped\n", live);
			return 3;
		}
		for (int i = 0; i < par; i++)
			if (!pids[i] && now() < end) {
				rnd();
				int w = rnd() % total, k = 0;
				for (; w >= M[k].w; k++)
					w -= M[k].w;
				if (strcmp(mode, "all")) {
					for (k = 0; k < nm && strcmp(M[k].n, mode); k++)
						;
					if (k == nm) {
						if (!strcmp(mode, "nomem")) {
							do
								k = rnd() % nm;
							while (k == nm - 1);
						} else if (!strcmp(mode, "leak")) {
							leakcheck();
							puts("leak check done");
							return 0;
						} else
							return 2;
					}
				}
				pid_t p = fork();
				if (p == 0) {
					setpgid(0, 0);
					rs ^= (uint64_t)(getpid() + 1) * 0xd1342543de82ef95ull;
					rnd();
					int nul = open("/dev/null", O_RDWR);
					dup2(nul, 0);
					M[k].f();
					_exit(0);
				}
				if (p > 0) {
					setpgid(p, p);
					pids[i] = p;
					born[i] = now();
					cnt[k]++;
					live++;
				} else
					usleep(10000);
			}
		int st;
		pid_t p;
		while ((p = waitpid(-1, &st, WNOHANG)) > 0) {
			for (int i = 0; i < par; i++)
				if (pids[i] == p) {
					kill(-p, SIGKILL);
					pids[i] = 0;
					live--;
					done++;
					if (WIFSIGNALED(st))
						sig++;
				}
		}
		for (int i = 0; i < par; i++)
			if (pids[i] && now() - born[i] > 8) {
				kill(-pids[i], SIGKILL);
				kill(pids[i], SIGKILL);
				born[i] = now();
				killed++;
			}
		usleep(3000);
		if (now() - last > 20) {
			last = now();
			printf("t-%.0f done %ld signalled %ld timeouts %ld live %d\n", end - now(), done, sig,
			       killed, live);
		}
	}
	printf("finished: done %ld signalled %ld timeouts %ld:", done, sig, killed);
	for (int i = 0; i < nm; i++)
		printf(" %s %d", M[i].n, cnt[i]);
	puts("");
	return 0;
}
