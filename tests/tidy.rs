//! The rules of the house, held as data: what breaks one is named in a sentence. Needs no database, and no second.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use colloquy::http::docs;
use serde_json::Value;

const FILE_LINES: usize = 400;
const FUNCTION_LINES: usize = 60;

/// Which rooms each room may know. Arrows only point down.
const ARROWS: [(&str, &[&str]); 14] = [
    ("domain", &[]),
    ("config", &["domain"]),
    ("wire", &["domain"]),
    ("telemetry", &["config"]),
    ("store", &["domain", "telemetry"]),
    ("auth", &["config", "domain", "telemetry"]),
    ("cluster", &["config", "domain", "telemetry", "wire"]),
    ("media", &["config", "domain", "telemetry"]),
    ("actions", &["auth", "cluster", "config", "domain", "media", "store", "telemetry"]),
    ("http", &["actions", "config", "domain", "telemetry", "wire"]),
    ("realtime", &["actions", "cluster", "config", "domain", "telemetry", "wire"]),
    ("workers", &["actions", "cluster", "domain", "store", "telemetry"]),
    ("bench", &["boot", "config", "domain", "store"]),
    ("cli", &["actions", "bench", "boot", "config", "domain", "media", "telemetry", "wire"]),
];

/// The composition root knows every room but these.
const NOT_FOR_BOOT: [&str; 2] = ["bench", "cli"];

/// Trades that only some rooms know: how they show, and in which rooms they may.
const TRADES: [(&[&str], &[&str], &str); 4] = [
    (&["actix_"], &["http", "realtime", "boot"], "serves HTTP"),
    (&[" redis::", "(redis::"], &["cluster"], "talks to Redis"),
    (&["query!(", "query_as!(", "query_scalar!(", "sqlx::query", "QueryBuilder"], &["store"], "holds SQL"),
    (&["ToSchema, ", "ToSchema)]"], &["wire", "domain"], "defines JSON shapes"),
];

/// Words that say nothing, as names of modules.
const EMPTY_NAMES: [&str; 6] = ["utils", "helpers", "common", "manager", "misc", "shared"];

/// What no file may say, and why.
const NOWHERE: [(&str, &str); 5] = [
    ("TODO", "an issue has a number and an owner"),
    ("FIXME", "fix it"),
    ("dbg!(", "the log has levels"),
    ("#[allow(", "write `#[expect(…, reason = \"…\")]`, which ends when its reason does"),
    ("#![allow(", "write `#![expect(…, reason = \"…\")]`, which ends when its reason does"),
];

/// What no test may say, and why.
const NOT_IN_TESTS: [(&str, &str); 3] = [
    ("#[ignore", "a test that does not run proves nothing"),
    ("thread::sleep", "wait until something is true, with a deadline"),
    ("time::sleep", "wait until something is true, with a deadline"),
];

/// What no query may say, and why.
const NOT_IN_QUERIES: [(&str, &str); 2] =
    [("select *", "name the columns"), ("offset $", "page by keyset, which costs the same on every page")];

/// What no migration may say, and why.
const NOT_IN_MIGRATIONS: [(&str, &str); 6] = [
    ("serial", "no sequences on the send path; ids come from us, and `seq` from the conversation's row"),
    ("create sequence", "no sequences on the send path; ids come from us, and `seq` from the conversation's row"),
    ("generated ", "no sequences on the send path; ids come from us, and `seq` from the conversation's row"),
    ("create trigger", "no triggers: what happens is said where it is caused"),
    (" timestamp ", "a moment is a `timestamptz`"),
    ("varchar", "`text`; lengths are checked where clients can be told"),
];

struct Source {
    path: String,
    text: String,
}

struct Function<'a> {
    name: &'a str,
    line: usize,
    lines: usize,
}

impl Source {
    /// The room of a file below `src`; the crate's own files are in none.
    fn room(&self) -> Option<&str> {
        let inside = self.path.strip_prefix("src/")?;
        inside.split_once('/').map(|(room, _)| room)
    }

    /// The text without comments, so that talking of something is not taken for using it.
    fn code(&self) -> String {
        self.text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
    }

    /// The rooms of the crate that this file uses.
    fn uses(&self) -> BTreeSet<String> {
        let code = self.code();
        let mut uses = BTreeSet::new();
        for (place, _) in code.match_indices("crate::") {
            let rest = &code[place + "crate::".len()..];
            match rest.strip_prefix('{') {
                Some(group) => uses.extend(first_names(group)),
                None => uses.extend([name_at(rest).to_owned()]),
            }
        }
        uses
    }

    fn functions(&self) -> Vec<Function<'_>> {
        let lines: Vec<&str> = self.text.lines().collect();
        let begun = lines.iter().enumerate().filter_map(|(at, line)| Some((at, line, function_name(line)?)));
        begun
            .filter_map(|(at, line, name)| {
                let head_end = lines[at..].iter().position(|line| line.ends_with(['{', ';', '}']))?;
                let indent = &line[..line.len() - line.trim_start().len()];
                let lines = match lines[at + head_end].chars().last()? {
                    '{' => lines[at..].iter().position(|line| *line == format!("{indent}}}"))? + 1,
                    _ => head_end + 1,
                };
                Some(Function { name, line: at + 1, lines })
            })
            .collect()
    }
}

