//! One limit, compiled.

use weir_policy::compiled::rate_limit::{CompiledDescriptor, CompiledLimit, CompiledQuota};
use weir_policy::document::rate_limit_policy::limit::{Fleet, MissingKey};
use weir_policy::problem::{Problem, escape};
use xxhash_rust::xxh3::xxh3_64;

use crate::cost::Cost;
use crate::descriptor::Descriptor;
use crate::key::{Fingerprint, Found, Key};
use crate::quota::Quota;
use crate::request::LimitedRequest;

/// Which limit of a slot: stable over configurations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LimitId(pub u64);

/// One limit.
#[derive(Clone, Debug)]
pub struct Limit {
    id: LimitId,
    name: String,
    path: String,
    key: Key,
    on_missing_key: MissingKey,
    quota: Quota,
    plans: Option<Plans>,
    cost: Cost,
    fleet: Option<Fleet>,
}

#[derive(Clone, Debug)]
struct Plans {
    from: Descriptor,
    /// Sorted.
    quotas: Vec<(Box<[u8]>, Quota)>,
}

impl Limit {
    /// Checks and compiles; `policy` is the policy's name, `above` are the descriptors of the limits above this one, the
    /// topmost first.
    pub(crate) fn try_new<'d>(
        policy: &str,
        limit: &CompiledLimit,
        above: impl Iterator<Item = &'d CompiledDescriptor>,
    ) -> Result<Self, Problem> {
        let path = format!("{policy}/{}", limit.name);
        let quota = Quota::try_new(limit.quota, limit.cost.response_header.is_some());
        Ok(Self {
            id: LimitId(xxh3_64(path.as_bytes())),
            name: limit.name.as_str().to_owned(),
            key: key(&path, &quota, above, &limit.key)?,
            path,
            on_missing_key: limit.on_missing_key,
            quota: quota.map_err(|problem| below("/quota", problem))?,
            plans: Plans::try_new(limit)?,
            cost: Cost::try_new(&limit.cost).map_err(|problem| below("/cost", problem))?,
            fleet: limit.fleet,
        })
    }

    /// Which limit it is.
    pub fn id(&self) -> LimitId {
        self.id
    }

    /// Its name in its policy.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `<namespace>/<policy>/<limit>`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether its quota is the fleet's.
    pub fn fleet(&self) -> Option<Fleet> {
        self.fleet
    }

    /// The quota of clients without a plan of their own.
    pub fn quota(&self) -> &Quota {
        &self.quota
    }

    /// Whether all requests are counted together.
    pub(crate) fn is_for_all(&self) -> bool {
        self.key.is_constant()
    }

    pub(crate) fn on_missing_key(&self) -> MissingKey {
        self.on_missing_key
    }

    pub(crate) fn cost(&self) -> &Cost {
        &self.cost
    }

    pub(crate) fn key_of(&self, request: &impl LimitedRequest) -> Found {
        self.key.of(request)
    }

    /// The key under which requests with these values, as an operator writes them, are counted after `epoch` resets; none
    /// if they are no key of this limit.
    pub fn key_of_texts(&self, values: &[String], epoch: u32) -> Option<Fingerprint> {
        Some(self.key.of_texts(values)?.in_epoch(epoch))
    }

    /// The quota that is for `request`.
    pub(crate) fn quota_of(&self, request: &impl LimitedRequest) -> &Quota {
        let planned = self.plans.as_ref().and_then(|plans| plans.quota_of(request));
        planned.unwrap_or(&self.quota)
    }
}

/// A key holds how its quota is kept, so that no algorithm reads another's state.
fn key<'d>(
    path: &str,
    quota: &Result<Quota, Problem>,
    above: impl Iterator<Item = &'d CompiledDescriptor>,
    own: &[CompiledDescriptor],
) -> Result<Key, Problem> {
    let kind = quota.as_ref().map_or("", Quota::kind);
    Key::try_new(&format!("{path}/{kind}"), above, own).map_err(|problem| below("/key", problem))
}

impl Plans {
    fn try_new(limit: &CompiledLimit) -> Result<Option<Self>, Problem> {
        let Some(plans) = &limit.plans else {
            return Ok(None);
        };
        if limit.fleet.is_some() {
            let detail = "the fleet's quota is one for all clients: expected no plans";
            return Err(Problem::new("fleet_plans", "/plans", detail));
        }
        let debt = limit.cost.response_header.is_some();
        let compile = |(plan, quota): (&String, &CompiledQuota)| match Quota::try_new(*quota, debt) {
            Ok(quota) => Ok((plan.as_bytes().into(), quota)),
            Err(problem) => Err(below(&format!("/plans/quotas/{}", escape(plan)), problem)),
        };
        Ok(Some(Self {
            from: Descriptor::try_new(&plans.from).map_err(|problem| below("/plans/from", problem))?,
            quotas: plans.quotas.iter().map(compile).collect::<Result<_, _>>()?,
        }))
    }

    fn quota_of(&self, request: &impl LimitedRequest) -> Option<&Quota> {
        let plan = self.from.value(request)?;
        let place = self
            .quotas
            .binary_search_by(|(name, _)| (**name).cmp(&plan))
            .ok()?;
        self.quotas.get(place).map(|(_, quota)| quota)
    }
}

pub(crate) fn below(pointer: &str, problem: Problem) -> Problem {
    Problem {
        pointer: format!("{pointer}{}", problem.pointer),
        ..problem
    }
}
