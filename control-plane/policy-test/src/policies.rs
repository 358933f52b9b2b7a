//! Policies: what the documents come to for the proxies of one Gateway.

use std::path::{Path, PathBuf};

use weir_core::cluster::{self, ClusterUse};
use weir_core::node::GatewayRef;
use weir_core::refusal::Refusal;
use weir_core::slot::{self, CompiledSlot};
use weir_core::state::State;
use weir_documents::LoadedDocument;
use weir_policy::document::gateway::Route;
use weir_policy::document::{Identity, Kind, Spec};

use crate::error::PolicyTestError;

/// Documents, checked and compiled for the proxies of one Gateway by the control plane's own code.
#[derive(Clone, Debug)]
pub struct Policies {
    state: State,
    gateway: GatewayRef,
    slots: Vec<CompiledSlot>,
}

impl Policies {
    /// Reads documents from files and folders, as `weir validate` does; they hold one Gateway.
    ///
    /// # Errors
    /// What is wrong with the documents, file, line and column included.
    pub fn load(paths: impl IntoIterator<Item = impl AsRef<Path>>) -> Result<Self, PolicyTestError> {
        Self::try_new(&read(paths)?, None)
    }

    /// Checks and compiles documents for `gateway`, or for the only Gateway there is.
    ///
    /// # Errors
    /// As for [`Policies::load`].
    pub fn try_new(loaded: &[LoadedDocument], gateway: Option<&GatewayRef>) -> Result<Self, PolicyTestError> {
        let state = follow(State::default(), loaded)?;
        let gateway = weir_documents::choose_gateway(&state, gateway)?;
        Self::compile(state, gateway)
    }

    /// The policies after these documents were applied too.
    ///
    /// # Errors
    /// As for [`Policies::load`].
    pub fn with(&self, loaded: &[LoadedDocument]) -> Result<Self, PolicyTestError> {
        let state = follow(self.state.clone(), loaded)?;
        Self::compile(state, self.gateway.clone())
    }

    fn compile(state: State, gateway: GatewayRef) -> Result<Self, PolicyTestError> {
        let slots = slot::compile(&state, &gateway);
        for slot in &slots {
            slot.verify().map_err(|error| PolicyTestError::Slot {
                slot: slot.name.clone(),
                error,
            })?;
        }
        Ok(Self {
            state,
            gateway,
            slots,
        })
    }

    /// The filters' configurations, in the order of their chain.
    pub(crate) fn slots(&self) -> &[CompiledSlot] {
        &self.slots
    }

    pub(crate) fn clusters(&self) -> Vec<ClusterUse> {
        cluster::of_gateway(&self.state, &self.gateway)
    }

    /// The Gateway's routes, in their order.
    pub(crate) fn routes(&self) -> &[Route] {
        let identity = Identity {
            kind: Kind::Gateway,
            namespace: self.gateway.namespace.clone(),
            name: self.gateway.name.clone(),
        };
        match self.state.get(&identity).map(|stored| &stored.document.spec) {
            Some(Spec::Gateway(gateway)) => &gateway.routes,
            _ => &[],
        }
    }
}

/// Reads documents that are not checked yet.
pub(crate) fn read(
    paths: impl IntoIterator<Item = impl AsRef<Path>>,
) -> Result<Vec<LoadedDocument>, PolicyTestError> {
    let paths: Vec<PathBuf> = paths.into_iter().map(|path| path.as_ref().to_owned()).collect();
    Ok(weir_documents::load(&paths)?)
}

fn follow(state: State, loaded: &[LoadedDocument]) -> Result<State, PolicyTestError> {
    match weir_documents::plan(&state, loaded) {
        Ok(plan) => Ok(weir_documents::follow(state, plan)?),
        Err(Refusal::Invalid(problems)) => {
            let located = weir_documents::locate(&problems, loaded);
            Err(PolicyTestError::Invalid(located))
        }
        Err(refusal) => Err(refusal.into()),
    }
}
