// A list of 2 million records, 280 MB, of which random ones are replaced.
struct Record { name, amount, next }
function main() {
    let table = [];
    for i in 0..2000000 { push(table, Record { name: "n" ++ i, amount: i * 0.5 }); }
    for i in 0..6000000 {
        let at = random_int(0, 1999999);
        let old = table[at];
        table[at] = Record { name: "m" ++ i, amount: old.amount + 1, next: if i % 16 == 0 then table[random_int(0, 1999999)] else nil };
    }
    print(gc_stats());
}
