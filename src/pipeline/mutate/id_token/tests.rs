use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use super::*;
use crate::keys::fixtures::{self, Clock, document, inline, run, settle};
use crate::keys::verify::Token;
use crate::keys::{Algorithm, JwksStore};
use crate::matcher::Captures;
use crate::pipeline::session::{Matched, Session};
use crate::pipeline::{Context, Shared};
use crate::request::headers::HeaderFields;
use crate::request::{AccessRequest, Parts};
use crate::upstream::fake::FakeFetch;

const URL: &str = "https://vault.test/keys";
const NOW: u64 = 1_700_000_000;

thread_local! {
    static TIME: Cell<u64> = const { Cell::new(NOW) };
}

/// A mutator with what a server lends it.
struct Mint {
    mutator: Box<dyn Mutator>,
    context: Context,
    fetch: Rc<FakeFetch>,
}

impl Mint {
    fn new(config: &Value) -> Self {
        Self::with(JwksStore::new(), config)
    }

    fn with(store: JwksStore, config: &Value) -> Self {
        TIME.set(NOW);
        let shared = Shared { jwks: Arc::new(store), ..Shared::new(crate::cache::DEFAULT_BUDGET) };
        let fetch = FakeFetch::new();
        let context = Context { clock: || TIME.get(), ..Context::new(fetch.clone()) };
        Self { mutator: build(&shared, config).unwrap(), context, fetch }
    }

    /// With a set of the recorded suites.
    fn of(set: &str, more: &Value) -> Self {
        let mut config = json!({"issuer_url": "https://gate.test/", "jwks_url": inline(set)});
        config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        Self::new(&config)
    }

    /// The token made for a caller, or the id of the refusal.
    async fn token(&self, subject: &str) -> Result<String, String> {
        let mut fields = HeaderFields::default();
        fields.push("authorization", b"Bearer client".as_slice());
        let parts = Parts::root();
        let request = AccessRequest::new(parts, &fields).unwrap();
        let mut session = Session::new(Captures::default(), Matched::Primary);
        session.subject = subject.into();
        session.extra = Some(Arc::new(json!({"role": "admin", "n": 7}).as_object().unwrap().clone()));
        session.headers.set(header::AUTHORIZATION, HeaderValue::from_static("Bearer earlier"));
        let mut exchange = Exchange { request: &request, session, context: &self.context };
        if let Err(denial) = self.mutator.mutate(&mut exchange).get().await {
            assert_eq!((denial.status(), denial.message()), (500, MESSAGE));
            return Err(denial.detail().unwrap().id.to_owned());
        }
        let headers: Vec<_> = exchange.session.headers.into_vec();
        let [(name, value)] = headers.as_slice() else { panic!("{headers:?}") };
        assert_eq!(name, header::AUTHORIZATION);
        assert!(!format!("{value:?}").contains("ey"), "the token shows in logs");
        Ok(value.to_str().unwrap().strip_prefix("Bearer ").unwrap().to_owned())
    }

    async fn claims(&self, subject: &str) -> Value {
        payload(&self.token(subject).await.unwrap())
    }
}

fn build(shared: &Shared, config: &Value) -> Result<Box<dyn Mutator>, Vec<Finding>> {
    let context = BuildContext {
        rule_id: "r",
        strategy: crate::config::Strategy::Regexp,
        templates: crate::template::Settings::default(),
        shared,
    };
    (REGISTRATION.build)(&context, config)
}

fn part(token: &str, index: usize) -> String {
    let part = token.split('.').nth(index).unwrap();
    let bytes = URL_SAFE_NO_PAD.decode(part).unwrap();
    String::from_utf8(bytes).unwrap()
}

fn payload(token: &str) -> Value {
    serde_json::from_str(&part(token, 1)).unwrap()
}

fn is_signed_by(token: &str, set: &str, kid: &str, algorithm: Algorithm) -> bool {
    let set = KeySet::parse(document(set).as_bytes()).unwrap();
    let verifier = set.find(kid, false).unwrap().verifier(algorithm).unwrap();
    Token::parse(token.as_bytes()).unwrap().is_signed_by(verifier)
}

