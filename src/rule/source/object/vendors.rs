//! The stores: which options a URL may have, and which variables of the environment count.
//!
//! Options are those of gocloud.dev, which Oathkeeper uses (and whose options it drops); variables are the
//! vendors' own.

use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzure, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorage, GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::path::Path;
use object_store::{GetOptions, GetResult, ObjectStore as _, RetryConfig};

use super::Place;
use super::calls::Connector;
use super::credentials_file;
use super::crypto::OpenSsl;

/// A variable of the environment.
pub(super) type Variable<'v> = &'v dyn Fn(&str) -> Option<String>;

/// A store of one vendor.
pub(super) enum Store {
    S3(AmazonS3),
    Gs(GoogleCloudStorage),
    Azblob(MicrosoftAzure),
}

impl Store {
    pub(super) async fn get(&self, key: &Path, options: GetOptions) -> object_store::Result<GetResult> {
        match self {
            Self::S3(store) => store.get_opts(key, options).await,
            Self::Gs(store) => store.get_opts(key, options).await,
            Self::Azblob(store) => store.get_opts(key, options).await,
        }
    }
}

/// The options that URLs of a scheme may have. Those that only concern writing are passed over.
pub(super) fn options(scheme: &str) -> (&'static str, &'static [&'static str]) {
    match scheme {
        "gs" => ("gs", &["anonymous", "endpoint", "universe_domain", "access_id", "private_key_path"]),
        "azblob" => ("azblob", &["storage_account", "domain", "protocol", "localemu", "cdn"]),
        _ => (
            "s3",
            &[
                "region",
                "endpoint",
                "use_path_style",
                "s3ForcePathStyle",
                "disable_https",
                "disableSSL",
                "anonymous",
                "profile",
                "awssdk",
                "hostname_immutable",
                "ssetype",
                "kmskeyid",
            ],
        ),
    }
}

/// Makes a store of a place and the environment. The error says what is missing.
pub(super) fn open(place: &Place, connector: Connector, variable: Variable<'_>) -> Result<Store, String> {
    let opened = match place.scheme {
        "gs" => gs(place, variable)
            .with_http_connector(connector)
            .with_crypto_provider(std::sync::Arc::new(OpenSsl))
            .with_retry(no_retries())
            .build()
            .map(Store::Gs),
        "azblob" => azblob(place, variable)?
            .with_http_connector(connector)
            .with_crypto_provider(std::sync::Arc::new(OpenSsl))
            .with_retry(no_retries())
            .build()
            .map(Store::Azblob),
        _ => s3(place, variable)
            .with_http_connector(connector)
            .with_crypto_provider(std::sync::Arc::new(OpenSsl))
            .with_retry(no_retries())
            .build()
            .map(Store::S3),
    };
    opened.map_err(|error| error.to_string())
}

/// Whoever polls tries again.
fn no_retries() -> RetryConfig {
    RetryConfig { max_retries: 0, ..RetryConfig::default() }
}

impl Place {
    fn option(&self, name: &str) -> Option<&str> {
        self.options.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn is_on(&self, names: &[&str]) -> Option<bool> {
        let value = names.iter().find_map(|name| self.option(name))?;
        Some(matches!(value, "" | "1" | "t" | "T" | "true" | "True" | "TRUE"))
    }
}

fn s3(place: &Place, variable: Variable<'_>) -> AmazonS3Builder {
    use AmazonS3ConfigKey as Key;
    let first = |names: &[&str]| names.iter().find_map(|name| variable(name)).filter(|v| !v.is_empty());
    let mut builder = AmazonS3Builder::new().with_bucket_name(&place.bucket);
    let mut set = |key: Key, value: Option<String>| {
        if let Some(value) = value {
            builder = std::mem::take(&mut builder).with_config(key, value);
        }
    };
    for (key, name) in [
        (Key::ContainerCredentialsRelativeUri, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"),
        (Key::ContainerCredentialsFullUri, "AWS_CONTAINER_CREDENTIALS_FULL_URI"),
        (Key::ContainerAuthorizationTokenFile, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"),
        (Key::WebIdentityTokenFile, "AWS_WEB_IDENTITY_TOKEN_FILE"),
        (Key::RoleArn, "AWS_ROLE_ARN"),
        (Key::RoleSessionName, "AWS_ROLE_SESSION_NAME"),
        (Key::StsEndpoint, "AWS_ENDPOINT_URL_STS"),
        (Key::MetadataEndpoint, "AWS_EC2_METADATA_SERVICE_ENDPOINT"),
    ] {
        set(key, first(&[name]));
    }
    let profile = place.option("profile").map(str::to_owned);
    let named = profile.is_some();
    let profile = profile.or_else(|| first(&["AWS_PROFILE"])).unwrap_or_else(|| "default".to_owned());
    // A profile that is named wins over keys in the environment, as with the vendor's own tools.
    let of_environment = first(&["AWS_ACCESS_KEY_ID"])
        .zip(first(&["AWS_SECRET_ACCESS_KEY"]))
        .filter(|_| !named)
        .map(|(id, secret)| credentials_file::Keys { id, secret, token: first(&["AWS_SESSION_TOKEN"]) });
    if let Some(keys) = of_environment.or_else(|| credentials_file::read(&profile, variable)) {
        set(Key::AccessKeyId, Some(keys.id));
        set(Key::SecretAccessKey, Some(keys.secret));
        set(Key::Token, keys.token);
    }
    let region = place.option("region").map(str::to_owned);
    set(Key::Region, region.or_else(|| first(&["AWS_REGION", "AWS_DEFAULT_REGION"])));
    let plain = place.is_on(&["disable_https", "disableSSL"]).unwrap_or(false);
    let endpoint = place.option("endpoint").map(str::to_owned);
    let endpoint = endpoint.or_else(|| first(&["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"]));
    let endpoint = endpoint.map(|endpoint| absolute(&endpoint, plain));
    let path_style = place.is_on(&["use_path_style", "s3ForcePathStyle"]).unwrap_or(endpoint.is_some());
    if endpoint.is_none() {
        set(Key::VirtualHostedStyleRequest, Some((!path_style && !place.bucket.contains('.')).to_string()));
    }
    set(Key::Endpoint, endpoint);
    set(Key::SkipSignature, place.is_on(&["anonymous"]).map(|on| on.to_string()));
    builder.with_allow_http(true)
}

/// An address with its scheme.
fn absolute(address: &str, plain: bool) -> String {
    match address.split_once("://") {
        Some(_) => address.trim_end_matches('/').to_owned(),
        None if plain => format!("http://{}", address.trim_end_matches('/')),
        None => format!("https://{}", address.trim_end_matches('/')),
    }
}

fn gs(place: &Place, variable: Variable<'_>) -> GoogleCloudStorageBuilder {
    use GoogleConfigKey as Key;
    let first = |names: &[&str]| names.iter().find_map(|name| variable(name)).filter(|v| !v.is_empty());
    let mut builder = GoogleCloudStorageBuilder::new().with_bucket_name(&place.bucket);
    let mut anonymous = place.is_on(&["anonymous"]).unwrap_or(false);
    let mut base = place.option("endpoint").map(|endpoint| absolute(endpoint, false));
    if let Some(domain) = place.option("universe_domain") {
        base = base.or_else(|| Some(format!("https://storage.{domain}")));
    }
    if base.is_none()
        && let Some(emulator) = first(&["STORAGE_EMULATOR_HOST"])
    {
        base = Some(absolute(&emulator, true));
        anonymous = true;
    }
    if let Some(base) = base {
        builder = builder.with_config(Key::BaseUrl, base);
    }
    if let Some(file) = first(&["GOOGLE_APPLICATION_CREDENTIALS"]).filter(|_| !anonymous) {
        builder = builder.with_config(Key::ApplicationCredentials, file);
    }
    builder.with_skip_signature(anonymous)
}

fn azblob(place: &Place, variable: Variable<'_>) -> Result<MicrosoftAzureBuilder, String> {
    use AzureConfigKey as Key;
    let first = |names: &[&str]| names.iter().find_map(|name| variable(name)).filter(|v| !v.is_empty());
    let connection = first(&["AZURE_STORAGE_CONNECTION_STRING"]).unwrap_or_default();
    let connected = |name: &str| {
        let parts = connection.split(';').filter_map(|part| part.split_once('='));
        parts
            .into_iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.to_owned())
    };
    let mut builder = MicrosoftAzureBuilder::new().with_container_name(&place.bucket).with_allow_http(true);
    let mut set = |key: Key, value: Option<String>| {
        if let Some(value) = value {
            builder = std::mem::take(&mut builder).with_config(key, value);
        }
    };
    let account = place.option("storage_account").map(str::to_owned);
    let account = account
        .or_else(|| first(&["AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_ACCOUNT_NAME"]))
        .or_else(|| connected("AccountName"))
        .ok_or("no storage account is named: set `AZURE_STORAGE_ACCOUNT`, or `?storage_account=`")?;
    let key = first(&["AZURE_STORAGE_KEY", "AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_ACCESS_KEY"]);
    set(Key::AccessKey, key.or_else(|| connected("AccountKey")));
    let sas = first(&["AZURE_STORAGE_SAS_TOKEN", "AZURE_STORAGE_SAS_KEY"]);
    set(Key::SasKey, sas.or_else(|| connected("SharedAccessSignature")));
    set(Key::ClientId, first(&["AZURE_CLIENT_ID"]));
    set(Key::ClientSecret, first(&["AZURE_CLIENT_SECRET"]));
    set(Key::AuthorityId, first(&["AZURE_TENANT_ID"]));
    set(Key::AuthorityHost, first(&["AZURE_AUTHORITY_HOST"]));
    set(Key::FederatedTokenFile, first(&["AZURE_FEDERATED_TOKEN_FILE"]));
    set(Key::MsiEndpoint, first(&["IDENTITY_ENDPOINT", "MSI_ENDPOINT"]));
    let option =
        |name: &str, variables: &[&str]| place.option(name).map(str::to_owned).or_else(|| first(variables));
    let local = match option("localemu", &["AZURE_STORAGE_IS_LOCAL_EMULATOR"]) {
        Some(text) => matches!(text.as_str(), "" | "1" | "t" | "T" | "true" | "True" | "TRUE"),
        None => false,
    };
    let protocol = option("protocol", &["AZURE_STORAGE_PROTOCOL"])
        .or_else(|| connected("DefaultEndpointsProtocol"))
        .unwrap_or_else(|| if local { "http" } else { "https" }.to_owned());
    let domain = option("domain", &["AZURE_STORAGE_DOMAIN"]);
    let domain = domain.or_else(|| connected("EndpointSuffix").map(|suffix| format!("blob.{suffix}")));
    let endpoint = if local {
        let domain = domain.unwrap_or_else(|| "127.0.0.1:10000".to_owned());
        format!("{protocol}://{domain}/{account}")
    } else if let Some(endpoint) = connected("BlobEndpoint") {
        endpoint.trim_end_matches('/').to_owned()
    } else {
        let domain = domain.unwrap_or_else(|| "blob.core.windows.net".to_owned());
        format!("{protocol}://{account}.{domain}")
    };
    set(Key::Endpoint, Some(endpoint));
    Ok(builder.with_account(account))
}
