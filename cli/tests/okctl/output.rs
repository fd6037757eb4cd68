//! What goes to which stream, and what happens when nobody reads it.

use std::io::Write as _;
use std::process::Stdio;

use crate::{command, okctl, text};

#[test]
fn findings_are_on_stdout_and_the_summary_on_stderr() {
    let output = okctl(&["rules", "validate", "broken.yaml"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).starts_with("error["), "{}", text(&output.stdout));
    let summary = text(&output.stderr);
    assert!(summary.ends_with(" in 1 rule from 1 file\n") && summary.lines().count() == 1, "{summary}");
}

#[test]
fn json_on_stdout_is_json_whatever_was_found() {
    for command in [
        "validate broken.yaml",
        "validate rules",
        "match rules --url=https://shop.example.com/users/7",
        "match rules --url=https://shop.example.com/nothing",
        "match rules --url=https://shop.example.com/%zz",
    ] {
        let mut arguments = vec!["rules", "--format=json"];
        arguments.splice(1..1, command.split(' '));
        let output = okctl(&arguments);
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(json.is_object(), "{arguments:?}");
    }
}

#[test]
fn rules_are_read_from_standard_input() {
    let rules = std::fs::read_to_string(crate::shop().join("rules/users.yaml")).unwrap();
    let mut child = command(&["rules", "validate", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(rules.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(text(&output.stderr), "nothing wrong in 2 rules from 1 file\n");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    for (arguments, code) in
        [(["completion", "bash"].as_slice(), 0), (&["rules", "validate", "broken.yaml", "--format=json"], 1)]
    {
        let mut child = command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{}", text(&output.stderr));
        assert!(!text(&output.stderr).contains("okctl:"), "{}", text(&output.stderr));
    }
}

#[test]
fn every_shell_gets_a_script_that_knows_the_commands() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let output = okctl(&["completion", shell]);
        assert_eq!(output.status.code(), Some(0));
        let script = text(&output.stdout);
        assert!(script.contains("okctl") && script.contains("validate"), "{shell}");
    }
}

#[test]
fn colour_is_for_terminals_and_for_those_who_ask() {
    let coloured = |arguments: &[&str]| text(&okctl(arguments).stdout).contains('\u{1b}');
    assert!(!coloured(&["rules", "validate", "broken.yaml"]));
    assert!(coloured(&["rules", "validate", "broken.yaml", "--color=always"]));
    assert!(coloured(&[
        "rules",
        "match",
        "rules",
        "--color=always",
        "--url=https://shop.example.com/users/7"
    ]));
}
