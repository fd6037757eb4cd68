use serde_json::json;

use super::*;
use crate::keys::fixtures::{self, document, key};
use crate::keys::verify::{Malformed, Token};

fn parse(keys: &[Value]) -> KeySet {
    KeySet::parse(json!({ "keys": keys }).to_string().as_bytes()).unwrap()
}

fn changed(key: &Value, changes: &[(&str, Value)]) -> Value {
    let mut key = key.clone();
    for (name, value) in changes {
        if value.is_null() {
            key.as_object_mut().unwrap().shift_remove(*name);
        } else {
            key[*name] = value.clone();
        }
    }
    key
}

#[test]
fn a_key_that_cannot_be_used_does_not_spoil_its_set() {
    let (rsa, ec) = (key("verify-all", "rsa-1"), key("verify-all", "ec-1"));
    let (ed, hs) = (key("verify-all", "ed-1"), key("verify-all", "hs-1"));
    let cases = [
        (json!(7), "it is not an object"),
        (json!({}), "`kty` is missing"),
        (json!({"kty": 7}), "`kty` is not a string"),
        (json!({"kty": "LMS"}), "the key type `LMS` is not supported"),
        (changed(&ec, &[("crv", json!("secp256k1"))]), "the curve `secp256k1` is not supported"),
        (changed(&ed, &[("crv", json!("X25519"))]), "the curve `X25519` is not supported"),
        (changed(&ed, &[("crv", json!("Ed448"))]), "the curve `Ed448` is not supported"),
        (changed(&ed, &[("x", json!("AAAA"))]), "`x` is not 32 bytes long"),
        (changed(&ec, &[("y", ec["x"].clone())]), "its numbers are no key"),
        (changed(&ec, &[("crv", json!("P-384"))]), "its numbers are no key"),
        (changed(&ec, &[("crv", json!("P-521")), ("x", json!(null))]), "`x` is missing"),
        (changed(&ec, &[("x", json!("A".repeat(99)))]), "`x` is empty"),
        (changed(&ec, &[("x", json!("B".repeat(60)))]), "`x` is too long for its curve"),
        (changed(&rsa, &[("n", json!(null))]), "`n` is missing"),
        (changed(&rsa, &[("n", json!("?"))]), "`n` is not base64url"),
        (changed(&rsa, &[("n", json!("_".repeat(170) + "8"))]), "1024 bits are too few for an RSA key"),
        (changed(&rsa, &[("e", json!("AQ"))]), "`n` or `e` cannot be those of an RSA key"),
        (changed(&rsa, &[("e", json!("Ag"))]), "`n` or `e` cannot be those of an RSA key"),
        (changed(&rsa, &[("kid", json!(["a"]))]), "`kid` is not a string"),
        (changed(&rsa, &[("use", json!(1))]), "`use` is not a string"),
        (changed(&rsa, &[("alg", json!(256))]), "`alg` is not a string"),
        (changed(&rsa, &[("d", json!("AQAB"))]), "`p` is missing"),
        (changed(&hs, &[("k", json!("c2VjcmV0"))]), "48 bits are too few for a shared secret"),
        (changed(&hs, &[("k", json!(""))]), "0 bits are too few for a shared secret"),
        (changed(&hs, &[("k", json!(null))]), "`k` is missing"),
        (changed(&hs, &[("k", json!({"secret": "x"}))]), "`k` is not a string"),
    ];
    for (bad, reason) in cases {
        let set = parse(&[bad.clone(), rsa.clone()]);
        let [left_out] = set.left_out() else { panic!("{bad}: {set:?}") };
        assert_eq!((left_out.index, left_out.reason.0.as_str()), (0, reason), "{bad}");
        assert!(set.find("rsa-1", false).is_some(), "{bad}");
    }
}

