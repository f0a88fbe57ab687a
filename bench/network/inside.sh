# What bench/network/run counts, inside: each row between two marks of vault-work. $1: a port of the host's with /blob, of $2
# MiB; $3: requests from outside. What is waited for outside is said by a connection to a port, since a process that waits for one
# executes nothing.
packets() {
	echo "packets $(awk '/eth0:/ { sub(/.*:/, ""); print $2 + $10 }' /proc/net/dev)"
}
ready() {
	until nc -z 127.0.0.1 "$1"; do sleep 0.1; done
}
host=10.0.2.2
mkdir -p /tmp/n/www
cd /tmp/n || exit 1
echo small >www/index.html
curl -s -o blob "http://$host:$1/blob" || exit 1
packets
vault-work run 'a MiB from the host (curl)' "$2" curl -s -o /dev/null "http://$host:$1/blob"
packets
vault-work run 'a MiB to the host (curl)' "$2" curl -s -o /dev/null -T blob "http://$host:$1/blob"
packets
iperf3 -s -1 -p 5202 >/dev/null 2>&1 & # it serves one, so that nobody asks whether it is ready
sleep 2
vault-work run 'a MiB over the loopback (iperf3)' 64 iperf3 -c 127.0.0.1 -p 5202 -n 64M >iperf.log
grep '^row' iperf.log
redis-server --port 6379 --bind 0.0.0.0 --protected-mode no --save '' --hz 1 --daemonize no >/dev/null 2>&1 &
ready 6379
vault-work run 'a request to redis over the loopback (redis-benchmark)' 4000 redis-benchmark -n 2000 -c 20 -q -t set,get >redis.log
grep '^row' redis.log
cat >nginx.conf <<'END'
worker_processes 1; daemon off; error_log /dev/null; pid /tmp/n/nginx.pid;
events { worker_connections 256; }
http { access_log off; keepalive_requests 100000; client_body_temp_path /tmp/n; proxy_temp_path /tmp/n; fastcgi_temp_path /tmp/n; uwsgi_temp_path /tmp/n; scgi_temp_path /tmp/n;
server { listen 80; root /tmp/n/www; sendfile on; tcp_nopush on; } }
END
nginx -c /tmp/n/nginx.conf >/dev/null 2>&1 &
ready 80
vault-work run 'a request to redis from the host' "$3" sh -c 'echo redis now; exec nc -l 81 >/dev/null'
packets
vault-work run 'a request to nginx from the host' "$3" sh -c 'echo nginx now; exec nc -l 81 >/dev/null'
packets
echo end
