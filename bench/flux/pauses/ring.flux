// The last 2,000 of five million entries: each becomes old, and dies.
function main() {
    let ring = fill(2000, nil);
    for i in 0..5000000 { ring[i % 2000] = [i, "s" ++ i]; }
    print(gc_stats());
}
