//! One VM: an instance of a module, and the contexts that live in it.

pub(crate) mod callback;
pub(crate) mod context;
pub(crate) mod effect;
pub(crate) mod grpc;
mod grpc_service;
mod guest;
mod imports;
pub(crate) mod state;

use std::sync::Arc;

use wasmtime::{Func, Instance, Store, Trap, WasmParams, WasmResults};

use crate::error::HostError;
use crate::plugin::PluginSpec;
use crate::vm::callback::Callback;
use crate::vm::context::{Context, Ending, Root, Timer};
use crate::vm::state::HostState;

pub(crate) use crate::vm::imports::linker;

pub(crate) struct Vm {
    store: Store<HostState>,
    /// The callbacks that the module exports, by their place in [`Callback::ALL`].
    exports: Vec<Option<Func>>,
    next_context: u32,
}

impl Vm {
    /// A new instance, initialised; `worker` is none for the canary.
    pub(crate) fn start(spec: &Arc<PluginSpec>, worker: Option<usize>) -> Result<Self, HostError> {
        let engine = spec.module.engine();
        let mut store = Store::new(engine, HostState::new(Arc::clone(spec), worker));
        store.limiter(|state| &mut state.limits);
        let instance = store
            .set_fuel(spec.options.fuel_per_callback)
            .and_then(|()| spec.module.linked().instantiate(&mut store))
            .map_err(|error| HostError::InvalidModule {
                filter: spec.name().to_owned(),
                detail: format!("{error:#}"),
            })?;
        let mut vm = Self {
            exports: exports(&instance, &mut store),
            store,
            next_context: 1,
        };
        vm.find_memory(&instance);
        vm.call::<_, ()>(Callback::Initialize, 0, ())?;
        vm.call::<_, ()>(Callback::Start, 0, ())?;
        Ok(vm)
    }

    fn find_memory(&mut self, instance: &Instance) {
        let memory = instance.get_memory(&mut self.store, "memory");
        let malloc = ["proxy_on_memory_allocate", "malloc"]
            .iter()
            .find_map(|name| instance.get_typed_func(&mut self.store, name).ok());
        let state = self.store.data_mut();
        state.memory = memory;
        state.malloc = malloc;
    }

    pub(crate) fn number(&self) -> u64 {
        self.state().number
    }

    pub(crate) fn state(&self) -> &HostState {
        self.store.data()
    }

    pub(crate) fn state_mut(&mut self) -> &mut HostState {
        self.store.data_mut()
    }

    pub(crate) fn new_context(&mut self, context: Context) -> u32 {
        let id = self.next_context;
        self.next_context += 1;
        self.state_mut().contexts.insert(id, context);
        id
    }

    /// Calls a callback. None when the module doesn't export it. An error is the end of the VM.
    pub(crate) fn call<P: WasmParams, R: WasmResults>(
        &mut self,
        callback: Callback,
        context: u32,
        params: P,
    ) -> Result<Option<R>, HostError> {
        let Some(function) = self.exports.get(callback as usize).copied().flatten() else {
            return Ok(None);
        };
        let fuel = self.begin(context);
        let logged = self.state().shared().log_position();
        let result = self
            .store
            .set_fuel(fuel)
            .and_then(|()| function.typed::<P, R>(&self.store))
            .and_then(|function| function.call(&mut self.store, params));
        self.account(callback, fuel);
        result
            .map(Some)
            .map_err(|error| self.failure(callback, &error, logged))
    }

    /// Readies the host's side for a callback; returns the fuel that it has.
    fn begin(&mut self, context: u32) -> u64 {
        let state = self.state_mut();
        state.calling = context;
        state.effective = 0;
        state.stop_iteration = false;
        state.host_calls.fill(0);
        state.spec.options.fuel_per_callback
    }

    fn account(&self, callback: Callback, fuel: u64) {
        let spent = fuel.saturating_sub(self.store.get_fuel().unwrap_or(0));
        let state = self.state();
        let filter = state.current_plugin().name();
        state.shared().account(filter, callback, spent, &state.host_calls);
    }

    fn failure(&self, callback: Callback, error: &wasmtime::Error, logged: usize) -> HostError {
        let state = self.state();
        let filter = state.current_plugin().name().to_owned();
        let callback = callback.name().to_owned();
        if error.downcast_ref() == Some(&Trap::OutOfFuel) {
            return HostError::OutOfFuel { filter, callback };
        }
        let logs = state.shared().logs_since(logged).join("\n");
        HostError::Trap {
            filter,
            callback,
            detail: format!("{error:#}\n{logs}"),
        }
    }

