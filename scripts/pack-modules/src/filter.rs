//! Which packages are filters.

use anyhow::{Context, Result, bail, ensure};
use cargo_metadata::{Metadata, Package};
use serde::Deserialize;

/// A package that becomes a module.
#[derive(Debug)]
pub(crate) struct Filter {
    /// The package's name.
    pub(crate) package: String,
    /// The filter's name.
    pub(crate) name: String,
    /// What the module exports beside what every module needs.
    pub(crate) callbacks: Vec<String>,
    release: bool,
}

/// `[package.metadata.weir]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Declared {
    filter: String,
    callbacks: Vec<String>,
    #[serde(default = "yes")]
    release: bool,
}

const fn yes() -> bool {
    true
}

/// The filters among `packages`, or all of a release if none is named; by package name.
pub(crate) fn select(workspace: &Metadata, packages: &[String]) -> Result<Vec<Filter>> {
    let members = workspace.workspace_packages();
    let declared = members.iter().filter_map(|package| declared(package).transpose());
    let mut filters: Vec<Filter> = declared.collect::<Result<_>>()?;
    for name in packages {
        let known = filters.iter().any(|filter| filter.package == *name);
        ensure!(
            known,
            "{name} is no workspace package with [package.metadata.weir]"
        );
    }
    filters.retain(|filter| {
        let named = packages.contains(&filter.package);
        named || (packages.is_empty() && filter.release)
    });
    filters.sort_by(|one, other| one.package.cmp(&other.package));
    if filters.is_empty() {
        bail!("no workspace package has [package.metadata.weir]");
    }
    Ok(filters)
}

fn declared(package: &Package) -> Result<Option<Filter>> {
    let Some(metadata) = package.metadata.get("weir") else {
        return Ok(None);
    };
    let declared: Declared = serde_json::from_value(metadata.clone())
        .with_context(|| format!("{}: [package.metadata.weir]", package.manifest_path))?;
    Ok(Some(Filter {
        package: package.name.to_string(),
        name: declared.filter,
        callbacks: declared.callbacks,
        release: declared.release,
    }))
}
