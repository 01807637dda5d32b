//! The communication rules that hold now, and the file that they come from.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use anyhow::anyhow;

use crate::domain::policy::{file, rules::Rules};

/// The rules of a server that is told no others.
const OPEN: &str = include_str!("../../policies/open.toml");

/// The rules that hold now.
#[derive(Debug)]
pub struct Rulebook {
    file: Option<PathBuf>,
    rules: RwLock<Arc<Rules>>,
}

impl Rulebook {
    /// Reads the file, or what holds without one.
    pub fn open(file: Option<&Path>) -> anyhow::Result<Self> {
        let rules = read(file)?;
        Ok(Self { file: file.map(Path::to_owned), rules: RwLock::new(Arc::new(rules)) })
    }

    /// The rules. Whoever decides keeps them until everything is decided.
    pub fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.rules.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the file again; what held before holds on where the file can't be used.
    pub fn reload(&self) -> anyhow::Result<()> {
        let rules = Arc::new(read(self.file.as_deref())?);
        *self.rules.write().unwrap_or_else(PoisonError::into_inner) = rules;
        Ok(())
    }

    /// Where the rules come from, unless they are those that hold without a file.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }
}

/// Reads rules from a file, or those that hold without one.
pub fn read(file: Option<&Path>) -> anyhow::Result<Rules> {
    let Some(path) = file else { return file::parse(OPEN).map_err(Into::into) };
    let place = path.display();
    let text = fs::read_to_string(path).map_err(|error| anyhow!("the policy file {place} cannot be read: {error}"))?;
    file::parse(&text).map_err(|mistake| anyhow!("the policy file {place} is wrong in {mistake}"))
}
