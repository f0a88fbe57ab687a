struct Tree { left, right }
function make(depth) {
    if depth == 0 { return Tree {}; }
    return Tree { left: make(depth - 1), right: make(depth - 1) };
}
function count(t) {
    if t.left == nil { return 1; }
    return 1 + count(t.left) + count(t.right);
}
function main() {
    let n = 14;
    let long_lived = make(n);
    for d in 4..=n {
        if d % 4 == 0 {
            let rounds = 1 << (n - d + 4);
            let total = 0;
            for i in 0..rounds { total = total + count(make(d)); }
            print(rounds, d, total);
        }
    }
    print(count(long_lived));
}
