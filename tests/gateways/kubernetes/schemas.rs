//! What is Kubernetes' own in the manifests, against the schemas of its API.

use super::cluster::in_repository;
use crate::example::find;
use libtest_mimic::Failed;
use std::fs;
use std::path::Path;
use std::process::Command;

const FILES: &[&str] = &["okgate.yaml", "ingress-nginx.yaml", "traefik-ingress-nginx.yaml"];

/// `kubernetes-validate` finds nothing in them, and a mistake where there is one.
pub fn hold() -> Result<(), Failed> {
    for file in FILES {
        let (found, said) = validate(&in_repository("examples/kubernetes").join(file))?;
        if found {
            return Err(format!("{file}: {said}").into());
        }
    }
    let folder = tempfile::tempdir()?;
    let text = fs::read_to_string(in_repository("examples/kubernetes/okgate.yaml"))?;
    for (right, wrong) in [("containerPort:", "containerport:"), ("replicas: 2", "replicas: two")] {
        let file = folder.path().join("okgate.yaml");
        fs::write(&file, text.replace(right, wrong))?;
        if !validate(&file)?.0 {
            return Err(format!("`{wrong}` is not found to be wrong").into());
        }
    }
    Ok(())
}

/// Whether something was found, and what was said.
fn validate(file: &Path) -> Result<(bool, String), Failed> {
    let program = find("kubernetes-validate").ok_or("kubernetes-validate is not installed")?;
    let output = Command::new(program).arg("--strict").arg(file).output()?;
    let said = [output.stdout, output.stderr].concat();
    Ok((!output.status.success(), String::from_utf8_lossy(&said).into_owned()))
}
