//! Limits within limits: a limit may name a parent that is asked with it.

use std::collections::BTreeMap;

/// Most limits in a chain, the first and the last included.
pub const MAX_DEPTH: usize = 4;

/// Limits in an order in which every parent comes before its children.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuotaTree {
    order: Vec<usize>,
    chains: Vec<Vec<usize>>,
}

/// Why limits make no tree.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// Two limits have one name.
    #[error("duplicate limit \"{name}\": expected another name than that of limits/{first}")]
    Duplicate {
        /// Where it stands the second time.
        index: usize,
        /// Where it stands first.
        first: usize,
        /// The name.
        name: String,
    },
    /// A parent is not among the limits.
    #[error("unknown parent \"{parent}\": expected the name of another limit")]
    UnknownParent {
        /// Whose parent.
        index: usize,
        /// Its name.
        parent: String,
    },
    /// A limit is its own ancestor.
    #[error("\"{name}\" is its own ancestor: expected parents without a cycle")]
    Cycle {
        /// Where it stands.
        index: usize,
        /// Its name.
        name: String,
    },
    /// A chain is too long.
    #[error("\"{name}\" has {ancestors} ancestors: expected at most {}", MAX_DEPTH - 1)]
    TooDeep {
        /// Where it stands.
        index: usize,
        /// Its name.
        name: String,
        /// How many limits stand above it.
        ancestors: usize,
    },
}

impl TreeError {
    /// Which limit it is about.
    pub const fn index(&self) -> usize {
        match self {
            Self::Duplicate { index, .. }
            | Self::UnknownParent { index, .. }
            | Self::Cycle { index, .. }
            | Self::TooDeep { index, .. } => *index,
        }
    }
}

impl QuotaTree {
    /// The tree of limits, each a name and its parent's, if it has one.
    pub fn try_new<S: AsRef<str>>(limits: &[(S, Option<S>)]) -> Result<Self, TreeError> {
        let by_name = names(limits)?;
        let parents = parents(limits, &by_name)?;
        let chains: Result<Vec<_>, _> = (0..limits.len())
            .map(|index| chain(index, limits, &parents))
            .collect();
        let chains = chains?;
        let at_depth = |depth| move |(_, chain): &(usize, &Vec<usize>)| chain.len() == depth;
        let order = (1..=MAX_DEPTH)
            .flat_map(|depth| chains.iter().enumerate().filter(at_depth(depth)))
            .map(|(index, _)| index)
            .collect();
        Ok(Self { order, chains })
    }

    /// All limits by index, parents before their children, otherwise as they were given.
    pub fn order(&self) -> &[usize] {
        &self.order
    }

    /// A limit and its ancestors by index, the outermost first, the limit itself last. Empty for an unknown one.
    pub fn chain(&self, index: usize) -> &[usize] {
        self.chains.get(index).map_or(&[], Vec::as_slice)
    }
}

fn names<S: AsRef<str>>(limits: &[(S, Option<S>)]) -> Result<BTreeMap<&str, usize>, TreeError> {
    let mut by_name = BTreeMap::new();
    for (index, (name, _)) in limits.iter().enumerate() {
        if let Some(first) = by_name.insert(name.as_ref(), index) {
            let name = name.as_ref().to_owned();
            return Err(TreeError::Duplicate { index, first, name });
        }
    }
    Ok(by_name)
}

fn parents<S: AsRef<str>>(
    limits: &[(S, Option<S>)],
    by_name: &BTreeMap<&str, usize>,
) -> Result<Vec<Option<usize>>, TreeError> {
    let parent_of = |(index, (_, parent)): (usize, &(S, Option<S>))| {
        let Some(parent) = parent.as_ref().map(S::as_ref) else {
            return Ok(None);
        };
        let known = by_name.get(parent).copied();
        known.map(Some).ok_or_else(|| TreeError::UnknownParent {
            index,
            parent: parent.to_owned(),
        })
    };
    limits.iter().enumerate().map(parent_of).collect()
}

/// The chain of one limit, outermost first. More ancestors than there are other limits: the last one met is in a cycle.
fn chain<S: AsRef<str>>(
    index: usize,
    limits: &[(S, Option<S>)],
    parents: &[Option<usize>],
) -> Result<Vec<usize>, TreeError> {
    let name = |index: usize| limits.get(index).map_or("", |(name, _)| name.as_ref()).to_owned();
    let mut chain = vec![index];
    let mut above = parents.get(index).copied().flatten();
    while let Some(parent) = above {
        if chain.len() >= limits.len() {
            return Err(TreeError::Cycle {
                index: parent,
                name: name(parent),
            });
        }
        chain.push(parent);
        above = parents.get(parent).copied().flatten();
    }
    if chain.len() > MAX_DEPTH {
        return Err(TreeError::TooDeep {
            index,
            name: name(index),
            ancestors: chain.len() - 1,
        });
    }
    chain.reverse();
    Ok(chain)
}
