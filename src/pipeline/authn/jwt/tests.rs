use std::cell::Cell;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::keys::JwksStore;
use crate::keys::fixtures::{self, Clock, document, hs256, inline, key, run, settle, token};
use crate::matcher::Captures;
use crate::pipeline::session::{Matched, Session};
use crate::pipeline::{Context, Shared};
use crate::request::headers::HeaderFields;
use crate::request::{AccessRequest, Parts};
use crate::upstream::fake::FakeFetch;

const URL: &str = "https://idp.test/keys";
/// 2023-11-14, within the life of the tokens of the recorded suites.
const NOW: u64 = 1_700_000_000;

thread_local! {
    static TIME: Cell<u64> = const { Cell::new(NOW) };
}

/// An authenticator with what a server lends it.
struct Gate {
    jwt: Box<dyn Authenticator>,
    context: Context,
    fetch: Rc<FakeFetch>,
    shared: Shared,
}

impl Gate {
    fn new(config: &Value) -> Self {
        Self::with(JwksStore::new(), config)
    }

    fn with(store: JwksStore, config: &Value) -> Self {
        TIME.set(NOW);
        let shared = Shared { jwks: Arc::new(store), ..Shared::new(crate::cache::DEFAULT_BUDGET) };
        let fetch = FakeFetch::new();
        let context = Context { clock: || TIME.get(), ..Context::new(fetch.clone()) };
        Self { jwt: build(&shared, config).unwrap(), context, fetch, shared }
    }

    /// With a set of the recorded suites as the only one.
    fn of(set: &str, mut config: Value) -> Self {
        config["jwks_urls"] = json!([inline(set)]);
        Self::new(&config)
    }

    /// Asks; the result in one word: the subject, or the id of the refusal.
    async fn ask(&self, token: &str) -> String {
        self.ask_bytes(format!("Bearer {token}").as_bytes()).await.0
    }

    async fn ask_bytes(&self, authorization: &[u8]) -> (String, Option<Arc<Map<String, Value>>>) {
        let mut fields = HeaderFields::default();
        fields.push("authorization", authorization);
        let parts = Parts::root();
        let request = AccessRequest::new(parts, &fields).unwrap();
        let session = Session::new(Captures::default(), Matched::Primary);
        let mut exchange = Exchange { request: &request, session, context: &self.context };
        let answer = self.jwt.authenticate(&mut exchange).get().await;
        match answer {
            Ok(Authentication::Subject) => {
                (format!("subject {}", exchange.session.subject), exchange.session.extra.clone())
            }
            Ok(Authentication::NotResponsible) => ("not responsible".to_owned(), None),
            Err(denial) => {
                let unavailable = matches!(denial, Denial::CouldNotDecide { retry_after: Some(_), .. });
                assert_eq!(denial.status(), if unavailable { 503 } else { 401 });
                (denial.detail().unwrap().id.to_owned(), None)
            }
        }
    }

    async fn claims(&self, token: &str) -> Value {
        let (outcome, claims) = self.ask_bytes(format!("Bearer {token}").as_bytes()).await;
        let claims = claims.unwrap_or_else(|| panic!("{outcome}"));
        Value::Object(Map::clone(&claims))
    }
}

fn build(shared: &Shared, config: &Value) -> Result<Box<dyn Authenticator>, Vec<Finding>> {
    let context = BuildContext {
        rule_id: "r",
        strategy: crate::config::Strategy::Regexp,
        templates: crate::template::Settings::default(),
        shared,
    };
    (REGISTRATION.build)(&context, config)
}

const EVERYTHING: [&str; 15] = [
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "HS256", "HS384",
    "HS512", "EdDSA", "none", "None",
];

