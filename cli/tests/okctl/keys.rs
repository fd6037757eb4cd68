//! Keys that were made.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use crate::{okctl, text};

#[test]
fn every_algorithm_makes_a_set_with_one_private_key() {
    for (algorithm, members) in [
        ("HS256", "use kty kid alg k"),
        ("HS384", "use kty kid alg k"),
        ("HS512", "use kty kid alg k"),
        ("ES256", "use kty kid crv alg x y d"),
        ("ES384", "use kty kid crv alg x y d"),
        ("ES512", "use kty kid crv alg x y d"),
        ("EdDSA", "use kty kid crv alg x d"),
        ("RS256", "use kty kid alg n e d p q dp dq qi"),
        ("RS384", "use kty kid alg n e d p q dp dq qi"),
        ("RS512", "use kty kid alg n e d p q dp dq qi"),
        ("PS256", "use kty kid alg n e d p q dp dq qi"),
        ("PS384", "use kty kid alg n e d p q dp dq qi"),
        ("PS512", "use kty kid alg n e d p q dp dq qi"),
    ] {
        let output = okctl(&["credentials", "generate", "--alg", algorithm]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        assert_eq!(text(&output.stderr), "", "no progress where there is no terminal");
        let set: Value = serde_json::from_slice(&output.stdout).unwrap();
        let keys = set["keys"].as_array().unwrap();
        assert_eq!(keys.len(), 1);
        let names: Vec<&str> = keys[0].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(names.join(" "), members, "{algorithm}");
        assert_eq!(keys[0]["kid"].as_str().unwrap().len(), 36);
        assert_eq!(keys[0]["alg"], algorithm);
    }
}

#[test]
fn the_private_key_goes_to_the_file_and_the_public_half_to_stdout() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jwks.json");
    let file = path.to_str().unwrap();
    let arguments = ["credentials", "generate", "--alg=ES256", "--kid=k1", "--public", "--out", file];
    let output = okctl(&arguments);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let public: Value = serde_json::from_slice(&output.stdout).unwrap();
    let private: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(public["keys"][0]["x"], private["keys"][0]["x"]);
    assert!(public["keys"][0].get("d").is_none() && private["keys"][0].get("d").is_some());
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

    let again = okctl(&arguments);
    assert_eq!(again.status.code(), Some(2));
    assert_eq!(text(&again.stderr), format!("okctl: `{file}` exists; `--force` replaces it\n"));
    assert_eq!(text(&again.stdout), "");
}
