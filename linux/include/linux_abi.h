/* The x86_64 Linux user ABI: error numbers, constants and structures, as documented in the kernel's and
 * glibc's manuals (man pages section 2, 3 and 7). Structures have the prefix linux_; constants have their
 * usual names, except those of mmap, which collide with the substrate's (LINUX_MAP_*).
 */
#pragma once

#include <stdint.h>

enum linux_errno {
	EPERM = 1,
	ENOENT = 2,
	ESRCH = 3,
	EINTR = 4,
	EIO = 5,
	ENXIO = 6,
	E2BIG = 7,
	ENOEXEC = 8,
	EBADF = 9,
	ECHILD = 10,
	EAGAIN = 11,
	ENOMEM = 12,
	EACCES = 13,
	EFAULT = 14,
	ENOTBLK = 15,
	EBUSY = 16,
	EEXIST = 17,
	EXDEV = 18,
	ENODEV = 19,
	ENOTDIR = 20,
	EISDIR = 21,
	EINVAL = 22,
	ENFILE = 23,
	EMFILE = 24,
	ENOTTY = 25,
	ETXTBSY = 26,
	EFBIG = 27,
	ENOSPC = 28,
	ESPIPE = 29,
	EROFS = 30,
	EMLINK = 31,
	EPIPE = 32,
	EDOM = 33,
	ERANGE = 34,
	EDEADLK = 35,
	ENAMETOOLONG = 36,
	ENOLCK = 37,
	ENOSYS = 38,
	ENOTEMPTY = 39,
	ELOOP = 40,
	ENOMSG = 42,
	EIDRM = 43,
	ECHRNG = 44,
	EL2NSYNC = 45,
	EL3HLT = 46,
	EL3RST = 47,
	ELNRNG = 48,
	EUNATCH = 49,
	ENOCSI = 50,
	EL2HLT = 51,
	EBADE = 52,
	EBADR = 53,
	EXFULL = 54,
	ENOANO = 55,
	EBADRQC = 56,
	EBADSLT = 57,
	EBFONT = 59,
	ENOSTR = 60,
	ENODATA = 61,
	ETIME = 62,
	ENOSR = 63,
	ENONET = 64,
	ENOPKG = 65,
	EREMOTE = 66,
	ENOLINK = 67,
	EADV = 68,
	ESRMNT = 69,
	ECOMM = 70,
	EPROTO = 71,
	EMULTIHOP = 72,
	EDOTDOT = 73,
	EBADMSG = 74,
	EOVERFLOW = 75,
	ENOTUNIQ = 76,
	EBADFD = 77,
	EREMCHG = 78,
	ELIBACC = 79,
	ELIBBAD = 80,
	ELIBSCN = 81,
	ELIBMAX = 82,
	ELIBEXEC = 83,
	EILSEQ = 84,
	ERESTART = 85,
	ESTRPIPE = 86,
	EUSERS = 87,
	ENOTSOCK = 88,
	EDESTADDRREQ = 89,
	EMSGSIZE = 90,
	EPROTOTYPE = 91,
	ENOPROTOOPT = 92,
	EPROTONOSUPPORT = 93,
	ESOCKTNOSUPPORT = 94,
	EOPNOTSUPP = 95,
	EPFNOSUPPORT = 96,
	EAFNOSUPPORT = 97,
	EADDRINUSE = 98,
	EADDRNOTAVAIL = 99,
	ENETDOWN = 100,
	ENETUNREACH = 101,
	ENETRESET = 102,
	ECONNABORTED = 103,
	ECONNRESET = 104,
	ENOBUFS = 105,
	EISCONN = 106,
	ENOTCONN = 107,
	ESHUTDOWN = 108,
	ETOOMANYREFS = 109,
	ETIMEDOUT = 110,
	ECONNREFUSED = 111,
	EHOSTDOWN = 112,
	EHOSTUNREACH = 113,
	EALREADY = 114,
	EINPROGRESS = 115,
	ESTALE = 116,
	EUCLEAN = 117,
	ENOTNAM = 118,
	ENAVAIL = 119,
	EISNAM = 120,
	EREMOTEIO = 121,
	EDQUOT = 122,
	ENOMEDIUM = 123,
	EMEDIUMTYPE = 124,
	ECANCELED = 125,
	ENOKEY = 126,
	EKEYEXPIRED = 127,
	EKEYREVOKED = 128,
	EKEYREJECTED = 129,
	EOWNERDEAD = 130,
	ENOTRECOVERABLE = 131,
	ERFKILL = 132,
	EHWPOISON = 133,
	EWOULDBLOCK = EAGAIN,
	/* Inside the personality only: what becomes of an interrupted call. */
	ERESTARTSYS = 512,           /* again if SA_RESTART or no handler ran, else EINTR */
	ERESTARTNOINTR = 513,        /* always again */
	ERESTARTNOHAND = 514,        /* again if no handler ran, else EINTR */
	ERESTART_RESTARTBLOCK = 516, /* task->restart if no handler ran, else EINTR */
};

