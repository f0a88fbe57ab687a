#!/bin/sh
# Runs inside a Linux sub-kernel on Holon: directories that a child shares with its parent (--volume), used as meant, by many,
# by those who mean harm, and when either side dies.
. "${0%/*}/library.sh"
mkdir -p /v/sub/deep && cd /v || exit 1
echo one > a
seq 1 20000 > sub/numbers
ln -s sub/numbers link
ln -s /etc/hostname out
mkfifo pipe
inside() { subkernel run -m 64M --volume /v:/mnt/v "$@"; }

# Both sides see what the other closed.
same "volume: a child reads" "one" "$(inside -- cat /mnt/v/a)"
same "volume: names" "$(ls -A /v)" "$(inside -- ls -A /mnt/v)"
same "volume: sizes, modes and types" "$(cd /v && stat -c '%n %s %f' a sub/numbers link pipe sub)" "$(inside -- sh -c 'cd /mnt/v && stat -c "%n %s %f" a sub/numbers link pipe sub')"
same "volume: contents" "$(md5sum < sub/numbers)" "$(inside -- md5sum /mnt/v/link | sed 's/ .*/  -/')"
same "volume: a link leads within the child" "$(subkernel run -m 32M -n child -- cat /etc/hostname 2>&1)" "$(inside -- cat /mnt/v/out 2>&1)"
check "volume: a child writes" inside -- sh -c 'echo two > /mnt/v/b; echo more >> /mnt/v/a; mkdir /mnt/v/new; mv /mnt/v/sub/deep /mnt/v/new/moved; ln /mnt/v/b /mnt/v/new/hard; rm /mnt/v/pipe'
same "volume: the parent sees it" "two one more moved hard" "$(echo $(cat b a) $(ls -d new/moved >/dev/null && echo moved) $([ new/hard -ef b ] && echo hard))"
check "volume: what was removed is gone" test ! -e pipe
head -c 3000000 /dev/urandom > /tmp/big
check "volume: three megabytes in" sh -c 'subkernel run -m 64M --volume /v:/v -- dd of=/v/big bs=64k < /tmp/big 2>/dev/null && cmp /tmp/big /v/big'
check "volume: and out" sh -c 'subkernel run -m 64M --volume /v:/v -- cat /v/big | cmp - /tmp/big'
same "volume: times are kept" 86400 "$(inside -- touch -d @86400 /mnt/v/b; stat -c %Y b)"
same "volume: modes, without set-user-ID" 711 "$(inside -- chmod 4711 /mnt/v/b; stat -c %a b)"
same "volume: owners" 7:8 "$(inside -- chown 7:8 /mnt/v/b; stat -c %u:%g b)"
same "volume: a child makes no devices in it" 1 "$(status inside -- mknod /mnt/v/null c 1 3)"
same "volume: a program runs from it" 5 "$(printf '#!/bin/sh\nexit 5\n' > run; chmod 755 run; status inside -- /mnt/v/run)"
same "volume: it is mounted" "portal /mnt/v portal rw" "$(inside -- cat /proc/mounts | grep portal | cut -d ' ' -f 1-4 | sed 's/rw,.*/rw/')"
same "volume: a tree of a thousand files" 1000 "$(inside -- sh -c 'mkdir -p /mnt/v/many/x && cd /mnt/v/many/x && for i in $(seq 1000); do echo $i > f$i; done'; ls many/x | wc -l)"
same "volume: and their contents" "$(seq 1000 | md5sum)" "$(cd many/x && for i in $(seq 1000); do cat f$i; done | md5sum)"
check "volume: removed by the child" inside -- rm -r /mnt/v/many
check "volume: all of it" test ! -e many
n=$(subkernel run --detach -n sharer -m 64M --volume /v:/v -- sleep 1000)
wait_until 'subkernel exec sharer test -e /v/a 2>/dev/null'
echo changed > a
same "volume: a change while it runs" changed "$(subkernel exec sharer cat /v/a)"
echo "changed again, longer" > a
same "volume: and the next" "changed again, longer" "$(subkernel exec sharer cat /v/a)"
mv a renamed
same "volume: a name that went" 1 "$(status subkernel exec sharer cat /v/a)"
same "volume: and its new one" "changed again, longer" "$(subkernel exec sharer cat /v/renamed)"
rm renamed && mkdir renamed
same "volume: a file that is a directory now" directory "$(subkernel exec sharer stat -c %F /v/renamed)"
rmdir renamed && echo one > a
same "volume: names come and go in a listing" "$(ls -A)" "$(subkernel exec sharer ls -A /v)"
check "volume: the child's change is there at once" sh -c 'subkernel exec sharer sh -c "echo x > /v/fresh" && [ "$(cat /v/fresh)" = x ]'
# What is mounted in it keeps the names above it known, in their new places too, and no longer than it is there.
subkernel exec sharer sh -c 'mkdir -p /v/from/mid/at /v/to && mount -t tmpfs none /v/from/mid/at && echo inner > /v/from/mid/at/f && mv /v/from/mid /v/to/mid'
same "volume: a mount moves with its directory" inner "$(subkernel exec sharer cat /v/to/mid/at/f)"
mv to away
same "volume: the names above it stay known" inner "$(subkernel exec sharer cat /v/to/mid/at/f)"
rmdir from && echo file > from
same "volume: those that were above it do not" "regular file" "$(subkernel exec sharer stat -c %F /v/from)"
mv away to
check "volume: it goes from its new place" subkernel exec sharer umount /v/to/mid/at
mv to away && echo file > to
same "volume: and its names with it" "regular file" "$(subkernel exec sharer stat -c %F /v/to)"
rm -r from to away
m=$(subkernel run --detach -n second -m 64M --volume /v:/v -- sleep 1000)
wait_until 'subkernel exec second test -e /v/a 2>/dev/null'
check "volume: two children" sh -c 'subkernel exec sharer sh -c "echo from one > /v/between" && [ "$(subkernel exec second cat /v/between)" = "from one" ]'
subkernel kill "$m"

