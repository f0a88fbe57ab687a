# Writes COUNT files each on ext4 and on FAT of one disk, both at a time. When a file is synced its number is written to a place of its own on the disk's first
# partition, so that each state of the disk says itself what must be there: replay_test.py looks.
mark() { # PLACE NUMBER
	printf '%-511s\n' "$2" | dd of=/dev/block/diskp1 bs=512 seek="$1" conv=notrunc 2>/dev/null
}
fill() { # DIRECTORY PLACE: a file's name is its number, and its contents the number over and over; "again" has the last one's
	i=1
	mkdir "$1/d"
	while [ $i -le "$COUNT" ]; do
		yes $i | head -n $((i * 37 % 3000 + 1)) >"$1/d/$i"
		if [ $((i % 3)) = 0 ]; then mv "$1/d/$i" "$1/d/$i.renamed"; fi
		yes $i | head -n 700 >"$1/d/new"
		mv "$1/d/new" "$1/d/again"
		echo junk >>"$1/junk-$((i % 7))"
		rm -f "$1/junk-$(((i + 3) % 7))"
		sync
		mark "$2" $i || echo "bad: the mark of $i"
		i=$((i + 1))
	done
}
mkdir /f
mount -t ext4 /dev/block/diskp2 /mnt && mount -t vfat /dev/block/diskp3 /f || exit 1
fill /mnt 0 &
fill /f 1
wait
umount /mnt && umount /f && echo all written