/* ---- Times ---- */
struct linux_timespec {
	int64_t tv_sec, tv_nsec;
};
struct linux_timeval {
	int64_t tv_sec, tv_usec;
};
struct linux_itimerspec {
	struct linux_timespec interval, value;
};
struct linux_itimerval {
	struct linux_timeval interval, value;
};
enum {
	CLOCK_REALTIME = 0,
	CLOCK_MONOTONIC,
	CLOCK_PROCESS_CPUTIME_ID,
	CLOCK_THREAD_CPUTIME_ID,
	CLOCK_MONOTONIC_RAW,
	CLOCK_REALTIME_COARSE,
	CLOCK_MONOTONIC_COARSE,
	CLOCK_BOOTTIME,
	CLOCK_REALTIME_ALARM,
	CLOCK_BOOTTIME_ALARM,
	CLOCK_TAI = 11,
	TIMER_ABSTIME = 1,
};

/* ---- Files ---- */
enum {
	O_ACCMODE = 3,
	O_RDONLY = 0,
	O_WRONLY = 1,
	O_RDWR = 2,
	O_CREAT = 0100,
	O_EXCL = 0200,
	O_NOCTTY = 0400,
	O_TRUNC = 01000,
	O_APPEND = 02000,
	O_NONBLOCK = 04000,
	O_DSYNC = 010000,
	O_ASYNC = 020000,
	O_DIRECT = 040000,
	O_LARGEFILE = 0100000,
	O_DIRECTORY = 0200000,
	O_NOFOLLOW = 0400000,
	O_NOATIME = 01000000,
	O_CLOEXEC = 02000000,
	O_SYNC = 04010000,
	O_PATH = 010000000,
	O_TMPFILE = 020200000,
};
#define AT_FDCWD (-100)
enum {
	AT_SYMLINK_NOFOLLOW = 0x100,
	AT_REMOVEDIR = 0x200,
	AT_EACCESS = 0x200,
	AT_SYMLINK_FOLLOW = 0x400,
	AT_NO_AUTOMOUNT = 0x800,
	AT_EMPTY_PATH = 0x1000,
};
enum {
	S_IFMT = 0170000,
	S_IFSOCK = 0140000,
	S_IFLNK = 0120000,
	S_IFREG = 0100000,
	S_IFBLK = 0060000,
	S_IFDIR = 0040000,
	S_IFCHR = 0020000,
	S_IFIFO = 0010000,
	S_ISUID = 04000,
	S_ISGID = 02000,
	S_ISVTX = 01000,
};
#define S_ISREG(mode)  (((mode)&S_IFMT) == S_IFREG)
#define S_ISDIR(mode)  (((mode)&S_IFMT) == S_IFDIR)
#define S_ISLNK(mode)  (((mode)&S_IFMT) == S_IFLNK)
#define S_ISCHR(mode)  (((mode)&S_IFMT) == S_IFCHR)
#define S_ISBLK(mode)  (((mode)&S_IFMT) == S_IFBLK)
#define S_ISFIFO(mode) (((mode)&S_IFMT) == S_IFIFO)
#define S_ISSOCK(mode) (((mode)&S_IFMT) == S_IFSOCK)
enum {
	F_DUPFD = 0,
	F_GETFD,
	F_SETFD,
	F_GETFL,
	F_SETFL,
	F_GETLK,
	F_SETLK,
	F_SETLKW,
	F_SETOWN,
	F_GETOWN,
	F_SETSIG,
	F_GETSIG,
	F_SETOWN_EX = 15,
	F_GETOWN_EX = 16,
	F_GETOWNER_UIDS = 17,
	F_OFD_GETLK = 36,
	F_OFD_SETLK,
	F_OFD_SETLKW,
	F_SETLEASE = 1024,
	F_GET_RW_HINT = 1035,
	F_SET_RW_HINT = 1036,
	F_GETLEASE = 1025,
	F_NOTIFY = 1026,
	F_DUPFD_CLOEXEC = 1030,
	F_SETPIPE_SZ = 1031,
	F_GETPIPE_SZ = 1032,
	F_ADD_SEALS = 1033,
	F_GET_SEALS = 1034,
	FD_CLOEXEC = 1,
	F_RDLCK = 0,
	F_WRLCK = 1,
	F_UNLCK = 2,
};
enum { SEEK_SET = 0, SEEK_CUR, SEEK_END, SEEK_DATA, SEEK_HOLE };
enum {
	DT_UNKNOWN = 0,
	DT_FIFO = 1,
	DT_CHR = 2,
	DT_DIR = 4,
	DT_BLK = 6,
	DT_REG = 8,
	DT_LNK = 10,
	DT_SOCK = 12
};

