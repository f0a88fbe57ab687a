"""tools/switches' part inside gdb: a line for each call of arch_switch."""
import os
import time

import gdb

LIMIT = int(os.environ["HOLON_SWITCHES"])
OUT = 3  # gdb itself says much on the others


def name(thread):
    if not int(thread):
        return "idle"
    budget = thread["budget_current"]
    state = f"at {int(budget['priority'])}" if int(budget) else "waits"
    return f"{thread['unit']['name'].string()}/{thread['name'].string()} {state}"


class Switch(gdb.Breakpoint):
    count = 0

    def stop(self):
        frame = gdb.selected_frame()
        cpu = frame.read_var("cpu")
        os.write(OUT, f"{int(cpu['charged_to']) / 1e6:12.3f} ms  cpu {int(cpu['index'])}  "
                      f"{name(frame.read_var('previous')):32} -> {name(frame.read_var('next'))}\n".encode())
        self.count += 1
        return self.count == LIMIT


def connect():
    for _ in range(100):  # until QEMU listens
        try:
            return gdb.execute(f"target remote {os.environ['HOLON_GDB']}")
        except gdb.error:
            time.sleep(0.1)
    raise gdb.GdbError("QEMU does not listen")


gdb.execute("set architecture i386:x86-64")
connect()
gdb.execute("hbreak sched_choose")  # the kernel is in memory
gdb.execute("continue")
gdb.execute("delete")
Switch("arch_switch")
try:
    gdb.execute("continue")
except gdb.error:
    pass  # the machine has ended