#[test]
fn every_kind_of_key_signs() {
    run(async {
        for (set, header, public, kid) in [
            ("sign-rs256", r#"{"alg":"RS256","kid":"rsa-1","typ":"JWT"}"#, "rsa-1-pub", "rsa-1"),
            ("sign-ps256", r#"{"alg":"PS256","kid":"ps-1","typ":"JWT"}"#, "verify-all", "ps-1"),
            ("sign-es256", r#"{"alg":"ES256","kid":"ec-1","typ":"JWT"}"#, "verify-all", "ec-1"),
            ("sign-es384", r#"{"alg":"ES384","kid":"ec-384","typ":"JWT"}"#, "verify-all", "ec-384"),
            ("sign-es512", r#"{"alg":"ES512","kid":"ec-521","typ":"JWT"}"#, "verify-all", "ec-521"),
            ("sign-hs256", r#"{"alg":"HS256","kid":"hs-1","typ":"JWT"}"#, "verify-all", "hs-1"),
            ("sign-hs384", r#"{"alg":"HS384","kid":"hs-384","typ":"JWT"}"#, "verify-all", "hs-384"),
            ("sign-hs512", r#"{"alg":"HS512","kid":"hs-512","typ":"JWT"}"#, "verify-all", "hs-512"),
            ("sign-eddsa", r#"{"alg":"EdDSA","kid":"ed-1","typ":"JWT"}"#, "verify-all", "ed-1"),
            ("sign-pair", r#"{"alg":"RS256","kid":"public:rsa-1","typ":"JWT"}"#, "rsa-1-pub", "rsa-1"),
        ] {
            let token = Mint::of(set, &json!({})).token("guest").await.unwrap();
            assert_eq!(part(&token, 0), header, "{set}");
            let algorithm = header.split('"').nth(3).and_then(Algorithm::from_name).unwrap();
            assert!(is_signed_by(&token, public, kid, algorithm), "{set}");
        }
        for (set, id) in [
            ("sign-no-alg", "no-signing-key"),
            ("sign-odd-alg", "no-signing-key"),
            ("sign-alg-none", "no-signing-key"),
            ("sign-alg-mismatch", "no-signing-key"),
            ("sign-pub-only", "no-signing-key"),
            ("sign-no-kid", "no-signing-key"),
            ("empty", "no-signing-key"),
        ] {
            assert_eq!(Mint::of(set, &json!({})).token("guest").await, Err(id.to_owned()), "{set}");
        }
        let missing = Mint::new(&json!({"issuer_url": "x", "jwks_url": "file:///nowhere"}));
        assert_eq!(missing.token("guest").await, Err("key-sets-unavailable".to_owned()));
    });
}

#[test]
fn the_claims_this_server_sets() {
    run(async {
        let mint = Mint::of("sign-es256", &json!({"ttl": "90m"}));
        let token = mint.token("alice <&>").await.unwrap();
        let jti = payload(&token)["jti"].as_str().unwrap().to_owned();
        assert_eq!(uuid::Uuid::parse_str(&jti).unwrap().get_version_num(), 4);
        let want = format!(
            r#"{{"exp":1700005400,"iat":1700000000,"iss":"https://gate.test/","jti":"{jti}","nbf":1700000000,"sub":"alice \u003c\u0026\u003e"}}"#
        );
        assert_eq!(part(&token, 1), want);
        for (ttl, seconds) in [("15m", 900), ("1h", 3600), ("30s", 30), ("1500ms", 1), ("0s", 0)] {
            let claims = Mint::of("sign-es256", &json!({"ttl": ttl})).claims("").await;
            assert_eq!(claims["exp"], NOW + seconds, "{ttl}");
        }
        assert_eq!(Mint::of("sign-es256", &json!({})).claims("").await["exp"], NOW + 900);
    });
}

#[test]
fn a_token_is_used_again_until_a_tenth_of_its_time_is_left() {
    run(async {
        let mint = Mint::of("sign-es256", &json!({"ttl": "30s"}));
        let first = mint.token("alice").await.unwrap();
        for (seconds, same) in [(1, true), (27, true), (28, false)] {
            TIME.set(NOW + seconds);
            assert_eq!(mint.token("alice").await.unwrap() == first, same, "after {seconds} s");
        }
        TIME.set(NOW);
        let mint = Mint::of("sign-es256", &json!({"ttl": "30s"}));
        assert_ne!(mint.token("alice").await, mint.token("bob").await);
        for more in [json!({"ttl": "0s"}), json!({"cache": {"enabled": false, "max_cost": 100}})] {
            let mint = Mint::of("sign-es256", &more);
            assert_ne!(mint.token("alice").await, mint.token("alice").await, "{more}");
        }
    });
}

#[test]
fn handlers_with_other_settings_do_not_share_tokens() {
    run(async {
        let shared = Shared::new(crate::cache::DEFAULT_BUDGET);
        let mut tokens = Vec::new();
        let base = json!({"issuer_url": "https://gate.test/", "jwks_url": inline("sign-two-private")});
        for more in [
            json!({}),
            json!({"issuer_url": "https://other.test/"}),
            json!({"ttl": "1h"}),
            json!({"jwks_url": inline("sign-es256")}),
            json!({"signing_kid": "rsa-1"}),
        ] {
            let mut config = base.clone();
            config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let mint = Mint { mutator: build(&shared, &config).unwrap(), ..Mint::of("empty", &json!({})) };
            tokens.push(mint.token("alice").await.unwrap());
        }
        let all = tokens.len();
        tokens.sort();
        tokens.dedup();
        assert_eq!((tokens.len(), shared.cache.len()), (all, all));
    });
}

#[test]
fn a_new_key_signs_as_soon_as_it_is_seen() {
    run(async {
        let (clock, store) = Clock::store();
        let mint = Mint::with(store, &json!({"issuer_url": "x", "jwks_url": URL}));
        mint.fetch.answer(URL, 200, document("sign-es256"));
        mint.fetch.answer(URL, 200, document("sign-es256"));
        mint.fetch.answer(URL, 200, document("sign-eddsa"));
        let first = mint.token("alice").await.unwrap();
        clock.advance(Duration::from_secs(25));
        assert_eq!(mint.token("alice").await.unwrap(), first);
        settle().await;
        clock.advance(Duration::from_secs(25));
        assert_eq!(mint.token("alice").await.unwrap(), first, "until the new set is there");
        settle().await;
        let second = mint.token("alice").await.unwrap();
        assert!(part(&second, 0).contains(r#""kid":"ed-1""#));
        assert_eq!(mint.fetch.count(URL), 3);
    });
}

#[test]
fn the_key_can_be_chosen() {
    run(async {
        let header = async |set: &str, kid: &str| {
            let mint = Mint::of(set, &json!({"signing_kid": kid}));
            mint.token("alice").await.map(|token| part(&token, 0))
        };
        let one = header("sign-two-private", "rsa-1").await.unwrap();
        assert!(one.contains(r#""kid":"rsa-1""#), "{one}");
        let two = header("sign-two-private", "rsa-2").await.unwrap();
        assert!(two.contains(r#""kid":"rsa-2""#), "{two}");
        let rsa = header("sign-hs-then-rsa", "rsa-1").await.unwrap();
        assert!(rsa.contains(r#""alg":"RS256""#), "{rsa}");
        assert_eq!(header("sign-two-private", "rsa-3").await, Err("no-signing-key".to_owned()));
        let newer = Mint::new(&json!({"issuer_url": "x", "jwks_url": URL, "signing_kid": "ed-1"}));
        newer.fetch.answer(URL, 200, document("sign-es256"));
        newer.fetch.answer(URL, 200, document("sign-eddsa"));
        assert_eq!(newer.token("alice").await, Err("no-signing-key".to_owned()));
        assert!(newer.token("alice").await.is_ok(), "the set was read again for it");
    });
}

#[test]
fn what_cannot_be_built() {
    let shared = Shared::new(crate::cache::DEFAULT_BUDGET);
    for (config, pointer, message) in [
        (
            json!({"issuer_url": "x", "jwks_url": "s3://b/k"}),
            "/jwks_url",
            "key sets from `s3://` URLs cannot be read yet",
        ),
        (
            json!({"issuer_url": "x", "jwks_url": URL, "ttl": "9999999999999999999h"}),
            "/ttl",
            "`9999999999999999999h` is not a duration",
        ),
    ] {
        let findings = build(&shared, &config).map(|_| ()).unwrap_err();
        let [finding] = findings.as_slice() else { panic!("{config}: {findings:?}") };
        assert_eq!((finding.pointer.as_str(), finding.message.as_str()), (pointer, message), "{config}");
    }
}

#[test]
fn the_schema_is_that_of_oathkeeper_and_some_switches() {
    let schema = crate::schema::handler(crate::config::Stage::Mutators, "id_token").unwrap();
    for (more, valid) in [
        (json!({}), true),
        (json!({"issuer_url": "just text", "ttl": "15m", "claims": "{}"}), true),
        (json!({"cache": {"enabled": true, "max_cost": 1_000_000}}), true),
        (json!({"signing_kid": "a", "template_engine": "tera"}), true),
        (json!({"issuer_url": null}), false),
        (json!({"jwks_url": "not a uri"}), false),
        (json!({"ttl": "1.5h"}), false),
        (json!({"claims": {"aud": "x"}}), false),
        (json!({"cache": {"ttl": "1h"}}), false),
        (json!({"template_engine": "jinja"}), false),
        (json!({"isuer_url": "x"}), false),
    ] {
        let mut config = json!({"issuer_url": "x", "jwks_url": "file:///keys.json"});
        config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        assert_eq!(is_valid(schema, &config), valid, "{more}");
    }
    assert!(!is_valid(schema, &json!({"jwks_url": URL})), "no issuer");
    assert!(!is_valid(schema, &json!({"issuer_url": "x"})), "no keys");
}

#[test]
fn public_halves_are_enough_to_verify() {
    run(async {
        let token = Mint::of("sign-es256", &json!({})).token("alice").await.unwrap();
        let private = KeySet::parse(document("sign-es256").as_bytes()).unwrap();
        let shown = json!({"keys": private.public().collect::<Vec<_>>()}).to_string();
        assert!(!shown.contains(fixtures::key("sign-es256", "ec-1")["d"].as_str().unwrap()));
        let public = KeySet::parse(shown.as_bytes()).unwrap();
        let verifier = public.find("ec-1", false).unwrap().verifier(Algorithm::Es256).unwrap();
        assert!(Token::parse(token.as_bytes()).unwrap().is_signed_by(verifier));
    });
}

fn is_valid(schema: &crate::schema::Schema, config: &Value) -> bool {
    schema.check(config).is_empty()
}

#[test]
fn claims_come_from_the_template() {
    run(async {
        for (claims, name, want) in [
            (r#"{"aud":["a","b"]}"#, "aud", json!(["a", "b"])),
            (r#"{"x":"{{ .Subject }}"}"#, "x", json!("alice")),
            (r#"{"session":{{ .Extra | toJson }}}"#, "session", json!({"role": "admin", "n": 7})),
            (r#"{"iss":"evil","exp":1,"jti":"x"}"#, "iss", json!("https://gate.test/")),
            (r#"{"sub":"{{ print "evil" }}"}"#, "sub", json!("alice")),
            (r#"{"exp":1}"#, "exp", json!(NOW + 900)),
            (r#"{"big":{{ print "12345678901234567890" }}}"#, "big", json!(12_345_678_901_234_567_890_u64)),
            (r#"{ {{ if .Extra.role }}"admin":true{{ end }} }"#, "admin", json!(true)),
            ("{}", "sub", json!("alice")),
        ] {
            let mint = Mint::of("sign-es256", &json!({"claims": claims}));
            assert_eq!(mint.claims("alice").await[name], want, "{claims}");
        }
        for (claims, id) in [
            (r#"{{ print "null" }}"#, "claims-not-an-object"),
            (r"[{{ .Extra.n }}]", "claims-not-an-object"),
            (r#"{"a":{{ print "1," }}}"#, "claims-not-an-object"),
            (r"{{ .Extra.role }}", "claims-not-an-object"),
            (r#"{"a":"{{ index .Extra.role 99 }}"}"#, "claims-template-failed"),
        ] {
            let mint = Mint::of("sign-es256", &json!({"claims": claims}));
            assert_eq!(mint.token("alice").await, Err(id.to_owned()), "{claims}");
        }
        let mint = Mint::of("sign-es256", &json!({"claims": r#"{"x":"{{ .Subject }}"}"#}));
        assert_eq!(mint.token("alice").await, mint.token("alice").await);
        assert_ne!(mint.token("alice").await, mint.token("bob").await);
    });
}

#[test]
fn claims_that_can_never_work_are_found_when_rules_load() {
    let shared = Shared::new(crate::cache::DEFAULT_BUDGET);
    for (claims, message) in [
        ("hello", "the claims are not a JSON object: expected value at line 1 column 1"),
        ("null", "the claims are not a JSON object: it is null"),
        ("[1]", "the claims are not a JSON object: it is another JSON value"),
        (r#"{"a":1,}"#, "the claims are not a JSON object: trailing comma at line 1 column 8"),
    ] {
        let config = json!({"issuer_url": "x", "jwks_url": URL, "claims": claims});
        let findings = build(&shared, &config).map(|_| ()).unwrap_err();
        let [finding] = findings.as_slice() else { panic!("{claims}: {findings:?}") };
        assert_eq!((finding.pointer.as_str(), finding.message.as_str()), ("/claims", message));
    }
    let broken = json!({"issuer_url": "x", "jwks_url": URL, "claims": r#"{"a":"{{ .Nope"}"#});
    let findings = build(&shared, &broken).map(|_| ()).unwrap_err();
    assert!(findings.iter().all(|finding| finding.pointer == "/claims"), "{findings:?}");
}
