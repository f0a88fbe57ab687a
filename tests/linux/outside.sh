# Runs in a guest with QEMU's user network: outside.sh PORT SUMS-OF-NUMBERS ECHO PORT6 ECHO6. The host's 127.0.0.1 is 10.0.2.2; on PORT it
# serves numbers, and a repository with the package greeting, on ECHO each datagram comes back. Its ::1 is fec0::2, with PORT6 and
# ECHO6; PORT6 is 0 where the host has no IPv6. Prints a line a check, then serves nginx on 80 and ssh on 22 until the
# host has asked for /over.
port=$1 sum=$2 echo=$3 port6=$4 echo6=$5
same() { if [ "$2" = "$3" ]; then echo "ok $1"; else echo "not ok $1 - expected '$2', got '$3'"; fi; }
export DEBIAN_FRONTEND=noninteractive HOME=/root
mkdir -p /tmp/o && cd /tmp/o || exit 1
same ping "1 received" "$(ping -c 1 10.0.2.2 2> /dev/null | grep -o '1 received')"
same curl "$sum" "$(curl -sS -m 60 http://10.0.2.2:$port/numbers | cksum)"
same wget "$sum" "$(wget -q -O - http://10.0.2.2:$port/numbers | cksum)"
same six-at-once 6 "$(for i in 1 2 3 4 5 6; do curl -sS -m 90 http://10.0.2.2:$port/numbers | cksum & done | grep -c "$sum")"
same upload "$sum" "$(seq 1 100000 | curl -sS -m 60 -T - http://10.0.2.2:$port/upload)"
same ping-in-fragments "1 received" "$(ping -c 1 -W 20 -s 4000 10.0.2.2 2> /dev/null | grep -o '1 received')"
seq 1 800 | head -c 3800 > datagram
same datagram-in-fragments "$(cksum < datagram)" "$(exec 3<> /dev/udp/10.0.2.2/$echo && dd if=datagram bs=4000 status=none >&3 && timeout 20 dd bs=4000 count=1 status=none <&3 | cksum)"
curl -sS -m 20 http://10.0.2.2:1/ > /dev/null 2>&1
same refused 7 $?
# An address by what the router announces, once nobody else was found to have it, and a way outside.
routed='for i in $(seq 1 150); do ip -6 addr show dev eth0 | grep "scope \(global\|site\)" | grep -qv tentative && ip -6 route | grep -q default && break; sleep 0.2; done'
if [ "$port6" != 0 ]; then
	eval "$routed"
	for i in 1 2 3; do six=$(ping -6 -c 1 -W 5 fec0::2 2> /dev/null | grep -o '1 received') && break; done
	same ping-6 "1 received" "$six"
	same curl-6 "$sum" "$(curl -sS -m 60 "http://[fec0::2]:$port6/numbers" | cksum)"
	same upload-6 "$sum" "$(seq 1 100000 | curl -sS -m 60 -T - "http://[fec0::2]:$port6/upload")"
	same datagram-6 "there and back" "$(exec 3<> /dev/udp/fec0::2/$echo6 && echo there and back >&3 && timeout 20 head -n 1 <&3)"
	curl -sS -m 20 "http://[fec0::2]:1/" > /dev/null 2>&1
	same refused-6 7 $?
fi
if [ -e /usr/bin/subkernel ]; then
	if [ "$port6" != 0 ]; then
		six="curl -sS -m 10 http://[fec0::2]:$port6/numbers 2> /dev/null | cksum"
		same nested-6 "$sum" "$(subkernel run -m 128M --net nat -- sh -c "$routed; $six")"
		same only-this-one-6 "$sum" "$(subkernel run -m 128M --net "only:[fec0::2]:$port6" -- sh -c "$routed; $six")"
		same only-another-6 "$(: | cksum)" "$(subkernel run -m 128M --net "only:[fec0::2]:9,10.0.2.2:$port6" -- sh -c "$routed; $six")"
	fi
	same none-has-no-link 1 "$(subkernel run -m 64M --net none -- sh -c 'ls /sys/class/net | wc -l')"
	same nested-by-nat "$sum" "$(subkernel run -m 128M --net nat -- sh -c "curl -sS -m 60 http://10.0.2.2:$port/numbers | cksum")"
	same only-this-one "$sum" "$(subkernel run -m 128M --net only:10.0.2.2:$port -- sh -c "curl -sS -m 60 http://10.0.2.2:$port/numbers | cksum")"
	same only-another fails "$(subkernel run -m 128M --net only:10.0.2.2:9 -- sh -c "curl -sS -m 5 -o /dev/null http://10.0.2.2:$port/numbers 2> /dev/null || echo fails")"
	station='ip -4 -o addr show dev eth0 | grep -o "inet 10[.]0[.]2[.]" && curl -sS -m 60 http://10.0.2.2:'$port/numbers
	same bridged "$(echo 'inet 10.0.2.'; seq 1 100000)" "$(subkernel run -m 128M --net bridge -- sh -c "$station")"
	same nobody-bridges-below fails "$(subkernel run -m 200M --net nat -- sh -c "subkernel run -m 64M --net bridge -- true 2> /dev/null || echo fails")"
	same below-none fails "$(subkernel run -m 200M --net none -- sh -c "subkernel run -m 64M --net nat -- true 2> /dev/null || echo fails")"
	same ls-shows-traffic nat "$(subkernel ls | awk 'NR == 2 && $8 == "nat" && $9 != "0K" { print $8 }')"
fi
mkdir -p /etc/apt /var/lib/dpkg/info /var/lib/dpkg/updates /var/lib/apt/lists/partial /var/cache/apt/archives/partial /var/log/apt
touch /var/lib/dpkg/status
echo "deb [trusted=yes] http://10.0.2.2:$port/repository ./" > /etc/apt/sources.list
apt-get -q -o APT::Sandbox::User=root update > update.log 2>&1
same apt-get-update 0 $?
apt-get -q -y -o APT::Sandbox::User=root -o Dpkg::Options::=--force-depends install greeting > install.log 2>&1
same apt-get-install 0 $?
same installed "hello from a package" "$(greeting 2>&1)"
[ -x /usr/bin/greeting ] || tail -n 20 update.log install.log | sed 's/^/# /'

cat > nginx.conf << 'END'
daemon off; error_log /dev/null; pid /tmp/o/nginx.pid; user root;
events { worker_connections 64; }
http { access_log /tmp/o/access.log; client_body_temp_path /tmp/o; proxy_temp_path /tmp/o; fastcgi_temp_path /tmp/o; uwsgi_temp_path /tmp/o; scgi_temp_path /tmp/o;
server { listen 80; root /tmp/o/www; } }
END
mkdir -p www /root/.ssh /etc/dropbear
seq 1 100000 > www/numbers
echo over > www/over
nginx -c /tmp/o/nginx.conf > nginx.log 2>&1 &
chmod 700 /root /root/.ssh
[ -e /host_key.pub ] && cp /host_key.pub /root/.ssh/authorized_keys
dropbearkey -t ed25519 -f host.key > /dev/null 2>&1
dropbear -F -r host.key -p 22 > dropbear.log 2>&1 &
for i in $(seq 1 1000); do ss -Htln 'sport = :80' | grep -q . && ss -Htln 'sport = :22' | grep -q . && break; sleep 0.2; done
echo "listening"
for i in $(seq 1 600); do grep -qs /over access.log && break; sleep 0.2; done
