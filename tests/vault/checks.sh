#!/bin/sh
# Vaults inside Holon, checked by programs in a sub-kernel: $1 is a block device of 64 MiB that is empty, $2 another.
DEVICE=$1 SECOND=$2
say() { if [ "$2" = 0 ]; then echo "ok $1"; else echo "not ok $1 - $3"; fi; }
is() { [ "$2" = "$3" ]; say "$1" $? "it is '$2' and not '$3'"; }
run() { # NAME STATUS COMMAND...
	name=$1 want=$2; shift 2
	output=$("$@" 2>&1 </dev/null); got=$?
	[ $got = "$want" ]; say "$name" $? "status $got, not $want: $output"
}
child() { subkernel run -m 128M --vault "$1" -- sh -c "$2"; }
head -c 32 /dev/urandom >/key; head -c 32 /dev/urandom >/other; head -c 31 /dev/urandom >/short

# ---- Making, opening, closing ----
run 'ls needs no service' 0 vault ls
run 'no such device' 3 vault create nothing --key-file /key
run 'a key file that is too short' 3 vault create $DEVICE --key-file /short
run 'nothing to open on an empty device' 3 vault open $DEVICE v --key-file /key
run 'a TPM where there is none' 3 vault create $DEVICE --machine
run 'create' 0 vault create $DEVICE --key-file /key
run 'create does not overwrite' 3 vault create $DEVICE --key-file /other
run 'a wrong key' 3 vault open $DEVICE v --key-file /other
run 'a name with a slash' 3 vault open $DEVICE a/b --key-file /key
run 'open' 0 vault open $DEVICE v --key-file /key
run 'a name that is taken' 3 vault open $DEVICE v --key-file /key
run 'mount of what is not open' 3 vault mount w /mnt
mkdir -p /mnt /mnt2