#[test]
fn documents_that_are_no_sets() {
    for (document, error) in [
        ("", NotASet::Json),
        ("hello", NotASet::Json),
        (r#"{"keys":[]}x"#, NotASet::Json),
        ("[]", NotASet::NoKeys),
        ("{}", NotASet::NoKeys),
        (r#"{"keys":{}}"#, NotASet::NoKeys),
    ] {
        assert_eq!(KeySet::parse(document.as_bytes()).map(|_| ()), Err(error), "{document}");
    }
    assert!(parse(&[]).keys().is_empty());
    let many = vec![key("verify-all", "hs-1"); 600];
    assert_eq!((parse(&many).keys().len(), parse(&many).left_out().len()), (500, 100));
}

#[test]
fn only_keys_for_signatures_verify() {
    for (set, strict, lenient) in [
        ("rsa-pub", true, true),
        ("rsa-no-use", false, true),
        ("rsa-use-enc", false, false),
        ("rsa-priv-for-verify", true, true),
        ("same-kid-twice", true, true),
        ("empty", false, false),
    ] {
        let set_of_keys = KeySet::parse(document(set).as_bytes()).unwrap();
        assert_eq!(set_of_keys.find("rsa-1", false).is_some(), strict, "{set}");
        assert_eq!(set_of_keys.find("rsa-1", true).is_some(), lenient, "{set}");
    }
    let twice = KeySet::parse(document("same-kid-twice").as_bytes()).unwrap();
    let token = fixtures::token("rs256");
    let token = Token::parse(token.as_bytes()).unwrap();
    let found = twice.find("rsa-1", false).unwrap();
    assert!(token.is_signed_by(found.verifier(Algorithm::Rs256).unwrap()), "the one with `use: sig`");

    let rsa = key("verify-all", "rsa-1");
    for (operations, verifies) in [
        (json!(["verify"]), true),
        (json!(["sign"]), true),
        (json!(["encrypt"]), false),
        (json!([]), false),
        (json!("verify"), false),
    ] {
        let set = parse(&[changed(&rsa, &[("key_ops", operations.clone())])]);
        let verifier = set.find("rsa-1", false).unwrap().verifier(Algorithm::Rs256).is_some();
        assert_eq!(verifier, verifies, "{operations}");
    }
}

#[test]
fn every_key_verifies_its_own_algorithm_and_no_other() {
    let set = KeySet::parse(document("verify-all").as_bytes()).unwrap();
    for (name, kid, algorithm) in [
        ("rs256", "rsa-1", Algorithm::Rs256),
        ("ps256", "ps-1", Algorithm::Ps256),
        ("es256", "ec-1", Algorithm::Es256),
        ("es384", "ec-384", Algorithm::Es384),
        ("es512", "ec-521", Algorithm::Es512),
        ("eddsa", "ed-1", Algorithm::EdDsa),
        ("hs256", "hs-1", Algorithm::Hs256),
        ("hs384", "hs-384", Algorithm::Hs384),
        ("hs512", "hs-512", Algorithm::Hs512),
    ] {
        let text = fixtures::token(name);
        let token = Token::parse(text.as_bytes()).unwrap();
        for key in set.keys() {
            for other in Algorithm::ALL {
                let own = key.kid() == Some(kid) && other == algorithm;
                let verified = key.verifier(other).is_some_and(|verifier| token.is_signed_by(verifier));
                assert_eq!(verified, own, "{name} with {:?} as {other}", key.kid());
            }
        }
    }
}

#[test]
fn a_key_without_an_algorithm_is_for_all_of_its_kind() {
    let set = KeySet::parse(document("rsa-no-alg").as_bytes()).unwrap();
    let key = set.find("rsa-1", false).unwrap();
    for (name, algorithm) in
        [("rs256", Algorithm::Rs256), ("rs384", Algorithm::Rs384), ("rs512", Algorithm::Rs512)]
    {
        let text = fixtures::token(name);
        let token = Token::parse(text.as_bytes()).unwrap();
        assert!(token.is_signed_by(key.verifier(algorithm).unwrap()), "{name}");
        assert!(!token.is_signed_by(key.verifier(Algorithm::Ps256).unwrap()), "{name}");
    }
    assert!(key.verifier(Algorithm::Hs256).is_none() && key.verifier(Algorithm::Es256).is_none());
}

#[test]
fn the_key_that_signs() {
    let unusable =
        |kid: &str, alg: &str| Err(format!("signing key `{kid}` declares unsupported algorithm `{alg}`"));
    let none = || Err("no suitable key could be found".to_owned());
    for (set, want) in [
        ("sign-rs256", Ok("RS256 rsa-1")),
        ("sign-rs384", Ok("RS384 rsa-384")),
        ("sign-rs512", Ok("RS512 rsa-512")),
        ("sign-ps256", Ok("PS256 ps-1")),
        ("sign-es256", Ok("ES256 ec-1")),
        ("sign-es384", Ok("ES384 ec-384")),
        ("sign-es512", Ok("ES512 ec-521")),
        ("sign-hs256", Ok("HS256 hs-1")),
        ("sign-hs384", Ok("HS384 hs-384")),
        ("sign-hs512", Ok("HS512 hs-512")),
        ("sign-eddsa", Ok("EdDSA ed-1")),
        ("sign-pair", Ok("RS256 public:rsa-1")),
        ("sign-two-private", Ok("RS256 rsa-2")),
        ("sign-hs-then-rsa", Ok("HS256 hs-1")),
        ("sign-no-alg", unusable("rsa-1", "")),
        ("sign-odd-alg", unusable("rsa-1", "RS999")),
        ("sign-alg-none", unusable("rsa-1", "none")),
        ("sign-alg-mismatch", unusable("rsa-1", "ES256")),
        ("sign-pub-only", none()),
        ("sign-no-kid", none()),
        ("sign-use-enc", none()),
        ("empty", none()),
    ] {
        let keys = KeySet::parse(document(set).as_bytes()).unwrap();
        let found = keys.signing_key(None).map_err(|e| e.to_string());
        let found = found.map(|k| format!("{} {}", k.algorithm(), k.kid()));
        assert_eq!(found, want.map(str::to_owned), "{set}");
    }
}

#[test]
fn the_key_that_signs_among_several() {
    let (one, two) = (key("sign-two-private", "rsa-1"), key("sign-two-private", "rsa-2"));
    let (public_one, public_two) = (key("verify-all", "rsa-1"), key("verify-all", "rsa-2"));
    let (secret, no_alg) = (key("sign-hs256", "hs-1"), changed(&one, &[("alg", json!(null))]));
    let named = |key: &Value, kid: &str| changed(key, &[("kid", json!(kid))]);
    for (about, keys, want) in [
        ("the last private key", vec![&one, &two], "rsa-2"),
        ("its public half ends the search", vec![&one, &public_one, &two], "rsa-1"),
        ("before or after it", vec![&public_one, &one, &two], "rsa-1"),
        ("another key's public half does not", vec![&one, &public_two, &two], "rsa-2"),
        ("nor does it give its name", vec![&one, &named(&public_two, "x")], "rsa-1"),
        ("a shared secret ends the search", vec![&one, &secret, &two], "hs-1"),
        ("a broken one is passed over", vec![&one, &no_alg], "rsa-1"),
        ("the public half gives the name", vec![&one, &named(&public_one, "x")], "x"),
    ] {
        let keys: Vec<Value> = keys.into_iter().cloned().collect();
        let set = parse(&keys);
        assert_eq!(set.signing_key(None).unwrap().kid(), want, "{about}");
    }
    let set = parse(&[one, two, secret]);
    for kid in ["rsa-1", "rsa-2", "hs-1"] {
        assert_eq!(set.signing_key(Some(kid)).unwrap().kid(), kid);
    }
    assert_eq!(set.signing_key(Some("rsa-3")).map(|_| ()), Err(NoSigningKey::None));
}

#[test]
fn what_is_signed_verifies_with_the_public_half() {
    for name in ["rs256", "rs384", "rs512", "ps256", "es256", "es384", "es512", "eddsa"] {
        let private = KeySet::parse(document(&format!("sign-{name}")).as_bytes()).unwrap();
        let shown: Vec<Value> = private.public().cloned().map(Value::Object).collect();
        let public = parse(&shown);
        let signing = private.signing_key(None).unwrap();
        let text = signing.token(br#"{"sub":"alice"}"#).unwrap();
        let token = Token::parse(text.as_bytes()).unwrap();
        let verifier = public.find(signing.kid(), false).unwrap().verifier(signing.algorithm()).unwrap();
        assert!(token.is_signed_by(verifier), "{name}");
        assert_eq!(token.payload(), br#"{"sub":"alice"}"#);
    }
}

#[test]
fn halves_that_do_not_belong_together_do_not_sign() {
    let (one, two) = (key("sign-two-private", "rsa-1"), key("sign-two-private", "rsa-2"));
    let swapped = changed(&one, &[("n", two["n"].clone())]);
    let found = parse(&[swapped]).signing_key(None).map(|_| ());
    let text = "the private half of signing key `rsa-1` is broken or belongs to another key";
    assert_eq!(found, Err(NoSigningKey::Unusable(text.to_owned())));
    let ec = changed(&key("sign-es256", "ec-1"), &[("d", json!("AQ"))]);
    assert!(parse(&[ec]).signing_key(None).is_err());
}

#[test]
fn a_private_key_without_its_remainders_signs() {
    let short = [("dp", json!(null)), ("dq", json!(null)), ("qi", json!(null))];
    let set = parse(&[changed(&key("sign-rs256", "rsa-1"), &short)]);
    assert_eq!(set.signing_key(None).unwrap().kid(), "rsa-1");
}

#[test]
fn public_halves_show_nothing_private() {
    let shown = |set: &str| -> Vec<String> {
        let set = KeySet::parse(document(set).as_bytes()).unwrap();
        set.public().map(|key| key.keys().cloned().collect::<Vec<_>>().join(" ")).collect()
    };
    for (set, members) in [
        ("sign-rs256", vec!["use kty kid alg n e"]),
        ("sign-es256", vec!["use kty kid crv alg x y"]),
        ("sign-eddsa", vec!["use kty kid crv alg x"]),
        ("sign-hs256", vec![]),
        ("sign-no-alg", vec!["use kty kid n e"]),
        ("sign-no-kid", vec!["use kty alg n e"]),
        ("sign-hs-then-rsa", vec!["use kty kid alg n e"]),
        ("sign-pair", vec!["use kty kid alg n e"; 2]),
    ] {
        assert_eq!(shown(set), members, "{set}");
    }
    let with_more = [
        ("x5t", json!("abc")),
        ("x5c", json!(["MII"])),
        ("x5u", json!(7)),
        ("note", json!("secret")),
        ("oth", json!([{"r": "secret"}])),
    ];
    let set = parse(&[changed(&key("sign-rs256", "rsa-1"), &with_more)]);
    let names: Vec<_> = set.public().next().unwrap().keys().cloned().collect();
    assert_eq!(names.join(" "), "use kty kid alg n e x5c x5t");
}

#[test]
fn numbers_are_shown_in_their_canonical_length() {
    let ec = key("verify-all", "ec-1");
    let padded = changed(&ec, &[("x", json!(format!("{}=", ec["x"].as_str().unwrap())))]);
    let set = parse(&[padded]);
    assert_eq!(set.public().next().unwrap()["x"], ec["x"]);
}

#[test]
fn nothing_prints_a_secret() {
    let all: Vec<Value> = ["sign-rs256", "sign-es256", "sign-eddsa", "sign-hs256"]
        .iter()
        .flat_map(|set| fixtures::set(set)["keys"].as_array().unwrap().clone())
        .collect();
    let printed = format!("{:?}", parse(&all));
    for key in all {
        for name in ["d", "p", "q", "dp", "dq", "qi", "k"] {
            let Some(secret) = key[name].as_str() else { continue };
            assert!(!printed.contains(secret), "{name} of {}", key["kid"]);
        }
    }
}

#[test]
fn tokens_that_are_not_taken_apart() {
    let part = |text: &str| {
        use base64::Engine as _;
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text)
    };
    let with_header = |header: &str| format!("{}.{}.AAAA", part(header), part("{}"));
    for (token, malformed) in [
        (String::new(), Malformed::Encoding),
        ("..".to_owned(), Malformed::Header),
        ("a.b".to_owned(), Malformed::Encoding),
        ("a.b.c.d".to_owned(), Malformed::Encoding),
        (format!(" {}", with_header(r#"{"alg":"RS256"}"#)), Malformed::Encoding),
        (with_header("nonsense"), Malformed::Header),
        (with_header("[]"), Malformed::Header),
        (with_header(r#"{"alg":"RS256","alg":"none"}"#), Malformed::Header),
        (with_header(r#"{"kid":"a"}"#), Malformed::NoAlgorithm),
        (with_header(r#"{"alg":7}"#), Malformed::NoAlgorithm),
        (with_header(r#"{"alg":"RS256","crit":["x"],"x":1}"#), Malformed::Critical),
        (with_header(r#"{"alg":"RS256","crit":[]}"#), Malformed::Critical),
        (with_header(r#"{"alg":"RS256","b64":false,"crit":["b64"]}"#), Malformed::Critical),
        (format!("{}.%.AAAA", part(r#"{"alg":"RS256"}"#)), Malformed::Encoding),
        (format!("{}.e30.A", part(r#"{"alg":"RS256"}"#)), Malformed::Encoding),
        (format!("{}.e30.AAAA=", part(r#"{"alg":"RS256"}"#)), Malformed::Encoding),
    ] {
        assert_eq!(Token::parse(token.as_bytes()).map(|_| ()).unwrap_err(), malformed, "{token}");
    }
}