struct linux_iovec {
	uint64_t base, bytes;
};
struct linux_stat {
	uint64_t st_dev, st_ino, st_nlink;
	uint32_t st_mode, st_uid, st_gid, pad;
	uint64_t st_rdev;
	int64_t st_size, st_blksize, st_blocks;
	struct linux_timespec st_atim, st_mtim, st_ctim;
	int64_t reserved[3];
};
_Static_assert(sizeof(struct linux_stat) == 144, "struct stat");
struct linux_statx_timestamp {
	int64_t tv_sec;
	uint32_t tv_nsec;
	int32_t reserved;
};
struct linux_statx {
	uint32_t stx_mask, stx_blksize;
	uint64_t stx_attributes;
	uint32_t stx_nlink, stx_uid, stx_gid;
	uint16_t stx_mode, pad1;
	uint64_t stx_ino, stx_size, stx_blocks, stx_attributes_mask;
	struct linux_statx_timestamp stx_atime, stx_btime, stx_ctime, stx_mtime;
	uint32_t stx_rdev_major, stx_rdev_minor, stx_dev_major, stx_dev_minor;
	uint64_t stx_mnt_id;
	uint32_t stx_dio_mem_align, stx_dio_offset_align;
	uint64_t spare[12];
};
_Static_assert(sizeof(struct linux_statx) == 256, "struct statx");
struct linux_statfs {
	int64_t f_type, f_bsize, f_blocks, f_bfree, f_bavail, f_files, f_ffree;
	int32_t f_fsid[2];
	int64_t f_namelen, f_frsize, f_flags, f_spare[4];
};
struct linux_dirent64 {
	uint64_t d_ino;
	int64_t d_off;
	uint16_t d_reclen;
	uint8_t d_type;
	char d_name[];
};
struct linux_flock {
	int16_t l_type, l_whence;
	int32_t pad;
	int64_t l_start, l_len;
	int32_t l_pid, pad2;
};

/* ---- Polling ---- */
enum {
	POLLIN = 1,
	POLLPRI = 2,
	POLLOUT = 4,
	POLLERR = 8,
	POLLHUP = 0x10,
	POLLNVAL = 0x20,
	POLLRDNORM = 0x40,
	POLLRDBAND = 0x80,
	POLLWRNORM = 0x100,
	POLLWRBAND = 0x200,
	POLLMSG = 0x400,
	POLLRDHUP = 0x2000,
	EPOLLIN = POLLIN,
	EPOLLPRI = POLLPRI,
	EPOLLOUT = POLLOUT,
	EPOLLERR = POLLERR,
	EPOLLHUP = POLLHUP,
	EPOLLRDHUP = POLLRDHUP,
};
#define EPOLLEXCLUSIVE (1u << 28)
#define EPOLLWAKEUP    (1u << 29)
#define EPOLLONESHOT   (1u << 30)
#define EPOLLET        (1u << 31)
enum { EPOLL_CTL_ADD = 1, EPOLL_CTL_DEL = 2, EPOLL_CTL_MOD = 3 };
struct linux_pollfd {
	int32_t fd;
	int16_t events, revents;
};
struct linux_epoll_event {
	uint32_t events;
	uint64_t data;
} __attribute__((packed));

