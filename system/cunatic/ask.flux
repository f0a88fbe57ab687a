// Answers about what Cunatic did, from its log: why NAME, what if NAME, status, and the last entries.

causal_mosaic history = sparse_temporal_matrix();

function load() {
    let text = args.files.read("log");
    if is_error(text) { return []; }
    return filter(map(lines(text), fn(row) => json_parse(row)), fn(e) => is_map(e));
}

function show(e) {
    return format("{}  {} {}{}", format_date(to_int(e.time)), e.subject, e.relation, if e.object == nil then "" else " " ++ e.object);
}

// The chain of causes: an entry's because is the number of another entry, or words.
function explain(entries, e, depth) {
    print(repeat("  ", depth) ++ (if depth == 0 then "" else "because: ") ++ show(e));
    if is_number(e.because) {
        let cause = find_by(entries, fn(x) => x.number == e.because && x.time <= e.time);
        if cause != nil && depth < 20 { explain(entries, cause, depth + 1); }
    } else if e.because != nil {
        print(repeat("  ", depth + 1) ++ "because: " ++ e.because);
    }
}

function why(entries, name) {
    let own = filter(entries, fn(e) => e.subject == name);
    if len(own) == 0 { print("nothing is known of " ++ name); return; }
    explain(entries, last(own), 0);
}

// What its end led to so far.
function what_if(entries, name) {
    let ends = filter(entries, fn(e) => e.subject == name && e.relation == "ended");
    let back = 0;
    let time = 0;
    for e in ends {
        let next = find_by(entries, fn(x) => x.subject == name && x.relation == "restarted" && x.because == e.number);
        if next != nil { back = back + 1; time = time + next.time - e.time; }
    }
    if len(ends) == 0 { print(name ++ " never ended so far: nothing to go by"); return; }
    print(format("{} ended {} times and came back {} times, after {:.3} s on average", name, len(ends), back, if back > 0 then time / back else 0));
}

function main() {
    let words = args.words;
    let entries = load();
    match words {
        ["why", name] => why(entries, name),
        ["what", "if", name] => what_if(entries, name),
        ["what", "if", name, _] => what_if(entries, name),
        ["status"] => { let s = args.files.read("status.json"); write_out(if is_error(s) then "no status yet\n" else s); },
        ["log"] => { for e in entries { print(show(e)); } },
        [] => print("ask: why NAME, what if NAME, status, log"),
        _ => print("not understood; ask: why NAME, what if NAME, status, log")
    }
}