#[test]
fn tokens_and_what_becomes_of_them() {
    run(async {
        let gate = Gate::of("verify-all", json!({}));
        for (name, outcome) in [
            ("rs256", "subject alice"),
            ("rs256_bob", "subject bob"),
            ("rs256_kid2", "subject alice"),
            ("rs256_typ_at", "subject alice"),
            ("rs256_no_typ", "subject alice"),
            ("rs256_no_sub", "subject "),
            ("rs256_sub_number", "subject 12345"),
            ("rs256_sub_list", "subject-not-text"),
            ("rs256_dup_sub", "subject second"),
            ("rs256_no_exp", "subject alice"),
            ("rs256_no_time", "subject alice"),
            ("rs256_exp_zero", "subject alice"),
            ("rs256_exp_float", "subject alice"),
            ("rs256_long", "subject alice"),
            ("rs256_expired", "token-expired"),
            ("rs256_exp_negative", "token-expired"),
            ("rs256_exp_string", "time-claim-malformed"),
            ("rs256_nbf_future", "token-not-valid-yet"),
            ("rs256_iat_future", "token-used-before-issued"),
            ("rs256_no_kid", "key-id-missing"),
            ("rs256_kid_number", "key-id-missing"),
            ("rs256_kid_empty", "key-id-missing"),
            ("rs256_unknown_kid", "key-unknown"),
            ("embedded_jwk", "key-unknown"),
            ("jku", "key-unknown"),
            ("kid_path", "key-unknown"),
            ("rs256_wrong_key", "signature-invalid"),
            ("rs256_tampered", "signature-invalid"),
            ("rs256_no_signature", "signature-invalid"),
            ("rs256_cut_signature", "token-malformed"),
            ("rs256_padded", "token-malformed"),
            ("rs256_crit", "critical-header"),
            ("rs256_kid_of_ec", "key-not-for-algorithm"),
            ("rs256_kid_of_hs", "key-not-for-algorithm"),
            ("payload_not_json", "claims-malformed"),
            ("payload_list", "claims-malformed"),
            ("header_not_json", "token-malformed"),
            ("garbage_dots", "token-malformed"),
            ("only_dots", "token-malformed"),
            ("alg_lowercase", "algorithm-not-allowed"),
            ("alg_missing", "algorithm-missing"),
            ("none", "algorithm-not-allowed"),
            ("none_kid", "algorithm-not-allowed"),
            ("none_mixed_case", "algorithm-not-allowed"),
            ("hs_with_rsa_pem", "algorithm-not-allowed"),
            ("rs384", "algorithm-not-allowed"),
            ("ps256", "algorithm-not-allowed"),
            ("es256", "algorithm-not-allowed"),
            ("hs256", "algorithm-not-allowed"),
            ("eddsa", "algorithm-not-allowed"),
            ("four_parts", "not responsible"),
            ("two_parts", "not responsible"),
        ] {
            for time in ["first", "second"] {
                assert_eq!(gate.ask(&token(name)).await, outcome, "{name}, the {time} time");
            }
        }
        for (authorization, outcome) in [
            ("Bearer", "not responsible"),
            ("Bearer opaque", "not responsible"),
            ("Basic YTpi", "not responsible"),
            ("Bearer  a.b.c", "token-malformed"),
            ("Bearer ...", "not responsible"),
        ] {
            assert_eq!(gate.ask_bytes(authorization.as_bytes()).await.0, outcome, "{authorization}");
        }
        let endless = format!("{}.e30.AAAA", "A".repeat(LONGEST_TOKEN));
        assert_eq!(gate.ask(&endless).await, "token-too-long");
    });
}