    /// A root context that has taken its configuration; none when it refused.
    pub(crate) fn new_root(
        &mut self,
        plugin: &Arc<PluginSpec>,
        configuration: &Arc<[u8]>,
    ) -> Result<Option<u32>, HostError> {
        let root = self.new_context(Context::Root(Root::new(
            Arc::clone(plugin),
            Arc::clone(configuration),
        )));
        self.state_mut().configuring = Some(Arc::default());
        let created = self.call::<_, ()>(Callback::ContextCreate, root, (root, 0_u32));
        self.state_mut().configuring = None;
        created?;
        let vm_configuration = length(&self.state().spec.options.vm_configuration);
        let started: Option<u32> = self.call(Callback::VmStart, root, (root, vm_configuration))?;
        if started == Some(0) {
            return Ok(None);
        }
        self.state_mut().configuring = Some(Arc::clone(configuration));
        let taken = self.call(Callback::Configure, root, (root, length(configuration)));
        self.state_mut().configuring = None;
        Ok((taken? != Some(0_u32)).then_some(root))
    }

    /// The root context of a plugin that has this configuration, and lives. Envoy knows a root context by its
    /// configuration: one that still has streams serves again.
    pub(crate) fn root_with(&self, plugin: &Arc<PluginSpec>, configuration: &Arc<[u8]>) -> Option<u32> {
        let of_plugin = |root: &Root| Arc::ptr_eq(&root.plugin, plugin) && root.ending == Ending::None;
        let mut found = self
            .state()
            .roots()
            .filter(|(_, root)| of_plugin(root) && root.configuration == *configuration);
        found.next_back().map(|(id, _)| id)
    }

    /// Ends a root context that gets no more streams and has none.
    pub(crate) fn end_if_idle(&mut self, id: u32) -> Result<(), HostError> {
        let idle = |root: &Root| root.superseded && root.open_streams == 0 && root.ending == Ending::None;
        if !self.state().root(id).is_some_and(idle) {
            return Ok(());
        }
        let done: Option<u32> = self.call(Callback::Done, id, (id,))?;
        if let Some(root) = self.state_mut().root_mut(id) {
            root.ending = if done == Some(0) {
                Ending::Pending
            } else {
                Ending::Done
            };
        }
        Ok(())
    }

    /// Deletes the root contexts that are done; whether there were any.
    pub(crate) fn delete_done_roots(&mut self) -> Result<bool, HostError> {
        let mut any = false;
        while let Some(id) = self.done_root() {
            let deleted = self.call::<_, ()>(Callback::Delete, id, (id,));
            self.state_mut().contexts.remove(&id);
            deleted?;
            any = true;
        }
        Ok(any)
    }

    fn done_root(&self) -> Option<u32> {
        let mut done = self
            .state()
            .roots()
            .filter(|(_, root)| root.ending == Ending::Done);
        done.next().map(|(id, _)| id)
    }

    /// The root context whose timer falls due first, and when.
    pub(crate) fn next_tick(&self) -> Option<(u64, u32)> {
        let timers = self
            .state()
            .roots()
            .filter_map(|(id, root)| Some((root.timer?.due, id)));
        timers.min()
    }

    /// Runs a root context's tick, and winds its timer again.
    pub(crate) fn tick(&mut self, root: u32) -> Result<(), HostError> {
        let before = self.timer(root);
        self.call::<_, ()>(Callback::Tick, root, (root,))?;
        let now = self.state().shared().steady();
        let unchanged = self.timer(root).map(|timer| timer.due) == before.map(|timer| timer.due);
        if let Some(root) = self.state_mut().root_mut(root).filter(|_| unchanged)
            && let Some(timer) = &mut root.timer
        {
            timer.due = now.saturating_add(timer.period);
        }
        Ok(())
    }

    fn timer(&self, root: u32) -> Option<Timer> {
        self.state().root(root)?.timer
    }
}

fn exports(instance: &Instance, store: &mut Store<HostState>) -> Vec<Option<Func>> {
    let named = Callback::ALL.iter().map(|callback| callback.name());
    named.map(|name| instance.get_func(&mut *store, name)).collect()
}

/// A length as the ABI gives it.
pub(crate) fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}
