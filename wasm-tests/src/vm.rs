//! One VM: an instance of the module, and the contexts that live in it.

mod context;
mod guest;
mod imports;
mod local_reply;
mod state;
mod streams;

use std::sync::Arc;

use wasmtime::{Instance, Store, Trap, WasmParams, WasmResults};

use crate::error::HostError;
use crate::plugin::PluginSpec;
use crate::vm::context::{Context, Ending, Root};
use crate::vm::state::HostState;

pub(crate) use crate::vm::streams::Body;

/// What became of a configuration in a VM.
pub(crate) enum Configured {
    Taken,
    Refused(HostError),
}

pub(crate) struct Vm {
    store: Store<HostState>,
    instance: Instance,
    number: u64,
    failed: bool,
    next_context: u32,
    /// The root context that gets new streams.
    serving: u32,
}

impl Vm {
    /// A new instance, initialised; `worker` is none for the canary.
    pub(crate) fn start(spec: &Arc<PluginSpec>, worker: Option<usize>) -> Result<Self, HostError> {
        let compiled = spec.module.compiled();
        let mut store = Store::new(compiled.engine(), HostState::new(Arc::clone(spec), worker));
        let instance = imports::linker(compiled.engine())
            .and_then(|linker| {
                store.set_fuel(spec.options.fuel_per_callback)?;
                linker.instantiate(&mut store, compiled)
            })
            .map_err(|error| HostError::InvalidModule {
                filter: spec.filter(),
                detail: format!("{error:#}"),
            })?;
        let mut vm = Self {
            store,
            instance,
            number: spec.shared.next_vm(),
            failed: false,
            next_context: 1,
            serving: 0,
        };
        vm.find_memory();
        vm.call::<_, ()>(0, "_initialize", ())?;
        Ok(vm)
    }

    fn find_memory(&mut self) {
        let memory = self.instance.get_memory(&mut self.store, "memory");
        let malloc = ["proxy_on_memory_allocate", "malloc"]
            .iter()
            .find_map(|name| self.instance.get_typed_func(&mut self.store, name).ok());
        let state = self.store.data_mut();
        state.memory = memory;
        state.malloc = malloc;
    }

    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Whether it has trapped: then it serves no more.
    pub(crate) fn failed(&self) -> bool {
        self.failed
    }

    fn spec(&self) -> &PluginSpec {
        &self.store.data().spec
    }

    fn new_context(&mut self, context: Context) -> u32 {
        let id = self.next_context;
        self.next_context += 1;
        self.store.data_mut().contexts.insert(id, context);
        id
    }

    /// Calls a callback, and does what it left to be done. None when the module doesn't export it.
    fn call<P: WasmParams, R: WasmResults>(
        &mut self,
        context: u32,
        callback: &str,
        params: P,
    ) -> Result<Option<R>, HostError> {
        let result = self.invoke(context, callback, params)?;
        self.answer_streams()?;
        self.delete_done_roots()?;
        Ok(result)
    }

    fn invoke<P: WasmParams, R: WasmResults>(
        &mut self,
        context: u32,
        callback: &str,
        params: P,
    ) -> Result<Option<R>, HostError> {
        let Some(function) = self.instance.get_func(&mut self.store, callback) else {
            return Ok(None);
        };
        let fuel = self.spec().options.fuel_per_callback;
        let logged = self.spec().shared.log_position();
        let state = self.store.data_mut();
        state.calling = context;
        state.effective = 0;
        let result = self
            .store
            .set_fuel(fuel)
            .and_then(|()| function.typed::<P, R>(&self.store))
            .and_then(|function| function.call(&mut self.store, params));
        result
            .map(Some)
            .map_err(|error| self.fail(callback, &error, logged))
    }

    fn fail(&mut self, callback: &str, error: &wasmtime::Error, logged: usize) -> HostError {
        self.failed = true;
        let filter = self.spec().filter();
        let callback = callback.to_owned();
        if error.downcast_ref() == Some(&Trap::OutOfFuel) {
            return HostError::OutOfFuel { filter, callback };
        }
        let logs = self.spec().shared.logs_since(logged).join("\n");
        HostError::Trap {
            filter,
            callback,
            detail: format!("{error:#}\n{logs}"),
        }
    }

