# Runs in a sub-kernel whose root lies over a vault: checks what earlier runs left, LAST being the last number that was known to be
# synced, then writes on until the machine is killed.
mkdir -p /data
whole() { [ "$(sort -u "$1" | wc -l)" = 1 ] && [ "$(wc -l <"$1")" = 200 ] && [ "$(head -1 "$1")" = "$2" ]; }
n=$((LAST > 40 ? LAST - 40 : 1))
while [ $n -le "$LAST" ]; do
	whole /data/f$n $n || echo "bad: /data/f$n, which was synced"
	whole /data/r$n $n || echo "bad: /data/r$n, which was renamed before a sync"
	[ -e /data/gone$n ] && echo "bad: /data/gone$n, which was removed before a sync"
	n=$((n+1))
done
for file in /data/r*; do
	[ -e "$file" ] && { whole "$file" "${file#/data/r}" || echo "bad: $file is there in part"; }
done
[ "$LAST" = 0 ] || [ "$(cat /etc/hostname)" -ge "$LAST" ] || echo "bad: the changed file of the image is $(cat /etc/hostname)"
[ "$LAST" = 0 ] || [ ! -e /etc/hosts ] || echo "bad: the removed file of the image is there"
rm -f /data/tmp* /etc/hosts
# The latest few hundred are kept, so that the last check takes no longer than the first.
for file in /data/r*; do
	n=${file#/data/r}
	[ -e "$file" ] && [ "$n" -lt $((LAST - 300)) ] && rm -f /data/f$n "$file"
done
echo "checked $LAST"
n=$((LAST + 1))
while :; do
	i=0; while [ $i -lt 200 ]; do echo $n; i=$((i+1)); done >/data/tmp$n
	touch /data/gone$n
	mv /data/tmp$n /data/r$n
	rm /data/gone$n
	echo $n >/etc/hostname
	error=$(dd if=/data/r$n of=/data/f$n conv=fsync 2>&1) || { echo "bad: fsync:" $error; sleep 1000; }
	echo "synced $n"
	n=$((n+1))
done
