//! The MACs of new ports: those that are asked for, which must be free, and random ones that are.

use std::collections::HashSet;

use model::{Mac, NetworkId};
use sqlx::Row as _;

use crate::batch::{self, Batch};
use crate::db::{Row, mac_from};
use crate::environment::Environment;
use crate::types::NewPort;
use crate::write::Write;
use crate::{Error, Result};

/// Random MACs to try: 2^24 are ours, so several clashes in a row mean that the network is full.
const TRIES: usize = 16;

/// A MAC for each new port, in their order.
pub(crate) struct Macs(Vec<Wanted>);

struct Wanted {
    network: NetworkId,
    mac: Mac,
    /// Nobody asked for this one.
    is_random: bool,
}

impl Macs {
    pub(crate) fn wish(new: &[NewPort], environment: &dyn Environment) -> Macs {
        let wanted = new.iter().map(|port| Wanted {
            network: port.network_id,
            mac: port.mac.unwrap_or_else(|| random(environment)),
            is_random: port.mac.is_none(),
        });
        Macs(wanted.collect())
    }

    /// Asks which of them their networks have.
    pub(crate) fn ask(&self, batch: &mut Batch) {
        for of_network in self.0.chunk_by(|one, next| one.network == next.network) {
            for part in batch::parts(of_network) {
                let query = batch.statement().push("SELECT network_id, mac FROM ports WHERE mac IN (");
                let mut list = query.separated(", ");
                for wanted in part {
                    list.push_bind(wanted.mac.0.to_vec());
                }
                query.push(") AND network_id = ").push_bind(of_network.first().map(|wanted| wanted.network.0));
            }
        }
    }

    /// What they are once no network has them, by the answers to [`Macs::ask`]: random ones make way.
    pub(crate) async fn settle(mut self, write: &mut Write<'_>, answers: &[Vec<Row>]) -> Result<Vec<Mac>> {
        let mut taken = read(answers)?;
        let mut tries = TRIES;
        while let Some(crowded) = self.make_way(&taken, write.environment)? {
            tries = tries.checked_sub(1).ok_or(Error::NoFreeMac(crowded))?;
            taken = read(&write.ask(|batch| self.ask(batch)).await?)?;
        }
        Ok(self.0.into_iter().map(|wanted| wanted.mac).collect())
    }

    /// Gives random ones that a network or a port before has another value; a network where that was so.
    fn make_way(
        &mut self,
        taken: &HashSet<(NetworkId, Mac)>,
        environment: &dyn Environment,
    ) -> Result<Option<NetworkId>> {
        let mut given = HashSet::new();
        let mut crowded = None;
        for Wanted { network, mac, is_random } in &mut self.0 {
            let is_free = |mac: Mac| !taken.contains(&(*network, mac)) && !given.contains(&(*network, mac));
            if !is_free(*mac) && !*is_random {
                return Err(Error::MacInUse { network: *network, mac: *mac });
            }
            if !is_free(*mac) {
                *mac = random(environment);
                crowded = Some(*network);
            }
            given.insert((*network, *mac));
        }
        Ok(crowded)
    }
}

fn read(answers: &[Vec<Row>]) -> Result<HashSet<(NetworkId, Mac)>> {
    let read = |row: &Row| Ok((NetworkId(row.try_get(0)?), mac_from(row.try_get(1)?)?));
    answers.iter().flatten().map(read).collect()
}

fn random(environment: &dyn Environment) -> Mac {
    let [.., a, b, c] = environment.random().to_be_bytes();
    Mac([0xfa, 0x16, 0x3e, a, b, c])
}