    /// Puts a configuration in force: a new root context in this VM, or the one that still has it. The one before
    /// ends when its last stream has.
    pub(crate) fn configure(&mut self, configuration: &Arc<[u8]>) -> Result<Configured, HostError> {
        let logged = self.spec().shared.log_position();
        let root = match self.root_with(configuration) {
            Some(root) => root,
            None => match self.new_root(configuration)? {
                Some(root) => root,
                None => return Ok(Configured::Refused(self.refusal(logged))),
            },
        };
        let before = std::mem::replace(&mut self.serving, root);
        if let Some(root) = self.store.data_mut().root_mut(before) {
            root.superseded = true;
        }
        if let Some(root) = self.store.data_mut().root_mut(root) {
            root.superseded = false;
        }
        self.end_if_idle(before)?;
        Ok(Configured::Taken)
    }

    /// Envoy knows a root context by its configuration: one that still has streams serves again.
    fn root_with(&self, configuration: &Arc<[u8]>) -> Option<u32> {
        let contexts = self.store.data().contexts.iter();
        let mut found = contexts.filter_map(|(id, context)| match context {
            Context::Root(root) if root.ending == Ending::None && root.configuration == *configuration => {
                Some(*id)
            }
            _ => None,
        });
        found.next_back()
    }

    /// A root context that has taken its configuration; none when it refused.
    fn new_root(&mut self, configuration: &Arc<[u8]>) -> Result<Option<u32>, HostError> {
        let root = self.new_context(Context::Root(Root::new(Arc::clone(configuration))));
        self.call::<_, ()>(root, "proxy_on_context_create", (root, 0_u32))?;
        let vm_configuration = length(&self.spec().options.vm_configuration);
        let started: Option<u32> = self.call(root, "proxy_on_vm_start", (root, vm_configuration))?;
        if started == Some(0) {
            return Ok(None);
        }
        self.store.data_mut().configuring = Some(Arc::clone(configuration));
        let taken: Option<u32> = self.call(root, "proxy_on_configure", (root, length(configuration)))?;
        self.store.data_mut().configuring = None;
        Ok((taken != Some(0)).then_some(root))
    }

    fn refusal(&self, logged: usize) -> HostError {
        HostError::Refused {
            filter: self.spec().filter(),
            logs: self.spec().shared.logs_since(logged),
        }
    }

    /// Ends a root context that gets no more streams and has none.
    fn end_if_idle(&mut self, id: u32) -> Result<(), HostError> {
        let idle = |root: &Root| root.superseded && root.open_streams == 0 && root.ending == Ending::None;
        if !self.store.data().root(id).is_some_and(idle) {
            return Ok(());
        }
        let done: Option<u32> = self.call(id, "proxy_on_done", (id,))?;
        if let Some(root) = self.store.data_mut().root_mut(id) {
            root.ending = match done {
                Some(0) => Ending::Pending,
                _ => Ending::Done,
            };
        }
        self.delete_done_roots()
    }

    fn delete_done_roots(&mut self) -> Result<(), HostError> {
        let contexts = self.store.data().contexts.iter();
        let done = contexts
            .filter(|(_, context)| matches!(context, Context::Root(root) if root.ending == Ending::Done));
        let done: Vec<u32> = done.map(|(id, _)| *id).collect();
        for id in done {
            self.invoke::<_, ()>(id, "proxy_on_delete", (id,))?;
            let state = self.store.data_mut();
            state.contexts.remove(&id);
            state.timers.remove(&id);
        }
        Ok(())
    }

    /// The root context whose timer falls due first, and when.
    fn first_timer(&self) -> Option<(u32, u64)> {
        if self.failed {
            return None;
        }
        let timers = self.store.data().timers.iter();
        timers
            .map(|(root, timer)| (*root, timer.due))
            .min_by_key(|(_, due)| *due)
    }

    pub(crate) fn next_tick(&self) -> Option<u64> {
        self.first_timer().map(|(_, due)| due)
    }

    /// Runs the tick that falls due first, and winds its timer again.
    pub(crate) fn tick(&mut self) -> Result<(), HostError> {
        let Some((root, _)) = self.first_timer() else {
            return Ok(());
        };
        self.call::<_, ()>(root, "proxy_on_tick", (root,))?;
        let state = self.store.data_mut();
        let now = state.spec.shared.now();
        if let Some(timer) = state.timers.get_mut(&root) {
            timer.due = now.saturating_add(timer.period);
        }
        Ok(())
    }
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}
