#!/bin/bash
# Debian's debuggers on a few programs: one check a line. Runs inside, on Holon and on Linux.
cd /tmp || exit 1
failures=0
# expect NAME OUTPUT REGEX...: each must be found.
expect() {
	name=$1 output=$2
	[ "$TIMES" ] && echo "$SECONDS s"
	shift 2
	for pattern; do
		if ! grep -Eq -- "$pattern" <<< "$output"; then
			echo "not ok $name - no line has: $pattern"
			sed 's/^/# /' <<< "$output"
			failures=$((failures + 1))
			return
		fi
	done
	echo "ok $name"
}
debug() { timeout "${LIMIT:-60}" gdb -nx -batch -q "$@" 2>&1; }

expect gdb-breakpoint "$(debug -ex 'break inner' -ex run -ex backtrace -ex 'print value' -ex finish -ex continue --args /subject)" \
	'Breakpoint 1, inner \(value=21\)' '^#0 .*inner \(value=21\)' '^#1 .*outer \(value=20\)' '^#2 .*main' '^\$1 = 21' \
	'Value returned is \$2 = 43' '^outer 430' 'exited normally'
expect gdb-step "$(debug -ex 'break outer' -ex run -ex next -ex step -ex stepi -ex 'info registers rip' -ex kill --args /subject)" \
	'Breakpoint 1, outer' '^21' '^main|^22' 'rip'
expect gdb-watch "$(debug -ex 'break main' -ex run -ex 'watch watched' -ex continue -ex continue --args /subject)" \
	'[Ww]atchpoint 2: watched' 'Old value = 0' 'New value = 42' 'outer 430'
expect gdb-set "$(debug -ex 'break inner' -ex run -ex 'set var value = 5' -ex delete -ex continue --args /subject)" \
	'Breakpoint 1, inner' 'outer 110$'
expect gdb-call "$(debug -ex 'break main' -ex run -ex 'print outer(1)' -ex continue --args /subject)" '\$1 = 50' 'outer 430'
expect gdb-threads "$(debug -ex 'break work' -ex run -ex 'info threads' -ex 'thread apply all backtrace 1' -ex delete -ex continue --args /subject threads)" \
	'hit Breakpoint 1, work' '^\* [0-9]' 'Thread 0x' 'exited normally'
expect gdb-follow-child "$(debug -ex 'set follow-fork-mode child' -ex run --args /subject fork)" \
	'process .* is executing new program: .*true' 'exited normally'
expect gdb-fork "$(debug -ex 'catch fork' -ex run -ex continue --args /subject fork)" 'Catchpoint 1 \(forked' 'exited normally'
expect gdb-catch-call "$(debug -ex 'catch syscall 1' -ex run -ex continue -ex continue --args /subject)" \
	'call to syscall .?1' 'returned from syscall .?1' 'exited normally'
expect gdb-crash "$(debug -ex run -ex backtrace -ex 'print $_siginfo.si_addr' -ex 'print $_siginfo._sifields._sigfault.si_addr' --args /subject crash)" \
	'SIGSEGV, Segmentation fault' '#0 .* main' '0x8'
sleep 1000 &
sleeper=$!
expect gdb-attach "$(debug -p $sleeper -ex 'info inferiors' -ex detach)" "process $sleeper" 'Detaching|detached'
kill -0 $sleeper && echo 'ok gdb-detached' || { echo 'not ok gdb-detached - the process is gone'; failures=$((failures + 1)); }
kill $sleeper

expect strace "$(strace /subject 2>&1)" '^execve\("/subject"' 'write\(1, "outer 430' '^\+\+\+ exited with 0 \+\+\+'
expect strace-follow "$(strace -f bash -c 'cat /etc/hostname | cat; true' 2>&1)" 'execve\("/usr/bin/cat"' 'SIGCHLD' 'exited with 0'
expect strace-threads "$(strace -f /subject threads 2>&1)" 'clone3?\(' 'futex\(' 'exited with 0'
expect strace-count "$(strace -f -c bash -c 'for i in 1 2 3; do cat /etc/hostname; done' 2>&1)" 'calls' 'execve' 'total'
expect strace-error "$(strace -e trace=openat cat /nowhere 2>&1)" 'ENOENT \(No such file or directory\)' 'exited with 1'
expect strace-signal "$(strace bash -c 'kill -TERM $$' 2>&1)" 'SIGTERM' 'killed by SIGTERM'
expect strace-filter "$(strace -f --seccomp-bpf -e trace=openat cat /etc/hostname 2>&1)" 'openat\(AT_FDCWD, "/etc/hostname"' 'exited with 0'
sleep 1000 &
sleeper=$!
strace -p $sleeper > attached 2>&1 &
tracer=$!
for i in $(seq 600); do grep -q nanosleep attached && break; sleep 0.1; done
kill $tracer
wait $tracer
expect strace-attach "$(cat attached)" 'attached' 'nanosleep|restart_syscall' 'detached'
kill $sleeper

output=$(/leak 2>&1)
[ $? = 23 ] || { echo "not ok leak-status - $?"; failures=$((failures + 1)); }
expect leak "$output" 'LeakSanitizer: detected memory leaks' '4321 byte'
[ $failures = 0 ] && echo "all passed"
exit $failures