# Read-only, several, refused
same "volume: read-only reads" one "$(subkernel run -m 64M --volume /v:/v:ro -- cat /v/a)"
for change in 'echo x > /v/a' 'rm /v/a' 'mkdir /v/d' 'mv /v/a /v/c' 'chmod 0 /v/a' 'touch /v/new2' 'ln -s x /v/y' 'mount -o remount,rw /v && echo x > /v/a'; do
	check "volume: read-only refuses: $change" sh -c "! subkernel run -m 64M --volume /v:/v:ro -- sh -c '$change'"
done
same "volume: and nothing changed" one "$(cat a)"
mkdir -p /w && echo w > /w/w
same "volume: several" "one w" "$(echo $(subkernel run -m 64M --volume /v:/v:ro --volume /w:/x/y/z -- cat /v/a /x/y/z/w))"
same "volume: through two sub-kernels" one "$(subkernel run -m 128M --volume /v:/v -- subkernel run -m 32M --volume /v:/again -- cat /again/a)"
check "volume: and written" sh -c "subkernel run -m 128M --volume /v:/v -- subkernel run -m 32M --volume /v:/again -- sh -c 'echo deep > /again/deep' && [ \$(cat /v/deep) = deep ]"
for bad in /v /v: :/v /v:relative /v:/ /none:/v /v/a:/v "/v:/$(printf 'n%.0s' $(seq 100))"; do
	same "volume: $bad is refused" 2 "$(status subkernel run -m 32M --volume "$bad" -- true)"
done
same "volume: nine are too many" 2 "$(status subkernel run -m 64M $(for i in 1 2 3 4 5 6 7 8 9; do echo "--volume /w:/w$i"; done) -- true)"
same "volume: eight are not" 0 "$(status subkernel run -m 64M $(for i in 1 2 3 4 5 6 7 8; do echo "--volume /w:/w$i"; done) -- true)"
same "volume: a native tree has none" 2 "$(status subkernel run -m 8M --profile native --volume /v:/v)"