#[test]
fn rooms_know_only_the_rooms_below_them() {
    let mut broken = Vec::new();
    for source in sources("src") {
        let Some(room) = source.room() else { continue };
        for other in source.uses().iter().filter(|other| *other != room) {
            if !may_know(room, other) {
                broken.push(format!("{}: `{room}` may not know `{other}`.", source.path));
            }
        }
    }
    none(&broken);
}

#[test]
fn no_two_rooms_know_each_other() {
    let mut known: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in sources("src") {
        if let Some(room) = source.room() {
            known.entry(room.to_owned()).or_default().extend(source.uses());
        }
    }
    let knows = |one: &str, other: &str| known.get(one).is_some_and(|rooms| rooms.contains(other));
    let pairs = known.keys().flat_map(|one| known.keys().map(move |other| (one, other)));
    let broken: Vec<_> = pairs
        .filter(|(one, other)| one < other && knows(one, other) && knows(other, one))
        .map(|(one, other)| format!("`{one}` and `{other}` know each other."))
        .collect();
    none(&broken);
}

#[test]
fn every_trade_stays_in_its_rooms() {
    let mut broken = Vec::new();
    for source in sources("src") {
        let code = source.code();
        let Some(room) = source.room() else { continue };
        for (signs, rooms, does) in TRADES {
            if let Some(sign) = signs.iter().find(|sign| code.contains(**sign) && !rooms.contains(&room)) {
                broken.push(format!("{}: `{sign}`; only {} {does}.", source.path, rooms.join(", ")));
            }
        }
    }
    none(&broken);
}

#[test]
fn every_file_says_what_it_is_for_and_stays_short() {
    let mut broken = Vec::new();
    for source in everything() {
        let lines = source.text.lines().count();
        if lines > FILE_LINES {
            broken.push(format!("{}: {lines} lines; split what is over {FILE_LINES}.", source.path));
        }
        if !source.text.starts_with("//! ") {
            broken.push(format!("{}: open with one `//!` sentence that says what it is for.", source.path));
        }
    }
    none(&broken);
}

#[test]
fn functions_stay_short() {
    let mut broken = Vec::new();
    for source in everything() {
        for function in source.functions().iter().filter(|function| function.lines > FUNCTION_LINES) {
            let Function { name, line, lines } = function;
            broken.push(format!(
                "{}:{line}: `{name}` has {lines} lines; aim at 10, never {FUNCTION_LINES}.",
                source.path
            ));
        }
    }
    none(&broken);
}

#[test]
fn names_of_modules_say_something() {
    let is_empty = |source: &Source| source.path.split(['/', '.']).any(|part| EMPTY_NAMES.contains(&part));
    let broken: Vec<_> = everything()
        .iter()
        .filter(|source| is_empty(source))
        .map(|source| format!("{}: its name could be anything's; say what is in it.", source.path))
        .collect();
    none(&broken);
}

#[test]
fn nobody_says_what_nobody_should() {
    let mut broken = Vec::new();
    for source in everything().iter().filter(|source| source.path != "tests/tidy.rs") {
        broken.extend(said(source, &source.text, &NOWHERE));
        if source.path.starts_with("tests/") {
            broken.extend(said(source, &source.text, &NOT_IN_TESTS));
        }
        if source.room() == Some("store") {
            broken.extend(said(source, &source.text, &NOT_IN_QUERIES));
        }
    }
    none(&broken);
}

#[test]
fn migrations_name_their_constraints_and_explain_their_tables() {
    let mut broken = Vec::new();
    for source in read(Path::new("migrations"), "sql") {
        broken.extend(said(&source, &source.text, &NOT_IN_MIGRATIONS));
        let is_sql = |line: &str| !line.is_empty() && !line.starts_with(['-', '\'']);
        let lines = source.text.lines().map(str::trim_start).enumerate();
        for (number, sql) in lines.filter(|(_, line)| is_sql(line)) {
            let is_rule = ["primary key", "unique (", "foreign key", "check ("].iter().any(|rule| sql.contains(rule));
            if is_rule && !sql.contains("constraint ") {
                broken.push(format!("{}:{}: name this constraint.", source.path, number + 1));
            }
            let table = sql.strip_prefix("create table ").and_then(|rest| rest.split_whitespace().next());
            if let Some(table) = table.filter(|table| !source.text.contains(&format!("comment on table {table} is"))) {
                broken.push(format!("{}:{}: say in a comment what one row of `{table}` is.", source.path, number + 1));
            }
        }
    }
    none(&broken);
}

