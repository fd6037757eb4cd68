use super::*;
use crate::upstream::Outgoing;
use crate::upstream::fake::FakeFetch;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use std::collections::HashMap;

const AWS: &[(&str, &str)] =
    &[("AWS_ACCESS_KEY_ID", "AKID"), ("AWS_SECRET_ACCESS_KEY", "hunter2"), ("AWS_REGION", "eu-west-1")];
/// The account and key that Azure's emulator documents.
const AZURE: &[(&str, &str)] = &[
    ("AZURE_STORAGE_ACCOUNT", "devstoreaccount1"),
    (
        "AZURE_STORAGE_KEY",
        "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
    ),
];

fn place(entry: &str) -> Place {
    let url = url::Url::parse(entry).unwrap();
    Place {
        scheme: vendors::options(url.scheme()).0,
        bucket: url.host_str().unwrap().to_owned(),
        key: Path::from_url_path(url.path()).unwrap(),
        options: url.query_pairs().into_owned().collect(),
    }
}

/// Asks for an object with these variables in the environment.
fn ask(
    entry: &str,
    environment: &[(&str, &str)],
    etag: Option<&str>,
    fake: &Rc<FakeFetch>,
) -> Result<Fetched, String> {
    let environment: HashMap<&str, &str> = environment.iter().copied().collect();
    let place = place(entry);
    let (connector, calls) = calls::channel();
    let variable = |name: &str| environment.get(name).map(|value| (*value).to_owned());
    let store = vendors::open(&place, connector, &variable)?;
    let opened = Opened { store, calls: Mutex::new(calls) };
    let fetch: Rc<dyn Fetch> = fake.clone();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let asked = opened.get(&place.key, etag.map(str::to_owned), &fetch);
    runtime.block_on(asked).map_err(|failure| failure.reason)
}

fn header(call: &Outgoing, name: &str) -> String {
    let found = call.headers.iter().find(|(known, _)| known == name);
    found.map(|(_, value)| value.to_str().unwrap().to_owned()).unwrap_or_default()
}

fn answer(fake: &FakeFetch, url: &str, body: &'static str) {
    let length = body.len().to_string();
    let headers = [
        ("etag", "\"v1\""),
        ("content-length", &*length),
        ("last-modified", "Sun, 22 Nov 2026 10:00:00 GMT"),
    ];
    fake.answer_with(url, 200, &headers, body);
}

#[test]
fn options_and_environment_say_where_an_object_is() {
    let signed = "AWS4-HMAC-SHA256 Credential=AKID/";
    let shared = "SharedKey devstoreaccount1:";
    let emulator = [("STORAGE_EMULATOR_HOST", "127.0.0.1:4443")];
    let minio = [AWS, &[("AWS_ENDPOINT_URL_S3", "http://minio:9000")]].concat();
    let domain = [AZURE, &[("AZURE_STORAGE_DOMAIN", "blob.core.chinacloudapi.cn")]].concat();
    let connection =
        "DefaultEndpointsProtocol=https;AccountName=acc;AccountKey=a2V5;EndpointSuffix=core.windows.net";
    for (entry, environment, url, authorization) in [
        ("s3://rules/all.yaml", AWS, "https://rules.s3.eu-west-1.amazonaws.com/all.yaml", signed),
        (
            "s3://rules/a/b c.yaml?region=us-west-2",
            AWS,
            "https://rules.s3.us-west-2.amazonaws.com/a/b%20c.yaml",
            signed,
        ),
        ("s3://my.rules/all.yaml", AWS, "https://s3.eu-west-1.amazonaws.com/my.rules/all.yaml", signed),
        (
            "s3://rules/all.yaml?use_path_style=true",
            AWS,
            "https://s3.eu-west-1.amazonaws.com/rules/all.yaml",
            signed,
        ),
        (
            "s3://rules/all.yaml?endpoint=https://minio:9000/",
            AWS,
            "https://minio:9000/rules/all.yaml",
            signed,
        ),
        (
            "s3://rules/all.yaml?endpoint=minio:9000&disableSSL=true&s3ForcePathStyle=true",
            AWS,
            "http://minio:9000/rules/all.yaml",
            signed,
        ),
        ("s3://rules/all.yaml", &minio, "http://minio:9000/rules/all.yaml", signed),
        ("s3://rules/all.yaml?anonymous=true", AWS, "https://rules.s3.eu-west-1.amazonaws.com/all.yaml", ""),
        ("gs://rules/all.yaml?anonymous=true", &[], "https://storage.googleapis.com/rules/all%2Eyaml", ""),
        ("gs://rules/all.yaml", &emulator, "http://127.0.0.1:4443/rules/all%2Eyaml", ""),
        (
            "azblob://rules/all.yaml",
            AZURE,
            "https://devstoreaccount1.blob.core.windows.net/rules/all.yaml",
            shared,
        ),
        (
            "azblob://rules/all.yaml",
            &domain,
            "https://devstoreaccount1.blob.core.chinacloudapi.cn/rules/all.yaml",
            shared,
        ),
        (
            "azblob://rules/all.yaml?localemu=true",
            AZURE,
            "http://127.0.0.1:10000/devstoreaccount1/rules/all.yaml",
            shared,
        ),
        (
            "azblob://rules/all.yaml?storage_account=other&protocol=http&domain=blobs.test",
            AZURE,
            "http://other.blobs.test/rules/all.yaml",
            "SharedKey other:",
        ),
        (
            "azblob://rules/all.yaml",
            &[("AZURE_STORAGE_CONNECTION_STRING", connection)],
            "https://acc.blob.core.windows.net/rules/all.yaml",
            "SharedKey acc:",
        ),
    ] {
        let fake = FakeFetch::new();
        answer(&fake, url, "[]");
        let fetched = ask(entry, environment, None, &fake);
        let asked: Vec<_> = fake.calls().iter().map(|call| call.url.clone()).collect();
        assert_eq!(asked, [url], "{entry}");
        let Ok(Fetched::Document(text, Some(version))) = fetched else { panic!("{entry}: {fetched:?}") };
        assert_eq!((&*text, version.etag.as_deref()), ("[]", Some("\"v1\"")), "{entry}");
        let sent = header(&fake.calls()[0], "authorization");
        assert!(
            sent.starts_with(authorization) && sent.is_empty() == authorization.is_empty(),
            "{entry}: {sent}"
        );
    }
}

