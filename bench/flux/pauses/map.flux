// A map of a million keys and lists, 260 MB, that keeps changing.
function main() {
    let m = {};
    for i in 0..1000000 { m["key " ++ i] = [i, "value " ++ i, nil]; }
    for i in 0..4000000 {
        let key = "key " ++ random_int(0, 999999);
        if i % 4 == 0 { remove(m, key); } else { m[key] = [i, key, m[key]]; if i % 3 == 0 { m[key][2] = nil; } }
    }
    print(gc_stats());
}
