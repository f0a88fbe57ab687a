"""A machine that is killed while a script in it writes, for tests of what survives. The script prints "checked ..." when it has looked at what earlier runs
left ("bad: ..." for each thing that is not as it was), then "synced N" for each file N that is safe."""
import os
import pathlib
import re
import select
import signal
import subprocess
import threading


def descendants(pid):
    found = []
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            for child in task.read_text().split():
                found += [int(child)] + descendants(int(child))
        except OSError:
            pass
    return found


class Killed:
    """One boot by COMMAND, whose output is read line by line until it is killed. `last`: the last file known to be safe. Both events are set, too, where the
    boot ends by itself; `over` tells it. `checks` counts the looks."""

    def __init__(self, command, last):
        self.process = subprocess.Popen(list(map(str, command)), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        text=True, errors="replace")
        self.last, self.checked, self.synced, self.bad, self.lines, self.over, self.checks = last, threading.Event(), threading.Event(), [], [], False, 0
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            line = line.strip()
            self.lines = self.lines[-20:] + [line]
            if line.startswith("bad:"):
                self.bad.append(line)
            elif line.startswith("checked "):
                self.checks += 1
                self.checked.set()
            elif re.fullmatch(r"synced \d+", line):
                self.last = int(line.split()[1])
                self.synced.set()
        self.over = True
        self.checked.set()
        self.synced.set()

    def kill(self):
        """Returns when all are gone: a machine that still dies holds the lock of its disk, which the next one needs."""
        dying = []
        for pid in descendants(self.process.pid):
            try:
                dying.append(os.pidfd_open(pid))
                signal.pidfd_send_signal(dying[-1], signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.kill()
        for one in dying:
            select.select([one], [], [])
            os.close(one)
        self.process.wait()
        self.reader.join()
