use std::path::Path;

use serde_json::json;

use super::*;
use crate::matcher::Captures;
use crate::pipeline::Shared;
use crate::pipeline::session::Matched;
use crate::pipeline::trial::{Ask, Trial, run};

fn build(shared: &Shared, config: &Value) -> Result<AllowList, Vec<Finding>> {
    let context = BuildContext {
        rule_id: "r",
        strategy: crate::config::Strategy::Regexp,
        templates: crate::template::Settings::default(),
        shared,
    };
    AllowList::build(&context, config)
}

fn session(subject: &str, extra: &Value) -> Session {
    let mut session = Session::new(Captures::default(), Matched::Primary);
    session.subject = subject.into();
    session.extra = extra.as_object().map(|extra| Arc::new(extra.clone()));
    session
}

const IN: Result<(), &str> = Ok(());
const OUT: Result<(), &str> = Err("not-on-the-list");
const EMPTY: Result<(), &str> = Err("allow-list-empty");

#[test]
fn who_is_on_a_list() {
    let ada = json!({"email": "Ada@Example.com", "groups": ["staff", "admin"], "id": 7});
    for (config, subject, extra, want) in [
        (json!({}), "ada", ada.clone(), EMPTY),
        (json!({"subjects": [], "groups": []}), "ada", ada.clone(), EMPTY),
        (json!({"subjects": ["ada"]}), "ada", json!(null), IN),
        (json!({"subjects": ["ada"]}), "Ada", ada.clone(), OUT),
        (json!({"subjects": ["ada"]}), "", ada.clone(), OUT),
        (json!({"emails": ["ada@example.COM"]}), "x", ada.clone(), IN),
        (json!({"emails": ["ada@example.com"]}), "ada@example.com", json!({}), OUT),
        (json!({"emails": ["ada@example.com"]}), "x", json!(null), OUT),
        (json!({"emails": ["ada@example.com"]}), "x", json!({"email": ["bob@x.y", "ADA@example.com"]}), IN),
        (json!({"emails": ["ada@example.com"]}), "x", json!({"email": {"ada@example.com": 1}}), OUT),
        // U+212A looks like K, and is its own letter.
        (json!({"emails": ["kay@example.com"]}), "x", json!({"email": "\u{212a}ay@example.com"}), OUT),
        (json!({"email_domains": ["example.com"]}), "x", ada.clone(), IN),
        (json!({"email_domains": ["@Example.com"]}), "x", ada.clone(), IN),
        (json!({"email_domains": ["example.com"]}), "x", json!({"email": "a@sub.example.com"}), OUT),
        (json!({"email_domains": ["example.com"]}), "x", json!({"email": "a@notexample.com"}), OUT),
        (json!({"email_domains": ["example.com"]}), "x", json!({"email": "@example.com"}), OUT),
        (json!({"email_domains": ["example.com"]}), "x", json!({"email": "example.com"}), OUT),
        (json!({"email_domains": ["example.com"]}), "x", json!({"email": "a@evil.com@example.com"}), OUT),
        (json!({"groups": ["admin"]}), "x", ada.clone(), IN),
        (json!({"groups": ["Admin"]}), "x", ada.clone(), OUT),
        (json!({"groups": ["admin"]}), "x", json!({"groups": "admin"}), IN),
        (json!({"groups": ["admin"]}), "x", json!({"groups": "staff admin"}), OUT),
        (json!({"groups": ["7"]}), "x", json!({"groups": [7]}), IN),
        (json!({"groups": ["true"]}), "x", json!({"groups": [true]}), OUT),
        (
            json!({"groups": ["admin"], "groups_from": "realm.roles"}),
            "x",
            json!({"realm": {"roles": ["admin"]}}),
            IN,
        ),
        (
            json!({"groups": ["admin"], "groups_from": "groups.#.name"}),
            "x",
            json!({"groups": [{"name": "staff"}, {"name": "admin"}]}),
            IN,
        ),
        (
            json!({"emails": ["a@b.c"], "email_from": "identity.traits.email"}),
            "x",
            json!({"email": "a@b.c", "identity": {"traits": {"email": "x@y.z"}}}),
            OUT,
        ),
        (json!({"subjects": ["bob"], "groups": ["admin"]}), "ada", ada.clone(), IN),
        (json!({"subjects": ["bob"], "groups": ["admin"], "match": "all"}), "ada", ada.clone(), OUT),
        (json!({"subjects": ["ada"], "groups": ["admin"], "match": "all"}), "ada", ada.clone(), IN),
        (json!({"subjects": ["ada"], "emails": [], "match": "all"}), "ada", json!(null), IN),
        (json!({"match": "all"}), "ada", ada.clone(), EMPTY),
    ] {
        let list = build(&Shared::new(0), &config).unwrap();
        assert_eq!(list.may_pass(&session(subject, &extra)), want, "{config} {subject} {extra}");
    }
}