#[test]
fn the_committed_contract_is_what_the_code_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let generated = [("openapi.yaml", docs::openapi_yaml()), ("asyncapi.yaml", docs::asyncapi_yaml())];
    let differing =
        generated.iter().filter(|(name, text)| fs::read_to_string(root.join(name)).ok().as_ref() != Some(text));
    none(
        &differing
            .map(|(name, _)| format!("{name}: run `make fresh`, and look at the difference."))
            .collect::<Vec<_>>(),
    );
}

#[test]
fn every_route_is_called_in_a_test() {
    let contract: Value = yaml_serde::from_str(&docs::openapi_yaml()).expect("it is YAML");
    let tests = words_of_tests();
    let mut broken = Vec::new();
    for (path, item) in contract["paths"].as_object().expect("there are paths") {
        for method in item.as_object().expect("a path has methods").keys() {
            let place = without_names(path.strip_prefix("/api/v1").unwrap_or(path));
            let calls =
                [format!(".{method}(\"{place}"), format!(".{method}(&format!(\"{place}"), format!(",\"{place}")];
            // The last is how a path outside the API is asked for, where there is but one method.
            let calls = if path.starts_with("/api/") { &calls[..2] } else { &calls[..] };
            if !calls.iter().any(|call| ['"', '?'].iter().any(|end| tests.contains(&format!("{call}{end}")))) {
                broken.push(format!("No test calls `{method} {path}`."));
            }
        }
    }
    none(&broken);
}

#[test]
fn every_command_and_event_is_named_in_a_test() {
    let contract: Value = yaml_serde::from_str(&docs::asyncapi_yaml()).expect("it is YAML");
    let tests = words_of_tests();
    let messages = contract["components"]["messages"].as_object().expect("there are messages").values();
    let names = messages.map(|message| message["name"].as_str().expect("they have names"));
    let untested = names.filter(|name| !tests.contains(&format!("\"{name}\"")));
    none(&untested.map(|name| format!("No test speaks of `{name}`.")).collect::<Vec<_>>());
}

fn may_know(room: &str, other: &str) -> bool {
    if room == "boot" {
        return !NOT_FOR_BOOT.contains(&other);
    }
    ARROWS.iter().any(|(name, below)| *name == room && below.contains(&other))
}

/// Where a text says what it should not.
fn said(source: &Source, text: &str, words: &[(&str, &str)]) -> Vec<String> {
    let lines = text.lines().enumerate();
    lines
        .flat_map(|(number, line)| words.iter().map(move |word| (number + 1, line, word)))
        .filter(|(_, line, (word, _))| line.contains(word))
        .map(|(number, _, (word, why))| format!("{}:{number}: `{}`; {why}.", source.path, word.trim()))
        .collect()
}

/// The first names of the paths in a group of imports, whose opening brace is already read.
fn first_names(group: &str) -> Vec<String> {
    let mut depth = 0;
    let mut is_first = true;
    let mut names = Vec::new();
    for (place, sign) in group.char_indices() {
        match sign {
            '}' if depth == 0 => break,
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => is_first = true,
            sign if depth == 0 && is_first && sign.is_ascii_alphabetic() => {
                names.push(name_at(&group[place..]).to_owned());
                is_first = false;
            }
            _ => {}
        }
    }
    names
}

/// What the tests say, without blanks, and with `{}` for whatever stands in a variable part of a path.
fn words_of_tests() -> String {
    let texts = sources("tests/it").into_iter().map(|source| source.text.split_whitespace().collect::<String>());
    without_names(&texts.collect::<String>())
}

fn without_names(text: &str) -> String {
    let mut parts = text.split('{');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        text + "{" + part.trim_start_matches(|sign: char| sign.is_alphanumeric() || sign == '_')
    })
}

fn name_at(text: &str) -> &str {
    let end = text.find(|sign: char| !sign.is_ascii_alphanumeric() && sign != '_').unwrap_or(text.len());
    &text[..end]
}

fn function_name(line: &str) -> Option<&str> {
    let mut rest = line.trim_start();
    for word in ["pub ", "pub(crate) ", "pub(super) ", "const ", "async ", "unsafe "] {
        rest = rest.strip_prefix(word).unwrap_or(rest);
    }
    rest.strip_prefix("fn ").map(name_at)
}

fn everything() -> Vec<Source> {
    let mut all = sources("src");
    all.extend(sources("tests"));
    all.extend(sources("benches"));
    all
}

fn sources(folder: &str) -> Vec<Source> {
    read(Path::new(folder), "rs")
}

/// All files of a kind below a folder of the project, in order of their paths.
fn read(folder: &Path, kind: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![folder.to_owned()];
    let mut found: Vec<PathBuf> = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root.join(&folder)).into_iter().flatten().flatten() {
            let path = folder.join(entry.file_name());
            if entry.path().is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == kind) {
                found.push(path);
            }
        }
    }
    found.sort();
    let text = |path: &Path| fs::read_to_string(root.join(path)).expect("the project's files are text");
    found.iter().map(|path| Source { path: path.display().to_string(), text: text(path) }).collect()
}

#[track_caller]
fn none(broken: &[String]) {
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}
