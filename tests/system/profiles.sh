#!/bin/sh
# Runs inside a Linux sub-kernel on Holon, with two CPUs, a disk, a link and a screen: native trees, what each profile's program holds
# and what it lacks; admitted budgets.
. "${0%/*}/library.sh"
run() { subkernel run -m 8M "$@"; }
# The names of what PROFILE's program holds, but for its budgets, in order.
names() { run --profile "$1" holdings | sed -n 's/^holds \(.*\): .*/\1/p' | grep -v '^budget' | sort | paste -sd , -; }
own="command,entropy,its space,its thread,its unit,stream,stream-event,stream-peer"
with() { echo "$own,$1" | tr , '\n' | sort | paste -sd , -; }

# native
same "native: holds its terminal, randomness and itself" "$own" "$(names native)"
all=$(run --profile native)
same "native: its whole table is named" "holds 0 others" "$(echo "$all" | grep others)"
same "native: a budget on each CPU" 2 "$(echo "$all" | grep -c '^holds budget')"
same "native: no right to hand on what it was given" 0 "$(echo "$all" | grep -E '^holds (stream|command|entropy)' | grep -cE ' (copy|move|resize)')"
same "native: no share of a CPU, no writable code" "priority up to 32, cpu share 0 of a million, wx no" "$(echo "$all" | grep '^priority')"
same "native: no more than -p says" 7 "$(run -p 7 --profile native | sed -n 's/^priority up to \([0-9]*\),.*/\1/p')"
more=$(run --profile native holdings widen)
same "native: all that it asks for beyond is refused" 0 "$(echo "$more" | grep -c granted)"
same "native: in ten ways" 10 "$(echo "$more" | grep -c ': ')"
same "native: what it was given works" "entropy: 256 bits of seed" "$(run --profile native holdings use | grep -v '^used')"
same "native: its status" 9 "$(status run --profile native holdings exit 9)"
same "native: a fault is its own end" 139 "$(status run --profile native holdings fail)"
same "native: input and output of any length" "$(seq 1 20000 | md5sum)" "$(seq 1 20000 | run --profile native holdings echo | md5sum)"
same "native: a program that is not there" 127 "$(status run --profile native nosuch)"
same "native: says so" "subkernel: profile native: there is no native program 'nosuch' in the system image" "$(run --profile native nosuch)"
same "native: a program of the machine's without its rights ends" 1 "$(status run --profile native vfs)"
for bad in .. . '' 0123456789012345678901234567890123456789; do
	same "native: the program '$bad' is none" 1 "$(run --profile native "$bad" > /dev/null 2>&1; [ $? -ge 125 ] && echo 1)"
done
same "native: no profile of this name" 1 "$(status run --profile nosuch)"
same "native: says so, too" "subkernel: run: there is no profile 'nosuch' in this system" "$(run --profile nosuch 2>&1)"
for bad in ../manifest . '' aaaaaaaaaaaaaaaaaaaaaaa; do
	check "native: the profile '$bad' is none" sh -c "! subkernel run -m 8M --profile '$bad'"
done
check "native: no files go into it" sh -c '! subkernel run -m 8M --profile native --add /etc:/etc'
check "native: no link by --net" sh -c '! subkernel run -m 8M --profile native --net nat'
cp /tests/holdings /tmp/mine
same "native: a program of the caller's" 5 "$(status run --profile native /tmp/mine exit 5)"
for size in 0 1 64 1000 4096; do
	head -c "$size" /tests/holdings > /tmp/cut
	check "native: $size bytes of a program are none" sh -c '! subkernel run -m 8M --profile native /tmp/cut'
done
head -c 20000 /dev/urandom > /tmp/noise
check "native: noise is no program" sh -c '! subkernel run -m 8M --profile native /tmp/noise'
check "native: a directory is no program" sh -c '! subkernel run -m 8M --profile native /tmp'
n=$(subkernel run --detach -n tree -m 8M --profile native holdings wait)
same "native: it is listed" running "$(field "$n" 3)"
same "native: no Linux program can be started in it" "subkernel: exec: it runs native programs alone" "$(subkernel exec "$n" true 2>&1)"
check "native: it can be frozen" subkernel freeze "$n"
check "native: and thawed" subkernel thaw "$n"
check "native: and killed" subkernel kill "$n"
before=$(used)
for i in 1 2 3 4 5 6 7 8; do run --profile native holdings exit 0; run --profile native holdings fail; n=$(subkernel run --detach -m 8M --profile native holdings wait); subkernel kill "$n"; done
came_back "native: every page came back" "$before"

