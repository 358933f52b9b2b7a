//! Shared data: values by key, for all VMs with the same `vm_id`, changed by compare-and-swap.

use std::collections::BTreeMap;

use crate::abi::Status;

/// The store, as proxy-wasm-cpp-host keeps it (`src/shared_data.cc`): one counter gives every write its CAS number;
/// a write with a number that is not 0 must name the current one; where there is no value yet, any number will do.
#[derive(Default)]
pub(crate) struct SharedData {
    values: BTreeMap<(String, Vec<u8>), (Vec<u8>, u32)>,
    last_cas: u32,
}

impl SharedData {
    pub(crate) fn get(&self, vm_id: &str, key: &[u8]) -> Option<(Vec<u8>, u32)> {
        self.values.get(&(vm_id.to_owned(), key.to_vec())).cloned()
    }

    pub(crate) fn set(&mut self, vm_id: &str, key: &[u8], value: Vec<u8>, cas: u32) -> Result<(), Status> {
        let key = (vm_id.to_owned(), key.to_vec());
        if let Some((_, current)) = self.values.get(&key)
            && cas != 0
            && cas != *current
        {
            return Err(Status::CasMismatch);
        }
        self.last_cas = self.last_cas.wrapping_add(1).max(1);
        self.values.insert(key, (value, self.last_cas));
        Ok(())
    }

    /// The keys of `vm_id` that were ever set: a key can be emptied, never removed.
    pub(crate) fn keys(&self, vm_id: &str) -> Vec<Vec<u8>> {
        let of_vm = self.values.keys().filter(|(id, _)| id == vm_id);
        of_vm.map(|(_, key)| key.clone()).collect()
    }
}
