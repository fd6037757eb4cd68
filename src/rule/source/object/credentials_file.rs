//! The credentials file of AWS's tools: keys by profile, as `[profile]` and `name = value` lines.

use super::vendors::Variable;

/// What requests are signed with.
#[derive(PartialEq, Eq)]
pub(super) struct Keys {
    pub id: String,
    pub secret: String,
    pub token: Option<String>,
}

/// The keys of a profile, from the file that `AWS_SHARED_CREDENTIALS_FILE` names or `~/.aws/credentials`.
pub(super) fn read(profile: &str, variable: Variable<'_>) -> Option<Keys> {
    let path = variable("AWS_SHARED_CREDENTIALS_FILE")
        .or_else(|| variable("HOME").map(|home| format!("{home}/.aws/credentials")))?;
    keys(&std::fs::read_to_string(path).ok()?, profile)
}

fn keys(text: &str, profile: &str) -> Option<Keys> {
    let lines = text.lines().map(str::trim);
    let mut lines = lines.skip_while(|line| section(line) != Some(profile));
    lines.next()?;
    let (mut id, mut secret, mut token) = (None, None, None);
    for line in lines.take_while(|line| section(line).is_none()) {
        let Some((name, value)) = line.split_once('=').filter(|_| !line.starts_with(['#', ';'])) else {
            continue;
        };
        let value = Some(value.trim().to_owned()).filter(|value| !value.is_empty());
        match name.trim() {
            "aws_access_key_id" => id = value,
            "aws_secret_access_key" => secret = value,
            "aws_session_token" => token = value,
            _ => {}
        }
    }
    Some(Keys { id: id?, secret: secret?, token })
}

fn section(line: &str) -> Option<&str> {
    line.strip_prefix('[')?.strip_suffix(']').map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_those_of_the_profile() {
        let text = "
            # comment = x
            [default]
            aws_access_key_id = A1
            aws_secret_access_key=S1==
            [ work ]
            ; aws_access_key_id = no
            aws_access_key_id = A2
            region = eu-west-1
            aws_secret_access_key = S2
            aws_session_token = T2
            [broken]
            aws_access_key_id = A3
        ";
        let found = |profile| keys(text, profile).map(|keys| (keys.id, keys.secret, keys.token));
        assert_eq!(found("default"), Some(("A1".into(), "S1==".into(), None)));
        assert_eq!(found("work"), Some(("A2".into(), "S2".into(), Some("T2".into()))));
        assert_eq!(found("broken"), None);
        assert_eq!(found("none"), None);
    }
}
