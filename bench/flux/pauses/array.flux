// Arrays of many numbers and strings: large objects that are made, filled and dropped.
function main() {
    let keep = [];
    for i in 0..24 { push(keep, range(0, 1000000)); }
    for round in 0..40 {
        let words = [];
        for i in 0..200000 { push(words, "w" ++ i); }
        keep[round % 24] = words;
        keep[(round + 7) % 24] = map(words, fn(w) => len(w));
    }
    print(gc_stats());
}
