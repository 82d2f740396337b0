use std::collections::BTreeMap;
use std::net::IpAddr;
use std::num::NonZeroU32;

use slab::Slab;

/// The endpoints that entries name. They are few beside the entries, which hold a short number instead of an address.
#[derive(Debug, Default)]
pub(super) struct Endpoints {
    /// Each with how many entries name it.
    slots: Slab<(IpAddr, u32)>,
    by_address: BTreeMap<IpAddr, EndpointId>,
}

/// The number of the slot, and one: the zero is what an empty place is told by, without memory of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct EndpointId(NonZeroU32);

impl EndpointId {
    fn at(slot: usize) -> Self {
        // There are no more endpoints than entries, which do not come near 2³².
        let number = u32::try_from(slot).unwrap_or(u32::MAX).saturating_add(1);
        EndpointId(NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN))
    }

    fn slot(self) -> usize {
        self.0.get() as usize - 1
    }
}

impl Endpoints {
    /// One more entry names it.
    pub(super) fn name(&mut self, endpoint: IpAddr) -> EndpointId {
        let slots = &mut self.slots;
        let id = *self.by_address.entry(endpoint).or_insert_with(|| EndpointId::at(slots.insert((endpoint, 0))));
        if let Some((_, count)) = slots.get_mut(id.slot()) {
            *count += 1;
        }
        id
    }

    /// One entry less names it; after the last one it is forgotten.
    pub(super) fn unname(&mut self, id: EndpointId) {
        let Some((endpoint, count)) = self.slots.get_mut(id.slot()) else { return };
        *count -= 1;
        if *count == 0 {
            self.by_address.remove(endpoint);
            self.slots.remove(id.slot());
        }
    }

    pub(super) fn get(&self, id: EndpointId) -> Option<IpAddr> {
        self.slots.get(id.slot()).map(|(endpoint, _)| *endpoint)
    }

    pub(super) fn contains(&self, endpoint: IpAddr) -> bool {
        self.by_address.contains_key(&endpoint)
    }

    /// Lowest address first.
    pub(super) fn all(&self) -> impl Iterator<Item = IpAddr> {
        self.by_address.keys().copied()
    }
}