# ---- A plain mount ----
vault mount v /mnt
echo one >/mnt/a; mkdir -p /mnt/d/e; echo two >/mnt/d/e/b; ln /mnt/a /mnt/hard; ln -s d/e /mnt/soft; ln -s a /mnt/short
LONG=$(printf %01365d 1 2 3); ln -s "$LONG" /mnt/long
mkfifo /mnt/fifo; mknod /mnt/node c 1 7; mknod /mnt/block b 300 70000
dd if=/dev/urandom of=/mnt/big bs=1M count=5 2>/dev/null; cp /mnt/big /big
dd if=/dev/zero of=/mnt/sparse bs=1 count=1 seek=100000000 2>/dev/null
chown 12:34 /mnt/d/e/b; chmod 4751 /mnt/d/e/b; touch -d '2001-02-03 04:05:06' /mnt/d/e/b
i=0; mkdir /mnt/many; while [ $i -lt 300 ]; do echo $i >/mnt/many/file-with-a-rather-long-name-$i; i=$((i+1)); done
run 'another session cannot have what is open for writing' 3 vault mount v:d /mnt2
run 'close while it is mounted' 3 vault close v
exec 5>>/mnt/a; mount -o remount,ro /mnt 2>/dev/null; say 'nothing becomes read-only under who writes to it' $((! $?)); exec 5>&-
umount /mnt; say 'unmount' $?
run 'scrub' 0 vault scrub v
run 'close' 0 vault close v
before=$(md5sum </dev/block/$DEVICE); vault open $DEVICE v --key-file /key --alone && vault close v
is 'a vault that was only open is as it was' "$(md5sum </dev/block/$DEVICE)" "$before"
run 'open again' 0 vault open /dev/block/$DEVICE v --key-file /key
vault mount v /mnt
is 'contents' "$(cat /mnt/a /mnt/soft/b /mnt/hard)" "$(printf 'one\ntwo\none')"
is 'a hard link is one file' "$(stat -c %i /mnt/a)/$(stat -c %h /mnt/a)" "$(stat -c %i /mnt/hard)/2"
is 'mode, owner, time' "$(stat -c '%a %u %g %Y' /mnt/d/e/b)" '4751 12 34 981173106'
is 'special files' "$(stat -c '%F %t %T' /mnt/fifo /mnt/node /mnt/block)" "$(printf 'fifo 0 0\ncharacter special file 1 7\nblock special file 12c 11170')"
cmp /big /mnt/big; say 'five MiB' $?
is 'a sparse file' "$(stat -c %s /mnt/sparse) $(tail -c 3 /mnt/sparse | od -An -tx1)" '100000001  00 00 00'
is 'a directory of 300' "$(ls /mnt/many | wc -l) $(cat /mnt/many/* | sort -n | md5sum)" "300 $(seq 0 299 | md5sum)"
is 'the targets of links, a long one and then a short one' "$(readlink /mnt/soft; readlink /mnt/short)" "$(printf 'd/e\na')"
! truncate -s 2000G /mnt/sparse 2>/dev/null && dd if=/dev/zero of=/mnt/sparse bs=1 count=1 seek=17592186044416 conv=notrunc 2>&1 | grep -q 'too large'
say 'a file of more than 1 TiB is refused as too large' $?
is 'a target of 4,095 bytes' "$(readlink /mnt/long)" "$LONG"
blocks() { stat -c %b "$@" | tr '\n' ' '; }
big=$(blocks /mnt/big); sparse=$(blocks /mnt/sparse); [ $sparse -ge 8 ] && [ $sparse -lt 64 ]; say 'a sparse file takes its blocks alone' $? "$sparse"
[ $big -ge 10240 ] && [ $big -lt 10400 ]; say 'a file takes those of its contents' $? "$big"
echo a >/mnt/tiny; tiny=$(blocks /mnt/tiny); sync; umount /mnt; vault mount v /mnt
[ $tiny -gt 0 ] && [ $(blocks /mnt/tiny) -gt 0 ]; say 'one of some bytes is no hole, before and after it is written back' $? "$tiny$(blocks /mnt/tiny)"
fallocate -l 1000000 /mnt/tiny; is 'room that is asked for' "$(blocks /mnt/tiny)" '1960 '
truncate -s 9000000 /mnt/big2; is 'a hole takes none' "$(blocks /mnt/big2)" '0 '
dd if=/big of=/mnt/big2 bs=64k count=4 conv=notrunc 2>/dev/null; is 'what is written takes blocks at once' "$(blocks /mnt/big2)" '512 '
sync; is 'and when it is written back' "$(blocks /mnt/big2)" '512 '
truncate -s 100000 /mnt/big2; is 'and fewer when it is cut' "$(blocks /mnt/big2)" '200 '; rm /mnt/tiny /mnt/big2
rm /mnt/short /mnt/long
mv /mnt/d /mnt/d2; rm /mnt/hard; echo more >>/mnt/a; : >/mnt/big; rm -r /mnt/many
umount /mnt; vault mount v /mnt
is 'moved, removed, appended, cut' "$(cat /mnt/d2/e/b /mnt/a; stat -c '%h %s' /mnt/a /mnt/big; ls /mnt)" \
	"$(printf 'two\none\nmore\n1 9\n1 0\na\nbig\nblock\nd2\nfifo\nnode\nsoft\nsparse')"
echo once >/mnt/unread; umount /mnt; vault mount v /mnt; echo twice >>/mnt/unread; umount /mnt; vault mount v /mnt
is 'appended to what was not read' "$(cat /mnt/unread)" "$(printf 'once\ntwice')"
rm /mnt/unread
umount /mnt
run 'a subtree' 0 vault mount v:d2/e /mnt --read-only
is 'a subtree shows its own' "$(ls /mnt; cat /mnt/b)" "$(printf 'b\ntwo')"
echo x 2>/dev/null >/mnt/b; say 'read-only' $((! $?)) 'it was written'
run 'two read-only sessions' 0 vault mount v /mnt2 --read-only
umount /mnt2; umount /mnt