#[test]
fn a_known_etag_is_a_condition() {
    let url = "https://rules.s3.eu-west-1.amazonaws.com/all.yaml";
    let fake = FakeFetch::new();
    fake.answer(url, 304, "");
    let fetched = ask("s3://rules/all.yaml", AWS, Some("\"v1\""), &fake);
    assert!(matches!(fetched, Ok(Fetched::Unchanged)), "{fetched:?}");
    assert_eq!(header(&fake.calls()[0], "if-none-match"), "\"v1\"");
}

#[test]
fn why_there_is_no_object_is_said_without_what_is_secret() {
    let url = "https://rules.s3.eu-west-1.amazonaws.com/all.yaml";
    let error = "<Error><Code>SignatureDoesNotMatch</Code><StringToSign>hunter2</StringToSign></Error>";
    for (status, body, reason) in [
        (403, error, "it answered with status 403, `SignatureDoesNotMatch`"),
        (404, "<Error><Code>NoSuchKey</Code></Error>", "it answered with status 404, `NoSuchKey`"),
        (500, "", "it answered with status 500"),
        (301, "", "it answered with status 301"),
    ] {
        let fake = FakeFetch::new();
        fake.answer(url, status, body);
        assert_eq!(ask("s3://rules/all.yaml", AWS, None, &fake).unwrap_err(), reason);
        assert_eq!(fake.count(url), 1, "whoever polls tries again");
    }
    let fake = FakeFetch::new();
    fake.fail(url, FetchError::Connect { url: "https://rules".to_owned(), reason: "refused".to_owned() });
    assert_eq!(
        ask("s3://rules/all.yaml", AWS, None, &fake).unwrap_err(),
        "no connection to https://rules: refused"
    );
    let fake = FakeFetch::new();
    let missing = ask("azblob://rules/all.yaml", &[], None, &fake).unwrap_err();
    assert!(missing.contains("AZURE_STORAGE_ACCOUNT"), "{missing}");
}

#[test]
fn a_machine_without_credentials_asks_its_cloud_and_says_that_nobody_answers() {
    let fake = FakeFetch::new();
    let why = ask("s3://rules/all.yaml", &[], None, &fake).unwrap_err();
    assert!(fake.calls()[0].url.starts_with("http://169.254.169.254/"), "{:?}", fake.calls());
    assert!(why.contains("169.254.169.254"), "{why}");
    let fake = FakeFetch::new();
    ask("gs://rules/all.yaml", &[], None, &fake).unwrap_err();
    assert!(fake.calls()[0].url.starts_with("http://metadata.google.internal/"), "{:?}", fake.calls());
}

#[test]
fn a_service_account_of_google_signs_its_token() {
    let folder = tempfile::tempdir().unwrap();
    let key = openssl::rsa::Rsa::generate(2048).unwrap();
    let account = json!({
        "type": "service_account", "client_email": "gate@project.test", "private_key_id": "1",
        "private_key": String::from_utf8(key.private_key_to_pem().unwrap()).unwrap(), "disable_oauth": false,
    });
    let file = folder.path().join("account.json");
    std::fs::write(&file, account.to_string()).unwrap();
    let fake = FakeFetch::new();
    answer(&fake, "https://storage.googleapis.com/rules/all%2Eyaml", "[]");
    let environment = [("GOOGLE_APPLICATION_CREDENTIALS", file.to_str().unwrap())];
    let fetched = ask("gs://rules/all.yaml", &environment, None, &fake);
    assert!(fetched.is_ok(), "{fetched:?}");
    let token = header(&fake.calls()[0], "authorization");
    let token = token.strip_prefix("Bearer ").unwrap();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let public = openssl::pkey::PKey::public_key_from_pem(&key.public_key_to_pem().unwrap()).unwrap();
    let mut verifier = openssl::sign::Verifier::new(openssl::hash::MessageDigest::sha256(), &public).unwrap();
    assert!(verifier.verify_oneshot(&URL_SAFE_NO_PAD.decode(signature).unwrap(), signed.as_bytes()).unwrap());
}

#[test]
fn an_entry_that_names_no_object_is_refused_with_the_way_out() {
    for (entry, why) in [
        ("s3://", "names nothing"),
        ("s3://rules", "it names no object of the bucket"),
        ("s3://rules/", "it names no object of the bucket"),
        ("s3://rules/a//b", "it names no usable key"),
        ("gs://rules/all.yaml?regoin=x", "there is no option `regoin`"),
        ("azblob://rules/all.yaml?region=x", "there is no option `region`"),
    ] {
        let finding = super::super::open(entry).err().unwrap();
        assert!(finding.message.contains(why), "{entry}: {}", finding.message);
    }
    assert!(super::super::open("s3://rules/a/b.yaml?region=eu-west-1&awssdk=v2").is_ok());
}
