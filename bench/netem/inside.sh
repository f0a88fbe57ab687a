# What bench/netem/run does inside two guests that tools/netem joins: $1 is the server, or the client, which fetches /blob once for each line that it
# reads; $2 the system, where a bridged sub-kernel is the station on Holon; $3 MiB.
script='
case $1 in server) address=10.9.0.1 ;; *) address=10.9.0.2 ;; esac
ip addr add $address/24 dev $2 && ip link set $2 up || exit 1
cd /tmp || exit 1
if [ "$1" = server ]; then
	dd if=/dev/urandom of=blob bs=1M count="$3" 2> /dev/null
	echo "blob $(sha256sum < blob)"
	exec python3 -m http.server 80 2> /dev/null
fi
until curl -s -m 5 -o /dev/null http://10.9.0.1/; do sleep 0.2; done
echo reachable
while read -r line; do
	curl -s -m "$line" -w "speed %{speed_download}\n" -o got http://10.9.0.1/blob
	echo "got $(sha256sum < got)"
done'
if [ "$2" = Holon ]; then
	exec subkernel run --net bridge -- bash -c "$script" bash "$1" eth0 "$3"
fi
exec bash -c "$script" bash "$1" eth1 "$3"