again() { umount /mnt; vault mount v /mnt; }

# ---- One file at random against a model ----
vault mount v /mnt
run 'a file at random' 0 /exercise /mnt/exercise 1 1500
is 'with all operations' "$(/exercise /mnt/exercise 2 1500; /exercise /in-memory 3 1500)" "$(printf 'ok exercise: 1500 operations\nok exercise: 1500 operations')"; rm /in-memory
/exercise /mnt/holed punch 4096 61440; again; is 'a hole that goes to the end leaves the size' "$(stat -c %s /mnt/holed)/$(tail -c 61440 /mnt/holed | tr -d '\0' | wc -c)" 65536/0; rm /mnt/holed
/exercise /mnt/holed punch 4096 61000; again; is 'and takes nothing, where nothing of it was written back' "$(stat -c '%s %b' /mnt/holed)" '65096 8'; rm /mnt/holed
printf kept >/mnt/large; truncate -s 200G /mnt/large 2>/dev/null; again; is 'a size that cannot be here is not in the vault' "$(stat -c %s /mnt/large) $(cat /mnt/large)" '4 kept'; rm /mnt/large
cp /mnt/exercise /exercised; umount /mnt; vault mount v /mnt
cmp /exercised /mnt/exercise; say 'it is the same when it is mounted again' $?
rm /mnt/exercise /exercised
exec 5>/mnt/nameless; dd if=/dev/zero bs=64k >&5 2>/dev/null; rm /mnt/nameless; exec 5>&-
dd if=/dev/zero of=/mnt/after bs=1M count=40 2>/dev/null; say 'the room of a file without a name is free when it is closed' $? "$(stat -c %s /mnt/after)"; rm /mnt/after; umount /mnt

