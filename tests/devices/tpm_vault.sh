#!/bin/sh
# Vaults and the machine's TPM, checked by programs in the first sub-kernel: $1 is a block device of 16 MiB. What there is to see depends on what
# it finds: an empty device (the first start), a vault that opens (another start in the same state), or one that does not (another TPM).
DEVICE=$1
say() { if [ "$2" = 0 ]; then echo "ok $1"; else echo "not ok $1 - $3"; fi; }
run() { # NAME STATUS WORD-THAT-IT-SAYS COMMAND...
	name=$1 want=$2 word=$3; shift 3
	output=$("$@" 2>&1 4</two 5</words </dev/null); got=$?
	case $output in *"$word"*) ;; *) got="$got without '$word'" ;; esac
	[ "$got" = $want ]; say "$name" $? "status $got, not $want: $output"
}
open() { name=$1 want=$2 word=$3; shift 3; run "$name" $want "$word" vault open $DEVICE v "$@"; [ $want != 0 ] || vault close v; }
take() { dd if=/dev/block/$DEVICE of=$1 bs=4096 count=$2 2>/dev/null; }
back() { dd if=$1 of=/dev/block/$DEVICE bs=4096 conv=notrunc 2>/dev/null; sync; }
STATE='for another image' STALE='older than'
echo 'thirty-two bytes or more that nobody knows' >/one; echo 'battery staple' >/two; : >/words; mkdir -p /mnt

found=$(vault open $DEVICE v --machine 2>&1 </dev/null) && {
	vault mount v /mnt; [ "$(cat /mnt/file)" = kept ]; say 'after another start in the same state it opens, and has what it had' $? "$(ls -l /mnt)"
	umount /mnt; vault close v; echo 'the end'; exit
}
case $found in *"no vault"*) ;; *)
	open 'on another TPM its key is not there' 3 "$STATE" --machine
	open 'and its anchor neither' 3 "$STALE" --key-file /one
	open 'not to look, too' 3 "$STALE" --key-file /one --read-only
	run 'to take it as it is' 0 '' vault open $DEVICE v --key-file /one --unanchored
	vault mount v /mnt; [ "$(cat /mnt/file)" = kept ]; say 'it has what it had' $? "$(ls -l /mnt)"
	umount /mnt; vault close v
	open 'from then on it is as any' 0 '' --key-file /one
	open 'it is anchored here' 0 '' --key-file /one --anchor
	open 'and known' 0 '' --key-file /one
	echo 'the end'; exit ;;
esac

# ---- The first start ----
run 'a vault is made that the TPM opens' 0 '' vault create $DEVICE --machine
run 'it opens' 0 '' vault open $DEVICE v --machine
run 'it is anchored' 0 ', anchored' vault ls
vault mount v /mnt; echo kept >/mnt/file; umount /mnt
run 'a key file, too' 0 '' vault key add v --key-file /one --label one
run 'a passphrase with the TPM' 0 '' vault key add v --passphrase-fd 4 --machine
vault key add v --words --machine >/words 2>/dev/null </dev/null; say 'words with the TPM' $?
run 'three together are none' 3 '' vault key add v --words --machine --key-file /one
run 'what opens it' 0 "passphrase and the machine's TPM" vault key v
run 'all of it' 0 "recovery words and the machine's TPM" vault key v
vault close v
open 'the key file opens it' 0 '' --key-file /one
open 'that of two does not alone' 3 'nothing that was given' --passphrase-fd 4
open 'nor the words' 3 'nothing that was given' --words-fd 5

# An old state of the device is put back, then an old header with a key that is gone.
take /old 4096
run 'the TPM alone opens it' 0 '' vault open $DEVICE v --machine
vault mount v /mnt; echo more >/mnt/more; umount /mnt; vault close v
take /new 4096
back /old
open 'an old state is refused' 3 "$STALE" --machine
open 'by the key file, too' 3 "$STALE" --key-file /one
open 'and for reading' 3 "$STALE" --machine --read-only
open 'not so where it is taken as it is' 0 '' --machine --anchor
back /new
open 'the new one opens' 0 '' --machine
take /header 4
run 'a key is removed' 0 '' sh -c "vault open $DEVICE v --machine && vault key remove v --slot 2 --yes && vault close v"
back /header
open 'the header that had it is refused' 3 "$STALE" --key-file /one
open 'whatever opens it' 3 "$STALE" --machine
run 'it is taken as it is' 0 '' vault open $DEVICE v --machine --anchor
run 'new keys, of a passphrase with the TPM' 0 '' vault rekey v --machine --passphrase-fd 4 --yes
vault close v
open 'both open it' 0 '' --machine --passphrase-fd 4
open 'the TPM alone does not' 3 'nothing that was given' --machine
open 'the old key no more' 3 'nothing that was given' --key-file /one
run 'more keys' 0 '' sh -c "vault open $DEVICE v --machine --passphrase-fd 4 && vault key add v --key-file /one && vault key add v --machine && vault close v"

# The machine is in another state.
/check extend
open 'in another state the TPM does not open it' 3 "$STATE" --machine
open 'the key file does, and the anchor holds' 0 '' --key-file /one
run 'a key for this state' 0 '' sh -c "vault open $DEVICE v --key-file /one && vault key add v --machine && vault close v"
open 'opens it' 0 '' --machine
echo 'the end'