/* ---- Terminals ---- */
struct linux_termios {
	uint32_t c_iflag, c_oflag, c_cflag, c_lflag;
	uint8_t c_line, c_cc[19];
};
struct linux_winsize {
	uint16_t ws_row, ws_col, ws_xpixel, ws_ypixel;
};

/* ---- Signals ---- */
enum {
	SIGHUP = 1,
	SIGINT,
	SIGQUIT,
	SIGILL,
	SIGTRAP,
	SIGABRT,
	SIGBUS,
	SIGFPE,
	SIGKILL,
	SIGUSR1,
	SIGSEGV,
	SIGUSR2,
	SIGPIPE,
	SIGALRM,
	SIGTERM,
	SIGSTKFLT,
	SIGCHLD,
	SIGCONT,
	SIGSTOP,
	SIGTSTP,
	SIGTTIN,
	SIGTTOU,
	SIGURG,
	SIGXCPU,
	SIGXFSZ,
	SIGVTALRM,
	SIGPROF,
	SIGWINCH,
	SIGIO,
	SIGPWR,
	SIGSYS,
	SIGRTMIN = 32,
	SIGNAL_COUNT = 64,
};
enum { SIG_BLOCK = 0, SIG_UNBLOCK, SIG_SETMASK };
#define SIG_DFL      0ull
#define SIG_IGN      1ull
#define SA_NOCLDSTOP 0x00000001ull
#define SA_NOCLDWAIT 0x00000002ull
#define SA_SIGINFO   0x00000004ull
#define SA_RESTORER  0x04000000ull
#define SA_ONSTACK   0x08000000ull
#define SA_RESTART   0x10000000ull
#define SA_NODEFER   0x40000000ull
#define SA_RESETHAND 0x80000000ull
struct linux_sigaction {
	uint64_t handler, flags, restorer, mask;
};
enum {
	SI_USER = 0,
	SI_KERNEL = 0x80,
	SI_QUEUE = -1,
	SI_TIMER = -2,
	SI_MESGQ = -3,
	SI_ASYNCIO = -4,
	SI_SIGIO = -5,
	SI_TKILL = -6
};
enum {
	ILL_ILLOPN = 2,
	FPE_INTDIV = 1,
	FPE_INTOVF = 2,
	FPE_FLTINV = 7,
	SEGV_MAPERR = 1,
	SEGV_ACCERR = 2,
	BUS_ADRALN = 1,
	BUS_ADRERR = 2,
	TRAP_BRKPT = 1,
	TRAP_TRACE = 2
};
enum { CLD_EXITED = 1, CLD_KILLED, CLD_DUMPED, CLD_TRAPPED, CLD_STOPPED, CLD_CONTINUED };
struct linux_siginfo {
	int32_t si_signo, si_errno, si_code, si_pad;
	union {
		struct {
			int32_t pid;
			uint32_t uid;
			union {
				uint64_t value;
				struct {
					int32_t status, pad;
					int64_t user_ticks, system_ticks;
				};
			};
		}; /* kill, rt_sigqueueinfo, SIGCHLD */
		struct {
			int32_t timer_id, overrun;
			uint64_t timer_value;
		};
		struct {
			uint64_t address;
			int16_t address_lsb;
		}; /* SIGSEGV, SIGBUS, SIGILL, SIGFPE */
		struct {
			int64_t band;
			int32_t fd;
		}; /* SIGIO */
		struct {
			uint64_t call_address;
			int32_t syscall;
			uint32_t architecture;
		}; /* SIGSYS */
		uint8_t bytes[112];
	};
};
_Static_assert(sizeof(struct linux_siginfo) == 128, "siginfo_t");
enum { SS_ONSTACK = 1, SS_DISABLE = 2 };
#define SS_AUTODISARM (1u << 31)
struct linux_stack {
	uint64_t sp;
	int32_t flags, pad;
	uint64_t bytes;
};
struct linux_sigcontext {
	uint64_t r8, r9, r10, r11, r12, r13, r14, r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, eflags;
	uint16_t cs, gs, fs, ss;
	uint64_t err, trapno, oldmask, cr2, fpstate, reserved[8];
};
struct linux_ucontext {
	uint64_t flags, link;
	struct linux_stack stack;
	struct linux_sigcontext context;
	uint64_t mask;
};