# ---- Names that are looked at one after the other: what several of them stand for is asked for in one ----
mix() { # files, directories, pipes, links of both kinds
	i=0; while [ $i -lt 150 ]; do
		head -c $((i * 30)) /big >file-$i; chmod $((600 + i % 8)) file-$i
		case $((i % 10)) in 3) ln -s file-$i soft-$i;; 5) ln file-$i hard-$i;; 6) mkdir -m $((700 + i % 8)) below-$i;; 7) mkfifo fifo-$i;; esac
		i=$((i+1)); done
}
vault mount v /mnt; mkdir /mnt/mix; (cd /mnt/mix; mix; ls -lin >/made); again
is 'what names stand for' "$(ls -lin /mnt/mix | diff - /made && wc -l </made)" 211; again
rm -r /mnt/mix/*-*[35]; touch /mnt/mix/new; ls -lin /mnt/mix >/made; again; ls /mnt/mix >/dev/null; chmod 444 /mnt/mix/file-9*; rm /mnt/mix/file-8*
is 'where some go meanwhile' "$(ls -lin /mnt/mix | grep -v ^total | diff - /made | grep -c '^+.*file-8')/$(ls -lin /mnt/mix | grep -c 'r--r--r--.*file-9')" 9/9
rm -r /mnt/mix; umount /mnt
child v:mix 'cd /usr/bin; rm [m-q]* [t-x]*; i=0; while [ $i -lt 60 ]; do echo $i >new-$i; i=$((i+1)); done; ls -lin >/made'
is 'beside names of the image, and some that were removed' "$(child v:mix 'cd /usr/bin; ls -lin | diff - /made && grep -c new- /made; ls -d t* 2>/dev/null')" 60

# ---- Who waits for a pipe's other side does not keep what its way there lay on ----
mkfifo /pipe; vault mount v /mnt; ln -s /pipe /mnt/way; umount /mnt; vault mount v /mnt
cat /mnt/way >/dev/null & reader=$!
until [ "$(cat /proc/$reader/comm)" = cat ] && grep -q 'State:.S' /proc/$reader/status; do sleep 0.1; done
run 'unmounted while one waits for a pipe that it found by a link there' 0 timeout 60 umount /mnt
: <>/pipe; wait $reader; umount /mnt 2>/dev/null; vault mount v /mnt; rm /mnt/way /pipe; umount /mnt

# ---- Extended attributes, in a plain mount and on a file of the image ----
vault mount v /mnt; : >/mnt/attributes
run 'attributes are set' 0 /attributes set /mnt/attributes
umount /mnt; vault mount v /mnt
run 'attributes stay' 0 /attributes check /mnt/attributes
rm /mnt/attributes; cp /attributes /mnt/program; umount /mnt
child v:x 'true'; vault mount v /mnt; cp /attributes /mnt/x/root/attributes; umount /mnt
child v:x '/attributes set /etc/passwd'; is 'attributes of a file of the image stay' "$(child v:x '/attributes check /etc/passwd && echo yes')" yes

# ---- Access control lists, in a plain mount, and where the image is below ----
vault mount v /mnt; mkdir -m 755 /mnt/lists
run 'access control lists are set' 0 /attributes lists /mnt/lists
run 'access control lists count' 0 /attributes check-lists /mnt/lists
umount /mnt; vault mount v /mnt
run 'access control lists stay' 0 /attributes check-lists /mnt/lists
rm -r /mnt/lists; mkdir -m 777 /mnt/acl
run 'the rules of access control lists' 0 env ACL_IN=/mnt/acl /acl_test
rm -r /mnt/acl; cp /acl_test /mnt/x/root/; umount /mnt
child v:x 'mkdir -m 777 /acl; ACL_IN=/acl /acl_test >/acl.log && rm -r /acl; /attributes default /usr; chmod 750 /usr/bin'
is 'what is only in the image inherits no list' "$(child v:x '/attributes plain /usr/bin && stat -c %a /usr/bin')" 750
is 'the rules of access control lists over the image' "$(child v:x 'test -d /acl; echo $?; rm /acl.log /acl_test')" 1

# ---- A program that is killed with its sub-kernel after writes that were to be durable ----
vault mount v /mnt; cp /durable /mnt/x/root/durable; umount /mnt
killed=$(subkernel run --detach -n durable -m 128M --vault v:x -- /durable /)
i=0; while [ $i -lt 600 ] && ! subkernel logs durable | grep -q written; do i=$((i+1)); sleep 0.1; done
subkernel kill "$killed"
vault mount v /mnt
is 'O_DSYNC, O_SYNC, RWF_DSYNC, a copy into such a file and msync outlast the sub-kernel' "$(cd /mnt/x/root; cat dsync sync rwf copied mapped)" "$(printf 'dsync\nsync\nrwf\ncopied\nmapped')"
umount /mnt

# ---- A file written through a mapping, and one that is used after its name has gone ----
vault mount v /mnt
cp /bin/busybox /mnt/busybox
is 'a program of the vault runs' "$(/mnt/busybox echo yes)" yes
exec 5<>/mnt/nameless; echo before >&5; rm /mnt/nameless; echo after >&5
is 'a file without a name' "$(cat /proc/self/fd/5 | tail -1)" after
exec 5>&-
umount /mnt; say 'unmount after a nameless file' $?

# ---- A root over the vault ----
is 'the image shows through' "$(child v:r 'ls /bin/busybox; cat /etc/hostname')" "$(printf '/bin/busybox\n%s' "$(cat /etc/hostname)")"
child v:r 'echo changed >/etc/hostname; rm /etc/hosts /etc/group; mkdir -p /opt/p/q; echo new >/opt/p/q/f; mv /usr/bin/vault /usr/bin/v2
	mkdir /etc/hosts; echo in >/etc/hosts/x; chmod 700 /usr/bin/subkernel; ln /etc/passwd /etc/passwd2; mkdir -p /srv/s; echo group >/etc/group
	rm /etc/nsswitch.conf; stat -c %i /etc/passwd /usr/bin/subkernel >/inodes; mv /opt/p /opt/r'
is 'changes stay' "$(child v:r 'cat /etc/hostname /etc/hosts/x /opt/r/q/f /etc/group; ls /etc/nsswitch.conf /usr/bin/vault 2>&1 | wc -l; stat -c %a /usr/bin/subkernel; stat -c %h /etc/passwd2; ls /opt /srv')" \
	"$(printf 'changed\nin\nnew\ngroup\n2\n700\n2\n/opt:\nr\n\n/srv:\ns')"
is 'inode numbers stay' "$(child v:r 'stat -c %i /etc/passwd /usr/bin/subkernel | diff - /inodes && echo same')" same
child v:r 'rm -r /etc/hosts /opt/r; cp /bin/busybox /etc/hosts; mkdir /etc/nsswitch.conf; rm -r /srv; mkdir /srv; touch /srv/t; echo -n x >>/etc/passwd'
is 'removed and made anew' "$(child v:r 'cmp /etc/hosts /bin/busybox && echo same; ls -d /etc/nsswitch.conf; ls /srv /opt; stat -c %h /etc/passwd; tail -c1 /etc/passwd2')" \
	"$(printf 'same\n/etc/nsswitch.conf\n/opt:\n\n/srv:\nt\n2\nx')"
is 'another root of the same vault' "$(child v:other 'cat /etc/hostname; ls /etc/hosts')" "$(printf '%s\n/etc/hosts' "$(cat /etc/hostname)")"
is 'nothing is left in work' "$(vault mount v /mnt; ls /mnt/r/work /mnt/other/work; umount /mnt)" "$(printf '/mnt/other/work:\n\n/mnt/r/work:')"
is 'grant, read-only' "$(vault grant v:r --read-only -- sh -c 'cat /etc/hostname; (echo x >/etc/hostname) 2>/dev/null || echo refused')" "$(printf 'changed\nrefused')"
is 'a directory of the image moves by copies' "$(child v:r 'mv /usr/bin /usr/bin2 && ls -d /usr/bin /usr/bin2/v2 2>/dev/null; mv /usr/bin2 /usr/bin; ls -d /usr/bin /usr/bin/v2')" "$(printf '/usr/bin2/v2\n/usr/bin\n/usr/bin/v2')"

# ---- Snapshots ----
run 'snapshot' 0 vault snapshot v before
child v:r 'echo later >/etc/hostname; rm -r /usr/bin'
is 'list of snapshots' "$(vault snapshot v | sed 's/.* //')" before
run 'back asks' 3 vault back v before
run 'back' 0 vault back v before --yes
is 'what was before' "$(child v:r 'cat /etc/hostname; ls /usr/bin/v2')" "$(printf 'changed\n/usr/bin/v2')"
vault close v; vault open $DEVICE v --key-file /key --snapshot before; vault mount v /mnt --read-only
is 'a snapshot opens read-only' "$(cat /mnt/r/root/etc/hostname; vault mount v /mnt2 2>&1 | grep -c read-only)" "$(printf 'changed\n1')"
umount /mnt; vault close v; vault open $DEVICE v --key-file /key
run 'forget' 0 vault forget v before --yes

# ---- Keys, growth, mirrors ----
is 'slots' "$(vault key v)" 'slot 1: secret file, vault'
run 'a second key' 0 vault key add v --key-file /other --label second
vault key add v --words >/words; is 'recovery words are drawn' "$(tr -cd - </words | wc -c)" 8
is 'slots are listed' "$(vault key v | sed 's/: .*//')" "$(printf 'slot 1\nslot 2\nslot 3')"
run 'removing asks' 3 vault key remove v --slot 1
run 'the first key goes' 0 vault key remove v --slot 1 --yes
run 'there is no such slot' 3 vault key remove v --slot 9 --yes
run 'a key is needed' 3 vault key add v
vault close v
run 'it opens no more' 3 vault open $DEVICE v --key-file /key
vault open $DEVICE v --words-fd 5 5</words; say 'recovery words open' $?; vault close v
run 'the second key opens' 0 vault open $DEVICE v --key-file /other
run 'it is changed back' 0 vault key change v --slot 2 --key-file /key
is 'growth' "$(vault mount v /mnt; vault grow v --size 300G; df -k /mnt | awk 'NR > 1 { print ($2 > 310000000 ? "grown" : $2) }'; umount /mnt)" grown
run 'a vault does not shrink' 3 vault grow v --size 1G
run 'a mirror on itself' 3 vault mirror v $DEVICE
vault create $SECOND --key-file /other; run 'a mirror over another vault' 3 vault mirror v $SECOND
run 'a mirror' 0 vault mirror v $SECOND --erase --yes
vault mount v /mnt; echo mirrored >/mnt/mirrored; sync
vault ls | grep -q 'mirrored'; say 'a mirror is listed' $?
umount /mnt; run 'scrub of a mirror' 0 vault scrub v; vault close v
run 'the mirror opens alone' 0 vault open $SECOND m --key-file /key --read-only
vault mount m /mnt --read-only; is 'and has everything' "$(cat /mnt/mirrored /mnt/a)" "$(printf 'mirrored\none\nmore')"; umount /mnt; vault close m
is 'the first opens again, and finds its mirror' "$(vault open $DEVICE v --key-file /key 2>&1)" "vault: $SECOND: is a leg of it, too"
is 'which is not behind' "$(vault ls | grep -c 'mirrored$')" 1
run 'a leg is taken once' 3 vault mirror v $SECOND
vault close v; run 'open without it' 0 vault open $DEVICE v --key-file /key --alone
vault mount v /mnt; echo alone >/mnt/alone; dd if=/dev/urandom of=/mnt/some bs=64k count=40 2>/dev/null; umount /mnt; vault close v
is 'one that is behind is left to a person' "$(vault open $DEVICE v --key-file /key 2>&1 | grep -c 'lacks something')" 1
run 'who fills it' 0 vault mirror v $SECOND
is 'then it is not behind' "$(vault ls | grep -c 'mirrored$')" 1
vault close v; vault open $SECOND m --key-file /key --alone; vault mount m /mnt
is 'with what it had missed' "$(cat /mnt/alone; wc -c </mnt/some)" "$(printf 'alone\n2621440')"; rm /mnt/some; umount /mnt; vault close m
vault open $DEVICE v --key-file /key --alone; vault mount v /mnt; rm /mnt/some; umount /mnt
run 'one that was written apart is refused' 3 vault mirror v $SECOND
dd if=/dev/zero of=/dev/block/$SECOND bs=64k count=1 2>/dev/null

