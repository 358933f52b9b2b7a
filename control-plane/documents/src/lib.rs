//! Documents from files, checked without a control plane.
//!
//! **The problem.** People keep documents in YAML and JSON files. The command line, the control plane's start and
//! policy tests all read such files, and each has to say what is wrong where it stands:
//! `orders.yaml:14:13: /spec/shards/1/name: duplicate shard "b"`.
//!
//! **How.** [`load()`] reads files, folders and standard input into plain JSON values that know where they came from.
//! [`plan`] is what a control plane would make of them, [`follow`] the state afterwards, [`choose_gateway`] the Gateway
//! that is meant; all three are `weir-core`'s own checks. [`locate`] finds the place of each problem in its file.
//!
//! **Not for** documents that did not come from files: `weir-core` takes values as they are.
//!
//! ```
//! use weir_core::state::State;
//!
//! let file = std::env::temp_dir().join(format!("weir-documents-{}.yaml", std::process::id()));
//! std::fs::write(&file, "apiVersion: weir.dev/v1alpha1\nkind: Gateway\nmetadata: {name: edge}\nspec: {listeners: []}\n")?;
//! let loaded = weir_documents::load(&[file.clone()])?;
//! let weir_core::refusal::Refusal::Invalid(problems) = weir_documents::plan(&State::default(), &loaded).unwrap_err()
//! else {
//!     unreachable!("a document without routes is wrong")
//! };
//! let said = weir_documents::describe(&problems, &loaded);
//! assert!(said.ends_with(".yaml:4:7: /spec: missing field `routes`"), "{said}");
//! # std::fs::remove_file(file)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod check;
mod error;
mod gateway;
mod load;
mod place;
mod report;

pub use check::{follow, plan};
pub use error::{LoadError, LoadErrors};
pub use gateway::{GatewayError, choose_gateway};
pub use load::{LoadedDocument, Source, SourceFile, load, values};
pub use place::{Place, Places};
pub use report::{LocatedProblem, describe, locate};
