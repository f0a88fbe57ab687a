function main() {
    let m = {};
    let seed = 42;
    let hits = 0;
    for i in 0..1000000 {
        seed = (seed * 1103515245 + 12345) % 2147483648;
        let key = "k" ++ to_string(seed % 50000);
        let old = m[key];
        if old != nil { hits = hits + 1; m[key] = old + 1; } else { m[key] = 1; }
        if i % 3 == 0 { remove(m, key); }
    }
    let numbers = {};
    for i in 0..500000 { numbers[i * 7 % 100003] = i; }
    print(hits, len(m), len(numbers));
}