# ---- Quotas ----
vault mount v /mnt; mkdir -p /mnt/q/below; for n in 1 2 3; do echo $n >/mnt/q/below/$n; done; umount /mnt
is 'a quota' "$(vault quota v:q --size 2M --files 10)" '0 of 2097152 bytes, 1 of 10 files (0: no limit)'
vault mount v:q /mnt
dd if=/dev/zero of=/mnt/large bs=64k count=64 2>/tmp/err; grep -q 'quota' /tmp/err; say 'is an error of write' $? "$(cat /tmp/err)"
sync; n=0; while [ $n -lt 12 ]; do touch /mnt/file$n 2>/dev/null; n=$((n+1)); done
[ "$(ls /mnt | wc -l)" -lt 9 ]; say 'and of creation' $? "$(ls /mnt)"
run 'no quota below one' 3 vault quota v:q/below --size 1M
is 'df tells it' "$(df -k /mnt | awk 'NR > 1 { print $2 }')" 2048
setfattr -n user.holonfs.quota -v '0 0' /mnt 2>/dev/null; rm /mnt/large /mnt/file*; umount /mnt
is 'what was there is counted' "$(vault quota v:q | sed 's/.* bytes, //')" '5 of 10 files (0: no limit)'
is 'it is lifted' "$(vault quota v:q --size 0 --files 0 | sed 's/.* bytes, //')" '5 of 0 files (0: no limit)'