/* ---- Memory ---- */
enum {
	PROT_NONE = 0,
	PROT_READ = 1,
	PROT_WRITE = 2,
	PROT_EXEC = 4,
	PROT_SEM = 8,
	PROT_GROWSDOWN = 0x01000000,
	PROT_GROWSUP = 0x02000000
};
/* fallocate(2) */
enum {
	FALLOC_KEEP_SIZE = 1,
	FALLOC_PUNCH_HOLE = 2,
	FALLOC_COLLAPSE_RANGE = 8,
	FALLOC_ZERO_RANGE = 16,
	FALLOC_INSERT_RANGE = 32,
	FALLOC_UNSHARE_RANGE = 64,
	FALLOC_ALL = 123,
};
#define TMPFS_MAGIC 0x01021994 /* f_type of statfs(2) */
enum {
	LINUX_MAP_SHARED = 1,
	LINUX_MAP_PRIVATE = 2,
	LINUX_MAP_SHARED_VALIDATE = 3,
	LINUX_MAP_TYPE = 15,
	LINUX_MAP_FIXED = 0x10,
	LINUX_MAP_ANONYMOUS = 0x20,
	LINUX_MAP_32BIT = 0x40,
	LINUX_MAP_GROWSDOWN = 0x100,
	LINUX_MAP_LOCKED = 0x2000,
	LINUX_MAP_NORESERVE = 0x4000,
	LINUX_MAP_POPULATE = 0x8000,
	LINUX_MAP_NONBLOCK = 0x10000,
	LINUX_MAP_STACK = 0x20000,
	LINUX_MAP_HUGETLB = 0x40000,
	LINUX_MAP_SYNC = 0x80000,
	LINUX_MAP_FIXED_NOREPLACE = 0x100000,
};

