// Cunatic's duties. It holds args.files (one directory), args.proc (/proc, to read), args.process and args.clock; args.words
// names the duties.
// Everything it does and why stands in the file log, one JSON object a line: time, subject, relation, object, because.

const LOG_MOST = 1000000; // characters; then the log is log.old, and a new one begins
const ROWS_MOST = 65536; // bytes of new rows that one look at a file takes; older ones are passed over
const METRIC_FILES_MOST = 1000;
state log_number = 0;
state log_bytes = 0;
state ending = false;

function log_fact(subject, relation, object, because) {
    let entry = { number: log_number, time: round(args.clock.time(), 3), subject: subject, relation: relation, object: object, because: because };
    let line = json_write(entry) ++ "\n";
    if log_bytes + len(line) > LOG_MOST {
        args.files.move("log", "log.old");
        log_bytes = 0;
    }
    args.files.append_to("log", line);
    log_bytes = log_bytes + len(line);
    log_number = log_number + 1;
    return log_number - 1;
}

// A file that others read is never met half written: it is replaced by a whole one.
function replace_file(path, text) {
    if is_error(args.files.write(path ++ ".new", text)) { return; }
    args.files.move(path ++ ".new", path);
}

function read_json(path) {
    let text = args.files.read(path);
    if is_error(text) { return text; }
    return json_parse(text);
}

function words(v) { return is_list(v) && len(v) > 0 && len(v) <= 50 && all(v, is_string); }

// The entries of a list in a file that a person wrote. What is wrong is logged and left out, and keeps nothing else from running.
function load_entries(path, list, valid) {
    if !args.files.exists(path) { return []; }
    let config = read_json(path);
    let entries = if is_map(config) then get(config, list) else nil;
    if !is_list(entries) {
        log_fact(path, "is not understood", if is_error(config) then config.message else "no list of " ++ list, nil);
        return [];
    }
    for e in filter(entries, fn(e) => !valid(e)) { log_fact(path, "has a wrong entry", json_write(e), nil); }
    return filter(entries, valid);
}

// Seconds of the run's clock, which is the real one unless the run is simulated.
function seconds() { return now() / 1s; }

// The whole rows of a file that are beyond the byte `from`, and where the next look begins; nil if there are none. A file
// that became shorter began anew. The time of a look does not grow with the file.
function new_rows(path, from) {
    let info = args.files.info(path);
    if is_error(info) || info.kind != "file" || info.size == from { return nil; }
    let begin = if info.size < from then 0 else from;
    let skipped = info.size - begin > ROWS_MOST;
    if skipped { begin = info.size - ROWS_MOST; }
    let text = args.files.read(path, begin);
    if is_error(text) { return nil; }
    let rows = split(text, "\n");
    let rest = pop(rows);
    if skipped && len(rows) > 0 { remove_at(rows, 0); }
    return { rows: rows, next: begin + byte_length(text) - byte_length(rest) };
}

// ---- services ----
struct Service {
    name: string,
    command: list,
    process,
    wait: float = 0.02,
    next: float = 0,
    started: float = 0,
    restarts: int = 0,
    up: float = 0,
    since: float = 0,
    held: bool = false,
    failed = nil
}

// A service is a command, or a sub-kernel that runs one, by Holon's command of that name, which ends when the sub-kernel does.
function command_of(s) {
    let inside = get(s, "subkernel");
    if inside == nil { return s.command; }
    return ["subkernel", "run", "-n", s.name, "-m", get(s, "memory", "32M"), "--"] ++ inside;
}

state services = [];

function service_is_valid(s) {
    return is_map(s) && is_string(get(s, "name")) && words(get(s, "subkernel", get(s, "command"))) && is_string(get(s, "memory", ""));
}

function load_services() {
    return map(load_entries("services.json", "services", service_is_valid), fn(s) => Service { name: s.name, command: command_of(s), since: seconds() });
}