# ---- New keys ----
vault mount v /mnt; dd if=/dev/urandom of=/mnt/rekeyed bs=64k count=100 2>/dev/null; sum=$(md5sum </mnt/rekeyed)
run 'new keys ask' 3 vault rekey v --key-file /other
vault snapshot v kept; run 'new keys, with a snapshot' 0 vault rekey v --key-file /other --yes
is 'while it is mounted' "$(md5sum </mnt/rekeyed)" "$sum"; umount /mnt; vault close v
run 'the old key opens no more' 3 vault open $DEVICE v --key-file /key
run 'the new one does' 0 vault open $DEVICE v --key-file /other
vault mount v /mnt; is 'and everything is there' "$(md5sum </mnt/rekeyed)" "$sum"; rm /mnt/rekeyed; umount /mnt
run 'and in the snapshot' 0 vault back v kept --yes; vault forget v kept --yes
vault mount v /mnt; is 'too' "$(md5sum </mnt/rekeyed)" "$sum"; rm /mnt/rekeyed; umount /mnt
run 'nothing is to be continued' 0 vault rekey v --continue
run 'and back' 0 vault rekey v --key-file /key --yes
run 'scrub after new keys' 0 vault scrub v

# ---- A full device ----
vault mount v /mnt
dd if=/dev/urandom of=/mnt/fill bs=64k count=2000 2>/tmp/err; grep -q 'No space' /tmp/err; say 'a full device is ENOSPC of write' $? "$(cat /tmp/err)"
sync; say 'what was written before is synced' $?
size=$(stat -c %s /mnt/fill); [ "$size" -gt 20000000 ]; say 'most of the device was used' $? "$size bytes"
md5sum </mnt/fill >/sum; umount /mnt; vault mount v /mnt
is 'and all of it is there' "$(md5sum </mnt/fill)" "$(cat /sum)"
umount /mnt; child v:full 'for file in $(find /usr /etc -type f); do touch $file; done 2>/dev/null'; vault mount v /mnt
rm /mnt/fill && sync; say 'copies of the image that find no room end nothing' $?
dd if=/dev/urandom of=/mnt/again bs=64k count=300 2>/tmp/err; say 'there is room again' $? "$(cat /tmp/err)"
umount /mnt; run 'scrub of a device that was full' 0 vault scrub v