#[test]
fn an_email_that_has_to_be_verified_and_is_not_does_not_count() {
    let config =
        json!({"emails": ["a@b.c"], "email_domains": ["b.c"], "email_verified_from": "email_verified"});
    let list = build(&Shared::new(0), &config).unwrap();
    for (verified, want) in [
        (json!(true), IN),
        (json!("true"), IN),
        (json!(false), OUT),
        (json!("false"), OUT),
        (json!(1), OUT),
        (json!(null), OUT),
    ] {
        let extra = json!({"email": "a@b.c", "email_verified": verified});
        assert_eq!(list.may_pass(&session("x", &extra)), want, "{extra}");
    }
    assert_eq!(list.may_pass(&session("x", &json!({"email": "a@b.c"}))), OUT);
}

#[test]
fn a_file_adds_to_the_lists() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("people.yaml");
    std::fs::write(&path, "subjects: [bob]\ngroups: [y]\nemail_domains: ['@B.c']\n").unwrap();
    for (config, subject, extra, want) in [
        (json!({}), "bob", json!(null), IN),
        (json!({}), "ada", json!(null), OUT),
        (json!({"subjects": ["ada"]}), "ada", json!(null), IN),
        (json!({"subjects": ["ada"]}), "bob", json!(null), IN),
        (json!({}), "x", json!({"groups": ["y"]}), IN),
        (json!({}), "x", json!({"email": "a@b.C"}), IN),
        (json!({"match": "all"}), "bob", json!({"groups": ["y"]}), OUT),
    ] {
        let mut config = config;
        config["file"] = path.to_str().unwrap().into();
        let list = build(&Shared::new(0), &config).unwrap();
        assert_eq!(list.may_pass(&session(subject, &extra)), want, "{config} {subject} {extra}");
    }
}

#[test]
fn a_file_that_is_no_list_is_found_when_rules_load() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("people.yaml");
    let why = |text: Option<&str>| {
        match text {
            Some(text) => std::fs::write(&path, text).unwrap(),
            None => std::fs::remove_file(&path).unwrap(),
        }
        let found = build(&Shared::new(0), &json!({"subjects": ["ada"], "file": path})).err().unwrap();
        let [finding] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((finding.code, finding.pointer.as_str()), ("unreadable-file", "/file"));
        finding.message.replace(&format!("{}/", folder.path().display()), "")
    };
    for (text, message) in [
        (Some(""), "`people.yaml` is empty; an empty list is written as `subjects: []`"),
        (Some("# nobody\n"), "`people.yaml` is empty; an empty list is written as `subjects: []`"),
        (Some("- ada\n"), "`people.yaml` must hold `subjects`, `emails`, `email_domains` or `groups`"),
        (Some("subject: [ada]\n"), "there is no list `subject` in `people.yaml`"),
        (Some("subjects: ada\n"), "a list in `people.yaml` is not a list of texts"),
        (Some("subjects: [1]\n"), "a list in `people.yaml` is not a list of texts"),
        (Some("subjects: ['']\n"), "an entry in `people.yaml` is empty"),
        (None, "`people.yaml` cannot be read: No such file or directory (os error 2)"),
    ] {
        assert_eq!(why(text), message, "{text:?}");
    }
    assert!(why(Some("subjects: [")).starts_with("`people.yaml`: "));
}

#[test]
fn a_changed_file_counts_after_a_reload_and_a_broken_one_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("people.json");
    let write = |path: &Path, text: &str| std::fs::write(path, text).unwrap();
    write(&path, r#"{"subjects": ["guest"]}"#);
    let handlers = json!({"authorizers": {"allow_list": {"enabled": true, "config": {"file": path}}}});
    let mut trial = Trial::good(&handlers, &json!({"authorizer": {"handler": "allow_list"}}));
    assert_eq!(trial.shared.files.paths(), [path.clone()]);
    run(async {
        for (text, status) in [
            (r#"{"subjects": ["guest"]}"#, 200),
            (r#"{"subjects": ["#, 200),
            ("", 200),
            (r#"{"subjects": ["other"]}"#, 403),
            (r#"{"subjects": "#, 403),
            (r#"{"subjects": []}"#, 403),
            (r#"{"subjects": ["guest", "other"]}"#, 200),
        ] {
            write(&path, text);
            trial.reload();
            assert_eq!(trial.verdict(&Ask::default()).await.0, status, "{text}");
        }
    });
}