/* ---- Processes ---- */
#define CLONE_VM             0x00000100ull
#define CLONE_FS             0x00000200ull
#define CLONE_FILES          0x00000400ull
#define CLONE_SIGHAND        0x00000800ull
#define CLONE_PIDFD          0x00001000ull
#define CLONE_PTRACE         0x00002000ull
#define CLONE_VFORK          0x00004000ull
#define CLONE_PARENT         0x00008000ull
#define CLONE_THREAD         0x00010000ull
#define CLONE_NEWTIME        0x00000080ull /* of unshare and setns alone */
#define CLONE_NEWNS          0x00020000ull
#define CLONE_SYSVSEM        0x00040000ull
#define CLONE_SETTLS         0x00080000ull
#define CLONE_PARENT_SETTID  0x00100000ull
#define CLONE_CHILD_CLEARTID 0x00200000ull
#define CLONE_DETACHED       0x00400000ull
#define CLONE_UNTRACED       0x00800000ull
#define CLONE_CHILD_SETTID   0x01000000ull
#define CLONE_NEWCGROUP      0x02000000ull
#define CLONE_NEWUTS         0x04000000ull
#define CLONE_NEWIPC         0x08000000ull
#define CLONE_NEWUSER        0x10000000ull
#define CLONE_NEWPID         0x20000000ull
#define CLONE_NEWNET         0x40000000ull
#define CLONE_IO             0x80000000ull
#define CLONE_CLEAR_SIGHAND  0x100000000ull
#define CLONE_INTO_CGROUP    0x200000000ull
struct linux_clone_args {
	uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid,
	    set_tid_size, cgroup;
};
enum { WNOHANG = 1, WUNTRACED = 2, WSTOPPED = 2, WEXITED = 4, WCONTINUED = 8, WNOWAIT = 0x01000000 };
#define LINUX_WNOTHREAD 0x20000000u
#define LINUX_WALL      0x40000000u
#define LINUX_WCLONE    0x80000000u
enum { P_ALL = 0, P_PID, P_PGID, P_PIDFD };
struct linux_rusage {
	struct linux_timeval ru_utime, ru_stime;
	int64_t ru_maxrss, ru_ixrss, ru_idrss, ru_isrss, ru_minflt, ru_majflt, ru_nswap, ru_inblock,
	    ru_oublock, ru_msgsnd, ru_msgrcv, ru_nsignals, ru_nvcsw, ru_nivcsw;
};
struct linux_rlimit {
	uint64_t current, maximum;
};
#define RLIM_INFINITY UINT64_MAX
enum {
	RLIMIT_CPU = 0,
	RLIMIT_FSIZE,
	RLIMIT_DATA,
	RLIMIT_STACK,
	RLIMIT_CORE,
	RLIMIT_RSS,
	RLIMIT_NPROC,
	RLIMIT_NOFILE,
	RLIMIT_MEMLOCK,
	RLIMIT_AS,
	RLIMIT_LOCKS,
	RLIMIT_SIGPENDING,
	RLIMIT_MSGQUEUE,
	RLIMIT_NICE,
	RLIMIT_RTPRIO,
	RLIMIT_RTTIME,
	RLIMIT_COUNT,
};
struct linux_utsname {
	char sysname[65], nodename[65], release[65], version[65], machine[65], domainname[65];
};
struct linux_sysinfo {
	int64_t uptime;
	uint64_t loads[3], totalram, freeram, sharedram, bufferram, totalswap, freeswap;
	uint16_t procs, pad;
	uint32_t pad2;
	uint64_t totalhigh, freehigh;
	uint32_t mem_unit, pad3;
};
struct linux_tms {
	int64_t utime, stime, cutime, cstime;
};
enum {
	CAP_CHOWN = 0,
	CAP_DAC_OVERRIDE,
	CAP_DAC_READ_SEARCH,
	CAP_FOWNER,
	CAP_FSETID,
	CAP_KILL,
	CAP_SETGID,
	CAP_SETUID,
	CAP_SETPCAP,
	CAP_LINUX_IMMUTABLE = 9,
	CAP_NET_BIND_SERVICE = 10,
	CAP_NET_BROADCAST = 11,
	CAP_NET_ADMIN = 12,
	CAP_NET_RAW = 13,
	CAP_IPC_LOCK = 14,
	CAP_IPC_OWNER = 15,
	CAP_SYS_RAWIO = 17,
	CAP_SYS_CHROOT = 18,
	CAP_SYS_PTRACE = 19,
	CAP_SYS_ADMIN = 21,
	CAP_CHECKPOINT_RESTORE = 40,
	CAP_SYS_BOOT = 22,
	CAP_SYS_NICE = 23,
	CAP_SYS_RESOURCE = 24,
	CAP_SYS_TIME = 25,
	CAP_SYS_TTY_CONFIG = 26,
	CAP_MKNOD = 27,
	CAP_SETFCAP = 31,
	CAP_MAC_OVERRIDE = 32,
	CAP_SYSLOG = 34,
	CAP_LAST = 40,
};
#define CAP_BIT(capability) (1ull << (capability))
#define CAP_ALL             (CAP_BIT(CAP_LAST + 1) - 1)
/* Those that a file system user id of 0 brings: capabilities(7). */
#define CAP_FS_SET                                                                                           \
	(CAP_BIT(CAP_CHOWN) | CAP_BIT(CAP_DAC_OVERRIDE) | CAP_BIT(CAP_DAC_READ_SEARCH) |                     \
	 CAP_BIT(CAP_FOWNER) | CAP_BIT(CAP_FSETID) | CAP_BIT(CAP_LINUX_IMMUTABLE) | CAP_BIT(CAP_MKNOD) |     \
	 CAP_BIT(CAP_MAC_OVERRIDE))
/* Secure bits; the bit above each locks it. */
enum {
	SECBIT_NOROOT = 1,
	SECBIT_NO_SETUID_FIXUP = 4,
	SECBIT_KEEP_CAPS = 16,
	SECBIT_KEEP_CAPS_LOCKED = 32,
	SECBIT_NO_CAP_AMBIENT_RAISE = 64,
	SECBITS = 0x55,
	SECBIT_LOCKS = 0xaa,
};
