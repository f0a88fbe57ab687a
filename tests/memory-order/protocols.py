"""The kernel's protocols without locks: see explore.

An access: (file, function, text, kind, place, value, register). The text stands in that function; where it is no atomic
operation, KIND says what it is. FILE None: the hardware's, with the order in place of the text. A value is what a store
puts there, or what a read-modify-write does: ("or", bits), ("add", n), ("set", value), ("cas", expected, value). What a
load or a read-modify-write finds goes to the register. "bad" is what must not be, told from registers and final memory.
A mutation: model, text, what stands there instead.
"""
import re

EVENT, WAIT, FLUSH = "kernel/ipc/event.c", "kernel/sched/wait.c", "kernel/sched/flush.c"
SERVE = "kernel/sched/serve.c"
CHANNEL, SPACE, ARCH_SPACE = "kernel/ipc/channel.c", "kernel/memory/space.c", "kernel/arch/x86_64/space.c"

OR_BITS = "__atomic_fetch_or(&event->bits, bits, __ATOMIC_SEQ_CST)"
SIGNAL = (EVENT, "event_signal", OR_BITS, "rmw", "bits", ("or", 1), None)
NOBODY = "__atomic_load_n(&event->waiters.next, __ATOMIC_SEQ_CST)"
WAITING = "word = __atomic_load_n(&bound->wait, __ATOMIC_SEQ_CST);"
BITS_AGAIN = "__atomic_load_n(&event->bits, __ATOMIC_SEQ_CST)"
PUBLISH = "__atomic_exchange_n(&thread->wait, word, __ATOMIC_SEQ_CST)"
RECEIVE = "__atomic_exchange_n(&self->wait, word, __ATOMIC_SEQ_CST)"
HALT = "__atomic_compare_exchange_n(&thread->halt, &before, halt, false, __ATOMIC_SEQ_CST"
HALT_AGAIN = "if (__atomic_load_n(&thread->halt, __ATOMIC_SEQ_CST))"
BIND = "__atomic_exchange_n(&thread->event_bound, event, __ATOMIC_SEQ_CST)"
DEAD_AGAIN = "thread_state(thread) == THREAD_DEAD"
ENTRY = "__atomic_store_n(entry, only_write ? arch_entry_read_only(*entry) : 0, __ATOMIC_SEQ_CST)"
LOADED = "__atomic_load_n(&space->active_cpus, __ATOMIC_SEQ_CST)"
LOADING = "__atomic_fetch_or(&space->active_cpus, bit, __ATOMIC_SEQ_CST)"
ASK = "__atomic_fetch_or(&thread->requests, bits, __ATOMIC_SEQ_CST)"
ASKED = "bits = __atomic_exchange_n(&thread->requests, 0, __ATOMIC_SEQ_CST);"
TICKET = "__atomic_add_fetch(&tickets, 1, __ATOMIC_SEQ_CST)"
NEWEST = "__atomic_load_n(&tickets, __ATOMIC_ACQUIRE)"
PASSED = "__atomic_store_n(&cpu->passed, newest, __ATOMIC_RELEASE)"
HAS_PASSED = "__atomic_load_n(&cpus[i]->passed, __ATOMIC_ACQUIRE) < ticket"
QUESTION = "__atomic_add_fetch(&cpus[i]->flush_wanted, 1, __ATOMIC_SEQ_CST)"
ANSWERED = "__atomic_load_n(&cpus[i]->flush_done, __ATOMIC_ACQUIRE) < wanted[i]"
FLUSH_ASKED = "__atomic_load_n(&cpu->flush_wanted, __ATOMIC_ACQUIRE)"
FLUSHED = "__atomic_store_n(&cpu->flush_done, wanted, __ATOMIC_RELEASE)"
LEND = "__atomic_exchange_n(&thread->lent, budget, __ATOMIC_SEQ_CST)"
SERVER_WAITS = "__atomic_load_n(&server->wait, __ATOMIC_SEQ_CST)"
LENT = "__atomic_load_n(&thread->lent, __ATOMIC_SEQ_CST)"


def relaxed(text):
    return re.sub("SEQ_CST|ACQUIRE|RELEASE", "RELAXED", text)