# Nothing else of the parent's
mkdir -p /secret && echo secret > /secret/s && ln -s /secret /v/way && ln -s ../secret /v/way2
same "volume: no way out by links or dots" 0 "$(inside -- sh -c 'cat /mnt/v/way/s /mnt/v/way2/s /mnt/v/../secret/s /mnt/v/../../secret/s 2>&1' | grep -c '^secret')"
mount -t tmpfs none /v/sub && echo hidden > /v/sub/h
same "volume: what is mounted below is not in it" 1 "$(status inside -- cat /mnt/v/sub/h)"
umount /v/sub
rm /v/way /v/way2

# The rights are those of who shares it.
mkdir -p /u && echo mine > /u/mine && chmod 600 /u/mine && chmod 777 /u && chown 1000 /u
cat > /as-user.sh <<'X'
subkernel run -m 64M --volume /u:/u -- sh -c 'cat /u/mine; echo x > /u/made; chown 0 /u/made; echo end'
X
if command -v setuidgid >/dev/null; then
	same "volume: a user without rights gives none" "end" "$(setuidgid 1000 sh /as-user.sh 2>/dev/null)"
	same "volume: what is made is that user's" 1000 "$(stat -c %u /u/made 2>/dev/null)"
fi

# The end of either side
subkernel exec sharer sh -c 'exec 3< /v/sub/numbers; head -c 1 <&3; touch /tmp/open; while [ ! -e /tmp/go ]; do sleep 0.1; done; cat /v/sub/numbers | wc -c; cat /v/b; echo x > /v/b; ls /v; echo status $?; echo alive' > /tmp/said 2>&1 & e=$!
wait_until 'subkernel exec sharer test -e /tmp/open 2>/dev/null'
server=$(for p in /proc/[0-9]*; do tr '\0' ' ' < $p/cmdline 2>/dev/null | grep -q 'volume /v:/v' && ls -l $p/fd 2>/dev/null | grep -q portal && echo ${p#/proc/}; done)
check "volume: who serves it is a process of the parent's" test -n "$server"
kill -9 $server
subkernel exec sharer touch /tmp/go
wait $e
check "volume: without it the child gets I/O errors" test "$(grep -c "Input/output error" /tmp/said)" -ge 3
check "volume: and goes on" grep -q alive /tmp/said
subkernel kill "$n"
for i in $(seq 8); do
	n=$(subkernel run --detach -m 64M --volume /v:/v -- sh -c 'while :; do echo x > /v/loop.new; mv /v/loop.new /v/loop; cat /v/loop /v/sub/numbers > /dev/null; ls /v > /dev/null; done')
	[ $((i % 2)) = 0 ] && wait_until 'test -e /v/loop' && sleep 0.3
	subkernel kill "$n"
done
wait_until '[ "$(ls /proc | grep -c "^[0-9]")" -lt 12 ]'
same "volume: a child that is killed takes the server with it" 0 "$(for p in /proc/[0-9]*; do tr '\0' ' ' < $p/cmdline 2>/dev/null | grep 'volume /v:/v'; done | wc -l)"
same "volume: and its parent has what was written" x "$(cat /v/loop)"
# A server that stands still holds up its own child alone.
n=$(subkernel run --detach -n stopped -m 64M --volume /v:/v -- sh -c 'while :; do cat /v/sub/numbers > /dev/null; ls /v >/dev/null; done')
wait_until 'subkernel exec stopped test -e /v/a 2>/dev/null'
server=$(for p in /proc/[0-9]*; do tr '\0' ' ' < $p/cmdline 2>/dev/null | grep -q 'volume /v:/v' && ls -l $p/fd 2>/dev/null | grep -q portal && echo ${p#/proc/}; done)
kill -STOP $server
sleep 1
same "volume: a server that stands still: others go on" here "$(subkernel run -m 32M --volume /w:/w -- echo here)"
check "volume: and its child can be killed" subkernel kill "$n"
same "none is left" 1 "$(subkernel ls | awk 'NR > 1' | wc -l)"
/withdraw_check
before=$(used)
for i in 1 2 3 4 5 6; do inside -- cat /mnt/v/a > /dev/null; done
came_back "volume: every page came back" "$before"
echo "ok system: the end was reached"