#[test]
fn no_key_is_used_for_what_it_is_not_for() {
    run(async {
        let gate = Gate::of("verify-all", json!({"allowed_algorithms": EVERYTHING}));
        for (name, outcome) in [
            ("rs256", "subject alice"),
            ("ps256", "subject alice"),
            ("es256", "subject alice"),
            ("es384", "subject alice"),
            ("es512", "subject alice"),
            ("hs256", "subject alice"),
            ("hs384", "subject alice"),
            ("hs512", "subject alice"),
            ("eddsa", "subject alice"),
            ("rs384", "key-not-for-algorithm"),
            ("ps384", "key-not-for-algorithm"),
            ("ps256_kid_of_rs", "key-not-for-algorithm"),
            ("rs256_kid_of_ec", "key-not-for-algorithm"),
            ("rs256_kid_of_hs", "key-not-for-algorithm"),
            ("hs_with_rsa_pem", "key-not-for-algorithm"),
            ("hs_with_rsa_der", "key-not-for-algorithm"),
            ("hs_empty_key", "key-not-for-algorithm"),
            ("es256_der_signature", "signature-invalid"),
            ("es256_zero_signature", "signature-invalid"),
            ("none", "algorithm-not-allowed"),
            ("none_kid", "algorithm-not-allowed"),
            ("none_mixed_case", "algorithm-not-allowed"),
            ("alg_lowercase", "algorithm-not-allowed"),
        ] {
            assert_eq!(gate.ask(&token(name)).await, outcome, "{name}");
        }

        let claims = json!({"sub": "mallory"}).to_string();
        let public = fixtures::set("verify-all");
        for key in public["keys"].as_array().unwrap().iter().filter(|key| key["kty"] != "oct") {
            let kid = key["kid"].as_str().unwrap();
            let numbers = ["n", "x", "y"].map(|name| key[name].as_str().unwrap_or_default());
            let secrets = [key.to_string(), kid.to_owned(), String::new(), numbers.concat()];
            for secret in secrets.iter().map(String::as_str).chain(numbers) {
                for alg in ["HS256", "HS384", "hs256", "none", "nOnE", "NONE", "none ", ""] {
                    let forged = hs256(&json!({"alg": alg, "kid": kid}), &claims, secret.as_bytes());
                    let outcome = gate.ask(&forged).await;
                    assert!(
                        ["key-not-for-algorithm", "algorithm-not-allowed"].contains(&outcome.as_str()),
                        "{alg} with {kid}: {outcome}"
                    );
                }
            }
        }
        // The shared secret itself signs, under its own name and algorithm alone.
        let secret = key("verify-all", "hs-1")["k"].as_str().unwrap().to_owned();
        let secret = URL_SAFE_NO_PAD.decode(secret).unwrap();
        for (alg, kid, outcome) in [
            ("HS256", "hs-1", "subject mallory"),
            ("HS256", "hs-384", "key-not-for-algorithm"),
            ("HS256", "rsa-1", "key-not-for-algorithm"),
            ("HS384", "hs-1", "key-not-for-algorithm"),
            ("RS256", "hs-1", "key-not-for-algorithm"),
            ("ES256", "ec-384", "key-not-for-algorithm"),
            ("ES384", "ec-1", "key-not-for-algorithm"),
            ("ES256", "ec-1", "signature-invalid"),
            ("EdDSA", "ed-1", "signature-invalid"),
            ("PS256", "ps-1", "signature-invalid"),
        ] {
            let made = hs256(&json!({"alg": alg, "kid": kid}), &claims, &secret);
            assert_eq!(gate.ask(&made).await, outcome, "{alg} {kid}");
        }
    });
}

#[test]
fn which_keys_verify() {
    run(async {
        for (set, config, outcome) in [
            ("rsa-pub", json!({}), "subject alice"),
            ("rsa-no-alg", json!({}), "subject alice"),
            ("rsa-priv-for-verify", json!({}), "subject alice"),
            ("same-kid-twice", json!({}), "subject alice"),
            ("same-kid-wrong-first", json!({}), "signature-invalid"),
            ("rsa-2-pub", json!({}), "key-unknown"),
            ("empty", json!({}), "key-unknown"),
            ("rsa-use-enc", json!({}), "key-unknown"),
            ("rsa-use-enc", json!({"accept_missing_use": true}), "key-unknown"),
            ("rsa-no-use", json!({}), "key-unknown"),
            ("rsa-no-use", json!({"accept_missing_use": true}), "subject alice"),
        ] {
            let gate = Gate::of(set, config.clone());
            assert_eq!(gate.ask(&token("rs256")).await, outcome, "{set} {config}");
        }
        for (set, config, outcome) in [
            ("rsa-1-pub", json!({}), "key-id-missing"),
            ("rsa-1-pub", json!({"accept_missing_kid": true}), "subject alice"),
            ("rsa-2-pub", json!({"accept_missing_kid": true}), "signature-invalid"),
            ("rsa-pub", json!({"accept_missing_kid": true}), "key-unknown"),
            ("rsa-no-use", json!({"accept_missing_kid": true}), "key-unknown"),
        ] {
            let gate = Gate::of(set, config.clone());
            assert_eq!(gate.ask(&token("rs256_no_kid")).await, outcome, "{set} {config}");
        }
        let gate = Gate::of("rsa-1-pub", json!({"accept_missing_kid": true}));
        assert_eq!(gate.ask(&token("rs256_kid_empty")).await, "key-id-missing");
        let nowhere = Gate::new(&json!({"jwks_urls": ["file:///nowhere", URL]}));
        assert_eq!(nowhere.ask(&token("rs256")).await, "key-sets-unavailable");
    });
}

