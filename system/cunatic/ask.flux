// Answers about what Cunatic did: its log becomes a mosaic of facts with causes, and the answers come from there.

causal_mosaic history = sparse_temporal_matrix();
state reasons = {}; // the reason in words that a fact was given, by its number

// An entry's because is the number of another, or words. Numbers begin anew with each start of the agent.
function remember(text) {
    if is_error(text) { return; }
    let numbers = {};
    for row in lines(text) {
        let e = json_parse(row);
        if !is_map(e) { continue; }
        if e.relation == "begins" { numbers = {}; }
        let options = { from: 1s * e.time, source: "log" };
        if is_number(e.because) && has(numbers, e.because) { options["because"] = numbers[e.because]; }
        let id = history.fact(e.subject, e.relation, e.object, options);
        if is_string(e.because) { reasons[id] = e.because; }
        numbers[e.number] = id;
    }
}

function show(f) {
    return format("{}  {} {}{}", format_date(to_int(f.from / 1s)), f.subject, f.relation, if f.object == nil then "" else " " ++ f.object);
}

// The fact, what caused it, what caused that.
function explain(f) {
    print(show(f));
    let depth = 0;
    for cause in history.why(f.id)[1:] { // it begins with the fact itself
        depth = depth + 1;
        print(repeat("  ", depth) ++ "because: " ++ show(cause));
        f = cause;
    }
    let reason = get(reasons, f.id);
    if reason != nil { print(repeat("  ", depth + 1) ++ "because: " ++ reason); }
}

// The last that was done with it, and the last of each kind that was seen of it.
const SEEN = ["is found", "is disputed", "anomaly", "usual is now", "usual again"];

function why(name) {
    let own = history.facts(name);
    if len(own) == 0 { print("nothing is known of " ++ name); return; }
    let done = filter(own, fn(f) => !(f.relation in SEEN));
    if len(done) > 0 { explain(last(done)); }
    for relation in SEEN {
        let seen = filter(own, fn(f) => f.relation == relation);
        if len(seen) > 0 { explain(last(seen)); }
    }
}

// What its end led to so far.
function what_if(name) {
    let own = history.facts(name);
    let ends = filter(own, fn(f) => f.relation == "ended");
    let back = 0;
    let time = 0;
    for f in filter(own, fn(f) => f.relation == "restarted") {
        let causes = history.why(f.id);
        if len(causes) > 1 && causes[1].relation == "ended" {
            back = back + 1;
            time = time + (f.from - causes[1].from) / 1s;
        }
    }
    if len(ends) == 0 { print(name ++ " never ended so far: nothing to go by"); return; }
    print(format("{} ended {} times and came back {} times, after {:.3} s on average", name, len(ends), back, if back > 0 then time / back else 0));
}

function show_metrics() {
    let text = args.files.read("metrics.json");
    if is_error(text) { print("no metrics yet"); return; }
    for m in json_parse(text).metrics {
        print(format("{} {} (usual {} +- {}){}", m.name, m.value, m.usual, m.deviation, if m.strange then " strange" else ""));
    }
}

function main() {
    remember(args.files.read("log.old"));
    remember(args.files.read("log"));
    match args.words {
        ["why", name] => why(name),
        ["what", "if", name] => what_if(name),
        ["what", "if", name, _] => what_if(name),
        ["status"] => { let s = args.files.read("status.json"); write_out(if is_error(s) then "no status yet\n" else s); },
        ["metrics"] => show_metrics(),
        ["log"] => { for f in history.all() { print(show(f)); } },
        [] => print("ask: why NAME, what if NAME, status, metrics, log"),
        _ => print("not understood; ask: why NAME, what if NAME, status, metrics, log")
    }
}