function begin_service(s, now) {
    let before = args.clock.monotonic();
    let p = args.process.start(s.command);
    s.up = max(0, s.up - (args.clock.monotonic() - before)); // the next look counts it
    if is_error(p) {
        s.failed = log_fact(s.name, "does not start", p.message, nil);
        s.next = now + s.wait;
        s.wait = min(s.wait * 2, 5);
        return;
    }
    s.process = p;
    s.started = now;
    let why = if s.failed == nil then "it belongs to the services" else "it ended";
    log_fact(s.name, if s.failed == nil then "started" else "restarted", p.pid(), if s.failed == nil then why else s.failed);
    if s.failed != nil { s.restarts = s.restarts + 1; }
}

state status_changed = false; // status.json names a process that is no more

// One look at a service: counts its time, starts it again after a pause that doubles while it keeps failing.
function look_after(s, now, passed) {
    if s.process != nil && s.process.alive() {
        s.up = s.up + passed;
        if now - s.started > 10 { s.wait = 0.02; }
        return;
    }
    if s.process != nil {
        s.failed = log_fact(s.name, "ended", "status " ++ s.process.status(), nil);
        s.process = nil;
        let quick = now - s.started < 1;
        s.next = now + (if quick then s.wait else 0);
        s.wait = if quick then min(s.wait * 2, 5) else 0.02;
    }
    if !s.held && now >= s.next {
        begin_service(s, now);
        status_changed = true;
    }
}

function write_status(now) {
    status_changed = false;
    let rows = map(services, fn(s) => {
        name: s.name,
        alive: s.process != nil,
        pid: if s.process == nil then nil else s.process.pid(),
        restarts: s.restarts,
        available: if now > s.since then round(s.up / (now - s.since), 5) else 1
    });
    replace_file("status.json", json_write({ services: rows }, 2) ++ "\n");
}

// ---- metrics: an exponential mean and deviation a metric; a value far outside both begins an anomaly ----
const ANOMALY_LONGEST = 30; // values in a row; then they are what is usual

struct Metric {
    name: string,
    floor: float = 0, // a smaller distance from the mean is never strange
    read: int = 0,
    value: float = 0,
    mean: float = 0,
    variance: float = 0,
    seen: int = 0,
    strange: int = 0,
    noted = nil
}
state metrics = {};
state metric_files = {}; // those that stand in files

function metric(name, floor) {
    if !has(metrics, name) { metrics[name] = Metric { name: name, floor: floor }; }
    return metrics[name];
}

function watch_metric(m, x) {
    let deviation = sqrt(m.variance);
    m.value = x;
    if m.seen >= 10 && abs(x - m.mean) > max(4 * max(deviation, abs(m.mean) * 0.01 + 0.000001), m.floor) {
        if m.strange == 0 { m.noted = log_fact(m.name, "anomaly", format("{} where {:.3} +- {:.3} was usual", x, m.mean, deviation), nil); }
        m.strange = m.strange + 1;
        if m.strange < ANOMALY_LONGEST { return; }
        log_fact(m.name, "usual is now", x, m.noted);
        m.seen = 0;
        m.variance = 0;
    } else if m.strange > 0 {
        log_fact(m.name, "usual again", x, m.noted);
    }
    m.strange = 0;
    let share = if m.seen < 20 then 1 / (m.seen + 1) else 0.05;
    let gap = x - m.mean;
    m.mean = m.mean + share * gap;
    m.variance = (1 - share) * (m.variance + share * gap * gap);
    m.seen = m.seen + 1;
}

function watch_metrics() {
    let names = args.files.list("metrics");
    if is_error(names) { return; }
    names = names[:METRIC_FILES_MOST];
    for name in names {
        let m = get(metric_files, name);
        let more = new_rows("metrics/" ++ name, if m == nil then 0 else m.read);
        if more == nil { continue; }
        if m == nil {
            m = metric(name, 0);
            metric_files[name] = m;
        }
        for row in more.rows {
            let x = to_float(trim(row));
            if !is_error(x) { watch_metric(m, x); }
        }
        m.read = more.next;
    }
    if len(metric_files) > len(names) { forget_metrics(names); }
}

// Files that are gone are forgotten with what was usual for them.
function forget_metrics(names) {
    let there = from_entries(map(names, fn(name) => [name, true]));
    for name in filter(keys(metric_files), fn(name) => !has(there, name)) {
        remove(metric_files, name);
        remove(metrics, name);
    }
}

// ---- what /proc says of the machine and of each service ----
state cpu_before = nil;
state ticks_before = {};

