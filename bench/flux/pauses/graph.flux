// Many small linked nodes, mutated at random: every access misses the caches.
struct Node { a, b, c, n }
function main() {
    let all = [];
    for i in 0..3000000 { push(all, Node { n: i }); }
    for i in 0..9000000 {
        let x = all[random_int(0, 2999999)];
        let y = all[random_int(0, 2999999)];
        if i % 3 == 0 { x.a = y; } else if i % 3 == 1 { x.b = Node { n: i, a: y }; } else { x.c = [y, i]; }
    }
    print(gc_stats());
}
