//! What callgrind has written, function by function.
//!
//! `callgrind_annotate` does not get along with profiles that begin in the middle of a program: it counts what functions
//! call as their own.

use std::collections::HashMap;
use std::fmt::Write as _;

/// The functions of a profile by what they themselves take, in instructions a request, most first.
pub fn by_function(profile: &str, requests: u64) -> String {
    let (mut names, mut own) = (HashMap::new(), HashMap::<&str, u64>::new());
    let (mut current, mut is_call) = ("", false);
    for line in profile.lines() {
        if let Some(function) = line.strip_prefix("fn=") {
            current = known(&mut names, function);
        } else if let Some(function) = line.strip_prefix("cfn=") {
            known(&mut names, function);
        } else if line.starts_with("calls=") {
            // The next line has what the call took.
            is_call = true;
        } else if line.starts_with(|first: char| first.is_ascii_digit() || "+-*".contains(first))
            && !std::mem::take(&mut is_call)
        {
            let count = line.split(' ').nth(1).and_then(|count| count.parse::<u64>().ok());
            *own.entry(current).or_default() += count.unwrap_or(0);
        }
    }
    let mut functions: Vec<_> = own.into_iter().filter(|(_, count)| *count >= requests).collect();
    functions.sort_by(|one, other| other.1.cmp(&one.1).then(one.0.cmp(other.0)));
    functions.into_iter().fold(String::new(), |mut text, (id, count)| {
        let _ = writeln!(text, "{:>9} {}", count / requests, names.get(id).unwrap_or(&"?"));
        text
    })
}

/// `(12) name` where a function is first met, and `(12)` from then on. The same name may have several ids.
fn known<'a>(names: &mut HashMap<&'a str, &'a str>, function: &'a str) -> &'a str {
    let (id, name) = function.split_once(' ').map_or((function, None), |(id, name)| (id, Some(name)));
    if let Some(name) = name {
        names.insert(id, name);
    }
    id
}
