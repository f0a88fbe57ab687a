// A stack 19,000 calls deep that holds half a million values, below a program that keeps changing 250 MB.
struct Node { a, b, c, n }
state all = [];
function change() {
    for i in 0..3000000 {
        let node = all[random_int(0, 1499999)];
        node.a = [i, all[random_int(0, 1499999)]];
    }
}
function deep(n, a, b, c, d, e, f) {
    if n == 0 { change(); return 0; }
    let x = [n];
    let y = [a, x];
    let z = [b, y];
    return deep(n - 1, x, y, z, a, b, c) + len(x) + len(y) + len(z);
}
function main() {
    for i in 0..1500000 { push(all, Node { n: i }); }
    deep(19000, 1, 2, 3, 4, 5, 6);
    print(gc_stats());
}