# network, storage, enclave
same "network: holds a link besides" "$(with link)" "$(names network)"
check "network: the link works" sh -c 'subkernel run -m 8M --profile network holdings use | grep -q "^link: a station with address [0-9a-f:]*$"'
same "network: below a sub-kernel without a link it is refused" 1 "$(status subkernel run -m 32M -- subkernel run -m 8M --profile network)"
same "network: the policy is --net's" only "$(n=$(subkernel run --detach -m 8M --profile network --net only:192.0.2.1:80 holdings wait); field "$n" 8; subkernel kill "$n")"
same "storage: holds the block devices besides" "$(with blocks)" "$(names storage)"
same "storage: sees the disk" "blocks: testdisk has 8388608 bytes" "$(run --profile storage holdings use | grep '^blocks: testdisk')"
same "storage: a sub-kernel that may use no disks can give none" 1 "$(status subkernel run -m 32M -- subkernel run -m 8M --profile storage)"
same "graphics: holds the screen besides" "$(with framebuffer)" "$(names graphics)"
check "graphics: draws on it" sh -c 'subkernel run -m 8M --profile graphics holdings use | grep -q "^framebuffer: [0-9]*,[0-9]*,.* \\([1-9][0-9]*\\) of \\1 pixels"'
n=$(subkernel run --detach -m 8M --profile graphics holdings wait)
same "graphics: one at a time" "subkernel: run: what profile 'graphics' needs is not there, or another has it" "$(run --profile graphics 2>&1)"
subkernel kill "$n"
same "graphics: it comes back" 0 "$(status run --profile graphics)"
same "graphics: a sub-kernel that may not have the screen can give none" 1 "$(status subkernel run -m 32M -- subkernel run -m 8M --profile graphics)"
same "enclave: holds what native does" "$own" "$(names enclave)"
n=$(subkernel run --detach -n closed -m 8M --profile enclave holdings wait)
same "enclave: nobody else reads what it wrote" "subkernel: logs: this sub-kernel may not do that" "$(subkernel logs closed 2>&1)"
subkernel kill "$n"

# realtime
all=$(run --profile realtime)
same "realtime: an admitted budget of a fifth" "priority up to 160, cpu share 200000 of a million, wx no" "$(echo "$all" | grep '^priority')"
same "realtime: holds what native does" "$own" "$(names realtime)"
same "realtime: no more than its budget" 0 "$(run --profile realtime holdings widen | grep -c granted)"
elapsed() { sed -n 's/^used [0-9]* us in \([0-9]*\) us$/\1/p'; }
alone=$(run --profile realtime --budget 2ms/10ms holdings spin 200 | elapsed)
check "realtime: 200 ms of a fifth take a second, not less ($alone us)" test "$alone" -ge 950000
alone=$(run --profile realtime --budget 5ms/10ms holdings spin 200 | elapsed)
check "realtime: of a half not less than 0.4 s ($alone us)" test "$alone" -ge 370000
same "realtime: more than there is is refused" "subkernel: run: the budget cannot be admitted: this sub-kernel may not promise that much of a processor, beside what it has promised already" \
	"$(run --profile realtime --budget 61ms/100ms 2>&1)"
n=$(subkernel run --detach -m 8M --profile realtime --budget 40ms/100ms holdings wait)
same "realtime: and what does not fit beside what was admitted" 1 "$(status run --profile realtime --budget 21ms/100ms)"
same "realtime: what fits is admitted" 0 "$(status run --profile realtime --budget 20ms/100ms)"
subkernel kill "$n"
same "realtime: what ended gives its share back" 0 "$(status run --profile realtime --budget 60ms/100ms)"
same "realtime: a child that was given no share can give none" 1 "$(status subkernel run -m 32M -- subkernel run -m 8M --profile realtime)"
same "realtime: one that was can" 0 "$(status subkernel run -m 32M --cpu-reserve 20 -- subkernel run -m 8M --profile realtime)"
same "realtime: up to it" 1 "$(status subkernel run -m 32M --cpu-reserve 19 -- subkernel run -m 8M --profile realtime)"
for bad in 1ms 1ms/ /1ms 1/2 2ms/1ms 0ms/1ms 1ms/1h 99999999999999999999s/1s 1ms/101ms; do
	same "realtime: the budget $bad is refused" 2 "$(status run --profile realtime --budget "$bad")"
done
same "realtime: a budget for a profile that has none" 1 "$(status run --profile native --budget 1ms/10ms)"

for bad in 0 101 -1 x; do same "cpu-share: $bad percent are refused" 2 "$(status run --cpu-share "$bad" -- true)"; done
same "cpu-share: a hundredth of a hundredth is refused" 1 "$(status subkernel run -m 32M --cpu-share 3 -- subkernel run -m 8M --cpu-share 3 -- true)"
same "none is left" 1 "$(subkernel ls | awk 'NR > 1' | wc -l)"
echo "ok system: the end was reached"