function numbers(text) {
    return map(split(trim(text)), fn(word) => to_float(word) otherwise 0);
}

function field_of(text, name) {
    let row = find_by(lines(text), fn(r) => starts_with(r, name ++ ":"));
    return if row == nil then nil else numbers(row)[1];
}

function watch_machine() {
    let load = args.proc.read("loadavg");
    if !is_error(load) {
        watch_metric(metric("machine.load", 0.5), numbers(load)[0]);
        watch_metric(metric("machine.tasks", 8), to_float(last(split(split(trim(load))[3], "/"))));
    }
    let memory = args.proc.read("meminfo");
    if !is_error(memory) {
        let total = field_of(memory, "MemTotal");
        let free = field_of(memory, "MemAvailable");
        if total != nil && free != nil && total > 0 { watch_metric(metric("machine.memory", 0.05), 1 - free / total); }
    }
    let stat = args.proc.read("stat");
    if !is_error(stat) {
        let ticks = numbers(lines(stat)[0])[1:9];
        let now = { all: sum(ticks), idle: ticks[3] + ticks[4] };
        if cpu_before != nil && now.all > cpu_before.all {
            watch_metric(metric("machine.cpu", 0.25), 1 - (now.idle - cpu_before.idle) / (now.all - cpu_before.all));
        }
        cpu_before = now;
    }
}

// The memory (KiB) and the share of a processor that a service's first process takes.
function watch_service(s, passed) {
    if s.process == nil { return; }
    let pid = s.process.pid();
    let stat = args.proc.read(pid ++ "/stat");
    if is_error(stat) { return; }
    let fields = split(trim(last(split(stat, ")")))); // from the third on: names may hold spaces
    if len(fields) < 22 { return; }
    watch_metric(metric(s.name ++ ".memory", 2048), (to_float(fields[21]) otherwise 0) * 4);
    let ticks = (to_float(fields[11]) otherwise 0) + (to_float(fields[12]) otherwise 0);
    let before = get(ticks_before, s.name);
    if before != nil && before.pid == pid && passed > 0 {
        watch_metric(metric(s.name ++ ".cpu", 0.25), max(0, (ticks - before.ticks) / 100 / passed));
    }
    ticks_before[s.name] = { pid: pid, ticks: ticks };
}

function write_metrics() {
    let rows = [];
    for name, m in metrics {
        push(rows, { name: name, value: round(m.value, 4), usual: round(m.mean, 4), deviation: round(sqrt(m.variance), 4),
            seen: m.seen, strange: m.strange > 0 });
    }
    let own = gc_stats();
    let held = { live: own.live_bytes, used: own.malloc_used_bytes, unused: own.malloc_free_bytes, cycles: own.major_collections };
    replace_file("metrics.json", json_write({ metrics: rows, agent: held }, 2) ++ "\n");
}

// ---- tuning: a bandit a setting; its reward is the last number of rewards/NAME, from 0 to 1 ----
struct Setting { name: string, values: list, arms, usual, chosen, read: int = 0, usual_sum: float = 0, usual_count: int = 0 }
state settings = nil;

function setting_is_valid(s) {
    return is_map(s) && is_string(get(s, "name")) && !contains(s.name, "/") && is_list(get(s, "values")) && len(s.values) > 0;
}

function load_settings() {
    return map(load_entries("settings.json", "settings", setting_is_valid), fn(s) => Setting { name: s.name, values: s.values, arms: bandit(s.values), usual: s.values[0] });
}

function apply_setting(s, v, because) {
    if s.chosen == v { return; }
    s.chosen = v;
    replace_file("settings-" ++ s.name, to_string(v) ++ "\n");
    log_fact(s.name, "set to", v, because);
}

