/* Terminals: files and job control (tty.c), the line discipline (line.c), the console's driver (console.c),
 * pseudo terminals (pty.c).
 *
 * A struct tty is what programs see: input line editing, echo, signals, output processing. Its driver is
 * where output goes and input comes from: the console stream, or the master side of a pty.
 */
#pragma once

#include <holon/start.h>
#include <holon/types.h>
#include "../include/file.h"

struct vnode;

#define TTY_INPUT_BYTES 4096u

struct tty;
struct process;

struct tty_driver {
	/* Takes output bytes; how many (0: full; tty->write_wait is woken when there is room). */
	uint32_t (*write)(struct tty *tty, const uint8_t *bytes, uint32_t count);
	/* Bytes it would take now. */
	uint32_t (*room)(struct tty *tty);
	/* Input was consumed: more may be delivered. */
	void (*unthrottle)(struct tty *tty);
	/* Output that has not gone out yet. */
	uint32_t (*pending)(struct tty *tty);
	/* Nobody has the terminal open any more. */
	void (*closed)(struct tty *tty);
	/* Something that a master in packet mode is told of: PACKET_* (termios.h). */
	void (*packet)(struct tty *tty, uint8_t status);
	void (*gone)(struct tty *tty); /* the last reference is dropped; frees what it holds */
	/* Ctrl-Z: true where the other side stops the whole; 0: there is no such thing. */
	bool (*suspend)(struct tty *tty);
	bool outside; /* its keys come from outside of the sub-kernel: they reach its first process, too */
};

struct tty {
	uint32_t references; /* open files, sessions, the driver's side */
	uint32_t opens;
	const struct tty_driver *driver;
	void *private;
	struct linux_termios termios;
	struct linux_termios
	    locked; /* the bits that are set here, and the characters, cannot be changed: TIOCSLCKTRMIOS */
	struct linux_winsize size;
	int32_t session;    /* sid; 0: no session's terminal */
	int32_t foreground; /* pgid */
	bool hung_up;       /* no more input will come, output goes nowhere */
	bool stopped;       /* Ctrl-S */
	bool exclusive;
	uint32_t input_speed, output_speed; /* termios2 */
	/* Input: a ring of bytes; in canonical mode only [tail, canonical) may be read, in lines. */
	uint8_t input[TTY_INPUT_BYTES];
	uint32_t head, tail, canonical;           /* free-running */
	uint64_t line_ends[TTY_INPUT_BYTES / 64]; /* a bit a byte: a line ends after it */
	uint32_t column;                          /* of output, for tabs and erasing */
	uint32_t canonical_column;                /* where the line being edited began */
	bool literal;                             /* Ctrl-V */
	struct wait_queue read_wait, write_wait;
	uint64_t device_number; /* of its node: 5:1 console, 136:N pty */
	struct list link;
};

struct tty *tty_create(const struct tty_driver *driver, void *private, uint64_t device_number);
void tty_release(struct tty *tty);
static inline struct tty *tty_reference(struct tty *tty)
{
	tty->references++;
	return tty;
}
/* Bytes from the driver: edited, echoed, turned into signals. Returns how many were taken (the input may be
 * full). */
uint32_t tty_input(struct tty *tty, const uint8_t *bytes, uint32_t count);
/* The other side is gone: readers see the end, the session gets SIGHUP. */
void tty_hang_up(struct tty *tty);
/* Output stops (Ctrl-S), or goes on. */
void tty_stop(struct tty *tty, bool stop);
void tty_resize(struct tty *tty, const struct linux_winsize *size);

/* An open file of TTY: sets ops and private; makes it the controlling terminal where open(2) says so. */
int tty_open(struct tty *tty, struct file *file, bool may_control);
extern const struct file_ops tty_ops;
int64_t tty_ioctl(struct tty *tty, uint32_t command, uint64_t argument, bool master);

/* Opens /dev/tty, /dev/console, /dev/ptmx, /dev/pts/N by device number. */
int tty_device_open(struct vnode *vnode, struct file *file);
/* pty.c: /dev/ptmx makes a new pair; a slave by its number. */
int pty_open_master(struct file *file);
struct tty *pty_slave(uint32_t number);
struct filesystem *pty_filesystem(void);

/* TTY, whose driver is another's, is /dev/pts/N too, until pty_hide. 0 or an error. */
int pty_show(struct tty *tty);
void pty_hide(struct tty *tty);

/* Streams to the outside: the first process's console, and that of each program that a parent sub-kernel starts in
 * this one. RAW: a pipe, not a terminal. */
struct console;
bool console_init(const struct start_info *info);
struct console *console_first(void);
/* The stream in MEMORY, side 1; EVENT is what to wait on, PEER tells the other side. All go over in any case. With
 * SHOWN its terminal is one of /dev/pts. 0: memory lacks. */
struct console *console_create(handle_t memory, handle_t event, handle_t peer, bool shown);
bool console_is_raw(const struct console *console);
/* The name of its terminal, for ttyname(3). */
void console_name(const struct console *console, char *name, size_t size);
/* FILE becomes an open file of CONSOLE, whose terminal may become the caller's. */
int console_open(struct console *console, struct file *file);
/* The program on it has ended: no more goes out or comes in, and it goes with its last open file. */
void console_end(struct console *console);

/* process side: the session leader exits (its terminal is given up), a new session begins (none yet). */
void tty_session_leader_exit(struct process *process);
