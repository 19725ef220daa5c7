//! What a person should know before serving with a configuration that can be read.

use std::fmt;

use lumina_enrichment::email::Classifier;

use super::{Config, Origin, Shown, database, is_open_to_others};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It cannot work like that.
    Error,
    /// It works, but perhaps not as was meant.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

/// One thing to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The setting it is about.
    pub key: String,
    /// What is the matter, and what to do.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.severity, self.key, self.message)
    }
}

#[derive(Default)]
pub(super) struct Findings(Vec<Finding>);

impl Findings {
    pub(super) fn error(&mut self, key: &str, message: &str) {
        self.add(Severity::Error, key, message);
    }

    pub(super) fn warning(&mut self, key: &str, message: &str) {
        self.add(Severity::Warning, key, message);
    }

    fn add(&mut self, severity: Severity, key: &str, message: &str) {
        self.0.push(Finding {
            severity,
            key: key.to_owned(),
            message: message.to_owned(),
        });
    }
}

impl Config {
    /// Looks at what cannot be seen in one value alone, and at the files it names: errors first, then warnings.
    #[must_use]
    pub fn check(&self) -> Vec<Finding> {
        let mut findings = Findings::default();
        database::check_key_file(self.encryption_key_file.as_deref(), &mut findings);
        self.server.check(&mut findings);
        self.fullenrich.check(&mut findings);
        self.enrichment.check(&self.fullenrich, &mut findings);
        if let Err(error) = self.icp.validate() {
            findings.error("icp", &error.to_string());
        }
        if let Err(error) = Classifier::with_overrides(&self.addresses) {
            findings.error("addresses", &error.to_string());
        }
        self.webhooks.check(&mut findings);
        self.newsletters
            .iter()
            .for_each(|(source, newsletter)| newsletter.check(source, &mut findings));
        self.check_file(&mut findings);
        findings.0.sort_by_key(|finding| finding.severity);
        findings.0
    }

    /// A file with secrets is for its owner alone.
    fn check_file(&self, findings: &mut Findings) {
        let masked = self
            .settings()
            .iter()
            .filter(|setting| matches!(setting.shown, Shown::Masked(_)));
        let mut in_file = masked.filter_map(|setting| match &setting.origin {
            Origin::File { path, .. } => Some((setting, path)),
            _ => None,
        });
        let Some((setting, path)) = in_file.next() else { return };
        if std::fs::metadata(path).is_ok_and(|metadata| is_open_to_others(&metadata)) {
            let path = path.display();
            let message = format!("others on this machine can read this secret in {path}: run `chmod 600 {path}`");
            findings.warning(&setting.key, &message);
        }
    }
}
