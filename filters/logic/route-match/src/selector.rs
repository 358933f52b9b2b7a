//! A slot's rules, compiled.

use std::cell::OnceCell;

use weir_policy::compiled::{CompiledRoute, ConfigError, Rule, SlotConfig};
use weir_policy::problem::Problem;

use crate::matcher::Matcher;
use crate::view::RequestView;

/// Finds the policies for a request: those of the rules whose route and conditions hold, the first of them above all.
#[derive(Clone, Debug)]
pub struct Selector {
    /// The slot's routes, kept only when a rule asks for one.
    routes: Vec<Vec<Matcher>>,
    rules: Vec<CompiledRule>,
}

#[derive(Clone, Debug)]
struct CompiledRule {
    policy: usize,
    route: Option<usize>,
    matcher: Option<Matcher>,
}

impl Selector {
    /// Compiles the routes and rules of `config`; an error names the field.
    pub fn try_new<P>(config: &SlotConfig<P>) -> Result<Self, ConfigError> {
        let policies: Vec<&str> = config.policies.keys().map(String::as_str).collect();
        Self::compile(&config.routes, &config.rules, &policies)
    }

    /// Compiles `routes` and `rules`, whose policies are `policies`; an error names the field.
    pub fn compile(routes: &[CompiledRoute], rules: &[Rule], policies: &[&str]) -> Result<Self, ConfigError> {
        let mut matchers = Vec::with_capacity(routes.len());
        for (index, route) in routes.iter().enumerate() {
            matchers.push(compile_route(route).map_err(|problem| invalid("routes", index, &problem))?);
        }
        let mut compiled = Vec::with_capacity(rules.len());
        for (index, rule) in rules.iter().enumerate() {
            let rule = compile_rule(rule, routes, policies);
            compiled.push(rule.map_err(|problem| invalid("rules", index, &problem))?);
        }
        if compiled.iter().all(|rule| rule.route.is_none()) {
            matchers.clear();
        }
        Ok(Self {
            routes: matchers,
            rules: compiled,
        })
    }

    /// The index of the policy for `request`, in the order of `config.policies`. Reads only what the rules need.
    pub fn select(&self, request: &(impl RequestView + ?Sized)) -> Option<usize> {
        self.select_all(request).next()
    }

    /// The index of the policy of each rule that holds, in the order of the rules; a policy with several such rules comes
    /// several times.
    pub fn select_all(&self, request: &(impl RequestView + ?Sized)) -> impl Iterator<Item = usize> {
        let route = OnceCell::new();
        let holds = move |rule: &&CompiledRule| {
            let on_route = |wanted| *route.get_or_init(|| self.route_of(request)) == Some(wanted);
            rule.route.is_none_or(on_route) && rule.matcher.as_ref().is_none_or(|it| it.matches(request))
        };
        self.rules.iter().filter(holds).map(|rule| rule.policy)
    }

    /// The first route that takes the request.
    fn route_of(&self, request: &(impl RequestView + ?Sized)) -> Option<usize> {
        self.routes.iter().position(|matchers| {
            matchers.is_empty() || matchers.iter().any(|matcher| matcher.matches(request))
        })
    }
}

fn compile_route(route: &CompiledRoute) -> Result<Vec<Matcher>, Problem> {
    let compile = |(index, conditions)| {
        Matcher::try_new(conditions).map_err(|problem| below(&format!("/match/{index}"), problem))
    };
    route.matches.iter().enumerate().map(compile).collect()
}

fn compile_rule(rule: &Rule, routes: &[CompiledRoute], policies: &[&str]) -> Result<CompiledRule, Problem> {
    let policy = policies.iter().position(|name| *name == rule.policy);
    let policy = policy.ok_or_else(|| {
        Problem::new(
            "unknown_policy",
            "/policy",
            format!("no policy {:?}", rule.policy),
        )
    })?;
    let matcher = rule.request_match.as_ref().map(Matcher::try_new).transpose();
    let route = rule.route.as_deref();
    Ok(CompiledRule {
        policy,
        route: route.map(|name| route_index(name, routes)).transpose()?,
        matcher: matcher.map_err(|problem| below("/match", problem))?,
    })
}

fn route_index(name: &str, routes: &[CompiledRoute]) -> Result<usize, Problem> {
    let index = routes.iter().position(|route| route.name == name);
    index.ok_or_else(|| Problem::new("unknown_route", "/route", format!("no route {name:?}")))
}

fn below(pointer: &str, problem: Problem) -> Problem {
    Problem {
        pointer: format!("{pointer}{}", problem.pointer),
        ..problem
    }
}

fn invalid(list: &str, index: usize, problem: &Problem) -> ConfigError {
    ConfigError::Invalid(format!("/{list}/{index}{}: {}", problem.pointer, problem.detail))
}