# ---- Shared mappings, and room, on a vault of its own ----
vault create $SECOND --key-file /other --erase --yes; vault open $SECOND w --key-file /other --alone; vault mount w /mnt
/room full /mnt
/room race /mnt /raced; umount /mnt; vault mount w /mnt
cmp /raced /mnt/raced; say 'what was written through mappings is there when it is mounted again' $?
rm /raced /mnt/raced; mkdir /mnt/a /mnt/b; umount /mnt; vault mount w:a /mnt; vault mount w:b /mnt2
(ulimit -f 2048; dd if=/dev/zero of=/mnt/part bs=60M count=1 2>/dev/null); dd if=/dev/zero of=/mnt2/other bs=1M count=30 2>/tmp/err
say 'a write that is cut short asks for no more room than it uses' $? "$(stat -c %s /mnt/part /mnt2/other) $(cat /tmp/err)"
umount /mnt; umount /mnt2; vault close w

# ---- Ends ----
vault mount v /mnt; echo kept >/mnt/kept; sync
run 'close by force' 0 vault close v --force
cat /mnt/a >/dev/null 2>&1; ls /mnt/d2/e >/dev/null 2>&1; say 'what was cached may be read, the rest is an error and no hang' 0
echo x 2>/dev/null >/mnt/new; say 'a closed vault takes nothing' $((! $?)) 'it was written'
umount /mnt; say 'unmount of a closed vault' $?
vault open $DEVICE v --key-file /key; vault mount v /mnt
is 'what was synced is there' "$(cat /mnt/kept)" kept
number=$(subkernel ls | awk '$2 == "vault" { print $1 }')
subkernel kill "$number"
echo x 2>/dev/null >/mnt/new2; say 'a killed service is an error' $((! $?)) 'it was written'
umount /mnt; say 'unmount after the service was killed' $?
run 'a new service opens it' 0 vault open $DEVICE v --key-file /key
vault mount v /mnt; is 'and has what was synced' "$(cat /mnt/kept)" kept; umount /mnt
sh -c "subkernel run -m 128M --vault v:k -- sh -c 'echo synced >/s; sync; echo ready; sleep 1000' >/tmp/out" &
while ! grep -q ready /tmp/out 2>/dev/null; do sleep 0.1; done
subkernel kill "$(subkernel ls | awk '$2 == "child" { print $1 }')"; wait
is 'a killed sub-kernel leaves what it synced' "$(child v:k 'cat /s')" synced
run 'passphrases: close' 0 vault close v
echo 'a passphrase' >/pass; echo 'b passphrase' >/pass2
run 'erase asks' 3 vault create $DEVICE --passphrase-fd 5 --erase 5</pass
vault create $DEVICE --passphrase-fd 5 --erase --yes 5</pass; say 'create with a passphrase' $?
vault open $DEVICE v --passphrase-fd 5 5</pass2 2>/dev/null; is 'a wrong passphrase' $? 3
vault open $DEVICE v --passphrase-fd 5 5</pass; say 'the right passphrase' $?
vault mount v /mnt; is 'an erased vault is empty' "$(ls -A /mnt)" ''; umount /mnt

