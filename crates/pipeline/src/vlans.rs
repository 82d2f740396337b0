use std::collections::{BTreeSet, VecDeque};

use model::LocalVlan;

use crate::Error;

/// Gives out local VLANs of a range. One that was freed is the last to be used again, because what was learned for it
/// (on `br-tun`, in `br-int`'s MAC table) may live for 300 s.
///
/// Release a VLAN only when the switch has confirmed that its rows are gone, or a frame of its next network could still
/// meet a row of the last one.
#[derive(Debug, Clone)]
pub struct LocalVlans {
    first: LocalVlan,
    last: LocalVlan,
    free: VecDeque<LocalVlan>,
    used: BTreeSet<LocalVlan>,
}

impl LocalVlans {
    /// The range `first` to `last`, both included.
    pub fn new(first: LocalVlan, last: LocalVlan) -> Result<Self, Error> {
        let free: VecDeque<_> = (first.get()..=last.get()).filter_map(|tag| LocalVlan::new(tag).ok()).collect();
        if free.is_empty() {
            return Err(Error::VlanRange { first, last });
        }
        Ok(LocalVlans { first, last, free, used: BTreeSet::new() })
    }

    /// The VLAN that was free for longest.
    pub fn allocate(&mut self) -> Result<LocalVlan, Error> {
        let Some(vlan) = self.free.pop_front() else {
            let count = usize::from(self.last.get() - self.first.get()) + 1;
            return Err(Error::VlansExhausted { first: self.first, last: self.last, count });
        };
        self.used.insert(vlan);
        Ok(vlan)
    }

    /// Takes a VLAN that was found in use, inside the range or not (the range may have been another before a restart).
    /// `false`: it is already taken.
    pub fn adopt(&mut self, vlan: LocalVlan) -> bool {
        self.free.retain(|free| *free != vlan);
        self.used.insert(vlan)
    }

    /// Gives a VLAN back; one that was not in use, or lies outside the range, does not become free by this.
    pub fn release(&mut self, vlan: LocalVlan) {
        if self.used.remove(&vlan) && (self.first..=self.last).contains(&vlan) {
            self.free.push_back(vlan);
        }
    }
}

impl Default for LocalVlans {
    /// All that there are: 1 to 4094.
    fn default() -> Self {
        let free = (LocalVlan::MIN.get()..=LocalVlan::MAX.get()).filter_map(|tag| LocalVlan::new(tag).ok()).collect();
        LocalVlans { first: LocalVlan::MIN, last: LocalVlan::MAX, free, used: BTreeSet::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vlan(tag: u16) -> LocalVlan {
        LocalVlan::new(tag).unwrap()
    }

    #[test]
    fn a_freed_one_is_the_last_to_be_used_again() {
        let mut vlans = LocalVlans::new(vlan(1), vlan(3)).unwrap();
        assert_eq!(vlans.allocate(), Ok(vlan(1)));
        vlans.release(vlan(1));
        assert_eq!([(); 3].map(|()| vlans.allocate()), [Ok(vlan(2)), Ok(vlan(3)), Ok(vlan(1))]);
        let exhausted = vlans.allocate().unwrap_err();
        assert!(exhausted.to_string().contains("1-3"), "{exhausted}");
        vlans.release(vlan(2));
        vlans.release(vlan(2));
        assert_eq!(vlans.allocate(), Ok(vlan(2)));
        assert!(vlans.allocate().is_err(), "released twice is free once");
    }

    #[test]
    fn what_was_found_in_use_is_not_given_out() {
        let mut vlans = LocalVlans::new(vlan(1), vlan(2)).unwrap();
        assert!(vlans.adopt(vlan(1)) && vlans.adopt(vlan(77)) && !vlans.adopt(vlan(77)));
        assert_eq!(vlans.allocate(), Ok(vlan(2)));
        vlans.release(vlan(77));
        assert!(vlans.allocate().is_err(), "outside the range");
        assert!(LocalVlans::new(vlan(2), vlan(1)).is_err());
        assert_eq!(LocalVlans::default().free.len(), 4094);
    }
}