#[test]
fn a_key_that_may_be_in_a_set_that_cannot_be_read_is_no_unknown_key() {
    const DOWN: &str = "https://down.test/keys";
    run(async {
        for setting in ["compat", "unavailable"] {
            let config = json!({"jwks_urls": [DOWN, URL], "on_backend_error": setting});
            let gate = Gate::new(&config);
            gate.fetch.answer(URL, 200, document("rsa-1-pub"));
            gate.fetch.answer(DOWN, 503, "");
            assert_eq!(gate.ask(&token("rs256")).await, "subject alice", "found elsewhere");
            assert_eq!(gate.ask(&token("rs256_kid2")).await, "key-sets-unavailable", "{setting}");
            gate.fetch.forget(DOWN);
            gate.fetch.answer(DOWN, 200, document("rsa-2-pub"));
            assert_eq!(gate.ask(&token("rs256_kid2")).await, "subject alice");
            assert_eq!(gate.ask(&token("rs256_unknown_kid")).await, "key-unknown", "now it is");
        }
    });
}

#[test]
fn a_token_without_a_subject_is_refused_where_one_is_demanded() {
    run(async {
        for (config, want) in [(json!({}), "subject "), (json!({"require_subject": true}), "subject-missing")]
        {
            let gate = Gate::of("rsa-pub", config);
            assert_eq!(gate.ask(&token("rs256_no_sub")).await, want);
            assert_eq!(gate.ask(&token("rs256")).await, "subject alice");
        }
    });
}

#[test]
fn what_a_rule_demands() {
    run(async {
        for (config, name, outcome) in [
            (json!({"trusted_issuers": ["https://x.test", "https://issuer.test"]}), "rs256", "subject alice"),
            (json!({"trusted_issuers": ["https://issuer.test"]}), "rs256_bob", "issuer-not-trusted"),
            (json!({"trusted_issuers": ["https://issuer.test"]}), "rs256_no_iss", "issuer-not-trusted"),
            (json!({"trusted_issuers": ["7"]}), "rs256_iss_number", "issuer-not-trusted"),
            (json!({"trusted_issuers": ["https://issuer.test/"]}), "rs256", "issuer-not-trusted"),
            (json!({"trusted_issuers": []}), "rs256", "subject alice"),
            (json!({"target_audience": ["api"]}), "rs256", "subject alice"),
            (json!({"target_audience": ["api"]}), "rs256_aud_string", "subject alice"),
            (json!({"target_audience": ["api", "web"]}), "rs256", "subject alice"),
            (json!({"target_audience": ["api", "web"]}), "rs256_aud_string", "audience-mismatch"),
            (json!({"target_audience": ["api"]}), "rs256_no_aud", "audience-mismatch"),
            (json!({"target_audience": ["api"]}), "rs256_aud_empty", "audience-mismatch"),
            (json!({"required_scope": ["read"], "scope_strategy": "exact"}), "rs256", "subject alice"),
            (
                json!({"required_scope": ["read"], "scope_strategy": "exact"}),
                "rs256_no_scope",
                "scope-missing",
            ),
            (
                json!({"required_scope": ["read"], "scope_strategy": "exact"}),
                "rs256_scp_list",
                "subject alice",
            ),
            (
                json!({"required_scope": ["read"], "scope_strategy": "exact"}),
                "rs256_scp_and_scope",
                "scope-missing",
            ),
            (
                json!({"required_scope": ["read", "write"], "scope_strategy": "exact"}),
                "rs256_bob",
                "scope-missing",
            ),
            (
                json!({"required_scope": ["foo.bar.baz"], "scope_strategy": "hierarchic"}),
                "rs256_scope_hier",
                "subject alice",
            ),
            (
                json!({"required_scope": ["baz.a.b"], "scope_strategy": "wildcard"}),
                "rs256_scope_hier",
                "subject alice",
            ),
            (json!({"required_scope": ["read"], "scope_strategy": "none"}), "rs256", "scope-missing"),
            (json!({"required_scope": ["read"]}), "rs256", "scope-missing"),
            (json!({"required_scope": [], "scope_strategy": "exact"}), "rs256_no_scope", "subject alice"),
        ] {
            let gate = Gate::of("verify-all", config.clone());
            assert_eq!(gate.ask(&token(name)).await, outcome, "{config} {name}");
        }
    });
}

