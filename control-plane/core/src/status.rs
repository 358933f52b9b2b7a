//! What documents look like in answers: with their revision, and what has come of them.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use weir_policy::document::Identity;

use crate::node::GatewayRef;
use crate::slot::{self, CompiledSlot};
use crate::state::{State, Stored};

/// Where each policy stands, for all documents of one state.
#[derive(Debug, Default)]
pub struct Statuses {
    by_policy: BTreeMap<Identity, Vec<Value>>,
}

impl Statuses {
    /// Looks at every slot of every Gateway.
    pub fn of(state: &State) -> Self {
        let mut statuses = Self::default();
        for gateway in state.gateways() {
            for compiled in slot::compile(state, &gateway) {
                statuses.add(&gateway, &compiled);
            }
        }
        statuses
    }

    fn add(&mut self, gateway: &GatewayRef, compiled: &CompiledSlot) {
        for policy in &compiled.attached {
            let Some(GatewayRef { namespace, name }) = GatewayRef::parse(policy) else {
                continue;
            };
            let mut attachment = json!({"gateway": gateway.to_string(), "generation": compiled.generation});
            if let (Some(winner), Some(fields)) = (compiled.shadowed.get(policy), attachment.as_object_mut())
            {
                fields.insert("shadowedBy".to_owned(), Value::from(winner.clone()));
            }
            let identity = Identity {
                kind: compiled.kind,
                namespace,
                name,
            };
            self.by_policy.entry(identity).or_default().push(attachment);
        }
    }

    /// A document as the API answers it: `metadata.revision` and, for policies, `status.attachments`.
    pub fn answer(&self, identity: &Identity, stored: &Stored) -> Value {
        let mut document = (*stored.document).clone();
        document.metadata.revision = Some(stored.revision);
        let mut value = document.to_value();
        if let Some(fields) = value.as_object_mut()
            && document.attaches()
        {
            let attachments = self.by_policy.get(identity).cloned().unwrap_or_default();
            fields.insert("status".to_owned(), json!({"attachments": attachments}));
        }
        value
    }
}