function tune() {
    if settings == nil { settings = load_settings(); }
    for s in settings {
        if s.chosen == nil { apply_setting(s, s.arms.choose(), "the first look"); }
        let more = new_rows("rewards/" ++ s.name, s.read);
        if more == nil || len(more.rows) == 0 { continue; }
        let reward = to_float(trim(last(more.rows)));
        s.read = more.next;
        if is_error(reward) || reward < 0 || reward > 1 { continue; }
        s.arms.reward(s.chosen, reward);
        if s.chosen == s.usual { s.usual_sum = s.usual_sum + reward; s.usual_count = s.usual_count + 1; }
        let next = s.arms.choose();
        // Worse than what was usual: back to it, for this turn.
        if s.usual_count > 0 && reward < s.usual_sum / s.usual_count - 0.3 && s.chosen != s.usual {
            apply_setting(s, s.usual, format("rolled back: {} was worse", s.chosen));
        } else {
            apply_setting(s, next, format("reward {:.3}", reward));
        }
    }
}

state left_alone = {}; // what a person had moved back stays

// ---- tidying: files of the folder files/ go into folders by kind; every move can be undone ----
function folder_of(name) {
    let kind = last(split(name, "."));
    return match to_lower(kind) {
        "txt" | "md" | "pdf" => "documents",
        "png" | "jpg" | "jpeg" | "gif" => "pictures",
        "c" | "h" | "flux" | "py" => "sources",
        _ => nil
    };
}

function tidy() {
    let names = args.files.list("files");
    if is_error(names) { return; }
    for name in names {
        let folder = folder_of(name);
        let info = args.files.info("files/" ++ name);
        if folder == nil || has(left_alone, name) || is_error(info) || info.kind != "file" { continue; }
        let to = "files/" ++ folder ++ "/" ++ name;
        if args.files.exists(to) { continue; }
        let done = args.files.move("files/" ++ name, to);
        if is_error(done) {
            log_fact(name, "could not be moved", done.message, nil);
        } else {
            args.files.append_to("undo", json_write({ from: "files/" ++ name, to: to }) ++ "\n");
            log_fact(name, "moved to", to, "its kind");
        }
    }
}

function undo_tidying() {
    let text = args.files.read("undo");
    if is_error(text) { return 0; }
    let count = 0;
    for row in reverse(lines(text)) {
        let step = json_parse(row);
        if is_error(step) { continue; }
        let done = args.files.move(step.to, step.from);
        if is_error(done) {
            log_fact(step.to, "could not be moved back", done.message, nil);
        } else {
            left_alone[last(split(step.from, "/"))] = true;
            log_fact(step.to, "moved back to", step.from, "a person asked");
            count = count + 1;
        }
    }
    args.files.remove("undo");
    return count;
}

// ---- inspecting: children that may only read, each with its own way of looking, say how each service does ----
function inspect_status() {
    let status = args.files.read("status.json");
    if is_error(status) { return; }
    for row in get(json_parse(status), "services", []) {
        let well = row.alive && row.available > 0.9;
        finding(row.name, "is", if well then "well" else "failing", if row.alive then 0.6 else 0.8, "status.json");
    }
}

function inspect_log() {
    let text = args.files.read("log", -32768); // a minute fits
    if is_error(text) { return; }
    let ends = {};
    for name in args.words.names { ends[name] = 0; }
    for row in lines(text) {
        let e = json_parse(row);
        if is_map(e) && e.relation == "ended" && has(ends, e.subject) && e.time > args.words.now - 60 { ends[e.subject] = ends[e.subject] + 1; }
    }
    for name, n in ends {
        finding(name, "is", if n > 0 then "failing" else "well", if n > 0 then min(0.9, 0.3 * n) else 0.5, "log");
    }
}

function inspect_metrics() {
    for name in args.words.names {
        let text = args.files.read(name, -8192);
        if is_error(text) { continue; }
        let rows = lines(text);
        if byte_length(text) > 8000 { remove_at(rows, 0); } // it may be the end of one
        let values = filter(map(rows, fn(row) => to_float(trim(row))), fn(x) => !is_error(x));
        if len(values) < 10 { continue; }
        let usual = values[:len(values) - 1];
        let mean = sum(usual) / len(usual);
        let deviation = sqrt(sum(map(usual, fn(x) => (x - mean) * (x - mean))) / len(usual));
        let strange = abs(last(values) - mean) > 4 * max(deviation, abs(mean) * 0.01 + 0.000001);
        finding(name, "is", if strange then "failing" else "well", if strange then 0.7 else 0.5, "metrics/" ++ name);
    }
}

state found = {};
state disputed = {};
state may_read = nil; // what the children hold: opened once, not at each look
state may_read_metrics = nil;