#[test]
fn demands_are_looked_at_for_remembered_tokens_too() {
    run(async {
        let gate = Gate::of("verify-all", json!({}));
        assert_eq!(gate.ask(&token("rs256")).await, "subject alice");
        let strict = json!({"jwks_urls": [inline("verify-all")], "target_audience": ["other"]});
        let strict = Gate { jwt: build(&gate.shared, &strict).unwrap(), ..gate };
        assert_eq!(strict.shared.cache.len(), 1);
        assert_eq!(strict.ask(&token("rs256")).await, "audience-mismatch");
        assert_eq!(strict.shared.cache.len(), 1, "the same space");
    });
}

#[test]
fn scopes_become_a_list() {
    run(async {
        let gate = Gate::of("verify-all", json!({}));
        for (name, scp, left) in [
            ("rs256", json!(["read", "write"]), Value::Null),
            ("rs256_scp_list", json!(["read", "write:all"]), Value::Null),
            ("rs256_scp_string", json!(["read", "write:all"]), Value::Null),
            ("rs256_scopes", json!(["foo.bar", "read"]), Value::Null),
            ("rs256_scp_and_scope", json!(["only-scp"]), json!("read write")),
            ("rs256_scope_mixed_list", json!(["read", "", "write"]), Value::Null),
            ("rs256_scope_number", json!([]), Value::Null),
            ("rs256_scope_empty", json!([]), Value::Null),
            ("rs256_no_scope", json!([]), Value::Null),
        ] {
            let claims = gate.claims(&token(name)).await;
            assert_eq!((&claims["scp"], &claims["scope"]), (&scp, &left), "{name}");
            assert_eq!(claims["scopes"], Value::Null, "{name}");
        }
        let claims = gate.claims(&token("rs256_numbers")).await;
        assert_eq!(claims["big"].as_u64(), Some(9_007_199_254_740_993), "exact");
    });
}

