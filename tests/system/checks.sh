#!/bin/sh
# Runs inside a Linux sub-kernel on Holon: what its shell, its files and its child sub-kernels must do. One line a check.
. "${0%/*}/library.sh"

# The shell and its programs.
same "a pipeline" 6 "$(echo hello | wc -c)"
same "an exit status" 37 "$(status sh -c 'exit 37')"
same "a signal's status" 143 "$(status sh -c 'kill -TERM $$')"
same "a missing program's status" 127 "$(status /no/such/program)"
same "command substitution nests" "abc" "$(echo "$(echo "$(echo abc)")")"
same "a here-document" "one two" "$(cat <<X | tr '\n' ' ' | sed 's/ $//'
one
two
X
)"
same "1,000 processes one after another" 1000 "$(i=0; while [ $i -lt 1000 ]; do i=$((i + 1)); (exit 0); done; echo $i)"
seq 1 20000 >/tmp/numbers
same "sorting" "$(printf '1\n10\n100')" "$(sort /tmp/numbers | head -3)"
same "compression gives back what went in" "$(md5sum </tmp/numbers)" "$(gzip -c /tmp/numbers | gunzip -c | md5sum)"
mkdir -p /tmp/a/b/c && echo x >/tmp/a/b/c/d && ln -s b/c/d /tmp/a/link && ln /tmp/a/link /tmp/a/hard 2>/dev/null
same "a symbolic link" x "$(cat /tmp/a/link)"
check "an archive gives back a tree" sh -c 'cd /tmp && tar cf t.tar a && mkdir unpacked && tar xf t.tar -C unpacked && diff -r a unpacked/a'
check "find and remove" sh -c 'find /tmp/a -type f | xargs rm && ! find /tmp/a -type f | grep -q .'
check "writing a file of the image changes this sub-kernel's view alone" sh -c 'echo changed >> /etc/passwd && grep -q changed /etc/passwd'
same "a child sub-kernel sees the image as it was signed" 0 "$(subkernel run -m 32M -- grep -c changed /etc/passwd)"

# Child sub-kernels.
# A child that ends while its creator looks at it must not go unnoticed, nor what it wrote last: many ends, close together.
deep='echo $N; if [ $N = 0 ]; then exit 7; fi; N=$((N-1)); export N F; subkernel run -- sh -c "$F"'
same "output and status through eight sub-kernels, five times" "876543210 7 876543210 7 876543210 7 876543210 7 876543210 7 " \
	"$(for i in 1 2 3 4 5; do echo "$(N=8; F=$deep; export N F; sh -c "$F"; echo " $?")"; done | tr -d '\n' | sed 's/ 7/ 7 /g')"
many() { for i in $(seq 12); do (subkernel run -m 16M -c 1000 -- sh -c "echo $i; exit $i" >/tmp/many.$i; echo $? >>/tmp/many.$i) & done; wait; }
same "twelve children at once, output and status of each" "$(for i in $(seq 12); do echo $i $i; done)" \
	"$(many; for i in $(seq 12); do paste -sd ' ' /tmp/many.$i 2>/dev/null || tr '\n' ' ' </tmp/many.$i; done)"
before=$(used)
same "a child's status comes back" 9 "$(status subkernel run -m 32M -- sh -c 'exit 9')"
same "a child's output comes back whole" "$(md5sum </tmp/numbers)" "$(subkernel run -m 32M -- seq 1 20000 | md5sum)"
same "a child reads its input to the end" 108894 "$(subkernel run -m 32M -- wc -c </tmp/numbers | tr -d ' ')"
same "a child's first process has number 1" 1 "$(subkernel run -m 32M -- sh -c 'echo $$')"
same "a child sees no process of its parent" 0 "$(sleep 5 & subkernel run -m 32M -- ps | grep -c sleep)"
same "more memory than there is is refused" 1 "$(status subkernel run -m 4000G -- true)"
same "a child without the manager's portal makes no children" 1 "$(status subkernel run -m 32M --no-nesting -- subkernel run -- true)"
same "out of memory is the child's own error" 0 "$(status sh -c 'subkernel run -m 8M -- dd if=/dev/zero of=/tmp/x bs=1M count=64 2>&1 | grep -qi space')"
deep='if [ $N = 0 ]; then exit 7; fi; N=$((N-1)); export N F; subkernel run -- sh -c "$F"'
same "eight sub-kernels deep" 7 "$(N=8; F=$deep; export N F; status sh -c "$F")"

number=$(subkernel run --detach -n busy -m 32M -- sh -c 'while :; do :; done')
wait_until "test \"\$(field $number 3)\" = running"
check "a detached child runs" test "$(field "$number" 3)" = running
subkernel freeze "$number"
first=$(field "$number" 7)
sleep 1
same "a frozen child uses no CPU" "$first" "$(field "$number" 7)"
same "it says that it is frozen" frozen "$(field "$number" 3)"
subkernel thaw "$number"
wait_until "test \"\$(field $number 7)\" != $first"
check "a thawed child goes on" test "$(field "$number" 7)" != "$first"
check "a child is killed" subkernel kill "$number"
same "it is gone" "" "$(field "$number" 3)"
number=$(subkernel run --detach -n top -m 64M -- subkernel run -n below -m 16M -- sleep 1000)
wait_until 'subkernel ls | grep -q below'
check "a grandchild is listed" sh -c 'subkernel ls | grep -q below'
check "killing a parent" subkernel kill "$number"
check "takes its whole tree" sh -c '! subkernel ls | grep -q below'
same "another number is refused" 1 "$(status subkernel kill 99999)"
came_back "every page came back" "$before"
echo "ok system: the end was reached"
