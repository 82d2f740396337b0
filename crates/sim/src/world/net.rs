//! Frames between hosts: out of a tunnel port here, in at the one for it there, if there is one.

use std::collections::VecDeque;

use super::World;
use crate::judge::{Fate, Net};
use crate::ovs::{Frame, Tunnel, Walk};
use crate::setup::{Made, endpoint, interface};

impl World {
    /// A VM sends a frame, and the switches on its way learn from it.
    pub(super) fn send(&mut self, host: u8, from: Made, frame: Frame) {
        let now = self.seconds();
        for (host, walk) in self.walks(host, from, frame) {
            if let Some(state) = self.hosts.get_mut(usize::from(host)) {
                state.ovs.vswitch.learn(walk, now);
            }
        }
        self.unseen = true;
    }

    /// The way of a frame through all hosts.
    fn walks(&self, host: u8, from: Made, frame: Frame) -> Vec<(u8, Walk)> {
        let Some(state) = self.hosts.get(usize::from(host)) else { return Vec::new() };
        let mut walks = vec![(host, state.ovs.vswitch.from_interface(&interface(from), frame))];
        let mut under_way: VecDeque<(Tunnel, Frame)> = walks[0].1.sent.iter().copied().collect();
        while let Some((tunnel, frame)) = under_way.pop_front() {
            let Some(there) = (0..self.setup.hosts).find(|host| endpoint(*host) == tunnel.remote) else { continue };
            let Some(state) = self.hosts.get(usize::from(there)) else { continue };
            let back = Tunnel { local: tunnel.remote, remote: tunnel.local, ..tunnel };
            if let Some(walk) = state.ovs.vswitch.from_underlay(back, frame) {
                under_way.extend(walk.sent.iter().copied());
                walks.push((there, walk));
            }
            // A loop: whoever judges sees more copies than he can bear.
            if walks.len() > 64 {
                break;
            }
        }
        walks
    }
}

impl Net for World {
    fn probe(&self, host: u8, from: Made, frame: Frame) -> Fate {
        let mut fate = Fate::default();
        let number = |address| (0..self.setup.hosts).find(|host| endpoint(*host) == address).unwrap_or(u8::MAX);
        for (at, walk) in self.walks(host, from, frame) {
            for (name, frame) in walk.delivered {
                let port = self.facts.plugged.iter().find(|(there, port)| *there == at && interface(*port) == name);
                fate.delivered.extend(port.map(|(_, port)| (at, *port, frame)));
            }
            for (tunnel, frame) in walk.sent {
                fate.crossed.push((at, number(tunnel.remote), tunnel.tunnel_type, frame.tunnel_id));
            }
        }
        fate
    }
}