#[test]
fn times_are_exact_to_the_second_unless_there_is_leeway() {
    run(async {
        let secret = key("verify-all", "hs-1")["k"].as_str().unwrap().to_owned();
        let secret = URL_SAFE_NO_PAD.decode(secret).unwrap();
        let made =
            |claims: &Value| hs256(&json!({"alg": "HS256", "kid": "hs-1"}), &claims.to_string(), &secret);
        for (leeway, claims, outcome) in [
            ("0s", json!({"exp": NOW + 1}), "subject "),
            ("0s", json!({"exp": NOW}), "token-expired"),
            ("0s", json!({"exp": 1_700_000_000.9}), "token-expired"),
            ("0s", json!({"exp": 0.5}), "token-expired"),
            ("0s", json!({"exp": 0}), "subject "),
            ("0s", json!({"exp": 1e300}), "subject "),
            ("0s", json!({"exp": -1e300}), "token-expired"),
            ("0s", json!({"exp": u64::MAX}), "subject "),
            ("0s", json!({"exp": null}), "time-claim-malformed"),
            ("0s", json!({"exp": [NOW + 1]}), "time-claim-malformed"),
            ("0s", json!({"nbf": NOW}), "subject "),
            ("0s", json!({"nbf": NOW + 1}), "token-not-valid-yet"),
            ("0s", json!({"nbf": 1e300}), "token-not-valid-yet"),
            ("0s", json!({"nbf": "now"}), "time-claim-malformed"),
            ("0s", json!({"iat": NOW}), "subject "),
            ("0s", json!({"iat": NOW + 1}), "token-used-before-issued"),
            ("0s", json!({"iat": true}), "time-claim-malformed"),
            ("5s", json!({"exp": NOW - 4}), "subject "),
            ("5s", json!({"exp": NOW - 5}), "token-expired"),
            ("5s", json!({"nbf": NOW + 5, "iat": NOW + 5}), "subject "),
            ("5s", json!({"nbf": NOW + 6}), "token-not-valid-yet"),
            ("5s", json!({"iat": NOW + 6}), "token-used-before-issued"),
        ] {
            let gate = Gate::of("verify-all", json!({"allowed_algorithms": ["HS256"], "leeway": leeway}));
            assert_eq!(gate.ask(&made(&claims)).await, outcome, "{leeway} {claims}");
        }

        let gate = Gate::of("verify-all", json!({"allowed_algorithms": ["HS256"]}));
        let token = made(&json!({"sub": "alice", "exp": NOW + 10}));
        for (time, outcome) in
            [(NOW, "subject alice"), (NOW + 9, "subject alice"), (NOW + 10, "token-expired")]
        {
            TIME.set(time);
            assert_eq!(gate.ask(&token).await, outcome, "{time}: remembered until it expires");
        }
    });
}

#[test]
fn a_remembered_token_goes_with_its_key() {
    run(async {
        let (clock, store) = Clock::store();
        let gate = Gate::with(store, &json!({"jwks_urls": [URL]}));
        gate.fetch.answer(URL, 200, document("rsa-1-pub"));
        gate.fetch.answer(URL, 200, document("rsa-1-pub"));
        gate.fetch.answer(URL, 200, document("rsa-2-pub"));
        assert_eq!(gate.ask(&token("rs256")).await, "subject alice");
        clock.advance(Duration::from_secs(25));
        assert_eq!(gate.ask(&token("rs256")).await, "subject alice");
        settle().await;
        clock.advance(Duration::from_secs(25));
        assert_eq!(gate.ask(&token("rs256")).await, "subject alice", "until the new set is there");
        settle().await;
        assert_eq!(gate.ask(&token("rs256")).await, "key-unknown", "its key is gone");
        assert_eq!(gate.ask(&token("rs256_kid2")).await, "subject alice");
    });
}

#[test]
fn a_remembered_token_needs_no_key_set_to_be_read() {
    run(async {
        let gate = Gate::new(&json!({"jwks_urls": ["https://dead.test", URL]}));
        gate.fetch.answer(URL, 200, document("rsa-1-pub"));
        assert_eq!(gate.ask(&token("rs256")).await, "subject alice");
        let calls = gate.fetch.calls().len();
        for _ in 0..3 {
            assert_eq!(gate.ask(&token("rs256")).await, "subject alice");
        }
        assert_eq!((calls, gate.fetch.calls().len()), (2, 2));
    });
}

#[test]
fn tokens_that_need_no_key_cause_no_reading() {
    run(async {
        let gate = Gate::new(&json!({"jwks_urls": [URL]}));
        gate.fetch.answer(URL, 200, document("rsa-1-pub"));
        for name in ["none", "es256", "rs256_no_kid", "garbage_dots", "rs256_crit", "two_parts"] {
            gate.ask(&token(name)).await;
        }
        assert!(gate.fetch.calls().is_empty());
    });
}