PROTOCOLS = [
    {
        "name": "a signal finds the waiter, or the waiter the bits",
        "start": {"bits": 0, "waiters": 0, "wait": 0},
        "threads": [
            [SIGNAL, (EVENT, "event_signal", NOBODY, "load", "waiters", None, "found")],
            [(EVENT, "sys_event_wait", "list_append(&event->waiters, &self->queue_node);", "store", "waiters", 1, None),
             (WAIT, "wait_begin", PUBLISH, "rmw", "wait", ("set", 1), None),
             (EVENT, "sys_event_wait", BITS_AGAIN, "load", "bits", None, "again")],
        ],
        "bad": lambda s: not s["found"] and not s["again"],
        "mutations": [("tso", OR_BITS, "event->bits |= bits"), ("tso", PUBLISH, "thread->wait = word"),
                      ("weak", NOBODY, "event->waiters.next"), ("weak", BITS_AGAIN, "event->bits"),
                      ("weak", NOBODY, NOBODY.replace("SEQ_CST", "ACQUIRE"))],
    },
    {
        "name": "a signal finds the receiver, or the receiver the bits",
        "start": {"bits": 0, "lock": 0, "wait": 0},
        "threads": [
            [SIGNAL, (EVENT, "event_signal", "lock_take(&event->lock);", "rmw", "lock", ("add", 1), None),
             (EVENT, "event_signal", WAITING, "load", "wait", None, "found")],
            [(CHANNEL, "receive", RECEIVE, "rmw", "wait", ("set", 1), None),
             (CHANNEL, "receive", BITS_AGAIN, "load", "bits", None, "again")],
        ],
        "bad": lambda s: not s["found"] and not s["again"],
        "mutations": [("tso", RECEIVE, "self->wait = word"), ("weak", WAITING, "word = bound->wait;"),
                      ("weak", BITS_AGAIN, "event->bits"), ("weak", OR_BITS, relaxed(OR_BITS))],
    },
    {
        "name": "a halt finds the wait that goes on, or that the halt",
        "start": {"wait": 0, "halt": 0},
        "threads": [
            [(WAIT, "wait_resume", PUBLISH, "rmw", "wait", ("set", 1), None),
             (WAIT, "wait_resume", HALT_AGAIN, "load", "halt", None, "halted")],
            [(WAIT, "thread_halt", HALT, "rmw", "halt", ("cas", 0, 1), None),
             (WAIT, "thread_halt", "word = __atomic_load_n(&thread->wait, __ATOMIC_SEQ_CST);", "load", "wait", None,
              "waits")],
        ],
        "bad": lambda s: not s["halted"] and not s["waits"],
        "mutations": [("tso", PUBLISH, "thread->wait = word"), ("weak", HALT_AGAIN, "if (thread->halt)"),
                      ("weak", HALT, relaxed(HALT))],
    },
    {
        "name": "a binding finds the dead thread, or that thread's end the binding",
        "start": {"wait": 0, "bound": 0},
        "threads": [
            [(EVENT, "event_rebind", BIND, "rmw", "bound", ("set", 1), None),
             (EVENT, "sys_event_bind", DEAD_AGAIN, "load", "wait", None, "dead")],
            [("kernel/thread/thread.c", "thread_end",
              "__atomic_exchange_n(&thread->wait, WAIT_NEXT(thread->wait, THREAD_DEAD), __ATOMIC_SEQ_CST)", "rmw", "wait",
              ("set", 1), None),
             (EVENT, "event_rebind", BIND, "rmw", "bound", ("set", 0), "undone")],
        ],
        "bad": lambda s: not s["dead"] and not s["undone"],
        "mutations": [("weak", BIND, relaxed(BIND))],
    },
    {
        "name": "who lends finds that the server waits, or that one what it was lent",
        "start": {"lent": 0, "wait": 0},
        "threads": [
            [(SERVE, "serve_lend", LEND, "rmw", "lent", ("set", 1), None),
             (CHANNEL, "callers_lend", SERVER_WAITS, "load", "wait", None, "waits")],
            [(WAIT, "wait_begin", PUBLISH, "rmw", "wait", ("set", 1), None),
             (SERVE, "serve_lent", LENT, "load", "lent", None, "lent")],
        ],
        "bad": lambda s: not s["waits"] and not s["lent"],
        "mutations": [("weak", LENT, LENT.replace("SEQ_CST", "ACQUIRE")), ("weak", LEND, relaxed(LEND)),
                      ("weak", SERVER_WAITS, "server->wait")],
    },
    {
        "name": "who changes an entry finds the processor, or that the change",
        "start": {"entry": 1, "active": 0, "cr3": 0},
        "threads": [
            [(SPACE, "space_clear", ENTRY, "store", "entry", 0, None),
             (SPACE, "space_clear", LOADED, "load", "active", None, "found")],
            [(ARCH_SPACE, "arch_space_load", LOADING, "rmw", "active", ("or", 1), None),
             (None, None, "SEQ_CST", "fence", "cr3", None, None),  # the load of the tables: arch.h asks for a full fence
             (None, None, "RELAXED", "load", "entry", None, "walked")],  # the processor's own walk
        ],
        "bad": lambda s: not s["found"] and s["walked"],
        "mutations": [("tso", ENTRY, "*entry = 0"), ("weak", LOADED, "space->active_cpus"),
                      ("weak", ENTRY, ENTRY.replace("SEQ_CST", "RELEASE"))],
    },
    {
        "name": "who takes a request sees what it is about",
        "start": {"kicked": 0, "requests": 0},
        "threads": [
            [("kernel/guest/guest.c", "sys_guest_kick", "__atomic_store_n(&thread->kicked, true, __ATOMIC_SEQ_CST)",
              "store", "kicked", 1, None),
             (WAIT, "request", ASK, "rmw", "requests", ("or", 1), None)],
            [(WAIT, "sched_mailbox", ASKED, "rmw", "requests", ("set", 0), "asked"),
             (WAIT, "thread_look", "thread->kicked", "load", "kicked", None, "seen")],
        ],
        "bad": lambda s: s["asked"] and not s["seen"],
        "mutations": [("weak", ASKED, relaxed(ASKED)), ("weak", ASK, relaxed(ASK))],
    },
    {
        "name": "a processor that has noted a ticket has left what it was in",
        "start": {"object": 1, "passed": 0},
        "threads": [
            [(None, None, "RELAXED", "load", "object", None, "used"),
             (FLUSH, "quiesce_serve", PASSED, "store", "passed", 1, None)],
            [(FLUSH, "cpu_await", HAS_PASSED, "load", "passed", None, "has passed"),
             (None, None, "RELAXED", "store", "object", 0, None)],
        ],
        "bad": lambda s: s["has passed"] and not s["used"],
        "mutations": [("weak", PASSED, relaxed(PASSED)), ("weak", HAS_PASSED, relaxed(HAS_PASSED))],
    },
    {
        "name": "a processor that has noted a ticket finds nothing that was gone when it was taken",
        "start": {"object": 1, "tickets": 0},
        "threads": [
            [(None, None, "RELAXED", "store", "object", 0, None),
             (FLUSH, "cpu_ticket", TICKET, "rmw", "tickets", ("add", 1), None)],
            [(FLUSH, "quiesce_serve", NEWEST, "load", "tickets", None, "noted"),
             (None, None, "RELAXED", "load", "object", None, "found")],
        ],
        "bad": lambda s: s["noted"] and s["found"],
        "mutations": [("weak", TICKET, relaxed(TICKET)), ("weak", NEWEST, relaxed(NEWEST))],
    },
    {
        "name": "a processor that was asked to forget walks the changed tables",
        "start": {"entry": 1, "wanted": 0},
        "threads": [
            [(SPACE, "space_clear", ENTRY, "store", "entry", 0, None),
             (FLUSH, "flush_all", QUESTION, "rmw", "wanted", ("add", 1), None)],
            [(FLUSH, "flush_serve", FLUSH_ASKED, "load", "wanted", None, "asked"),
             (None, None, "RELAXED", "load", "entry", None, "walked")],  # behind the flush
        ],
        "bad": lambda s: s["asked"] and s["walked"],
        "mutations": [("weak", FLUSH_ASKED, relaxed(FLUSH_ASKED))],
    },
    {
        "name": "a frame is freed after its last use by a processor that has flushed",
        "start": {"frame": 1, "done": 0},
        "threads": [
            [(None, None, "RELAXED", "load", "frame", None, "used"),
             (FLUSH, "flush_serve", FLUSHED, "store", "done", 1, None)],
            [(FLUSH, "flush_all", ANSWERED, "load", "done", None, "answered"),
             (None, None, "RELAXED", "store", "frame", 0, None)],
        ],
        "bad": lambda s: s["answered"] and not s["used"],
        "mutations": [("weak", FLUSHED, relaxed(FLUSHED)), ("weak", ANSWERED, relaxed(ANSWERED))],
    },
]