function inspect() {
    let names = map(services, fn(s) => s.name);
    let words = { names: names, now: args.clock.time() };
    if may_read == nil { may_read = args.files.read_only(); }
    if may_read_metrics == nil && args.files.exists("metrics") { may_read_metrics = may_read.under("metrics"); }
    let results = [
        spawn(inspect_status, { files: may_read, budget: 100000, within: 1s }),
        spawn(inspect_log, { files: may_read, words: words, budget: 2000000, within: 1s })
    ];
    if is_error(may_read_metrics) { may_read_metrics = nil; }
    if may_read_metrics != nil { push(results, spawn(inspect_metrics, { files: may_read_metrics, words: words, budget: 2000000, within: 1s })); }
    for r in results { if r.outcome != "done" { log_fact(r.name, "ended with", r.outcome, nil); } }
    let merged = merge_findings(results);
    for f in merged.facts {
        if f.subject in names && get(found, f.subject) != f.object {
            found[f.subject] = f.object;
            log_fact(f.subject, "is found", f.object, format("{:.2} by {}", f.confidence, join(f.evidence, ", ")));
        }
    }
    let now = {};
    for d in merged.disagreements {
        let other = d.others[0];
        now[d.subject] = format("{} says {} ({:.2}), {} says {} ({:.2})", join(d.chosen.children, ", "), d.chosen.object,
            d.chosen.confidence, join(other.children, ", "), other.object, other.confidence);
        if !has(disputed, d.subject) { log_fact(d.subject, "is disputed", now[d.subject], nil); }
    }
    disputed = now;
}

// ---- what a person tells ----
state commands_read = 0; // bytes

function obey() {
    let more = new_rows("commands", commands_read);
    if more == nil { return; }
    commands_read = more.next;
    for row in more.rows {
        let words = split(trim(row));
        if len(words) == 0 { continue; }
        match words {
            ["stop"] => { ending = true; log_fact("cunatic", "stops", nil, "a person said so"); },
            ["undo"] => { undo_tidying(); },
            [verb, name] => {
                let s = find_by(services, fn(x) => x.name == name);
                if s == nil { log_fact(name, "unknown", verb, "a person said so"); }
                else if verb == "hold" { s.held = true; if s.process != nil { s.process.stop(); } log_fact(name, "held", nil, "a person said so"); }
                else if verb == "start" { s.held = false; log_fact(name, "released", nil, "a person said so"); }
                else if verb == "restart" { if s.process != nil { s.process.stop(); } log_fact(name, "restart asked", nil, "a person said so"); }
                else { log_fact(name, "not understood", verb, nil); }
            },
            _ => { log_fact("cunatic", "not understood", row, nil); }
        }
    }
}

function main() {
    let duties = args.words;
    if len(duties) == 0 { duties = ["supervise", "inspect", "metrics", "tune", "tidy"]; }
    let old = args.files.info("commands");
    if !is_error(old) { commands_read = old.size; }
    let log = args.files.info("log");
    if !is_error(log) { log_bytes = log.size; }
    let before = seconds();
    let slow = 0;
    let looked = before;
    let next_look = before;
    let slower = before + 1;
    log_fact("cunatic", "begins", join(duties, ", "), nil);
    services = if "supervise" in duties || "inspect" in duties then load_services() else [];
    while !ending {
        let now = seconds();
        if "supervise" in duties {
            for s in services { look_after(s, now, now - before); }
            if status_changed { write_status(now); }
        }
        before = now;
        if now >= slow {
            slow = now + 0.2;
            obey();
            if "supervise" in duties { write_status(now); }
            if "metrics" in duties { watch_metrics(); }
            if "tune" in duties { tune(); }
            if "tidy" in duties { tidy(); }
        }
        if now >= next_look && "metrics" in duties {
            next_look = now + 1;
            watch_machine();
            for s in services { watch_service(s, now - looked); }
            looked = now;
            write_metrics();
        }
        if now >= slower && "inspect" in duties {
            slower = now + 5;
            inspect();
        }
        args.process.wait(10ms); // no longer than until a service ends
    }
    for s in services { if s.process != nil { s.process.stop(); } }
}