#[test]
fn what_cannot_be_built() {
    let shared = Shared::new(crate::cache::DEFAULT_BUDGET);
    for (config, pointer, message) in [
        (
            json!({"jwks_urls": [URL, "s3://bucket/keys"]}),
            "/jwks_urls/1",
            "key sets from `s3://` URLs cannot be read yet",
        ),
        (
            json!({"jwks_urls": ["ftp://a"]}),
            "/jwks_urls/0",
            "`ftp://a` is not a URL that key sets can be read from",
        ),
        (
            json!({"jwks_urls": [], "jwks_ttl": "99999999999999999999s"}),
            "/jwks_ttl",
            "`99999999999999999999s` is not a duration",
        ),
        (json!({"jwks_urls": [], "leeway": "soon"}), "/leeway", "`soon` is not a duration"),
    ] {
        let findings = build(&shared, &config).map(|_| ()).unwrap_err();
        let [finding] = findings.as_slice() else { panic!("{config}: {findings:?}") };
        assert_eq!((finding.pointer.as_str(), finding.message.as_str()), (pointer, message), "{config}");
    }
}

#[test]
fn the_schema_is_that_of_oathkeeper_and_some_switches() {
    let schema = crate::schema::handler(crate::config::Stage::Authenticators, "jwt").unwrap();
    for (config, valid) in [
        (json!({"jwks_urls": ["http://x.test", "file://keys.json", "inline://e30="]}), true),
        (json!({"jwks_urls": []}), true),
        (json!({"jwks_urls": [URL], "token_from": null}), true),
        (json!({"jwks_urls": [URL], "token_from": {"cookie": "sid"}}), true),
        (json!({"jwks_urls": [URL], "allowed_algorithms": ["rs256", "none"], "jwks_ttl": "500ms"}), true),
        (
            json!({"jwks_urls": [URL], "leeway": "5s", "accept_missing_use": true, "accept_missing_kid": true}),
            true,
        ),
        (json!({}), false),
        (json!({"jwks_urls": ["not a uri"]}), false),
        (json!({"jwks_urls": "http://x.test"}), false),
        (json!({"jwks_urls": [URL], "scope_strategy": "fuzzy"}), false),
        (json!({"jwks_urls": [URL], "token_from": {}}), false),
        (json!({"jwks_urls": [URL], "token_from": {"header": "A", "cookie": "b"}}), false),
        (json!({"jwks_urls": [URL], "jwks_ttl": "1m30s"}), false),
        (json!({"jwks_urls": [URL], "required_scope": "read"}), false),
        (json!({"jwks_urls": [URL], "requird_scope": []}), false),
    ] {
        assert_eq!(is_valid(schema, &config), valid, "{config}");
    }
}

proptest! {
    #[test]
    fn no_bytes_that_were_not_signed_authenticate(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let outcome = run(async {
            let gate = Gate::of("verify-all", json!({"allowed_algorithms": EVERYTHING}));
            gate.ask_bytes(&[b"Bearer ", bytes.as_slice()].concat()).await.0
        });
        prop_assert!(!outcome.starts_with("subject"));
    }

    #[test]
    fn no_json_that_was_not_signed_authenticates(
        alg in "[A-Za-z0-9]{0,6}|RS256|ES256|HS256|EdDSA|PS256|none",
        kid in "rsa-1|ec-1|ed-1|hs-1|ps-1|.{0,5}",
        payload in ".{0,40}",
        secret in proptest::collection::vec(any::<u8>(), 0..64),
    ) {
        let forged = hs256(&json!({"alg": alg, "kid": kid}), &payload, &secret);
        let outcome = run(async {
            Gate::of("verify-all", json!({"allowed_algorithms": EVERYTHING})).ask(&forged).await
        });
        prop_assert!(!outcome.starts_with("subject"));
    }

    #[test]
    fn no_change_of_a_byte_goes_unnoticed(
        name in "rs256|ps256|es256|eddsa|hs256",
        place in any::<proptest::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut text = token(&name).into_bytes();
        let place = place.index(text.len());
        prop_assume!(text[place] != byte);
        text[place] = byte;
        let outcome = run(async {
            let gate = Gate::of("verify-all", json!({"allowed_algorithms": EVERYTHING}));
            gate.ask_bytes(&[b"Bearer ", text.as_slice()].concat()).await.0
        });
        prop_assert!(!outcome.starts_with("subject"), "{}", outcome);
    }
}

fn is_valid(schema: &crate::schema::Schema, config: &Value) -> bool {
    schema.check(config).is_empty()
}
