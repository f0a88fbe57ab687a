# Writes files on the file system at /mnt for ever, and says what is synced; first checks that all up to LAST are there. A file's
# name is its number, and its contents the number over and over.
i=1
while [ $i -le "$LAST" ]; do
	if [ $((i % 3)) = 0 ]; then name=/mnt/d/$i.renamed; else name=/mnt/d/$i; fi
	set -- $(head -n 1 "$name" 2>&1) none
	[ "$1" = "$i" ] || echo "bad: $name has $*"
	lines=$(wc -l <"$name" 2>/dev/null)
	[ "$lines" = $((i * 37 % 3000 + 1)) ] || echo "bad: $name has $lines lines"
	i=$((i + 1))
done
echo "checked $LAST"
mkdir -p /mnt/d
i=$((LAST + 1))
while true; do
	rm -f /mnt/d/$i /mnt/d/$i.renamed
	yes $i | head -n $((i * 37 % 3000 + 1)) >/mnt/d/$i
	if [ $((i % 3)) = 0 ]; then mv /mnt/d/$i /mnt/d/$i.renamed; fi
	echo junk >/mnt/junk-$((i % 7))
	rm -f /mnt/junk-$(((i + 3) % 7))
	sync
	echo "synced $i"
	i=$((i + 1))
done