# ---- What takes long holds up nobody ----
meanwhile() { # how often a file is written and synced while a command runs; its status is in /status then
	rm -f /status; ("$@" >/dev/null 2>&1; echo $? >/status) &
	n=0
	while [ ! -s /status ]; do echo $n >/mnt/turn; sync /mnt/turn; n=$((n+1)); done
	wait
}
vault mount v /mnt
meanwhile vault key add v --passphrase-fd 5 5</pass2; is 'a key slot for a passphrase' "$(cat /status)" 0
[ "$n" -ge 3 ]; say 'while it is made files are written' $? "$n times"
vault key add v --passphrase-fd 5 --label one 5</pass & one=$!
vault key add v --passphrase-fd 5 --label two 5</pass & two=$!
run 'a list meanwhile' 0 vault ls; wait $one && wait $two; say 'two at once' $?
is 'have both' "$(vault key v | grep -c -e one -e two)" 2
run 'slots after that' 0 vault key v
dd if=/dev/urandom of=/mnt/large bs=64k count=300 2>/dev/null; sync; vault snapshot v large; rm /mnt/large; sync
used=$(df -k /mnt | awk 'NR > 1 { print $4 }')
meanwhile vault forget v large --yes; is 'forget of a large snapshot' "$(cat /status)" 0
[ "$n" -ge 2 ]; say 'while it goes files are written' $? "$n times"
[ "$(df -k /mnt | awk 'NR > 1 { print $4 }')" -gt $((used + 15000)) ]; say 'its room is back when it returns' $? "$used, $(df -k /mnt | tail -1)"
is 'what was written meanwhile is there' "$(cat /mnt/turn)" $((n - 1)); umount /mnt
run 'close at the end' 0 vault close v
run 'scrub afterwards' 0 sh -c "vault open $DEVICE v --passphrase-fd 5 5</pass2 && vault scrub v && vault close v"
echo 'the end'
