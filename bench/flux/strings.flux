function main() {
    let total = 0;
    for round in 0..20 {
        let s = "";
        for i in 0..30000 {
            s = s ++ to_string(i) ++ ",";
        }
        let parts = split(s, ",");
        total = total + len(parts) + len(s);
    }
    print(total);
}
